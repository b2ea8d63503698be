#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A container image with nothing in it but a static twsnoop, as an archive that docker load, podman
load, ctr images import and skopeo (oci-archive:) take: an OCI image layout with the index of `docker
save` beside it. Needs no network and no daemon, and of the same program makes the same bytes.

usage: make_image.py --version VERSION --output FILE [--tag NAME:TAG] PROGRAM

Layouts: https://github.com/opencontainers/image-spec, image-layout.md and config.md."""
import argparse
import datetime
import email.utils
import hashlib
import io
import json
import os
import pathlib
import re
import struct
import sys
import tarfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
# e_machine of ELF, and what OCI (as Go) calls it.
MACHINES = {62: "amd64", 183: "arm64"}
ET_EXEC, ET_DYN, PT_INTERP = 2, 3, 3
# Folders that runtimes mount something on: with a root that is read-only they have to be there.
FOLDERS = ["dev", "etc", "proc", "run", "sys", "sys/fs", "tmp", "usr", "usr/sbin", "var", "var/lib",
           "var/lib/twsnoop"]
PROGRAM = "usr/sbin/twsnoop"


def die(why):
    sys.exit(f"make_image.py: {why}")


def architecture_of(program, name):
    """Of an ELF file of 64 bits that needs no interpreter: there is none in the image."""
    if len(program) < 64 or program[:6] != b"\x7fELF\x02\x01":
        die(f"{name} is no 64-bit little-endian ELF file")
    kind, machine = struct.unpack_from("<HH", program, 16)
    phoff, = struct.unpack_from("<Q", program, 32)
    phentsize, phnum = struct.unpack_from("<HH", program, 54)
    if kind not in (ET_EXEC, ET_DYN) or machine not in MACHINES:
        die(f"{name} is not a program for amd64 or arm64")
    for i in range(phnum):
        at = phoff + i * phentsize
        if at + 4 > len(program):
            die(f"{name} is cut short")
        if struct.unpack_from("<I", program, at)[0] == PT_INTERP:
            die(f"{name} needs shared libraries; make static makes one that does not")
    return MACHINES[machine]


def released_s():
    """When this version was released, which is the image's time too; SOURCE_DATE_EPOCH goes first."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return int(os.environ["SOURCE_DATE_EPOCH"])
    found = re.search(r"^ -- .*>  (.*)$", (TOP / "packaging/deb/changelog").read_text(), re.M)
    if not found:
        die("packaging/deb/changelog has no date")
    return int(email.utils.parsedate_to_datetime(found.group(1)).timestamp())


def tar_of(entries, when_s):
    """Of (name, bytes or None for a folder, mode): the bytes of an archive, the same each time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content, mode in entries:
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = mode, when_s
            if content is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def layer_of(program, when_s):
    entries = [(folder, None, 0o1777 if folder == "tmp" else 0o755) for folder in FOLDERS]
    entries.append((PROGRAM, program, 0o755))
    return tar_of(sorted(entries), when_s)


def json_of(what):
    return json.dumps(what, sort_keys=True, separators=(",", ":")).encode()


def digest_of(blob):
    return hashlib.sha256(blob).hexdigest()


def descriptor(kind, blob, **more):
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest_of(blob)}",
            "size": len(blob), **more}


def config_of(layer, arch, version, when_s):
    when = datetime.datetime.fromtimestamp(when_s, datetime.timezone.utc)
    return {
        "architecture": arch,
        "os": "linux",
        "created": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "config": {
            "Entrypoint": ["/" + PROGRAM],
            "Cmd": ["trace", "--json"],
            "Env": ["PATH=/usr/sbin"],
            "User": "0:0",
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "twsnoop",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "GPL-2.0-only",
                "org.opencontainers.image.description": "Shows which process closes TCP connections first",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest_of(layer)}"]},
        "history": [{"created": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "created_by": "twsnoop"}],
    }


def image_of(program, arch, version, tag, when_s):
    """(the archive's bytes, the digest of the image's manifest). The layer is not compressed: what a
    compressor makes of it differs from version to version, and registries' clients compress it."""
    layer = layer_of(program, when_s)
    config = json_of(config_of(layer, arch, version, when_s))
    manifest = json_of({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)],
    })
    index = json_of({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor("manifest.v1+json", manifest,
                                 platform={"architecture": arch, "os": "linux"},
                                 annotations={"io.containerd.image.name": f"docker.io/library/{tag}",
                                              "org.opencontainers.image.ref.name": tag.split(":")[1]})],
    })
    blobs = {f"blobs/sha256/{digest_of(blob)}": blob for blob in (layer, config, manifest)}
    of_docker = json_of([{"Config": f"blobs/sha256/{digest_of(config)}", "RepoTags": [tag],
                          "Layers": [f"blobs/sha256/{digest_of(layer)}"]}])
    entries = [("oci-layout", json_of({"imageLayoutVersion": "1.0.0"}), 0o644),
               ("index.json", index, 0o644), ("manifest.json", of_docker, 0o644),
               ("blobs", None, 0o755), ("blobs/sha256", None, 0o755)]
    entries += [(name, blob, 0o644) for name, blob in sorted(blobs.items())]
    return tar_of(entries, when_s), digest_of(manifest)


def main():
    parser = argparse.ArgumentParser(description="make a container image of a static twsnoop")
    parser.add_argument("program")
    parser.add_argument("--version", required=True)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--tag", help="NAME:TAG (default: twsnoop:VERSION)")
    args = parser.parse_args()
    tag = args.tag or f"twsnoop:{args.version}"
    if not re.fullmatch(r"[a-z0-9]+([._/-]+[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", tag):
        die(f"{tag} is no NAME:TAG of an image")
    try:
        program = pathlib.Path(args.program).read_bytes()
    except OSError as error:
        die(f"{args.program}: {error.strerror}")
    archive, digest = image_of(program, architecture_of(program, args.program), args.version, tag,
                               released_s())
    part = args.output.with_name(args.output.name + ".part")
    part.write_bytes(archive)
    part.replace(args.output)
    print(f"{args.output}: {tag}, sha256:{digest}")


if __name__ == "__main__":
    main()
