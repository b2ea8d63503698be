# SPDX-License-Identifier: GPL-2.0
"""A release: one version everywhere, and a tarball with the same bytes from each clone, which builds
and passes its unit tests where there is no git."""
import os
import pathlib
import tarfile

from helpers import TOP, Skip, make, need, run, scratch, version


def one_version(v, twsnoop):
    v.equal("version_program", run(twsnoop, "--version").stdout.strip(), f"twsnoop {version()}")
    manifest = (TOP / "packaging/kubernetes/events/daemonset.yaml").read_text()
    v.check("version_manifest", f"image: twsnoop:{version()}\n" in manifest, "daemonset.yaml has another tag")
    date = run("dpkg-parsechangelog", "-l", TOP / "packaging/deb/changelog", "-S", "Date").stdout
    v.check("version_dated", date.strip(), "the changelog has no date")


def dist(v, twsnoop):
    need("git", "gzip")
    if not (TOP / ".git").exists():
        raise Skip("no clone of git, but a tree out of a tarball")
    git = ("git", "-c", f"safe.directory={TOP}", "-c", f"safe.directory={TOP}/.git")
    if run(*git, "-C", TOP, "rev-parse", "HEAD", check=False).returncode:
        raise Skip("git does not read this clone")
    with scratch() as name:
        there = pathlib.Path(name)
        run(*git, "clone", "-q", TOP, there / "clone")
        tarball = make_one(there / "clone", there / "one", umask=0o022, zone="UTC")
        other = make_one(there / "clone", there / "two", umask=0o077, zone="Asia/Kathmandu")
        v.check("dist_same_bytes", tarball.read_bytes() == other.read_bytes(), "two tarballs differ")
        v.equal("dist_sum", run("sha256sum", "-c", tarball.name + ".sha256", cwd=there / "one").returncode, 0)
        with tarfile.open(tarball) as tar:
            names = {m.name for m in tar if not m.isdir()}
            tar.extractall(there)
        tracked = set(run("git", "-C", there / "clone", "ls-files").stdout.split("\n")) - {""}
        root = f"twsnoop-{version()}"
        v.equal("dist_has_all", names, {f"{root}/{name}" for name in tracked})
        builds(v, there / root)


def make_one(clone, out, umask, zone):
    """make dist with another user's umask and time zone."""
    run("sh", "-c", f"umask {umask:03o} && exec packaging/dist.sh {out}", cwd=clone,
        env={**os.environ, "TZ": zone})
    return out / f"twsnoop-{version()}.tar.gz"


def builds(v, tree):
    """As a packager does, where no git is. (The Debian package is built of such a tree, too.)"""
    make(f"-j{os.cpu_count()}", "-C", tree, "-Otarget", "unit-build")
    # All are run by the suite `unit`; these rooms' depend on nothing but the program.
    for room in ("model", "tally"):
        tests = sorted((tree / "build/tests/unit" / room).glob("test_*"))
        failed = [test.name for test in tests if os.access(test, os.X_OK) and test.suffix == "" and
                  run(test, cwd=tree, check=False).returncode]
        v.check(f"dist_unit_{room}", tests and not failed, failed)
    refused = run("packaging/dist.sh", tree / "build", cwd=tree, check=False)
    v.check("dist_of_no_clone", refused.returncode == 1 and "no clone" in refused.stderr, refused.stderr)
