#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Of a trace in JSON what it takes to hold it against another one, in little memory.

    trace --json | digest.py FOLDER [--keep]

Into FOLDER: files of pairs (a hash of all that is said of an event but when it was, and when it was; 0
where each reader infers that by itself), parted by the hash; sums.json: the sums of each minute, in all and by what was seen of whom; with --keep
trace.gz, so that what differs can be shown.
"""
import array
import datetime
import gzip
import hashlib
import json
import os
import re
import sys

PARTS = 64
FLUSH_AT = 4096  # pairs
BEGIN = b'{"timestamp":"'
SECOND_LEN = len("2026-11-29T03:12:00")
# Who lives for a moment can be asked for its command line by only one of two readers.
BRIEF = b'"name":"brief-'
# These ends no event tells: that a socket is gone, and when its timer was to end, a reader has from
# snapshots of its own.
INFERRED = (b'"end":"expired"', b'"end":"purged"', b'"end":"unknown"')
LIFETIME = re.compile(rb'"lifetime_ns":\d+,?')


def is_inferred(text):
    return any(end in text for end in INFERRED)


def key_of(line):
    """All that is said of an event, but for when it was."""
    start = line.index(b'",', len(BEGIN))
    text = line[start:].rstrip(b"\n")
    if is_inferred(text):
        text = LIFETIME.sub(b"", text)
    if BRIEF in text:
        event = json.loads(b"{" + text[2:])
        for who in ("process", "opener"):
            event.get(who, {}).pop("command_line", None)
        text = json.dumps(event, sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"), start


class Clock:
    """Times of JSON to nanoseconds; most of them are of the second of the one before."""

    def __init__(self):
        self.text, self.base_ns = b"", 0

    def read(self, stamp):
        if stamp[:SECOND_LEN] != self.text:
            self.text = stamp[:SECOND_LEN]
            second = datetime.datetime.fromisoformat(self.text.decode() + "+00:00")
            self.base_ns = int(second.timestamp()) * 1000000000
        return self.base_ns + int(stamp[SECOND_LEN + 1:-1].ljust(9, b"0"))


class Sums:
    """By the minute: all of it; by action and process; ~other is not known here."""

    def __init__(self):
        self.minutes, self.named, self.actions = {}, {}, {}

    def add(self, line, time_ns):
        event = json.loads(line)
        tcp = event.get("tcp", {})
        action = event["event"]["action"]
        minute = time_ns // 60000000000
        sums = self.minutes.setdefault(minute, [0, 0, 0, 0])
        sums[0] += 1
        sums[1] += tcp.get("tx_bytes", 0)
        sums[2] += tcp.get("rx_bytes", 0)
        sums[3] += tcp.get("lifetime_ns", 0)
        name = f"{minute} {action} {event.get('process', {}).get('name')}"
        self.named[name] = self.named.get(name, 0) + 1
        self.actions[action] = self.actions.get(action, 0) + 1


class Digest:
    def __init__(self, folder, keep):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.parts = [array.array("Q") for _ in range(PARTS)]
        self.count = 0
        self.clock, self.sums = Clock(), Sums()
        self.keep = None
        if keep:
            self.keep = gzip.open(f"{folder}/trace.gz", "wb", compresslevel=1)

    def flush(self, part):
        with open(f"{self.folder}/{part}", "ab") as out:
            self.parts[part].tofile(out)
        del self.parts[part][:]

    def add(self, line):
        key, end = key_of(line)
        time_ns = self.clock.read(line[len(BEGIN):end])
        part = self.parts[key % PARTS]
        part.append(key)
        part.append(0 if is_inferred(line) else time_ns)
        if len(part) >= 2 * FLUSH_AT:
            self.flush(key % PARTS)
        self.sums.add(line, time_ns)
        self.count += 1
        if self.keep:
            self.keep.write(line)

    def finish(self):
        for part in range(PARTS):
            self.flush(part)
        if self.keep:
            self.keep.close()
        with open(f"{self.folder}/sums.json", "w", encoding="utf-8") as out:
            json.dump({"count": self.count, "minutes": self.sums.minutes, "named": self.sums.named,
                       "actions": self.sums.actions}, out)


def main():
    digest = Digest(sys.argv[1], "--keep" in sys.argv[2:])
    for line in sys.stdin.buffer:
        digest.add(line)
    digest.finish()


if __name__ == "__main__":
    main()
