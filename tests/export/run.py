#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What exporting owes a store: each event once, whatever is killed or cut; within the spool's bound, and
beyond it counted. In a network namespace of its own, with Debian's ClickHouse and a receiver for OTLP that
checks each request. As root: run.py [--seconds N] FEEDER TWSNOOP [TEST]...
Environment: CLICKHOUSE_SERVER, the server's command, if it is another one: see newer_clickhouse.py.
Prints "ok NAME" or "FAIL NAME: why" for each check, and the sums at the end."""
import collections
import contextlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))

import checks  # noqa: E402
from checks import (PATIENCE_S, Program, check, connect_and_close, die_with_parent, forked,  # noqa: E402
                    free_port, mounted, skip, wait_for)
from cutter import Cutter  # noqa: E402
from otlp_receiver import Store, http_date  # noqa: E402

SCHEMA = os.path.join(HERE, "../../packaging/clickhouse/schema.sql")
SERVER = [os.path.abspath(word) if os.path.exists(word) else word
          for word in os.environ.get("CLICKHOUSE_SERVER", "clickhouse-server").split()]
BIG = 256 << 20

feeder_program = twsnoop = scratch = None
soak_seconds = 0  # as each test has it


def folder(name):
    return tempfile.mkdtemp(prefix=name + "-", dir=scratch)


# ---- the exporter ----

class Feeder:
    """An exporter with made-up events: see feeder.c. Those of one Feed are the same in each run."""

    def __init__(self, feed, *words, env=None, waits=True):
        self.out = tempfile.TemporaryFile(dir=scratch)
        self.errors = tempfile.TemporaryFile(dir=scratch)
        self.process = subprocess.Popen(
            [feeder_program, feed.kind, feed.url, feed.spool, str(feed.spool_bytes), str(feed.base_ns),
             str(feed.period_ns), str(feed.count), *words],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.errors, preexec_fn=die_with_parent,
            env={**os.environ, **(env or {})})
        if not feed.base_ns and waits:
            wait_for(lambda: self.account()["base"] or self.process.poll() is not None, "the feeder to begin")
            feed.base_ns = self.account()["base"]

    def said(self):
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode()

    def account(self):
        size = os.fstat(self.out.fileno()).st_size
        lines = os.pread(self.out.fileno(), 4096, max(0, size - 4096)).decode().split("\n")
        whole = [line for line in lines[:-1] if line.startswith("{")]
        return collections.defaultdict(int, json.loads(whole[-1]) if whole else {})

    def wait(self, condition, what, seconds=PATIENCE_S):
        wait_for(lambda: condition(self.account()) or self.process.poll() is not None,
                 lambda: f"{what}: {dict(self.account())} {self.said()}", seconds)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE_S)
        return self.account()

    def finish(self):
        self.process.wait(timeout=PATIENCE_S)
        return self.account()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.out.close()
        self.errors.close()


class Feed:
    """From now on; event n has the cookie n + 1."""

    def __init__(self, kind, url, count=10**9, rate=1000, spool_bytes=BIG):
        self.kind, self.url, self.count, self.spool_bytes = kind, url, count, spool_bytes
        self.base_ns = 0  # the first run begins
        self.period_ns = 10**9 // rate
        self.spool = folder("spool")

    def run(self, *words, **options):
        return Feeder(self, *words, **options)

    def files(self, suffix):
        where = os.path.join(self.spool, self.kind)
        return [f for f in os.listdir(where) if f.endswith(suffix)]


def missing_and_twice(cookies, given):
    """Of events that were given: those that the store lacks, and those that it has more than once."""
    missing = [n for n in given if n not in cookies]
    twice = [n for n, times in cookies.items() if times != 1]
    strange = [n for n in cookies if n not in given]
    return missing, twice, strange


def check_once(name, cookies, given):
    """@given: their cookies, or how many from 1 on."""
    given = range(1, given + 1) if isinstance(given, int) else given
    missing, twice, strange = missing_and_twice(cookies, given)
    return check(name, not missing and not twice and not strange and len(given) > 0,
                 f"of {len(given)}: {len(missing)} missing (from {missing[:3]}), {len(twice)} twice "
                 f"({twice[:3]}), {len(strange)} strange")


def run_to_end(feed, *words, **options):
    with feed.run(*words, **options) as feeder:
        feeder.process.wait(timeout=PATIENCE_S)
        return feeder.account(), feeder.said()


# ---- OTLP ----

@contextlib.contextmanager
def otlp_store():
    store = Store()
    try:
        yield store
    finally:
        store.released.set()
        if store.server:
            store.stop()


def test_otlp():
    with otlp_store() as store:
        feed = Feed("otlp", store.url, count=4000, rate=2000)
        account, said = run_to_end(feed, "hostile")
        check("otlp.valid", not store.wrong, store.wrong[:3])
        check_once("otlp.once", store.cookies, 4000)
        check("otlp.account", account["sent"] == 4000 and not account["dropped"] and not account["failed"],
              dict(account))
        check("otlp.quiet", not said, said)
        check("otlp.spool", not feed.files(".batch"), feed.files(""))
        by_cookie = {r["tcp.cookie"]: r for r in store.records}
        r = by_cookie[14]  # event 13: IPv4, failed to connect, of name 5
        check("otlp.values", r["event.action"] == r["body"] == "connect_failed" and r["tcp.errno"] == 111 and
              r["process.name"] == "{}[],:" and r["tcp.side"] == "client" and r["process.pid"] == 14 and
              r["network.peer.address"] == "10.0.9.9" and r["network.peer.port"] == 443 and
              r["tcp.lifetime_ns"] == 1500000 and r["tcp.tx_bytes"] == 13000, r)
        check("otlp.bytes", by_cookie[12]["process.name"] == "\\xff\\xfe", by_cookie[12])
        check("otlp.container", by_cookie[11]["k8s.pod.name"] == "shop-0", by_cookie[11])
        times = [by_cookie[n]["time"] for n in range(1, 4001)]
        check("otlp.times", all(b - a > 400_000 for a, b in zip(times, times[1:])))


def otlp_with(answers, name, expect=None, count=600):
    """Each of these answers first, and then good ones: all arrives, once."""
    with otlp_store() as store:
        store.answers = list(answers)
        account, said = run_to_end(Feed("otlp", store.url, count=count, rate=2000))
        check_once(f"otlp.{name}.once", store.cookies, count)
        check(f"otlp.{name}.valid", not store.wrong, store.wrong[:3])
        bad = [a for a in answers if a not in (200, "slow", "partial")]
        check(f"otlp.{name}.account", account["sent"] == count and account["failed"] == len(bad) and
              not account["dropped"], dict(account))
        if bad:
            check(f"otlp.{name}.said", said.count("cannot send to") == said.count("sends again to") == 1,
                  said)
        if expect:
            expect(store)


def test_otlp_answers():
    otlp_with([429, 502, 503, 504], "retried")
    otlp_with(["cut-before", "cut-after", "half", "cut-after"], "cut")
    otlp_with(["slow"], "slow")
    otlp_with(["silent"], "silent")  # it takes the request and is dead then

    def after(seconds):
        def look(store):
            times = [t for t, _, _ in store.requests]
            check("otlp.retry_after.waited", times[1] - times[0] >= seconds, times)
        return look
    otlp_with([(503, "3")], "retry_after", after(2.9))
    otlp_with([(429, http_date(6))], "retry_after_date", after(1))


def test_otlp_refused():
    with otlp_store() as store:
        store.answers = [400]
        account, said = run_to_end(Feed("otlp", store.url, count=600, rate=2000))
        check("otlp.refused.dropped", account["dropped"] and account["sent"] + account["dropped"] == 600 and
              len(store.cookies) == account["sent"] and account["failed"] == 1, dict(account))
        check("otlp.refused.said", said.count("refused for good") == 1 and "status 400: " in said, said)
    with otlp_store() as store:
        store.answers = ["partial"]
        account, said = run_to_end(Feed("otlp", store.url, count=600, rate=2000))
        check("otlp.partial", account["dropped"] == 3 and account["sent"] == 597, dict(account))
        check("otlp.partial.said", "some records were rejected: too old" in said, said)


def test_otlp_redirect():
    with otlp_store() as store, otlp_store() as other:
        store.answers = [307]
        account, _ = run_to_end(Feed("otlp", store.url, count=100, rate=2000))
        check("otlp.redirect", account["dropped"] == 100 and not other.requests, dict(account))


def test_otlp_secrets():
    with otlp_store() as store:
        store.always = 503
        url = store.url.replace("http://", "http://somebody:hunter2@") + "/v1/logs?token=hunter3"
        store.path = "/v1/logs?token=hunter3"
        feed = Feed("otlp", url, count=100, rate=2000)
        with feed.run("finish=0", env={"OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter%204"}) as feeder:
            feeder.wait(lambda a: a["failed"] >= 1 and "cannot send" in feeder.said(), "a failure")
            store.always = 200
            feeder.process.wait(timeout=PATIENCE_S)
            said = feeder.said()
        headers = store.requests[-1][2]
        check("otlp.secrets.hidden", "hunter" not in said and "cannot send to http://127.0.0.1" in said, said)
        check("otlp.secrets.sent", headers.get("api-key") == "hunter 4" and
              headers.get("Authorization", "").startswith("Basic "), headers)
        check_once("otlp.secrets.once", store.cookies, 100)


def test_otlp_receiver():
    """The receiver of these tests itself: a request that was cut off behind its head is none."""
    with otlp_store() as store:
        with socket.create_connection(("127.0.0.1", store.port)) as s:
            s.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                      b"Content-Length: 99\r\n\r\n")
            s.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                s.recv(1)
        check("otlp.receiver.cut", not store.wrong and not store.requests, store.wrong)


def test_wrong():
    for url, what in (("ftp://x/", "not of the form"), ("nothing", "not of the form")):
        _, said = run_to_end(Feed("otlp", url, count=1))
        check(f"wrong.{url[:3]}", what in said and said.count("\n") == 1, said)


# ---- the spool ----

def test_bound():
    """Nobody listens; beyond the bound the oldest gives way, and is counted."""
    with otlp_store() as store:
        store.keeps_records = False
        store.stop()
        feed = Feed("otlp", store.url, count=30000, rate=10000, spool_bytes=1 << 20)
        with feed.run("finish=0", "hostile") as feeder:
            feeder.wait(lambda a: a["given"] == 30000 and a["queued_bytes"] and a["dropped"], "a full spool")
            feeder.wait(lambda a: a["queued"] + a["dropped"] == 30000, "the sum")
            account = feeder.account()
            where = os.path.join(feed.spool, "otlp")
            size = sum(os.stat(os.path.join(where, f)).st_blocks * 512 for f in os.listdir(where))
            check("bound.size", size <= (1 << 20) + 8192, size)
            check("bound.sum", account["queued"] + account["dropped"] == 30000 and not account["sent"],
                  dict(account))
            store.start()
            feeder.wait(lambda a: not a["queued"], "the rest to be sent")
            account = feeder.stop()
        check("bound.sent", account["sent"] == 30000 - account["dropped"] == len(store.cookies),
              (dict(account), len(store.cookies)))
        check("bound.newest", 30000 in store.cookies and 1 not in store.cookies)


def test_second():
    with otlp_store() as store:
        feed = Feed("otlp", store.url)
        with feed.run() as feeder:
            feeder.wait(lambda a: a["sent"], "the first to send")
            _, said = run_to_end(feed)
            check("second.refused", "another process uses the spool" in said, said)


def test_restart():
    """SIGTERM and SIGKILL, at any moment: what was given is there once."""
    with otlp_store() as store:
        store.keeps_records = False
        feed = Feed("otlp", store.url, rate=1000)
        for n in range(8):
            with feed.run("finish=300") as feeder:
                time.sleep(random.uniform(0.05, 3.5))
                if n % 3 == 1:
                    feeder.stop()
                else:
                    feeder.kill()
        feed.count = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - feed.base_ns) // feed.period_ns
        account, _ = run_to_end(feed)
        check_once("restart.once", store.cookies, feed.count)
        check("restart.repeated", account["repeated"] > 0, dict(account))
        check("restart.valid", not store.wrong, store.wrong[:3])


def test_full_disk():
    """The spool's disk is full: events are sent all the same, and it is said once."""
    with otlp_store() as store:
        store.keeps_records = False
        feed = Feed("otlp", store.url, count=40000, rate=4000)
        with mounted(feed.spool, "-t", "tmpfs", "-o", "size=1m", "tmpfs"), feed.run() as feeder:
            feeder.wait(lambda a: a["sent"], "the first to be sent")
            with open(os.path.join(feed.spool, "ballast"), "wb", buffering=0) as ballast, \
                    contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(4096))
            feeder.wait(lambda a: "cannot be written: No space left" in feeder.said(), "ENOSPC")
            now = feeder.account()["sent"]
            feeder.wait(lambda a: a["sent"] > now + 2000, "more to be sent")
            os.unlink(os.path.join(feed.spool, "ballast"))
            feeder.wait(lambda a: "can be written again" in feeder.said(), "room")
            feeder.process.wait(timeout=PATIENCE_S)
            account, said = feeder.account(), feeder.said()
        check_once("full_disk.once", store.cookies, 40000)
        check("full_disk.account", account["sent"] == 40000 and not account["dropped"], dict(account))
        check("full_disk.said", said.count("cannot be written") == 1, said)


def test_damaged():
    """A file of the spool that tells nothing any more is left out, which is said and counted."""
    with otlp_store() as store:
        store.always = 503
        feed = Feed("otlp", store.url, count=600, rate=2000)
        with feed.run("finish=0") as feeder:
            feeder.wait(lambda a: a["given"] == 600 and a["failed"], "events that wait")
            feeder.stop()
        oldest = min(feed.files(".batch"))
        with open(os.path.join(feed.spool, "otlp", oldest), "r+b") as file:
            file.write(b"\0")
        store.always = 200
        account, said = run_to_end(feed)
        check("damaged.counted", account["damaged"] == 1 and account["sent"], dict(account))
        check("damaged.said", said.count("had damaged files") == 1, said)


# ---- ClickHouse ----

class ClickHouse:
    """Debian's server, started by hand; it may be killed, frozen, and started again."""

    def __init__(self):
        self.dir = folder("clickhouse")
        self.port, self.process = free_port(), None
        with open(os.path.join(self.dir, "config.xml"), "w", encoding="ascii") as file:
            file.write(f"""<?xml version="1.0"?><yandex><logger><level>error</level>
<log>{self.dir}/log</log><errorlog>{self.dir}/errors</errorlog></logger>
<http_port>{self.port}</http_port><tcp_port>{free_port()}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{self.dir}/data/</path><tmp_path>{self.dir}/tmp/</tmp_path><keep_alive_timeout>10</keep_alive_timeout>
<mark_cache_size>16777216</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database></yandex>""")
        with open(os.path.join(self.dir, "users.xml"), "w", encoding="ascii") as file:
            file.write("""<?xml version="1.0"?><yandex><profiles><default><max_memory_usage>1000000000</max_memory_usage>
</default></profiles><users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>
<quota>default</quota></default><shop><password>open: sesame</password><networks><ip>::/0</ip></networks>
<profile>default</profile><quota>default</quota></shop></users><quotas><default><interval><duration>3600</duration>
<queries>0</queries><errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows>
<execution_time>0</execution_time></interval></default></quotas></yandex>""")
        self.start()
        with open(SCHEMA, encoding="utf-8") as file:
            self.schema = file.read()

    def start(self, waits=True):
        out = open(os.path.join(self.dir, "out"), "ab")
        self.process = subprocess.Popen([*SERVER, f"--config-file={self.dir}/config.xml"], cwd=self.dir,
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                        preexec_fn=die_with_parent)
        out.close()
        if waits:
            self.wait_up()

    def wait_up(self):
        wait_for(lambda: self.process.poll() is not None or self.answers(), "ClickHouse to start")
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "out"), encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"{SERVER[0]} ended: {file.read()[-500:]}")

    def answers(self):
        try:
            return self.ask("SELECT 1") == "1\n"
        except OSError:
            return False

    def ask(self, query):
        url = f"http://127.0.0.1:{self.port}/"
        try:
            with urllib.request.urlopen(url, query.encode(), timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{query[:80]}: {error.read().decode()[:300]}") from None

    def make_table(self):
        self.ask("DROP TABLE IF EXISTS twsnoop_events")
        self.ask(self.schema)

    def cookies(self, which="host = 'feeder-host'"):
        text = self.ask(f"SELECT tcp_cookie, count() FROM twsnoop_events WHERE {which} GROUP BY tcp_cookie")
        return {int(n): int(times) for n, times in (line.split("\t") for line in text.splitlines())}

    def send(self, which):
        self.process.send_signal(which)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"


clickhouse = None


def with_clickhouse(test):
    def run():
        global clickhouse
        if not shutil.which(SERVER[0]):
            return skip(test.__name__[5:], f"no {SERVER[0]}")
        if not clickhouse:
            clickhouse = ClickHouse()
        clickhouse.make_table()
        return test()
    run.__name__ = test.__name__
    return run


def check_parts(name):
    """Each batch is one part, of one partition, at its making."""
    text = clickhouse.ask("SELECT batch, uniqExact(batch_date) FROM twsnoop_events GROUP BY batch")
    rows = [line.split("\t") for line in text.splitlines()]
    check(name, rows and all(dates == "1" for _, dates in rows), rows[:3])


@with_clickhouse
def test_clickhouse():
    feed = Feed("clickhouse", clickhouse.url, count=6000, rate=3000)
    account, said = run_to_end(feed, "hostile")
    check_once("clickhouse.once", clickhouse.cookies(), 6000)
    check("clickhouse.account", account["sent"] == 6000 and not account["failed"] and not said,
          (dict(account), said))
    check_parts("clickhouse.parts")
    row = json.loads(clickhouse.ask("SELECT * FROM twsnoop_events WHERE tcp_cookie = 14 FORMAT JSONEachRow"))
    check("clickhouse.values", row["event_action"] == "connect_failed" and row["tcp_errno"] == 111 and
          row["process_name"] == "{}[],:" and row["network_peer_address"] == "10.0.9.9" and
          row["process_pid"] == 14 and row["tcp_end"] == "" and row["process_vpid"] is None and
          row["host"] == "feeder-host", row)
    names = clickhouse.ask("SELECT DISTINCT process_name FROM twsnoop_events FORMAT JSONEachRow")
    names = {json.loads(line)["process_name"] for line in names.splitlines()}
    check("clickhouse.names", names == {'a"b\\c', "new\nline", "tab\t\x01\x1f", "\\xff\\xfe",
                                        "\u202egnp.exe", "{}[],:", "'); DROP--", "\U0001f600 smile"}, names)
    times = clickhouse.ask("SELECT toUInt64(timestamp) * 1000000000 + nanosecond AS t FROM twsnoop_events "
                           "ORDER BY tcp_cookie").split()
    check("clickhouse.times", all(int(b) - int(a) > 200_000 for a, b in zip(times, times[1:])))
    for number, query in enumerate(queries(), 1):
        answer = clickhouse.ask(query)
        check(f"clickhouse.query{number}", answer.strip(), query)


def queries():
    """Those of docs/export.md."""
    with open(os.path.join(HERE, "../../docs/export.md"), encoding="utf-8") as file:
        found = [q for block in re.findall(r"```sql\n(.*?)```", file.read(), re.S)
                 for q in block.split(";") if "twsnoop_events" in q]
    if len(found) < 5:
        raise RuntimeError(f"docs/export.md has {len(found)} queries of twsnoop_events")
    return found


@with_clickhouse
def test_clickhouse_cut():
    """An answer that is lost says nothing: the batch is sent again, and is there once."""
    cutter = Cutter(clickhouse.port)
    for mode in ("cut", "truncate", "refuse"):
        clickhouse.make_table()
        cutter.set("pass")
        feed = Feed("clickhouse", f"http://127.0.0.1:{cutter.port}/", count=3000, rate=1500)
        with feed.run() as feeder:
            cutter.set(mode)
            feeder.wait(lambda a: a["failed"] >= 3, f"failures by {mode}")
            cutter.set("pass")
            feeder.process.wait(timeout=PATIENCE_S)
            account = feeder.account()
        check_once(f"clickhouse.{mode}.once", clickhouse.cookies(), 3000)
        check(f"clickhouse.{mode}.account", account["sent"] == 3000 and not account["dropped"], dict(account))


@with_clickhouse
def test_clickhouse_zombie():
    """A request that was given up, and that the server executes all the same, later: the server is
    frozen, gets the batch twice, and wakes up to both."""
    cutter = Cutter(clickhouse.port)
    feed = Feed("clickhouse", f"http://127.0.0.1:{cutter.port}/", count=3000, rate=300)
    with feed.run() as feeder:
        feeder.wait(lambda a: a["sent"], "the first batch")
        clickhouse.send(signal.SIGSTOP)
        for n in range(3):
            before = feeder.account()["failed"]
            wait_for(lambda: feed.files(".batch"), "a batch")
            time.sleep(1.2)
            cutter.set("pass")  # cuts what is open: the server has the request in its buffers
            feeder.wait(lambda a, b=before: a["failed"] > b, "a failure")
        clickhouse.send(signal.SIGCONT)
        feeder.process.wait(timeout=PATIENCE_S)
    check_once("clickhouse.zombie.once", clickhouse.cookies(), 3000)


@with_clickhouse
def test_clickhouse_no_table():
    """A table that is not there yet is no reason to drop anything; nor is a wrong password."""
    clickhouse.ask("DROP TABLE twsnoop_events")
    feed = Feed("clickhouse", clickhouse.url, count=500, rate=1000)
    with feed.run() as feeder:
        feeder.wait(lambda a: a["failed"] >= 1 and "cannot send" in feeder.said(), "a failure")
        clickhouse.make_table()
        feeder.process.wait(timeout=PATIENCE_S)
        said, account = feeder.said(), feeder.account()
    check("clickhouse.no_table.said", "Code: 60" in said and "sends again" in said, said)
    check("clickhouse.no_table.account", account["sent"] == 500 and not account["dropped"], dict(account))
    check_once("clickhouse.no_table.once", clickhouse.cookies(), 500)
    clickhouse.make_table()
    feed = Feed("clickhouse", clickhouse.url, count=500, rate=1000)
    with feed.run("finish=0", env={"CLICKHOUSE_USER": "shop", "CLICKHOUSE_PASSWORD": "wrong"}) as feeder:
        feeder.wait(lambda a: a["failed"] >= 1 and "cannot send" in feeder.said(), "a failure")
        feeder.stop()
    account, said = run_to_end(feed, env={"CLICKHOUSE_USER": "shop", "CLICKHOUSE_PASSWORD": "open: sesame"})
    check_once("clickhouse.password.once", clickhouse.cookies(), 500)
    clickhouse.make_table()
    feed = Feed("clickhouse", clickhouse.url.replace("http://", "http://shop@"), count=500, rate=1000)
    run_to_end(feed, env={"CLICKHOUSE_PASSWORD": "open: sesame"})
    check_once("clickhouse.password_alone.once", clickhouse.cookies(), 500)


# ---- the command itself ----

def close_for_ever(made):
    """How many, goes to the shared @made."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        while True:
            connect_and_close(listener)
            made.value += 1
            time.sleep(0.005)


class Serve(Program):
    def __init__(self, *words):
        super().__init__([twsnoop, "serve", "--listen", "127.0.0.1:0", "--netns", checks.NETNS, *words],
                         "metrics at")

    def kill(self):
        self.end()

    def metrics(self):
        url = re.search(r"metrics at (http://\S+)", self.said()).group(1)
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()

    def metric(self, name, sink):
        return float(re.search(rf'^twsnoop_export_{name}{{sink="{sink}"}} (\S+)$', self.metrics(), re.M).group(1))


@contextlib.contextmanager
def attached(bpffs, *words):
    subprocess.run([twsnoop, "attach", "--all", *words, "--bpffs", bpffs], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run([twsnoop, "detach", "--bpffs", bpffs], check=False, capture_output=True)


@with_clickhouse
def test_serve():
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
                query = (f"SELECT count(), uniqExact(uid) FROM twsnoop_events WHERE process_name = '{name}' AND "
                         "event_action = 'time_wait' AND tcp_side = 'client'")
                # the last one may have been stopped between its close and its being counted
                wait_for(lambda: len(ours()) >= total and int(clickhouse.ask(query).split()[0]) >= total,
                         lambda: f"{total}: {len(ours())}, {clickhouse.ask(query)}; {serve.said()}")
                found = ours()
                in_clickhouse, different = map(int, clickhouse.ask(query).split())
                check("serve.otlp.once", total <= len(found) <= total + 1 and
                      len({r["tcp.cookie"] for r in found}) == len(found), (total, len(found)))
                check("serve.clickhouse.once", total <= in_clickhouse <= total + 1 and in_clickhouse == different,
                      (total, in_clickhouse, different))
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
                subprocess.run([twsnoop, "attach", "--all", "--bpffs", bpffs], check=True, capture_output=True)
            said = run()
            check(f"serve_gap.{what}", bool(re.search(gap, said)) == expected, said)
        subprocess.run([twsnoop, "detach", "--bpffs", bpffs], check=True, capture_output=True)


def test_serve_dropped():
    """What a store refuses for good is dropped, which the metrics tell."""
    with otlp_store() as store:
        store.always = 400
        with Serve("--own", "--spool", folder("spool"), "--otlp", store.url) as serve, \
                socket.create_server(("127.0.0.1", 0)) as listener:
            connect_and_close(listener)
            wait_for(lambda: serve.metric("dropped_total", "otlp") >= 2, "drops in the metrics")
            check("serve_dropped.metrics", serve.metric("failed_total", "otlp") >= 1 and
                  not serve.metric("sent_total", "otlp") and not serve.metric("queued_bytes", "otlp"), serve.metrics())


def test_serve_usage():
    for words, what in ((["--otlp", "x"], "not of the form"), (["--spool", "/tmp"], "--spool is for"),
                        (["--otlp", "http://h", "--spool-size", "1K"], "at least 1M"),
                        (["--otlp", "http://h", "--spool", "/nonexistent/a"], "No such file")):
        done = subprocess.run([twsnoop, "serve", "--listen", "127.0.0.1:0", *words], capture_output=True,
                              text=True, timeout=PATIENCE_S)
        check(f"serve.usage.{words[0][2:]}.{what.split()[0]}", done.returncode in (1, 2) and what in done.stderr,
              done.stderr)


# ---- everything at once ----

class Chaos:
    """What sends, with its stores and a network between, and somebody who breaks each of the three."""

    def __init__(self, name, store, ports, rng):
        self.name, self.store, self.rng = name, store, rng
        self.cutters = [Cutter(port) for port in ports]
        self.urls = [f"http://127.0.0.1:{cutter.port}" for cutter in self.cutters]
        self.done = collections.Counter()
        self.sender = None

    def pause(self, least=0.3, most=2.5):
        time.sleep(self.rng.uniform(least, most))

    def break_network(self):
        cutter = self.rng.choice(self.cutters)
        cutter.set(self.rng.choice(["refuse", "cut", "truncate", "swallow", "no-answer"]))
        self.pause(0.3, 4)
        cutter.set("pass", resets=self.rng.random() < 0.8 or cutter.mode in ("swallow", "no-answer"))

    def break_store(self):
        if self.store:
            self.store.stop()
            self.pause()
            self.store.start()
            self.store.answers = self.rng.choices([503, 429, (503, "1"), "cut-after", "cut-before", "half"], k=2)
        elif self.rng.random() < 0.5:
            clickhouse.kill()
            self.pause()
            clickhouse.start(waits=False)
        else:
            clickhouse.send(signal.SIGSTOP)
            self.pause()
            clickhouse.send(signal.SIGCONT)

    def break_sender(self):
        if self.rng.random() < 0.6:
            self.sender.kill()
        else:
            self.sender.stop()
        self.sender.__exit__()
        self.pause(0, 1.5)
        self.sender = self.send()

    def run(self, until):
        self.sender = self.send()
        while time.monotonic() < until:
            self.pause()
            broken = self.rng.choice([self.break_network, self.break_store, self.break_sender])
            self.done[broken.__name__] += 1
            broken()

    def mend(self):
        for cutter in self.cutters:
            cutter.set("pass")
        if self.store:
            self.store.answers = []
        else:  # it ends with the thread that has started it: see prctl(2), PR_SET_PDEATHSIG
            clickhouse.kill()
            clickhouse.start()
        self.sender.kill()
        self.sender.__exit__()
        check(f"{self.name}.broken", self.done, "nothing was")

    def close(self, count, said):
        if self.store:
            check(f"{self.name}.valid", not self.store.wrong, self.store.wrong[:3])
            print(f"# {self.name}: {count} events; OTLP had {self.store.received - len(self.store.uids)} more than "
                  f"once, and told them apart by log.record.uid, {dict(self.done)}")
            self.store.stop()
        else:
            print(f"# {self.name}: {count} events, {self.cutters[0].cuts} cuts, {dict(self.done)}")
        if checks.Sums.failed:
            print(said)


class FedChaos(Chaos):
    """An exporter of made-up events."""

    def __init__(self, kind, name, rng):
        store = Store() if kind == "otlp" else None
        if store:
            store.keeps_records = False
        super().__init__(name, store, [store.port if store else clickhouse.port], rng)
        self.feed = Feed(kind, self.urls[0], rate=500)

    def send(self):
        return self.feed.run("finish=200")

    def finish(self):
        self.mend()
        feed = self.feed
        feed.count = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - feed.base_ns) // feed.period_ns
        account, said = run_to_end(feed)
        check_once(f"{self.name}.once", self.store.cookies if self.store else clickhouse.cookies(), feed.count)
        check(f"{self.name}.dropped", not account["dropped"] and not account["queued"], dict(account))
        self.close(feed.count, said)


class ServeChaos(Chaos):
    """twsnoop serve with a recorder and both stores, while a process closes connections. ClickHouse itself is
    broken by somebody else."""

    def __init__(self, name, closer, bpffs, rng):
        self.closer = closer
        store = Store()
        store.keeps_records = False
        store.wanted = lambda r: (r["event.action"], r.get("tcp.side"), r.get("network.peer.port")) == (
            "time_wait", "client", closer.port.value)
        super().__init__(name, store, [store.port, clickhouse.port], rng)
        self.gaps = []
        self.words = ["--bpffs", bpffs, "--spool", folder("spool"), "--otlp", self.urls[0],
                      "--clickhouse", self.urls[1]]

    def send(self):
        serve = Serve(*self.words)
        if gap := re.search(r".* is not sent: .*", serve.said()):
            self.gaps.append(gap[0])
        return serve

    def in_clickhouse(self):
        return clickhouse.cookies("event_action = 'time_wait' AND tcp_side = 'client' AND "
                                  f"network_peer_port = {self.closer.port.value}")

    def finish(self):
        closed = self.closer.finish()
        self.mend()
        with self.send() as serve:
            with contextlib.suppress(TimeoutError):  # what is missing is said below
                wait_for(lambda: closed <= self.store.cookies.keys() and closed <= self.in_clickhouse().keys(), "")
            serve.stop()
            said = serve.said()
        check(f"{self.name}.reach", not self.gaps, f"the recorder is too small for what else is closed here: {self.gaps}")
        check_once(f"{self.name}.otlp.once", self.store.cookies, closed)
        check_once(f"{self.name}.clickhouse.once", self.in_clickhouse(), closed)
        check(f"{self.name}.account", len(re.findall(r"(?:otlp|clickhouse): sent=\d+ queued=0 dropped=0 ", said)) == 2,
              said)
        self.close(len(closed), said)


class Closer:
    """A process that closes connections, and notes the cookie of each socket that closed first."""
    SO_COOKIE = 57
    ENDS, HAS_ENDED = 1, 2

    def __init__(self):
        self.state = multiprocessing.Value("i", 0, lock=False)
        self.port = multiprocessing.Value("i", 0, lock=False)
        self.notes = os.path.join(folder("closer"), "cookies")

    def work(self):
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, \
                open(self.notes, "wb", buffering=0) as notes:
            self.port.value = listener.getsockname()[1]
            while self.state.value != self.ENDS:
                ours = socket.create_connection(listener.getsockname())
                theirs, _ = listener.accept()
                notes.write(ours.getsockopt(socket.SOL_SOCKET, self.SO_COOKIE, 8))
                ours.close()
                theirs.recv(1)
                theirs.close()
                time.sleep(0.004)
        self.state.value = self.HAS_ENDED

    def finish(self):
        """The cookies."""
        self.state.value = self.ENDS
        wait_for(lambda: self.state.value == self.HAS_ENDED, "the closer to end")
        with open(self.notes, "rb") as notes:
            return set(memoryview(notes.read()).cast("Q"))


def break_all(chaoses, name, seconds):
    until = time.monotonic() + seconds
    faults = []

    def run(chaos):
        try:
            chaos.run(until)
        except Exception:  # pylint: disable=broad-except
            faults.append(traceback.format_exc())

    threads = [threading.Thread(target=run, args=(chaos,)) for chaos in chaoses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(f"{name}.ran", not faults, faults)
    for chaos in chaoses:
        chaos.finish()


def begin_soak(seconds):
    """Its seed, and how long it is."""
    seed, seconds = random.randrange(1 << 32), soak_seconds or seconds
    print(f"# seed {seed}, {seconds} s")
    return seed, seconds


def fed_chaoses(name, seed):
    return [FedChaos(kind, f"{name}.{kind}", random.Random(seed + n)) for n, kind in enumerate(("otlp", "clickhouse"))]


@with_clickhouse
def test_soak():
    seed, seconds = begin_soak(45)
    break_all(fed_chaoses("soak", seed), "soak", seconds)


@with_clickhouse
def test_serve_soak():
    """All of it, and serve itself."""
    seed, seconds = begin_soak(12)
    checks.sysctl("tcp_max_tw_buckets", 262144)
    closer = Closer()
    # It records what all others on this machine close, too.
    with mounted(folder("bpffs"), "-t", "bpf", "bpf") as bpffs, \
            attached(bpffs, "--size", str(1 << (20 if seconds > 60 else 17))), \
            forked(closer.work, name="exported", waits=False):
        wait_for(lambda: closer.port.value, "the closer to begin")
        serve = ServeChaos("serve_soak.serve", closer, bpffs, random.Random(seed + 2))
        break_all([*fed_chaoses("serve_soak", seed), serve], "serve_soak", seconds)


# ---- all of it ----

def own_network():
    """A network namespace with nothing but loopback, and mounts that nobody else sees."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
    checks.enter_namespaces(checks.CLONE_NEWNET | checks.CLONE_NEWNS)


def main():
    global feeder_program, twsnoop, scratch, soak_seconds
    arguments = sys.argv[1:]
    if arguments[:1] == ["--seconds"]:
        soak_seconds = int(arguments[1])
        arguments = arguments[2:]
    feeder_program, twsnoop = map(os.path.abspath, arguments[:2])
    tests = [test for name, test in globals().items() if name.startswith("test_")]
    checks.choose(tests, arguments[2:])
    own_network()
    with tempfile.TemporaryDirectory(prefix="twsnoop-export-") as scratch:
        checks.play(tests, arguments[2:])
        if clickhouse:
            clickhouse.kill()
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
