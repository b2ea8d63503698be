#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A few calls of CRI, with which kubelet drives containerd: no client for it is packaged.

  cri.py SOCKET pod NAMESPACE/POD UID CGROUP_PARENT IMAGE CONTAINER COMMAND...

makes a pod in the host's network namespace, and in it one container with the labels that
kubelet gives it; prints their ids (the sandbox's first).

  cri.py SOCKET sandbox NAMESPACE/POD UID CGROUP_PARENT    only the first of it
  cri.py SOCKET remove SANDBOX                             all of the pod
"""
import re
import subprocess
import sys


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """Of a message: a number, or a text or message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def labels(number, texts):
    return b"".join(field(number, field(1, k) + field(2, v)) for k, v in texts.items())


def call(socket, method, message):
    frame = b"\0" + len(message).to_bytes(4, "big") + message
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--http2-prior-knowledge", "--max-time", "30",
         "--unix-socket", socket, "--header", "Content-Type: application/grpc",
         "--header", "TE: trailers", "--data-binary", "@-", "--dump-header", "/dev/stderr",
         "--output", "-", "http://localhost/runtime.v1.RuntimeService/" + method],
        input=frame, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode or not re.search(rb"^grpc-status: 0\r?$", done.stderr, re.M):
        sys.exit(method + ": " + done.stderr.decode(errors="replace"))
    return done.stdout[5:]


def id_in(message):
    """The answers of interest begin with an id."""
    return re.search(rb"[0-9a-f]{64}", message).group().decode()


def pod_labels(names):
    return {"io.kubernetes.pod.name": names[1], "io.kubernetes.pod.namespace": names[0],
            "io.kubernetes.pod.uid": names[2]}


def sandbox_config(names, cgroup_parent):
    on_node = field(1, 2)
    return (field(1, field(1, names[1]) + field(2, names[2]) + field(3, names[0])) +
            field(3, "/tmp") + labels(6, pod_labels(names)) +
            field(8, field(1, cgroup_parent) + field(2, field(1, on_node))))


def container_config(names, image, container, command):
    texts = dict(pod_labels(names), **{"io.kubernetes.container.name": container})
    on_node = field(15, field(2, field(3, field(1, 2))))
    return (field(1, field(1, container)) + field(2, field(1, image)) +
            b"".join(field(3, word) for word in command) + labels(9, texts) + on_node)


def main(socket, what, first, uid=None, cgroup_parent=None, image=None, container=None,
         *command):
    if what == "remove":
        call(socket, "StopPodSandbox", field(1, first))
        call(socket, "RemovePodSandbox", field(1, first))
        return
    names = first.split("/") + [uid]
    sandbox_conf = sandbox_config(names, cgroup_parent)
    sandbox = id_in(call(socket, "RunPodSandbox", field(1, sandbox_conf)))
    print(sandbox)
    if what == "sandbox":
        return
    config = container_config(names, image, container, command)
    made = id_in(call(socket, "CreateContainer",
                      field(1, sandbox) + field(2, config) + field(3, sandbox_conf)))
    call(socket, "StartContainer", field(1, made))
    print(made)


main(*sys.argv[1:])
