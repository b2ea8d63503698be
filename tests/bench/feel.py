# SPDX-License-Identifier: GPL-2.0
"""Section 2: what the host feels, and what the reader uses."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile

import benchlib as b


class Nothing:
    """Under no tracer at all."""

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        return None


def under(kind):
    if kind == "none":
        return Nothing()
    if kind == "empty":
        return b.Probe("--no-stats")
    return b.tool(kind)


# --- slowdown ---------------------------------------------------------------------

def churn_slice(ctx):
    """Seconds a connection, and CPU seconds of both ends: medians of short runs."""
    results = []
    for _ in range(2 if ctx.quick else 9):
        with b.Churn("--count", 2000 if ctx.quick else 5000) as churn:
            results.append(churn.run())
    return {"wall": statistics.median(r["seconds"] / r["connections"] for r in results),
            "cpu": statistics.median(r["cpu_ns_per_connection"] for r in results) / 1e9}


NGINX_CONF = """
daemon off; master_process on; worker_processes 1; pid {dir}/nginx.pid;
error_log {dir}/error.log; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_timeout 0;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{ listen 127.0.0.1:8080 backlog=4096; return 200 "ok"; }} }}
"""


def nginx_children(pid):
    text = b.read_text(f"/proc/{pid}/task/{pid}/children")
    return [int(x) for x in text.split()]


def wrk(pid, seconds):
    argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "wrk", "-t", "1", "-c", "32", "-d",
            f"{seconds}s", "-H", "Connection: close", "http://127.0.0.1:8080/"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r"Requests/sec:\s*([0-9.]+)", done.stdout)
    if done.returncode or not found or not float(found.group(1)):
        raise b.BenchError(f"wrk: {(done.stderr or done.stdout).strip()[:200]}")
    return float(found.group(1))


def nginx_slice(ctx):
    with tempfile.TemporaryDirectory(prefix="twsnoop-bench-") as directory:
        os.chmod(directory, 0o755)
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(NGINX_CONF.format(dir=directory))
        argv = [b.program("nsrun"), "nginx", "-p", directory, "-c", conf]
        with b.Process(argv, stderr=subprocess.DEVNULL) as nginx:
            if not b.wait_for(lambda: nginx_children(nginx.pid), 10):
                raise b.BenchError("nginx does not start")
            before = sum(children_cpu_ns(nginx.pid))
            rate = wrk(nginx.pid, 1 if ctx.quick else 2)
            used = sum(children_cpu_ns(nginx.pid)) - before
            requests = rate * (1 if ctx.quick else 2)
    return {"wall": 1 / rate, "cpu": used / 1e9 / requests}


def children_cpu_ns(pid):
    for child in nginx_children(pid):
        fields = b.read_text(f"/proc/{child}/schedstat").split()
        yield int(fields[0]) if fields else 0


def slowdown_rounds(ctx, kinds, slice_of):
    """N A N B N C N ...: each tool against the mean of its untraced neighbours. The peers
    are far off, and need fewer rounds."""
    ratios = {}
    near = [k for k in kinds if k == "empty" or k.startswith("twsnoop")]

    def measure(kind):
        with under(kind):
            b.settle(ctx.settle_s)
            return slice_of(ctx)
    for number in range(ctx.feel_rounds):
        base = measure("none")
        for kind in ctx.order(near if number % 2 else kinds, number):
            with_tool = ctx.attempt(kind, measure, kind)
            after = measure("none")
            for key in ("wall", "cpu"):
                untraced = (base[key] + after[key]) / 2
                ratios.setdefault(("none", key), []).append(after[key] / base[key])
                if with_tool:
                    ratios.setdefault((kind, key), []).append(with_tool[key] / untraced)
            base = after
    return ratios


def slowdown(ctx, title, kinds, slice_of):
    ratios = slowdown_rounds(ctx, kinds, slice_of)
    rows, figures = [], {}
    for kind in ["none", *kinds]:
        if (kind, "wall") not in ratios:
            continue
        wall, cpu = b.spread(ratios[kind, "wall"]), b.spread(ratios[kind, "cpu"])
        figures[kind] = {"wall": wall, "cpu": cpu, "all_wall": ratios[kind, "wall"]}
        rows.append(["none (against itself)" if kind == "none" else kind, b.show(wall, 3),
                     b.show(cpu, 3), wall["n"]])
    b.table(title, ["under", "time, times the untraced", "CPU of the load", "pairs"], rows)
    return figures


def feel_churn(ctx):
    tools = ["twsnoop", "tcplife"] if ctx.quick else ["twsnoop", "twsnoop ledger", "tcpstates",
                                                      "tcplife", "bpftrace"]
    kinds = ["empty", *b.available(tools)]
    return slowdown(ctx, "2. Slowdown of churn (one process pair)", kinds, churn_slice)


def feel_nginx(ctx):
    for name in ("nginx", "wrk"):
        if not shutil.which(name):
            raise b.BenchError(f"{name} is not installed")
    kinds = b.available(["twsnoop"] if ctx.quick else ["twsnoop", "tcpstates", "tcplife"])
    kinds = kinds if ctx.quick else ["empty", *kinds]
    return slowdown(ctx, "2b. Slowdown of nginx + wrk, Connection: close", kinds, nginx_slice)


# --- the reader ---------------------------------------------------------------------

class Output:
    """Where a reader writes: /dev/null, a file, or a pipe that someone empties."""

    def __init__(self, where):
        self.where = where
        self.file = self.drain = None

    def __enter__(self):
        if self.where == "file":
            self.file = tempfile.TemporaryFile()
            return self.file
        if self.where == "pipe":
            reader, writer = os.pipe()
            self.drain = b.Process(["cat"], stdin=reader, stdout=subprocess.DEVNULL)
            os.close(reader)
            self.file = os.fdopen(writer, "wb")
            return self.file
        return subprocess.DEVNULL

    def __exit__(self, *_exc):
        if self.file:
            self.file.close()
        if self.drain:
            self.drain.stop()


def reader_once(ctx, kind, where, paced):
    count = 2000 if ctx.quick else 10000 if paced else 60000
    options = ["--count", count] + (["--rate", 2000] if paced else [])
    with Output(where) as out, b.tool(kind, out) as tool:
        with b.Churn(*options) as churn:
            before = tool.cpu_ns()
            result = churn.run()
            tool.wait_idle(0.4)
            used = tool.cpu_ns() - before
        rss = tool.rss_kib()
        if where == "file":
            written = os.fstat(out.fileno()).st_size / result["connections"]
        else:
            written = None
    return {"cpu_us": used / 1000 / result["connections"], "rss_kib": rss,
            "bytes_per_connection": written}


def reader_cases(ctx):
    cases = [(kind, where, False) for kind in ("twsnoop", "twsnoop text", "tcpstates", "tcplife")
             for where in ("null", "file", "pipe")]
    cases += [(kind, "null", True) for kind in ("twsnoop", "tcpstates", "tcplife", "bpftrace")]
    cases.append(("bpftrace", "null", False))
    if ctx.quick:
        cases = [c for c in cases if c[0] == "twsnoop" or c == ("tcplife", "null", False)]
    found = b.available(dict.fromkeys(c[0] for c in cases))
    return [c for c in cases if c[0] in found]


def reader(ctx):
    samples = {}
    cases = reader_cases(ctx)
    for number in range(ctx.rounds):
        for case in ctx.order(cases, number):
            if number and case[1] != "null" and not case[0].startswith("twsnoop"):
                continue  # a peer's cost hardly depends on where its lines go
            sample = ctx.attempt(case[0], reader_once, ctx, *case)
            if sample:
                samples.setdefault(case, []).append(sample)
    rows, figures = [], {}
    for case in (c for c in cases if c in samples):
        kind, where, paced = case
        name = f"{kind} to {where}" + (", 2,000/s" if paced else "")
        cpu = b.spread([s["cpu_us"] for s in samples[case]])
        last = samples[case][-1]
        written = last["bytes_per_connection"]
        figures[name] = {**last, "cpu_us": cpu}
        rows.append([name, b.show(cpu, 2), f"{last['rss_kib'] / 1024:.1f}",
                     "-" if written is None else f"{written:.0f}"])
    b.table("2c. The reader's CPU a connection (both ends)",
            ["reader", "µs a connection", "RSS MiB", "bytes written"], rows)
    return figures
