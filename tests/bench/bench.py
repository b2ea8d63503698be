#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What twsnoop costs, beside what people would use instead. As root:

    make bench            or    tests/bench/bench.py [--quick] [--only SECTION]...
                                    [--json FILE] [--markdown FILE]

Sections: bpf flood churn nginx reader list loss scale alone blocks top store past record diagnose
serve. It works in namespaces of its own and changes no setting of the host. Figures are medians with
their range, and of twelve runs or more with their middle half: those of a busy or a virtual machine
are as good as that machine is quiet.
"""

import argparse
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True  # nothing is written outside the build folder

import benchlib as b
import cost
import diagnose
import feel
import listing
import loss
import record
import scale
import serve
import summary

SECTIONS = {"bpf": cost.bpf_time, "flood": cost.flood, "churn": feel.feel_churn,
            "nginx": feel.feel_nginx, "reader": feel.reader,
            "list": listing.list_beside_ss, "loss": loss.loss,
            "scale": scale.scale, "alone": cost.reader_alone, "blocks": cost.blocks,
            "top": cost.top, "store": cost.store, "past": cost.past,
            "record": record.record, "diagnose": diagnose.diagnose,
            "serve": serve.serve}


class Context:
    """How much to do, and what did not work."""

    def __init__(self, args):
        self.quick = args.quick
        self.rounds = args.rounds or (1 if args.quick else 3)
        self.feel_rounds = args.rounds or (1 if args.quick else 8)
        self.settle_s = 0.5 if args.quick else 3
        self.failures = {}

    @staticmethod
    def order(kinds, number):
        """Another order in each round, so that none always follows the same one."""
        kinds = list(kinds)
        turn = number % max(1, len(kinds))
        return kinds[turn:] + kinds[:turn]

    def attempt(self, kind, function, *args):
        """The function's value; None, and a note, when that tool cannot be measured."""
        try:
            return function(*args)
        except b.BenchError as err:
            if (kind, str(err)) not in self.failures:
                b.say(f"bench: {err}")
            self.failures[kind, str(err)] = not isinstance(err, b.Absent)
            return None

    def failed(self):
        """Whether a section or a row of twsnoop is missing that should be there."""
        return any(real and (kind in SECTIONS or kind.startswith("twsnoop"))
                   for (kind, _), real in self.failures.items())


def arguments():
    p = argparse.ArgumentParser(prog="bench.py", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="every section once, briefly")
    p.add_argument("--only", action="append", choices=list(SECTIONS), metavar="SECTION")
    p.add_argument("--rounds", type=int, default=0, help="instead of the usual number")
    p.add_argument("--json", metavar="FILE", help="all figures, with every sample")
    p.add_argument("--markdown", metavar="FILE", help="all tables, as they stand in README")
    return p.parse_args()


def steal_fraction(start):
    """How much of the CPU time since @start the hypervisor gave to others."""
    now = cpu_fields()
    total = sum(now) - sum(start)
    return (now[7] - start[7]) / total if total else 0


def cpu_fields():
    return [int(x) for x in b.read_text("/proc/stat").split("\n", 1)[0].split()[1:9]]


def describe(machine):
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"{machine['host']}; Linux {machine['kernel']} {machine['arch']}")


def write_markdown(path, machine):
    """The summary, which comes last, first."""
    with open(path, "w", encoding="utf-8") as f:
        print(f"Measured on: {describe(machine)}.", file=f)
        for title, head, rows, left in [*b.tables[-1:], *b.tables[:-1]]:
            print(f"\n{title}\n", *b.markdown(head, rows, left), sep="\n", file=f)


def run(args):
    if os.geteuid():
        raise b.BenchError("root is needed, to load BPF programs and make namespaces")
    b.build()
    ctx, results = Context(args), {"machine": b.machine()}
    print("machine: " + describe(results["machine"]), flush=True)
    for name in args.only or SECTIONS:
        b.settle(ctx.settle_s)
        start, cpu = time.monotonic(), cpu_fields()
        results[name] = ctx.attempt(name, SECTIONS[name], ctx)
        steal = steal_fraction(cpu)
        b.say(f"bench: {name}: {time.monotonic() - start:.0f} s, "
              f"{100 * steal:.0f} % of the CPU time went to other guests")
        results.setdefault("steal", {})[name] = steal
    summary.summary(results)
    if args.markdown:
        write_markdown(args.markdown, results["machine"])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1, default=str)
            f.write("\n")
    return 1 if ctx.failed() else 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    args = arguments()
    try:
        return run(args)
    except b.BenchError as err:
        b.say(f"bench: {err}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
