# SPDX-License-Identifier: GPL-2.0
"""What the tests in Python share: verdicts and their sums, tests by name, waiting for conditions, programs and
processes that do not outlive the test, namespaces, something to close."""
import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
NETNS = "/proc/self/ns/net"
PATIENCE_S = 120  # with a loaded machine; nothing waits for so long else
WHY_CHARS = 2000


# ---- verdicts ----

class Sums:
    passed = failed = skipped = 0
    lock = threading.Lock()


def check(name, good, why=""):
    with Sums.lock:
        if good:
            Sums.passed += 1
            print(f"ok {name}", flush=True)
        else:
            Sums.failed += 1
            print(f"FAIL {name}: {' '.join(str(why or 'not so').split())[:WHY_CHARS]}", flush=True)
    return good


def skip(name, why):
    with Sums.lock:
        Sums.skipped += 1
        print(f"skip {name}: {why}", flush=True)


def finish():
    """The sums, in the last line; the exit status."""
    skips = f", {Sums.skipped} skipped" if Sums.skipped else ""
    print(f"{Sums.passed} passed, {Sums.failed} failed{skips}")
    return int(Sums.failed > 0)


def name_of(test):
    return test.__name__.removeprefix("test_")


def choose(tests, wanted):
    """Those that were asked for by their names, all if none was. A name that none has ends the program."""
    names = {name_of(test): test for test in tests}
    wanted = [name.removeprefix("test_") for name in wanted]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        print(f"{sys.argv[0]}: no test is called {', '.join(unknown)}: there are {' '.join(names)}",
              file=sys.stderr)
        sys.exit(2)
    return [test for name, test in names.items() if not wanted or name in wanted]


def play(tests, wanted, before=None):
    """Those that were asked for, each after @before(). Whatever goes wrong in one, the others are run."""
    for test in choose(tests, wanted):
        begin = time.monotonic()
        try:
            if before:
                before()
            test()
        except Exception as why:  # pylint: disable=broad-except
            traceback.print_exc()
            check(name_of(test), False, f"{type(why).__name__}: {why}")
        print(f"   {name_of(test)}: {time.monotonic() - begin:.1f} s", flush=True)


# ---- waiting ----

def wait_for(condition, what, seconds=PATIENCE_S):
    """Until it is true; what it gave. @what may be a function, called when it was in vain."""
    until = time.monotonic() + seconds
    while not (got := condition()):
        if time.monotonic() > until:
            raise TimeoutError(what() if callable(what) else what)
        time.sleep(0.05)
    return got


# ---- processes ----

def die_with_parent():
    """Nothing is left behind, whatever ends this. It is the thread that counts, not the process."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def set_name(name):
    LIBC.prctl(PR_SET_NAME, name if isinstance(name, bytes) else name.encode())


@contextlib.contextmanager
def forked(work, *arguments, name="worker", waits=True):
    """A process of that name that does it, which is waited for, and lives on until the end: whoever reads
    of it can still ask who it is. Gives its PID."""
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
        if waits and not os.read(done, 1):
            raise RuntimeError(f"{name} ended")
        yield pid
    finally:
        os.close(done)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Program:
    """In the background; it has begun once it says so on stderr, or once @begun() is true."""

    def __init__(self, arguments, began=None, begun=None, stdout=subprocess.DEVNULL, **more):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=stdout,
                                        stderr=self.errors, preexec_fn=die_with_parent, **more)
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

    def account(self):
        line = [l for l in self.said().splitlines() if l.startswith("twsnoop: delivered=")][-1]
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}

    def send(self, which):
        self.process.send_signal(which)

    def stop(self, which=signal.SIGTERM):
        self.send(which)
        return self.process.wait(timeout=PATIENCE_S)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.errors.close()


# ---- namespaces ----

def enter_namespaces(flags):
    """New ones of these kinds, in which loopback is up and mounts are seen by nobody else."""
    if LIBC.unshare(flags):
        sys.exit(f"{sys.argv[0]}: needs root, for namespaces of its own")
    if flags & CLONE_NEWNS:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    if flags & CLONE_NEWNET:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextlib.contextmanager
def mounted(where, *arguments):
    os.makedirs(where, exist_ok=True)
    subprocess.run(["mount", *arguments, where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def sysctl(name, value):
    """Of IPv4, in this network namespace; what it was before."""
    with open(f"/proc/sys/net/ipv4/{name}", "r+", encoding="ascii") as file:
        before = file.read().strip()
        file.seek(0)
        file.write(str(value))
    return before


# ---- something to see ----

def connect_and_close(listener):
    """The client closes first: one TIME_WAIT, on its side, and a passive close on the other."""
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    ours.send(b"x" * 100)
    ours.shutdown(socket.SHUT_WR)
    while theirs.recv(100):
        pass
    theirs.close()
    ours.recv(1)
    ours.close()


def make_closes(num):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for _ in range(num):
            connect_and_close(listener)


def make_failures(num):
    """connect() that nobody answers to."""
    for _ in range(num):
        with socket.socket() as s:
            s.connect_ex(("127.0.0.1", 1))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]
