#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""twsnoop serve on this kernel, in network and mount namespaces of its own: its figures against what
was made, with Prometheus and VictoriaMetrics as those who ask, and with clients that mean harm.
As root: run.py TWSNOOP [TEST]...
Prints "ok NAME" or "FAIL NAME: why" for each check, and the sums at the end."""
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import engines
import hostile
from lib import Metrics, Serve, State, connect_and_close, make_closes
import checks
from checks import (CLONE_NEWNET, CLONE_NEWNS, check, forked, make_failures, mounted, set_name, skip,
                    wait_for)

SHORT_LIVED = 10000
CONTAINERS = 2000


# ---- what is counted ----

def promtool(*arguments, **more):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, **more)
    return done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr


# Of those that the ten fullest sets of ports have, the peer is a server.
LABELS = {"k8s_namespace", "container", "process", "side", "cause", "action", "errno", "state", "le", "local_address",
          "peer_address", "peer_port", "id", "severity", "sink", "version"}


def test_counts():
    with Serve("--interval", "1s") as serve:
        with forked(make_closes, 300, name="checkout"), forked(make_failures, 20, name="importer"):
            serve.wait_value("twsnoop_time_waits_total", 300)
            m = serve.wait_value("twsnoop_connect_failures_total", 20)
            m = serve.wait_value("twsnoop_finding", 1)
            check("every close is counted once", m.of("twsnoop_time_waits_total") == [({}, 300)],
                  m.of("twsnoop_time_waits_total"))
            check("by who closed", m.of("twsnoop_closes_total", process="checkout", side="client") ==
                  [({"k8s_namespace": "", "container": "", "process": "checkout", "side": "client",
                     "cause": "close"}, 300)], m.of("twsnoop_closes_total"))
            check("the labelled sum is that of the whole", m.sum("twsnoop_closes_total") == 300)
            check("failures by who called", m.sum("twsnoop_connect_failures_total", process="importer",
                                                  errno="ECONNREFUSED") == 20,
                  m.of("twsnoop_connect_failures_total"))
            labels = {name for _, labels, _ in m.samples for name in labels}
            check("no PID, cookie, id or address of a client is a label", labels <= LABELS, labels - LABELS)
            check("ends by their action",
                  m.sum("twsnoop_connections_ended_total", action="time_wait") == 300 and
                  m.sum("twsnoop_connections_ended_total", action="passive_close") == 300,
                  m.of("twsnoop_connections_ended_total"))
            check("lifetimes of all of them", m.sum("twsnoop_connection_lifetime_seconds_count",
                                                    side="client") == 300)
            good, said = promtool("check", "metrics", input=m.text)
            check("promtool check metrics", good, said)
            m = serve.wait_value("twsnoop_sockets", 300, state="time_wait")
            check("sockets by state", m.sum("twsnoop_sockets", state="listen") == 1,
                  m.of("twsnoop_sockets"))
            check("the limit's used share", m.sum("twsnoop_time_wait_limit_used_ratio") > 0)
            wait_for(lambda: serve.metrics().of("twsnoop_local_ports_used_ratio",
                                                peer_address="127.0.0.1"), "a set of ports")
        check("it ends in order", serve.stop() == 0, serve.said())
        account = serve.account()
        check("its account", account["delivered"] >= 620 and account["lost"] == 0, account)


def test_formats():
    with Serve() as serve:
        status, headers, body = serve.get()
        check("text by default", status == 200 and
              headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", headers)
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        status, headers, body = serve.get(headers={"Accept": accept})
        check("OpenMetrics where it is liked more", status == 200 and body.endswith(b"\n# EOF\n") and
              headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), headers)
        # But for what is looked at in between.
        both = [[s[:2] for s in m.samples if not re.search("_sockets$|_ratio$|_finding$", s[0])]
                for m in (Metrics(body.decode()), serve.metrics())]
        check("both say the same", both[0] == both[1] and len(both[0]) > 50, both)
        status, headers, body = serve.get(method="HEAD")
        check("HEAD", status == 200 and not body and int(headers["Content-Length"]) > 1000, headers)
        for path in "/healthz", "/readyz":
            check(path, serve.get(path)[0::2] == (200, b"ok\n"), serve.get(path))
        status, headers, body = serve.get("/")
        check("the plain page", status == 200 and b"--record" in body and b"delivered" in body and
              headers["Content-Type"].startswith("text/html"), body)
        status, _, _ = serve.get("/", headers={"Host": "rebound.example"})
        check("the page is not for who came by a strange name", status == 403, status)
        documented = open("docs/formats.md").read()
        lacks = [n for n in serve.metrics().names()
                 if f"`{re.sub('_(bucket|sum|count)$', '', n)}`" not in documented]
        check("every metric is in docs/formats.md", not lacks, lacks)


def test_signals():
    with Serve() as serve:
        serve.process.send_signal(signal.SIGUSR1)
        serve.wait_said("twsnoop: delivered=0 lost=0")
        check("SIGINT ends it, too", serve.stop(signal.SIGINT) == 0)


SYS_ADMIN, LOOK, FILES, LOAD = 1 << 21, 1 << 21 | 1 << 19 | 1 << 2, 1 << 1 | 1 << 2, 1 << 38 | 1 << 39


def kept_by(pid):
    """The capabilities that each thread has, or may have again."""
    kept = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/status") as f:
            told = dict(re.findall(r"^(Cap\w+|NoNewPrivs):\s+(\S+)$", f.read(), re.M))
            kept[int(task)] = int(told["CapEff"], 16) | int(told["CapPrm"], 16) | int(told["CapInh"], 16)
    return kept


def test_privileges():
    """What listens to strangers may nothing, what reads files or answers of the network what files take; and the
    rest no more than looking at the host does."""
    with Serve("--record", f"{State.scratch}/rights.db", "--spool", f"{State.scratch}/rights",
               "--otlp", "http://127.0.0.1:9", "--clickhouse", "http://127.0.0.1:9", names=True) as serve:
        wait_for(lambda: page_of(serve)[0] == 200, "a page")
        kept = kept_by(serve.process.pid)
        shown = {task: hex(rights) for task, rights in kept.items()}
        check("all its threads are there", len(kept) >= 9, shown)
        check("a thread without privileges answers", list(kept.values()).count(0) == 1, shown)
        check("none has more than looking takes", all(not rights & ~LOOK for rights in kept.values()), shown)
        check("three look: the stream, the gauges and the samples", sum(bool(rights & SYS_ADMIN) for rights in
                                                                        kept.values()) == 3, shown)


def test_privileges_of_others():
    """Once a command has given up what it needs no more, so have its other threads: the one, too, that writes to what
    may hang, and has done so before."""
    def begun(pid):
        return not kept_by(pid).get(pid, ~0) & ~allowed

    with mounted(f"{State.scratch}/bpffs", "-t", "bpf", "none") as bpffs:
        subprocess.run([State.twsnoop, "attach", "--bpffs", bpffs], check=True, capture_output=True)
        for words, more in ((["trace", "--all"], 0), (["top", "-b"], 0), (["diagnose", "-d", "60s"], LOAD),
                            (["record", f"{State.scratch}/others.db"], 0), (["serve", "--listen", "127.0.0.1:0"], 0)):
            allowed = LOOK | more
            # A file of no local file system; what is written becomes its name.
            with subprocess.Popen(["sh", "-c", 'exec "$0" "$@" 2>/proc/self/comm', State.twsnoop, *words, "--bpffs",
                                   bpffs], stdout=subprocess.DEVNULL, preexec_fn=checks.die_with_parent) as program:
                try:
                    wait_for(lambda: begun(program.pid) or program.poll() is not None, f"{words[0]} to trace")
                    kept = kept_by(program.pid)
                    check(f"{words[0]}: no thread has more than it needs", program.poll() is None and kept and
                          all(not rights & ~allowed for rights in kept.values()),
                          {task: hex(rights) for task, rights in kept.items()})
                finally:
                    program.kill()
        subprocess.run([State.twsnoop, "detach", "--bpffs", bpffs], check=False, capture_output=True)


def test_refused():
    def run(*arguments):
        return subprocess.run([State.twsnoop, "serve", *arguments], capture_output=True, text=True,
                              check=False, timeout=120)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    check("a port that is taken", done.returncode == 1 and "Address already in use" in done.stderr and
          done.stderr.count("\n") == 1, done)
    for arguments in (["--listen", "localhost:1"], ["--listen", "127.0.0.1"], ["--max-series", "499"],
                      ["--max-series", "x"], ["--interval", "999ms"], ["--tls-cert", "a"], ["x"]):
        done = run(*arguments)
        check(f"serve {' '.join(arguments)}", done.returncode == 2 and done.stderr.count("\n") == 1, done)
    with checks.Program([State.twsnoop, "serve", "--own", "--no-names"], r"metrics at http://127\.0\.0\.1:9810/") as serve:
        check("by itself it listens on loopback alone", "password" not in serve.said(), serve.said())
    with Serve("--listen", ":0") as serve:
        check("listening to others is warned of", "without a password" in serve.said(), serve.said())
    with Serve() as serve:
        check("listening to itself is not", "password" not in serve.said(), serve.said())


def test_attached():
    """From a recorder that is attached, and over to programs of its own when that goes."""
    with mounted(f"{State.scratch}/bpffs", "-t", "bpf", "none") as bpffs:
        def call(*arguments):
            subprocess.run([State.twsnoop, *arguments, "--bpffs", bpffs], check=True,
                           capture_output=True)
        call("attach", "--all")
        try:
            with forked(make_closes, 7, name="before"), \
                 Serve("--bpffs", bpffs, "--record", f"{State.scratch}/attached.db", own=False) as serve:
                check("it reads the attached recorder", "reaches back" in serve.said(), serve.said())
                with forked(make_closes, 30, name="checkout"):
                    m = serve.wait_value("twsnoop_time_waits_total", 30)
                check("of what was before nothing is counted", m.sum("twsnoop_time_waits_total") == 30,
                      m.of("twsnoop_closes_total"))
                call("detach")
                serve.wait_said("tracing goes on, by programs of its own")
                with forked(make_closes, 40, name="checkout"):
                    m = serve.wait_value("twsnoop_time_waits_total", 70)
                check("counters go on", m.sum("twsnoop_closes_total", process="checkout") == 70,
                      m.of("twsnoop_closes_total"))
                check("it ends in order", serve.stop() == 0)
                account = serve.account()
            path = f"{State.scratch}/attached.db"
            check("both are recorded, and what is between is a gap",
                  recorded(path, "SELECT sum(rows) FROM block") == account["delivered"] and
                  recorded(path, "SELECT count(*) FROM gap WHERE reason = 1") == 1, account)
        finally:
            subprocess.run([State.twsnoop, "detach", "--bpffs", bpffs], check=False,
                           capture_output=True)


def test_quiet():
    """Where little happens, and many sets of ports are alike, each scrape has the same series."""
    with Serve("--interval", "1s") as serve, socket.create_server(("", 0), backlog=128) as listener, \
            contextlib.ExitStack() as held:
        def connect(address):
            held.enter_context(socket.create_connection((address, listener.getsockname()[1])))
            held.enter_context(listener.accept()[0])

        def used(address):
            return serve.metrics().sum("twsnoop_local_ports_used_ratio", peer_address=address)

        def series():
            return {(name, *sorted(labels.items())) for name, labels, _ in serve.metrics().samples}
        for i in range(12):
            connect(f"127.0.1.{i + 1}")
        wait_for(lambda: used("127.0.1.1"), "a look at ports")
        first = series()
        check("ten sets of ports are shown", sum(name[0] == "twsnoop_local_ports_used_ratio" for name in first) == 10,
              first)
        before = used("127.0.1.1")
        for address in "127.0.0.200", "127.0.0.200", "127.0.1.1":
            connect(address)
        wait_for(lambda: used("127.0.1.1") > before, "the next look at ports")
        check("a quiet host has the same series again", series() == first, series() ^ first)


# ---- the recording, and the page ----

def recorded(path, sql):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(sql).fetchone()[0]


def page_of(serve):
    status, headers, body = serve.get("/")
    return status, headers, body.decode()


def test_record():
    path = f"{State.scratch}/served.db"
    with Serve("--record", path, "--record-size", "16M") as serve:
        wait_for(lambda: page_of(serve)[0] == 200, "a page of a recording that is empty")
        with forked(make_closes, 200, name="checkout<&>"):
            serve.wait_value("twsnoop_time_waits_total", 200)
            wait_for(lambda: "checkout&lt;&amp;&gt;" in page_of(serve)[2],
                     lambda: f"the closes on the page: {page_of(serve)[2][-1500:]}")
        status, headers, body = page_of(serve)
        check("the page is the report of what was recorded", status == 200 and "<svg" in body and
              headers["Content-Type"] == "text/html; charset=utf-8", body[:300])
        check("it has no script, and forbids them", "<script" not in body and
              "Content-Security-Policy" in body)
        many = [serve.get("/")[0] for _ in range(50)]
        check("asked often, it is made once", many == [200] * 50, many)
        done = subprocess.run([State.twsnoop, "serve", "--own", "--listen", "127.0.0.1:0", "--record",
                               path], capture_output=True, text=True, check=False, timeout=120)
        check("a second one with the same recording is refused", done.returncode == 1 and
              "cannot record" in done.stderr, done)
        check("it ends in order", serve.stop() == 0, serve.said())
        made = serve.account()["delivered"]
    check("all is recorded", recorded(path, "SELECT sum(rows) FROM block") == made,
          (recorded(path, "SELECT sum(rows) FROM block"), made))
    done = subprocess.run([State.twsnoop, "trace", "--from", path, "--json"], capture_output=True,
                          text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    check("and answers as any recording", len(events) == 200 and
          {e["process"]["name"] for e in events} == {"checkout<&>"}, done.stderr)
    done = subprocess.run([State.twsnoop, "serve", "--record-size", "1G"], capture_output=True, text=True,
                          check=False, timeout=60)
    check("--record-size is for --record", done.returncode == 2, done)


def test_record_unreadable():
    """What is recorded there is gone, or is none: the page says so, and all the rest goes on."""
    path = f"{State.scratch}/vanishes.db"
    with Serve("--record", path) as serve:
        with open(path, "wb") as f: # and not by SQLite
            f.write(b"no recording at all" * 1000)
        wait_for(lambda: page_of(serve)[0] == 503, lambda: f"503: {page_of(serve)}")
        check("a recording that cannot be read is said to be so", "cannot be read" in page_of(serve)[2])
        with forked(make_closes, 50, name="checkout"):
            m = serve.wait_value("twsnoop_time_waits_total", 50)
        check("metrics go on", m.sum("twsnoop_closes_total") == 50)


# ---- TLS, and the static program ----

def make_certificate(folder):
    paths = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0],
                    "-keyout", paths[1]], check=True, capture_output=True)
    return paths


def test_tls():
    with tempfile.TemporaryDirectory(dir=State.scratch) as folder:
        cert, key = make_certificate(folder)
        with Serve("--tls-cert", cert, "--tls-key", key) as serve:
            context = ssl.create_default_context(cafile=cert)
            with urllib.request.urlopen(f"{serve.url}/metrics", context=context, timeout=60) as answer:
                text = answer.read().decode()
            check("HTTPS", serve.url.startswith("https://") and "twsnoop_build_info" in text, text)
            with socket.create_connection(("127.0.0.1", serve.port)) as plain:
                plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                plain.settimeout(60)
                check("no plain HTTP beside it", b"twsnoop_" not in plain.recv(4096))
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname = False
            old.verify_mode = ssl.CERT_NONE
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
            old.set_ciphers("ALL:@SECLEVEL=0")
            with socket.create_connection(("127.0.0.1", serve.port)) as raw:
                try:
                    old.wrap_socket(raw)
                    check("no old TLS", False)
                except (ssl.SSLError, OSError):
                    check("no old TLS", True)
        with open(f"{folder}/none.pem", "w") as f:
            f.write("nothing\n")
        for wrong in (cert, f"{folder}/no.pem"), (cert, f"{folder}/none.pem"), (cert, cert):
            done = subprocess.run([State.twsnoop, "serve", "--own", "--listen", "127.0.0.1:0",
                                   "--tls-cert", wrong[0], "--tls-key", wrong[1]],
                                  capture_output=True, text=True, check=False, timeout=120)
            check(f"a key that will not do: {os.path.basename(wrong[1])}", done.returncode == 1 and
                  "cannot answer HTTPS" in done.stderr, done)


def test_static():
    """The static program serves metrics; TLS it cannot, and says so."""
    static = os.path.join(os.path.dirname(State.twsnoop), "static", "twsnoop")
    if not os.path.exists(static):
        skip("the static program", "it is not built")
        return
    with Serve(twsnoop=static) as serve, forked(make_closes, 10, name="checkout"):
        m = serve.wait_value("twsnoop_time_waits_total", 10)
        check("the static program serves metrics", m.sum("twsnoop_closes_total") == 10)
    done = subprocess.run([static, "serve", "--tls-cert", "a", "--tls-key", "b"], capture_output=True,
                          text=True, check=False, timeout=60)
    for store in "--otlp", "--clickhouse":
        done_store = subprocess.run([static, "serve", store, "http://127.0.0.1:9"], capture_output=True, text=True,
                                    check=False, timeout=60)
        check(f"it says that it sends nothing: {store}", done_store.returncode == 1 and
              "it sends nothing" in done_store.stderr and done_store.stderr.count("\n") == 1, done_store)
    check("it says that it has no TLS", done.returncode == 1 and "has no TLS" in done.stderr, done)


# ---- cardinality ----

def close_by_names(num):
    """One process that calls itself by many names: to a counter they are as many processes."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for i in range(num):
            set_name(f"short-{i}")
            connect_and_close(listener)


def container_root():
    """Where containers are told apart on this machine, or None."""
    done = subprocess.run([State.twsnoop, "check", "--json"], capture_output=True, check=False)
    cgroup = json.loads(done.stdout).get("cgroup", {})
    root = cgroup.get("v1_path") or cgroup.get("v2_path")
    return root if root and os.access(root, os.W_OK) else None


def close_in_containers(root, num):
    """In cgroups as LXC makes them for its containers, which have a name."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for i in range(num):
            folder = f"{root}/lxc.payload.twsnoop{i}"
            os.mkdir(folder)
            with open(f"{folder}/cgroup.procs", "w") as f:
                f.write("0")
            connect_and_close(listener)
            with open(f"{root}/cgroup.procs", "w") as f:
                f.write("0")
            os.rmdir(folder)


def check_bound(name, m, made, most):
    check(f"{name}: the whole is exact", m.sum("twsnoop_time_waits_total") == made,
          m.sum("twsnoop_time_waits_total"))
    check(f"{name}: and the labelled sum", m.sum("twsnoop_closes_total") == made,
          m.sum("twsnoop_closes_total"))
    check(f"{name}: series stay under --max-series", len(m.samples) <= most, len(m.samples))
    others = m.sum("twsnoop_closes_total", process="~other")
    check(f"{name}: what is over it is counted",
          others == m.sum("twsnoop_series_overflow_total") > 0, others)


def test_many_names():
    with Serve("--max-series", "1000") as serve:
        with forked(close_by_names, SHORT_LIVED // 2, name="first"):
            serve.wait_value("twsnoop_time_waits_total", SHORT_LIVED // 2)
            before_kib = serve.memory_kib()
        with forked(close_by_names, SHORT_LIVED // 2, name="second"):
            m = serve.wait_value("twsnoop_time_waits_total", SHORT_LIVED)
            check_bound("10,000 names", m, SHORT_LIVED, 1000)
            good, said = promtool("check", "metrics", input=m.text)
            check("promtool check metrics of them", good, said)
        # The evidence of diagnose is bounded by 4096 flows of 4 KiB, twice.
        check("memory is bounded", serve.memory_kib() < max(2 * before_kib, 131072),
              (before_kib, serve.memory_kib()))


def test_many_containers():
    root = container_root()
    if not root:
        skip("2,000 containers", "no cgroup can be made here")
        return
    with Serve("--max-series", "1000") as serve:
        with forked(close_in_containers, root, CONTAINERS, name="checkout"):
            m = serve.wait_value("twsnoop_time_waits_total", CONTAINERS)
        check_bound("2,000 containers", m, CONTAINERS, 1000)
        named = [l for l, _ in m.of("twsnoop_closes_total") if l["container"].startswith("twsnoop")]
        check("they are known by their names", len(named) > 500, named[:3])


# ---- all of them ----

TESTS = [test_counts, test_formats, test_signals, test_privileges,
         test_privileges_of_others, test_refused, test_attached, test_quiet, test_record,
         test_record_unreadable, test_tls,
         test_static, test_many_names, test_many_containers, engines.test_rules,
         engines.test_dashboard, engines.test_prometheus, engines.test_victoria_metrics,
         hostile.test_requests, hostile.test_slow, hostile.test_many]


def main():
    State.twsnoop = os.path.realpath(sys.argv[1])
    checks.choose(TESTS, sys.argv[2:])
    os.chdir(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
    checks.enter_namespaces(CLONE_NEWNS)
    with tempfile.TemporaryDirectory() as folder:
        State.scratch = folder
        # A network for each test: no TIME_WAITs of the one before.
        checks.play(TESTS, sys.argv[2:], before=lambda: checks.enter_namespaces(CLONE_NEWNET))
    sys.exit(checks.finish())


if __name__ == "__main__":
    main()
