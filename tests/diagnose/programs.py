# SPDX-License-Identifier: GPL-2.0
"""What the situations made with real programs share: finding and starting them, nginx, an upstream."""
import grp
import pwd
import shutil

from run import Skip
from situations import PORT

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


def closing_upstream(place):
    """nginx, whose FIN comes with its answer if it is asked to close: else who has read the answer may be the
    first, one in five times on a busy machine."""
    place.file("answer", "ok")
    start_nginx(place, "b", PORT, "up", f"""sendfile on; tcp_nopush on;
 server {{ listen 10.9.0.2:{PORT}; location / {{ root {place.folder}; try_files /answer =404; }} }}""")


def keeping_upstream(place):
    """One that never closes first, so that what the client does is seen whole."""
    place.actor("b", "app", "http", host="10.9.0.2", port=PORT)
