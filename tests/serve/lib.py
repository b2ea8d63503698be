# SPDX-License-Identifier: GPL-2.0
"""What the tests of `twsnoop serve` share: checks, processes that close connections, the programs, and
reading metrics."""
import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
NETNS = "/proc/self/ns/net"
PATIENCE_S = 120
LABEL = re.compile(r'([a-z0-9_]+)="((?:[^"\\]|\\.)*)"')


class State:
    passed = failed = skipped = 0
    twsnoop = scratch = None


def check(name, good, why=""):
    if good:
        State.passed += 1
        print(f"ok {name}", flush=True)
    else:
        State.failed += 1
        why = str(why or "not so").replace("\n", "; ")[:600]
        print(f"FAIL {name}: {why}", flush=True)
    return good


def skip(name, why):
    State.skipped += 1
    print(f"skip {name}: {why}", flush=True)


def wait_for(condition, what, seconds=PATIENCE_S):
    """Until it is true; what it gave. @what may be a function, called when it was in vain."""
    until = time.monotonic() + seconds
    while not (got := condition()):
        if time.monotonic() > until:
            raise TimeoutError(what() if callable(what) else what)
        time.sleep(0.05)
    return got


def die_with_parent():
    """Nothing is left behind, whatever ends this."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# ---- something to count ----

def connect_and_close(listener):
    """The client closes first: one TIME_WAIT, on its side."""
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    ours.close()
    theirs.recv(1)
    theirs.close()


def make_closes(num):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for _ in range(num):
            connect_and_close(listener)


def make_failures(num):
    for _ in range(num):
        with socket.socket() as s:
            s.connect_ex(("127.0.0.1", 1))


def set_name(name):
    LIBC.prctl(PR_SET_NAME, name.encode())


@contextlib.contextmanager
def forked(work, *arguments, name="worker", waits=True):
    """A process of that name that does it, which is waited for, and lives on until the end."""
    done, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent()
            set_name(name)
            work(*arguments)
            os.write(tell, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert not waits or os.read(done, 1), f"{name} ended"
        yield
    finally:
        os.close(done)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# ---- programs ----

class Program:
    """In the background; it has begun once it says so on stderr, or once @begun() is true."""

    def __init__(self, arguments, began=None, begun=None, **more):
        self.errors = tempfile.TemporaryFile(dir=State.scratch)
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.errors,
                                        preexec_fn=die_with_parent, **more)
        begun = begun or (lambda: re.search(began, self.said()))
        try:
            wait_for(lambda: begun() or self.process.poll() is not None,
                     lambda: f"{arguments[0]} to begin: {self.said()[-300:]}")
            if self.process.poll() is not None:
                raise RuntimeError(f"{' '.join(arguments)}: {self.said()[-500:]}")
        except BaseException:
            self.end()
            raise

    def said(self):
        return os.pread(self.errors.fileno(), 1 << 22, 0).decode(errors="replace")

    def wait_said(self, what):
        wait_for(lambda: re.search(what, self.said()), lambda: f"'{what}' in: {self.said()}")

    def stop(self, which=signal.SIGTERM):
        self.process.send_signal(which)
        self.process.wait(timeout=PATIENCE_S)
        return self.process.returncode

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.errors.close()


class Serve(Program):
    """twsnoop serve, at a port that was free."""

    def __init__(self, *arguments, twsnoop=None, own=True):
        own = ("--own",) if own else ()
        super().__init__([twsnoop or State.twsnoop, "serve", *own, "--netns", NETNS, "--no-names",
                          "--listen", "127.0.0.1:0", *arguments], r"metrics at http")
        self.url = re.search(r"metrics at (https?://[^ /]+)/metrics", self.said())[1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = Client(self.port)
        self.get = self.client.get

    def metrics(self):
        return Metrics(self.get()[2].decode())

    def wait_value(self, name, value, **labels):
        """Until the sum of a metric's samples is it, or more: then the metrics."""
        last = [None]

        def reached():
            last[0] = self.metrics()
            return last[0].sum(name, **labels) >= value
        wait_for(reached, lambda: f"{name}{labels} is {last[0].sum(name, **labels)}, not {value}; lost "
                 f"{last[0].sum('twsnoop_events_lost_total')}; {self.said()[-300:]}")
        return last[0]

    def account(self):
        line = [l for l in self.said().splitlines() if l.startswith("twsnoop: delivered=")][-1]
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}

    def __exit__(self, *_):
        self.client.close()
        super().__exit__()

    def memory_kib(self, what="RssAnon"):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(rf"{what}:\s+(\d+)", f.read())[1])


class Metrics:
    """A scrape, in either format."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name, _, labels = name.partition("{")
                self.samples.append((name, dict(LABEL.findall(labels)), float(value)))

    def of(self, name, **labels):
        return [(l, v) for n, l, v in self.samples
                if n == name and all(l.get(k) == w for k, w in labels.items())]

    def sum(self, name, **labels):
        return sum(v for _, v in self.of(name, **labels))

    def names(self):
        """Of all samples that there can be: those of a histogram, too."""
        names = set()
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M):
            names |= {name + s for s in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        return names


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Client:
    """Keeps its connection: each that it would close is one more TIME_WAIT to be counted."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def get(self, path="/metrics", headers=None, method="GET"):
        """Status, headers, body. Raises OSError if nobody is there."""
        for again in True, False:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                             timeout=PATIENCE_S)
            try:
                self.connection.request(method, path, headers=headers or {})
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.HTTPException, OSError) as e:
                self.close()
                if not again:
                    raise OSError(str(e)) from e

    def ask_json(self, path, **query):
        """What an engine's API answers; None: it does not, yet."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        try:
            return json.loads(self.get(path)[2])
        except (OSError, ValueError):
            return None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


@contextlib.contextmanager
def mounted(where, *arguments):
    os.makedirs(where, exist_ok=True)
    subprocess.run(["mount", *arguments, where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)
