# SPDX-License-Identifier: GPL-2.0
"""What the tests of `twsnoop serve` share: closes, the program, and reading metrics."""
import http.client
import json
import re
import socket
import urllib.parse

from checks import NETNS, PATIENCE_S, Program, wait_for

LABEL = re.compile(r'([a-z0-9_]+)="((?:[^"\\]|\\.)*)"')


class State:
    twsnoop = scratch = None


# ---- something to count ----

def connect_and_close(listener):
    """The client closes first, by close(): one TIME_WAIT, on its side."""
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    ours.close()
    theirs.recv(1)
    theirs.close()


def make_closes(num):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for _ in range(num):
            connect_and_close(listener)


# ---- programs ----

class Serve(Program):
    """twsnoop serve, at a port that was free."""

    def __init__(self, *arguments, twsnoop=None, own=True, names=False):
        words = (["--own"] if own else []) + ([] if names else ["--no-names"])
        super().__init__([twsnoop or State.twsnoop, "serve", *words, "--netns", NETNS,
                          "--listen", "127.0.0.1:0", *arguments], r"metrics at http")
        self.url = re.search(r"metrics at (https?://[^ /]+)/metrics", self.said())[1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = Client(self.port)
        self.get = self.client.get

    def metrics(self):
        return Metrics(self.get()[2].decode())

    def wait_value(self, name, value, **labels):
        """Until the sum of a metric's samples is it, or more: then the metrics."""
        last = [None]

        def reached():
            last[0] = self.metrics()
            return last[0].sum(name, **labels) >= value
        wait_for(reached, lambda: f"{name}{labels} is {last[0].sum(name, **labels)}, not {value}; lost "
                 f"{last[0].sum('twsnoop_events_lost_total')}; {self.said()[-300:]}")
        return last[0]

    def __exit__(self, *_):
        self.client.close()
        super().__exit__()

    def memory_kib(self, what="RssAnon"):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(rf"{what}:\s+(\d+)", f.read())[1])


class Metrics:
    """A scrape, in either format."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name, _, labels = name.partition("{")
                self.samples.append((name, dict(LABEL.findall(labels)), float(value)))

    def of(self, name, **labels):
        return [(l, v) for n, l, v in self.samples
                if n == name and all(l.get(k) == w for k, w in labels.items())]

    def sum(self, name, **labels):
        return sum(v for _, v in self.of(name, **labels))

    def names(self):
        """Of all samples that there can be: those of a histogram, too."""
        names = set()
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M):
            names |= {name + s for s in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        return names


class Client:
    """Keeps its connection: each that it would close is one more TIME_WAIT to be counted."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def get(self, path="/metrics", headers=None, method="GET"):
        """Status, headers, body. Raises OSError if nobody is there."""
        for again in True, False:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                             timeout=PATIENCE_S)
            try:
                self.connection.request(method, path, headers=headers or {})
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.HTTPException, OSError) as e:
                self.close()
                if not again:
                    raise OSError(str(e)) from e

    def ask_json(self, path, **query):
        """What an engine's API answers; None: it does not, yet."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        try:
            return json.loads(self.get(path)[2])
        except (OSError, ValueError):
            return None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None
