# SPDX-License-Identifier: GPL-2.0
"""A program in a terminal: a pty, and a model of what its screen shows (pyte)."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

from checks import PATIENCE_S


class Screen(pyte.Screen):
    """Does not pass over the letters that some terminals know and pyte does not."""

    def report_device_status(self, *_args, **_kwargs):
        pass


class Terminal:
    def __init__(self, argv, width=80, height=24, env=None, unset=()):
        self.screen = Screen(width, height)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.status = None
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})}
        environment.pop("NO_COLOR", None) if not (env or {}).get("NO_COLOR") else None
        for name in unset:
            environment.pop(name, None)
        self.master, slave = pty.openpty()
        self.resize(width, height)
        self.modes = termios.tcgetattr(slave)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(slave, fd)
                os.closerange(3, 256)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
                os.execvpe(argv[0], argv, environment)
            finally:
                os._exit(127)
        self.slave = slave  # kept, so that its modes can be asked for when all is over

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, width, height):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.screen.resize(height, width)

    def type(self, keys):
        os.write(self.master, keys if isinstance(keys, bytes) else keys.encode())

    def read(self, seconds=0.05):
        """What has come, for so long at most."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def until(self, condition, seconds=PATIENCE_S):
        """Reads until the condition holds; whether it does."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or (self.poll() is not None and not self.read()):
                return bool(condition())
            self.read()
        return True

    def until_shown(self, text, seconds=PATIENCE_S):
        return self.until(lambda: any(text in line for line in self.screen.display), seconds)

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, seconds=PATIENCE_S):
        """The exit status; None: it goes on."""
        self.until(lambda: self.poll() is not None, seconds)
        while self.read():
            pass
        return self.status

    def end(self, number=signal.SIGTERM):
        os.kill(self.pid, number)
        return self.wait()

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def modes_are_back(self):
        return termios.tcgetattr(self.slave) == self.modes
