# SPDX-License-Identifier: GPL-2.0
"""One table of all sections: a line for each tool."""

import benchlib as b
import cost

TOOLS = ["an empty program", "twsnoop", "twsnoop, containers", "twsnoop filter",
         "twsnoop ledger", "twsnoop --all", "tcpstates", "tcplife", "bpftrace"]
LOAD = "full churn"


def found(results, section, *names):
    """A figure of a section that may have been left out, or may not have worked."""
    at = results.get(section) or {}
    for name in names:
        at = at.get(name) if isinstance(at, dict) else None
        if at is None:
            return None
    return at


def ratio(value, to):
    return f"{value / to:.1f}" if value is not None and to else "-"


def digits(figure, count):
    return "-" if not figure else b.show(figure, count)


def lost(results, tool):
    """Missing of all that should have been seen, and what the kernel skipped."""
    samples = found(results, "loss", tool)
    if not samples:
        return "-"
    expected = sum(s["expected"] for s in samples)
    missing = sum(s["missing"] for s in samples)
    return f"{100 * missing / max(1, expected):.4f} %"


def row(results, tool):
    empty = tool == TOOLS[0]
    net = b.spread([0]) if empty else \
        found(results, "bpf", f"{tool}: {LOAD}")
    ours = found(results, "bpf", f"twsnoop: {LOAD}", "median")
    slow = "empty" if empty else tool
    figures = results.get("bpf") or {}
    cells = [digits(net, 0), ratio(net["median"] if net else None, ours),
             *[cost.share_of_tcplife(figures, tool, load) for load in (LOAD, "paced")],
             digits(found(results, "churn", slow, "wall"), 3),
             digits(found(results, "nginx", slow, "wall"), 3),
             digits(found(results, "reader", f"{tool} to null", "cpu_us"), 2),
             lost(results, tool)]
    return None if all(c == "-" for c in cells) else [tool, *cells]


HEAD = ["tool", "net BPF ns a connection", "times twsnoop", "of tcplife's",
        "and paced, cold", "churn, times the untraced",
        "nginx, times the untraced", "reader's CPU µs a connection", "lost"]


def summary(results):
    rows = [row(results, tool) for tool in TOOLS]
    rows = [r for r in rows if r and (r[0] != TOOLS[0] or r[5] != "-" or r[6] != "-")]
    if rows:
        b.table("Summary: medians (and ranges)", HEAD, rows)
