# SPDX-License-Identifier: GPL-2.0
"""Clients that mean harm: whatever they do, the trace goes on, memory is bounded, and who asks in order is
answered in the end."""
import os
import resource
import socket
import time

from checks import check, forked, wait_for
from lib import Serve, make_closes

SLOW = 300  # more than it has room for at once
FLOOD = 3000
MOST_KIB = 150 * 1024


def connect(serve):
    return socket.create_connection(("127.0.0.1", serve.port), timeout=60)


def answer(serve, request, end=False):
    """What comes for these bytes until it is closed; b"": nothing."""
    with connect(serve) as s:
        try:
            s.sendall(request)
            if end:
                s.shutdown(socket.SHUT_WR)
            got = b""
            while piece := s.recv(65536):
                got += piece
                if b"\r\n\r\n" in got:
                    break
            return got
        except ConnectionError:
            return b""


def status(serve, request, end=False):
    got = answer(serve, request, end)
    return int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.") else 0


def get(path, more=b""):
    return b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more + b"\r\n"


REQUESTS = [
    ("POST", b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", {405}),
    ("PUT without an end", b"PUT /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\nx",
     {405}),
    ("DELETE", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", {405}),
    ("CONNECT", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405}),
    ("a method of its own", b"\xff\xfe / HTTP/1.1\r\nHost: a\r\n\r\n", {0, 400, 405}),
    ("a very long method", b"A" * 100000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", {0, 400, 405, 413, 414, 431}),
    ("GET with a body", get(b"/metrics", b"Content-Length: 3\r\n") + b"abc", {400}),
    ("GET in chunks", get(b"/metrics", b"Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n", {400}),
    ("no such path", get(b"/nothing"), {404}),
    ("a way out", get(b"/../../../etc/passwd"), {400, 404}),
    ("a way out, escaped", get(b"/%2e%2e/%2e%2e/etc/passwd"), {400, 404}),
    ("an escaped NUL", get(b"/metrics%00.html"), {200, 400, 404}),
    ("a wrong escape", get(b"/%zz%"), {400, 404}),
    ("two slashes", get(b"//metrics"), {404}),
    ("a query", get(b"/metrics?name[]=x&%00=%ff"), {200}),
    ("a huge header", get(b"/metrics", b"X: " + b"a" * 200000 + b"\r\n"), {0, 400, 413, 431}),
    ("a thousand headers", get(b"/metrics", b"".join(b"X-%d: y\r\n" % i for i in range(5000))),
     {0, 400, 413, 431}),
    ("a huge path", get(b"/" + b"a" * 200000), {0, 400, 404, 414}),
    ("two lengths", get(b"/metrics", b"Content-Length: 0\r\nContent-Length: 9\r\n"), {0, 200, 400}),
    ("no Host", b"GET /metrics HTTP/1.1\r\n\r\n", {400}),
    ("HTTP/1.0", b"GET /metrics HTTP/1.0\r\n\r\n", {200}),
    ("HTTP/9.9", b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n", {0, 400, 505}),
    ("a strange Accept", get(b"/metrics", b"Accept: ;;;,,=,q=\"\\\"\r\n"), {200}),
    ("Accept without an end", get(b"/metrics", b"Accept: " + b"text/plain;q=0.1," * 500 + b"\r\n"), {200}),
]


def check_goes_on(name, serve, made):
    """The trace has missed nothing, and answers."""
    with forked(make_closes, 100, name="checkout"):
        m = serve.wait_value("twsnoop_closes_total", made, process="checkout")
    check(f"{name}: the trace goes on, exactly",
          m.sum("twsnoop_closes_total", process="checkout") == made and
          not m.sum("twsnoop_events_lost_total"), m.of("twsnoop_closes_total"))
    check(f"{name}: it is still there", serve.process.poll() is None and
          serve.get("/healthz")[0] == 200)


def test_requests():
    with Serve() as serve:
        for name, request, expected in REQUESTS:
            got = status(serve, request)
            check(f"{name} is answered as it should be", got in expected, got)
        check("half closed is answered", status(serve, get(b"/metrics"), end=True) in (200, 0))
        check("half a request, half closed", status(serve, b"GET /metr", end=True) in (0, 400))
        check("nothing, half closed", status(serve, b"", end=True) == 0)
        both = answer(serve, get(b"/healthz") + get(b"/healthz"))
        check("two at once", both.startswith(b"HTTP/1.1 200"), both)
        with connect(serve) as s:
            answered = 0
            for _ in range(200):
                s.sendall(get(b"/healthz"))
                got = b""
                while not got.endswith(b"ok\n") and (piece := s.recv(4096)):
                    got += piece
                answered += got.endswith(b"ok\n")
        check("a connection is kept for the next request", answered == 200, answered)
        check_goes_on("bad requests", serve, 100)


def test_slow():
    """A byte now and then, from more connections than it takes; and readers that do not read."""
    with Serve() as serve:
        before_kib = serve.memory_kib()
        slow = [connect(serve) for _ in range(SLOW)]
        for s in slow:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        begin = time.monotonic()
        gone = set()

        def trickle():
            for s in slow:
                if s not in gone:
                    try:
                        s.send(b"y")
                    except OSError:
                        gone.add(s)
            return len(gone) == SLOW or time.monotonic() - begin > 90
        check_goes_on("slow clients", serve, 100)
        wait_for(trickle, "the slow ones to be turned out")
        check("slow clients are turned out", len(gone) == SLOW, f"{SLOW - len(gone)} are left")
        for s in slow:
            s.close()
        # They ask, and read nothing: what waits for them is bounded.
        deaf = []
        for _ in range(100):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.settimeout(60)
            s.connect(("127.0.0.1", serve.port))
            s.sendall(get(b"/metrics") * 20)
            deaf.append(s)
        check_goes_on("deaf clients", serve, 200)
        after_kib = serve.memory_kib()
        check("memory is bounded", after_kib < before_kib + 65536, (before_kib, after_kib))
        for s in deaf:
            s.close()


def test_many():
    """Thousands of connections at once, most of them in vain."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, FLOOD + 500), hard))
    many = []
    try:
        with Serve() as serve:
            fds = f"/proc/{serve.process.pid}/fd"
            idle_fds = len(os.listdir(fds))
            for _ in range(min(hard - 200, FLOOD)):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", serve.port))
                many.append(s)
            check_goes_on("a flood", serve, 100)
            check("descriptors are bounded", len(os.listdir(fds)) < idle_fds + 200,
                  len(os.listdir(fds)))
            check("memory is bounded", serve.memory_kib() < MOST_KIB, serve.memory_kib())
            for s in many:
                s.close()
            many = []
            check_goes_on("after the flood", serve, 200)
            wait_for(lambda: len(os.listdir(fds)) < idle_fds + 10, "connections to be let go")
            check("nothing is left of it", True)
            check("it ends in order", serve.stop() == 0, serve.said())
    finally:
        for s in many:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
