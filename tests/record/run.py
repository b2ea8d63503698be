#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""twsnoop record on this kernel, in network and mount namespaces of its own: what it writes is held
against a trace of the same time, and against what was made; it is killed, its disk fills up, freezes
and vanishes. As root: run.py TWSNOOP [TEST]...
Prints "ok NAME" or "FAIL NAME: why" for each check, and the sums at the end."""
import collections
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

import checks  # noqa: E402
from checks import (CLONE_NEWNET, CLONE_NEWNS, NETNS, PATIENCE_S, Program, check, connect_and_close,  # noqa: E402
                    die_with_parent, forked, make_closes, make_failures, mounted, skip, sysctl, wait_for)

REASONS = {"stopped": 1, "disk": 2, "size": 3, "slow": 4}

twsnoop = None
scratch = None


def make(num, name="checkout"):
    """So many closes, by a process of that name that has ended then."""
    with forked(make_closes, num, name=name):
        pass


def make_steadily(rate):
    """Closes for ever, at most so many a second."""
    made = 0
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        while True:
            connect_and_close(listener)
            made += 1
            ahead = made / rate - (time.monotonic() - begin)
            if ahead > 0.01:
                time.sleep(ahead)


# ---- the programs ----

class Twsnoop(Program):
    """It has begun once it says that it records, or traces."""

    def __init__(self, *arguments, **more):
        super().__init__([twsnoop, *arguments], r"twsnoop: (recording|tracing) ", **more)


def record(path, *arguments):
    return Twsnoop("record", "--own", "--netns", NETNS, *arguments, path)


def ask(path, sql, *values):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(sql, values).fetchall()


def number(path, sql, *values):
    return ask(path, sql, *values)[0][0] or 0


def rows(path):
    return number(path, "SELECT sum(rows) FROM block")


def is_sound(path):
    return ask(path, "PRAGMA integrity_check") == [("ok",)]


def lines_in(path):
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def events_from(path, *arguments):
    out = subprocess.run([twsnoop, "trace", "--from", path, "--json", "--all", *arguments],
                         capture_output=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def status_of(path):
    out = subprocess.run([twsnoop, "record", "--status", "--json", path], capture_output=True,
                         check=True)
    return json.loads(out.stdout)


def actions(events):
    return collections.Counter(e["event"]["action"] for e in events)


def without_time(event):
    """Each of the two has its own programs, which look at the clock one after the other."""
    event = dict(event)
    del event["timestamp"]
    event["tcp"] = {k: v for k, v in event.get("tcp", {}).items() if k != "lifetime_ns"}
    return json.dumps(event, sort_keys=True)


def differences(missing, surplus):
    """What is said otherwise of one connection end; or the event that only one of the two has."""
    def end(event):
        return event["network"], event["event"]

    def parts(event, names=()):
        for name, value in event.items():
            if isinstance(value, dict):
                yield from parts(value, (*names, name))
            else:
                yield ".".join((*names, name)), json.dumps(value)

    for one in map(json.loads, missing):
        for other in map(json.loads, surplus):
            if end(one) == end(other):
                return sorted(set(parts(one)) ^ set(parts(other)))
        return one
    return None


# ---- what is recorded ----

def test_agreement():
    path = f"{scratch}/agreement.db"
    with open(f"{scratch}/trace.json", "wb") as out, \
         Twsnoop("trace", "--own", "--netns", NETNS, "--all", "--json", stdout=out) as trace, \
         record(path) as recorder:
        # Who has ended has no command line any more for the one of the two that reads later.
        with forked(make_closes, 700, name="checkout"), forked(make_closes, 300, name="importer"), \
             forked(make_failures, 50, name="refused"):
            wait_for(lambda: rows(path) >= 2050, "rows in the recording")
            wait_for(lambda: lines_in(f"{scratch}/trace.json") >= 2050, "lines of the trace")
        check("record ends in order", recorder.stop() == 0, recorder.said())
        account = recorder.account()
        trace.stop()
    with open(f"{scratch}/trace.json", encoding="utf-8") as lines:
        traced = [json.loads(line) for line in lines]
    recorded = events_from(path)
    made = {"time_wait": 1000, "passive_close": 1000, "connect_failed": 50}
    found = actions(recorded)
    check("what was made is recorded", all(found[k] == n for k, n in made.items()), found)
    # Which ends of TIME_WAITs were seen depends on when each of the two began.
    traced_as, recorded_as = (collections.Counter(map(without_time, events))
                              for events in (traced, recorded))
    missing, surplus = traced_as - recorded_as, recorded_as - traced_as
    check("a trace of the same time has the same events", not missing and len(traced) >= 2050,
          f"{len(traced)}, {sum(missing.values())} of them not, such as {differences(missing, surplus)}")
    check("delivered is what is recorded, lost and gap are 0", account["delivered"] == len(recorded)
          and account["lost"] == 0 and account["gap"] == 0, account)
    check_minutes(path, recorded)
    check("the file is sound", is_sound(path))
    check("its account is in it", status_of(path)["account"]["delivered"] == len(recorded))


def check_minutes(path, events):
    sums = ask(path, "SELECT sum(count), sum(tx_bytes), sum(rx_bytes), sum(lifetime_ns) FROM minute")[0]
    tcp = [e.get("tcp", {}) for e in events]
    wanted = (len(events), sum(t.get("tx_bytes", 0) for t in tcp),
              sum(t.get("rx_bytes", 0) for t in tcp), sum(t.get("lifetime_ns", 0) for t in tcp))
    check("minutes are the sums of the events", sums == wanted, f"{sums}, not {wanted}")


def test_time_wait_only():
    path = f"{scratch}/only.db"
    with record(path, "--time-wait-only", "-c", "wanted") as recorder:
        make(20, "wanted")
        make(20, "other")
        recorder.stop()
        check("filters and --time-wait-only hold", recorder.account()["delivered"] == 20)
    check("and are told", "-c wanted" in (ask(path, "SELECT filter FROM run")[0][0] or ""))
    found = actions(events_from(path))
    check("nothing else is recorded", found == {"time_wait": 20}, found)


def test_other():
    """More ways than a minute has rows: the rest is ~other, and the sums are exact."""
    path = f"{scratch}/other.db"
    with record(path) as recorder:
        with contextlib.ExitStack() as stack:
            for port in range(20000, 21200):
                listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
                connect_and_close(listener)
        wait_for(lambda: rows(path) >= 2400, "rows in the recording")
        recorder.stop()
    events = events_from(path)
    others = number(path, "SELECT sum(count) FROM minute WHERE flow = 0")
    most = number(path, "SELECT max(n) FROM (SELECT count(*) AS n FROM minute GROUP BY minute)")
    check("a minute has a bound, and ~other has the rest", most <= 1000 and others >= 1400 / 2,
          f"{most} rows, {others} in ~other")
    check_minutes(path, events)


def test_samples():
    path = f"{scratch}/samples.db"
    inode = os.stat(NETNS).st_ino
    make(50)
    with record(path) as recorder:
        wait_for(lambda: number(path, "SELECT count(*) FROM ports"), "a sample of ports")
        recorder.stop()
    waiting = number(path, "SELECT max(time_wait) FROM states WHERE netns = ?", inode)
    check("states are sampled", waiting >= 50, waiting)
    check("the host's are, too", number(path, "SELECT count(*) FROM states WHERE netns = 0"))
    limit = number(path, "SELECT max_tw_buckets FROM limits WHERE netns = ?", inode)
    with open("/proc/sys/net/ipv4/tcp_max_tw_buckets", encoding="ascii") as f:
        check("limits are", limit == int(f.read()), limit)
    check("counters are", number(path, "SELECT count(*) FROM counters WHERE counter = 'Tcp.ActiveOpens' "
                                 "AND value > 0 AND netns = ?", inode))


@contextlib.contextmanager
def ports_of_its_own(ports):
    """These are all that connect() may choose from, and none is taken over from TIME_WAIT."""
    before = {name: sysctl(name, value)
              for name, value in (("ip_local_port_range", ports), ("tcp_tw_reuse", 0))}
    try:
        yield
    finally:
        for name, value in before.items():
            sysctl(name, value)


def test_finding():
    """No port is left: it is noted, and the events around it are to go last."""
    path = f"{scratch}/finding.db"
    with ports_of_its_own("40000 40009"), record(path) as recorder:
        with socket.create_server(("127.0.0.1", 8080)) as listener:
            with contextlib.suppress(OSError):
                for _ in range(50):
                    connect_and_close(listener)
        wait_for(lambda: number(path, "SELECT count(*) FROM finding"), "the finding")
        recorder.stop()
    finding = ask(path, "SELECT finding, severity, sentence FROM finding")
    check("ports that are exhausted are noted", len(finding) == 1 and finding[0][:2] ==
          ("ports-exhausted", 3) and "127.0.0.1:8080" in finding[0][2], finding)
    check("and what is around is kept", number(path, "SELECT min(keep) FROM block") == 1)


# ---- it is killed ----

def test_killed():
    path = f"{scratch}/killed.db"
    late = []
    rounds = 6
    with forked(make_steadily, 1000, name="steady", waits=False):
        for _ in range(rounds):
            before = rows(path) if os.path.exists(path) else 0
            with record(path) as recorder:
                wait_for(lambda: rows(path) > before, "the first rows")
                time.sleep(random.uniform(0, 1.8))
                killed = time.time()
                recorder.stop(signal.SIGKILL)
            newest = number(path, "SELECT max(until_ns) FROM block") / 1e9
            late.append(killed - newest)
            check("a killed recording is sound", is_sound(path))
        with record(path) as recorder:
            wait_for(lambda: number(path, "SELECT max(run) FROM block") > rounds, "rows of the last")
            recorder.stop()
    check("at most two seconds are missing", max(late) <= 2, late)
    gaps = ask(path, "SELECT since_ns, until_ns FROM gap WHERE reason = ?", REASONS["stopped"])
    check("each stop is a gap", len(gaps) == rounds, gaps)
    events = events_from(path)
    check("what was recorded before can be read", len(events) == rows(path))
    check_minutes(path, events)


# ---- the disk ----

def lines_with(program, text):
    return sum(text in line for line in program.said().splitlines())


def test_full_disk():
    with mounted(f"{scratch}/small", "-t", "tmpfs", "-o", "size=8m", "none") as where:
        path = f"{where}/full.db"
        with record(path) as recorder:
            make(50)
            wait_for(lambda: rows(path) >= 100, "rows before")
            with contextlib.suppress(OSError), open(f"{where}/filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
            make(500)
            recorder.wait_said("cannot write")
            make(500)
            check("who traces is not kept waiting", recorder.process.poll() is None)
            os.unlink(f"{where}/filler")
            recorder.wait_said("goes on")
            wait_for(lambda: rows(path) >= 2100, "rows after")
            recorder.stop()
            check("a full disk: one line, and one when it goes on",
                  lines_with(recorder, "cannot write") == lines_with(recorder, "goes on") == 1,
                  recorder.said())
            check("what waited in memory is not missing", recorder.account()["gap"] == 0)
        events = events_from(path)
        check("a full disk loses nothing that memory could hold",
              actions(events)["time_wait"] == 1050, actions(events))
        check_minutes(path, events)
        check("the file is sound after a full disk", is_sound(path))


def test_full_to_the_end():
    """It ends while the disk is full: what could not be written is counted."""
    with mounted(f"{scratch}/tiny", "-t", "tmpfs", "-o", "size=2m", "none") as where:
        path = f"{where}/full.db"
        with record(path) as recorder:
            with contextlib.suppress(OSError), open(f"{where}/filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
            make(500)
            recorder.wait_said("cannot write")
            begin = time.monotonic()
            recorder.stop()
            account = recorder.account()
            check("nobody waits for a full disk", time.monotonic() - begin < 15)
            # Where the file has pages to spare, the last of it may find room after all.
            check("why is said", (lines_with(recorder, "could not be written") == 1) ==
                  (account["gap"] > 0), recorder.said())
        os.unlink(f"{where}/filler")
        check("delivered and gap are what was made, and what is there",
              account["delivered"] + account["gap"] == 1000 and account["delivered"] == rows(path),
              f"{account}, {rows(path)} rows")
        check("what was before is sound", is_sound(path))


def test_frozen_disk():
    """Writes to it do not fail, nor do they end."""
    image = f"{scratch}/image"
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    if subprocess.run(["mkfs.ext4", "-q", image], check=False).returncode:
        skip("a frozen disk", "no mkfs.ext4")
        return
    try:
        with mounted(f"{scratch}/frozen", "-o", "loop", image) as where:
            freeze(where, f"{where}/frozen.db")
    except subprocess.CalledProcessError as e:
        skip("a frozen disk", f"this machine mounts no image: {e}")


def freeze(where, path):
    with record(path) as recorder:
        make(50)
        wait_for(lambda: rows(path) >= 100, "rows before")
        subprocess.run(["fsfreeze", "-f", where], check=True)
        try:
            make(1000)
            recorder.send(signal.SIGUSR1)
            recorder.wait_said("delivered=")
            check("a disk that hangs holds nobody", recorder.account()["lost"] == 0)
        finally:
            subprocess.run(["fsfreeze", "-u", where], check=True)
        wait_for(lambda: rows(path) >= 2100, "rows after")
        recorder.stop()
        check("and nothing is missing", recorder.account()["gap"] == 0, recorder.account())
        check("all is there then", actions(events_from(path))["time_wait"] == 1050)
    end_frozen(where, path)


def end_frozen(where, path):
    """It is to end while a write does not come back: it says what is missing, and waits no longer."""
    with record(path) as recorder:
        before = rows(path)
        make(20)
        wait_for(lambda: rows(path) >= before + 40, "rows before")
        subprocess.run(["fsfreeze", "-f", where], check=True)
        try:
            make(100)
            recorder.send(signal.SIGTERM)
            recorder.wait_said("delivered=")
        finally:
            subprocess.run(["fsfreeze", "-u", where], check=True)
        recorder.process.wait(timeout=PATIENCE_S)
        account = recorder.account()
        check("an end is not held up by a disk that hangs",
              account["delivered"] + account["gap"] == 240 and account["gap"] > 0 and
              lines_with(recorder, "the disk does not answer") == 1, f"{account}; {recorder.said()}")
    check("and the file is sound", is_sound(path))


def test_vanishes():
    os.makedirs(f"{scratch}/there")
    path = f"{scratch}/there/v.db"
    with record(path) as recorder:
        make(50)
        wait_for(lambda: rows(path) >= 100, "rows before")
        os.rename(f"{scratch}/there", f"{scratch}/away")
        recorder.wait_said("cannot record")
        make(50)
        os.makedirs(f"{scratch}/there")
        recorder.wait_said("made anew")
        make(70, "later")
        wait_for(lambda: os.path.exists(path) and rows(path) >= 140, "rows in the new file")
        os.unlink(path)
        wait_for(lambda: lines_with(recorder, "made anew") == 2, "the second new file")
        make(30, "last")
        recorder.stop()
        account = recorder.account()
    events = events_from(path)
    check("a file that is removed is made anew", actions(events)["time_wait"] == 30, actions(events))
    check("what was on its way is counted", account["delivered"] + account["gap"] == 400, account)
    check("the first one is whole", actions(events_from(f"{scratch}/away/v.db"))["time_wait"] >= 50)


def test_damaged():
    """Somebody writes into it while it is recorded into."""
    path = f"{scratch}/damaged.db"
    with record(path) as recorder:
        make(50)
        wait_for(lambda: rows(path) >= 100, "rows before")
        recorder.stop()
    with record(path) as recorder:
        with open(path, "r+b") as f:
            f.seek(4096)
            f.write(os.urandom(os.path.getsize(path) - 4096))
        make(200)
        time.sleep(1.5)
        make(20, "later")
        check("a damaged file does not end it", recorder.stop() == 0, recorder.said())
        account = recorder.account()
    total = account["delivered"] + account["gap"]
    check("and what is missing is counted", total == 440, account)
    check("what is recorded then is sound", is_sound(path) or os.path.exists(path + ".damaged"))


# ---- what is asked of it ----

def test_status():
    path = f"{scratch}/status.db"
    with record(path) as recorder:
        make(10)
        wait_for(lambda: rows(path) >= 20, "rows")
        status = status_of(path)
        check("status while it is recorded into", status["recording"] and
              status["raw"]["events"] == 20 and "last_written" in status, status)
        text = subprocess.run([twsnoop, "record", "--status", path], capture_output=True, text=True,
                              check=True).stdout
        check("status in words", "running" in text and "20 events" in text, text)
        second = subprocess.run([twsnoop, "record", "--own", path], capture_output=True, text=True,
                                check=False)
        check("a second recorder is refused in words", second.returncode == 1 and
              second.stderr.count("\n") == 1 and path in second.stderr, second.stderr)
        recorder.stop()
    os.chmod(scratch, 0o755)
    os.chmod(path, 0o644)
    out = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", twsnoop,
                          "record", "--status", "--json", path], capture_output=True, check=False)
    check("status for whoever may read the file", out.returncode == 0 and
          not json.loads(out.stdout)["recording"], out.stderr)


def shown(path, columns, *arguments, term="xterm"):
    """What `record` shows on a terminal of so many columns, until it has ended."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([twsnoop, "record", "--own", "--netns", NETNS, *arguments, path],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
                               env={**os.environ, "TERM": term}, preexec_fn=die_with_parent)
    os.close(theirs)
    text = b""
    told = False
    try:
        while select.select([ours], [], [], PATIENCE_S)[0]:
            try:
                more = os.read(ours, 4096)
            except OSError:  # nobody has the other end any more
                break
            text += more
            if not told and b"into '" in text and (text.count(b"/s  ") >= 3 or "-q" in arguments or
                                                  term == "dumb"):
                told = True
                process.terminate()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return text.decode()


def test_line():
    """How it grows, in one line of a terminal that is written over and over."""
    text = shown(f"{scratch}/line.db", 80)
    lines = re.findall(r"\r([^\r\n\x1b]*)\x1b\[K", text)
    drawn = [l for l in lines if l]
    check("rate, size, reach, losses on a terminal", len(drawn) >= 3 and all(
        re.match(r"\d+/s  \S+ of 1.00G  raw \S+  minutes \S+  lost 0  gap 0$", l) for l in drawn), lines)
    check("the line is gone before what is said at the end",
          re.search(r"\x1b\[K\r\x1b\[Ktwsnoop: delivered=", text), repr(text[-300:]))
    for columns in (40, 20):
        drawn = re.findall(r"\r([^\r\n\x1b]*)\x1b\[K", shown(f"{scratch}/line.db", columns))
        check(f"it is not wider than {columns} columns", drawn and max(map(len, drawn)) < columns + 1, drawn)
    check("-q shows none", "/s  " not in shown(f"{scratch}/line.db", 80, "-q"))
    check("nor does a terminal that knows no escapes",
          "/s  " not in shown(f"{scratch}/line.db", 80, term="dumb"))


def test_attached():
    """From a recorder that is attached, and on by itself when that is detached."""
    path = f"{scratch}/attached.db"
    with mounted(f"{scratch}/bpffs", "-t", "bpf", "none") as bpffs:
        subprocess.run([twsnoop, "attach", "--all", "--bpffs", bpffs], check=True,
                       capture_output=True)
        try:
            with Twsnoop("record", "--netns", NETNS, "--bpffs", bpffs, path) as recorder:
                make(30)
                wait_for(lambda: rows(path) >= 60, "rows from it")
                check("it reads the attached recorder", lines_with(recorder, "reaches back") == 1)
                check("and says what that one does not see",
                      lines_with(recorder, "connect() that finds no way there, are not seen") == 1,
                      recorder.said())
                subprocess.run([twsnoop, "detach", "--bpffs", bpffs], check=True,
                               capture_output=True)
                recorder.wait_said("by programs of its own")
                make(40)
                wait_for(lambda: rows(path) >= 140, "rows from its own")
                recorder.stop()
                account = recorder.account()
            check("all of both is recorded", account["delivered"] == 140 and not account["gap"],
                  account)
            check("what is in between is a gap", number(path, "SELECT count(*) FROM gap WHERE "
                                                        "reason = ?", REASONS["stopped"]) == 1)
            check_minutes(path, events_from(path))
        finally:
            subprocess.run([twsnoop, "detach", "--bpffs", bpffs], check=False, capture_output=True)


# ---- all of them ----

TESTS = [test_agreement, test_time_wait_only, test_other, test_samples, test_finding, test_killed,
         test_full_disk, test_full_to_the_end, test_frozen_disk, test_vanishes, test_damaged,
         test_status, test_line, test_attached]


def main():
    global twsnoop, scratch
    twsnoop = os.path.realpath(sys.argv[1])
    checks.choose(TESTS, sys.argv[2:])
    checks.enter_namespaces(CLONE_NEWNET | CLONE_NEWNS)
    with tempfile.TemporaryDirectory() as folder:
        scratch = folder
        checks.play(TESTS, sys.argv[2:])
    sys.exit(checks.finish())


main()
