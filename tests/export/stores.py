# SPDX-License-Identifier: GPL-2.0
"""The stores that stand in for real ones, or are: a receiver for OTLP, and Debian's ClickHouse."""
import contextlib
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from checks import die_with_parent, free_port, skip, wait_for
from lib import TOP, State, folder
from otlp_receiver import Store

SCHEMA = os.path.join(TOP, "packaging/clickhouse/schema.sql")
SERVER = [os.path.abspath(word) if os.path.exists(word) else word
          for word in os.environ.get("CLICKHOUSE_SERVER", "clickhouse-server").split()]


@contextlib.contextmanager
def otlp_store():
    store = Store()
    try:
        yield store
    finally:
        store.released.set()
        if store.server:
            store.stop()


class ClickHouse:
    """Debian's server, started by hand; it may be killed, frozen, and started again."""

    def __init__(self):
        self.dir = folder("clickhouse")
        self.port, self.process = free_port(), None
        with open(os.path.join(self.dir, "config.xml"), "w", encoding="ascii") as file:
            file.write(f"""<?xml version="1.0"?><yandex><logger><level>error</level>
<log>{self.dir}/log</log><errorlog>{self.dir}/errors</errorlog></logger>
<http_port>{self.port}</http_port><tcp_port>{free_port()}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{self.dir}/data/</path><tmp_path>{self.dir}/tmp/</tmp_path><keep_alive_timeout>10</keep_alive_timeout>
<mark_cache_size>16777216</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database></yandex>""")
        with open(os.path.join(self.dir, "users.xml"), "w", encoding="ascii") as file:
            file.write("""<?xml version="1.0"?><yandex><profiles><default><max_memory_usage>1000000000</max_memory_usage>
</default></profiles><users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>
<quota>default</quota></default><shop><password>open: sesame</password><networks><ip>::/0</ip></networks>
<profile>default</profile><quota>default</quota></shop></users><quotas><default><interval><duration>3600</duration>
<queries>0</queries><errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows>
<execution_time>0</execution_time></interval></default></quotas></yandex>""")
        self.start()
        with open(SCHEMA, encoding="utf-8") as file:
            self.schema = file.read()

    def start(self, waits=True):
        out = open(os.path.join(self.dir, "out"), "ab")
        self.process = subprocess.Popen([*SERVER, f"--config-file={self.dir}/config.xml"], cwd=self.dir,
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                        preexec_fn=die_with_parent)
        out.close()
        if waits:
            self.wait_up()

    def wait_up(self):
        wait_for(lambda: self.process.poll() is not None or self.answers(), "ClickHouse to start")
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "out"), encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"{SERVER[0]} ended: {file.read()[-500:]}")

    def answers(self):
        try:
            return self.ask("SELECT 1") == "1\n"
        except OSError:
            return False

    def ask(self, query):
        url = f"http://127.0.0.1:{self.port}/"
        try:
            with urllib.request.urlopen(url, query.encode(), timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{query[:80]}: {error.read().decode()[:300]}") from None

    def make_table(self):
        self.ask("DROP TABLE IF EXISTS twsnoop_events")
        self.ask(self.schema)

    def cookies(self, which="host = 'feeder-host'"):
        text = self.ask(f"SELECT tcp_cookie, count() FROM twsnoop_events WHERE {which} GROUP BY tcp_cookie")
        return {int(n): int(times) for n, times in (line.split("\t") for line in text.splitlines())}

    def send(self, which):
        self.process.send_signal(which)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"


def with_clickhouse(test):
    """It is given the one server, with an empty table."""
    def run():
        if not shutil.which(SERVER[0]):
            return skip(test.__name__[5:], f"no {SERVER[0]}")
        if not State.clickhouse:
            State.clickhouse = ClickHouse()
        State.clickhouse.make_table()
        return test(State.clickhouse)
    run.__name__ = test.__name__
    return run
