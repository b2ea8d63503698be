# SPDX-License-Identifier: GPL-2.0
"""The situations, by the finding that they are about: one that it must find, and a near miss.

a is the host that is diagnosed, b the other one.
"""
import os
import re
import subprocess
import time

from run import Skip, Wrong, run, situation

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
    found = place.finds("ports-exhausted", "critical", "checkout",
                        "Cannot assign requested address", PORT)
    found.has("port-range-narrow", "warning")
    found.has("client-without-pool", "warning", "checkout")
    found.lacks("ports-filling", "ports-half-used", "server-side-harmless", "nothing-harmful")


@situation
def ports_exhausted_together(place):
    """Some are in TIME_WAIT, the others bound for every destination: neither would fill the range."""
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("b", "other", "serve", host="10.9.0.2", port=9000)
    place.actor("a", "pinner", "bound", num=400, bind="10.9.0.1", host="10.9.0.2", port=9000)
    place.await_line(place.actor("a", "batch", "load", count=590, **B), "done")
    place.actor("a", "victim", "load", rate=100, **B)
    found = place.finds("ports-exhausted", "critical", "victim", peer=PORT)
    found.notes("ports-exhausted", '"ports_bound": 400')
    found.lacks("bind-before-connect", "nothing-harmful")


@situation
def ports_exhausted_near(place):
    """The same, and ports are taken over from TIME_WAIT."""
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 1)
    place.actor("b", "server", "serve", **B)
    load = place.actor("a", "checkout", "load", rate=300, count=1500, **B)
    place.await_line(load, "done")
    found = place.diagnose()
    found.lacks(*NO_PORT_TROUBLE)
    found.is_harmless()


@situation
def ports_exhausted_over(place):
    """The ports are free again, and who took them is gone: it was so, and is no emergency any more."""
    narrow(place)
    place.actor("b", "server", "serve", **B)
    batch = place.actor("a", "batch", "load", count=1000, **B)
    place.await_line(batch, "done")
    victim = place.actor("a", "victim", "load", rate=100, **B)
    place.finds("ports-exhausted", "critical", "victim", peer=PORT).notes(
        "ports-exhausted", '"taken_by": "batch"')
    for program in batch, victim:
        place.end(program)
    place.end_time_waits("a")
    found = place.finds("ports-exhausted", "warning", "victim", "It is over", PORT)
    found.notes("ports-exhausted", '"taken_by": "batch"')
    found.lacks("ports-filling", "ports-half-used", "connect-found-no-port", "nothing-harmful")


@situation
def connect_found_no_port(place):
    """It wants one certain port, which is in TIME_WAIT: that is no matter of how many there are."""
    place.sysctl("a", "net.ipv4.tcp_timestamps", 0)  # else it is taken over
    place.actor("b", "server", "serve", **B)
    place.actor("a", "fixed", "load", rate=20, bind="10.9.0.1", **{"from": 25000}, **B)
    found = place.finds("connect-found-no-port", "warning", "fixed", "with bind()", PORT)
    found.lacks("ports-exhausted", "nothing-harmful", "port-range-narrow")


@situation
def ports_filling(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    load = place.actor("a", "checkout", "load", rate=80, count=400, **B)
    place.await_line(load, "done")
    found = place.diagnose("a", "--until", f"@{time.time():.0f}")  # however late it is by then
    found.has("ports-filling", "warning", "checkout", "keep connections", PORT)
    found.lacks("ports-exhausted")


@situation
def ports_filling_near(place):
    """The same rate, and as many ports as usual."""
    place.actor("b", "server", "serve", **B)
    load = place.actor("a", "checkout", "load", rate=80, count=400, **B)
    place.await_line(load, "done")
    found = place.diagnose("a", "--until", f"@{time.time():.0f}")
    found.lacks(*NO_PORT_TROUBLE)
    found.has("client-without-pool", "notice", "checkout")
    found.is_harmless()


@situation
def ports_half_used(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.await_line(place.actor("a", "batch", "load", count=600, **B), "done")
    time.sleep(7)  # the burst is over: a rate is that of five seconds
    found = place.diagnose()
    found.has("ports-half-used", "notice", "batch")
    found.lacks("ports-exhausted")


@situation
def ports_half_used_near(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.await_line(place.actor("a", "batch", "load", count=300, **B), "done")
    time.sleep(7)
    found = place.diagnose()
    found.lacks(*NO_PORT_TROUBLE)


def read_there(program, setting):
    """A setting of the network namespace that the program is in."""
    return run("nsenter", "-t", str(program.pid), "-n", "sysctl", "-n", setting,
               stdout=subprocess.PIPE).stdout.split()


def follow(found, finding_id, setting, program):
    """Does what is advised: it sets it where that program is, and not where the test is."""
    command = found.command(finding_id, setting)
    if not re.match(r"nsenter -t \d+ -n sysctl -w ", command):
        raise Wrong(f"a command for another namespace: {command}")
    here = run("sysctl", "-n", setting, stdout=subprocess.PIPE).stdout
    run("sh", "-c", command, stdout=subprocess.DEVNULL)
    wanted = command.split("=")[1].strip("'").split()
    if read_there(program, setting) != wanted:
        raise Wrong(f"{setting} is {read_there(program, setting)} after: {command}")
    if run("sysctl", "-n", setting, stdout=subprocess.PIPE).stdout != here:
        raise Wrong(f"here, too: {command}")


def container_with(place, *actor, **args):
    """A program in a container, whose network namespace has no name; beside the program: -C and its id."""
    program = place.actor("a", *actor, **args)
    container = place.contain(program)
    place.take_name("a")
    return program, ("-C", container[:16])


@situation
def ports_exhausted_container(place):
    """In a container, that has a hundred ports: what is advised is to be set in there, and helps."""
    narrow(place, "20000 20099")
    place.actor("b", "server", "serve", **B)
    checkout, asked = container_with(place, "checkout", "load", rate=200, **B)
    found = place.finds("ports-exhausted", "critical", "checkout", side=None, more=asked, peer=PORT)
    found.has("ports-exhausted", says="--sysctl of docker run")
    found.notes("port-range-narrow", '"ports_usable": 100')
    follow(found, "ports-exhausted", "net.ipv4.ip_local_port_range", checkout)
    place.begin()
    place.finds("client-without-pool", "notice", "checkout", side=None, more=asked).is_harmless()


@situation
def bind_before_connect(place):
    narrow(place)
    place.actor("b", "server", "serve", **B)
    place.actor("b", "other", "serve", host="10.9.0.2", port=9000)
    place.actor("a", "pinner", "bound", num=990, bind="10.9.0.1", host="10.9.0.2", port=9000)
    place.actor("a", "victim", "load", rate=100, **B)
    found = place.finds("bind-before-connect", "critical", "victim", "pinner")
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
    place.await_line(place.actor("a", "victim", "load", rate=20, count=20, **B), "done")
    found = place.diagnose()
    found.lacks("bind-before-connect", "ports-exhausted")


@situation
def timestamps_off_here(place):
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 1)
    place.sysctl("a", "net.ipv4.tcp_timestamps", 0)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=200, **B)
    place.finds("timestamps-off", "warning", "checkout", "tcp_timestamps=1")


@situation
def timestamps_off_there(place):
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 1)
    place.sysctl("b", "net.ipv4.tcp_timestamps", 0)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "checkout", "load", rate=200, **B)
    place.finds("timestamps-off", "warning", "checkout", "at the other end")


# ---- why connections are short ----


@situation
def client_without_pool_near(place):
    """It keeps its one connection, and reconnects now and then."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "shop", "load", rate=0.5, sleep=1.5, **B)
    place.await_closes("a", 2)
    found = place.diagnose()
    found.lacks("client-without-pool", "pool-too-small", *NO_PORT_TROUBLE)


@situation
def pool_too_small(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "shop", "load", keep=4, rate=80, **B)
    found = place.finds("pool-too-small", "notice", "shop", "4 connections")
    found.lacks("client-without-pool")


@situation
def pool_too_small_near(place):
    """None is kept: each is closed, after half a second of work."""
    place.actor("b", "server", "serve", **B)
    for _ in range(8):
        place.actor("a", "shop", "load", sleep=0.5, **B)
    place.await_closes("a", 25)
    found = place.diagnose()
    found.has("client-without-pool", "notice", "shop")
    found.lacks("pool-too-small")


@situation
def loopback_own_address(place):
    """Not through 127.0.0.1: tcp_tw_reuse=2 does not go for it, and its ports run out."""
    narrow(place)
    place.sysctl("a", "net.ipv4.tcp_tw_reuse", 2)
    place.actor("a", "cache", "serve", **ON_A)
    place.actor("a", "web", "load", rate=300, **ON_A)
    found = place.finds("ports-exhausted", "critical", "web", peer=PORT)
    found.lacks("timestamps-off", "loopback-pair")


@situation
def loopback_pair(place):
    place.actor("a", "cache", "serve", **LOCAL)
    place.actor("a", "web", "load", rate=200, **LOCAL)
    found = place.finds("loopback-pair", "ok", "web")
    found.is_harmless()


# ---- servers ----


@situation
def server_side_harmless(place):
    place.actor("a", "server", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", wait=1, **ON_A)
    found = place.finds("server-side-harmless", "ok", "server")
    found.is_harmless()
    found.lacks("client-without-pool", *NO_PORT_TROUBLE)


@situation
def server_side_harmless_near(place):
    """The client closes: it says nothing about the server's side."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=50, **B)
    place.await_closes("a", 150)
    place.diagnose().lacks("server-side-harmless")


@situation
def idle_timeout(place):
    place.actor("a", "app", "serve", idle=2, **ON_A)
    place.actor("b", "client", "load", rate=40, count=60, wait=1, **ON_A)
    for _ in range(20):
        place.actor("b", "client", "load", count=1, wait=1, **ON_A)
    place.finds("idle-timeout", "notice", "app", "idle timeout")


@situation
def idle_timeout_near(place):
    """Lifetimes that differ are no timeout."""
    place.actor("a", "app", "serve", idle=1, jitter=3, **ON_A)
    for _ in range(20):
        place.actor("b", "client", "load", count=1, wait=1, **ON_A)
    place.await_closes("a", 18)
    place.diagnose().lacks("idle-timeout")


@situation
def health_check(place):
    place.actor("a", "app", "serve", close=1, **ON_A)
    place.actor("b", "checker", "load", rate=1, wait=1, **ON_A)
    found = place.finds("health-check", "ok", "app")
    found.is_harmless()


@situation
def health_check_near(place):
    """As regular, but what is answered is no mere sign of life."""
    place.actor("a", "app", "serve", close=1, bytes=9000, **ON_A)
    place.actor("b", "poller", "load", rate=1.5, wait=1, **ON_A)
    place.await_closes("a", 8)
    place.diagnose().lacks("health-check")


# ---- the host ----


@situation
def limit_near(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 100)
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=100, **B)
    found = place.finds("limit-near", "critical", says="tcp_max_tw_buckets=200")
    # where it counts, which is not where the test runs
    found.has("limit-near", says=f"nsenter --net=/run/netns/{place.names['a']} sysctl -w")
    found.lacks("server-side-harmless", "nothing-harmful")


@situation
def limit_near_over(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 100)
    place.actor("b", "server", "serve", **B)
    client = place.actor("a", "client", "load", rate=100, **B)
    place.finds("limit-near", "critical")
    place.end(client)
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 200)
    found = place.finds("limit-near", "warning", says="It is over")
    found.lacks("nothing-harmful")


@situation
def limit_near_container(place):
    """The table of a container's own network namespace, by who is in it, and by its path."""
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 100)
    place.actor("b", "server", "serve", **B)
    client, asked = container_with(place, "client", "load", rate=100, **B)
    found = place.finds("limit-near", "critical", side=None, more=asked, says="tcp_max_tw_buckets=200")
    by_path = place.diagnose(None, "--netns", f"/proc/{client.pid}/ns/net")
    by_path.has("limit-near", "critical", says="nsenter -t ")
    follow(found, "limit-near", "net.ipv4.tcp_max_tw_buckets", client)


@situation
def limit_near_container_near(place):
    """It is another's namespace that is full: none that the container is in."""
    place.sysctl("b", "net.ipv4.tcp_max_tw_buckets", 100)
    place.actor("b", "server", "serve", close=1, **B)
    _, asked = container_with(place, "client", "load", rate=100, wait=1, **B)
    place.finds("limit-near", "critical", side="b")
    place.diagnose(None, *asked).lacks("limit-near")


@situation
def limit_near_near(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 2000)
    place.actor("b", "server", "serve", **B)
    place.await_line(place.actor("a", "client", "load", rate=200, count=300, **B), "done")
    place.diagnose().lacks("limit-near")


@situation
def peer_does_not_close(place):
    place.sysctl("a", "net.ipv4.tcp_max_tw_buckets", 1000)
    place.actor("b", "careless", "hold", **B)
    place.actor("a", "client", "close_and_stay", num=120, **B)
    place.finds("peer-does-not-close", "warning", "client", "CLOSE_WAIT")


@situation
def peer_does_not_close_yet(place):
    """As many, of a limit that has room for a thousand times as many."""
    place.actor("b", "careless", "hold", **B)
    place.actor("a", "client", "close_and_stay", num=120, **B)
    found = place.finds("peer-does-not-close", "notice", "client", "CLOSE_WAIT")
    found.is_harmless()


@situation
def peer_does_not_close_near(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "close_and_stay", num=120, **B)
    place.await_closes("a", 110)
    place.diagnose().lacks("peer-does-not-close")


@situation
def close_wait_leak(place):
    place.actor("a", "leaky", "hold", **ON_A)
    place.actor("b", "client", "load", rate=30, unread=1, **ON_A)
    place.actor("b", "client", "close_and_stay", num=120, **ON_A)
    place.finds("close-wait-leak", "critical", "leaky", "ss -tnp state close-wait")
    place.finds("close-wait-leak", "critical", "leaky", more=("--comm", "leaky"))
    place.diagnose("a", "--comm", "other").lacks("close-wait-leak")


@situation
def close_wait_leak_client(place):
    """It opens one connection after the other, and leaves to the server alone to close them."""
    place.actor("b", "server", "serve", close=1, **B)
    place.actor("a", "forgetful", "leave_open", rate=20, **B)
    place.finds("close-wait-leak", "critical", "forgetful", "close() when read() returns 0")


@situation
def close_wait_pool(place):
    """A pool that idles, and whose server closes what idles: it finds out at the next use."""
    place.actor("b", "server", "serve", idle=1, **B)
    place.actor("a", "pooled", "load", keep=150, count=1, **B)
    found = place.finds("close-wait-leak", "notice", "pooled", "a pool")
    found.is_harmless()


@situation
def close_wait_descriptors(place):
    """The same, and it is most of what it may have open."""
    place.actor("b", "server", "serve", idle=1, **B)
    place.actor("a", "pooled", "load", keep=150, count=1, files=200, **B)
    place.finds("close-wait-leak", "warning", "pooled", "of the descriptors")


@situation
def close_wait_leak_container(place):
    """Two of them leak: it is said of the one that is asked for."""
    other = {"host": "10.9.0.1", "port": 9000}
    one = place.contain(place.actor("a", "leaky", "hold", **ON_A))
    place.contain(place.actor("a", "other", "hold", **other))
    place.actor("b", "client", "close_and_stay", num=120, **ON_A)
    place.actor("b", "client", "close_and_stay", num=150, **other)
    found = place.finds("close-wait-leak", "warning", "leaky", more=("-C", one[:16]))
    if any(f.get("process", {}).get("name") == "other" for f in found.all):
        raise Wrong(str(found))
    place.finds("close-wait-leak", "warning", "other")


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
        place.finds("conntrack-full", "critical", says="nf_conntrack_max=400")
    finally:
        with open(limit, "w", encoding="ascii") as file:
            file.write(before)


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
    place.await_closes("a", 100)
    place.diagnose().lacks("conntrack-full")


@situation
def nat_reuse(place):
    """The peer uses the same few ports again and again, as a NAT with one address."""
    place.sysctl("b", "net.ipv4.ip_local_port_range", "20000 20019")
    place.sysctl("b", "net.ipv4.tcp_tw_reuse", 1)
    place.actor("a", "server", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=100, wait=1, **ON_A)
    found = place.finds("nat-reuse", "notice", says="tcp_timestamps=1")
    found.is_harmless()


@situation
def nat_reuse_near(place):
    place.actor("a", "server", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=100, wait=1, **ON_A)
    place.await_closes("a", 200)
    place.diagnose().lacks("nat-reuse")


@situation
def aborts(place):
    place.actor("b", "server", "serve", bytes=100, **B)
    place.actor("a", "rude", "load", rate=50, linger=1, **B)
    place.finds("aborts", "warning", "rude", "SO_LINGER")


@situation
def aborts_unread(place):
    place.actor("b", "server", "serve", bytes=100, **B)
    place.actor("a", "hasty", "load", rate=50, unread=1, **B)
    place.finds("aborts", "warning", "hasty", "read")


@situation
def aborts_near(place):
    place.actor("b", "server", "serve", bytes=100, **B)
    place.actor("a", "polite", "load", rate=50, **B)
    place.await_closes("a", 100)
    place.diagnose().lacks("aborts")


@situation
def exits_killed(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "worker", "open_and_exit", num=20, kill=1, **B)
    place.finds("exits", "warning", "worker", "killed by a signal")


@situation
def exits_near(place):
    """Short programs that end after their one request."""
    place.actor("b", "server", "serve", **B)
    place.actor("a", "oneshot", "open_and_exit", num=1, pause=0.02, **B)
    place.await_closes("a", 30)
    place.diagnose().lacks("exits")


@situation
def closed_by_peer(place):
    place.actor("b", "server", "serve", close=1, **B)
    place.actor("a", "client", "load", rate=100, wait=1, **B)
    found = place.finds("closed-by-peer", "ok", "client")
    found.is_harmless()


@situation
def closed_by_peer_near(place):
    place.actor("b", "server", "serve", **B)
    place.actor("a", "client", "load", rate=100, **B)
    place.await_closes("a", 150)
    place.diagnose().lacks("closed-by-peer")


@situation
def listener_address_in_use(place):
    server = place.actor("a", "old", "serve", close=1, **ON_A)
    place.await_line(place.actor("b", "client", "load", rate=50, count=20, wait=1, **ON_A), "done")
    server.kill()
    server.wait()
    place.actor("a", "daemon", "restart", **ON_A)
    place.finds("listener-address-in-use", "critical", "daemon", "SO_REUSEADDR")


@situation
def listener_address_in_use_near(place):
    """Somebody listens there: that is another matter."""
    place.actor("a", "old", "serve", close=1, **ON_A)
    place.actor("b", "client", "load", rate=50, count=20, wait=1, **ON_A)
    place.actor("a", "daemon", "restart", **ON_A)
    time.sleep(1)
    place.diagnose().lacks("listener-address-in-use")


@situation
def blind(place):
    """More clients than are told apart: what is said of the others is not all."""
    place.actor("b", "server", "serve", **B)
    place.await_line(place.actor("a", "client", "load", count=4300, names=4300, **B), "done")
    place.finds("blind", "notice", says="ask about a part")


@situation
def blind_near(place):
    place.actor("b", "server", "serve", **B)
    place.await_line(place.actor("a", "client", "load", count=400, names=200, **B), "done")
    for found in place.diagnose().all:
        # a machine that is short of processors may lose some, and then it is to be said
        if found["id"] == "blind" and not found["evidence"]["lost"]:
            raise Wrong(str(found))


@situation
def too_little_seen(place):
    place.actor("b", "server", "serve", **B)
    place.await_line(place.actor("a", "client", "load", count=3, **B), "done")
    found = place.finds("too-little-seen", "ok")
    found.is_harmless()
