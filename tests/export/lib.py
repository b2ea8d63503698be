# SPDX-License-Identifier: GPL-2.0
"""What these tests share: an exporter with made-up events, and whether each event is there once."""
import collections
import json
import os
import signal
import subprocess
import tempfile

from checks import PATIENCE_S, check, die_with_parent, wait_for

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BIG = 256 << 20


class State:
    feeder = twsnoop = None  # the programs
    scratch = clickhouse = None
    soak_seconds = 0  # as each test has it


def folder(name):
    return tempfile.mkdtemp(prefix=name + "-", dir=State.scratch)


# ---- the exporter ----

class Feeder:
    """An exporter with made-up events: see feeder.c. Those of one Feed are the same in each run."""

    def __init__(self, feed, *words, env=None, waits=True):
        self.out = tempfile.TemporaryFile(dir=State.scratch)
        self.errors = tempfile.TemporaryFile(dir=State.scratch)
        self.process = subprocess.Popen(
            [State.feeder, feed.kind, feed.url, feed.spool, str(feed.spool_bytes), str(feed.base_ns),
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


# ---- each event once ----

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
