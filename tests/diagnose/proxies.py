# SPDX-License-Identifier: GPL-2.0
"""Situations made with real proxies. Each without and with what diagnose advises, after which the
finding must be gone. As in situations.py, a is the host that is diagnosed, b the other one."""
import os

from programs import SHORT, UPSTREAM, closing_upstream, http_upstream, keeping_upstream, needs, start_nginx, web_load
from run import situation
from situations import NO_PORT_TROUBLE, PORT


def nginx(place, upstream, location):
    start_nginx(place, "a", 80, "nginx", f"""
 upstream app {{ server 10.9.0.2:{PORT}; {upstream} }}
 server {{ listen 10.9.0.1:80; location / {{ proxy_pass http://app; {location} }} }}""")


KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";'


@situation
def proxy_nginx(place):
    """nginx keeps no connections to its upstream, and closes them itself."""
    http_upstream(place)
    nginx(place, "", KEPT)
    web_load(place)
    place.finds("proxy-without-keepalive", process="nginx", says="'keepalive 32;'", peer=PORT)


@situation
def proxy_nginx_passive(place):
    """As nginx did by default before 1.29.7: the upstream closes first, and nothing is held here."""
    closing_upstream(place)
    nginx(place, "", "")
    web_load(place, "-k")
    found = place.finds("closed-by-peer", "ok", "nginx")
    found.lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)


@situation
def proxy_nginx_near(place):
    http_upstream(place)
    nginx(place, "keepalive 32;", KEPT)
    web_load(place)
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def haproxy(place, options):
    config = place.file("haproxy.cfg", f"""
global
    stats socket {place.folder}/stats
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend web
    bind 10.9.0.1:80
    default_backend app
backend app
    {options}
    server app1 10.9.0.2:{PORT}
""")
    place.start("a", needs("haproxy"), "-f", config)
    place.await_port("a", 80)


@situation
def proxy_haproxy(place):
    http_upstream(place)
    haproxy(place, "http-reuse never")
    web_load(place)
    # it ends idle connections with a reset, on purpose: nothing is lost by that
    found = place.finds("proxy-without-keepalive", process="haproxy", says="http-reuse", peer=PORT)
    found.lacks("aborts")


@situation
def proxy_haproxy_near(place):
    http_upstream(place)
    haproxy(place, "http-reuse always")
    web_load(place, "-k")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def apache(place, options, more=""):
    modules = "/usr/lib/apache2/modules"
    needs("apache2")
    loads = "".join(f"LoadModule {name}_module {modules}/mod_{name}.so\n"
                    for name in ("mpm_event", "authz_core", "proxy", "proxy_http"))
    config = place.file("apache.conf", f"""
ServerRoot {place.folder}
{loads}
ServerName web
PidFile {place.folder}/apache.pid
ErrorLog /dev/null
Mutex posixsem
User www-data
Group www-data
Listen 10.9.0.1:80
StartServers 1
ServerLimit 1
ThreadsPerChild 4
MaxRequestWorkers 4
{more}
ProxyPass / {UPSTREAM} {options}
""")
    place.start("a", needs("apache2"), "-D", "FOREGROUND", "-f", config)
    place.await_port("a", 80)


@situation
def proxy_apache(place):
    keeping_upstream(place)
    apache(place, "disablereuse=On")
    web_load(place)
    place.finds("proxy-without-keepalive", process="apache2", says="disablereuse=On", peer=PORT)


@situation
def proxy_apache_setenv(place):
    keeping_upstream(place)
    apache(place, "", f"LoadModule env_module /usr/lib/apache2/modules/mod_env.so\n"
           "SetEnv proxy-nokeepalive 1")
    web_load(place)
    place.finds("proxy-without-keepalive", process="apache2", says="proxy-nokeepalive", peer=PORT)


@situation
def proxy_apache_near(place):
    keeping_upstream(place)
    apache(place, "")
    web_load(place)
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def squid(place, persistent):
    os.chmod(place.folder, 0o777)
    config = place.file("squid.conf", f"""
http_port 10.9.0.1:80 accel defaultsite=app no-vhost
cache_peer 10.9.0.2 parent {PORT} 0 no-query originserver
http_access allow all
cache deny all
server_persistent_connections {persistent}
pid_filename {place.folder}/squid.pid
cache_log {place.folder}/cache.log
access_log none
coredump_dir {place.folder}
visible_hostname web
pinger_enable off
shutdown_lifetime 1 seconds
""")
    place.start("a", needs("squid"), "-N", "-f", config)
    place.await_port("a", 80)


@situation
def proxy_squid(place):
    keeping_upstream(place)
    squid(place, "off")
    web_load(place)
    place.finds("proxy-without-keepalive", process="squid", says="server_persistent_connections on",
                peer=PORT)


@situation
def proxy_squid_near(place):
    keeping_upstream(place)
    squid(place, "on")
    web_load(place)
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def varnish(place, fetch):
    vcl = place.file("app.vcl", f"""
vcl 4.0;
backend app {{ .host = "10.9.0.2"; .port = "{PORT}"; }}
sub vcl_recv {{ return (pass); }}
sub vcl_backend_fetch {{ {fetch} }}
""")
    place.start("a", needs("varnishd"), "-F", "-j", "none", "-n", f"{place.folder}/v", "-f", vcl,
                "-a", "10.9.0.1:80", "-s", "malloc,10m", "-T", "none")
    place.await_port("a", 80)


@situation
def proxy_varnish(place):
    keeping_upstream(place)
    varnish(place, 'set bereq.http.Connection = "close";')
    web_load(place)
    place.finds("proxy-without-keepalive", says="set bereq.http.Connection", peer=PORT)


@situation
def proxy_varnish_near(place):
    keeping_upstream(place)
    varnish(place, "")
    web_load(place)
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)
