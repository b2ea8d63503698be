# SPDX-License-Identifier: GPL-2.0
"""Section 12: what twsnoop serve takes, with metrics alone and with each store, beside a trace whose output
nobody reads; and what a scrape takes."""

import http.server
import re
import tempfile
import threading
import time
import urllib.request

import benchlib as b
from record import RATE, Recorder, cpu_a_close

SENT_S = 6  # until the last batch has been made and sent


class Taker(http.server.BaseHTTPRequestHandler):
    """A store that takes all and looks at nothing: what is measured is the sender."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left = int(self.headers.get("Content-Length", 0))
        self.server.requests += 1
        self.server.bytes += left
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        answer = b"{}" if self.path == "/v1/logs" else b"1\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Store(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Taker)
        self.requests = self.bytes = 0
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def __exit__(self, *_exc):
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


def serve_argv(*words):
    return ["serve", "--own", "--listen", "127.0.0.1:0", *words]


def sent_cost(words, url, seconds):
    """Of serve that sends to a store: µs a close, and what arrived for each."""
    with Store() as store, tempfile.TemporaryDirectory(dir=b.BUILD) as spool:
        argv = serve_argv("--spool", spool, *(word.format(url=store.url + url) for word in words))
        cost = cpu_a_close(argv, seconds, SENT_S)
        if not store.bytes:
            raise b.BenchError("nothing arrived at the store")
        return cost, store.bytes / (RATE * seconds)


def scrape_cost(seconds):
    """In ms of its CPU time, with the series that this load makes; and the share of a core that all of it
    takes at 1,000 closes a second, scraped every five seconds."""
    with b.Churn("--millis", (seconds + 10) * 1000, "--rate", 1000, "--pairs", 1) as churn, \
         Recorder(*serve_argv()) as tool:
        url = re.search(r"metrics at (http://\S+)", tool.said()).group(1)
        churn.go()
        time.sleep(3)
        begin, before = time.monotonic(), tool.cpu_ns()
        while time.monotonic() < begin + seconds:
            time.sleep(5)
            with urllib.request.urlopen(url, timeout=30) as answer:
                answer.read()
        share = (tool.cpu_ns() - before) / (time.monotonic() - begin) / 1e7
        before = tool.cpu_ns()
        for _ in range(100):
            with urllib.request.urlopen(url, timeout=30) as answer:
                size = len(answer.read())
        scrape = (tool.cpu_ns() - before) / 1e6 / 100
        churn.result()
    return share, scrape, size


KINDS = {
    "trace --json, to /dev/null": (["trace", "--own", "--json"], None),
    "serve --time-wait-only": (serve_argv("--time-wait-only"), None),
    "trace --all --json, to /dev/null": (["trace", "--own", "--all", "--json"], None),
    "serve": (serve_argv(), None),
    "serve --otlp": (["--otlp", "{url}"], ""),
    "serve --clickhouse": (["--clickhouse", "{url}"], "/?database=default"),
    "serve --otlp --clickhouse": (["--otlp", "{url}/v1/logs", "--clickhouse", "{url}/"], ""),
}


def one(words, url, seconds):
    if url is None:
        return cpu_a_close(words, seconds), None
    return sent_cost(words, url, seconds)


def serve(ctx):
    seconds = 2 if ctx.quick else 8
    samples = {kind: [] for kind in KINDS}
    for number in range(ctx.rounds):
        for kind in ctx.order(KINDS, number):
            samples[kind].append(ctx.attempt("twsnoop", one, *KINDS[kind], seconds))
    figures, rows = {}, []
    for kind, values in samples.items():
        values = [v for v in values if v]
        if not values:
            continue
        figures[kind] = b.spread([cost for cost, _ in values])
        sent = [size for _, size in values if size]
        rows.append([kind, b.show(figures[kind], 2), f"{sum(sent) / len(sent):.0f}" if sent else "-"])
    b.table(f"12. twsnoop serve, at {RATE:,} closes a second, both ends on this host",
            ["command", "CPU µs a close", "bytes sent for each"], rows)
    scraped = ctx.attempt("twsnoop", scrape_cost, 5 if ctx.quick else 30)
    if scraped:
        figures["share"], figures["scrape_ms"], size = scraped
        b.table("    and metrics", ["what", "takes"],
                [["serve at 1,000 closes/s, % of a core", f"{scraped[0]:.2f}"],
                 [f"a scrape of {size / 1024:.0f} KiB, CPU ms", f"{scraped[1]:.2f}"]])
    return figures
