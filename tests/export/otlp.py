# SPDX-License-Identifier: GPL-2.0
"""To a store that takes OTLP: what it gets, and what comes of each of its answers."""
import contextlib
import socket

from checks import PATIENCE_S, check
from lib import Feed, check_once, run_to_end
from otlp_receiver import http_date
from stores import otlp_store


def test_otlp():
    with otlp_store() as store:
        feed = Feed("otlp", store.url, count=4000, rate=2000)
        account, said = run_to_end(feed, "hostile")
        check("otlp.valid", not store.wrong, store.wrong[:3])
        check_once("otlp.once", store.cookies, 4000)
        check("otlp.account", account["sent"] == 4000 and not account["dropped"] and not account["failed"],
              dict(account))
        check("otlp.quiet", not said, said)
        check("otlp.spool", not feed.files(".batch"), feed.files(""))
        by_cookie = {r["tcp.cookie"]: r for r in store.records}
        r = by_cookie[14]  # event 13: IPv4, failed to connect, of name 5
        check("otlp.values", r["event.action"] == r["body"] == "connect_failed" and r["tcp.errno"] == 111 and
              r["process.name"] == "{}[],:" and r["tcp.side"] == "client" and r["process.pid"] == 14 and
              r["network.peer.address"] == "10.0.9.9" and r["network.peer.port"] == 443 and
              r["tcp.lifetime_ns"] == 1500000 and r["tcp.tx_bytes"] == 13000, r)
        check("otlp.bytes", by_cookie[12]["process.name"] == "\\xff\\xfe", by_cookie[12])
        check("otlp.container", by_cookie[11]["k8s.pod.name"] == "shop-0", by_cookie[11])
        times = [by_cookie[n]["time"] for n in range(1, 4001)]
        check("otlp.times", all(b - a > 400_000 for a, b in zip(times, times[1:])))


def otlp_with(answers, name, expect=None, count=600):
    """Each of these answers first, and then good ones: all arrives, once."""
    with otlp_store() as store:
        store.answers = list(answers)
        account, said = run_to_end(Feed("otlp", store.url, count=count, rate=2000))
        check_once(f"otlp.{name}.once", store.cookies, count)
        check(f"otlp.{name}.valid", not store.wrong, store.wrong[:3])
        bad = [a for a in answers if a not in (200, "slow", "partial")]
        check(f"otlp.{name}.account", account["sent"] == count and account["failed"] == len(bad) and
              not account["dropped"], dict(account))
        if bad:
            check(f"otlp.{name}.said", said.count("cannot send to") == said.count("sends again to") == 1,
                  said)
        if expect:
            expect(store)


def test_otlp_answers():
    otlp_with([429, 502, 503, 504], "retried")
    otlp_with(["cut-before", "cut-after", "half", "cut-after"], "cut")
    otlp_with(["slow"], "slow")
    otlp_with(["silent"], "silent")  # it takes the request and is dead then

    def after(seconds):
        def look(store):
            times = [t for t, _, _ in store.requests]
            check("otlp.retry_after.waited", times[1] - times[0] >= seconds, times)
        return look
    otlp_with([(503, "3")], "retry_after", after(2.9))
    otlp_with([(429, http_date(6))], "retry_after_date", after(1))


def test_otlp_refused():
    with otlp_store() as store:
        store.answers = [400]
        account, said = run_to_end(Feed("otlp", store.url, count=600, rate=2000))
        check("otlp.refused.dropped", account["dropped"] and account["sent"] + account["dropped"] == 600 and
              len(store.cookies) == account["sent"] and account["failed"] == 1, dict(account))
        check("otlp.refused.said", said.count("refused for good") == 1 and "status 400: " in said, said)
    with otlp_store() as store:
        store.answers = ["partial"]
        account, said = run_to_end(Feed("otlp", store.url, count=600, rate=2000))
        check("otlp.partial", account["dropped"] == 3 and account["sent"] == 597, dict(account))
        check("otlp.partial.said", "some records were rejected: too old" in said, said)


def test_otlp_redirect():
    with otlp_store() as store, otlp_store() as other:
        store.answers = [307]
        account, _ = run_to_end(Feed("otlp", store.url, count=100, rate=2000))
        check("otlp.redirect", account["dropped"] == 100 and not other.requests, dict(account))


def test_otlp_secrets():
    with otlp_store() as store:
        store.always = 503
        url = store.url.replace("http://", "http://somebody:hunter2@") + "/v1/logs?token=hunter3"
        store.path = "/v1/logs?token=hunter3"
        feed = Feed("otlp", url, count=100, rate=2000)
        with feed.run("finish=0", env={"OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter%204"}) as feeder:
            feeder.wait(lambda a: a["failed"] >= 1 and "cannot send" in feeder.said(), "a failure")
            store.always = 200
            feeder.process.wait(timeout=PATIENCE_S)
            said = feeder.said()
        headers = store.requests[-1][2]
        check("otlp.secrets.hidden", "hunter" not in said and "cannot send to http://127.0.0.1" in said, said)
        check("otlp.secrets.sent", headers.get("api-key") == "hunter 4" and
              headers.get("Authorization", "").startswith("Basic "), headers)
        check_once("otlp.secrets.once", store.cookies, 100)


def test_otlp_receiver():
    """The receiver of these tests itself: a request that was cut off behind its head is none."""
    with otlp_store() as store:
        with socket.create_connection(("127.0.0.1", store.port)) as s:
            s.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                      b"Content-Length: 99\r\n\r\n")
            s.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                s.recv(1)
        check("otlp.receiver.cut", not store.wrong and not store.requests, store.wrong)


def test_wrong():
    for url, what in (("ftp://x/", "not of the form"), ("nothing", "not of the form")):
        _, said = run_to_end(Feed("otlp", url, count=1))
        check(f"wrong.{url[:3]}", what in said and said.count("\n") == 1, said)
