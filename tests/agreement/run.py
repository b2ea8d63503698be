#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A mixed load is recorded, traced and listed at once, for as long as is asked for: what the recording
says afterwards is what was made, what was traced, and what was listed at many moments; its minutes are the
sums of its events; and the memory of the recorder does not grow.

As root: run.py TWSNOOP SECONDS [FOLDER]   (FOLDER keeps what there was, if something is not so)
In network and mount namespaces of its own, with a recorder of the kernel's of its own.
Prints "ok NAME" or "FAIL NAME: why" for each check, figures between them, and the sums at the end.
"""
import array
import collections
import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))

import checks  # noqa: E402
import digest  # noqa: E402
from checks import (CLONE_NEWNET, CLONE_NEWNS, NETNS, PATIENCE_S, check, die_with_parent,  # noqa: E402
                    wait_for)

PYTHON = "/usr/bin/python3"
# What else the host does goes through the same rings: they are not to lap a reader that waits. More for a busy host.
RING_CLOSES = int(os.environ.get("AGREEMENT_CLOSES", str(1 << 20)))
READERS_NICE = -10
SAME_TIME_NS = 50000000  # each reader looks at the wall clock for itself
ENDS = ("time_wait", "passive_close", "abort", "reset", "connect_failed")
LIST_EVERY_S, LISTS = 60, 6  # in a short run: so many
LISTED_LAG_S = 120  # so late the recording has all that became of what was listed
ENDS_LATE_S = 105  # so late a reader may tell how a TIME_WAIT ended: by a snapshot
HALF_KNOWN = 100  # of so many events one may be known to one reader alone
LOOK_EVERY_S = 5  # at memory
SETTLED_S, LONG_S = 600, 1500  # memory is judged from the first on, in runs of the second at least
MEMORY_MAX_KB = 200 << 10
MEMORY_SLACK_KB = 8 << 10


def figure(text):
    print(f"   {text}", flush=True)


# ---- the programs ----

class Program:
    """In the background; what it says on stderr is in a file."""

    def __init__(self, name, *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, folder=".",
                 nice=READERS_NICE):
        self.path = f"{folder}/{name}.err"
        with open(self.path, "wb") as errors:
            self.process = subprocess.Popen(arguments, stdin=stdin, stdout=stdout, stderr=errors,
                                            preexec_fn=lambda: (die_with_parent(), os.nice(nice)))

    def said(self):
        with open(self.path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def wait_said(self, what):
        wait_for(lambda: re.search(what, self.said()) or self.process.poll() is not None, what)
        if self.process.poll() is not None:
            raise RuntimeError(self.said())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    def account(self):
        line = [l for l in self.said().splitlines() if l.startswith("twsnoop: delivered=")][-1]
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Memory(threading.Thread):
    """What a process takes, as time goes by."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.samples = []  # (seconds, RssAnon, VmRSS), in kB
        self.begin = time.monotonic()
        self.ends = threading.Event()

    def run(self):
        while not self.ends.wait(LOOK_EVERY_S):
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
                    kb = {k: int(v) for k, v in re.findall(r"(RssAnon|VmRSS):\s+(\d+)", status.read())}
            except OSError:
                return
            if "RssAnon" in kb:
                self.samples.append((time.monotonic() - self.begin, kb["RssAnon"], kb["VmRSS"]))

    def most(self, since_s, until_s):
        """The most that it took then: of RssAnon, of VmRSS."""
        then = [s for s in self.samples if since_s <= s[0] < until_s]
        return (max(s[1] for s in then), max(s[2] for s in then)) if then else None


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- where it happens ----

def enter_namespaces():
    checks.enter_namespaces(CLONE_NEWNET | CLONE_NEWNS)
    batch = [f"address add 10.9.0.{n + 1}/32 dev lo" for n in range(20)]
    batch += [f"address add fd09::{n + 1}/128 dev lo nodad" for n in range(5)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(batch), text=True, check=True)


@contextlib.contextmanager
def containers(twsnoop):
    """Cgroups as LXC would name them, in the hierarchy by which containers are told apart."""
    out = subprocess.run([twsnoop, "check", "--json"], capture_output=True, check=False).stdout
    cgroup = json.loads(out).get("cgroup", {})
    top = cgroup.get("v1_path") or cgroup.get("v2_path")
    made = []
    try:
        for name in ("shop", "import", "cron") if top else ():
            path = f"{top}/lxc.payload.agree-{os.getpid()}-{name}"
            with contextlib.suppress(OSError):
                os.mkdir(path)
                made.append(path)
        yield made
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                wait_for(lambda p=path: not open(f"{p}/cgroup.procs", encoding="ascii").read(), path)
                os.rmdir(path)


@contextlib.contextmanager
def kernel_recorder(twsnoop):
    """For all readers in this mount namespace; for nobody else."""
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    try:
        subprocess.run([twsnoop, "attach", "--all", "--size", str(RING_CLOSES)], check=True, capture_output=True)
        yield
    finally:
        subprocess.run([twsnoop, "detach"], check=False, capture_output=True)


# ---- lists ----

class Lists:
    """Moments that were listed while they were there."""

    def __init__(self, twsnoop, folder):
        self.twsnoop, self.folder = twsnoop, folder
        self.taken = []  # (path, moment, seconds that it took, when it was, how far the ledger went back)
        self.sockets = self.misplaced = self.checked = 0
        self.other, self.few = {}, []

    def take(self):
        path = f"{self.folder}/list.{len(self.taken)}"
        begin = time.monotonic()
        with open(path, "wb") as out:
            subprocess.run([self.twsnoop, "list", "--json", "--netns", NETNS],
                           stdout=out, stderr=subprocess.DEVNULL, check=True)
        took = time.monotonic() - begin
        with open(path, encoding="utf-8") as lines:
            first = lines.readline()
        if first:
            self.taken.append((path, json.loads(first)["timestamp"], took, begin, self.reach_s()))

    def reach_s(self):
        """What the rest of the host closes goes into the same rings."""
        out = subprocess.run([self.twsnoop, "check", "--json"], capture_output=True, check=False).stdout
        return json.loads(out).get("ledger", {}).get("reach_ns", 1e12) / 1e9

    def differs(self, recording, at):
        """Why the recording says something else of it; nothing if it does not."""
        path, moment, took, _, reach_s = at
        recorded = f"{self.folder}/list.recorded"
        with open(recorded, "wb") as out:
            subprocess.run([self.twsnoop, "list", "--json", "--from", recording, "--at", moment,
                            "--netns", NETNS], stdout=out, stderr=subprocess.DEVNULL, check=True)
        result = subprocess.run([PYTHON, f"{HERE}/../past/agree.py", "sockets", path, recorded,
                                 f"{took + 0.3:.3f}", f"{reach_s - took:.3f}"], capture_output=True, text=True, check=True)
        counts = re.findall(r"\d+ ", result.stderr)
        self.sockets += int(counts[0])
        self.misplaced += int(counts[-1])
        return result.stdout

    def check_next(self, recording, lag_s):
        """Against what is recorded by now, if that has the ends of what was there. False: not yet."""
        if self.checked == len(self.taken) or time.monotonic() < self.taken[self.checked][3] + lag_s:
            return False
        at = self.taken[self.checked]
        self.checked += 1
        if os.path.getsize(at[0]) < 5000:
            self.few.append(at[1])
        why = self.differs(recording, at)
        if why:
            self.other[at[1]] = why
        else:
            os.unlink(at[0])
        return True

    def check(self, recording):
        while self.check_next(recording, 0):
            pass
        check(f"{len(self.taken)} moments are as they were listed, with {self.sockets} sockets",
              self.taken and not self.other and not self.few,
              f"{len(self.few)} lists of few sockets, other: {self.other}")
        figure(f"listed in the root cgroup, though they are in another one: {self.misplaced}")


# ---- two traces ----

def pairs(folder, part):
    """Of one part: when each event was, by its hash."""
    values = array.array("Q")
    path = f"{folder}/{part}"
    with open(path, "rb") as data:
        values.fromfile(data, os.path.getsize(path) // values.itemsize)
    found = collections.defaultdict(list)
    for key, time_ns in zip(values[::2], values[1::2]):
        found[key].append(time_ns)
    return found


def compare(live, recorded):
    """Hashes that only one of the two has, and how many were at another time."""
    missing, surplus, moved = collections.Counter(), collections.Counter(), 0
    for part in range(digest.PARTS):
        a, b = pairs(live, part), pairs(recorded, part)
        for key in a.keys() | b.keys():
            left, right = sorted(a.get(key, ())), sorted(b.get(key, ()))
            if len(left) > len(right):
                missing[key] = len(left) - len(right)
            elif len(right) > len(left):
                surplus[key] = len(right) - len(left)
            else:
                moved += sum(abs(x - y) > SAME_TIME_NS for x, y in zip(left, right))
    return missing, surplus, moved


def lines_of(lines, keys):
    """The events of these hashes."""
    return [json.loads(line) for line in lines if digest.key_of(line)[0] in keys] if keys else []


def lines_again(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        yield from program.stdout


def seconds_of(event):
    return digest.Clock().read(event["timestamp"].encode()) / 1e9


def taken_apart(event):
    """What a reader may not know, of which it says so: who listened, and how a TIME_WAIT ended, which each
    finds by snapshots of its own; and the rest."""
    rest = {k: v for k, v in event.items() if k not in ("timestamp", "opener")}
    known = [event.get("opener"), None]
    if event["event"]["action"] == "time_wait_end":
        rest["tcp"] = {k: v for k, v in event["tcp"].items() if k not in ("end", "lifetime_ns")}
        known[1] = event["tcp"]["end"] if event["tcp"]["end"] != "unknown" else None
    return json.dumps(rest, sort_keys=True), known


def half_known(lost, more):
    """What the two tell alike, but for what one of them does not know."""
    one, other = (collections.defaultdict(list), collections.defaultdict(list))
    for events, known_of in ((lost, one), (more, other)):
        for event in events:
            rest, known = taken_apart(event)
            known_of[rest].append(known)
    return {rest for rest in one.keys() & other.keys() if len(one[rest]) == len(other[rest]) == 1 and
            all(a == b or None in (a, b) for a, b in zip(one[rest][0], other[rest][0]))}


class Excuses:
    """What two readers may see otherwise: an end of a TIME_WAIT that one of them had no time to tell any
    more; what one found by a snapshot of its own, and later; what only one of them knows."""

    def __init__(self, lost, more, stopped_s):
        self.stopped_s = stopped_s
        self.found = {e["tcp"].get("cookie") for e in lost + more if e["event"].get("source") == "snapshot"}
        self.half_known = half_known(lost, more)
        self.snapshots = 0

    def forgives(self, event):
        if event["tcp"].get("cookie") in self.found:
            self.snapshots += 1
            return True
        return taken_apart(event)[0] in self.half_known or \
            event["event"]["action"] == "time_wait_end" and \
            seconds_of(event) >= self.stopped_s - ENDS_LATE_S


def check_events(live, recorded, again, stopped_s):
    missing, surplus, moved = compare(live, recorded)
    with gzip.open(f"{live}/trace.gz") as lines:
        lost = lines_of(lines, missing)
    more = lines_of(lines_again(again), surplus)
    excuses = Excuses(lost, more, stopped_s)
    lost = [e for e in lost if not excuses.forgives(e)]
    more = [e for e in more if not excuses.forgives(e)]
    check("all events are recorded as they were traced", not lost and not more,
          f"{len(lost)} are not recorded, such as {lost[:2]}; {len(more)} were not traced, such as {more[:2]}")
    check("and at their times", not moved, f"{moved} at others")
    figure(f"found by a snapshot, by one of the two: {excuses.snapshots}; "
           f"known to one of the two alone, how a TIME_WAIT ended or who listened: {len(excuses.half_known)}")
    num = sum(os.path.getsize(f"{live}/{part}") // 16 for part in range(digest.PARTS))
    check("and mostly they know the same", len(excuses.half_known) * HALF_KNOWN <= num,
          f"of {num} events {len(excuses.half_known)} are known to one of the two alone")
    return excuses.snapshots


# ---- minutes ----

def rows_of(path, sql):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(sql).fetchall()


def check_minutes(path, sums):
    found = {str(m): list(values) for m, *values in rows_of(path, "SELECT minute, sum(count), "
             "sum(tx_bytes), sum(rx_bytes), sum(lifetime_ns) FROM minute GROUP BY minute")}
    check(f"{len(found)} minutes are the sums of their events", found == sums["minutes"],
          [(m, found.get(m), sums["minutes"].get(m)) for m in found.keys() | sums["minutes"].keys()
           if found.get(m) != sums["minutes"].get(m)][:3])
    others = dict(rows_of(path, "SELECT minute, sum(count) FROM minute WHERE flow = 0 GROUP BY minute"))
    named = collections.Counter()
    for minute, action, name, count in rows_of(path, "SELECT minute, event, process, sum(count) FROM closes "
                                               "WHERE process IS NOT '~other' GROUP BY 1, 2, 3"):
        named[f"{minute} {action} {name}"] = count
    wanted = collections.Counter(sums["named"])
    check("who is named in a minute made no more than that", not named - wanted,
          list((named - wanted).items())[:3])
    rest = collections.Counter()
    for key, count in (wanted - named).items():
        rest[int(key.split()[0])] += count
    check(f"the rest is ~other's, in {len(others)} minutes", rest == collections.Counter(others),
          (dict(rest - collections.Counter(others)), dict(collections.Counter(others) - rest)))


# ---- memory ----

def check_memory(memory, seconds):
    whole = memory.most(0, 1e9)
    # What it maps are the rings, which are the kernel's.
    check("the recorder's memory is bounded", whole and whole[0] < MEMORY_MAX_KB, whole)
    figure(f"the most that it took, of its own and with what it maps: {whole[0]} and {whole[1]} kB")
    if seconds < LONG_S:
        return
    early = memory.most(SETTLED_S - 300, SETTLED_S)
    late = memory.most(seconds - 300, seconds)
    figure(f"after {SETTLED_S / 60:.0f} minutes: {early[0]} and {early[1]} kB; after "
           f"{seconds / 60:.0f}: {late[0]} and {late[1]} kB")
    check("it does not grow", all(b <= a * 1.1 + MEMORY_SLACK_KB for a, b in zip(early, late)),
          (early, late))


# ---- all of it ----

@contextlib.contextmanager
def run_load(seconds, cgroups, folder, each):
    """Until it has ended: what it made, whose servers live on within. @each is called now and then."""
    with open(f"{folder}/load.out", "wb") as out:
        load = Program("load", PYTHON, f"{HERE}/load.py", str(seconds), *cgroups, stdin=subprocess.PIPE,
                       stdout=out, folder=folder, nice=0)

    def told():
        with open(f"{folder}/load.out", encoding="utf-8") as text:
            return text.read().splitlines()

    with load:
        wait_for(lambda: told() or load.process.poll() is not None, "the load")
        begin = time.monotonic()
        while len(told()) < 2 and load.process.poll() is None:
            each(time.monotonic() - begin)
            time.sleep(0.2)
        if len(told()) < 2:
            raise RuntimeError(load.said())
        yield json.loads(told()[1])
        load.process.stdin.close()
        load.process.wait(timeout=PATIENCE_S)


def is_written(path, wanted):
    """Whether all ends that were made are in the recording."""
    time.sleep(0.5)
    count = rows_of(path, "SELECT sum(rows) FROM block")[0][0] or 0
    return count >= wanted


def play(twsnoop, seconds, folder):
    recording = f"{folder}/recording.db"
    every_s = min(LIST_EVERY_S, seconds / LISTS)
    with containers(twsnoop) as cgroups, kernel_recorder(twsnoop):
        where = ("--netns", NETNS)
        figure(f"containers: {len(cgroups)}")
        with Program("record", twsnoop, "record", "-q", *where, recording, folder=folder) as record, \
             Program("trace", twsnoop, "trace", "--all", "--json", *where, stdout=subprocess.PIPE,
                     folder=folder) as trace, \
             Program("digest", PYTHON, f"{HERE}/digest.py", f"{folder}/live", "--keep",
                     stdin=trace.process.stdout, folder=folder) as taken:
            trace.process.stdout.close()
            record.wait_said("twsnoop: recording ")
            trace.wait_said("twsnoop: tracing ")
            memory = Memory(record.process.pid)
            memory.start()
            lists = Lists(twsnoop, folder)
            next_s = [every_s / 2]

            def look(now_s):
                if now_s >= next_s[0]:
                    next_s[0] += every_s
                    lists.take()
                elif seconds >= LONG_S:
                    lists.check_next(recording, LISTED_LAG_S)

            with run_load(seconds, cgroups, folder, look) as made:
                ends = sum(made["made"].values())
                lists.take()
                wait_for(lambda: is_written(recording, ends), "all of it to be recorded")
                time.sleep(3)  # what is told late: found by a snapshot
            cpu_s = cpu_seconds(record.process.pid)
            memory.ends.set()
            stopped_s = time.time()
            status = record.stop()
            trace.stop()
            taken.process.wait(timeout=PATIENCE_S)
            judge(locals())


def judge(run):
    twsnoop, folder, recording, made = run["twsnoop"], run["folder"], run["recording"], run["made"]
    account = run["record"].account()
    check("the load did what it meant to", made["connections"] > 20 * run["seconds"] and
          not made["unexpected"], made)
    check("the recorder ends in order", run["status"] == 0, run["record"].said())
    again = [twsnoop, "trace", "--from", recording, "--all", "--json"]
    with subprocess.Popen(again, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as past:
        subprocess.run([PYTHON, f"{HERE}/digest.py", f"{folder}/recorded"], stdin=past.stdout, check=True)
    sums = {}
    for which in ("live", "recorded"):
        with open(f"{folder}/{which}/sums.json", encoding="utf-8") as text:
            sums[which] = json.load(text)
    found = {action: sums["recorded"]["actions"].get(action, 0) for action in ENDS}
    missing = sum(made["made"].values()) - sum(found.values())
    # Lost may be what other namespaces did: records that were lost cannot be asked whose they were.
    check("what was made is recorded, or counted as lost or a gap", (found == made["made"] or 0 < missing) and
          missing <= account["lost"] + account["gap"], f"made {made['made']}, recorded {found}, {account}")
    check("delivered is what can be read", account["delivered"] == sums["recorded"]["count"],
          f"{account}, {sums['recorded']['count']}")
    figure(f"made: {made['made']}; recorded: {sums['recorded']['actions']}")
    figure(f"account: {account}")
    check_events(f"{folder}/live", f"{folder}/recorded", again, run["stopped_s"])
    check_minutes(recording, sums["recorded"])
    run["lists"].check(recording)
    check("the file is sound", rows_of(recording, "PRAGMA integrity_check") == [("ok",)])
    check_memory(run["memory"], run["seconds"])
    events, took_s = sums["recorded"]["count"], run["seconds"]
    raw = rows_of(recording, "SELECT sum(bytes) FROM block")[0][0]
    figure(f"{events / took_s:.0f} events a second; processor of the recorder: "
           f"{100 * run['cpu_s'] / took_s:.2f} % of a core, {1e6 * run['cpu_s'] / events:.1f} us an event; "
           f"{raw / events:.1f} bytes an event")


def main():
    twsnoop, seconds = os.path.realpath(sys.argv[1]), float(sys.argv[2])
    keep = os.path.realpath(sys.argv[3]) if len(sys.argv) > 3 else None
    enter_namespaces()
    folder = tempfile.mkdtemp(prefix="agreement.")
    try:
        play(twsnoop, seconds, folder)
    except Exception as why:  # whatever it is: the sums are to be printed
        check("agreement", False, f"{type(why).__name__}: {why}")
    if checks.Sums.failed and keep:
        shutil.copytree(folder, keep, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(checks.finish())


main()
