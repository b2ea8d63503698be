# SPDX-License-Identifier: GPL-2.0
"""twsnoop serve, which sends what is really closed: killed and started again, and refused."""
import contextlib
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

from checks import (NETNS, PATIENCE_S, Program, check, connect_and_close, forked, mounted,
                    wait_for)
from lib import State, folder
from stores import otlp_store, with_clickhouse


def close_for_ever(made):
    """How many, goes to the shared @made."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        while True:
            connect_and_close(listener)
            made.value += 1
            time.sleep(0.005)


class Serve(Program):
    def __init__(self, *words):
        super().__init__([State.twsnoop, "serve", "--listen", "127.0.0.1:0", "--netns", NETNS, *words],
                         "metrics at")

    def kill(self):
        self.end()

    def metrics(self):
        url = re.search(r"metrics at (http://\S+)", self.said()).group(1)
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()

    def metric(self, name, sink):
        sample = rf'^twsnoop_export_{name}{{sink="{sink}"}} (\S+)$'
        return float(re.search(sample, self.metrics(), re.M).group(1))


@contextlib.contextmanager
def attached(bpffs, *words):
    subprocess.run([State.twsnoop, "attach", "--all", *words, "--bpffs", bpffs], check=True,
                   stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run([State.twsnoop, "detach", "--bpffs", bpffs], check=False, capture_output=True)


@with_clickhouse
def test_serve(clickhouse):
    """serve, with a recorder, killed again and again, and both stores: each close is in each of them
    once."""
    name = "exported"
    made = multiprocessing.Value("q", 0, lock=False)
    with mounted(folder("bpffs"), "-t", "bpf", "bpf") as bpffs, attached(bpffs):
        with otlp_store() as store:
            words = ["--bpffs", bpffs, "--spool", folder("spool"), "--otlp", store.url,
                     "--clickhouse", clickhouse.url]
            serve = Serve(*words)
            with forked(close_for_ever, made, name=name, waits=False) as pid:
                for which in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                    before = made.value
                    wait_for(lambda b=before: made.value > b + 300, "closes")
                    serve.stop(which)
                    wait_for(lambda b=before: made.value > b + 400, "closes without serve")
                    serve = Serve(*words)
                before = made.value
                wait_for(lambda: made.value > before + 100, "closes")
                os.kill(pid, signal.SIGSTOP)
                total = made.value
                ours = lambda: [r for r in store.records if r.get("process.name") == name and
                                r["event.action"] == "time_wait" and r["tcp.side"] == "client"]
                query = ("SELECT count(), uniqExact(uid) FROM twsnoop_events WHERE "
                         f"process_name = '{name}' AND event_action = 'time_wait' AND tcp_side = 'client'")
                # the last one may have been stopped between its close and its being counted
                wait_for(lambda: len(ours()) >= total and int(clickhouse.ask(query).split()[0]) >= total,
                         lambda: f"{total}: {len(ours())}, {clickhouse.ask(query)}; {serve.said()}")
                found = ours()
                in_clickhouse, different = map(int, clickhouse.ask(query).split())
                check("serve.otlp.once", total <= len(found) <= total + 1 and
                      len({r["tcp.cookie"] for r in found}) == len(found), (total, len(found)))
                check("serve.clickhouse.once", total <= in_clickhouse <= total + 1 and
                      in_clickhouse == different, (total, in_clickhouse, different))
                check("serve.valid", not store.wrong, store.wrong[:3])
                for sink in ("otlp", "clickhouse"):
                    # A store has a batch before its answer has been read and counted.
                    wait_for(lambda s=sink: serve.metric("sent_total", s) > 0, f"{sink}: sent_total")
                    check(f"serve.metrics.{sink}",
                          serve.metric("dropped_total", sink) == serve.metric("failed_total", sink) == 0)
            serve.stop()
            said = serve.said()
            check("serve.said", re.search(r"^twsnoop: otlp: sent=\d+ queued=0 dropped=0 failed=0 damaged=0$",
                                          said, re.M), said)


def test_serve_gap():
    """What nobody has seen between two runs is said."""
    gap = r"otlp: what was closed from \S+ \S+ \S+ to \S+ \S+ \S+ is not sent"
    with otlp_store() as store, mounted(folder("bpffs"), "-t", "bpf", "bpf") as bpffs:
        words = ["--bpffs", bpffs, "--spool", folder("spool"), "--otlp", store.url]

        def run():
            with Serve(*words) as serve, socket.create_server(("127.0.0.1", 0)) as listener:
                connect_and_close(listener)
                wait_for(lambda: serve.metric("sent_total", "otlp") > 0, "an event to be sent")
                serve.kill()
                return serve.said()
        check("serve_gap.first", not re.search(gap, run()))
        said = run()
        check("serve_gap.own", re.search(gap, said), said)
        for what, expected in ("attached", True), ("goes_on", False):
            if expected:
                subprocess.run([State.twsnoop, "attach", "--all", "--bpffs", bpffs], check=True,
                               capture_output=True)
            said = run()
            check(f"serve_gap.{what}", bool(re.search(gap, said)) == expected, said)
        subprocess.run([State.twsnoop, "detach", "--bpffs", bpffs], check=True, capture_output=True)


def test_serve_dropped():
    """What a store refuses for good is dropped, which the metrics tell."""
    with otlp_store() as store:
        store.always = 400
        with Serve("--own", "--spool", folder("spool"), "--otlp", store.url) as serve, \
                socket.create_server(("127.0.0.1", 0)) as listener:
            connect_and_close(listener)
            wait_for(lambda: serve.metric("dropped_total", "otlp") >= 2, "drops in the metrics")
            check("serve_dropped.metrics", serve.metric("failed_total", "otlp") >= 1 and
                  not serve.metric("sent_total", "otlp") and not serve.metric("queued_bytes", "otlp"),
                  serve.metrics())


def test_serve_usage():
    for words, what in ((["--otlp", "x"], "not of the form"), (["--spool", "/tmp"], "--spool is for"),
                        (["--otlp", "http://h", "--spool-size", "1K"], "at least 1M"),
                        (["--otlp", "http://h", "--spool", "/nonexistent/a"], "No such file")):
        done = subprocess.run([State.twsnoop, "serve", "--listen", "127.0.0.1:0", *words],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        check(f"serve.usage.{words[0][2:]}.{what.split()[0]}",
              done.returncode in (1, 2) and what in done.stderr, done.stderr)
