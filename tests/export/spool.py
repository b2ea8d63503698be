# SPDX-License-Identifier: GPL-2.0
"""The spool: its bound, and what is left of it by whatever ends, fills or damages it."""
import contextlib
import os
import random
import time

from checks import PATIENCE_S, check, mounted
from lib import Feed, check_once, run_to_end
from stores import otlp_store


def test_bound():
    """Nobody listens; beyond the bound the oldest gives way, and is counted."""
    with otlp_store() as store:
        store.keeps_records = False
        store.stop()
        feed = Feed("otlp", store.url, count=30000, rate=10000, spool_bytes=1 << 20)
        with feed.run("finish=0", "hostile") as feeder:
            feeder.wait(lambda a: a["given"] == 30000 and a["queued_bytes"] and a["dropped"], "a full spool")
            feeder.wait(lambda a: a["queued"] + a["dropped"] == 30000, "the sum")
            account = feeder.account()
            where = os.path.join(feed.spool, "otlp")
            size = sum(os.stat(os.path.join(where, f)).st_blocks * 512 for f in os.listdir(where))
            check("bound.size", size <= (1 << 20) + 8192, size)
            check("bound.sum", account["queued"] + account["dropped"] == 30000 and not account["sent"],
                  dict(account))
            store.start()
            feeder.wait(lambda a: not a["queued"], "the rest to be sent")
            account = feeder.stop()
        check("bound.sent", account["sent"] == 30000 - account["dropped"] == len(store.cookies),
              (dict(account), len(store.cookies)))
        check("bound.newest", 30000 in store.cookies and 1 not in store.cookies)


def test_second():
    with otlp_store() as store:
        feed = Feed("otlp", store.url)
        with feed.run() as feeder:
            feeder.wait(lambda a: a["sent"], "the first to send")
            _, said = run_to_end(feed)
            check("second.refused", "another process uses the spool" in said, said)


def test_restart():
    """SIGTERM and SIGKILL, at any moment: what was given is there once."""
    with otlp_store() as store:
        store.keeps_records = False
        feed = Feed("otlp", store.url, rate=1000)
        for n in range(8):
            with feed.run("finish=300") as feeder:
                time.sleep(random.uniform(0.05, 3.5))
                if n % 3 == 1:
                    feeder.stop()
                else:
                    feeder.kill()
        feed.count = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - feed.base_ns) // feed.period_ns
        account, _ = run_to_end(feed)
        check_once("restart.once", store.cookies, feed.count)
        check("restart.repeated", account["repeated"] > 0, dict(account))
        check("restart.valid", not store.wrong, store.wrong[:3])


def test_full_disk():
    """The spool's disk is full: events are sent all the same, and it is said once."""
    with otlp_store() as store:
        store.keeps_records = False
        feed = Feed("otlp", store.url, count=40000, rate=4000)
        with mounted(feed.spool, "-t", "tmpfs", "-o", "size=1m", "tmpfs"), feed.run() as feeder:
            feeder.wait(lambda a: a["sent"], "the first to be sent")
            with open(os.path.join(feed.spool, "ballast"), "wb", buffering=0) as ballast, \
                    contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(4096))
            feeder.wait(lambda a: "cannot be written: No space left" in feeder.said(), "ENOSPC")
            now = feeder.account()["sent"]
            feeder.wait(lambda a: a["sent"] > now + 2000, "more to be sent")
            os.unlink(os.path.join(feed.spool, "ballast"))
            feeder.wait(lambda a: "can be written again" in feeder.said(), "room")
            feeder.process.wait(timeout=PATIENCE_S)
            account, said = feeder.account(), feeder.said()
        check_once("full_disk.once", store.cookies, 40000)
        check("full_disk.account", account["sent"] == 40000 and not account["dropped"], dict(account))
        check("full_disk.said", said.count("cannot be written") == 1, said)


def test_damaged():
    """A file of the spool that tells nothing any more is left out, which is said and counted."""
    with otlp_store() as store:
        store.always = 503
        feed = Feed("otlp", store.url, count=600, rate=2000)
        with feed.run("finish=0") as feeder:
            feeder.wait(lambda a: a["given"] == 600 and a["failed"], "events that wait")
            feeder.stop()
        oldest = min(feed.files(".batch"))
        with open(os.path.join(feed.spool, "otlp", oldest), "r+b") as file:
            file.write(b"\0")
        store.always = 200
        account, said = run_to_end(feed)
        check("damaged.counted", account["damaged"] == 1 and account["sent"], dict(account))
        check("damaged.said", said.count("had damaged files") == 1, said)
