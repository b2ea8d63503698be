# SPDX-License-Identifier: GPL-2.0
"""Files that other programs read: the manifest for Kubernetes, the units, settings for log shippers."""
import copy
import datetime
import json
import pathlib
import re

import yaml

from helpers import TOP, Skip, need, run, scratch

KUBERNETES = TOP / "packaging/kubernetes"
LIMITS = (TOP / "docs/limits.md").read_text()
PACKAGES = TOP / "docs/packages.md"
# Fields that are younger than the kubectl that Debian 12 has (1.20), and since when they are there.
YOUNGER = {"appArmorProfile": "1.30"}


def manifest_objects(which="events"):
    """by kind: of "events", as the file has them, or of "metrics", as kubectl makes them of that"""
    text = (KUBERNETES / "events/daemonset.yaml").read_text()
    if which == "metrics":
        need("kubectl")
        told = json.loads(run("kubectl", "version", "--client", "-o", "json").stdout)["clientVersion"]
        # kustomize is in it from the beginning, but this form of patches only since 1.21.
        if (told["major"], int(re.match(r"\d+", told["minor"]).group())) < ("1", 21):
            raise Skip(f"kubectl is older than 1.21: {told['gitVersion']}")
        text = run("kubectl", "kustomize", KUBERNETES / "metrics").stdout
    return {found["kind"]: found for found in yaml.safe_load_all(text) if found}


def leaves(what, path=""):
    if isinstance(what, dict):
        for name, value in what.items():
            yield from leaves(value, f"{path}.{name}")
    elif isinstance(what, list):
        for number, value in enumerate(what):
            yield from leaves(value, f"{path}[{number}]")
    else:
        yield path, what


def without_younger(what):
    if isinstance(what, dict):
        return {name: without_younger(value) for name, value in what.items() if name not in YOUNGER}
    return [without_younger(value) for value in what] if isinstance(what, list) else what


def through_kubernetes(what, folder):
    """What Kubernetes' own types, as they are in kubectl, keep of this object: what they do not know
    is gone, and what is of a wrong type is refused, in words. No cluster is asked."""
    path = folder / "object.json"
    path.write_text(json.dumps(what))
    done = run("kubectl", "set", "image", "--local", "-f", path, "-o", "json", "twsnoop=twsnoop:tried", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def schema(v, twsnoop):
    need("kubectl")
    objects = manifest_objects()
    v.equal("manifest_kustomized", list(yaml.safe_load_all(run("kubectl", "kustomize", KUBERNETES / "events").stdout)),
            [objects["Namespace"], objects["DaemonSet"]])
    v.equal("manifest_kinds", sorted(objects), ["DaemonSet", "Namespace"])
    namespace = objects["Namespace"]
    v.equal("manifest_namespace", (namespace["apiVersion"], namespace["metadata"]["name"], set(namespace)),
            ("v1", objects["DaemonSet"]["metadata"]["namespace"], {"apiVersion", "kind", "metadata"}))
    with scratch() as name:
        folder = pathlib.Path(name)
        for which in ("metrics", "events"):
            try:
                daemonset = without_younger(manifest_objects(which)["DaemonSet"])
            except Skip as why:
                v.skip(f"manifest_{which}_types", why)
                continue
            kept = through_kubernetes(daemonset, folder)
            daemonset["spec"]["template"]["spec"]["containers"][0]["image"] = "twsnoop:tried"
            lost = dict(leaves(daemonset)).items() - dict(leaves(kept)).items() if isinstance(kept, dict) else kept
            v.check(f"manifest_{which}_types", not lost, lost)
        # And it does see what is wrong.
        for what, name, value in (("names", "hostPid", True), ("types", "hostPID", "yes")):
            wrong = copy.deepcopy(daemonset)
            wrong["spec"]["template"]["spec"][name] = value
            wrong["spec"]["template"]["spec"]["containers"][0]["image"] = "twsnoop:before"
            kept = through_kubernetes(wrong, folder)
            v.check(f"manifest_knows_{what}", isinstance(kept, str) or name not in kept["spec"]["template"]["spec"], kept)


def rights(v, twsnoop):
    """Not privileged, and just the capabilities that docs/limits.md has as needed or optional on
    every kernel."""
    spec = manifest_objects()["DaemonSet"]["spec"]["template"]["spec"]
    context = spec["containers"][0]["securityContext"]
    told = set(re.findall(r"^\| CAP_(\w+) \| (?:yes|optional) \|", LIMITS, re.M))
    v.equal("manifest_capabilities", set(context["capabilities"]["add"]), told)
    v.equal("manifest_drops", context["capabilities"]["drop"], ["ALL"])
    v.check("manifest_not_privileged", context["privileged"] is False, context)
    v.check("manifest_read_only", context["readOnlyRootFilesystem"] is True, context)
    v.check("manifest_mounts_read_only", all(m["readOnly"] for m in spec["containers"][0]["volumeMounts"]))
    v.check("manifest_host_pid", spec["hostPID"] is True)
    v.check("manifest_bounded", spec["containers"][0]["resources"]["limits"]["memory"])
    labels = manifest_objects()["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
    selector = manifest_objects()["DaemonSet"]["spec"]["selector"]["matchLabels"]
    v.check("manifest_selects_its_pods", selector.items() <= labels.items(), selector)


def units(v, twsnoop):
    """systemd's own judgement, and that docs/packages.md names what is left, by directive."""
    need("systemd-analyze")
    told = PACKAGES.read_text()
    for unit in sorted((TOP / "packaging/systemd").glob("*.service")):
        judged = run("systemd-analyze", "security", "--offline=yes", "--json=short", unit, check=False)
        if judged.returncode not in (0, 1) or not judged.stdout.startswith("["):
            v.skip(f"unit_{unit.stem}", "this systemd-analyze does not judge files")
            continue
        open_ones = {row["json_field"] for row in json.loads(judged.stdout)
                     if row.get("exposure") and float(row["exposure"]) > 0}
        unnamed = sorted(name for name in open_ones
                         if f"`{re.split(r'_|Or(?=[A-Z])', name)[0]}=" not in told)
        v.check(f"unit_{unit.stem}_open", open_ones and not unnamed, f"not in docs/packages.md: {unnamed}")
        text = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit, check=False).stdout
        score = re.search(r"exposure level for \S+: ([\d.]+)", text).group(1)
        row = re.search(rf"^\| `{unit.name}` \| ([\d.]+) \|", told, re.M)
        # What it weighs changes with its version; the documents are of Debian 12's.
        slack = 0.2 if run("systemd-analyze", "--version").stdout.startswith("systemd 252 ") else 1
        v.check(f"unit_{unit.stem}_score", row and abs(float(score) - float(row.group(1))) <= slack, score)


def shippers(v, twsnoop):
    """Their form alone: Debian has none of the three programs. The time formats do read what twsnoop
    writes, and the members that are named are members."""
    folder = TOP / "packaging/shippers"
    told = (TOP / "docs/formats.md").read_text()
    stamp = re.search(r'"timestamp":"([^"]+)"', told).group(1)
    vector = yaml.safe_load((folder / "vector.yaml").read_text())
    v.equal("vector_paths", vector["sources"]["twsnoop_lines"]["include"], ["/var/log/twsnoop/*.json"])
    known = set(vector["sources"]) | set(vector["transforms"])
    named = {name for part in ("transforms", "sinks") for what in vector[part].values() for name in what["inputs"]}
    v.check("vector_inputs", named <= known, named)
    otel = yaml.safe_load((folder / "otelcol.yaml").read_text())
    receiver = otel["receivers"]["filelog/twsnoop"]
    v.equal("otelcol_paths", receiver["include"], ["/var/log/twsnoop/*.json"])
    for kind in ("receivers", "processors", "exporters"):
        v.check(f"otelcol_{kind}", set(otel["service"]["pipelines"]["logs"][kind]) == set(otel[kind]), otel["service"])
    time = receiver["operators"][0]["timestamp"]
    v.equal("otelcol_time", (time["parse_from"], time["layout_type"]), ("attributes.timestamp", "gotime"))
    v.check("otelcol_layout", go_reads(time["layout"], stamp), (time["layout"], stamp))
    parser = dict(re.findall(r"^ +(\w+) +(\S+)$", (folder / "fluent-bit-parsers.conf").read_text(), re.M))
    v.check("fluent_bit_time", strptime_reads(parser["Time_Format"], stamp), (parser["Time_Format"], stamp))
    v.equal("fluent_bit_key", parser["Time_Key"], "timestamp")
    conf = (folder / "fluent-bit.conf").read_text()
    v.check("fluent_bit_paths", re.search(r"^ +Path +/var/log/twsnoop/\*\.json$", conf, re.M))
    v.check("fluent_bit_parser", re.search(rf"^ +Parser +{parser['Name']}$", conf, re.M))
    readme = (folder / "README.md").read_text()
    for path in folder.iterdir():
        if path.name != "README.md":
            v.check(f"shippers_readme_{path.stem}", f"`{path.name}`" in readme)


def go_reads(layout, stamp):
    """Of Go's reference time, what is used here."""
    pattern = re.escape(layout)
    for word, digits in (("2006", r"\d{4}"), ("01", r"\d\d"), ("02", r"\d\d"), ("15", r"\d\d"), ("04", r"\d\d"),
                         ("05", r"\d\d"), (re.escape(".999999999"), r"(\.\d{1,9})?"),
                         ("Z07:00", r"(Z|[+-]\d\d:\d\d)")):
        pattern = pattern.replace(word, digits, 1)
    return re.fullmatch(pattern, stamp)


def strptime_reads(layout, stamp):
    """%L is Fluent Bit's own, for a fraction of any length."""
    try:
        whole = re.sub(r"\.\d+", "", stamp)
        return datetime.datetime.strptime(whole, layout.replace(".%L", "")) and re.search(r"\.\d{1,9}Z$", stamp)
    except ValueError:
        return False
