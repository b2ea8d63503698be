# SPDX-License-Identifier: GPL-2.0
"""The Debian package: built, judged by lintian, and lived with in a fresh Debian: installed with what it
depends on, run, upgraded, removed, purged."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from checks import PATIENCE_S
from helpers import BUILD, TOP, Skip, make, need, run, scratch, version

# A root of its own, in which processes are this machine's. $1 is the root; the rest the command.
INTO_ROOT = """mount --make-rprivate / && mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" &&
mount --rbind /dev "$1/dev" && mount -t bpf bpf "$1/sys/fs/bpf" && root=$1 && shift && exec chroot "$root" "$@" """
# Asked of apt and dpkg themselves, and not of the package.
THEIRS = re.compile(r"/(var/lib/(dpkg|apt|systemd/deb-systemd-helper)|var/cache|var/log|etc/ld\.so\.cache|tmp|"
                    r"etc/(resolv\.conf|hosts)|usr/bin/systemctl|systemctl\.log|run|root)(/|$)")


# As make and Debian call the architecture that is built for besides this machine's.
FOREIGN = "arm64"
PACKAGER = "Nora O'Neil", "packages@twsnoop.test"


def build_deb(*words):
    make("deb", *words, f"DEBFULLNAME={PACKAGER[0]}", f"DEBEMAIL={PACKAGER[1]}", cwd=TOP)


def package():
    """build it, unless a test before this one has"""
    need("dh", "lintian", "dpkg-deb")
    found = BUILD / f"twsnoop_{version()}_{run('dpkg', '--print-architecture').stdout.strip()}.deb"
    if not package.built:
        build_deb(f"BUILD={BUILD}")
        package.built = True
    return found


package.built = False


def inspect(v, deb, what):
    """What is in it, and where; returns the program"""
    judged = run("lintian", "--allow-root", "--fail-on", "error,warning", deb, check=False)
    v.check(f"{what}_lintian", judged.returncode == 0 and not judged.stdout.strip(), judged.stdout + judged.stderr)
    files = set(re.findall(r" \.(/\S*[^/\s])(?: ->.*)?$", run("dpkg-deb", "-c", deb).stdout, re.M))
    for unit in (TOP / "packaging/systemd").glob("*.service"):
        v.check(f"{what}_{unit.stem}", any(f"{place}/systemd/system/{unit.name}" in files for place in ("/lib", "/usr/lib")))
    for path in ("/usr/sbin/twsnoop", "/etc/default/twsnoop", "/usr/share/man/man8/twsnoop.8.gz",
                 "/usr/share/bash-completion/completions/twsnoop", "/usr/share/zsh/vendor-completions/_twsnoop",
                 "/usr/share/fish/vendor_completions.d/twsnoop.fish", "/usr/share/doc/twsnoop/docs/usage.md",
                 "/usr/share/doc/twsnoop/examples/kubernetes/events/daemonset.yaml",
                 "/usr/share/doc/twsnoop/examples/shippers/vector.yaml"):
        v.check(f"{what}_has{path}", path in files, f"{path} is not in it")
    v.equal(f"{what}_maintainer", run("dpkg-deb", "-f", deb, "Maintainer").stdout.strip(), "{} <{}>".format(*PACKAGER))
    # What README.md shows is there, too.
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (TOP / "README.md").read_text())
    lacks = [path for path in pictures if f"/usr/share/doc/twsnoop/{path}" not in files]
    v.check(f"{what}_has_pictures", pictures and not lacks, lacks)
    with scratch() as name:
        run("dpkg-deb", "-R", deb, name)
        v.equal(f"{what}_conffiles", pathlib.Path(name, "DEBIAN/conffiles").read_text().split(), ["/etc/default/twsnoop"])
        program = pathlib.Path(name, "usr/sbin/twsnoop")
        # Every library that the program names comes from a package that is depended on.
        depends = run("dpkg-deb", "-f", deb, "Depends").stdout
        header = run("readelf", "--file-header", "--program-headers", "--dynamic", "--wide", program).stdout
    needed = {lib for lib in re.findall(r"\(NEEDED\).*\[(\S+)\]", header) if not lib.startswith("ld-linux-")}
    # And those of the libraries that it loads late.
    v.check(f"{what}_depends_late", "libcurl" in depends and "libmicrohttpd" in depends, depends)
    v.check(f"{what}_depends", needed and len(depends.split(",")) >= len(needed) - 1, depends)
    return header


def content(v, twsnoop):
    inspect(v, package(), "deb")


def foreign(v, twsnoop):
    """The same for an architecture that this machine cannot run"""
    need("dh", "lintian", "dpkg-deb", "readelf")
    if run("dpkg", "--print-architecture").stdout.strip() == FOREIGN:
        raise Skip(f"this machine is {FOREIGN} itself")
    build = BUILD / FOREIGN
    build_deb(f"ARCH={FOREIGN}", f"BUILD={build}")
    deb = build / f"twsnoop_{version()}_{FOREIGN}.deb"
    header = inspect(v, deb, "deb_foreign")
    v.equal("deb_foreign_arch", run("dpkg-deb", "-f", deb, "Architecture", "Version").stdout.split(),
            ["Architecture:", FOREIGN, "Version:", version()])
    v.check("deb_foreign_program", re.search(r"Machine: +AArch64", header) and
            "interpreter: /lib/ld-linux-aarch64.so.1]" in header, header)


def by_whom(v, twsnoop):
    """Who answers for it: one place in the tree, and none that could be somebody's"""
    control = (TOP / "packaging/deb/control").read_text()
    ours = re.search(r"^Maintainer: (.*)$", control, re.M).group(1)
    v.check("deb_maintainer_nobody", ours.endswith(".invalid>"), ours)
    v.equal("deb_changelog_by", run("dpkg-parsechangelog", "-l", TOP / "packaging/deb/changelog", "-S", "Maintainer").stdout.strip(), ours)
    for number, (name, mail, why) in enumerate((("", "a@b.example", "DEBFULLNAME"), ("A", "a", "DEBEMAIL"), ("A <b>", "a@b.example", "DEBFULLNAME"),
                            ("A", "a@b.example>\nX: y", "DEBEMAIL"), ("A\nX: y", "a@b.example", "DEBFULLNAME"))):
        with scratch() as build:
            done = run(TOP / "packaging/deb/build.sh", "x86_64", build, check=False,
                       env={**os.environ, "DEBFULLNAME": name, "DEBEMAIL": mail})
        v.check(f"deb_refuses_{number}", done.returncode == 1 and f"build.sh: {why}: " in done.stderr and
                len(done.stderr.splitlines()) < 3, done.stderr)


# ---- a fresh Debian ----

def suite():
    told = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if told["ID"] != "debian":
        raise Skip("this machine is no Debian")
    return told["VERSION_CODENAME"]


def sources():
    """sources.list of a Debian from this machine's own mirrors, and where the keys are"""
    told = run("bash", "-c", """die() { echo "$*" >&2; exit 1; }; . packaging/private-apt.sh; find_keyring; find_mirrors
        echo "$keyring" && echo "${main_mirrors%% *}" && echo "${security_mirrors%% *}" """, cwd=TOP).stdout.split()
    keyring, main, security = told
    name = suite()
    return [f"deb [signed-by={keyring}] {base.rstrip('/')} {where} main"
            for base, where in ((main, name), (main, name + "-updates"), (security, name + "-security"))]


def base():
    """an archive of the smallest Debian that has apt; made once for a build folder"""
    need("mmdebstrap")
    out = BUILD / "packages" / f"base-{suite()}.tar"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(".part.tar")
        run("mmdebstrap", "--mode=root", "--variant=minbase", suite(), part, *sources())
        part.replace(out)
    return out


class Debian:
    def __init__(self, folder):
        self.root = folder / "root"
        self.root.mkdir()
        run("tar", "-C", self.root, "-xf", base(), "--exclude=./dev/*")
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            if os.path.exists(path):
                shutil.copyfile(path, str(self.root) + path)
        proxies = [line for line in run("apt-config", "dump").stdout.splitlines() if re.match(r"Acquire::\S*Proxy", line, re.I)]
        (self.root / "etc/apt/apt.conf.d/99proxy").write_text("\n".join(proxies) + "\n")
        # What the scripts of a package want of systemd is noted: it seems to run.
        (self.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
        fake = self.root / "usr/bin/systemctl"
        fake.write_text('#!/bin/sh\necho "$*" >>/systemctl.log\nexit 0\n')
        fake.chmod(0o755)
        self.first = self.files()

    def command(self, *words):
        return ["unshare", "--mount", "sh", "-c", INTO_ROOT, "sh", str(self.root), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *map(str, words)]

    def run(self, *words, check=True):
        return run(*self.command(*words), check=check)

    def apt(self, *words):
        return self.run("apt-get", "-qq", "-y", "-o", "APT::Install-Recommends=no", *words)

    def files(self):
        found = set()
        for folder, folders, names in os.walk(self.root):
            inside = folder[len(str(self.root)):]
            found.update(f"{inside}/{name}" for name in folders + names)
        return {path for path in found if not THEIRS.match(path) and not path.startswith(("/proc/", "/sys/", "/dev/"))}

    def asked_of_systemd(self):
        log = self.root / "systemctl.log"
        asked = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return asked


def newer(deb, folder):
    """the same package, of the next version"""
    run("dpkg-deb", "-R", deb, folder / "newer")
    control = folder / "newer/DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+next", control.read_text(), flags=re.M))
    return run("dpkg-deb", "--root-owner-group", "-b", folder / "newer", folder / "newer.deb") and folder / "newer.deb"


def life(v, twsnoop):
    deb = package()
    with scratch() as name:
        folder = pathlib.Path(name)
        debian = Debian(folder)
        installed(v, debian, deb)
        runs(v, debian)
        upgraded(v, debian, newer(deb, folder))
        removed(v, debian)


def installed(v, debian, deb):
    shutil.copy(deb, debian.root / "tmp")
    debian.apt("update")
    debian.apt("install", f"/tmp/{deb.name}")
    state = debian.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "twsnoop").stdout
    v.equal("deb_installed", state, f"installed {version()}")
    asked = debian.asked_of_systemd()
    v.check("deb_starts_nothing", not [line for line in asked if re.search(r"\b(re)?(start|enable)\b", line)], asked)
    wanted = [path for path in debian.files() if re.match(r"/etc/systemd/.*twsnoop", path)]
    v.check("deb_enables_nothing", not wanted, wanted)


def runs(v, debian):
    v.equal("deb_version", debian.run("twsnoop", "--version").stdout.strip(), f"twsnoop {version()}")
    # A connection of this process, which the program in there sees.
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    tracer = subprocess.Popen(debian.command("twsnoop", "trace", "--json", "--own", "-n", "1", "-d", f"{PATIENCE_S}s", "-r", f":{port}"),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        until = time.monotonic() + PATIENCE_S
        while tracer.poll() is None and time.monotonic() < until:
            client = socket.create_connection(("127.0.0.1", port))
            server = listener.accept()[0]
            client.close()
            server.close()
            time.sleep(0.2)
        tracer.wait(10)
        line = tracer.stdout.readline()
    finally:
        tracer.kill()
        tracer.wait()
        tracer.stdout.close()
        listener.close()
    v.equal("deb_traces", line and json.loads(line)["process"]["pid"], os.getpid())


def upgraded(v, debian, deb):
    default = debian.root / "etc/default/twsnoop"
    default.write_text(default.read_text() + 'TWSNOOP_RECORD="--size 1G"\n')
    mine = default.read_text()
    kept = debian.root / "var/lib/twsnoop"
    kept.mkdir()
    (kept / "recording.db").write_text("of the administrator")
    debian.asked_of_systemd()
    shutil.copy(deb, debian.root / "tmp")
    debian.apt("install", f"/tmp/{deb.name}")
    state = debian.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "twsnoop").stdout
    v.equal("deb_upgraded", state, f"installed {version()}+next")
    asked = debian.asked_of_systemd()
    restarted = [line.split()[-1] for line in asked if "restart" in line]
    units = sorted(unit.name for unit in (TOP / "packaging/systemd").glob("*.service"))
    v.check("deb_upgrade_reloads", any("daemon-reload" in line for line in asked), asked)
    v.equal("deb_upgrade_restarts", restarted, units)
    v.check("deb_upgrade_only_what_runs", all("try-restart" in line for line in asked if "restart" in line), asked)
    v.equal("deb_upgrade_keeps_settings", default.read_text(), mine)


def removed(v, debian):
    default = debian.root / "etc/default/twsnoop"
    recording = debian.root / "var/lib/twsnoop/recording.db"
    # With a recorder that nobody else would detach. /sys/fs/bpf is this command's own.
    done = debian.run("sh", "-c", "twsnoop attach >/dev/null && test -e /sys/fs/bpf/twsnoop && "
                      "apt-get -qq -y remove twsnoop >/dev/null && test ! -e /sys/fs/bpf/twsnoop && echo gone", check=False)
    v.check("deb_remove_detaches", done.stdout.strip() == "gone", done.stdout + done.stderr)
    asked = debian.asked_of_systemd()
    stopped = {word for line in asked if " stop " in f" {line} " for word in line.split() if word.endswith(".service")}
    v.equal("deb_remove_stops", stopped, {unit.name for unit in (TOP / "packaging/systemd").glob("*.service")})
    v.check("deb_remove_keeps", default.exists() and recording.exists(), "the settings or the recording are gone")
    v.check("deb_remove_removes", not (debian.root / "usr/sbin/twsnoop").exists())
    debian.apt("purge", "twsnoop")
    debian.apt("autoremove", "--purge")
    left = sorted(debian.files() - debian.first)
    v.check("deb_purge_leaves_nothing", not left, left)
