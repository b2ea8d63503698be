# SPDX-License-Identifier: GPL-2.0
"""What diagnose says of other programs' settings (user/diagnosis/remedies.c), tried with these programs:
each setting that it names is accepted, and a default that it names is the one.

A program in remedies.c that has no fact here, or a reason why not, fails the test. That settings help
is played by proxies.py, stores.py and clients.py.
"""
import glob
import os
import re
import subprocess
import tempfile

from clients import go_program
from programs import needs
from run import Skip, Wrong, situation
from stores import postgres_bin

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = f"{HERE}/../../user/diagnosis/remedies.c"

# Of which there is nothing that could be tried.
UNTRIED = {
    "envoy": "it is not in Debian: from its documentation",
    "traefik": "it is not in Debian: from its documentation",
    "httpd": "Apache as other distributions call it",
    "mysqld": "it is not in Debian; MariaDB, which came of it, has the same setting",
    "cache-*": "varnish's process, as varnishd",
    "MainThread": "Node.js' process since version 20, as node",
    "node-MainThread": "Node.js' process since version 23, as node",
    "h2load": "nothing is advised",
    "curl": "played by clients.py", "wget": "played by clients.py", "ruby*": "played by clients.py",
    "ab": "played by clients.py", "wrk": "played by clients.py", "hey": "played by clients.py",
    "siege": "played by clients.py", "pgbouncer": "played by stores.py",
}

TRIED = {}


def fact(*patterns):
    """A function that gets a folder and what remedies.c says of a program."""
    def wrap(function):
        def play(_place):
            with tempfile.TemporaryDirectory(prefix="twsfact.") as folder:
                os.chmod(folder, 0o755)
                function(folder, texts_of(patterns[0]))
        play.__name__ = function.__name__
        play.placeless = True
        TRIED.update({pattern: function for pattern in patterns})
        return situation(play)
    return wrap


def programs():
    """Pattern to all that is said of it."""
    with open(SOURCE, encoding="utf-8") as file:
        text = re.sub(r'"\s*\n\s*"', "", file.read())
    macros = dict(re.findall(r"#define (NODE_\w+) ((?:.*\\\n)*.*)", text))
    for name, value in macros.items():
        text = text.replace(f", {name}", ", " + value)
    text = re.sub(r'"\s*\\\n\s*"', "", text)
    table = text[text.index("programs[] = {"):text.index("static const struct program *find")]
    rows = re.split(r'\n\t\{ (?="[^"]+", (?:true|false), (?:true|false),)', table)[1:]
    return {row.split('"', 2)[1]: row.replace('\\"', '"') for row in rows}


def texts_of(pattern):
    return programs()[pattern]


def says(texts, *words):
    for word in words:
        if word not in texts:
            raise Wrong(f"remedies.c says nothing of {word}: {texts}")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def accepts(*command, **more):
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=120, **more)
    if done.returncode:
        raise Wrong(f"{command} ended with {done.returncode}: {done.stdout[-600:]}")
    return done.stdout


def refuses(*command, **more):
    """So that an acceptance means something."""
    try:
        accepts(*command, **more)
    except Wrong:
        return
    raise Wrong(f"{command} accepts nonsense")


def is_so(condition, what):
    if not condition:
        raise Wrong(what)


@situation
def fact_for_each(_place):
    for pattern in programs():
        is_so(pattern in TRIED or pattern in UNTRIED, f"no fact about {pattern}")
    is_so(len(programs()) >= 28, f"only {len(programs())} programs are found in remedies.c")


fact_for_each.placeless = True


# ---- proxies ----


@fact("nginx")
def fact_nginx(folder, texts):
    says(texts, "keepalive 32;", "proxy_http_version 1.1;", 'proxy_set_header Connection "";',
         "fastcgi_keep_conn on;", "keepalive_timeout", "keepalive_requests")

    def config(more):
        return write(f"{folder}/nginx.conf", f"""
pid {folder}/pid; error_log {folder}/log; events {{ }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
 fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder}; {more} }}""")
    accepts(needs("nginx"), "-t", "-c", config("""
 keepalive_timeout 75s; keepalive_requests 1000; upstream app { server 127.0.0.1:1; keepalive 32; }
 server { listen 127.0.0.1:2; location / { proxy_pass http://app; proxy_http_version 1.1;
 proxy_set_header Connection ""; }
 location /f { fastcgi_pass app; fastcgi_keep_conn on; } }"""))
    refuses(needs("nginx"), "-t", "-c", config("keepalive_nonsense 1;"))


@fact("haproxy")
def fact_haproxy(folder, texts):
    says(texts, "option http-server-close", "option httpclose", "http-reuse safe", "pool-max-conn",
         "pool-purge-delay", "timeout http-keep-alive", "timeout http-request")

    def config(more, server=""):
        return write(f"{folder}/haproxy.cfg", f"""
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    timeout http-keep-alive 5s
    timeout http-request 5s
listen one
    bind 127.0.0.1:1
    {more}
    server s1 127.0.0.1:2 {server}
""")
    for option in ("option http-server-close", "option httpclose", "http-reuse safe"):
        accepts(needs("haproxy"), "-c", "-f", config(option, "pool-max-conn 100 pool-purge-delay 10s"))
    refuses(needs("haproxy"), "-c", "-f", config("http-reuse nonsense"))


@fact("apache2")
def fact_apache(folder, texts):
    says(texts, "disablereuse=On", "SetEnv proxy-nokeepalive", "enablereuse=on", "max=", "ttl=",
         "KeepAliveTimeout", "MaxKeepAliveRequests")
    modules = "/usr/lib/apache2/modules"

    def config(more):
        loads = "".join(f"LoadModule {name}_module {modules}/mod_{name}.so\n" for name in (
            "mpm_event", "authz_core", "proxy", "proxy_http", "proxy_fcgi", "env"))
        return write(f"{folder}/apache.conf", f"""
ServerRoot {folder}
{loads}
ServerName web
PidFile {folder}/pid
ErrorLog {folder}/log
Listen 127.0.0.1:1
KeepAliveTimeout 5
MaxKeepAliveRequests 100
SetEnv proxy-nokeepalive 1
{more}
""")
    accepts(needs("apache2"), "-t", "-f", config(
        "ProxyPass /a http://127.0.0.1:2/ disablereuse=On\n"
        "ProxyPass /b fcgi://127.0.0.1:3/ enablereuse=on\n"
        "ProxyPass /c http://127.0.0.1:4/ max=20 ttl=30"))
    refuses(needs("apache2"), "-t", "-f", config("ProxyPass / http://127.0.0.1:2/ nonsense=On"))


@fact("squid")
def fact_squid(folder, texts):
    says(texts, "server_persistent_connections on", "server_idle_pconn_timeout",
         "client_idle_pconn_timeout")
    accepts(needs("squid"), "-k", "parse", "-f", write(f"{folder}/squid.conf", """
server_persistent_connections on
server_idle_pconn_timeout 1 minute
client_idle_pconn_timeout 2 minutes
"""))
    refuses(needs("squid"), "-k", "parse", "-f", write(f"{folder}/not.conf", "nonsense on\n"))


@fact("varnishd")
def fact_varnish(folder, texts):
    says(texts, 'set bereq.http.Connection = "close"', "backend_idle_timeout' (60 s by default)",
         "timeout_idle' (5 s by default)")

    def vcl(line):
        return write(f"{folder}/app.vcl", f"""vcl 4.0; backend a {{ .host = "127.0.0.1"; }}
sub vcl_backend_fetch {{ {line} }}""")
    accepts(needs("varnishd"), "-n", f"{folder}/v", "-C", "-f",
            vcl('set bereq.http.Connection = "close";'))
    refuses(needs("varnishd"), "-n", f"{folder}/v", "-C", "-f", vcl('set nonsense = "close";'))
    parameters = accepts(needs("varnishd"), "-x", "parameter")
    for name, default in (("backend_idle_timeout", "60.000"), ("timeout_idle", "5.000")):
        is_so(re.search(rf"^{name}\n~+\n.*\n\t\* Default: {default}", parameters, re.M),
              f"{name} is not {default}")


# ---- languages ----


@fact("php*")
def fact_php(folder, texts):
    says(texts, "PDO::ATTR_PERSISTENT", "pconnect()")
    found = sorted(glob.glob("/usr/sbin/php-fpm[0-9]*"))
    if not found:
        raise Skip("php-fpm is not installed")
    accepts(found[-1], "-t", "-y", write(f"{folder}/fpm.conf", f"""
[global]
error_log = {folder}/log
[www]
user = www-data
listen = {folder}/sock
pm = static
pm.max_children = 2
"""))
    told = accepts(needs("php"), "-r", "echo PDO::ATTR_PERSISTENT > 0 ? 'p' : '', "
                   "method_exists('Redis', 'pconnect') ? 'c' : '';")
    is_so(told == "pc", f"PHP has no persistent connections: {told}")


@fact("node", "MainThread", "node-MainThread")
def fact_node(_folder, texts):
    says(texts, "new http.Agent({ keepAlive: true })", "maxFreeSockets' of the http.Agent (256 by default)",
         "server.keepAliveTimeout' (5 s by default)", "before 19")
    told = accepts(needs("node"), "-e", """
const http = require('http');
const agent = new http.Agent({ keepAlive: true });
console.log(agent.keepAlive, agent.maxFreeSockets, http.createServer().keepAliveTimeout,
  !!http.globalAgent.keepAlive === (parseInt(process.versions.node) >= 19));
""")
    is_so(told.split() == ["true", "256", "5000", "true"], f"node: {told}")


@fact("java")
def fact_java(folder, texts):
    says(texts, "-Dhttp.maxConnections (5 for each server by default)")
    needs("javac")
    program = write(f"{folder}/Fact.java", """
import java.lang.reflect.*;
public class Fact {
  public static void main(String[] args) throws Exception {
    Method most = Class.forName("sun.net.www.http.KeepAliveCache").getDeclaredMethod("getMaxConnections");
    most.setAccessible(true);
    System.out.print(most.invoke(null));
  }
}
""")
    opens = ("--add-opens", "java.base/sun.net.www.http=ALL-UNNAMED")
    told = accepts(needs("java"), *opens, program)
    is_so(told == "5", f"java keeps {told}")
    told = accepts(needs("java"), *opens, "-Dhttp.maxConnections=7", program)
    is_so(told == "7", f"java keeps {told}, not 7")


@fact("python*")
def fact_python(_folder, texts):
    says(texts, "requests.Session()", "httpx.Client()", "aiohttp.ClientSession()",
         "HTTPAdapter(pool_maxsize=…) of requests (10 by default)", "limits= of httpx",
         "--timeout-keep-alive (5 s)")
    told = accepts("/usr/bin/python3", "-c", """
import inspect, requests, requests.adapters as a, httpx, aiohttp
session = requests.Session()
session.mount("http://", a.HTTPAdapter(pool_maxsize=20))
httpx.Client(limits=httpx.Limits(max_keepalive_connections=5)).close()
print(a.DEFAULT_POOLSIZE, inspect.signature(a.HTTPAdapter).parameters["pool_maxsize"].default,
      aiohttp.ClientSession.__name__)
""")
    is_so(told.split() == ["10", "10", "ClientSession"], told)
    told = " ".join(accepts(needs("uvicorn"), "--help").split())
    is_so(re.search(r"--timeout-keep-alive INTEGER [^\[]*\[default: 5\]", told) or
          re.search(r"--timeout-keep-alive INTEGER .{0,120}\(default: 5\)", told), told[-900:])


@fact("gunicorn*")
def fact_gunicorn(_folder, texts):
    says(texts, "--keep-alive (2 s by default")
    told = " ".join(accepts(needs("gunicorn"), "--help").split())
    is_so(re.search(r"--keep-alive INT [^\[]*\[2\]", told), "gunicorn's --keep-alive is not 2")


@situation
def fact_go(_place):
    """Of a program whose name tells nothing Go's default is named."""
    with open(SOURCE, encoding="utf-8") as file:
        says(file.read(), "Go: MaxIdleConnsPerHost, 2 by default")
    told = accepts(go_program(), "default")
    is_so(told == "2", f"go keeps {told}")


fact_go.placeless = True


# ---- servers ----


@fact("redis-server")
def fact_redis(folder, texts):
    says(texts, "'timeout' (0, never, by default)")
    server = subprocess.Popen([needs("redis-server"), "--port", "0", "--unixsocket", f"{folder}/s",
                               "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
    try:
        told = accepts("sh", "-c", f"until [ -S {folder}/s ]; do sleep 0.1; done; "
                       f"redis-cli -s {folder}/s config get timeout")
    finally:
        server.kill()
        server.wait()
    is_so(told.split() == ["timeout", "0"], told)


@fact("postgres")
def fact_postgres(_folder, texts):
    says(texts, "'idle_session_timeout' (off by default)")
    told = accepts(f"{postgres_bin()}/postgres", "--describe-config")
    line = [row.split("\t") for row in told.splitlines() if row.startswith("idle_session_timeout\t")]
    is_so(line and line[0][4] == "0", f"postgres: {line}")


@fact("mariadbd")
def fact_mariadb(folder, texts):
    says(texts, "'wait_timeout' (28800 s by default)")
    told = accepts(needs("mariadbd"), "--no-defaults", f"--datadir={folder}", "--verbose", "--help")
    is_so(re.search(r"^wait-timeout +28800$", told, re.M), "wait_timeout is not 28800")
