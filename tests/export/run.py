#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What exporting owes a store: each event once, whatever is killed or cut; within the spool's bound, and
beyond it counted. In a network namespace of its own, with Debian's ClickHouse and a receiver for OTLP that
checks each request. otlp.py, spool.py, clickhouse.py, serving.py (`twsnoop serve`) and soak.py (all of it at
once) have the tests. As root: run.py [--seconds N] FEEDER TWSNOOP [TEST]...
Environment: CLICKHOUSE_SERVER, the server's command, if it is another one: see newer_clickhouse.py.
Prints "ok NAME" or "FAIL NAME: why" for each check, and the sums at the end."""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))

import checks  # noqa: E402
import clickhouse  # noqa: E402
import otlp  # noqa: E402
import serving  # noqa: E402
import soak  # noqa: E402
import spool  # noqa: E402
from lib import State  # noqa: E402

TESTS = [test for module in (otlp, spool, clickhouse, serving, soak)
         for name, test in vars(module).items() if name.startswith("test_")]


def own_network():
    """A network namespace with nothing but loopback, and mounts that nobody else sees."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
    checks.enter_namespaces(checks.CLONE_NEWNET | checks.CLONE_NEWNS)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--seconds"]:
        State.soak_seconds = int(arguments[1])
        arguments = arguments[2:]
    State.feeder, State.twsnoop = map(os.path.abspath, arguments[:2])
    checks.choose(TESTS, arguments[2:])
    own_network()
    with tempfile.TemporaryDirectory(prefix="twsnoop-export-") as State.scratch:
        checks.play(TESTS, arguments[2:])
        if State.clickhouse:
            State.clickhouse.kill()
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
