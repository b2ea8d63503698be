# SPDX-License-Identifier: GPL-2.0
"""To ClickHouse: what its table has, though requests and answers are cut, and the server is frozen."""
import json
import os
import re
import signal
import time

from checks import PATIENCE_S, check, wait_for
from cutter import Cutter
from lib import TOP, Feed, check_once, run_to_end
from stores import with_clickhouse


def check_parts(clickhouse, name):
    """Each batch is one part, of one partition, at its making."""
    text = clickhouse.ask("SELECT batch, uniqExact(batch_date) FROM twsnoop_events GROUP BY batch")
    rows = [line.split("\t") for line in text.splitlines()]
    check(name, rows and all(dates == "1" for _, dates in rows), rows[:3])


@with_clickhouse
def test_clickhouse(clickhouse):
    feed = Feed("clickhouse", clickhouse.url, count=6000, rate=3000)
    account, said = run_to_end(feed, "hostile")
    check_once("clickhouse.once", clickhouse.cookies(), 6000)
    check("clickhouse.account", account["sent"] == 6000 and not account["failed"] and not said,
          (dict(account), said))
    check_parts(clickhouse, "clickhouse.parts")
    row = json.loads(clickhouse.ask("SELECT * FROM twsnoop_events WHERE tcp_cookie = 14 FORMAT JSONEachRow"))
    check("clickhouse.values", row["event_action"] == "connect_failed" and row["tcp_errno"] == 111 and
          row["process_name"] == "{}[],:" and row["network_peer_address"] == "10.0.9.9" and
          row["process_pid"] == 14 and row["tcp_end"] == "" and row["process_vpid"] is None and
          row["host"] == "feeder-host", row)
    names = clickhouse.ask("SELECT DISTINCT process_name FROM twsnoop_events FORMAT JSONEachRow")
    names = {json.loads(line)["process_name"] for line in names.splitlines()}
    check("clickhouse.names", names == {'a"b\\c', "new\nline", "tab\t\x01\x1f", "\\xff\\xfe",
                                        "\u202egnp.exe", "{}[],:", "'); DROP--", "\U0001f600 smile"}, names)
    times = clickhouse.ask("SELECT toUInt64(timestamp) * 1000000000 + nanosecond AS t FROM twsnoop_events "
                           "ORDER BY tcp_cookie").split()
    check("clickhouse.times", all(int(b) - int(a) > 200_000 for a, b in zip(times, times[1:])))
    for number, query in enumerate(queries(), 1):
        answer = clickhouse.ask(query)
        check(f"clickhouse.query{number}", answer.strip(), query)


def queries():
    """Those of docs/export.md."""
    with open(os.path.join(TOP, "docs/export.md"), encoding="utf-8") as file:
        found = [q for block in re.findall(r"```sql\n(.*?)```", file.read(), re.S)
                 for q in block.split(";") if "twsnoop_events" in q]
    if len(found) < 5:
        raise RuntimeError(f"docs/export.md has {len(found)} queries of twsnoop_events")
    return found


@with_clickhouse
def test_clickhouse_cut(clickhouse):
    """An answer that is lost says nothing: the batch is sent again, and is there once."""
    cutter = Cutter(clickhouse.port)
    for mode in ("cut", "truncate", "refuse"):
        clickhouse.make_table()
        cutter.set("pass")
        feed = Feed("clickhouse", f"http://127.0.0.1:{cutter.port}/", count=3000, rate=1500)
        with feed.run() as feeder:
            cutter.set(mode)
            feeder.wait(lambda a: a["failed"] >= 3, f"failures by {mode}")
            cutter.set("pass")
            feeder.process.wait(timeout=PATIENCE_S)
            account = feeder.account()
        check_once(f"clickhouse.{mode}.once", clickhouse.cookies(), 3000)
        check(f"clickhouse.{mode}.account", account["sent"] == 3000 and not account["dropped"], dict(account))


@with_clickhouse
def test_clickhouse_zombie(clickhouse):
    """A request that was given up, and that the server executes all the same, later: the server is
    frozen, gets the batch twice, and wakes up to both."""
    cutter = Cutter(clickhouse.port)
    feed = Feed("clickhouse", f"http://127.0.0.1:{cutter.port}/", count=3000, rate=300)
    with feed.run() as feeder:
        feeder.wait(lambda a: a["sent"], "the first batch")
        clickhouse.send(signal.SIGSTOP)
        for n in range(3):
            before = feeder.account()["failed"]
            wait_for(lambda: feed.files(".batch"), "a batch")
            time.sleep(1.2)
            cutter.set("pass")  # cuts what is open: the server has the request in its buffers
            feeder.wait(lambda a, b=before: a["failed"] > b, "a failure")
        clickhouse.send(signal.SIGCONT)
        feeder.process.wait(timeout=PATIENCE_S)
    check_once("clickhouse.zombie.once", clickhouse.cookies(), 3000)


@with_clickhouse
def test_clickhouse_no_table(clickhouse):
    """A table that is not there yet is no reason to drop anything; nor is a wrong password."""
    clickhouse.ask("DROP TABLE twsnoop_events")
    feed = Feed("clickhouse", clickhouse.url, count=500, rate=1000)
    with feed.run() as feeder:
        feeder.wait(lambda a: a["failed"] >= 1 and "cannot send" in feeder.said(), "a failure")
        clickhouse.make_table()
        feeder.process.wait(timeout=PATIENCE_S)
        said, account = feeder.said(), feeder.account()
    check("clickhouse.no_table.said", "Code: 60" in said and "sends again" in said, said)
    check("clickhouse.no_table.account", account["sent"] == 500 and not account["dropped"], dict(account))
    check_once("clickhouse.no_table.once", clickhouse.cookies(), 500)
    clickhouse.make_table()
    feed = Feed("clickhouse", clickhouse.url, count=500, rate=1000)
    with feed.run("finish=0", env={"CLICKHOUSE_USER": "shop", "CLICKHOUSE_PASSWORD": "wrong"}) as feeder:
        feeder.wait(lambda a: a["failed"] >= 1 and "cannot send" in feeder.said(), "a failure")
        feeder.stop()
    account, said = run_to_end(feed, env={"CLICKHOUSE_USER": "shop", "CLICKHOUSE_PASSWORD": "open: sesame"})
    check_once("clickhouse.password.once", clickhouse.cookies(), 500)
    clickhouse.make_table()
    feed = Feed("clickhouse", clickhouse.url.replace("http://", "http://shop@"), count=500, rate=1000)
    run_to_end(feed, env={"CLICKHOUSE_PASSWORD": "open: sesame"})
    check_once("clickhouse.password_alone.once", clickhouse.cookies(), 500)
