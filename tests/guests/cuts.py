#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a disk may hold after a power cut, as often as one likes.

A guest ran with a disk whose writes and flushes QEMU has logged (its blklogwrites driver). A disk
with a cache of its own may have lost, when the power went, whatever was not flushed: so for each
moment to be tried this makes the disk as it was at the last flush before, adds some of the writes
since then, and drops the others, sector by sector. Then e2fsck replays the file system's journal,
as the next mount would, one folder is read out of it, and a program judges that.

A flush is logged when it is done, together with writes that were done while it was under way: these
count as flushed, although they need not be. So a few of the states that are possible are not tried,
and none that is impossible is.

The guest may have written marks, "mark NAME NUMBER", into sectors behind the file system, to say
what it knew at that moment. The last of each before the cut is handed to the judge.

usage: cuts.py --image IMAGE --log LOG --folder PATH --work DIR --judge PROGRAM
               [--marks-at BYTE] [--cuts N] [--seed N]
IMAGE is the disk as it was at first. PROGRAM gets the folder and NAME=NUMBER... as arguments; its
status is 0 if all is well, what it prints says why not. Ends with "N passed, N failed".
"""
import argparse
import bisect
import os
import random
import shutil
import struct
import subprocess
import sys

MAGIC = 0x6a736677736872  # of dm-log-writes, whose form this is
SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4


class Entry:
    def __init__(self, sector, data, flags):
        self.sector, self.data, self.flags = sector, data, flags


def read_log(path):
    """All entries that were written whole: the last one may not have been."""
    with open(path, "rb") as log:
        head = log.read(SECTOR)
        # The head is written at a flush only; without one there is nothing to go by.
        if len(head) < SECTOR or struct.unpack_from("<Q", head)[0] != MAGIC:
            return []
        size = struct.unpack_from("<QQQL", head)[3]
        log.seek(size)
        entries = []
        while True:
            head = log.read(size)
            if len(head) < size:
                return entries
            sector, sectors, flags, _ = struct.unpack_from("<QQQQ", head)
            if flags & ~(FLUSH | FUA | DISCARD | 8) or sectors > 1 << 20:
                return entries
            data = b"" if flags & DISCARD else log.read(sectors * SECTOR)
            if not flags & DISCARD and len(data) < sectors * SECTOR:
                return entries
            # Nothing begins with a write of nothing: that is a hole at the end.
            if not sectors and not flags:
                return entries
            entries.append(Entry(sector, data, flags))


class Disk:
    """The disk as it is once everything before entry number self.at is on it."""

    def __init__(self, image, entries):
        with open(image, "rb") as f:
            self.bytes = bytearray(f.read())
        self.entries, self.at = entries, 0

    def put(self, to, entry, sectors=None):
        at = entry.sector * SECTOR
        if sectors is None:
            to[at:at + len(entry.data)] = entry.data
            return
        for n in sectors:
            to[at + n * SECTOR:at + (n + 1) * SECTOR] = entry.data[n * SECTOR:(n + 1) * SECTOR]

    def forward(self, at):
        for entry in self.entries[self.at:at]:
            self.put(self.bytes, entry)
        self.at = max(self.at, at)

    def cut(self, at, rng):
        """As it may be if the power goes after entry @at. How much of what was not flushed is
        there is different each time: all, none, some writes, some sectors of some."""
        result = bytearray(self.bytes)
        share = rng.choice((0.0, 1.0, rng.random(), rng.random()))
        torn = rng.random() < 0.5
        kept = dropped = 0
        for entry in self.entries[self.at:at]:
            if not entry.data:
                continue
            if entry.flags & FUA or rng.random() < share:
                self.put(result, entry)
                kept += 1
            elif torn:
                sectors = range(len(entry.data) // SECTOR)
                self.put(result, entry, [n for n in sectors if rng.random() < share])
                dropped += 1
            else:
                dropped += 1
        return result, kept, dropped


def marks_before(entries, at, marks_at):
    marks = {}
    for entry in entries[:at]:
        if marks_at is None or entry.sector * SECTOR < marks_at or not entry.data:
            continue
        words = entry.data.split(b"\n")[0].split()
        if len(words) == 3 and words[0] == b"mark" and words[2].isdigit():
            marks[words[1].decode("ascii", "replace")] = int(words[2])
    return marks


def write_sparse(path, data, chunk=1 << 16):
    """Most of a disk is zeros, and is written often."""
    with open(path, "wb") as f:
        for at in range(0, len(data), chunk):
            piece = data[at:at + chunk]
            if piece.count(0) != len(piece):
                f.seek(at)
                f.write(piece)
        f.truncate(len(data))


def run(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)


def judge(image, args, marks):
    """Why this image is no good, or nothing; and what the judge said."""
    folder = os.path.join(args.work, "folder")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    fsck = run("e2fsck", "-fy", image)
    if fsck.returncode not in (0, 1):
        return "e2fsck: status %d: %s" % (fsck.returncode, fsck.stdout.decode("utf-8", "replace")), ""
    dump = run("debugfs", "-R", "rdump %s %s" % (args.folder, folder), image)
    inside = os.path.join(folder, os.path.basename(args.folder))
    if not os.path.isdir(inside):
        # So early that even the folder is not there: it was made after the last flush.
        if not marks:
            return "", "no folder yet"
        return "no folder: " + dump.stdout.decode("utf-8", "replace"), ""
    verdict = run(args.judge, inside, *("%s=%d" % mark for mark in sorted(marks.items())))
    words = verdict.stdout.decode("utf-8", "replace").strip()
    if verdict.returncode:
        return words or "status %d" % verdict.returncode, ""
    return "", words


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("image", "log", "folder", "work", "judge"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--marks-at", type=int)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    entries = read_log(args.log)
    flushes = [n + 1 for n, entry in enumerate(entries) if entry.flags & FLUSH]
    # From the first mark on: what is before is the making of things.
    first = next((n for n in range(len(entries)) if marks_before(entries[n:n + 1], 1, args.marks_at)),
                 0)
    print("# %d writes and flushes, %d flushes, seed %d" % (len(entries), len(flushes), args.seed))
    if len(entries) - first < 2 or not flushes:
        print("FAIL cuts: nothing was written")
        print("0 passed, 1 failed")
        return 1
    os.makedirs(args.work, exist_ok=True)
    disk = Disk(args.image, entries)
    image = os.path.join(args.work, "cut.img")
    passed = failed = 0
    for at in sorted(rng.randrange(first, len(entries)) + 1 for _ in range(args.cuts)):
        n = bisect.bisect_right(flushes, at)
        disk.forward(flushes[n - 1] if n else 0)
        state, kept, dropped = disk.cut(at, rng)
        write_sparse(image, state)
        why, words = judge(image, args, marks_before(entries, at, args.marks_at))
        name = "cut after %d, %d writes since the flush kept, %d not" % (at, kept, dropped)
        if why:
            failed += 1
            print("FAIL %s: %s" % (name, why.replace("\n", " | ")[:400]))
            if failed == 1:
                write_sparse(os.path.join(args.work, "failed.img"), state)
        else:
            passed += 1
            print("ok " + name + (": " + words if words else ""))
    print("%d passed, %d failed" % (passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
