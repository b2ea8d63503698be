# SPDX-License-Identifier: GPL-2.0
"""What the tests of packages share, beside checks.py: commands, this tree."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import checks

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (TOP / os.environ.get("BUILD", "build")).resolve()


class Skip(Exception):
    """This machine cannot have it."""


class Verdicts:
    """What each test is given."""
    check = staticmethod(checks.check)
    skip = staticmethod(checks.skip)

    def equal(self, name, got, wanted):
        return self.check(name, got == wanted, f"{got!r}, not {wanted!r}")


def run(*command, check=True, **more):
    """The finished process, its output as text; raises with that output if it failed."""
    done = subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))[:200]}: status {done.returncode}: "
                           f"{(done.stdout + done.stderr)[-600:]}")
    return done


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def version():
    """Of this tree: packaging/deb/changelog is its one place."""
    line = (TOP / "packaging/deb/changelog").read_text().splitlines()[0]
    return re.match(r"twsnoop \((\S+)\) ", line).group(1)


def make(*targets, **more):
    """This tree's make, with the compilers that the tests were called with."""
    words = [f"{name}={os.environ[name]}" for name in ("CC", "CLANG") if os.environ.get(name)]
    env = {name: value for name, value in os.environ.items()
           if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD", "CC", "CLANG")}
    return run("make", "--no-print-directory", *words, *targets, env=env, **more)


def scratch():
    return tempfile.TemporaryDirectory(prefix="twsnoop-packages-")
