#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Another reader of a recording's blocks, written after docs/formats.md and nothing else: a block
comes on standard input, and a line for each row goes to standard output.
"""

import ctypes
import struct
import sys
import zlib

HEADER = struct.Struct("<6I")
MASK = (1 << 64) - 1
PAIR_NS = 1 << 28
TIME_WAIT_END = 3


def unpack(block):
    magic, version, rows, plain, packed, crc = HEADER.unpack_from(block)
    rest = block[HEADER.size:]
    assert magic == 0x42535754 and version == 1 and packed == len(rest)
    assert zlib.crc32(rest, zlib.crc32(block[:20])) == crc
    out = ctypes.create_string_buffer(plain + 1)
    decompress = ctypes.CDLL("libzstd.so.1").ZSTD_decompress
    decompress.restype = ctypes.c_size_t
    assert decompress(out, ctypes.c_size_t(plain), rest, ctypes.c_size_t(packed)) == plain
    return rows, out.raw[:plain]


def signed(step):
    return (step >> 1) ^ -(step & 1)


class Reader:
    """What is inside, from its begin."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        assert self.at <= len(self.data)
        return self.data[self.at - size:self.at]

    def number(self):
        return struct.unpack("<I", self.take(4))[0]

    def column(self, num):
        values = [0] * num
        for byte in range(self.take(1)[0]):
            for i, value in enumerate(self.take(num)):
                values[i] |= value << 8 * byte
        return values

    def names(self):
        return [self.take(size) for size in self.take(self.number())]

    def table(self, steps):
        """The entries; of each column whether it is told by steps."""
        num, columns = self.number(), []
        for by_steps in steps:
            values, before = self.column(num), 0
            for i, value in enumerate(values if by_steps else ()):
                before = values[i] = (before + signed(value)) & MASK
            columns.append(values)
        return list(zip(*columns))


class Block:
    def __init__(self, data):
        self.num, plain = unpack(data)
        r = Reader(plain)
        self.names = r.names()
        self.addresses = r.table([0, 0])
        self.places = r.table([0, 1, 0, 1])
        self.talks = r.table([0, 1, 1, 0])
        self.flows = r.table([1, 1, 0])
        self.openers = r.table([1, 1])
        self.actors = r.table([1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
        self.kinds = r.table([0, 0, 0, 0, 0, 0, 0, 1, 1])
        self.batches = r.table([1])
        self.columns = [r.column(self.num) for _ in range(10)]
        assert r.at == len(plain)
        self.actor_of, self.next_actor = {}, 0
        self.recent, self.next_batch = [], 0
        self.before = {}  # the number that a step goes from
        self.pairs, self.end_opened, self.bytes_of = {}, 0, {}

    def row_kinds(self):
        following = 0
        for value in self.columns[0]:
            yield value - 1 if value else following
            following += not value

    def step(self, what, told, modulus):
        self.before[what] = (self.before.get(what, 0) + signed(told)) % modulus
        return self.before[what]

    def actor(self, kind, told):
        if told == 1:
            self.actor_of[kind] = self.next_actor
            self.next_actor += 1
        elif told:
            self.actor_of[kind] = told - 2
        return self.actors[self.actor_of[kind]]

    def batch(self, told):
        if told == 0:
            batch = self.next_batch
            self.next_batch += 1
        elif told <= 250:
            batch = self.recent[told - 1]
        else:
            batch = told - 251
        if batch in self.recent:
            self.recent.remove(batch)
        self.recent = [batch, *self.recent][:250]
        return batch

    def rest(self, told, place, key, time, is_end, is_service, is_known):
        """When it was opened, and its bytes; the key is its talk and its port."""
        at = (key[0] * 0x9e37 + key[1]) % 1024
        sent, received = self.bytes_of.get(place, (0, 0))
        expected = self.end_opened if is_end else None
        pair, what, there = self.pairs.get(at, (None, None, ()))
        what = what if pair == key else None
        if is_known and what and not (is_end and what == "next"):
            opened, when, bytes_there, service_there = there
            if what == "next":
                expected = opened
            elif is_end or (what == "one" and -PAIR_NS <= time - when < PAIR_NS):
                expected = opened
                sent, received = bytes_there[::-1 if service_there != is_service else 1]
        sent, received = (sent + signed(told[1])) & MASK, (received + signed(told[2])) & MASK
        self.bytes_of[place] = sent, received
        if not is_known:
            return 0, sent, received
        opened = (time - told[0] if expected is None else expected + signed(told[0])) & MASK
        self.end_opened = opened if is_end else self.end_opened
        self.pairs[at] = (key, "next" if is_end else "both" if what == "one" else "one",
                          (time if is_end else opened, time, (sent, received), is_service))
        return opened, sent, received

    def name(self, name):
        return self.names[name - 1].hex() if name else "-"

    def opener(self, kind, actor):
        if kind[6] & 2:
            return actor[4], self.name(actor[2])
        if kind[8]:
            tgid, name = self.openers[kind[8] - 1]
            return tgid, self.name(name)
        return 0, "-"

    def row(self, place, told):
        kind, (at_actor, time, wall, opened, batch, cookie, port, *sizes) = self.kinds[place], told
        at_place, at_talk, is_service = self.flows[kind[7]]
        family, client, service, service_port = self.talks[at_talk]
        netns, netns_name, ifindex, interface = self.places[at_place]
        is_end = kind[0] == TIME_WAIT_END
        actor, batch = self.actor(place, at_actor), self.batch(batch)
        who, command, comm, thread, tgid, tid, uid, ns_tgid, pid_ns, cgroup, start = actor
        time = self.step(("time", is_end), time, 1 << 64)
        wall = (time + self.step("wall", wall, 1 << 64)) & MASK
        port = self.step(("port", at_talk, is_end), port, 1 << 16)
        ends = [("%016x%016x" % self.addresses[client], port),
                ("%016x%016x" % self.addresses[service], service_port)]
        local, peer = reversed(ends) if is_service else ends
        opened, sent, received = self.rest((opened, *sizes), place, (at_talk, port), time, is_end,
                                           is_service, kind[6] & 1)
        return [kind[0], family, kind[1], kind[5], time, wall,
                self.batches[batch][0] * 4096 + self.step(("cookie", batch), cookie, 4096),
                sent, received, netns, self.name(netns_name), ifindex, self.name(interface), *local, *peer,
                opened, who, command, tgid, (tgid + tid) & 0xffffffff, self.name(comm), self.name(thread),
                uid, (tgid + ns_tgid) & 0xffffffff, pid_ns, cgroup, start,
                *self.opener(kind, actor), *kind[2:5]]

    def rows(self):
        kinds = list(self.row_kinds())
        at, places = 0, []
        for kind in range(len(self.kinds)):
            places.append(at)
            at += kinds.count(kind)
        for kind in kinds:
            yield self.row(kind, [column[places[kind]] for column in self.columns[1:]])
            places[kind] += 1


for members in Block(sys.stdin.buffer.read()).rows():
    print(*members)
