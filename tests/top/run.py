#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""twsnoop top in a real terminal, and its figures against the kernel's and trace's, in a network
namespace of its own. As root: run.py TWSNOOP [TEST]...
Prints "ok NAME" or "FAIL NAME: why" for each check, and the sums at the end."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import checks  # noqa: E402
from checks import (CLONE_NEWNET, CLONE_NEWNS, NETNS, PATIENCE_S, check, connect_and_close,  # noqa: E402
                    make_failures, set_name)
from terminal import Terminal  # noqa: E402

COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[0-7]|9[0-7]|4[0-7]|38;5;\d+)m")

twsnoop = None


# ---- something to see ----

class Closer:
    """A process of a name that makes connections on demand, closes each of them first, and says
    how many. So each leaves one TIME_WAIT."""

    def __init__(self, name=b"checkout", arguments=("--shop=main",)):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            os.dup2(theirs.fileno(), 0)
            os.execv("/usr/bin/python3", ["python3", __file__, "--closer", name.hex(), *arguments])
        theirs.close()
        self.pipe = ours.makefile("rw")

    def close(self, num):
        self.pipe.write(f"{num}\n")
        self.pipe.flush()
        assert int(self.pipe.readline()) == num

    def fail(self, num):
        """connect() that nobody answers to."""
        self.close(-num)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipe.close()
        os.waitpid(self.pid, 0)


def be_closer(name):
    """In the process itself: numbers on the socket that is standard input."""
    pipe = socket.socket(fileno=0).makefile("rw")
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    set_name(name)
    for line in pipe:
        for _ in range(int(line)):
            connect_and_close(listener)
        make_failures(-int(line))
        pipe.write(line)
        pipe.flush()


def top(*arguments):
    return [twsnoop, "top", "--own", "--netns", NETNS, *arguments]


def kernels_time_waits(*which):
    out = subprocess.run(["ss", "-Htan", "state", "time-wait", *which], capture_output=True, check=True)
    return len(out.stdout.splitlines())


class Frames:
    """twsnoop top --json, frame by frame."""

    def __init__(self, *arguments, command=None):
        self.process = subprocess.Popen(command or top("--json", "-i", "300ms", *arguments),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.all = []

    def next(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(self.process.stderr.read().decode())
        self.all.append(json.loads(line))
        return self.all[-1]

    def until(self, condition):
        """The first frame that it holds for; None: none in time."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            frame = self.next()
            if condition(frame):
                return frame
        return None

    def __enter__(self):
        self.next()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.stdout.read()
        self.account = self.process.stderr.read().decode()
        self.process.wait()


def row_of(frame, name):
    for row in frame["rows"]:
        if row["key"].get("process", {}).get("name") == name:
            return row
    return None


def sum_of(frame, member):
    return sum(row[member] for row in frame["rows"]) + frame["other"][member]


# ---- the screen ----

def is_laid_out(t, width, height):
    """Each line where it belongs: nothing has wrapped, and nothing scrolled."""
    lines = t.lines()
    return (len(lines) == height and lines[0].startswith("twsnoop top") and
            any(line.startswith("PROCESS") for line in lines) and
            any(line.startswith("checkout ") for line in lines) and
            lines[-1].startswith("q quit") and all(len(line) <= width for line in lines))


def test_sizes():
    with Closer() as closer:
        for width, height in (80, 24), (40, 10), (200, 60):
            with Terminal(top("-i", "300ms"), width, height) as t:
                t.until_shown("TIME_WAIT")
                closer.close(20)
                check(f"screen {width}x{height}", t.until(lambda: is_laid_out(t, width, height)),
                      "\n".join(t.lines()))
                if (width, height) != (80, 24):
                    continue
                for size in (44, 12), (120, 30), (80, 24):
                    t.resize(*size)
                    check(f"resized to {size[0]}x{size[1]}",
                          t.until(lambda: is_laid_out(t, *size)), "\n".join(t.lines()))
                check("q ends it", (t.type("q"), t.wait())[1] == 0, f"status {t.status}")
                check("the terminal is as before", t.modes_are_back())
                check("it left the other screen", t.raw.rindex(b"\x1b[?1049l") > t.raw.rindex(
                    b"\x1b[?1049h") and b"delivered=" in t.raw[t.raw.rindex(b"\x1b[?1049l"):])
                check("the cursor is back", t.raw.rindex(b"\x1b[?25h") > t.raw.rindex(b"\x1b[?25l"))


def test_keys():
    with Closer() as closer, Closer(b"other", ("--x",)) as other:
        with Terminal(top("-i", "300ms")) as t:
            t.until_shown("TIME_WAIT")
            closer.close(20)
            other.close(10)
            check("both are there", t.until_shown("other  "))
            t.type("?")
            check("? shows the keys", t.until_shown("freeze the order"))
            t.type("\x1b")
            check("Esc leaves them", t.until_shown("CLOSES/s"))
            t.type("\x1b[B\r")
            check("Enter shows the command line", t.until_shown("--closer"))
            check("and remotes", t.until_shown("127.0.0.1:"))
            t.type("q/othe\r")
            check("/ filters", t.until(lambda: "[with othe]" in t.lines()[0] and not any(
                line.startswith("checkout") for line in t.lines())))
            check("what is filtered out is ~other", t.until_shown("~other"))
            t.type("\x1b")
            t.until(lambda: "[with" not in t.lines()[0])
            t.type("3")
            check("3 groups by remote", t.until(lambda: "by remote" in t.lines()[0] and any(
                line.startswith("127.0.0.1 ") for line in t.lines())))
            t.type("1.r")
            check("., r sort", t.until(lambda: "least held first" in t.lines()[0]))
            t.type(" ")
            check("Space pauses", t.until(lambda: "[paused]" in t.lines()[0]))
            before = t.lines()[1:]
            closer.close(5)
            t.until(lambda: False, 1)
            check("and nothing changes", t.lines()[1:] == before)
            t.type(" q")
            check("q after all that", t.wait() == 0)


def test_signals():
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        with Terminal(top("-i", "300ms")) as t:
            t.until_shown("CLOSES/s")
            check(f"{number.name} ends it", t.end(number) == 0, f"status {t.status}")
            check(f"{number.name}: the terminal is as before", t.modes_are_back())
            check(f"{number.name}: it left its screen", t.raw.rfind(b"\x1b[?1049l") >
                  t.raw.rfind(b"\x1b[?1049h"))
    with Terminal(top("-i", "300ms")) as t:
        t.until_shown("CLOSES/s")
        t.type("\x03")
        check("Ctrl-C ends it", t.wait() == 0, f"status {t.status}")
        check("Ctrl-C: the terminal is as before", t.modes_are_back())
    with Terminal(top("-i", "300ms")) as t:
        t.until_shown("CLOSES/s")
        check("KILL", t.end(signal.SIGKILL) == -9)


def test_job_control():
    with Terminal(["bash", "--norc", "--noprofile", "-i"], env={"PS1": "> "}) as t:
        t.until_shown("> ")
        t.type(" ".join(top("-i", "300ms")) + "\n")
        check("a shell runs it", t.until_shown("CLOSES/s"))
        t.type("\x1a")
        check("Ctrl-Z stops it", t.until_shown("Stopped"), "\n".join(t.lines()))
        t.screen.reset()
        t.type("stty -a\n")
        check("the shell has its terminal", t.until_shown("icanon") and not any(
            "-icanon" in line or "-echo " in line for line in t.lines()), "\n".join(t.lines()))
        t.type("fg\n")
        check("fg goes on", t.until(lambda: t.lines()[0].startswith("twsnoop top") and
                                    t.lines()[-1].startswith("q quit")), "\n".join(t.lines()))
        t.type("q")
        check("q after it", t.until_shown("delivered="))
        t.type("exit\n")
        t.wait(5)


def test_stopped_terminal():
    """Ctrl-S: what comes is counted, and TERM ends it."""
    with Closer() as closer, Terminal(top("-i", "200ms")) as t:
        t.until_shown("CLOSES/s")
        t.type("\x13")
        t.until(lambda: False, 0.5)
        quiet = len(t.raw)
        closer.close(50)
        t.until(lambda: False, 1)
        check("Ctrl-S stops the output", len(t.raw) == quiet, f"{len(t.raw) - quiet} bytes")
        t.type("\x11")
        check("Ctrl-Q goes on, and nothing is missing", t.until(
            lambda: any(re.match(r"checkout .* 50 ", line) for line in t.lines())),
            "\n".join(t.lines()))
        t.type("\x13")
        t.until(lambda: False, 0.3)
        check("TERM ends it while stopped", t.end() == 0, f"status {t.status}")
        check("the modes are back then, too", t.modes_are_back())


def test_poor_terminals():
    for name, env, unset in (("TERM=dumb", {"TERM": "dumb"}, ()), ("no TERM", {}, ("TERM",)),
                             ("an unknown TERM", {"TERM": "nosuch"}, ())):
        with Terminal(top("-i", "200ms", "-n", "2"), env=env, unset=unset) as t:
            check(f"{name}: status", t.wait() == 0, f"{t.status}")
            check(f"{name}: plain frames", t.raw.count(b"\n---\r\n") == 2 and b"PROCESS" in t.raw
                  and b"\x1b" not in t.raw, repr(t.raw[-300:]))
            check(f"{name}: it is said", b"no screen" in t.raw)
            check(f"{name}: no line is too long",
                  all(len(line) <= 80 for line in t.raw.decode().split("---", 1)[1].split(
                      "twsnoop: delivered")[0].split("\r\n")))


def test_colours_and_characters():
    name = "caf\u00e9".encode()
    with Closer(name) as closer:
        for case, env in (("C", {"LC_ALL": "C"}), ("NO_COLOR", {"NO_COLOR": "1"}), ("colour", {})):
            with Terminal(top("-i", "200ms"), env=env) as t:
                t.until_shown("CLOSES/s")
                closer.close(20)
                closer.fail(5)
                t.until_shown("failing!")
                shown = t.until_shown("caf? " if case == "C" else name.decode())
                t.end()
                check(f"{case}: the name is shown", shown, "\n".join(t.lines()))
                check(f"{case}: what fails has a sign", b"failing!" in t.raw)
                if case == "C":
                    check("C: nothing but ASCII", all(byte < 0x7f for byte in t.raw))
                check(f"{case}: colours", bool(COLOUR.search(t.raw)) == (case != "NO_COLOR"))


def test_hostile_names():
    names = b"\x1b[31mred\x07", b"a\nb\rc\td", b"\xff\xfe\x9b1m", "\u202eevil".encode()
    closers = [Closer(name) for name in names]
    with Terminal(top("-i", "200ms")) as t:
        t.until_shown("CLOSES/s")
        for closer in closers:
            closer.close(5)
        check("hostile: escaped", t.until_shown("\\x1b[31mred\\x07") and
              t.until_shown("a\\nb\\rc\\td") and t.until_shown("\\u202eevil"), "\n".join(t.lines()))
        t.type("\x1b[B\r")
        t.until_shown("command line")
        t.end()
        check("hostile: nothing gets through", b"\x1b[31mred" not in t.raw and b"\x07" not in t.raw
              and b"\xff" not in t.raw and b"\xe2\x80\xae" not in t.raw)
    for closer in closers:
        closer.__exit__()


# ---- frames ----

def test_batch():
    run = subprocess.run(top("-b", "-n", "3", "-i", "200ms"), capture_output=True)
    check("-b -n 3: three frames", run.returncode == 0 and run.stdout.count(b"---\n") == 3,
          run.stdout.decode())
    check("-b: a time in each", len(re.findall(rb"^twsnoop top \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+",
                                               run.stdout, re.M)) == 3)
    check("-b: the account last", run.stderr.splitlines()[-1].startswith(b"twsnoop: delivered="))
    check("-b: no escapes", b"\x1b" not in run.stdout)
    run = subprocess.run(f"{' '.join(top('-n', '2', '-i', '200ms'))} | cat", shell=True,
                         capture_output=True)
    check("top | cat", run.stdout.count(b"---\n") == 2)
    run = subprocess.run(["sh", "-c", f"{' '.join(top('-i', '100ms'))} | head -n 3"],
                         capture_output=True)
    check("top | head ends", run.returncode == 0 and b"cannot" not in run.stderr,
          run.stderr.decode())
    if shutil.which("jq"):
        run = subprocess.run(["sh", "-c", f"{' '.join(top('--json', '-n', '3', '-i', '200ms'))} | "
                              "jq -e '.closes + ([.rows[].closes] | add // 0) + .other.closes'"],
                             capture_output=True)
        check("--json | jq", len(run.stdout.splitlines()) == 3 and run.returncode == 0,
              run.stdout.decode() + run.stderr.decode())
    with open("/dev/full", "w") as full:
        run = subprocess.run(top("-n", "2", "-i", "100ms"), stdout=full, stderr=subprocess.PIPE)
    check("a full disk", run.returncode == 1 and b"cannot write the output" in run.stderr)


def test_exact():
    """The same closes as trace, and the same sockets as ss."""
    with Closer() as closer, Closer(b"other") as other:
        trace = subprocess.Popen([twsnoop, "trace", "--own", "--json", "--netns", NETNS],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in trace.stderr:
            if b"tracing" in line:
                break
        with Frames() as frames:
            for _ in range(5):
                closer.close(100)
                other.close(40)
            frame = frames.until(lambda f: f["total"] >= 700)
            check("total", frame and frame["total"] == 700, f"{frames.all[-1]['total']}")
            check("intervals add up", sum(f["closes"] for f in frames.all) == 700)
            check("rows add up", all(sum_of(f, "total") == f["total"] and
                                     sum_of(f, "closes") == f["closes"] for f in frames.all))
            check("by process", row_of(frame, "checkout")["total"] == 500 and
                  row_of(frame, "other")["total"] == 200)
            check("held by process", row_of(frame, "checkout")["held"] == 500)
            frame = frames.until(lambda f: f["time_wait"] == kernels_time_waits())
            check("held as ss has it", frame and sum_of(frame, "held") + frame["time_wait_unplaced"]
                  == frame["time_wait"] >= 700, f"{frames.all[-1]['time_wait']}")
            # What ends before its time is seen: the kernel destroys a part of them.
            port = row_of(frame, "other")["remote"]["port"]
            subprocess.run(["ss", "-K", "-tan", "state", "time-wait", "dport", "=", f":{port}"],
                           capture_output=True)
            # others, of tests before, end meanwhile
            if kernels_time_waits(f"dport = :{port}") == 0:
                frame = frames.until(lambda f: f["time_wait"] == kernels_time_waits())
                check("what ss -K ended is not held", frame and row_of(frame, "other")["held"] == 0
                      and row_of(frame, "checkout")["held"] == 500)
            closer.fail(7)
            frame = frames.until(lambda f: f["connect_failed_total"] >= 7)
            check("failures", frame and frame["connect_failed_total"] == 7 and
                  row_of(frame, "checkout")["connect_failed_total"] == 7,
                  f"{frames.all[-1]['connect_failed_total']} {row_of(frames.all[-1], 'checkout')}")
        trace.terminate()
        told = [json.loads(line) for line in trace.stdout]
        trace.wait()
        check("as many as trace tells", len(told) == 700, f"{len(told)}")
        check("nothing lost", " lost=0 " in frames.account, frames.account)


def test_many_groups():
    """10,000 local ports: more than there is room for."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as f:
        f.write("1024 65535")
    with Closer() as closer, Frames("--by", "local-port") as frames:
        closer.close(10000)
        frame = frames.until(lambda f: f["total"] >= 10000)
        check("groups: total", frame and frame["total"] == 10000)
        check("groups: bounded", 2000 <= len(frame["rows"]) <= 4096, f"{len(frame['rows'])}")
        check("groups: exact", all(sum_of(f, "total") == f["total"] for f in frames.all))
    with Terminal(top("-i", "300ms", "--by", "local-port")) as t:
        t.until_shown("CLOSES/s")
        t.type("\x1b[F")
        check("groups: on a screen", t.until_shown("q quit"))
        t.type("q")
        check("groups: q", t.wait() == 0)


def test_recorder():
    """What the recorder has of the last minute is held, and of late, but in no total."""
    with tempfile.TemporaryDirectory() as bpffs, Closer() as closer:
        subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
        try:
            subprocess.run([twsnoop, "attach", "--all", "--syscalls", "--bpffs", bpffs], check=True,
                           capture_output=True)
            closer.close(30)
            with Frames(command=[twsnoop, "top", "--json", "-i", "300ms", "--bpffs", bpffs,
                                 "--netns", NETNS]) as frames:
                frame = frames.until(lambda f: row_of(f, "checkout"))
                row = row_of(frame, "checkout")
                check("recorder: held", row["held"] == 30, f"{row}")
                check("recorder: of late", row["closes_per_second"] > 0, f"{row}")
                check("recorder: not in the total", row["total"] == 0, f"{row}")
                closer.close(5)
                frame = frames.until(lambda f: row_of(f, "checkout")["total"] == 5)
                check("recorder: what comes is", frame and
                      row_of(frame, "checkout")["held"] == 35)
            subprocess.run([twsnoop, "detach", "--bpffs", bpffs], check=True, capture_output=True)
        finally:
            subprocess.run(["umount", bpffs], check=True)


def test_recording():
    """What was recorded, frame by frame and on a screen."""
    with tempfile.TemporaryDirectory() as folder, Closer() as closer:
        file = os.path.join(folder, "recording.db")
        record = subprocess.Popen([twsnoop, "record", "--own", "--netns", NETNS, file],
                                  stderr=subprocess.PIPE)
        while b"recording" not in record.stderr.readline():
            pass
        closer.close(40)
        with open(os.devnull, "w") as null:
            told = subprocess.run([twsnoop, "trace", "--own", "-d", "1"], stdout=null, stderr=null)
        record.terminate()
        record.stderr.read()
        record.wait()
        run = subprocess.run([twsnoop, "top", "--from", file, "--json"], capture_output=True)
        frames = [json.loads(line) for line in run.stdout.splitlines()]
        check("recording: one frame", told.returncode == run.returncode == 0 and len(frames) == 1,
              run.stderr.decode())
        check("recording: as recorded", row_of(frames[0], "checkout")["total"] == 40 and
              sum_of(frames[0], "total") == frames[0]["total"])
        run = subprocess.run([twsnoop, "top", "--from", file, "--json", "-i", "500ms"],
                             capture_output=True)
        frames = [json.loads(line) for line in run.stdout.splitlines()]
        check("recording: a frame an interval", len(frames) >= 2 and
              sum(frame["closes"] for frame in frames) == 40)
        with Terminal([twsnoop, "top", "--from", file]) as t:
            check("recording: on a screen", t.until(lambda: any(re.match(
                r"checkout .* 40 ", line) for line in t.lines())), "\n".join(t.lines()))
            t.type("T")
            check("recording: T goes back", t.until(lambda: not any(
                line.startswith("checkout") for line in t.lines())), "\n".join(t.lines()))
            t.type("t")
            check("recording: t comes back", t.until_shown("checkout"))
            t.type("q")
            check("recording: q", t.wait() == 0 and t.modes_are_back())


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


def main():
    global twsnoop
    if sys.argv[1] == "--closer":
        be_closer(bytes.fromhex(sys.argv[2]))
        return 0
    twsnoop = os.path.realpath(sys.argv[1])
    checks.choose(TESTS, sys.argv[2:])
    checks.enter_namespaces(CLONE_NEWNET | CLONE_NEWNS)
    checks.play(TESTS, sys.argv[2:])
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
