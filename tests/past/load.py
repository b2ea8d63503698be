#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Connections that end in every way, for load.py SECONDS, in this network namespace.

Who closes first, client or server; by close, shutdown, exit; resets, refused connects, half-closed
ones that wait in FIN_WAIT2, addresses that are used again at once; IPv4 and IPv6. Prints "ready"
once the servers listen. What it leaves open at its end it keeps for another second.
"""
import ctypes
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with 0 seconds
PR_SET_NAME = 15


def set_name(name):
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def answer(sock):
    """What a client asks for stands in its first byte."""
    try:
        how = sock.recv(16)[:1]
        if how == b"s":  # the server closes first
            sock.send(b"x" * random.randint(1, 3000))
            sock.shutdown(socket.SHUT_WR) if random.random() < 0.3 else None
        elif how == b"r":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == b"l":  # late: the client waits in FIN_WAIT2 until then, or in vain
            time.sleep(random.choice([0.2, 1.0, 60]))
        else:  # the client closes first
            sock.send(b"y" * random.randint(1, 300))
            while sock.recv(4096):
                pass
        sock.close()
    except OSError:
        sock.close()


def serve(family, address, ready):
    set_name("server%d" % (6 if family == socket.AF_INET6 else 4))
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 0))
    listener.listen(512)
    os.write(ready, struct.pack("i", listener.getsockname()[1]))
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=answer, args=(sock,), daemon=True).start()


def one(family, address, port, how):
    sock = socket.socket(family)
    try:
        if how == "f":  # nobody listens
            sock.connect((address, 1))
        sock.settimeout(2)
        sock.connect((address, port))
        sock.send(how.encode())
        if how == "s":
            while sock.recv(4096):
                pass
        elif how == "c":
            sock.recv(64)
            if random.random() < 0.3:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
        elif how == "r":
            sock.recv(64)
    except OSError:
        pass
    sock.close()


def again(address, port):
    """The same four-tuple twice: a TIME_WAIT that connect() takes over, after a second."""
    try:
        first = socket.socket()
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.settimeout(2)
        first.connect((address, port))
        name = first.getsockname()
        first.send(b"c")
        first.recv(64)
        first.close()
        time.sleep(1.2)
        second = socket.socket()
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        second.bind(name)
        second.settimeout(2)
        second.connect((address, port))
        second.send(b"s")
        while second.recv(4096):
            pass
        second.close()
    except OSError:
        pass


def client(number, servers, end):
    set_name("client-%d" % number)
    random.seed(number)
    turn = 0
    while time.monotonic() < end:
        family, address, port = random.choice(servers)
        turn += 1
        if turn % 40 == 0:
            threading.Thread(target=again, args=("127.0.0.1", servers[0][2])).start()
        if turn % 25 == 0:  # a process that exits with its connection open
            pid = os.fork()
            if not pid:
                set_name("brief-%d" % number)
                sock = socket.create_connection((address, port), 2)
                sock.send(b"c")
                sock.recv(64)
                os._exit(0)
            os.waitpid(pid, 0)
        one(family, address, port, random.choice("ccccssssrlf"))
        time.sleep(random.random() * 0.02)


def main():
    end = time.monotonic() + float(sys.argv[1])
    servers, children = [], []
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        ready = os.pipe()
        pid = os.fork()
        if not pid:
            serve(family, address, ready[1])
        children.append(pid)
        servers.append((family, address, struct.unpack("i", os.read(ready[0], 4))[0]))
    print("ready", flush=True)
    clients = []
    for number in range(3):
        pid = os.fork()
        if not pid:
            client(number, servers, end)
            time.sleep(1)
            os._exit(0)
        clients.append(pid)
    for pid in clients:
        os.waitpid(pid, 0)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


main()
