# SPDX-License-Identifier: GPL-2.0
"""Everything at once: stores, the network to them, what sends and serve itself are killed, frozen and cut."""
import collections
import contextlib
import multiprocessing
import os
import random
import re
import signal
import socket
import threading
import time
import traceback

from checks import Sums, check, forked, mounted, sysctl, wait_for
from cutter import Cutter
from lib import Feed, State, check_once, folder, run_to_end
from otlp_receiver import Store
from serving import Serve, attached
from stores import with_clickhouse


class Chaos:
    """What sends, with its stores and a network between, and somebody who breaks each of the three."""

    def __init__(self, name, store, clickhouse, ports, rng):
        self.name, self.store, self.clickhouse, self.rng = name, store, clickhouse, rng
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
            self.store.answers = self.rng.choices(
                [503, 429, (503, "1"), "cut-after", "cut-before", "half"], k=2)
        elif self.rng.random() < 0.5:
            self.clickhouse.kill()
            self.pause()
            self.clickhouse.start(waits=False)
        else:
            self.clickhouse.send(signal.SIGSTOP)
            self.pause()
            self.clickhouse.send(signal.SIGCONT)

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
            self.clickhouse.kill()
            self.clickhouse.start()
        self.sender.kill()
        self.sender.__exit__()
        check(f"{self.name}.broken", self.done, "nothing was")

    def close(self, count, said):
        if self.store:
            check(f"{self.name}.valid", not self.store.wrong, self.store.wrong[:3])
            again = self.store.received - len(self.store.uids)
            print(f"# {self.name}: {count} events; OTLP had {again} more than once, and told them "
                  f"apart by log.record.uid, {dict(self.done)}")
            self.store.stop()
        else:
            print(f"# {self.name}: {count} events, {self.cutters[0].cuts} cuts, {dict(self.done)}")
        if Sums.failed:
            print(said)


class FedChaos(Chaos):
    """An exporter of made-up events."""

    def __init__(self, kind, name, clickhouse, rng):
        store = Store() if kind == "otlp" else None
        if store:
            store.keeps_records = False
        super().__init__(name, store, clickhouse, [store.port if store else clickhouse.port], rng)
        self.feed = Feed(kind, self.urls[0], rate=500)

    def send(self):
        return self.feed.run("finish=200")

    def finish(self):
        self.mend()
        feed = self.feed
        feed.count = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - feed.base_ns) // feed.period_ns
        account, said = run_to_end(feed)
        check_once(f"{self.name}.once", self.store.cookies if self.store else self.clickhouse.cookies(),
                   feed.count)
        check(f"{self.name}.dropped", not account["dropped"] and not account["queued"], dict(account))
        self.close(feed.count, said)


class ServeChaos(Chaos):
    """twsnoop serve with a recorder and both stores, while a process closes connections. ClickHouse itself is
    broken by somebody else."""

    def __init__(self, name, closer, bpffs, clickhouse, rng):
        self.closer = closer
        store = Store()
        store.keeps_records = False
        store.wanted = lambda r: (r["event.action"], r.get("tcp.side"), r.get("network.peer.port")) == (
            "time_wait", "client", closer.port.value)
        super().__init__(name, store, clickhouse, [store.port, clickhouse.port], rng)
        self.gaps = []
        self.words = ["--bpffs", bpffs, "--spool", folder("spool"), "--otlp", self.urls[0],
                      "--clickhouse", self.urls[1]]

    def send(self):
        serve = Serve(*self.words)
        if gap := re.search(r".* is not sent: .*", serve.said()):
            self.gaps.append(gap[0])
        return serve

    def in_clickhouse(self):
        return self.clickhouse.cookies("event_action = 'time_wait' AND tcp_side = 'client' AND "
                                       f"network_peer_port = {self.closer.port.value}")

    def finish(self):
        closed = self.closer.finish()
        self.mend()
        with self.send() as serve:
            with contextlib.suppress(TimeoutError):  # what is missing is said below
                wait_for(lambda: closed <= self.store.cookies.keys() and
                         closed <= self.in_clickhouse().keys(), "")
            serve.stop()
            said = serve.said()
        check(f"{self.name}.reach", not self.gaps,
              f"the recorder is too small for what else is closed here: {self.gaps}")
        check_once(f"{self.name}.otlp.once", self.store.cookies, closed)
        check_once(f"{self.name}.clickhouse.once", self.in_clickhouse(), closed)
        check(f"{self.name}.account",
              len(re.findall(r"(?:otlp|clickhouse): sent=\d+ queued=0 dropped=0 ", said)) == 2, said)
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
    seed, seconds = random.randrange(1 << 32), State.soak_seconds or seconds
    print(f"# seed {seed}, {seconds} s")
    return seed, seconds


def fed_chaoses(name, clickhouse, seed):
    return [FedChaos(kind, f"{name}.{kind}", clickhouse, random.Random(seed + n))
            for n, kind in enumerate(("otlp", "clickhouse"))]


@with_clickhouse
def test_soak(clickhouse):
    seed, seconds = begin_soak(45)
    break_all(fed_chaoses("soak", clickhouse, seed), "soak", seconds)


@with_clickhouse
def test_serve_soak(clickhouse):
    """All of it, and serve itself."""
    seed, seconds = begin_soak(12)
    sysctl("tcp_max_tw_buckets", 262144)
    closer = Closer()
    # It records what all others on this machine close, too.
    with mounted(folder("bpffs"), "-t", "bpf", "bpf") as bpffs, \
            attached(bpffs, "--size", str(1 << (20 if seconds > 60 else 17))), \
            forked(closer.work, name="exported", waits=False):
        wait_for(lambda: closer.port.value, "the closer to begin")
        serve = ServeChaos("serve_soak.serve", closer, bpffs, clickhouse, random.Random(seed + 2))
        break_all([*fed_chaoses("serve_soak", clickhouse, seed), serve], "serve_soak", seconds)
