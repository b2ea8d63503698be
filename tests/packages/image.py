# SPDX-License-Identifier: GPL-2.0
"""The container image: what is in it, that it is made of the same bytes each time, and that it sees
other containers' closes with just the rights that packaging/kubernetes/events/daemonset.yaml gives it."""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import tarfile

from forms import manifest_objects
from checks import wait_for
from helpers import BUILD, TOP, Skip, make, need, run, scratch, version

# As make, OCI and Debian call the architecture that is built for here besides this machine's.
FOREIGN = "arm64"
MAKE_IMAGE = TOP / "packaging/image/make_image.py"


def archive():
    if not archive.path:
        make("image", f"BUILD={BUILD}", cwd=TOP)
        archive.path = BUILD / f"twsnoop-{version()}-{run('dpkg', '--print-architecture').stdout.strip()}.oci.tar"
    return archive.path


archive.path = None


def read_archive(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def inspect(v, path, what):
    """An archive's parts against each other; returns its configuration and its only file."""
    files = read_archive(path)

    def blob(descriptor):
        kind, digest = descriptor["digest"].split(":")
        found = files[f"blobs/{kind}/{digest}"]
        v.check(f"{what}_blob_{descriptor['mediaType'].split('.')[-1]}",
                hashlib.sha256(found).hexdigest() == digest and len(found) == descriptor["size"])
        return found

    v.equal(f"{what}_layout", json.loads(files["oci-layout"]), {"imageLayoutVersion": "1.0.0"})
    manifest = json.loads(blob(json.loads(files["index.json"])["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    layer = blob(manifest["layers"][0])
    v.equal(f"{what}_diff_id", config["rootfs"]["diff_ids"], [f"sha256:{hashlib.sha256(layer).hexdigest()}"])
    v.equal(f"{what}_entry", config["config"]["Entrypoint"], ["/usr/sbin/twsnoop"])
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        members = {member.name: member for member in tar}
        v.equal(f"{what}_files", [name for name in members if members[name].isfile()], ["usr/sbin/twsnoop"])
        v.check(f"{what}_owner", all(m.uid == m.gid == 0 for m in members.values()))
        return config, tar.extractfile("usr/sbin/twsnoop").read()


def content(v, twsnoop):
    _, found = inspect(v, archive(), "image")
    with scratch() as name:
        program = pathlib.Path(name) / "twsnoop"
        program.write_bytes(found)
        program.chmod(0o755)
        v.equal("image_program", run(program, "--version").stdout.strip(), f"twsnoop {version()}")


def foreign(v, twsnoop):
    """That of an architecture that this machine cannot run"""
    if run("dpkg", "--print-architecture").stdout.strip() == FOREIGN:
        raise Skip(f"this machine is {FOREIGN} itself")
    build = BUILD / FOREIGN
    make(f"ARCH={FOREIGN}", f"BUILD={build}", "image", cwd=TOP)
    config, found = inspect(v, build / f"twsnoop-{version()}-{FOREIGN}.oci.tar", "image_foreign")
    v.equal("image_foreign_arch", config["architecture"], FOREIGN)
    with scratch() as name:
        program = pathlib.Path(name) / "twsnoop"
        program.write_bytes(found)
        header = run("readelf", "--file-header", "--program-headers", "--section-headers", "--wide", program).stdout
    v.check("image_foreign_program", re.search(r"Machine: +AArch64", header), header)
    v.check("image_foreign_static", "INTERP" not in header and ".symtab" not in header, header)
    v.check("image_foreign_version", version().encode() in found)


def same_bytes(v, twsnoop):
    archive()
    with scratch() as name:
        there = pathlib.Path(name)
        for number, (umask, zone) in enumerate(((0o022, "UTC"), (0o077, "Asia/Kathmandu"))):
            run("sh", "-c", f"umask {umask:03o} && exec {MAKE_IMAGE} --version 1 --output {there}/{number} {BUILD}/static/twsnoop",
                env={**os.environ, "TZ": zone})
        v.check("image_same_bytes", (there / "0").read_bytes() == (there / "1").read_bytes(), "two images differ")
        for what, program, why in (("dynamic", twsnoop, "shared libraries"), ("text", __file__, "no 64-bit"),
                                   ("nothing", there / "none", "No such file")):
            done = run(MAKE_IMAGE, "--version", "1", "--output", there / "bad", program, check=False)
            v.check(f"image_refuses_{what}", done.returncode == 1 and why in done.stderr and not (there / "bad").exists(), done.stderr)
        done = run(MAKE_IMAGE, "--version", "a b", "--output", there / "bad", f"{BUILD}/static/twsnoop", check=False)
        v.check("image_refuses_tag", done.returncode == 1 and "NAME:TAG" in done.stderr, done.stderr)


# ---- with Podman ----

class Podman:
    """Podman with storage of its own in @folder."""

    def __init__(self, folder):
        self.folder = folder
        self.had_cgroups = set(self.cgroups())
        # crun refuses a host with both kinds of cgroups.
        self.options = ["--root", folder / "storage", "--runroot", folder / "run", "--tmpdir", folder / "tmp", "--storage-driver=vfs",
                        "--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime", "runc"]

    @staticmethod
    def cgroups():
        return [path for pattern in ("libpod_parent", "*/libpod_parent") for path in pathlib.Path("/sys/fs/cgroup").glob(pattern)]

    def __call__(self, *words, check=True):
        # Not by this machine's settings.
        return run("podman", *self.options, *words, check=check, env={**os.environ, "CONTAINERS_CONF": "/dev/null"})

    def start(self, *words):
        """run -d, with limits that a process without CAP_SYS_RESOURCE may set: the container's id"""
        return self("run", "-d", "--log-driver=k8s-file", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", *words).stdout.strip()

    def close(self):
        self("rm", "-a", "-f", "-t", "0", check=False)
        for folder in set(self.cgroups()) - self.had_cgroups:
            run("find", folder, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";", check=False)


def as_kubelet(spec):
    """podman run's options for the pod of a DaemonSet with one container: what kubelet would ask of its
    runtime, as far as Podman has it."""
    container = spec["containers"][0]
    context = container["securityContext"]
    options = ["--network", "none"] if not spec.get("hostNetwork") else ["--network", "host"]
    options += ["--pid", "host"] if spec["hostPID"] else []
    options += ["--privileged"] if context["privileged"] else []
    # Kubernetes has no tmpfs on /tmp and /run of such a root, as Podman has by default.
    options += ["--read-only", "--read-only-tmpfs=false"] if context["readOnlyRootFilesystem"] else []
    options += ["--user", f"{context['runAsUser']}:{context['runAsGroup']}"]
    options += [f"--cap-drop={name}" for name in context["capabilities"]["drop"]]
    options += [f"--cap-add={name}" for name in context["capabilities"]["add"]]
    # seccomp: RuntimeDefault is what Podman does of its own. A cgroup namespace is what kubelet asks for
    # on v2 alone; what is seen from within one is seen without, too.
    options += ["--cgroupns", "private"]
    options += ["--security-opt", "apparmor=unconfined"] if context["appArmorProfile"]["type"] == "Unconfined" else []
    options += ["--memory", container["resources"]["limits"]["memory"].replace("Mi", "m")]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        options += ["-v", f"{paths[mount['name']]}:{mount['mountPath']}:rslave{',ro' if mount['readOnly'] else ''}"]
    return [*options, container["image"], *container["args"]]


@contextlib.contextmanager
def podman():
    need("podman", "runc", "cc", "busybox")
    with scratch() as name:
        here = Podman(pathlib.Path(name))
        try:
            here("load", "-q", "-i", archive())
            yield here
        finally:
            here.close()


def other_image(here):
    """another program's container: one that closes connections"""
    root = here.folder / "rootfs"
    (root / "bin").mkdir(parents=True)
    for folder in ("dev", "proc", "sys", "etc", "tmp", "run"):
        (root / folder).mkdir()
    run("cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-static", "-o", root / "bin/end", TOP / "tests/containers/end.c")
    run("cp", run("sh", "-c", "command -v busybox").stdout.strip(), root / "bin/busybox")
    run("tar", "-C", root, "-cf", here.folder / "rootfs.tar", ".")
    here("import", "-q", here.folder / "rootfs.tar", "other:test")


def sees_others(v, twsnoop):
    with podman() as here:
        told = here("images", "--format", "{{.Repository}}:{{.Tag}}").stdout
        v.check("image_loads", f"/twsnoop:{version()}" in told, told)
        other_image(here)
        old = here.start("--network", "none", "other:test", "/bin/busybox", "sleep", "1000")
        spec = manifest_objects()["DaemonSet"]["spec"]["template"]["spec"]
        pod = here.start(*as_kubelet(spec))

        def logs():
            return here("logs", pod, check=False)
        wait_for(lambda: "twsnoop: tracing" in logs().stderr or not is_running(here, pod), "the pod traces")
        v.check("pod_traces", is_running(here, pod), logs().stderr)
        capabilities = re.search(r"CapBnd:\s+(\w+)", pathlib.Path(f"/proc/{pid_of(here, pod)}/status").read_text()).group(1)
        v.equal("pod_capabilities", bin(int(capabilities, 16)).count("1"), 5)
        # One that is older than the pod, and one that lives for a moment.
        here("exec", old, "/bin/end", "pair", "7000")
        new = here.start("--network", "none", "other:test", "/bin/end", "pair", "7000")
        here("wait", new)
        for name, cid in (("older", old), ("brief", new)):
            event = saw(here, pod, cid)
            v.equal(f"pod_sees_{name}", event and event["process"]["name"], "end")
            v.equal(f"pod_knows_runtime_{name}", event and event["container"].get("runtime"), "podman")
        here("stop", "-t", "10", pod)
        account = [line for line in logs().stderr.splitlines() if "delivered=" in line]
        v.check("pod_accounts", account and int(re.search(r"delivered=(\d+)", account[0]).group(1)) >= 2, logs().stderr)
        v.equal("pod_ends", here("inspect", "-f", "{{.State.ExitCode}}", pod).stdout.strip(), "0")


def serves_metrics(v, twsnoop):
    """The other manifest: asked over the pod's own network."""
    need("curl", "nsenter")
    with podman() as here:
        other_image(here)
        pod = here.start(*as_kubelet(manifest_objects("metrics")["DaemonSet"]["spec"]["template"]["spec"]))
        pid = pid_of(here, pod)

        def ask(path):
            return run("nsenter", f"--net=/proc/{pid}/ns/net", "curl", "-sf", "--max-time", "10", f"http://127.0.0.1:9810{path}", check=False)

        def is_ready():
            return ask("/readyz").returncode == 0 or not is_running(here, pod)
        wait_for(is_ready, "the pod is ready")
        v.check("metrics_pod_ready", is_running(here, pod), here("logs", pod, check=False).stderr)
        here("wait", here.start("--network", "none", "other:test", "/bin/end", "pair", "7000"))

        def counted():
            return re.search(r'^twsnoop_closes_total\{[^}]*process="end"[^}]*\} [1-9]', ask("/metrics").stdout, re.M)
        v.check("metrics_pod_counts", wait_for(counted, "a close that is counted"))
        v.equal("metrics_pod_healthy", ask("/healthz").returncode, 0)


def pid_of(here, cid):
    return here("inspect", "-f", "{{.State.Pid}}", cid).stdout.strip()


def is_running(here, cid):
    return here("inspect", "-f", "{{.State.Running}}", cid, check=False).stdout.strip() == "true"


def saw(here, pod, cid):
    def event_of():
        for line in here("logs", pod, check=False).stdout.splitlines():
            event = json.loads(line)
            if event.get("container", {}).get("id") == cid:
                return event
        return None
    try:
        return wait_for(event_of, f"an event of {cid}")
    except TimeoutError:
        return None
