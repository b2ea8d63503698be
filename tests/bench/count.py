#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a connection costs in instructions, which no noise moves:

    make bench-count      or    tests/bench/count.py [--budget | --record] [--series 6.12]
                                    [--only ROW]... [--json FILE] [--markdown FILE]

The same connections under each tracer in a guest with one processor whose clock counts
instructions: QEMU's icount, one a nanosecond, so that the kernel's own count of BPF time is one of
instructions, too. A second run has the same figures. Caches do not exist there; `make bench` measures
times.

--budget: only twsnoop, held to tests/bench/count.budget, as the test command does.
--record: writes what it measures there.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing is written outside the build folder

import benchlib as b

MATRIX = os.path.join(b.TOP, "tests", "matrix")
BUDGET = os.path.join(b.HERE, "count.budget")
WORK = os.path.join(b.BUILD, "count")
TOLERANCE = 1.02
DEADLINE_S = 900

# The guest knows how fast its clock is: it would measure that, by devices' clocks, to a
# hundred-thousandth, differently each time.
EXACT_CLOCK = ["tsc_early_khz=1000000", "hpet=disable", "pmtmr=0"]

TRACE = "./twsnoop trace --json"
# name, options of count, the command; a recorder is attached for those whose name says so
ROWS = [
    ("untraced", "", ""),
    ("an empty program", "--empty", ""),
    ("trace", "", TRACE),
    ("trace --all", "", f"{TRACE} --all"),
    ("trace -p, another's", "", f"{TRACE} -p 1"),
    ("trace -p, the closer's", "", f"{TRACE} -p $PPID"),
    ("attached", "", ""),
    ("attached, a reader", "", TRACE),
    ("attached, 3 readers", "--times 3", TRACE),
    ("tcplife", "", "tcplife"),
    ("tcpstates", "", "tcpstates"),
    ("bpftrace", "", f"bpftrace -e {shlex.quote(b.BPFTRACE_LINE)}"),
]
PEERS = {"tcplife": "/usr/sbin/tcplife", "tcpstates": "/usr/sbin/tcpstates",
         "bpftrace": "/usr/bin/bpftrace"}
HELD = ["trace", "trace --all", "trace -p, another's", "trace -p, the closer's", "attached",
        "attached, a reader"]


def arguments():
    p = argparse.ArgumentParser(prog="count.py", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--budget", action="store_true", help="hold twsnoop to its budget")
    p.add_argument("--record", action="store_true", help="and write a new one")
    p.add_argument("--series", default="6.12", help="of Debian's kernels: see tests/matrix")
    p.add_argument("--only", action="append", choices=[row[0] for row in ROWS], metavar="ROW")
    p.add_argument("--groups", type=int, help="of 16 connections, for each figure")
    p.add_argument("--append", default="", help="more arguments for the kernel")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--markdown", metavar="FILE")
    return p.parse_args()


# --- the guest ---------------------------------------------------------------

def chosen(args):
    if args.only:
        wanted = args.only
    elif args.budget:
        wanted = ["untraced", *HELD]
    else:
        wanted = [row[0] for row in ROWS]
    rows = []
    for row in ROWS:
        if row[0] in PEERS and row[0] in wanted and not os.path.exists(PEERS[row[0]]):
            b.say(f"bench-count: {PEERS[row[0]]} is not there; left out")
        elif row[0] in wanted:
            rows.append(row)
    return rows


def script(args, rows):
    """What the guest runs."""
    groups = args.groups or (24 if args.budget else 40)
    lines = ["#!/bin/sh", "cd /payload || exit 1", "./count --clock || exit 1"]
    attached = False
    for name, options, command in rows:
        if attached != name.startswith("attached"):
            attached = not attached
            lines.append(f"./twsnoop {'attach' if attached else 'detach'} || exit 1")
        tail = f" -- sh -c {shlex.quote('exec ' + command)}" if command else ""
        lines.append(f"./count --groups {groups} {options} {shlex.quote(name)}{tail} || "
                     f"echo {shlex.quote('failed: ' + name)}")
    return "\n".join([*lines, "echo 'count done'", ""])


def make_payload(args, rows):
    payload = os.path.join(WORK, "payload")
    shutil.rmtree(payload, ignore_errors=True)
    os.makedirs(payload)
    shutil.copy(os.path.join(b.BUILD, "static", "twsnoop"), payload)
    shutil.copy(b.program("count"), payload)
    path = os.path.join(payload, "run")
    with open(path, "w", encoding="utf-8") as f:
        f.write(script(args, rows))
    os.chmod(path, 0o755)
    return payload


def run_tool(*argv):
    """One of the matrix' scripts: they say themselves what is wrong."""
    env = {**os.environ, "BUILD": b.BUILD}
    if subprocess.run(argv, check=False, env=env, stdout=sys.stderr).returncode:
        raise b.BenchError(f"{os.path.basename(argv[0])} has failed")


def shell_words(series, call):
    """What a function of tests/matrix/qemu.sh prints."""
    code = 'prog=count; . "$1/common.sh"; . "$1/qemu.sh"; ' + call
    done = subprocess.run(["bash", "-c", code, "bash", MATRIX, series], check=True,
                          capture_output=True, text=True)
    return done.stdout.split()


def boot(args, kernel, initramfs):
    """The lines of the guest's console. It is a file, so that QEMU never waits for who reads it."""
    console = os.path.join(WORK, "console")
    append = shell_words(args.series, 'kernel_args "$2"') + [*EXACT_CLOCK, "matrix.token=count",
                                                             *args.append.split()]
    argv = [*shell_words(args.series, 'machine "$2"'), "-name", "count",
            *shell_words(args.series, "accel count"), "-m", "1G", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot",
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
            "-kernel", os.path.join(kernel, "vmlinuz"), "-initrd", initramfs,
            "-append", " ".join(append)]
    if not shutil.which(argv[0]):
        raise b.BenchError(f"{argv[0]} is not there: apt-get install $(tests/matrix/run.sh --packages)")
    with b.Process(argv, stdin=subprocess.DEVNULL) as qemu:
        try:
            qemu.popen.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            b.say(f"bench-count: the guest is not done after {DEADLINE_S} s")
    return b.read_text(console).replace("\r", "").splitlines()


def run_guest(args, rows):
    kernel = os.path.join(os.environ.get("MATRIX_CACHE") or
                          os.path.join(b.BUILD, "matrix", "kernels"), args.series)
    initramfs = os.path.join(WORK, "initramfs.cpio")
    peers = [PEERS[row[0]] for row in rows if row[0] in PEERS]
    run_tool(os.path.join(MATRIX, "fetch.sh"), args.series)
    run_tool(os.path.join(MATRIX, "mkinitramfs.sh"), "--kernel", kernel, "--out", initramfs,
             "--payload", make_payload(args, rows),
             *[word for path in peers for word in ("--with-host-binary", path)])
    lines = boot(args, kernel, initramfs)
    os.unlink(initramfs)
    figures, release = {}, b.read_text(os.path.join(kernel, "release")).strip()
    for line in lines:
        if line.startswith("count {"):
            found = json.loads(line[len("count "):])
            figures["clock" if "clock" in found else found["name"]] = found
    if "count done" not in lines:
        raise b.BenchError("the guest has not come to its end; its last lines:\n" +
                           "\n".join(lines[-15:]))
    for line in lines:
        if line.startswith(("failed: ", "count: ")):
            b.say(f"bench-count: {line}")
    return figures, release


# --- figures -----------------------------------------------------------------

def check_clock(clock):
    """One instruction a nanosecond, to a ten-thousandth."""
    for step in clock:
        if abs(step["ns"] - step["instructions"]) > max(2, step["instructions"] / 10000):
            raise b.BenchError(f"the guest's clock does not count instructions: {step['ns']} ns "
                               f"for {step['instructions']} of them")


def number(figure, name, digits=2):
    return f"{figure[name]:,.{digits}f}" if name in figure else "-"


def tables(figures, release):
    base, life = figures.get("untraced", {}).get("felt"), figures.get("tcplife", {}).get("net")
    rows = []
    for name, figure in figures.items():
        if name == "clock":
            continue
        more = f"{figure['felt'] - base:,.0f}" if base and name != "untraced" else "-"
        share = f"{figure['net'] / life:.3f}" if life and "net" in figure else "-"
        rows.append([name, number(figure, "net"), share, number(figure, "runs", 1),
                     number(figure, "felt", 0), more, number(figure, "reader", 0),
                     number(figure, "drop_udp", 1), number(figure, "drop_tcp", 1)])
    b.table(f"Instructions a connection, both ends, on Linux {release}",
            ["tracer", "net BPF", "of tcplife's", "runs", "all of the connection",
             "more than untraced", "its reader", "a dropped datagram", "a dropped segment"], rows)
    rows = [[f"{name}: {prog.split()[0]}", number(one, "net"), one["jited_bytes"]]
            for name, figure in figures.items() if name != "clock"
            for prog, one in figure.get("progs", {}).items() if one["net"] > 0]
    b.table("   program by program", ["program", "net BPF", "jit bytes"], rows)


def clang_version():
    """Of the compiler that makes the programs: CLANG may have another in front, such as ccache."""
    argv = [*os.environ.get("CLANG", "clang").split(), "--version"]
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
    except OSError:
        return "?"
    return (re.findall(r"version (\d+)", done.stdout) or ["?"])[0]


def read_budget():
    budget, notes = {}, "?"
    for line in b.read_text(BUDGET).splitlines():
        if line.startswith("# Recorded "):
            notes = line[2:]
        elif line and not line.startswith("#"):
            net, name = line.split("\t")
            budget[name] = float(net)
    return budget, notes


def write_budget(figures, release):
    with open(BUDGET, "w", encoding="utf-8") as f:
        print("# SPDX-License-Identifier: GPL-2.0\n"
              "# Net BPF instructions a connection, both ends, in the guest of count.py. The test\n"
              "# command allows 2 % more; a change that needs that says why, and records a new one:\n"
              "# make bench-count COUNT_ARGS=--record\n"
              f"# Recorded on Linux {release}, with clang {clang_version()}", file=f)
        for name in HELD:
            print(f"{figures[name]['net']:.2f}\t{name}", file=f)
    b.say(f"bench-count: recorded in {BUDGET}")


def judge(figures, release):
    """True if no figure is over its budget. Lines as the test command wants them."""
    budget, notes = read_budget()
    passed = failed = 0
    for name in HELD:
        net, allowed = figures.get(name, {}).get("net"), budget.get(name)
        if net is None or allowed is None:
            print(f"FAIL count {name}: " + ("no figure" if net is None else "no budget"))
            failed += 1
        elif net > allowed * TOLERANCE:
            print(f"FAIL count {name}: {net:.2f} net BPF instructions a connection, of "
                  f"{allowed:.2f} in tests/bench/count.budget; here: Linux {release}, clang "
                  f"{clang_version()}. {notes}. If it has to be so, say why, and record it: "
                  "make bench-count COUNT_ARGS=--record")
            failed += 1
        else:
            passed += 1
            if net < allowed / TOLERANCE:
                print(f"{name}: {net:.2f} instructions, {allowed:.2f} allowed: record the gain "
                      "(make bench-count COUNT_ARGS=--record)")
    print(f"{passed} passed, {failed} failed")
    return not failed


def run(args):
    os.makedirs(WORK, exist_ok=True)
    figures, release = run_guest(args, chosen(args))
    check_clock(figures["clock"]["clock"])
    tables(figures, release)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"kernel": release, "clang": clang_version(), "rows": figures}, f, indent=1)
            f.write("\n")
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as f:
            for title, head, rows, left in b.tables:
                print(f"{title}\n", *b.markdown(head, rows, left), "", sep="\n", file=f)
    if args.record:
        write_budget(figures, release)
    return not args.budget or judge(figures, release)


def main():
    try:
        return 0 if run(arguments()) else 1
    except b.BenchError as err:
        b.say(f"bench-count: {err}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
