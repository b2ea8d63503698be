# SPDX-License-Identifier: GPL-2.0
"""Prometheus and VictoriaMetrics, as Debian has them, scrape twsnoop serve; the shipped rules and
dashboard."""
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time

from checks import Program, check, forked, free_port, skip, sysctl, wait_for
from lib import Client, Serve, State, make_closes

RULES = "packaging/prometheus/twsnoop.rules.yml"
DASHBOARD = "packaging/grafana/twsnoop.json"
PORTS = 200  # usable ones, while they run out
FEW = 5  # closes before


def scrape_config(serve):
    return ("scrape_configs:\n  - job_name: twsnoop\n    scrape_interval: 1s\n    static_configs:\n"
            f"      - targets: ['127.0.0.1:{serve.port}']\n")


class Prometheus(Program):
    def __init__(self, folder, serve, rules=None):
        self.client = Client(free_port())
        rule_files = f"rule_files: ['{rules}']\n" if rules else ""
        with open(f"{folder}/prometheus.yml", "w") as f:
            f.write(f"global:\n  evaluation_interval: 1s\n{rule_files}{scrape_config(serve)}")
        super().__init__(["prometheus", f"--config.file={folder}/prometheus.yml",
                          f"--storage.tsdb.path={folder}/data",
                          f"--web.listen-address=127.0.0.1:{self.client.port}"],
                         begun=lambda: self.client.ask_json("/api/v1/status/buildinfo"))

    def __exit__(self, *_):
        self.client.close()
        super().__exit__()

    def query(self, expr):
        """Each series' labels and value; None: it does not understand, or not yet."""
        answer = self.client.ask_json("/api/v1/query", query=expr)
        if not answer or answer["status"] != "success":
            return None
        return [(r["metric"], float(r["value"][1])) for r in answer["data"]["result"]]

    def firing(self):
        answer = self.client.ask_json("/api/v1/alerts")
        alerts = answer["data"]["alerts"] if answer else None
        return {a.get("name") or a["labels"]["alertname"] for a in alerts or [] if a["state"] == "firing"}


class VictoriaMetrics(Prometheus):
    def __init__(self, folder, serve):
        self.client = Client(free_port())
        with open(f"{folder}/scrape.yml", "w") as f:
            f.write(scrape_config(serve))
        Program.__init__(self, ["victoria-metrics", f"-promscrape.config={folder}/scrape.yml",
                                f"-storageDataPath={folder}/data",
                                f"-httpListenAddr=127.0.0.1:{self.client.port}",
                                "-memory.allowedBytes=64MB", "-search.latencyOffset=0s"],
                         begun=lambda: self.query("1"))


class Vmalert(Prometheus):
    """Rules on what VictoriaMetrics has."""

    def __init__(self, victoria, rules):
        self.client = Client(free_port())
        Program.__init__(self, ["vmalert", f"-rule={rules}", f"-datasource.url=http://127.0.0.1:{victoria.client.port}",
                                "-notifier.url=http://127.0.0.1:1", "-evaluationInterval=1s",
                                f"-httpListenAddr=127.0.0.1:{self.client.port}"],
                         begun=lambda: self.client.ask_json("/api/v1/alerts"))


def has(engine, name):
    if shutil.which(engine):
        return True
    skip(name, f"there is no {engine}")
    return False


def test_rules():
    if not has("promtool", "rules"):
        return
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True,
                          check=False)
    check("promtool check rules", done.returncode == 0, done.stdout + done.stderr)
    # The tests name the rules' file by its place beside them.
    with tempfile.TemporaryDirectory(dir=State.scratch) as folder:
        shutil.copy(RULES, folder)
        shutil.copy("tests/serve/rules.test.yml", folder)
        done = subprocess.run(["promtool", "test", "rules", "rules.test.yml"], cwd=folder,
                              capture_output=True, text=True, check=False)
    check("promtool test rules", done.returncode == 0, done.stdout + done.stderr)
    with open(RULES) as f:
        alerts = set(re.findall(r"- alert: (\w+)", f.read()))
    with open("tests/serve/rules.test.yml") as f:
        tested = f.read()
    lacks = [a for a in alerts if a not in tested]
    check("every alert has a test", len(alerts) >= 10 and not lacks, lacks)


# ---- the dashboard ----

def expressions():
    """Of the dashboard's panels, and of the rules."""
    with open(DASHBOARD) as f:
        board = json.load(f)
    exprs = [t["expr"] for p in board["panels"] for t in p["targets"]]
    exprs += [v["definition"] for v in board["templating"]["list"] if "definition" in v]
    with open(RULES) as f:
        return board, exprs, f.read()


def test_dashboard():
    board, exprs, rules = expressions()
    with Serve() as serve:
        names = serve.metrics().names()
    asked = set(re.findall(r"\btwsnoop_\w+", " ".join(exprs) + " ".join(
        re.findall(r"expr: (?:\|\n)?((?:.|\n)*?)\n +(?:for|labels):", rules))))
    check("each query of dashboard and rules names a metric", len(asked) >= 15 and asked <= names,
          asked - names)
    check("each metric is on the dashboard", {n for n in names if not n.endswith(("_sum", "_count"))} <=
          set(re.findall(r"\btwsnoop_\w+", " ".join(exprs))), names)
    ids = [p["id"] for p in board["panels"]]
    check("panels have ids of their own, and places", len(ids) == len(set(ids)) and all(
        0 <= p["gridPos"]["x"] and p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in board["panels"]))
    check("the data source is the user's choice", all(
        t["datasource"]["uid"] == "${datasource}" for p in board["panels"] for t in p["targets"]) and
        board["uid"] == "twsnoop" and "id" not in board)


def is_understood(prometheus, expr):
    """Grafana's variables as it would fill them in."""
    for name, value in ("$__rate_interval", "5m"), ("$job", ".*"), ("$instance", ".*"):
        expr = expr.replace(name, value)
    return prometheus.query(expr) is not None


# ---- what is scraped ----

def check_scraped(name, engine, made):
    def value(expr):
        got = engine.query(expr)
        return got[0][1] if got else None
    # The engine's own connections may leave one now and then.
    checkout = 'sum(twsnoop_closes_total{process="checkout"})'
    wait_for(lambda: value(checkout) == made, lambda: f"{name}: {value(checkout)}, not {made}")
    check(f"{name} has what was made, exactly", True)
    wait_for(lambda: value("sum(twsnoop_time_waits_total) - sum(twsnoop_closes_total)") == 0,
             f"{name}: the labelled sum")
    check(f"{name} has the whole, exactly", True)
    got = engine.query('twsnoop_closes_total{process="checkout"}')
    check(f"{name} has the labels", got and got[0][0]["side"] == "client" and
          got[0][0]["cause"] == "close", got)


def take_all_ports():
    """More connects than there are ports, for as long as it lives: some fail for want of them."""
    with socket.create_server(("127.0.0.1", 7777), backlog=128) as listener:
        while True:
            ours = socket.socket()
            if ours.connect_ex(("127.0.0.1", 7777)):
                ours.close()
                time.sleep(0.1)
                continue
            theirs, _ = listener.accept()
            ours.close()
            theirs.recv(1)
            theirs.close()
            time.sleep(0.005)


def short_rules(folder):
    """The shipped rules, without their waiting."""
    path = f"{folder}/short.rules.yml"
    with open(RULES) as f, open(path, "w") as to:
        to.write(re.sub(r"\bfor: \w+", "for: 1s", f.read()))
    return path


def check_fires(name, engine, serve):
    sysctl("tcp_tw_reuse", 0)
    sysctl("ip_local_port_range", f"20000 {20000 + PORTS - 1}")
    sysctl("tcp_max_tw_buckets", PORTS * 107 // 100)
    expected = {"TwsnoopConnectsFailForPorts", "TwsnoopLocalPortsNearlyFull",
                "TwsnoopTimeWaitTableNearlyFull", "TwsnoopCriticalFinding"}
    fired = set()

    def has_fired():
        fired.update(engine.firing())
        return expected <= fired
    with forked(take_all_ports, name="leaky", waits=False):
        wait_for(has_fired, lambda: f"{name}: fired: {fired}; {engine.said()[-500:]}; {serve.metrics().text[-2500:]}")
        check(f"{name}: the alerts fire", True)


def check_end(name, engine, serve):
    serve.stop(9)
    wait_for(lambda: "TwsnoopDown" in engine.firing(), f"{name}: TwsnoopDown")
    check(f"{name}: its end is noticed", True)


def test_prometheus():
    if not has("prometheus", "Prometheus"):
        return
    with tempfile.TemporaryDirectory(dir=State.scratch) as folder, \
         Serve("--interval", "1s") as serve, \
         Prometheus(folder, serve, short_rules(folder)) as prometheus:
        with forked(make_closes, FEW, name="checkout"):
            check_scraped("Prometheus", prometheus, FEW)
            check("nothing fires meanwhile", prometheus.query("twsnoop_build_info") and
                  not prometheus.firing(), prometheus.firing())
        _, exprs, _ = expressions()
        wrong = [e for e in exprs if not e.startswith("label_values") and
                 not is_understood(prometheus, e)]
        check("Prometheus understands the dashboard", not wrong, wrong)
        check_fires("Prometheus", prometheus, serve)
        # Who asks keeps the connection: it leaves no TIME_WAITs here.
        by = serve.metrics().of("twsnoop_closes_total", process="prometheus")
        check("Prometheus is not what makes TIME_WAITs", sum(v for _, v in by) <= 2, by)
        check_end("Prometheus", prometheus, serve)


def test_victoria_metrics():
    if not has("victoria-metrics", "VictoriaMetrics"):
        return
    with tempfile.TemporaryDirectory(dir=State.scratch) as folder, Serve("--interval", "1s") as serve, \
         VictoriaMetrics(folder, serve) as victoria:
        with forked(make_closes, FEW, name="checkout"):
            check_scraped("VictoriaMetrics", victoria, FEW)
        if not has("vmalert", "rules on VictoriaMetrics"):
            return
        with Vmalert(victoria, short_rules(folder)) as vmalert:
            check_fires("vmalert", vmalert, serve)
            check_end("vmalert", vmalert, serve)
