# SPDX-License-Identifier: GPL-2.0
"""Situations made with real programs: proxies, languages, databases, generators of load. Each without
and with what diagnose advises, after which the finding must be gone.

As in situations.py, a is the host that is diagnosed, b the other one.
"""
import glob
import grp
import os
import pwd
import shutil
import subprocess
import threading

from run import LEFT, Skip, situation
from situations import NO_PORT_TROUBLE, PORT

WEB = "http://10.9.0.1/"
UPSTREAM = f"http://10.9.0.2:{PORT}/"
SHORT = ("client-without-pool", "proxy-without-keepalive", "pool-too-small")


def needs(program):
    """Its path; what the machine lacks is skipped."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/lib/postgresql/bin")
    if not path:
        raise Skip(f"{program} is not installed")
    return path


def as_user(name, *command):
    group = grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    return ("setpriv", f"--reuid={name}", f"--regid={group}", "--clear-groups", *command)


def web_load(place, *options, url=WEB, side="b", num=400):
    """Requests one after the other, by ab, until all are answered."""
    place.await_end(place.start(side, "ab", "-q", "-r", "-c2", f"-n{num}", *options, url))


# ---- HTTP upstreams ----

NGINX = """
daemon off; pid {folder}/{name}.pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 1000; }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
 fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
 keepalive_requests 1000000; {http} }}
"""


def start_nginx(place, side, port, name, http):
    config = place.file(f"{name}.conf", NGINX.format(folder=place.folder, name=name, http=http))
    place.start(side, needs("nginx"), "-c", config, "-p", place.folder)
    place.await_port(side, port)


def http_upstream(place):
    """nginx: it closes first if it is asked to."""
    start_nginx(place, "b", PORT, "up",
                f'server {{ listen 10.9.0.2:{PORT}; location / {{ return 200 "ok"; }} }}')


def keeping_upstream(place):
    """One that never closes first, so that what the client does is seen whole."""
    place.actor("b", "app", "http", host="10.9.0.2", port=PORT)


# ---- proxies ----


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
    http_upstream(place)
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


# ---- stores and databases ----


def redis(place):
    place.start("b", needs("redis-server"), "--bind", "10.9.0.2", "--port", str(PORT), "--save", "",
                "--protected-mode", "no", "--dir", place.folder)
    place.await_port("b", PORT)


def redis_load(place, keep, num):
    place.await_end(place.start("a", needs("redis-benchmark"), "-h", "10.9.0.2", "-p", str(PORT),
                                "-k", keep, "-c", "2", "-n", str(num), "-t", "get"))


@situation
def client_redis(place):
    """A real client of a real store, a connection for each command."""
    redis(place)
    redis_load(place, "0", 1000)
    place.finds("client-without-pool", process="redis-benchmark", says="client object", peer=PORT)


@situation
def client_redis_near(place):
    redis(place)
    redis_load(place, "1", 10000)
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def php(place, connect):
    """PHP-FPM behind nginx: each page asks the store."""
    found = sorted(glob.glob("/usr/sbin/php-fpm[0-9]*"))
    if not found:
        raise Skip("php-fpm is not installed")
    pool = place.file("fpm.conf", f"""
[global]
error_log = /dev/null
daemonize = no
[www]
user = www-data
group = www-data
listen = {place.folder}/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 2
""")
    page = place.file("index.php", f"<?php $r = new Redis(); $r->{connect}('10.9.0.2', {PORT}); "
                      "$r->set('a', 'ok'); echo $r->get('a');")
    redis(place)
    place.start("a", found[-1], "-y", pool, "-F")
    start_nginx(place, "a", 80, "nginx", f"""
 server {{ listen 10.9.0.1:80; location / {{ fastcgi_pass unix:{place.folder}/fpm.sock;
  fastcgi_param SCRIPT_FILENAME {page}; fastcgi_param REQUEST_METHOD GET; }} }}""")
    place.await_file(f"{place.folder}/fpm.sock")
    if place.inside("b", "curl", "-s", WEB, stdout=subprocess.PIPE).stdout != "ok":
        raise RuntimeError("the page does not work: is php-redis installed?")
    web_load(place)
    return os.path.basename(found[-1])


@situation
def client_php_fpm(place):
    name = php(place, "connect")
    place.finds("client-without-pool", process=name, says="pconnect()", peer=PORT)


@situation
def client_php_fpm_near(place):
    php(place, "pconnect")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


POSTGRES_LOCK = threading.Lock()


def postgres_bin():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise Skip("postgresql is not installed")
    return found[-1]


def postgres(place):
    """On b, in a folder of its own."""
    folder = f"{place.folder}/db"
    os.mkdir(folder)
    shutil.chown(folder, "postgres", "postgres")
    with POSTGRES_LOCK:  # it writes a lot: not several at once
        subprocess.run(as_user("postgres", f"{postgres_bin()}/initdb", "-D", folder, "-U", "shop", "-A",
                               "trust", "--no-sync", "--no-locale", "-E", "UTF8"), check=True,
                       cwd="/", stdout=subprocess.DEVNULL)
    with open(f"{folder}/pg_hba.conf", "a", encoding="ascii") as file:
        file.write("host all all 10.9.0.0/24 trust\n")
    place.start("b", *as_user("postgres", f"{postgres_bin()}/postgres", "-D", folder, "-F", "-h",
                              "10.9.0.2", "-p", str(PORT), "-k", folder, "-c", "shared_buffers=1MB",
                              "-c", "max_connections=20"), cwd="/")
    place.await_port("b", PORT)


QUERIES = """
import sys, psycopg2
for _ in range(300):
    db = psycopg2.connect(sys.argv[1])
    cursor = db.cursor()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)
    if sys.argv[2] == "commit":
        db.commit()
    db.close()
"""


def queries(place, where, end="commit"):
    script = place.file("queries.py", QUERIES)
    place.await_end(place.start("a", "/usr/bin/python3", script, f"dbname=postgres user=shop {where}",
                                end))


@situation
def database_client(place):
    postgres(place)
    queries(place, f"host=10.9.0.2 port={PORT}")
    place.finds("client-without-pool", process="python3", says="pgbouncer", peer=PORT)


@situation
def database_client_psql(place):
    """A process for each question."""
    postgres(place)
    script = place.file("ask.sh", f"for i in $(seq 60); do {postgres_bin()}/psql -qtA -h 10.9.0.2 "
                        f"-p {PORT} -U shop -d postgres -c 'select 1' || exit 1; done")
    place.await_end(place.start("a", "sh", script))
    place.finds("client-without-pool", process="psql", peer=PORT)


def pgbouncer(place):
    """Beside the client, as it is advised."""
    os.chmod(place.folder, 0o777)
    users = place.file("users.txt", '"shop" ""\n')
    config = place.file("pgbouncer.ini", f"""
[databases]
postgres = host=10.9.0.2 port={PORT}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = {place.folder}
auth_type = trust
auth_file = {users}
pool_mode = session
pidfile =
""")
    place.start("a", *as_user("nobody", needs("pgbouncer"), config))
    place.await_port("a", 6432)


@situation
def database_client_near(place):
    """The same client, and pgbouncer keeps the connections."""
    postgres(place)
    pgbouncer(place)
    queries(place, f"host={place.folder} port=6432")
    place.diagnose().lacks(*SHORT, "loopback-pair", *NO_PORT_TROUBLE)


@situation
def proxy_pgbouncer(place):
    """Clients that leave in the midst of a transaction cost it the connections that it keeps."""
    postgres(place)
    pgbouncer(place)
    queries(place, f"host={place.folder} port=6432", "leave")
    place.finds("proxy-without-keepalive", process="pgbouncer", says="commit, or roll back", peer=PORT)


@situation
def database_client_loopback(place):
    """Over TCP to pgbouncer on the same host: short, but harmless."""
    postgres(place)
    pgbouncer(place)
    queries(place, "host=127.0.0.1 port=6432")
    found = place.finds("loopback-pair", "ok", "python3")
    found.lacks(*SHORT, *NO_PORT_TROUBLE)
    found.is_harmless()


# ---- languages ----

NODE = """
const http = require('http');
const agent = new http.Agent({ keepAlive: %s });
let left = 300;
function next() {
  http.get({ host: '10.9.0.2', port: %d, agent }, (answer) => {
    answer.resume();
    answer.on('end', () => left-- ? setTimeout(next, 1) : process.exit(0));
  });
}
next();
"""


def node(place, keep):
    http_upstream(place)
    place.await_end(place.start("a", needs("node"), place.file("client.js", NODE % (keep, PORT))))


@situation
def client_node(place):
    node(place, "false")
    # it asks for "Connection: close", and the server does so: no port is held here
    found = place.finds("closed-by-peer", "ok")
    found.lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)


@situation
def client_node_near(place):
    node(place, "true")
    place.diagnose().lacks(*SHORT, "closed-by-peer", *NO_PORT_TROUBLE)


PYTHON = """
import sys, requests
url = sys.argv[1]
get = requests.Session().get if sys.argv[2] == "session" else requests.get
for _ in range(300):
    assert get(url).text == "ok"
"""


def python(place, how):
    http_upstream(place)
    place.await_end(place.start("a", "/usr/bin/python3", place.file("client.py", PYTHON), UPSTREAM,
                                how))


@situation
def client_python(place):
    """requests.get() keeps no connection; the server would."""
    python(place, "get")
    place.finds("client-without-pool", process="python3", says="Session", peer=PORT)


@situation
def client_python_near(place):
    python(place, "session")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


JAVA = """
import java.net.*;
import java.net.http.*;
public class Client {
  public static void main(String[] args) throws Exception {
    URI uri = URI.create(args[0]);
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    for (int i = 0; i < 300; i++) {
      if (args[1].equals("client")) {
        client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        continue;
      }
      HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
      connection.getInputStream().readAllBytes();
      connection.disconnect();
    }
    System.exit(0);
  }
}
"""


def java(place, how):
    needs("javac")
    http_upstream(place)
    place.await_end(place.start("a", needs("java"), place.file("Client.java", JAVA), UPSTREAM, how))


@situation
def client_java(place):
    java(place, "connection")
    place.finds("client-without-pool", process="java", says="HttpClient", peer=PORT)


@situation
def client_java_near(place):
    java(place, "client")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


GO = """
package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
)

func main() {
	if os.Args[1] == "default" {
		os.Stdout.WriteString(strconv.Itoa(http.DefaultMaxIdleConnsPerHost))
		return
	}
	client := &http.Client{Transport: &http.Transport{}}
	for i := 0; i < 300; i++ {
		if os.Args[2] == "new" {
			client.CloseIdleConnections()
			client = &http.Client{Transport: &http.Transport{}}
		}
		answer, err := client.Get(os.Args[1])
		if err != nil {
			os.Exit(1)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
"""

GO_LOCK = threading.Lock()


def go_program():
    """One for all; its name says nothing of its language."""
    folder = f"/tmp/twsdiag.{os.getpid()}.go"
    with GO_LOCK:
        if os.path.exists(f"{folder}/gateway"):
            return f"{folder}/gateway"
        compiler = needs("go")
        os.makedirs(folder, exist_ok=True)
        LEFT.append(folder)
        with open(f"{folder}/main.go", "w", encoding="ascii") as file:
            file.write(GO)
        subprocess.run([compiler, "build", "-o", f"{folder}/gateway", f"{folder}/main.go"], check=True,
                       cwd=folder, env={"PATH": os.environ["PATH"], "HOME": folder, "GOFLAGS": "",
                                        "GO111MODULE": "off", "GOCACHE": f"{folder}/cache"})
        return f"{folder}/gateway"


def go(place, how):
    program = go_program()
    http_upstream(place)
    place.await_end(place.start("a", program, UPSTREAM, how))


@situation
def client_go(place):
    go(place, "new")
    place.finds("client-without-pool", process="gateway", says="client object", peer=PORT)


@situation
def client_go_near(place):
    go(place, "one")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


RUBY = """
require 'net/http'
uri = URI(ARGV[0])
if ARGV[1] == 'start'
  Net::HTTP.start(uri.host, uri.port) { |http| 300.times { http.get('/') } }
else
  300.times { Net::HTTP.start(uri.host, uri.port) { |http|
    http.get('/', { 'Connection' => 'keep-alive' }) } }
end
"""


def ruby(place, how):
    http_upstream(place)
    place.await_end(place.start("a", needs("ruby"), place.file("client.rb", RUBY), UPSTREAM, how))


@situation
def client_ruby(place):
    ruby(place, "each")
    place.finds("client-without-pool", process="ruby", says="Net::HTTP.start", peer=PORT)


@situation
def client_ruby_near(place):
    ruby(place, "start")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def client_curl(place):
    http_upstream(place)
    script = place.file("ask.sh", f"for i in $(seq 100); do curl -sS -o /dev/null {UPSTREAM} || "
                        "exit 1; done")
    place.await_end(place.start("a", "sh", script))
    place.finds("client-without-pool", process="curl", says="several URLs in one call", peer=PORT)


@situation
def client_curl_near(place):
    http_upstream(place)
    place.await_end(place.start("a", needs("curl"), "-sS", *([UPSTREAM] * 100)))
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def client_wget(place):
    http_upstream(place)
    script = place.file("ask.sh", f"for i in $(seq 100); do wget -q -O /dev/null {UPSTREAM} || "
                        "exit 1; done")
    place.await_end(place.start("a", "sh", script))
    place.finds("client-without-pool", process="wget", says="several URLs in one call", peer=PORT)


@situation
def client_wget_near(place):
    http_upstream(place)
    place.await_end(place.start("a", needs("wget"), "-q", "-O", "/dev/null", *([UPSTREAM] * 100)))
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


# ---- generators of load ----


def generator(place, upstream, *command):
    upstream(place)
    place.await_end(place.start("a", needs(command[0]), *command[1:], UPSTREAM))


@situation
def generator_ab(place):
    generator(place, http_upstream, "ab", "-q", "-c2", "-n300")
    # it does not ask for keep-alive, and so the server closes first
    place.finds("closed-by-peer", "ok", "ab").lacks(*SHORT, "aborts", *NO_PORT_TROUBLE)


@situation
def generator_ab_near(place):
    generator(place, http_upstream, "ab", "-q", "-k", "-c2", "-n300")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def generator_wrk(place):
    http_upstream(place)
    place.await_end(place.start("a", needs("wrk"), "-t1", "-c2", "-d2", "-H", "Connection: close",
                                UPSTREAM))
    # asked so, the server closes first
    place.finds("closed-by-peer", "ok", "wrk").lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def generator_wrk_near(place):
    generator(place, http_upstream, "wrk", "-t1", "-c2", "-d2")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


@situation
def generator_hey(place):
    generator(place, keeping_upstream, "hey", "-disable-keepalive", "-c", "2", "-n", "300")
    found = place.finds("client-without-pool", process="hey", says="no -disable-keepalive", peer=PORT)
    found.notes("client-without-pool", "this is a load generator")


@situation
def generator_hey_near(place):
    generator(place, http_upstream, "hey", "-c", "2", "-n", "300")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def siege(place, connection):
    keeping_upstream(place)
    config = place.file("siegerc", f"connection = {connection}\nverbose = false\nquiet = true\n"
                        "logging = false\njson_output = false\nparser = false\n")
    place.await_end(place.start("a", needs("siege"), "-R", config, "-c2", "-r150", "-b", "-q",
                                UPSTREAM, env={**os.environ, "HOME": place.folder}))


@situation
def generator_siege(place):
    siege(place, "close")
    place.finds("client-without-pool", process="siege", says="connection = keep-alive", peer=PORT)


@situation
def generator_siege_near(place):
    siege(place, "keep-alive")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)
