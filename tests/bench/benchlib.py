# SPDX-License-Identifier: GPL-2.0
"""What every section of the benchmark stands on: the load generators, the probe
that reads the kernel's BPF counters, and the tools that are measured.

Everything started here is ended here: use the classes as context managers.
"""

import atexit
import ctypes
import glob
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
BUILD = BUILD if os.path.isabs(BUILD) else os.path.join(TOP, BUILD)
OUT = os.path.join(BUILD, "tests", "bench")
TWSNOOP = os.environ.get("TWSNOOP", os.path.join(BUILD, "twsnoop"))

ATTACH_DEADLINE_S = 60
IDLE_DEADLINE_S = 20


class BenchError(Exception):
    """Something that the user can act on; said in one line."""


class Absent(BenchError):
    """Something that this build of twsnoop does not have: told, but no failure."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def program(name):
    """The path of one of the benchmark's own programs."""
    path = os.path.join(OUT, name)
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} is missing: run make -C tests/bench")
    return path


def build():
    done = subprocess.run(["make", "-s", "-C", HERE, f"BUILD={BUILD}"], check=False,
                          stdout=sys.stderr)
    if done.returncode:
        raise BenchError("the benchmark's programs do not build")


def wait_for(condition, deadline_s, every_s=0.02):
    """True as soon as condition() is, False when the deadline has passed."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


# --- processes ---------------------------------------------------------------

_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _end_with_parent():
    """In the child: should the benchmark be killed, its children end too."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """A child process that is always ended and reaped."""

    alive = []

    def __init__(self, argv, **kwargs):
        self.argv = argv
        self.popen = subprocess.Popen(argv, preexec_fn=_end_with_parent, **kwargs)
        self.pid = self.popen.pid
        Process.alive.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.stop()

    def stop(self, sig=signal.SIGINT, patience_s=15):
        """Asks, waits, then insists. Returns the exit status."""
        if self in Process.alive:
            Process.alive.remove(self)
        if self.popen.stdin:
            try:
                self.popen.stdin.close()
            except OSError:
                pass
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.send_signal(sig)
            try:
                self.popen.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe:
                pipe.close()
        return self.popen.returncode

    def cpu_ns(self):
        """CPU time of all its threads that are alive, by the scheduler's own count."""
        total = 0
        for path in glob.glob(f"/proc/{self.pid}/task/*/schedstat"):
            fields = read_text(path).split()
            total += int(fields[0]) if fields else 0
        return total

    def rss_kib(self, which="VmRSS"):
        for line in read_text(f"/proc/{self.pid}/status").splitlines():
            if line.startswith(which + ":"):
                return int(line.split()[1])
        return 0

    def wait_idle(self, quiet_s=0.3, deadline_s=IDLE_DEADLINE_S):
        """True once it has used no more than 1 % of a CPU for a while."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            before = self.cpu_ns()
            time.sleep(quiet_s)
            if self.popen.poll() is not None:
                return False
            if self.cpu_ns() - before < quiet_s * 1e7:
                return True
        return False


@atexit.register
def _end_all():
    for process in list(Process.alive):
        process.stop(signal.SIGKILL)


def cpu_busy_fraction(seconds):
    """How much of all CPUs was not idle."""
    def sample():
        fields = [int(x) for x in read_text("/proc/stat").split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]
    total, idle = sample()
    time.sleep(seconds)
    total_after, idle_after = sample()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def settle(deadline_s=8):
    """Waits until the namespaces of the last run have gone and the host is quiet."""
    end = time.monotonic() + deadline_s
    while cpu_busy_fraction(0.15) > 0.1 and time.monotonic() < end:
        pass


# --- the kernel's counters ------------------------------------------------------

class Probe(Process):
    """The empty programs, attached, and the kernel's run-time counters, on."""

    def __init__(self, *options):
        super().__init__([program("probe"), *options], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        if self.popen.stdout.readline().strip() != "ready":
            self.stop()
            raise BenchError("the empty programs cannot be attached (root? BTF?)")

    def stop(self, sig=signal.SIGTERM, patience_s=5):
        return super().stop(sig, patience_s)

    def of(self, tool_):
        """A snapshot with what belongs to the tool."""
        return tool_.snap(self) if isinstance(tool_, Ledger) else self.snap(tool_.pid)

    def snap(self, *pids):
        self.popen.stdin.write("snap " + " ".join(str(p) for p in pids) + "\n")
        self.popen.stdin.flush()
        line = self.popen.stdout.readline()
        if not line:
            raise BenchError("the probe ended")
        return json.loads(line)


class Cost:
    """What programs did between two snapshots of the probe."""

    def __init__(self, before, after, connections, pids=(), prefix=None):
        self.connections = connections
        old = {p["id"]: p for p in before["progs"]}
        self.all = [self._delta(old.get(p["id"]), p) for p in after["progs"]]
        mine = set()
        for pid in pids:
            mine.update(after["pids"].get(str(pid), {"progs": []})["progs"])
        self.progs = [p for p in self.all if p["id"] in mine or
                      (prefix and p["name"].startswith(prefix))]
        self.empty = {p["name"]: p for p in self.all
                      if p["name"] in ("empty_state", "empty_drop")}
        for p in self.progs:
            p["net_ns"] = p["run_time_ns"] - p["run_cnt"] * self._empty_ns(p)

    @staticmethod
    def _delta(old, new):
        keys = ("run_cnt", "run_time_ns", "recursion_misses")
        return {**new, **{k: new[k] - (old[k] if old else 0) for k in keys}}

    def _empty_ns(self, prog):
        """An empty run's cost on the same hook, or on the state hook if unknown."""
        drop = self.empty.get("empty_drop")
        same = drop and drop["run_cnt"] and prog["attach_btf_id"] and \
            prog["attach_btf_id"] == drop["attach_btf_id"]
        return self.empty_ns("empty_drop" if same else "empty_state")

    def empty_ns(self, name):
        empty = self.empty.get(name)
        return empty["run_time_ns"] / empty["run_cnt"] if empty and empty["run_cnt"] else 0

    def net_ns(self):
        return sum(p["net_ns"] for p in self.progs)

    def net_ns_per_connection(self):
        return self.net_ns() / max(1, self.connections)

    def runs(self):
        return sum(p["run_cnt"] for p in self.progs)

    def recursion(self):
        return sum(p["recursion_misses"] for p in self.progs)


# --- load -----------------------------------------------------------------------

class Churn(Process):
    """Connections in a namespace of their own; see churn.c."""

    def __init__(self, *options):
        super().__init__([program("churn"), *[str(o) for o in options]],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self._line()
        self.netns, self.clients = ready["netns"], set(ready["clients"])

    def stop(self, sig=signal.SIGTERM, patience_s=10):
        # The end of its stdin is what ends it in good order.
        if self.popen.poll() is None and self.popen.stdin and not self.popen.stdin.closed:
            self.popen.stdin.close()
            try:
                self.popen.wait(patience_s)
            except subprocess.TimeoutExpired:
                pass
        return super().stop(sig, patience_s)

    def _line(self):
        line = self.popen.stdout.readline()
        if not line:
            raise BenchError("the load generator failed: " + " ".join(self.argv[1:]))
        return json.loads(line)

    def go(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def result(self):
        return self._line()

    def run(self):
        self.go()
        return self.result()


# --- containers, as far as their cgroups go -----------------------------------------

def cgroup_root():
    """Where a container's cgroup would be made on this host, None if nowhere."""
    v2 = [f.split()[1] for f in read_text("/proc/mounts").splitlines()
          if f.split()[2] == "cgroup2"]
    for root in ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", *v2]:
        if os.access(os.path.join(root, "cgroup.procs"), os.W_OK):
            return root
    return None


class Cgroups:
    """Cgroups with names like those of Docker's containers."""

    def __init__(self, count):
        self.names, self.own = [], False
        if not count:
            return
        root = cgroup_root()
        if not root:
            raise Absent("no cgroup hierarchy to make containers in")
        self.dir = os.path.join(root, "docker")
        self.own = not os.path.isdir(self.dir)
        self.names = [os.path.join(self.dir, f"{i:064x}") for i in range(count)]

    def __enter__(self):
        for path in ([self.dir] if self.own else []) + self.names:
            os.mkdir(path)
        return self

    def __exit__(self, *_exc):
        for path in self.names + ([self.dir] if self.own else []):
            # A cgroup is busy until its last process has been reaped.
            wait_for(lambda p=path: self._remove(p), 5)

    @staticmethod
    def _remove(path):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


# --- the tools that are measured --------------------------------------------------

class Tool(Process):
    """One tracer. kind: its name in the tables; argv: its command line."""

    def __init__(self, kind, argv, stdout=subprocess.DEVNULL, in_tracefs=False):
        self.kind = kind
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        if in_tracefs:
            # Of its own mount namespace: the host's mounts stay as they are.
            argv = ["unshare", "-m", "sh", "-c",
                    'mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; exec "$@"',
                    "sh", *argv]
        super().__init__(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=self.log)
        try:
            self._wait_attached()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def _wait_attached(self):
        if self.kind.startswith("twsnoop"):
            def attached():
                return "twsnoop: tracing" in self.stderr() or self.popen.poll() is not None
            ok = wait_for(attached, ATTACH_DEADLINE_S)
        else:
            ok = wait_for(self._holds_program, ATTACH_DEADLINE_S)
        ok = ok and self.popen.poll() is None and self.wait_idle(0.15)
        if not ok:
            raise BenchError(f"{self.kind} does not start: {self.stderr().strip()[:300]}")

    def _holds_program(self):
        if self.popen.poll() is not None:
            return True
        return any("prog_id:" in read_text(p) for p in glob.glob(f"/proc/{self.pid}/fdinfo/*"))

    def stderr(self):
        if self.log.closed:
            return ""
        # The child shares the offset of this file: read without moving it.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode("utf-8", "replace")

    def accounting(self):
        """The last accounting line of twsnoop as a dictionary of numbers."""
        for line in reversed(self.stderr().splitlines()):
            if line.startswith("twsnoop: delivered="):
                return {k: int(v) for k, v in
                        (field.split("=") for field in line.split()[1:])}
        return {}


class Ledger(Process):
    """`twsnoop attach`: programs with no process of ours, held by a bpffs that is mounted
    in a namespace of its own. When that ends, for whatever reason, so do they."""

    kind = "twsnoop ledger"
    BEGIN = 'mount -t bpf bpf /sys/fs/bpf && "$@" >&2 && '
    SCRIPT = BEGIN + 'echo ready && read -r end'

    def __init__(self, probe=None):
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        before = self._programs(probe)
        super().__init__(["unshare", "-m", "sh", "-c", self.SCRIPT, "sh", TWSNOOP, "attach"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                         text=True)
        if self.popen.stdout.readline().strip() != "ready":
            status = self.popen.wait()
            self.stop()
            said = os.pread(self.log.fileno(), 4096, 0).decode("utf-8", "replace").strip()
            if status == 2:
                raise Absent("twsnoop has no attach: its row is left out")
            raise BenchError(f"twsnoop attach: {said[:200]}")
        self.ids = [i for i in self._programs(probe) if i not in before]

    @staticmethod
    def _programs(probe):
        return [p["id"] for p in probe.snap()["progs"]] if probe else []

    def snap(self, probe):
        """The probe's snapshot, with the ledger's programs under our process."""
        shot = probe.snap()
        shot["pids"][str(self.pid)] = {"progs": self.ids, "maps": []}
        return shot


class Readers(Ledger):
    """The same, and three `twsnoop trace` that read what it records."""

    kind = "twsnoop, 3 readers"
    SCRIPT = Ledger.BEGIN + (
        # stop() closes its input, and sends SIGINT: the readers are ended first.
        'trap : INT; pids=; dir=$(mktemp -d) && for i in 1 2 3; do '
        'timeout 900 "$1" trace --json >/dev/null 2>"$dir/$i" & pids="$pids $!"; done; '
        'for i in 1 2 3; do until grep -q "^twsnoop: tracing" "$dir/$i"; do sleep 0.05; done; '
        'done; grep -h "loading programs" "$dir"/* >&2 && exit 1; '
        'echo ready; read -r end; kill $pids; wait; rm -r "$dir"')


# The nearest that one line comes to the question: who sends the first FIN?
BPFTRACE_DROPS = "tracepoint:skb:kfree_skb { @[args->reason] = count(); }"
BPFTRACE_LINE = ("tracepoint:sock:inet_sock_set_state /args->newstate == 4/ "
                 "{ @[pid, comm] = count(); }")

KINDS = {
    "twsnoop": ([TWSNOOP, "trace", "--json"], False),
    "twsnoop, containers": ([TWSNOOP, "trace", "--json"], False),
    "twsnoop text": ([TWSNOOP, "trace"], False),
    "twsnoop --all": ([TWSNOOP, "trace", "--json", "--all"], False),
    "twsnoop filter": ([TWSNOOP, "trace", "--json", "--remote", "192.0.2.1/32:9"], False),
    "twsnoop ledger": ([TWSNOOP, "attach"], False),
    "twsnoop, 3 readers": ([TWSNOOP, "attach"], False),
    "tcpstates": (["/usr/sbin/tcpstates"], True),
    "tcplife": (["/usr/sbin/tcplife"], True),
    "bpftrace": (["/usr/bin/bpftrace", "-e", BPFTRACE_LINE], True),
    "bpftrace drops": (["/usr/bin/bpftrace", "-e", BPFTRACE_DROPS], True),
}


def tool(kind, stdout=subprocess.DEVNULL, probe=None):
    for pinned in (Ledger, Readers):
        if kind == pinned.kind:
            return pinned(probe)
    argv, in_tracefs = KINDS[kind]
    return Tool(kind, argv, stdout, in_tracefs)


_said_absent = set()


def available(kinds):
    """Those of the kinds whose program is installed; says once which are not."""
    found = []
    for kind in kinds:
        path = KINDS[kind][0][0]
        if shutil.which(path):
            found.append(kind)
        elif path not in _said_absent:
            _said_absent.add(path)
            say(f"bench: {path} is not there; left out")
    return found


# --- figures ----------------------------------------------------------------------

def spread(values):
    """Median, range, and the middle half."""
    sample = sorted(values)
    return {"median": statistics.median(sample), "min": sample[0], "max": sample[-1],
            "low": sample[len(sample) // 4], "high": sample[3 * len(sample) // 4],
            "n": len(sample)}


MANY = 12  # runs, of which a guest's hypervisor may have spoiled some


def show(s, digits=0):
    """The median and the range; of many runs the middle half."""
    if not s:
        return "-"
    low, high = (s["low"], s["high"]) if s.get("n", 0) >= MANY else (s["min"], s["max"])
    return f"{s['median']:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


tables = []  # (title, head, rows, left) of all that were printed


def table(title, head, rows, left=(0,)):
    """Columns wide enough for what stands in them; those of @left to the left."""
    rows = [[str(c) for c in row] for row in rows]
    tables.append((title.strip(), head, rows, left))
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}")
    for row in [head, *rows]:
        cells = [c.ljust(w) if i in left else c.rjust(w)
                 for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()


def markdown(head, rows, left=(0,)):
    """The same as lines of Markdown."""
    rules = ["---" if i in left else "---:" for i in range(len(head))]
    rows = [[c.replace("|", "\\|") for c in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, rules, *rows]]


def machine():
    model = next((line.split(":", 1)[1].strip() for line in
                  read_text("/proc/cpuinfo").splitlines() if line.startswith("model name")),
                 platform.machine())
    mem = next((int(line.split()[1]) for line in read_text("/proc/meminfo").splitlines()
                if line.startswith("MemTotal")), 0)
    virt = "virtual" if "hypervisor" in read_text("/proc/cpuinfo") else "bare metal or unknown"
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "arch": platform.machine(), "memory_gib": round(mem / 1048576, 1), "host": virt}
