#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes trace.svg, the picture of a real run in README: nginx, a client without a connection pool,
# ab, curl through a proxy, and an importer that is killed, in two network namespaces.
# usage, as root, with nginx, apache2-utils, curl, python3, iproute2 and util-linux installed:
#        docs/images/trace.sh build/twsnoop >docs/images/trace.svg
set -eu

twsnoop=$(readlink -f "${1:?usage: trace.sh TWSNOOP}")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=scene.sh
. "$here/scene.sh"

scene_begin
cat >"$dir/client.py" <<'CLIENT'
import ctypes, http.client, signal, socket, sys, time
ctypes.CDLL(None).prctl(15, sys.argv[1].encode())
if sys.argv[1] == "importer":
    s = socket.create_connection(("fd00:db8::9", 80))
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    s.recv(1000)
    signal.pause()
for _ in range(3):
    c = http.client.HTTPConnection("10.0.0.9", 80)
    c.request("GET", "/")
    c.getresponse().read()
    c.close()
    time.sleep(0.01)
CLIENT

export LC_ALL=C.UTF-8
script -qec "stty cols 120 rows 40; $twsnoop --netns /run/netns/shop --netns /run/netns/web -d 4" /dev/null \
	>"$dir/out" 2>&1 </dev/null &
until grep -q tracing "$dir/out" 2>/dev/null; do sleep 0.1; done
sleep 0.3
scene_client python3 "$dir/client.py" importer
importer=$!
ip netns exec shop python3 "$dir/client.py" checkout
ip netns exec shop curl -s http://10.0.0.9:8080/ >/dev/null
ip netns exec shop ab -q -n 3 http://10.0.0.9/ >/dev/null 2>&1
sleep 0.3
kill -KILL "$(pgrep -P $importer || echo $importer)" 2>/dev/null || true
wait $(jobs -p | tail -n +1 | head -n 1) || true
{
	printf '$ sudo twsnoop\n'
	cat "$dir/out"
} | "$here/terminal-svg.py" "twsnoop tracing two hosts: a client without a connection pool, nginx, a proxy, and an importer that was killed"
