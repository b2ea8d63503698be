# SPDX-License-Identifier: GPL-2.0
"""Section 4: does the cost of a connection grow with what the host holds, and what
memory does that take?"""

import os
import tempfile

import benchlib as b

SYSTEM_TW_LIMIT = 131072


def memory(probe, pid):
    maps = {m["id"]: m for m in probe.snap(pid)["pids"][str(pid)]["maps"]}
    return sum(m["memlock"] for m in maps.values())


class Lines:
    """Counts the lines that have come to the end of a file."""

    def __init__(self, f):
        self.f = f
        self.at = 0

    def more(self):
        count = 0
        while chunk := os.pread(self.f.fileno(), 1 << 20, self.at):
            self.at += len(chunk)
            count += chunk.count(b"\n")
        return count


def cell(ctx, probe, kind, options, containers=0):
    """The cost of one connection beside what the options make the host hold."""
    count = 1000 if ctx.quick else 20000
    with tempfile.TemporaryFile() as out, b.tool(kind, out) as tool, b.Cgroups(containers) as groups:
        if containers:
            options = [*options, "--cgroups", containers, "--cgroup-dir", groups.dir]
        return measured(probe, tool, Lines(out), ["--count", count, *options])


def measured(probe, tool, lines, options):
    with b.Churn(*options) as churn:
        tool.wait_idle()
        lines.more()
        before, cpu = probe.snap(tool.pid), tool.cpu_ns()
        result = churn.run()
        after = probe.snap(tool.pid)
        tool.wait_idle()
        cost = b.Cost(before, after, result["connections"], [tool.pid])
        found = {"net_ns_per_connection": cost.net_ns_per_connection(),
                 "reader_us": (tool.cpu_ns() - cpu) / 1000 / result["connections"],
                 "rss_kib": tool.rss_kib(), "map_bytes": memory(probe, tool.pid),
                 "table": result["time_wait"], "rate": result["rate"]}
        tool.stop()  # what is found in the kernel's table comes now at the latest
        return {**found, "lines": lines.more() / result["connections"]}


def cases(ctx):
    """(what grows, how much, churn's options, containers)"""
    small = ctx.quick
    for n in (0, 2000) if small else (0, 20000, 200000):
        yield "live connections", n, ["--hold", n] if n else [], 0
    for n in (2000,) if small else (10000, 100000):
        yield "TIME_WAIT sockets", n, ["--prefill", n], 0
    limit = 2000 if small else SYSTEM_TW_LIMIT
    yield "TIME_WAIT at the limit", limit, ["--prefill", limit, "--tw-limit", limit], 0
    for n in (10,) if small else (10, 100, 1000):
        yield "namespaces", n, ["--netns", n], 0
    for n in (10,) if small else (10, 100, 1000):
        yield "containers", n, [], n


def scale(ctx):
    rows, figures = [], {}
    kinds = b.available(["twsnoop"] if ctx.quick else ["twsnoop", "tcplife"])
    with b.Probe() as probe:
        for what, n, options, containers in cases(ctx):
            for kind in kinds:
                values = []
                for _ in range(2 if kind == "twsnoop" and not ctx.quick else 1):
                    b.settle(ctx.settle_s)
                    sample = ctx.attempt(kind, cell, ctx, probe, kind, options, containers)
                    if sample:
                        values.append(sample)
                if not values:
                    continue
                last = values[-1]
                net = b.spread([v["net_ns_per_connection"] for v in values])
                reader = b.spread([v["reader_us"] for v in values])
                figures[f"{what} {n}, {kind}"] = {"net_ns": net, "reader_us": reader, **last}
                rows.append([f"{what}: {n:,}", kind, b.show(net), b.show(reader, 2),
                             f"{last['lines']:.3f}",
                             f"{last['rss_kib'] / 1024:.1f}",
                             f"{last['map_bytes'] / 1048576:.1f}"])
    b.table("4. Scale: a connection's cost beside what the host holds",
            ["the host holds", "tool", "net BPF ns", "reader's µs", "lines/conn", "RSS MiB",
             "maps MiB"], rows)
    return figures
