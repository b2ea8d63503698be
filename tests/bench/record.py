# SPDX-License-Identifier: GPL-2.0
"""Section 10: what twsnoop record takes, above a trace whose output nobody reads."""

import os
import re
import subprocess
import tempfile
import threading
import time

import benchlib as b

RATE = 5000
SHARE_RATES = (500, 1000)
FOREIGN = 400000  # TIME_WAITs that were there before


class Recorder(b.Process):
    """A command of twsnoop; it works once it says so."""

    def __init__(self, *argv):
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        super().__init__([os.path.join(b.BUILD, "twsnoop"), *argv], stdout=subprocess.DEVNULL,
                         stderr=self.log)
        if not b.wait_for(lambda: re.search("twsnoop: (recording|tracing)", self.said()), 30):
            raise b.BenchError(f"{argv[0]} does not begin: {self.said()[:200]}")

    def said(self):
        return os.pread(self.log.fileno(), 1 << 16, 0).decode()

    def account(self):
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.said().splitlines()[-1])}


def cpu_a_close(argv, seconds, after_s=1.5):
    """In µs, with all that it does beside, while RATE connections are closed a second and for a while
    after."""
    with b.Churn("--count", RATE * seconds, "--rate", RATE, "--pairs", 1) as churn, \
         Recorder(*argv) as tool:
        time.sleep(2)
        before = tool.cpu_ns()
        made = churn.run()["connections"]
        time.sleep(after_s)
        return (tool.cpu_ns() - before) / 1000 / made


def share(path, rate, seconds, warm_up_s):
    """Of a core in percent, while that many connections are closed a second: record, and a trace at the
    same time, each with programs of its own, which are no part of this."""
    millis = (warm_up_s + seconds + 5) * 1000
    with b.Churn("--millis", millis, "--rate", rate, "--pairs", 1) as churn, \
         Recorder("trace", "--own", "--all") as trace, Recorder("record", "--own", path) as tool:
        churn.go()
        time.sleep(warm_up_s)
        begin, before = time.monotonic(), [one.cpu_ns() for one in (tool, trace)]
        time.sleep(seconds)
        taken = (time.monotonic() - begin) * 1e7
        used = [(one.cpu_ns() - was) / taken for one, was in zip((tool, trace), before)]
        churn.result()
        return used


class Memory:
    """The most of its own that a process takes, in MiB: what it maps of the rings is the kernel's."""

    def __init__(self, tool):
        self.tool, self.most_kib = tool, 0
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.ends.wait(0.02):
            self.most_kib = max(self.most_kib, self.tool.rss_kib("RssAnon"))

    def mib(self):
        """Since it was asked last."""
        most, self.most_kib = self.most_kib, 0
        return most / 1024

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exc):
        self.ends.set()
        self.thread.join()


def full_churn(path, seconds):
    """Memory in the first third and after it, in MiB, and what was lost or let go."""
    with b.Churn("--millis", seconds * 1000) as churn, Recorder("record", "--own", path) as tool, \
         Memory(tool) as memory:
        churn.go()
        time.sleep(seconds / 3)
        early = memory.mib()
        time.sleep(seconds / 2)
        late = memory.mib()
        rate = churn.result()["rate"]
        tool.stop()
        account = tool.account()
    return {"early_mib": early, "late_mib": late, "rate": rate, "lost": account["lost"],
            "gap": account["gap"], "delivered": account["delivered"]}


def among_others(path, sockets, seconds):
    """Memory at most, in MiB, where so many sockets in TIME_WAIT are not its own."""
    options = ("--prefill", sockets, "--tw-limit", 4 * sockets, "--count", RATE * seconds, "--rate", RATE)
    with b.Churn(*options) as churn, Recorder("record", "--own", path) as tool, \
         Memory(tool) as memory:
        churn.run()
        return memory.mib()


def record(ctx):
    seconds = 2 if ctx.quick else 12
    rows, figures = [], {}
    with tempfile.TemporaryDirectory(dir=b.BUILD) as folder:
        path = os.path.join(folder, "bench.db")
        for what, less, more in (("TIME_WAITs alone", ["trace", "--own"],
                                  ["record", "--own", "--time-wait-only", path]),
                                 ("every close", ["trace", "--own", "--all"],
                                  ["record", "--own", path])):
            pairs = [(ctx.attempt("twsnoop", cpu_a_close, less, seconds),
                      ctx.attempt("twsnoop", cpu_a_close, more, seconds))
                     for _ in range(ctx.rounds)]
            pairs = [(x, y) for x, y in pairs if x is not None and y is not None]
            if not pairs:
                continue
            above = b.spread([y - x for x, y in pairs])
            figures[what] = above
            rows.append([f"{what}: above trace >/dev/null, µs a close", b.show(above, 2)])
        # Both ends are on this host: a connection is two closes.
        for rate in SHARE_RATES:
            figures[f"share {rate}"] = ctx.attempt("twsnoop", share, path, rate, 3 if ctx.quick else 60,
                                                   2 if ctx.quick else 65)
        figures["full"] = ctx.attempt("twsnoop", full_churn, path, 3 if ctx.quick else 120)
        figures["others"] = ctx.attempt("twsnoop", among_others, path, FOREIGN // (100 if ctx.quick else 1),
                                        2 if ctx.quick else 30)
    for rate in SHARE_RATES:
        if figures[f"share {rate}"] is not None:
            used, traced = figures[f"share {rate}"]
            rows.append([f"all of it at {rate} connections/s, {2 * rate} closes, % of a core", f"{used:.2f}"])
            rows.append(["a trace at the same time; µs a close above it",
                         f"{traced:.2f}; {(used - traced) * 1e4 / (2 * rate):.2f}"])
    if figures["full"]:
        full = figures["full"]
        rows.append([f"at {full['rate']:.0f} closes/s: lost, let go",
                     f"{full['lost']}, {full['gap']} of {full['delivered']}"])
        rows.append(["memory of its own then, at most early and late, MiB",
                     f"{full['early_mib']:.0f}, {full['late_mib']:.0f}"])
    if figures["others"] is not None:
        rows.append([f"the same beside {FOREIGN // (100 if ctx.quick else 1)} sockets that were there before",
                     f"{figures['others']:.0f}"])
    b.table("10. twsnoop record", ["what", "takes"], rows)
    return figures
