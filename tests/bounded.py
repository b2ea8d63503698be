#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs a command in a session of its own, for so many seconds at most, and leaves nothing of it behind:
whatever it has started, in whichever session, is this one's to end.

usage: bounded.py [--nice N | --idle] SECONDS COMMAND...
--idle: it gets no more than what others leave of the processors. After a SIGUSR1 it gets as much as this one.
The last line is what all of it took of the processors. The status is the command's; 124 if it took too long;
128 and the signal if this was ended by one. The first SIGINT, SIGTERM or SIGHUP lets all of them clean up, a
second SIGINT does not.
"""
import argparse
import ctypes
import os
import resource
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
# How long what is asked to end may take, by SIGINT first: as at a terminal, where most clean up.
ASKED = ((signal.SIGINT, 8), (signal.SIGTERM, 3))
LINGER_S = 3  # how long what a command leaves may take to end by itself
LIBC = ctypes.CDLL(None)


def processes():
    """Parent, state and name of each."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                text = stat.read()
        except OSError:
            continue
        comm, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        found[int(name)] = int(rest[1]), rest[0], comm
    return found


def descendants():
    """Those that live, or wait for us to reap them, and their names."""
    known = processes()
    children = {}
    for pid, (parent, _, _) in known.items():
        children.setdefault(parent, []).append(pid)
    found, next_ones = {}, [os.getpid()]
    while next_ones:
        for pid in children.get(next_ones.pop(), ()):
            next_ones.append(pid)
            if known[pid][1] not in "ZX" or known[pid][0] == os.getpid():
                found[pid] = known[pid][2]
    return found


def ignores(pid, which):
    """As what a shell starts in the background does SIGINT."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
        ignored = [line.split()[1] for line in status if line.startswith("SigIgn:")]
    return bool(ignored and int(ignored[0], 16) >> (which - 1) & 1)


def send(pids, which):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGTERM if which == signal.SIGINT and ignores(pid, which) else which)
        except OSError:
            pass


def make_equal(pids):
    """To this one, for the processors."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setscheduler(int(task), os.SCHED_OTHER, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, int(task), niceness)
            with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as group:
                group.write(str(niceness))
        except OSError:  # it has ended, or nobody may, or there are no such groups
            pass


class Command:
    def __init__(self, words, niceness, idle):
        self.status = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.become(words, niceness, idle)
            except OSError as why:
                print(f"bounded.py: {words[0]}: {why.strerror}", file=sys.stderr, flush=True)
            finally:
                os._exit(127)

    @staticmethod
    def become(words, niceness, idle):
        os.setsid()
        if niceness:
            os.nice(niceness)
            try:  # where the kernel groups processes by session, this one counts
                with open("/proc/self/autogroup", "w", encoding="ascii") as group:
                    group.write(str(niceness))
            except OSError:
                pass
        if idle:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        # As a shell at a terminal leaves them: tests are of what each does by default.
        for which in (*SIGNALS, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(which, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(words[0], words)

    def reap(self):
        """Its end, and that of each that nobody else waits for."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.pid:
                self.status = os.waitstatus_to_exitcode(status)

    def await_end(self, until):
        """Until the command has ended, or a signal came: that; or it is too late."""
        while self.status is None:
            left = until - time.monotonic()
            if left <= 0:
                return None
            got = signal.sigtimedwait({*SIGNALS, signal.SIGCHLD, signal.SIGUSR1}, left)
            self.reap()
            if got and got.si_signo == signal.SIGUSR1:
                for _ in range(2):  # what they start meanwhile, too
                    make_equal(descendants())
            if got and got.si_signo in SIGNALS:
                return got.si_signo
        return None

    def are_gone(self, seconds):
        """All of them, within that time. A SIGINT meanwhile is enough waiting."""
        until = time.monotonic() + seconds
        while True:
            self.reap()
            if not descendants():
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            got = signal.sigtimedwait({signal.SIGINT, signal.SIGCHLD}, min(left, 0.1))
            if got and got.si_signo == signal.SIGINT:
                return False

    def end(self):
        # A terminal's goes to all at once, and to who started this, who may pass it on.
        time.sleep(0.2)
        while signal.sigtimedwait(SIGNALS, 0):
            pass
        make_equal(descendants())  # so that they clean up soon
        for which, seconds in ASKED:
            send(descendants(), which)
            if self.are_gone(seconds):
                return
        self.kill()

    def kill(self):
        """Also those that they start meanwhile; but what hangs in the kernel is not waited for."""
        for _ in range(100):
            send(descendants(), signal.SIGKILL)
            if self.are_gone(0.1):
                return


def say_processor_time():
    """Of those that somebody has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time: {used.ru_utime + used.ru_stime:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--idle", action="store_true")
    parser.add_argument("seconds", type=int)
    parser.add_argument("command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    for which in SIGNALS:
        # Whoever starts this in the background, or by nohup, has it ignore some.
        if which != signal.SIGHUP or signal.getsignal(which) != signal.SIG_IGN:
            signal.signal(which, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGCHLD, signal.SIGUSR1})
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    command = Command([args.command, *args.arguments], 19 if args.idle else args.nice, args.idle)
    got = command.await_end(time.monotonic() + args.seconds)
    if command.status is None:
        command.end()
        say_processor_time()
        return 128 + got if got else 124
    if not command.are_gone(LINGER_S):
        left = descendants()
        if left:
            print("left behind: " + ", ".join(f"{name} ({pid})" for pid, name in sorted(left.items())),
                  flush=True)
        send(left, signal.SIGTERM)
        if not command.are_gone(2):
            command.kill()
    say_processor_time()
    return command.status if command.status >= 0 else 128 - command.status


if __name__ == "__main__":
    sys.exit(main())
