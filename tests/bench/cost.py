# SPDX-License-Identifier: GPL-2.0
"""Section 1: what the BPF programs cost, by the kernel's own count."""

import contextlib
import json
import os
import sqlite3
import subprocess
import tempfile
import time

import benchlib as b


def churn_cost(probe, tool, options):
    """One load under one tool: its cost and what the load itself saw."""
    with b.Churn(*options) as churn:
        before = probe.of(tool)
        result = churn.run()
        after = probe.of(tool)
    return b.Cost(before, after, result["connections"], [tool.pid]), result


CONTAINERS = 20


def one_round(ctx, probe, kind, loads, samples):
    """Several short runs of each load: one that the hypervisor interrupts spoils
    only itself, and the median leaves it out."""
    inside = kind == "twsnoop, containers"
    with b.Cgroups(CONTAINERS if inside else 0) as groups, \
            b.tool("twsnoop" if inside else kind, probe=probe) as tool:
        within = ["--cgroups", CONTAINERS, "--cgroup-dir", groups.dir] if inside else []
        for _ in range(1 if ctx.quick else 6):
            for load, options in loads.items():
                samples.setdefault((kind, load), []).append(
                    one_sample(*churn_cost(probe, tool, [*options, *within])))


def one_sample(cost, result):
    return {"net_ns_per_connection": cost.net_ns_per_connection(),
            "connections": cost.connections,
            "recursion": cost.recursion(), "runs": cost.runs(),
            "empty_state_ns": cost.empty_ns("empty_state"),
            "empty_drop_ns": cost.empty_ns("empty_drop"),
            "rate": result["rate"], "progs": cost.progs}


def cost_table(samples, loads):
    head = ["net ns a connection, both ends"]
    for load in loads:
        head += [f"{load}: median (range)", "of tcplife's"]
    head += ["runs/conn", "skipped", "empty ns/run"]
    rows, figures = [], {}
    for (kind, load), taken in samples.items():
        figures[f"{kind}: {load}"] = {**b.spread([s["net_ns_per_connection"] for s in taken]),
                                      "samples": taken}
    for kind in dict.fromkeys(k for k, _ in samples):
        cells = [kind]
        for load in loads:
            cells += [b.show(figures[f"{kind}: {load}"]), share_of_tcplife(figures, kind, load)]
        full = samples[kind, list(loads)[-1]]
        runs = sum(s["runs"] for s in full)
        skipped = sum(s["recursion"] for s in full)
        cells.append(f"{runs / max(1, sum(s['connections'] for s in full)):.1f}")
        cells.append(f"{100 * skipped / max(1, runs + skipped):.4f} %")
        cells.append(f"{b.spread([s['empty_state_ns'] for s in full])['median']:.1f}")
        rows.append(cells)
    b.table("1. BPF time (the kernel's count, less an empty program's)", head, rows)
    ratio_table(figures)
    return figures


def share_of_tcplife(figures, kind, load):
    """Of the medians, in the same run; "-" without a tcplife."""
    peer = figures.get(f"tcplife: {load}")
    ours = figures.get(f"{kind}: {load}")
    return f"{ours['median'] / peer['median']:.3f}" if peer and ours else "-"


def ratio_table(figures):
    """Each peer against twsnoop, of the medians."""
    rows = []
    for name, figure in figures.items():
        kind, load = name.rsplit(": ", 1)
        ours = figures.get(f"twsnoop: {load}")
        if ours and kind != "twsnoop" and ours["median"] > 0:
            rows.append([name, f"{figure['median'] / ours['median']:.2f}"])
    if rows:
        b.table("   times twsnoop trace", ["tool, load", "ratio"], rows)


def program_table(samples, load):
    """The last sample of each, program by program: where the time goes."""
    rows = []
    for (kind, which), values in samples.items():
        if which != load:
            continue
        for p in (p for p in values[-1]["progs"] if p["run_cnt"]):
            runs = max(1, p["run_cnt"])
            rows.append([f"{kind}: {p['name']}", p["run_cnt"],
                         f"{p['run_time_ns'] / runs:.0f}", f"{p['net_ns'] / runs:.0f}",
                         p["recursion_misses"], p["verified_insns"], p["jited_bytes"]])
    b.table(f"   program by program ({load}, last round)",
            ["program", "runs", "ns/run", "net ns/run", "skipped", "insns", "jit bytes"], rows)


def bpf_time(ctx):
    loads = {"paced": ["--count", 600, "--rate", 1000],
             "full churn": ["--count", 3000 if ctx.quick else 6000]}
    kinds = ["twsnoop", "twsnoop, containers", "twsnoop filter", "twsnoop ledger",
             "twsnoop, 3 readers",
             "twsnoop --all", "tcpstates", "tcplife", "bpftrace"]
    samples, working = {}, b.available(kinds)
    with b.Probe() as probe:
        for number in range(ctx.rounds):
            for kind in ctx.order(working, number):
                ctx.attempt(kind, one_round, ctx, probe, kind, loads, samples)
            working = [k for k in working if (k, "paced") in samples]
    if not samples:
        raise b.BenchError("no tracer could be measured")
    samples = {(k, load): samples[k, load] for k in working for load in loads}
    figures = cost_table(samples, loads)
    program_table(samples, "full churn")
    return figures


# --- dropped packets ---------------------------------------------------------------

def flood_once(probe, kind, mode, millis, tool):
    argv = [b.program("flood"), mode, str(millis)]
    with b.Process(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flood:
        flood.popen.stdout.readline()
        before = probe.of(tool)
        flood.popen.stdin.write("\n")
        flood.popen.stdin.flush()
        result = json.loads(flood.popen.stdout.readline())
        after = probe.of(tool)
    cost = b.Cost(before, after, result["packets"], [tool.pid])
    return {"net_ns_per_packet": cost.net_ns_per_connection(), "rate": result["rate"],
            "cpu_ns_per_packet": result["cpu_ns_per_packet"], "skipped": cost.recursion(),
            "empty_drop_ns": cost.empty_ns("empty_drop"), "kind": kind, "mode": mode}


def flood_round(ctx, probe, kind, samples):
    def all_modes(tool):
        for mode in ("udp", "tcp") * (1 if ctx.quick else 5):
            samples.setdefault((kind, mode), []).append(
                flood_once(probe, kind, mode, 150, tool))
    if kind == "empty only":
        all_modes(probe)
        return
    with b.tool(kind, probe=probe) as tool:
        all_modes(tool)


def flood(ctx):
    samples = {}
    kinds = ["twsnoop"] if ctx.quick else ["twsnoop", "twsnoop filter", "twsnoop ledger",
                                           "twsnoop --all", "bpftrace drops"]
    kinds = ["empty only", *b.available(kinds)]
    with b.Probe() as probe:
        for number in range(ctx.rounds):
            for kind in ctx.order(kinds, number):
                ctx.attempt(kind, flood_round, ctx, probe, kind, samples)
    rows, figures = [], {}
    for (kind, mode), values in samples.items():
        nets = b.spread([v["net_ns_per_packet"] for v in values])
        cpu = b.spread([v["cpu_ns_per_packet"] for v in values])
        figures[f"{kind}, {mode}"] = {"net_ns_per_packet": nets, "cpu_ns_per_packet": cpu,
                                      "samples": values}
        rows.append([f"{kind}, {mode}", b.show(nets, 1), b.show(cpu),
                     f"{b.spread([v['empty_drop_ns'] for v in values])['median']:.1f}"])
    b.table("1b. A flood of dropped packets (udp: full socket buffer; tcp: no listener)",
            ["under", "net BPF ns a packet", "sender's CPU ns a packet", "empty ns/run"], rows)
    return figures


def make_programs(name):
    made = subprocess.run(["make", "-s", "-C", b.TOP, f"BUILD={b.BUILD}", "bench-reader"],
                          check=False, stdout=subprocess.DEVNULL)
    if made.returncode:
        raise b.BenchError(f"{name} does not build")


def run_alone(ctx, name):
    """A program of the user side by itself: the JSON objects that it prints."""
    make_programs(name)
    argv = [b.program(name)] + (["--quick"] if ctx.quick else [])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise b.BenchError(f"{name}: {done.stderr.strip()[:200]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def reader_alone(ctx):
    """Section 5, by a program of its own that prints its table."""
    figures = run_alone(ctx, "reader")
    stages = [f for f in figures if "stage" in f]
    outputs = [f for f in figures if "output" in f]
    if stages:
        b.table("5. The reader alone, from memory: where the time goes (JSON to /dev/null)",
                ["stage", "ns an event"], [[f["stage"], f"{f['ns']:.0f}"] for f in stages])
    b.table("   and through all of them", ["output", "events/s a core", "CPU ns an event"],
            [[f["output"], f"{1e9 / f['median']:,.0f}", b.show(f)] for f in outputs])
    return figures


def blocks(ctx):
    """Section 6: how small the raw rows of a recording become."""
    figures = run_alone(ctx, "blocks")
    b.table("6. The raw rows of a recording, every outcome recorded (traffic that is made up)",
            ["traffic", "bytes a row", "ns to add", "to encode", "to decode"],
            [[f["traffic"], f"{f['bytes']:.1f}", f["add"], f["encode"], f["decode"]]
             for f in figures])
    return figures


def top_shares(ctx, rate):
    """The CPU that twsnoop top takes, in percent of a core, time after time, while so many are closed a
    second; after a while, so that there are as many TIME_WAITs as there will be. And its memory then."""
    warm_up_s, seconds = (3, 5) if ctx.quick else (62, 20)
    millis = (warm_up_s + ctx.rounds * seconds + 5) * 1000
    shares = []
    with b.Churn("--millis", millis, "--rate", rate, "--pairs", 1) as churn:
        argv = [os.path.join(b.BUILD, "twsnoop"), "top", "--own", "--json"]
        with b.Process(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tool:
            churn.go()
            time.sleep(warm_up_s)
            for _ in range(ctx.rounds):
                begin, before = time.monotonic(), tool.cpu_ns()
                time.sleep(seconds)
                used = tool.cpu_ns() - before
                shares.append(used / (time.monotonic() - begin) / 1e7)
            rss = tool.rss_kib()
        churn.result()
    return shares, rss


def top(ctx):
    """Section 7: what twsnoop top takes, and how long a frame does."""
    figures = run_alone(ctx, "tally")[0]
    rows = [["to count a close, one view", f"{figures['add_one_ns']:.0f} ns"],
            ["the six of a screen", f"{figures['add_all_ns']:.0f} ns"],
            ["a frame of 4,096 rows, 200 by 60", f"{figures['frame_ms']:.2f} ms, "
             f"{figures['frame_most_ms']:.2f} at most"],
            ["a socket of the kernel's table", f"{figures['look_ns']:.0f} ns"],
            ["memory of the tally, two of them and JSON", f"{figures['rss_mib']:.0f} MiB"]]
    live = ctx.attempt("twsnoop", top_shares, ctx, 1000)
    if live:
        figures["share"] = b.spread(live[0])
        rows += [["all of twsnoop top --json at 1,000 closes/s, of a core",
                  f"{b.show(figures['share'], 2)} %"],
                 ["its memory", f"{live[1] / 1024:.0f} MiB"]]
    b.table("7. twsnoop top, at 50,000 closes/s by 100,000 processes in turn", ["what", "takes"],
            rows)
    return figures


def store(ctx):
    """Section 8: the file of a recording."""
    figures = run_alone(ctx, "store")
    b.table("8. A recording's file: a day of minutes at 1,000 closes a second",
            ["traffic", "MB", "ns to count a close", "µs to write a minute"],
            [[f["day"], f"{f['megabytes']:.1f}", f["count_ns"], f["write_us"]]
             for f in figures if "day" in f])
    b.table("   a second of raw rows, committed", ["rows", "CPU µs"],
            [[f["rows_a_second"], f["commit_us"]] for f in figures if "commit_us" in f])
    size = next(f for f in figures if "file" in f)
    b.table(f"   a file of {size['file'] / 2**20:.0f} MiB, {size['minutes']:.0f} minutes, none of it "
            "in memory", ["asked for", "ms", "at most"],
            [[f["ask"], f["median_ms"], f["max_ms"]] for f in figures if "ask" in f])
    return figures


def past(ctx):
    """Section 9: how long questions to a recording take that is full, out of a warm cache."""
    size_mib = 64 if ctx.quick else 1024
    with tempfile.TemporaryDirectory(dir=b.BUILD) as folder:
        path = os.path.join(folder, "full.db")
        make_programs("fill")
        end = subprocess.run([b.program("fill"), path, str(size_mib)], capture_output=True,
                             text=True, check=False)
        if end.returncode:
            raise b.BenchError(f"fill: {end.stderr.strip()[:200]}")
        at = f"@{int(end.stdout) - 7200}"
        oldest = f"@{oldest_minute(path) + 120}"
        page = os.path.join(folder, "page.html")
        questions = {"report, the last hour": ["report", path],
                     "report of the same as HTML": ["report", "--html", page, path],
                     "report of an hour in the midst": ["report", "--at", at, path],
                     "list --at": ["list", "--from", path, "--at", at],
                     "trace --at, a minute": ["trace", "--from", path, "--at", at, "--json"],
                     "trace --at, the oldest minute": ["trace", "--from", path, "--at", oldest,
                                                       "--json"]}
        figures = {name: b.spread([seconds_of(argv) for _ in range(3 * ctx.rounds)])
                   for name, argv in questions.items()}
        size = os.path.getsize(path)
    b.table(f"9. Questions to a recording of {size / 2**30:.2f} GiB", ["question", "seconds"],
            [[name, b.show(figure, 2)] for name, figure in figures.items()])
    return figures


def oldest_minute(path):
    """In seconds since the epoch."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("SELECT min(minute) FROM minute").fetchone()[0] * 60


def seconds_of(argv):
    begin = time.monotonic()
    done = subprocess.run([os.path.join(b.BUILD, "twsnoop"), *argv], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise b.BenchError(f"{argv[0]}: {done.stderr.strip()[:200]}")
    return time.monotonic() - begin
