#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Whether what was recorded is what was seen.

agree.py events LIVE RECORDED: of two traces in JSON all members of all events, but for the time: each
reader has read the wall clock for itself, and it may differ by some milliseconds. Where one of the two
found a socket by a snapshot of its own, and so later, when that was may differ.
agree.py sockets LIVE RECORDED SECONDS [REACH]: of two lists in JSON the sockets, their states, owners and
containers. To read all sockets takes a while: what was closed in the last SECONDS may be in one of
them alone. Of what was closed more than REACH seconds ago the live one may have no owner: it was
written over. A list reads the kernel's table; a recording has what tracepoints told, and the rest once
a snapshot has found it, up to a minute later. There are kernels whose tracepoints are silent while
some tasks run (docs/limits.md): so a few sockets may not be recorded yet, and of a few that waited in
FIN_WAIT2 it may have gone unseen that they are no more.
Prints why not, a line each, or nothing.
"""
import collections
import json
import sys
from datetime import datetime

SAME_TIME_S = 0.05
SHOWN = 5
UNTOLD_SHARE = 0.02


def load(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def seconds(text):
    whole, fraction = text.rstrip("Z").split(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + fraction)


def show(what, items):
    for item in items[:SHOWN]:
        print("%s: %s" % (what, item))
    if len(items) > SHOWN:
        print("%s: and %d more" % (what, len(items) - SHOWN))


def is_found(record):
    return record["event"].get("source") == "snapshot"


def events(live, recorded):
    times = [collections.defaultdict(list), collections.defaultdict(list)]
    both = (load(live), load(recorded))
    found = {r["tcp"]["cookie"] for records in both for r in records if is_found(r)}
    if len(found) * 20 > len(both[0]):
        print("%d were found by snapshots" % len(found))
    for which, records in enumerate(both):
        for record in records:
            time = seconds(record.pop("timestamp"))
            if record["tcp"].get("cookie") in found:
                record["event"].pop("source", None)
                record["tcp"].pop("lifetime_ns", None)
                time = 0
            times[which][json.dumps(record, sort_keys=True)].append(time)
    keys = [collections.Counter({k: len(v) for k, v in t.items()}) for t in times]
    show("not recorded", sorted((keys[0] - keys[1]).elements()))
    show("not seen live", sorted((keys[1] - keys[0]).elements()))
    for key in keys[0] & keys[1]:
        for a, b in zip(sorted(times[0][key]), sorted(times[1][key])):
            if abs(a - b) > SAME_TIME_S:
                print("another time by %.6f s: %s" % (b - a, key))
    actions = collections.Counter(json.loads(key)["event"]["action"] for key in times[0]
                                  for _ in times[0][key])
    print(" ".join("%s=%d" % item for item in sorted(actions.items())), file=sys.stderr)


def place(socket):
    local, peer = socket["network"]["local"], socket["network"]["peer"]
    return (socket["network"]["netns"], local["address"], local["port"], peer["address"],
            peer["port"])


def is_recent(socket, slack):
    """Closed, or in its state, for no longer than that: a dump may have met it before."""
    tcp = socket["tcp"]
    return min(tcp["age_ns"], 60e9 - tcp["expires_ns"]) <= slack * 1e9


def is_ending(socket, slack):
    """The kernel's timer for a minute comes up to 5 s late; a recording takes a minute for a minute."""
    return socket["tcp"]["expires_ns"] <= (5.2 + slack) * 1e9


def is_misplaced(live, recorded):
    """Under much load a list sometimes has the root cgroup for processes that are in another one."""
    return live.get("cgroup", {}).get("id") == 1 and recorded.get("cgroup", {}).get("id") != 1


def is_written_over(live, reach):
    return "process" not in live and live["owner"]["evidence"] != "seen" and live["tcp"]["age_ns"] >= reach * 1e9


def sockets(live, recorded, slack, reach):
    known = [{place(s): s for s in load(path)} for path in (live, recorded)]
    lacking = [[json.dumps(s) for key, s in sorted(known[which].items())
                if key not in known[1 - which] and not is_recent(s, slack) and
                not is_ending(s, slack)] for which in (0, 1)]
    few = max(2, UNTOLD_SHARE * len(known[0]))
    if len(lacking[0]) > few:
        show("not recorded", lacking[0])
    waited = [s for s in lacking[1] if json.loads(s)["tcp"]["state"] == "fin_wait2"]
    if len(waited) > few:
        show("not there", waited)
    show("not there", [s for s in lacking[1] if s not in waited])
    others, misplaced = [], 0
    for key in known[0].keys() & known[1].keys():
        a, b = (k[key] for k in known)
        if is_recent(a, slack) or is_recent(b, slack) or is_written_over(a, reach):
            continue
        names = [name for name in ("process", "owner", "container", "cgroup")
                 if a.get(name) != b.get(name)]
        if is_misplaced(a, b):
            misplaced += 1
            names = [name for name in names if name not in ("cgroup", "container")]
        # Who listened when it was accepted: a recorder may know what a list cannot find out.
        if "opener" in a and a["opener"] != b.get("opener"):
            names.append("opener")
        names += [name for name in ("state", "side", "cause", "cookie")
                  if a["tcp"].get(name) != b["tcp"].get(name)]
        if abs(a["tcp"]["expires_ns"] - b["tcp"]["expires_ns"]) > 5e9:
            names.append("time left")
        if names:
            others.append("%s: %s, %s" % (" ".join(names), json.dumps(a), json.dumps(b)))
    show("another", others)
    print("%d sockets, %d of them not recorded yet, %d recorded that have left FIN_WAIT2, %d listed in the "
          "root cgroup" % (len(known[0]), len(lacking[0]), len(waited), misplaced), file=sys.stderr)


if sys.argv[1] == "events":
    events(sys.argv[2], sys.argv[3])
else:
    sockets(sys.argv[2], sys.argv[3], float(sys.argv[4]), float((sys.argv[5:] or ["inf"])[0]))
