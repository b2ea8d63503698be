# SPDX-License-Identifier: GPL-2.0
"""Section 13: `twsnoop list` beside ss, of the same sockets at the same time."""

import contextlib
import os
import select
import subprocess
import time

import benchlib as b

SOCKETS = 100000
# They are made as fast as can be; the first are gone after a minute.
BEFORE_S = 50


class Taken:
    """What one command took: CPU time, wall time, and the most memory it ever had."""

    def __init__(self, argv):
        begin = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE)
        said = child.stderr.read().decode("utf-8", "replace")
        child.stderr.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.monotonic() - begin
        if child.returncode:
            raise b.BenchError(f"{argv[-1]}: {said.strip()[:200]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_kib = usage.ru_maxrss


def own_memory_kib(argv):
    """Its RssAnon while it waits for somebody to read its first lines: all that it needs is there."""
    with b.Process(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.DEVNULL) as child:
        select.select([child.popen.stdout], [], [], 30)
        child.wait_idle(0.1)
        return child.rss_kib("RssAnon")


def inside(pid, *argv):
    return ["nsenter", f"--net=/proc/{pid}/ns/net", *argv]


# What is listed: how it is made, whether a recorder has seen it, and who is asked.
SITUATIONS = {
    "TIME_WAITs, recorded": (["--prefill"], 1, True, {
        "ss -tan": ["ss", "-tan"],
        "ss -tanp": ["ss", "-tanp"],
        "twsnoop list": [b.TWSNOOP, "list"],
        "twsnoop list --json": [b.TWSNOOP, "list", "--json"],
        "twsnoop list --by process": [b.TWSNOOP, "list", "--by", "process"]}),
    "TIME_WAITs, nobody watched": (["--prefill"], 1, False, {
        "ss -tan": ["ss", "-tan"],
        "twsnoop list": [b.TWSNOOP, "list"]}),
    "live sockets": (["--hold"], 2, False, {
        "ss -tan": ["ss", "-tan"],
        "ss -tanp": ["ss", "-tanp"],
        "twsnoop list --all": [b.TWSNOOP, "list", "--all"]}),
}


def one_load(ctx, situation, samples, memory):
    """As many sockets as are wanted, and each command in turn."""
    how, ends, _, commands = SITUATIONS[situation]
    count = sockets(ctx)
    options = [*how, count // ends, "--count", 1, "--tw-limit", 2 * count]
    begin = time.monotonic()
    with b.Churn(*options) as churn:
        turn = {kind: inside(churn.pid, *argv) for kind, argv in commands.items()}
        for number in range(3 if ctx.quick else 7):
            if time.monotonic() - begin > BEFORE_S:
                break
            for kind in ctx.order(turn, number):
                sample = ctx.attempt(kind, Taken, turn[kind])
                if sample:
                    samples.setdefault(kind, []).append(sample)
        for kind, argv in turn.items():
            memory.setdefault(kind, []).append(own_memory_kib(argv))
        churn.run()


def sockets(ctx):
    return 5000 if ctx.quick else SOCKETS


def of_situation(ctx, situation):
    samples, memory = {}, {}
    with b.tool("twsnoop ledger") if SITUATIONS[situation][2] else contextlib.nullcontext():
        for _ in range(ctx.rounds):
            one_load(ctx, situation, samples, memory)
    base = "ss -tanp" if situation == "live sockets" else "ss -tan"
    if base not in samples:
        raise b.Absent("ss is not there")
    rows, figures = [], {}
    for kind, taken in samples.items():
        cpu = b.spread([t.cpu * 1e3 for t in taken])
        ratio = b.spread([t.cpu / s.cpu for t, s in zip(taken, samples[base])])
        peak = max(t.peak_kib for t in taken)
        figures[kind] = {"cpu_ms": cpu, "wall_ms": b.spread([t.wall * 1e3 for t in taken]),
                         "ratio": ratio, "anon_kib": max(memory[kind]), "peak_kib": peak}
        rows.append([f"{situation}: {kind}", b.show(cpu), b.show(ratio, 2),
                     f"{max(memory[kind]) / 1024:.1f}", f"{peak / 1024:.1f}"])
    return rows, figures


def list_beside_ss(ctx):
    """CPU time, beside that of the ss which tells the most like it."""
    rows, figures = [], {}
    for situation in SITUATIONS:
        found = ctx.attempt("list", of_situation, ctx, situation)
        if found:
            rows += found[0]
            figures[situation] = found[1]
    b.table(f"13. {sockets(ctx):,} sockets, listed (live ones: times ss -tanp)",
            ["what", "CPU ms", "times ss -tan", "of its own, MiB", "at most, MiB"], rows)
    return figures
