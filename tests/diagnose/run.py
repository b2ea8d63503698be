#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whether `twsnoop diagnose` finds what is wrong, and is silent where nothing is.

Each situation is made in network namespaces of its own, and is told by one recorder, so that several
are played at once: situations.py has what a few lines of Python make of it, proxies.py, stores.py and
clients.py what real programs do. facts.py tries what is advised with the programs that it is about.

usage: run.py TWSNOOP [NAME]...      ends with "N passed, N failed[, N skipped]"
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))

import checks  # noqa: E402
from checks import wait_for  # noqa: E402

AT_ONCE = 4
CGROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup")
DEADLINE_S = checks.PATIENCE_S
SCREEN = 24, 80  # lines of so many columns


def run(*command, check=True, **more):
    return subprocess.run(command, check=check, text=True, stdin=subprocess.DEVNULL, **more)


class Skip(Exception):
    """Why a situation cannot be made on this machine."""


class Wrong(Exception):
    """What twsnoop said, and should not have said."""


class Place:
    """Two namespaces, "a" (10.9.0.1, where it is looked) and "b" (10.9.0.2), joined by a pair of
    devices; what is started in them ends with it."""

    def __init__(self, twsnoop, number):
        self.twsnoop = twsnoop
        self.names = {side: f"twsdiag{os.getpid()}.{number}{side}" for side in "ab"}
        self.programs = []
        self.cgroups = []
        self.last = None  # how it was last asked for a verdict
        self.folder = f"/tmp/twsdiag.{os.getpid()}.{number}"
        os.mkdir(self.folder)
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.names["a"], "link", "add", "eth0", "type", "veth", "peer", "name",
            "eth0", "netns", self.names["b"])
        for side, host in (("a", 1), ("b", 2)):
            run("ip", "-n", self.names[side], "addr", "add", f"10.9.0.{host}/24", "dev", "eth0")
            run("ip", "-n", self.names[side], "link", "set", "eth0", "up")
        self.begin()

    def begin(self):
        """What was before is no part of this: namespaces get the numbers of those that have gone."""
        self.since = int(time.time()) + 1
        time.sleep(max(0, self.since - time.time()))

    def inside(self, side, *command, **more):
        return run("ip", "netns", "exec", self.names[side], *command, **more)

    def sysctl(self, side, name, value):
        try:
            self.inside(side, "sysctl", "-qw", f"{name}={value}", stderr=subprocess.PIPE)
        except subprocess.CalledProcessError as error:
            raise Skip(f"this kernel has no {name}: {error.stderr.strip()}") from None

    def start(self, side, *command, wait_ready=False, **more):
        program = subprocess.Popen(
            ("ip", "netns", "exec", self.names[side], *command), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if wait_ready else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, **more)
        self.programs.append(program)
        if wait_ready and program.stdout.readline().strip() != "ready":
            raise RuntimeError(f"did not start: {command}")
        return program

    def actor(self, side, name, what, **args):
        return self.start(side, sys.executable, f"{HERE}/actor.py", name, what,
                          *(f"{key}={value}" for key, value in args.items()), wait_ready=True)

    def contain(self, program):
        """As far as cgroups go it is a container of Docker's from now on; its id."""
        container = os.urandom(32).hex()
        root = next((root for root in CGROUPS if os.access(f"{root}/cgroup.procs", os.W_OK)), None)
        if not root:
            raise Skip("there is no cgroup hierarchy to make containers in")
        self.cgroups.append(f"{root}/docker-{container}.scope")
        os.mkdir(self.cgroups[-1])
        with open(f"{self.cgroups[-1]}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(program.pid))
        return container

    def take_name(self, side):
        """Of a namespace: as a container's it has none, and is there for as long as its processes. What
        is started in it, is started before."""
        run("ip", "netns", "del", self.names.pop(side))

    def file(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def await_port(self, side, port):
        wait_for(lambda: self.inside(side, "ss", "-Htln", f"sport = :{port}",
                                     stdout=subprocess.PIPE).stdout, f"nobody listens on port {port}")

    def await_file(self, path):
        wait_for(lambda: os.path.exists(path), f"no {path}")

    def await_line(self, program, line):
        """Of an actor that tells how far it is."""
        for said in program.stdout:
            if said.strip() == line:
                return
        raise RuntimeError(f"ended without saying {line}")

    def await_closes(self, side, num):
        """As many TIME_WAITs, by the kernel's table."""
        def there():
            return self.inside(side, "ss", "-Htan", "state", "time-wait",
                               stdout=subprocess.PIPE).stdout.count("\n")
        wait_for(lambda: there() >= num, lambda: f"{there()} TIME_WAITs in {side}, not {num}")

    @staticmethod
    def end(program):
        os.killpg(program.pid, 9)
        program.wait()

    def end_time_waits(self, side):
        """Before their minute is over."""
        def are_there():
            return self.inside(side, "ss", "-Htan", "state", "time-wait", stdout=subprocess.PIPE).stdout

        self.inside(side, "ss", "-K", "-tan", "state", "time-wait", stdout=subprocess.DEVNULL)
        if are_there():
            raise Skip("this kernel ends no TIME_WAIT before its time")

    def await_end(self, program):
        if program.wait(DEADLINE_S):
            raise RuntimeError(f"ended with {program.returncode}: {program.args}")

    def finds(self, *what, side="a", more=(), **which):
        """Looks until there is one as Findings.has() has it; all of that verdict."""
        until = time.monotonic() + DEADLINE_S
        while True:
            found = self.diagnose(side, *more)
            try:
                found.has(*what, **which)
                return found
            except Wrong:
                if time.monotonic() > until:
                    raise

    def ask(self, *words):
        return run(self.twsnoop, "diagnose", "--since", f"@{self.since}", "--no-names", *words,
                   check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def diagnose(self, side="a", *more):
        """What it finds of one side (None: everywhere), since the place was made."""
        where = ("--netns", f"/run/netns/{self.names[side]}") if side else ()
        self.last = *where, *more
        result = self.ask("--json", *self.last)
        if result.returncode not in (0, 3, 4):
            raise Wrong(f"status {result.returncode}: {result.stderr.strip()}")
        verdict = json.loads(result.stdout)
        expected = {"ok": 0, "notice": 0, "warning": 3, "critical": 4}[verdict["severity"]]
        if result.returncode != expected:
            raise Wrong(f"status {result.returncode} with {verdict['severity']}")
        return Findings(verdict)

    def check_text(self):
        """As a person reads what was asked last: the sentence first, and all of it in one screen."""
        if not self.last:
            return
        rows, columns = SCREEN
        text = self.ask(*self.last).stdout
        lines = text.splitlines()
        if sum(-(-max(1, len(line)) // columns) for line in lines) >= rows:  # one is the shell's
            raise Wrong(f"{len(lines)} lines: {text}")
        if not re.match(r"\S.*\n(\S.*\n)?\n[A-Z]+ [a-z-]+ \([a-z ]+\)\n(  [^ ].*\n)+  Evidence ", text):
            raise Wrong(f"not the sentence first: {text}")

    @staticmethod
    def remove_cgroup(path):
        """It is busy until its last process has gone."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            try:
                os.rmdir(path)
                return
            except OSError:
                time.sleep(0.05)

    def close(self):
        for program in self.programs:
            try:
                os.killpg(program.pid, 9)
            except ProcessLookupError:
                pass
            program.wait()
        for path in self.cgroups:
            self.remove_cgroup(path)
        for name in self.names.values():
            pids = run("ip", "netns", "pids", name, check=False, stdout=subprocess.PIPE).stdout
            for pid in pids.split():
                try:
                    os.kill(int(pid), 9)
                except ProcessLookupError:
                    pass
            run("ip", "netns", "del", name, check=False)
        run("rm", "-rf", self.folder)


class Findings:
    """With the words that tests are written in."""

    def __init__(self, verdict):
        self.verdict = verdict
        self.all = verdict["findings"]

    def __str__(self):
        """Of a line that is cut off its begin is left: so which there are and of whom, what the account says,
        and the numbers that they go by, come before the sentences."""
        def name(f):
            return f"{f['severity']} {f['id']} {f.get('process', {}).get('name', '')}".rstrip()

        def numbers(counts):
            return " ".join(f"{key}={value}" for key, value in counts.items())

        lost = {key: num for key, num in self.verdict["account"].items() if num or key == "lost"}
        return " | ".join((", ".join(map(name, self.all)), numbers(lost),
                           *(f"{f['id']}: {numbers(f['evidence'])}" for f in self.all),
                           *(f["sentence"] for f in self.all)))

    def has(self, finding_id, severity=None, process=None, says=None, peer=None):
        """There is one with all of these; @says: somewhere in its sentence, or what helps."""
        for f in self.all:
            words = " ".join([f["sentence"], f.get("avoid", ""), *f["remedy"]])
            if (f["id"] == finding_id and severity in (None, f["severity"]) and
                    process in (None, f.get("process", {}).get("name")) and
                    (says is None or says in words) and
                    (peer is None or f["network"].get("peer", {}).get("port") == peer)):
                return
        wanted = (severity, finding_id, process, peer and f"port {peer}", says)
        raise Wrong(f"no {' '.join(str(word) for word in wanted if word)} in: {self}")

    def lacks(self, *ids):
        for f in self.all:
            if f["id"] in ids:
                raise Wrong(f"{f['id']} in: {self}")

    def notes(self, finding_id, text):
        """The evidence of that one says so."""
        for f in self.all:
            if f["id"] == finding_id and text in json.dumps(f["evidence"]):
                return
        raise Wrong(f"no {text} in: {self}")

    def command(self, finding_id, setting):
        """What is to be typed to set it."""
        for f in self.all:
            for step in f["remedy"] if f["id"] == finding_id else ():
                found = re.search(rf"((nsenter \S+ (\d+ -n )?)?sysctl -w {setting}=('[^']*'|\d+))", step)
                if found:
                    return found.group(1)
        remedies = [step for f in self.all for step in f["remedy"]]
        raise Wrong(f"no command for {setting} in: {self} | {remedies}")

    def is_harmless(self):
        if self.verdict["severity"] not in ("ok", "notice"):
            raise Wrong(f"{self.verdict['severity']}: {self}")


SITUATIONS = []
LEFT = []  # folders that several use: removed when all is over


def situation(function):
    """A function that gets a place, makes the situation, and judges."""
    SITUATIONS.append(function)
    return function


def play(twsnoop, number, function):
    place = None
    try:
        if not getattr(function, "placeless", False):
            place = Place(twsnoop, number)
        function(place)
        if place:
            place.check_text()
        checks.check(function.__name__, True)
    except Skip as why:
        checks.skip(function.__name__, why)
    except Wrong as why:
        checks.check(function.__name__, False, why)
    except Exception as why:  # whatever it is, the others go on
        checks.check(function.__name__, False, f"{type(why).__name__}: {why} | {traceback.format_exc()}")
    finally:
        if place:
            place.close()


def play_all(twsnoop, names):
    chosen = checks.choose(SITUATIONS, names)
    together = [f for f in chosen if not getattr(f, "alone", False)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda at: play(twsnoop, *at), enumerate(together)))
    for number, function in enumerate(f for f in chosen if f not in together):
        play(twsnoop, len(together) + number, function)
    return checks.finish()


def main():
    twsnoop, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if os.geteuid():
        print("skip diagnose: needs root\n0 passed, 0 failed, 1 skipped")
        return 0
    if os.environ.get("TWSNOOP_DIAGNOSE_INSIDE") != "1":
        # a recorder of its own, in a bpffs that nobody else sees
        env = {**os.environ, "TWSNOOP_DIAGNOSE_INSIDE": "1"}
        os.execvpe("unshare", ["unshare", "-m", "--propagation", "slave", sys.executable, *sys.argv],
                   env)
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    run(twsnoop, "attach", "--all", "--syscalls", "--size", "262144", stdout=subprocess.DEVNULL)
    try:
        import situations  # noqa: F401: they fill SITUATIONS
        import proxies  # noqa: F401
        import stores  # noqa: F401
        import clients  # noqa: F401
        import facts  # noqa: F401
        return play_all(twsnoop, names)
    finally:
        run("rm", "-rf", *LEFT)
        run(twsnoop, "detach", stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # situations.py imports this very module
    sys.path.insert(0, HERE)
    sys.exit(main())
