# SPDX-License-Identifier: GPL-2.0
"""The situations, by the finding that they are about: one that it must find, and a near miss.

a is the host that is diagnosed, b the other one.
"""
import os
import shutil
import subprocess
import time

from run import Skip, situation

PORT = 8000
B = {"host": "10.9.0.2", "port": PORT}
ON_A = {"host": "10.9.0.1", "port": PORT}
LOCAL = {"host": "127.0.0.1", "port": PORT}
NARROW = "20000 20999"  # 1,000 ports
NO_PORT_TROUBLE = ("ports-exhausted", "ports-filling", "ports-half-used", "bind-before-connect",
                   "port-range-narrow", "timestamps-off")


def narrow(place, ports=NARROW):
    place.sysctl("a", "net.ipv4.ip_local_port_range", ports)


# ---- ports ----


@situation
def ports_exhausted(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", **B)
    time.sleep(5)
    found = place.diagnose()
    found.has("ports-exhausted", "critical", "checkout", "Cannot assign requested address", PORT)
    found.has("port-range-narrow", "warning")
    found.has("client-without-pool", "warning", "checkout")
    found.lacks("ports-filling", "ports-half-used", "server-side-harmless", "nothing-harmful")


@situation
def ports_exhausted_near(place):
    """The same, and ports are taken over from TIME_WAIT."""
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 1)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=300, **B)
    time.sleep(6)
    found = place.diagnose()
    found.lacks(*NO_PORT_TROUBLE)
    found.is_harmless()


@situation
def ports_filling(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=60, **B)
    time.sleep(5)
    found = place.diagnose()
    found.has("ports-filling", "warning", "checkout", "keep connections", PORT)
    found.lacks("ports-exhausted")


@situation
def ports_filling_near(place):
    """The same rate, and as many ports as usual."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=60, **B)
    time.sleep(5)
    found = place.diagnose()
    found.lacks(*NO_PORT_TROUBLE)
    found.has("client-without-pool", "notice", "checkout")
    found.is_harmless()


@situation
def ports_half_used(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "batch", "load", count=600, **B)
    time.sleep(8)  # the burst is over
    found = place.diagnose()
    found.has("ports-half-used", "notice", "batch")
    found.lacks("ports-exhausted")


@situation
def ports_half_used_near(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "batch", "load", count=300, **B)
    time.sleep(8)
    found = place.diagnose()
    found.lacks(*NO_PORT_TROUBLE)


@situation
def bind_before_connect(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("b", "other", "serve", host="10.9.0.2", port=9000)
    place.actor("a", "pinner", "bound", num=990, bind="10.9.0.1", host="10.9.0.2", port=9000)
    place.actor("a", "victim", "load", rate=100, **B)
    time.sleep(4)
    found = place.diagnose()
    found.has("bind-before-connect", "critical", "victim", "pinner")
    found.has("bind-before-connect", says="IP_BIND_ADDRESS_NO_PORT")
    found.lacks("ports-exhausted")


@situation
def bind_before_connect_near(place):
    """With IP_BIND_ADDRESS_NO_PORT the ports are shared by destinations."""
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("b", "other", "serve", host="10.9.0.2", port=9000)
    place.actor("a", "pinner", "bound", num=900, late=1, bind="10.9.0.1", host="10.9.0.2",
                port=9000)
    place.actor("a", "victim", "load", rate=5, **B)
    time.sleep(4)
    found = place.diagnose()
    found.lacks("bind-before-connect", "ports-exhausted")


@situation
def timestamps_off_here(place):
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 1)
    place.sysctl("a", "net.ipv4.tcp_timestamps", 0)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=200, **B)
    time.sleep(4)
    found = place.diagnose()
    found.has("timestamps-off", "warning", "checkout", "tcp_timestamps=1")


@situation
def timestamps_off_there(place):
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 1)
    place.sysctl("b", "net.ipv4.tcp_timestamps", 0)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=200, **B)
    time.sleep(5)
    found = place.diagnose()
    found.has("timestamps-off", "warning", "checkout", "at the other end")


# ---- why connections are short ----


@situation
def client_without_pool_near(place):
    """It keeps its one connection, and reconnects now and then."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "shop", "load", rate=0.5, sleep=1.5, **B)
    time.sleep(5)
    found = place.diagnose()
    found.lacks("client-without-pool", "pool-too-small", *NO_PORT_TROUBLE)


@situation
def pool_too_small(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "shop", "load", keep=4, rate=80, **B)
    time.sleep(4)
    found = place.diagnose()
    found.has("pool-too-small", "notice", "shop", "4 connections")
    found.lacks("client-without-pool")


def nginx(place, upstream, location):
    config = place.file("nginx.conf", f"""
daemon off; pid {place.folder}/pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 1000; }}
http {{ access_log off; client_body_temp_path {place.folder}; proxy_temp_path {place.folder};
 fastcgi_temp_path {place.folder}; uwsgi_temp_path {place.folder}; scgi_temp_path {place.folder};
 upstream app {{ server 10.9.0.2:{PORT}; {upstream} }}
 server {{ listen 10.9.0.1:80; location / {{ proxy_pass http://app; {location} }} }} }}
""")
    place.start("a", "nginx", "-c", config, "-p", place.folder)
    place.await_port("a", 80)


def http_upstream(place):
    config = place.file("up.conf", f"""
daemon off; pid {place.folder}/up.pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 1000; }}
http {{ access_log off; client_body_temp_path {place.folder}; proxy_temp_path {place.folder};
 fastcgi_temp_path {place.folder}; uwsgi_temp_path {place.folder}; scgi_temp_path {place.folder};
 keepalive_requests 1000000;
 server {{ listen 10.9.0.2:{PORT}; location / {{ return 200 "ok"; }} }} }}
""")
    place.start("b", "nginx", "-c", config, "-p", place.folder)
    place.await_port("b", PORT)


@situation
def proxy_nginx(place):
    """nginx keeps no connections to its upstream, and closes them itself."""
    http_upstream(place)
    nginx(place, "", 'proxy_http_version 1.1; proxy_set_header Connection "";')
    place.start("a", "wrk", "-t1", "-c4", "-d4", "http://10.9.0.1/")
    time.sleep(4)
    found = place.diagnose()
    found.has("proxy-without-keepalive", process="nginx", says="'keepalive 32;'", peer=PORT)


@situation
def proxy_nginx_passive(place):
    """As nginx did by default before 1.29.7: the upstream closes first, and nothing is held here."""
    http_upstream(place)
    nginx(place, "", "")
    place.start("a", "wrk", "-t1", "-c4", "-d4", "http://10.9.0.1/")
    time.sleep(4)
    found = place.diagnose()
    found.has("closed-by-peer", "ok", "nginx")
    found.lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)


@situation
def proxy_nginx_near(place):
    http_upstream(place)
    nginx(place, "keepalive 32;",
          'proxy_http_version 1.1; proxy_set_header Connection "";')
    place.start("a", "wrk", "-t1", "-c4", "-d4", "http://10.9.0.1/")
    time.sleep(4)
    found = place.diagnose()
    found.lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)


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
    place.start("a", "haproxy", "-f", config)
    place.await_port("a", 80)


@situation
def proxy_haproxy(place):
    http_upstream(place)
    haproxy(place, "http-reuse never")
    place.start("b", "ab", "-q", "-c4", "-n100000", "-t4", "http://10.9.0.1/")
    time.sleep(4)
    found = place.diagnose()
    # it ends idle connections with a reset, on purpose: nothing is lost by that
    found.has("proxy-without-keepalive", process="haproxy", says="http-reuse", peer=PORT)
    found.lacks("aborts")


@situation
def proxy_haproxy_near(place):
    http_upstream(place)
    haproxy(place, "http-reuse always")
    place.start("b", "ab", "-q", "-k", "-c4", "-n100000", "-t4", "http://10.9.0.1/")
    time.sleep(4)
    place.diagnose().lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)


@situation
def client_redis(place):
    """A real client of a real store, a connection for each command."""
    place.start("b", "redis-server", "--bind", "10.9.0.2", "--port", str(PORT), "--save", "",
                "--protected-mode", "no", "--dir", place.folder)
    place.await_port("b", PORT)
    place.start("a", "redis-benchmark", "-h", "10.9.0.2", "-p", str(PORT), "-k", "0", "-c", "2",
                "-n", "3000", "-t", "get")
    time.sleep(4)
    place.diagnose().has("client-without-pool", process="redis-benchmark", says="client object",
                         peer=PORT)


@situation
def client_redis_near(place):
    place.start("b", "redis-server", "--bind", "10.9.0.2", "--port", str(PORT), "--save", "",
                "--protected-mode", "no", "--dir", place.folder)
    place.await_port("b", PORT)
    place.start("a", "redis-benchmark", "-h", "10.9.0.2", "-p", str(PORT), "-k", "1", "-c", "2",
                "-n", "30000", "-t", "get")
    time.sleep(3)
    place.diagnose().lacks("client-without-pool", "pool-too-small", *NO_PORT_TROUBLE)


NODE = """
const http = require('http');
const agent = new http.Agent({ keepAlive: %s });
function next() {
  http.get({ host: '10.9.0.2', port: %d, agent }, (answer) => {
    answer.resume();
    answer.on('end', () => setTimeout(next, 5));
  });
}
next();
"""


@situation
def client_node(place):
    http_upstream(place)
    script = place.file("client.js", NODE % ("false", PORT))
    place.start("a", "node", script)
    time.sleep(4)
    found = place.diagnose()
    # it asks for "Connection: close", and the server does so: no port is held here
    found.lacks("proxy-without-keepalive", *NO_PORT_TROUBLE)
    found.has("closed-by-peer", "ok")


@situation
def client_node_near(place):
    http_upstream(place)
    script = place.file("client.js", NODE % ("true", PORT))
    place.start("a", "node", script)
    time.sleep(4)
    place.diagnose().lacks("client-without-pool", "closed-by-peer", *NO_PORT_TROUBLE)


@situation
def client_python(place):
    """urllib keeps no connection; the server would."""
    http_upstream(place)
    script = place.file("client.py", f"""
import http.client, time
while True:
    conn = http.client.HTTPConnection("10.9.0.2", {PORT})
    conn.request("GET", "/")
    conn.getresponse().read()
    conn.close()
    time.sleep(0.01)
""")
    place.start("a", "/usr/bin/python3", script)
    time.sleep(4)
    place.diagnose().has("client-without-pool", process="python3", says="Session", peer=PORT)


JAVA = """
import java.net.*;
public class Client {
  public static void main(String[] args) throws Exception {
    while (true) {
      Socket socket = new Socket("10.9.0.2", %d);
      socket.getOutputStream().write("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".getBytes());
      socket.getInputStream().read(new byte[4096]);
      socket.close();
      Thread.sleep(10);
    }
  }
}
"""


@situation
def client_java(place):
    if not shutil.which("javac"):
        raise Skip("no Java compiler is installed")
    http_upstream(place)
    place.start("a", "java", place.file("Client.java", JAVA % PORT))
    time.sleep(8)
    place.diagnose().has("client-without-pool", process="java", says="HttpClient", peer=PORT)


GO = """
package main
import ("fmt"; "io"; "net/http"; "time")
func main() {
  for {
    client := &http.Client{Transport: &http.Transport{}}
    answer, err := client.Get("http://10.9.0.2:%d/")
    if err == nil { io.Copy(io.Discard, answer.Body); answer.Body.Close() }
    client.CloseIdleConnections()
    time.sleep(10 * time.Millisecond)
    fmt.Print()
  }
}
""".replace("time.sleep", "time.Sleep")


@situation
def client_go(place):
    if not shutil.which("go"):
        raise Skip("no Go compiler is installed")
    http_upstream(place)
    program = f"{place.folder}/gateway"
    subprocess.run(["go", "build", "-o", program, place.file("main.go", GO % PORT)], check=True)
    place.start("a", program)
    time.sleep(4)
    place.diagnose().has("client-without-pool", process="gateway", says="client object", peer=PORT)


@situation
def load_generator(place):
    http_upstream(place)
    place.start("a", "ab", "-q", "-c2", "-n100000", "-t3", f"http://10.9.0.2:{PORT}/")
    time.sleep(3)
    found = place.diagnose()
    found.lacks("proxy-without-keepalive", "aborts")


@situation
def loopback_pair(place):
    place.actor("a", "cache", "serve", **LOCAL)
    place.actor("a", "web", "load", rate=200, **LOCAL)
    time.sleep(4)
    found = place.diagnose()
    found.has("loopback-pair", "ok", "web")
    found.is_harmless()


# ---- servers ----


@situation
def server_side_harmless(place):
    place.actor("a", "server", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", wait=1, **ON_A)
    time.sleep(4)
    found = place.diagnose()
    found.has("server-side-harmless", "ok", "server")
    found.is_harmless()
    found.lacks("client-without-pool", *NO_PORT_TROUBLE)


@situation
def server_side_harmless_near(place):
    """The client closes: it says nothing about the server's side."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=50, **B)
    time.sleep(4)
    place.diagnose().lacks("server-side-harmless")


@situation
def idle_timeout(place):
    place.actor("a", "app", "serve", idle=2, **ON_A)
    place.actor("b", "client", "load", rate=40, count=60, wait=1, **ON_A)
    for _ in range(20):
        place.actor("b", "client", "load", count=1, wait=1, **ON_A)
    time.sleep(4)
    found = place.diagnose()
    found.has("idle-timeout", "notice", "app", "idle timeout")


@situation
def idle_timeout_near(place):
    """Lifetimes that differ are no timeout."""
    place.actor("a", "app", "serve", idle=1, jitter=3, **ON_A)
    for _ in range(20):
        place.actor("b", "client", "load", count=1, wait=1, **ON_A)
    time.sleep(5)
    place.diagnose().lacks("idle-timeout")


@situation
def health_check(place):
    place.actor("a", "app", "serve", close=1, **ON_A)
    place.actor("b", "checker", "load", rate=1, wait=1, **ON_A)
    time.sleep(8)
    found = place.diagnose()
    found.has("health-check", "ok", "app")
    found.is_harmless()


# ---- the host ----


@situation
def limit_near(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 100)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=100, **B)
    time.sleep(4)
    found = place.diagnose()
    found.has("limit-near", "critical", says="tcp_max_tw_buckets=200")
    # where it counts, which is not where the test runs
    found.has("limit-near", says=f"nsenter --net=/run/netns/{place.names['a']} sysctl -w")
    found.lacks("server-side-harmless", "nothing-harmful")


@situation
def limit_near_near(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 2000)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=100, **B)
    time.sleep(4)
    place.diagnose().lacks("limit-near")


@situation
def peer_does_not_close(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 1000)
    place.actor("b", "careless", "hold", **B)
    place.actor("a", "client", "close_and_stay", num=120, **B)
    time.sleep(1)
    found = place.diagnose()
    found.has("peer-does-not-close", "warning", "client", "CLOSE_WAIT")


@situation
def peer_does_not_close_yet(place):
    """As many, of a limit that has room for a thousand times as many."""
    place.actor("b", "careless", "hold", **B)
    place.actor("a", "client", "close_and_stay", num=120, **B)
    time.sleep(1)
    found = place.diagnose()
    found.has("peer-does-not-close", "notice", "client", "CLOSE_WAIT")
    found.is_harmless()


@situation
def peer_does_not_close_near(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "close_and_stay", num=120, **B)
    time.sleep(1)
    place.diagnose().lacks("peer-does-not-close")


@situation
def close_wait_leak(place):
    place.actor("a", "leaky", "hold", **ON_A)
    place.actor("b", "client", "load", rate=30, unread=1, **ON_A)
    place.actor("b", "client", "close_and_stay", num=120, **ON_A)
    time.sleep(2)
    found = place.diagnose()
    found.has("close-wait-leak", "critical", "leaky", "ss -tnp state close-wait")
    place.diagnose("a", "--comm", "leaky").has("close-wait-leak", "critical", "leaky")
    place.diagnose("a", "--comm", "other").lacks("close-wait-leak")


@situation
def close_wait_leak_near(place):
    """A handful that does not grow."""
    place.actor("a", "server", "hold", **ON_A)
    place.actor("b", "client", "close_and_stay", num=8, **ON_A)
    time.sleep(1)
    place.diagnose().lacks("close-wait-leak")


@situation
def conntrack_full(place):
    """The table is that of the namespace; how many it may have is the host's to say."""
    limit = "/proc/sys/net/netfilter/nf_conntrack_max"
    try:
        with open(limit, encoding="ascii") as file:
            before = file.read().strip()
    except FileNotFoundError:
        raise Skip("this kernel has no connection tracking") from None
    rules = place.file("rules", "table ip t { chain c { type filter hook output priority 0; "
                       "ct state new accept; }\n}\n")
    place.inside("a", "nft", "-f", rules)
    place.actor("b", "server", "serve", **B)
    try:
        with open(limit, "w", encoding="ascii") as file:
            file.write("200")
        place.actor("a", "client", "load", rate=100, **B)
        time.sleep(4)
        found = place.diagnose()
    finally:
        with open(limit, "w", encoding="ascii") as file:
            file.write(before)
    found.has("conntrack-full", "critical", says="nf_conntrack_max=400")


conntrack_full.alone = True


@situation
def conntrack_full_near(place):
    if not os.path.exists("/proc/sys/net/netfilter/nf_conntrack_max"):
        raise Skip("this kernel has no connection tracking")
    rules = place.file("rules", "table ip t { chain c { type filter hook output priority 0; "
                       "ct state new accept; }\n}\n")
    place.inside("a", "nft", "-f", rules)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=100, **B)
    time.sleep(2)
    place.diagnose().lacks("conntrack-full")


@situation
def nat_reuse(place):
    """The peer uses the same few ports again and again, as a NAT with one address."""
    place.sysctl("b", "net.ipv4.ip_local_port_range", "20000 20019")
    place.sysctl("b", "net.ipv4.tcp_tw_reuse", 1)
    place.actor("a", "server", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=100, wait=1, **ON_A)
    time.sleep(4)
    found = place.diagnose()
    found.has("nat-reuse", "notice", says="tcp_timestamps=1")
    found.is_harmless()


@situation
def nat_reuse_near(place):
    place.actor("a", "server", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=100, wait=1, **ON_A)
    time.sleep(3)
    place.diagnose().lacks("nat-reuse")


@situation
def aborts(place):
    place.actor("b", "server", "serve", bytes=100, **B)
    place.actor("a", "rude", "load", rate=50, linger=1, **B)
    time.sleep(3)
    found = place.diagnose()
    found.has("aborts", "warning", "rude", "SO_LINGER")


@situation
def aborts_unread(place):
    place.actor("b", "server", "serve", bytes=100, **B)
    place.actor("a", "hasty", "load", rate=50, unread=1, **B)
    time.sleep(3)
    place.diagnose().has("aborts", "warning", "hasty", "read")


@situation
def aborts_near(place):
    place.actor("b", "server", "serve", bytes=100, **B)
    place.actor("a", "polite", "load", rate=50, **B)
    time.sleep(3)
    place.diagnose().lacks("aborts")


@situation
def exits_killed(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "worker", "open_and_exit", num=20, kill=1, **B)
    time.sleep(3)
    place.diagnose().has("exits", "warning", "worker", "killed by a signal")


@situation
def exits_near(place):
    """Short programs that end after their one request."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "oneshot", "open_and_exit", num=1, pause=0.02, **B)
    time.sleep(3)
    place.diagnose().lacks("exits")


@situation
def closed_by_peer(place):
    place.actor("b", "server", "serve", close=1, **B)
    place.actor("a", "client", "load", rate=100, wait=1, **B)
    time.sleep(3)
    found = place.diagnose()
    found.has("closed-by-peer", "ok", "client")
    found.is_harmless()


@situation
def closed_by_peer_near(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=100, **B)
    time.sleep(3)
    place.diagnose().lacks("closed-by-peer")


@situation
def listener_address_in_use(place):
    server = place.actor("a", "old", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=50, count=20, wait=1, **ON_A)
    time.sleep(1)
    server.kill()
    server.wait()
    place.actor("a", "daemon", "restart", **ON_A)
    time.sleep(1)
    found = place.diagnose()
    found.has("listener-address-in-use", "critical", "daemon", "SO_REUSEADDR")


@situation
def listener_address_in_use_near(place):
    """Somebody listens there: that is another matter."""
    place.actor("a", "old", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=50, count=20, wait=1, **ON_A)
    place.actor("a", "daemon", "restart", **ON_A)
    time.sleep(1)
    place.diagnose().lacks("listener-address-in-use")


@situation
def too_little_seen(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", count=3, **B)
    found = place.diagnose()
    found.has("too-little-seen", "ok")
    found.is_harmless()
