# SPDX-License-Identifier: GPL-2.0
"""Section 3: what is lost at full churn, and when the reader stops for a while.

The truth is what the load made, and the kernel's own table beside it: in the load's
namespace no TIME_WAIT socket ends before its minute.
"""

import json
import os
import re
import signal
import tempfile
import time

import benchlib as b


def twsnoop_count(f, churn):
    """time_wait events of the load's namespace: lines, different ones, right closers."""
    lines = right = 0
    seen = set()
    for line in f:
        event = json.loads(line)
        net = event["network"]
        if event["event"]["action"] != "time_wait" or net.get("netns") != churn.netns:
            continue
        lines += 1
        seen.add((net["local"]["port"], net["peer"]["address"], net["peer"]["port"]))
        right += event.get("process", {}).get("pid") in churn.clients
    return {"seen": lines, "different": len(seen), "right_closer": right}


def lines_count(f, _churn):
    """Lines of a peer that speak of the load's ports."""
    return {"seen": sum(1 for line in f if re.search(r"\b200[0-6][0-9]\b", line))}


def bpftrace_count(f, _churn):
    return {"seen": sum(int(x) for x in re.findall(r"^@\[\d+, churn\]: (\d+)", f.read(), re.M))}


TRANSITIONS = 10  # of both ends of a loopback connection

# How many records a connection must leave: tcpstates has one for each transition.
RULES = {"twsnoop": (1, twsnoop_count), "tcpstates": (TRANSITIONS, lines_count),
         "tcplife": (2, lines_count), "bpftrace": (1, bpftrace_count)}


def skips(probe, pid, before):
    return b.Cost(before, probe.snap(pid), 1, [pid]).recursion()


def load_under(tool, churn, stop_s):
    """Runs the load; the reader sleeps for the first stop_s seconds of it."""
    if stop_s:
        os.kill(tool.pid, signal.SIGSTOP)
    churn.go()
    if stop_s:
        # Not a wait for something: this is how long the reader is to be away.
        time.sleep(stop_s)
        os.kill(tool.pid, signal.SIGCONT)
    result = churn.result()
    tool.wait_idle(0.5)
    return result


def once(ctx, probe, kind, stop_s):
    expected, count = RULES[kind]
    pairs = max(2, os.cpu_count() or 1)
    millis = 500 if ctx.quick else 2500
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as out:
        with b.Churn("--millis", millis, "--pairs", pairs) as churn:
            with b.tool(kind, out) as tool:
                before = probe.snap(tool.pid)
                result = load_under(tool, churn, stop_s)
                skipped = skips(probe, tool.pid, before)
                tool.stop()
            out.seek(0)
            counted = count(out, churn)
    truth = result["connections"] * expected
    return {**counted, "kind": kind, "connections": result["connections"], "expected": truth,
            "table": result["time_wait"], "table_fin_wait2": result["fin_wait2"],
            "missing": truth - counted["seen"], "skipped": skipped, "rate": result["rate"],
            "accounting": tool.accounting(), "perf_lost": perf_lost(tool.stderr())}


def perf_lost(text):
    """What the peers themselves say that they lost."""
    return sum(int(x) for x in re.findall(r"[Ll]ost (\d+) events", text))


def unaccounted(sample):
    """Events that were neither seen nor told of as lost: what must be 0."""
    told = sample["accounting"].get("lost", 0) + sample["accounting"].get("map_full", 0)
    return max(0, sample["missing"] - told)


def row(case, values):
    total = sum(v["expected"] for v in values)
    missing = sum(v["missing"] for v in values)
    transitions = sum(v["connections"] for v in values) * TRANSITIONS
    last = values[-1]
    account = " ".join(f"{k}={v}" for k, v in last["accounting"].items())
    if "right_closer" in last:
        account += f" right-closer={last['right_closer']}/{last['seen']}"
        account += f" twice={last['seen'] - last['different']} unaccounted={unaccounted(last)}"
    elif last["perf_lost"]:
        account = f"told of {last['perf_lost']} lost"
    return [case, f"{last['rate']:,.0f}", last["connections"], last["table"], last["expected"],
            last["seen"], f"{100 * missing / max(1, total):.4f} %",
            f"{100 * sum(v['skipped'] for v in values) / max(1, transitions):.4f} %", account]


def loss(ctx):
    samples = {}
    kinds = b.available(["twsnoop", "tcplife"] if ctx.quick else list(RULES))
    with b.Probe("--no-state", "--no-drop", "--no-stats") as probe:
        for number in range(ctx.rounds):
            for kind in ctx.order(kinds, number):
                for stop_s in (0, 0.3 if ctx.quick else 2.0):
                    if stop_s and kind == "bpftrace":
                        continue
                    b.settle(ctx.settle_s)
                    sample = ctx.attempt(kind, once, ctx, probe, kind, stop_s)
                    if sample:
                        name = kind + (f", stopped {stop_s} s" if stop_s else "")
                        samples.setdefault(name, []).append(sample)
    b.table("3. Loss at full churn, several producers (last round; percentages of all rounds)",
            ["tool", "conn/s", "made", "in table", "expected", "seen", "missing",
             "calls skipped", "what it says"],
            [row(case, values) for case, values in samples.items()], left=(0, 8))
    return samples
