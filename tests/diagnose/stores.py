# SPDX-License-Identifier: GPL-2.0
"""Situations made with clients of real stores and databases. Each without and with what diagnose
advises, after which the finding must be gone. As in situations.py, a is the host that is diagnosed, b
the other one."""
import glob
import os
import shutil
import subprocess
import threading

from programs import SHORT, WEB, as_user, needs, start_nginx, web_load
from run import Skip, situation
from situations import NO_PORT_TROUBLE, PORT


def redis(place):
    place.start("b", needs("redis-server"), "--bind", "10.9.0.2", "--port", str(PORT), "--save", "",
                "--protected-mode", "no", "--dir", place.folder)
    place.await_port("b", PORT)


def redis_load(place, keep, num):
    place.await_end(place.start("a", needs("redis-benchmark"), "-h", "10.9.0.2", "-p", str(PORT),
                                "-k", keep, "-c", "2", "-n", str(num), "-t", "get"))


@situation
def client_redis(place):
    """A real client of a real store, a connection for each command."""
    redis(place)
    redis_load(place, "0", 1000)
    place.finds("client-without-pool", process="redis-benchmark", says="client object", peer=PORT)


@situation
def client_redis_near(place):
    redis(place)
    redis_load(place, "1", 10000)
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


def php(place, connect):
    """PHP-FPM behind nginx: each page asks the store."""
    found = sorted(glob.glob("/usr/sbin/php-fpm[0-9]*"))
    if not found:
        raise Skip("php-fpm is not installed")
    pool = place.file("fpm.conf", f"""
[global]
error_log = /dev/null
daemonize = no
[www]
user = www-data
group = www-data
listen = {place.folder}/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 2
""")
    page = place.file("index.php", f"<?php $r = new Redis(); $r->{connect}('10.9.0.2', {PORT}); "
                      "$r->set('a', 'ok'); echo $r->get('a');")
    redis(place)
    place.start("a", found[-1], "-y", pool, "-F")
    start_nginx(place, "a", 80, "nginx", f"""
 server {{ listen 10.9.0.1:80; location / {{ fastcgi_pass unix:{place.folder}/fpm.sock;
  fastcgi_param SCRIPT_FILENAME {page}; fastcgi_param REQUEST_METHOD GET; }} }}""")
    place.await_file(f"{place.folder}/fpm.sock")
    if place.inside("b", "curl", "-s", WEB, stdout=subprocess.PIPE).stdout != "ok":
        raise RuntimeError("the page does not work: is php-redis installed?")
    web_load(place)
    return os.path.basename(found[-1])


@situation
def client_php_fpm(place):
    name = php(place, "connect")
    place.finds("client-without-pool", process=name, says="pconnect()", peer=PORT)


@situation
def client_php_fpm_near(place):
    php(place, "pconnect")
    place.diagnose().lacks(*SHORT, *NO_PORT_TROUBLE)


POSTGRES_LOCK = threading.Lock()


def postgres_bin():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise Skip("postgresql is not installed")
    return found[-1]


def postgres(place):
    """On b, in a folder of its own."""
    folder = f"{place.folder}/db"
    os.mkdir(folder)
    shutil.chown(folder, "postgres", "postgres")
    with POSTGRES_LOCK:  # it writes a lot: not several at once
        subprocess.run(as_user("postgres", f"{postgres_bin()}/initdb", "-D", folder, "-U", "shop", "-A",
                               "trust", "--no-sync", "--no-locale", "-E", "UTF8"), check=True,
                       cwd="/", stdout=subprocess.DEVNULL)
    with open(f"{folder}/pg_hba.conf", "a", encoding="ascii") as file:
        file.write("host all all 10.9.0.0/24 trust\n")
    place.start("b", *as_user("postgres", f"{postgres_bin()}/postgres", "-D", folder, "-F", "-h",
                              "10.9.0.2", "-p", str(PORT), "-k", folder, "-c", "shared_buffers=1MB",
                              "-c", "max_connections=20"), cwd="/")
    place.await_port("b", PORT)


QUERIES = """
import sys, psycopg2
for _ in range(300):
    db = psycopg2.connect(sys.argv[1])
    cursor = db.cursor()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)
    if sys.argv[2] == "commit":
        db.commit()
    db.close()
"""


def queries(place, where, end="commit"):
    script = place.file("queries.py", QUERIES)
    place.await_end(place.start("a", "/usr/bin/python3", script, f"dbname=postgres user=shop {where}",
                                end))


@situation
def database_client(place):
    postgres(place)
    queries(place, f"host=10.9.0.2 port={PORT}")
    place.finds("client-without-pool", process="python3", says="pgbouncer", peer=PORT)


@situation
def database_client_psql(place):
    """A process for each question."""
    postgres(place)
    script = place.file("ask.sh", f"for i in $(seq 60); do {postgres_bin()}/psql -qtA -h 10.9.0.2 "
                        f"-p {PORT} -U shop -d postgres -c 'select 1' || exit 1; done")
    place.await_end(place.start("a", "sh", script))
    place.finds("client-without-pool", process="psql", peer=PORT)


def pgbouncer(place):
    """Beside the client, as it is advised."""
    os.chmod(place.folder, 0o777)
    users = place.file("users.txt", '"shop" ""\n')
    config = place.file("pgbouncer.ini", f"""
[databases]
postgres = host=10.9.0.2 port={PORT}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = {place.folder}
auth_type = trust
auth_file = {users}
pool_mode = session
pidfile =
""")
    place.start("a", *as_user("nobody", needs("pgbouncer"), config))
    place.await_port("a", 6432)


@situation
def database_client_near(place):
    """The same client, and pgbouncer keeps the connections."""
    postgres(place)
    pgbouncer(place)
    queries(place, f"host={place.folder} port=6432")
    place.diagnose().lacks(*SHORT, "loopback-pair", *NO_PORT_TROUBLE)


@situation
def proxy_pgbouncer(place):
    """Clients that leave in the midst of a transaction cost it the connections that it keeps."""
    postgres(place)
    pgbouncer(place)
    queries(place, f"host={place.folder} port=6432", "leave")
    place.finds("proxy-without-keepalive", process="pgbouncer", says="commit, or roll back", peer=PORT)


@situation
def database_client_loopback(place):
    """Over TCP to pgbouncer on the same host: short, but harmless."""
    postgres(place)
    pgbouncer(place)
    queries(place, "host=127.0.0.1 port=6432")
    found = place.finds("loopback-pair", "ok", "python3")
    found.lacks(*SHORT, *NO_PORT_TROUBLE)
    found.is_harmless()
