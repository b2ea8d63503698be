#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A client or a server that does one thing, for as long as it is let.

usage: actor.py NAME WHAT KEY=VALUE...

NAME is what the kernel shall call it; WHAT is one of the functions below. Prints "ready" once
it listens, or has begun.
"""
import contextlib
import errno
import os
import resource
import select
import signal
import socket
import struct
import sys
import time


def set_name(name):
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)


def ready():
    print("ready", flush=True)


def end_of(args):
    return args["host"], int(args["port"])


def wait_for_ever():
    while True:
        signal.pause()


def listen(args, reuse=True):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if reuse:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(end_of(args))
    sock.listen(4096)
    return sock


# ---- servers ----


def serve(args):
    """Answers each request. close=0: keeps connections; 1: closes after the answer; idle=S:
    closes after S seconds without a request; jitter=S: up to S more."""
    import random

    close, idle = int(args.get("close", 0)), float(args.get("idle", 0))
    jitter, size = float(args.get("jitter", 0)), int(args.get("bytes", 2))
    listener = listen(args)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    conns, ends = {}, {}
    ready()
    while True:
        for fd, _ in poll.poll(0.05):
            if fd == listener.fileno():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        conn, _ = listener.accept()
                        conns[conn.fileno()] = conn
                        ends[conn.fileno()] = time.monotonic() + idle + jitter * random.random()
                        poll.register(conn, select.EPOLLIN)
                continue
            conn = conns[fd]
            try:
                asked = conn.recv(65536)
                if asked:
                    conn.send(b"x" * size)
            except OSError:
                asked = b""
            if close or not asked:
                if asked:
                    conn.shutdown(socket.SHUT_WR)
                conns.pop(fd).close()
                ends.pop(fd)
        now = time.monotonic()
        for fd in [fd for fd, end in ends.items() if idle and end < now]:
            ends.pop(fd)
            conns.pop(fd).close()


def http(args):
    """An HTTP server that keeps connections, whatever its clients say of that."""
    listener = listen(args)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    conns = {}
    ready()
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                conn, _ = listener.accept()
                conns[conn.fileno()] = conn
                poll.register(conn, select.EPOLLIN)
                continue
            asked = b""
            with contextlib.suppress(OSError):
                asked = conns[fd].recv(65536)
                if asked:
                    conns[fd].send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" *
                                   asked.count(b"\r\n\r\n"))
            if not asked:
                conns.pop(fd).close()


def hold(args):
    """Accepts, reads nothing and never closes: what the peer closes stays in CLOSE_WAIT."""
    listener, kept = listen(args), []
    ready()
    while True:
        kept.append(listener.accept()[0])


def restart(args):
    """Listens without SO_REUSEADDR, as a server that was restarted, again and again."""
    ready()
    while True:
        with contextlib.suppress(OSError):
            listen(args, reuse=False).close()
        time.sleep(0.2)


# ---- clients ----


def ask(sock, size=2):
    sock.send(b"GET")
    return sock.recv(65536)


def load(args):
    """rate=N connections a second, or as many as go (0): connect, ask, close. linger=1: with a
    reset. bind=ADDR: bind() before connect(), late=1 with IP_BIND_ADDRESS_NO_PORT,
    from=PORT: to that port. unread=1:
    closes without reading. wait=1: lets the server close first. count=N: so many, then idles.
    keep=N: N more connections that stay. sleep=S: before the close. names=N: under so many names in
    turn. files=N: with so many descriptors at most"""
    if args.get("files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(args["files"]),) * 2)
    rate, count = float(args.get("rate", 0)), int(args.get("count", 0))
    kept = [socket.create_connection(end_of(args)) for _ in range(int(args.get("keep", 0)))]
    begun, num = time.monotonic(), 0
    ready()
    while not count or num < count:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if args.get("bind"):
                if args.get("late"):
                    sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                if args.get("from"):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((args["bind"], int(args.get("from", 0))))
            sock.settimeout(20)
            sock.connect(end_of(args))
            if args.get("unread"):
                sock.send(b"GET")
                select.select([sock], [], [], 1)
            else:
                ask(sock)
            if args.get("wait"):
                sock.recv(1)
            if args.get("sleep"):
                time.sleep(float(args["sleep"]))
            if args.get("linger"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                time.sleep(0.01)
        if args.get("names"):
            set_name(f"job-{num % int(args['names'])}")
        sock.close()
        num += 1
        pause = begun + num / rate - time.monotonic() if rate else 0
        if pause > 0:
            time.sleep(pause)
    if count:
        print("done", flush=True)
    if kept or count:
        wait_for_ever()


def leave_open(args):
    """rate=N connections a second, which it asks on, reads to their end, and forgets to close."""
    kept = []
    ready()
    while True:
        kept.append(socket.create_connection(end_of(args)))
        ask(kept[-1])
        time.sleep(1 / float(args["rate"]))


def bound(args):
    """num=N sockets that are bound to a port each, and connected to host:port, and stay."""
    kept = []
    for _ in range(int(args["num"])):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if args.get("late"):
            sock.setsockopt(socket.IPPROTO_IP, 24, 1)
        sock.bind((args["bind"], 0))
        sock.connect(end_of(args))
        kept.append(sock)
    ready()
    wait_for_ever()


def close_and_stay(args):
    """num=N connections, one after the other, that are closed here; the peer may not do so."""
    for _ in range(int(args["num"])):
        sock = socket.create_connection(end_of(args))
        sock.close()
        time.sleep(0.005)
    ready()
    wait_for_ever()


def open_and_exit(args):
    """Again and again a process that opens num=N connections and ends with them; kill=1: by
    SIGKILL."""
    ready()
    while True:
        child = os.fork()
        if not child:
            kept = [socket.create_connection(end_of(args)) for _ in range(int(args["num"]))]
            for sock in kept:
                ask(sock)
            if args.get("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(float(args.get("pause", 0.5)))


def main():
    name, what = sys.argv[1:3]
    args = dict(arg.split("=", 1) for arg in sys.argv[3:])
    set_name(name)
    globals()[what](args)


main()
