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
    begin = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode not in (0, 3, 4):
        raise b.BenchError(f"diagnose: {done.stderr.strip()[:200]}")
    return time.monotonic() - begin


def attached(ctx, rate):
    """With a recorder that holds what happens at @rate closes a second; None: as many as can be."""
    pace = ["--rate", rate, "--pairs", 1] if rate else []
    runs = 3 * ctx.rounds
    with Recorder() as recorder, b.Churn("--millis", 1000 * (5 + 10 * runs), *pace) as churn:
        churn.go()
        time.sleep(3)
        return b.spread([seconds_of("nsenter", "-m", f"--target={recorder.pid}", TWSNOOP,
                                    "diagnose", "--json") for _ in range(runs)])


def own(ctx, rate):
    """Above what it is told to watch for."""
    runs = 3 * ctx.rounds
    with b.Churn("--millis", 1000 * (5 + 10 * runs), "--rate", rate, "--pairs", 1) as churn:
        churn.go()
        return b.spread([seconds_of(TWSNOOP, "diagnose", "--json", "--own", "-d", f"{WATCHED_S}s") -
                         WATCHED_S for _ in range(runs)])


def recorded(ctx, folder):
    """A day and more of minutes with a thousand sums each, and what single events are left of it."""
    path = os.path.join(folder, "full.db")
    cost.make_programs("fill")
    subprocess.run([b.program("fill"), path, "16" if ctx.quick else "64"], check=True,
                   stdout=subprocess.DEVNULL)
    return b.spread([seconds_of(TWSNOOP, "diagnose", "--json", "--from", path)
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
    b.table("11. twsnoop diagnose: until the verdict is there", ["case", "seconds"],
            [[what, b.show(figure, 2)] for what, figure in figures.items()])
    return figures
