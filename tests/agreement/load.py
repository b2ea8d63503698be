#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A mixed load whose outcome is known: load.py SECONDS [CGROUP]... in this network namespace.

Two servers that live on; clients that live on, each with a rate, a mix of ways to end a connection and,
where one is left, a cgroup of its own; and one that starts processes which make a few connections each
and end with one of them open. IPv4 and IPv6, twenty remote addresses, eighty ports. No two ends race, so
what each connection comes to is known. Prints "ready", and at the end what was made, as JSON:
{"connections": N, "made": {"time_wait": N, ...}, "unexpected": [...]}.
"""
import ctypes
import json
import os
import random
import resource
import selectors
import signal
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with 0 seconds
PORTS = range(7000, 7040)
CLOSED_PORT = 6999
LATE_S = 0.3
PATIENCE_S = 30

# How each way ends, at both ends together. A close by the server, by close() and shutdown(); by
# the client, likewise, and one that the server answers late; resets by either; nobody listens.
WAYS = {
    b"s": {"time_wait": 1, "passive_close": 1},
    b"S": {"time_wait": 1, "passive_close": 1},
    b"c": {"time_wait": 1, "passive_close": 1},
    b"C": {"time_wait": 1, "passive_close": 1},
    b"l": {"time_wait": 1, "passive_close": 1},
    b"r": {"abort": 1, "reset": 1},
    b"R": {"abort": 1, "reset": 1},
    b"f": {"connect_failed": 1},
}
# name, connections a second, ways by weight, addresses that it goes to
CLIENTS = (
    ("checkout", 200, b"ccccccsC", 2),
    ("importer", 120, b"ssssSlRr", 4),
    ('scan "x"', 100, b"csCSlrRff", 20),
)
BRIEF_RATE = 10  # processes a second


def begin_process(name):
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    LIBC.prctl(PR_SET_NAME, name.encode())


def join(cgroup):
    with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")


# ---- servers ----

class Server:
    """One process for all ports of a family: what a connection asks for stands in its first byte."""

    def __init__(self, family):
        self.selector = selectors.DefaultSelector()
        self.late = []  # (when, socket), in this order
        for port in PORTS:
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
            listener.listen(512)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self, listener):
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, self.ask)

    def finish(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def ask(self, sock):
        try:
            way = sock.recv(1)
            if way == b"r":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                self.finish(sock)
                return
            size = random.randint(1, 3000)
            sock.send(struct.pack("!H", size) + b"x" * size)
            if way == b"s":
                self.finish(sock)
                return
            if way == b"S":
                sock.shutdown(socket.SHUT_WR)
            self.selector.modify(sock, selectors.EVENT_READ,
                                 self.await_end_late if way == b"l" else self.await_end)
        except OSError:
            self.finish(sock)

    def await_end(self, sock):
        try:
            if sock.recv(4096):
                return
        except OSError:
            pass
        self.finish(sock)

    def await_end_late(self, sock):
        self.selector.unregister(sock)
        self.late.append((time.monotonic() + LATE_S, sock))

    def serve(self):
        while True:
            wait = max(self.late[0][0] - time.monotonic(), 0) if self.late else None
            for key, _ in self.selector.select(wait):
                key.data(key.fileobj)
            while self.late and self.late[0][0] <= time.monotonic():
                self.late.pop(0)[1].close()


def start_server(name, family):
    """Returns once it listens."""
    ready, tell = os.pipe()
    pid = os.fork()
    if not pid:
        begin_process(name)
        server = Server(family)
        os.close(tell)
        server.serve()
    os.close(tell)
    os.read(ready, 1)  # its end has been closed
    os.close(ready)
    return pid


# ---- clients ----

class Tally:
    """What a process has made, in memory that all of them share."""

    def __init__(self):
        self.ways = {}
        self.unexpected = {}

    def add(self, way):
        self.ways[way] = self.ways.get(way, 0) + 1

    def fail(self, way, why):
        key = f"{way.decode()}: {type(why).__name__}: {why}"
        self.unexpected[key] = self.unexpected.get(key, 0) + 1


def drain(sock):
    while sock.recv(65536):
        pass


def ask(sock, way):
    """Until the server has done its part before this end closes."""
    sock.send(way)
    if way in b"sS":
        drain(sock)
    elif way == b"r":
        try:
            drain(sock)
        except ConnectionResetError:
            return
        raise OSError("no reset came")
    else:  # all of the answer, or else a close resets
        size, = struct.unpack("!H", sock.recv(2, socket.MSG_WAITALL))
        sock.recv(size, socket.MSG_WAITALL)
    if way == b"C":
        sock.shutdown(socket.SHUT_WR)
        drain(sock)
    elif way == b"R":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def connect(family, address, port):
    sock = socket.socket(family)
    # Not by settimeout(), with which MSG_WAITALL waits for nothing.
    for patience in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, patience, struct.pack("ll", PATIENCE_S, 0))
    sock.connect((address, port))
    return sock


def make_one(way, target):
    family, address, port = target
    if way == b"f":
        try:
            connect(family, address, CLOSED_PORT)
        except ConnectionRefusedError:
            return
        raise OSError("it was not refused")
    with connect(family, address, port) as sock:
        ask(sock, way)


def targets(num_addresses):
    return ([(socket.AF_INET, f"10.9.0.{n + 1}") for n in range(num_addresses)] +
            [(socket.AF_INET6, f"fd09::{n + 1}") for n in range(max(num_addresses // 4, 1))])


def pick(places):
    family, address = random.choice(places)
    return family, address, random.choice(PORTS)


def paced(rate, end):
    """Turns, so many a second, none of them made up for by more than a tenth of a second's."""
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= end:
            return
        if due > now:
            time.sleep(min(due, end) - now)
            continue
        due = max(due + 1 / rate, now - 0.1)
        yield


def be_client(tally, rate, ways, num_addresses, end):
    places = targets(num_addresses)
    for _ in paced(rate, end):
        way = bytes([random.choice(ways)])
        try:
            make_one(way, pick(places))
            tally.add(way)
        except OSError as why:
            tally.fail(way, why)


def be_brief(places):
    """Some connections, and one that is open when the process ends. Returns how many."""
    num = random.randint(1, 3)
    for left in range(num, 0, -1):
        sock = connect(*pick(places))
        ask(sock, b"c")
        if left > 1:
            sock.close()
        else:
            sock.detach()
    return num


def start_briefs(tally, end):
    places = targets(3)
    for number, _ in enumerate(paced(BRIEF_RATE, end)):
        pid = os.fork()
        if not pid:
            begin_process(f"brief-{number % 500}")
            random.seed()
            try:
                os._exit(be_brief(places))
            except OSError:
                os._exit(100)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if 0 < status < 100:
            for _ in range(status):
                tally.add(b"c")
        else:
            tally.fail(b"c", RuntimeError(f"a brief process: {status}"))


def start(name, cgroup, work, *arguments):
    """A process that does it and tells what it made through a pipe."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, told
    os.close(told)
    if cgroup:
        join(cgroup)
    begin_process(name)
    random.seed(name)
    tally = Tally()
    work(tally, *arguments)
    with os.fdopen(tell, "w") as out:
        json.dump([{k.decode(): v for k, v in tally.ways.items()}, tally.unexpected], out)
    os._exit(0)


def gather(clients):
    made, unexpected, connections = {}, {}, 0
    for pid, told in clients:
        with os.fdopen(told) as text:
            ways, failures = json.load(text)
        os.waitpid(pid, 0)
        for way, count in ways.items():
            connections += count
            for action, ends in WAYS[way.encode()].items():
                made[action] = made.get(action, 0) + ends * count
        for why, count in failures.items():
            unexpected[why] = unexpected.get(why, 0) + count
    return {"connections": connections, "made": made, "unexpected": unexpected}


def main():
    seconds, cgroups = float(sys.argv[1]), sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    servers = [start_server("gateway", socket.AF_INET), start_server("storage", socket.AF_INET6)]
    print("ready", flush=True)
    end = time.monotonic() + seconds
    clients = [start(name, cgroups.pop() if cgroups else None, be_client, *what, end)
               for name, *what in CLIENTS]
    clients.append(start("cron", cgroups.pop() if cgroups else None, start_briefs, end))
    result = gather(clients)
    time.sleep(2 * LATE_S)  # what is answered late
    print(json.dumps(result), flush=True)
    sys.stdin.read()  # who is asked for stays, until it is known
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


main()
