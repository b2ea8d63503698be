# SPDX-License-Identifier: GPL-2.0
"""Section 11: how long one waits for a verdict of twsnoop diagnose."""

import os
import subprocess
import tempfile
import time

import benchlib as b
import cost

TWSNOOP = os.path.join(b.BUILD, "twsnoop")
WATCHED_S = 2


class Recorder(b.Ledger):
    """One of every outcome, as diagnose wants it, in a mount namespace of its own."""

    BEGIN = 'mount -t bpf bpf /sys/fs/bpf && "$@" --all --syscalls >&2 && '
    SCRIPT = BEGIN + "echo ready && read -r end"


def seconds_of(*argv):
    """How long it takes, and its CPU time."""
    begin, before = time.monotonic(), os.times()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode not in (0, 3, 4):
        raise b.BenchError(f"diagnose: {done.stderr.strip()[:200]}")
    after = os.times()
    return (time.monotonic() - begin, after.children_user + after.children_system -
            before.children_user - before.children_system)


def spread(pairs, less=0):
    """Of seconds, above so many, and of CPU seconds."""
    return {"wall": b.spread([wall - less for wall, _ in pairs]),
            "cpu": b.spread([cpu for _, cpu in pairs])}


def attached(ctx, rate):
    """With a recorder that holds what happens at @rate closes a second; None: as many as can be."""
    pace = ["--rate", rate, "--pairs", 1] if rate else []
    runs = 3 * ctx.rounds
    with Recorder() as recorder, b.Churn("--millis", 1000 * (5 + 10 * runs), *pace) as churn:
        churn.go()
        time.sleep(3)
        return spread([seconds_of("nsenter", "-m", f"--target={recorder.pid}", TWSNOOP,
                                  "diagnose", "--json") for _ in range(runs)])


def own(ctx, rate):
    """Above what it is told to watch for."""
    runs = 3 * ctx.rounds
    with b.Churn("--millis", 1000 * (5 + 10 * runs), "--rate", rate, "--pairs", 1) as churn:
        churn.go()
        return spread([seconds_of(TWSNOOP, "diagnose", "--json", "--own", "-d", f"{WATCHED_S}s")
                       for _ in range(runs)], WATCHED_S)


def recorded(ctx, folder):
    """A day and more of minutes with a thousand sums each, and what single events are left of it."""
    path = os.path.join(folder, "full.db")
    cost.make_programs("fill")
    subprocess.run([b.program("fill"), path, "16" if ctx.quick else "64"], check=True,
                   stdout=subprocess.DEVNULL)
    return spread([seconds_of(TWSNOOP, "diagnose", "--json", "--from", path)
                   for _ in range(ctx.rounds)])


def diagnose(ctx):
    figures = {
        "a recorder is attached, 1,000 closes/s": ctx.attempt("twsnoop", attached, ctx, 1000),
        "the same at full churn": ctx.attempt("twsnoop", attached, ctx, None),
        "without one, at 1,000 closes/s: above -d": ctx.attempt("twsnoop", own, ctx, 1000),
    }
    with tempfile.TemporaryDirectory(dir=b.BUILD) as folder:
        figures["all of a recording of 64 MiB"] = ctx.attempt("twsnoop", recorded, ctx, folder)
    figures = {what: figure for what, figure in figures.items() if figure}
    b.table("11. twsnoop diagnose: until the verdict is there", ["case", "seconds", "CPU seconds"],
            [[what, b.show(figure["wall"], 2), b.show(figure["cpu"], 2)]
             for what, figure in figures.items()])
    return figures
