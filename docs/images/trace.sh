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
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; [ ! -s "$dir/pid" ] || kill "$(cat "$dir/pid")" || true
	ip netns del shop 2>/dev/null; ip netns del web 2>/dev/null; rm -rf "$dir"' EXIT

ip netns add shop
ip netns add web
ip -n shop link add eth0 type veth peer name eth0 netns web
for end in "shop 10.0.0.5 fd00:db8::5" "web 10.0.0.9 fd00:db8::9"; do
	# shellcheck disable=SC2086
	set -- $end
	ip -n "$1" link set lo up
	ip -n "$1" addr add "$2/24" dev eth0
	ip -n "$1" addr add "$3/64" dev eth0 nodad
	ip -n "$1" link set eth0 up
done
cat >"$dir/nginx.conf" <<CONF
daemon on; pid $dir/pid; error_log $dir/error.log; worker_processes 1; user root;
events {}
http {
	access_log off;
	server { listen 10.0.0.9:80; listen [fd00:db8::9]:80; return 200 "ok\n"; }
	server {
		listen 10.0.0.9:8080;
		location / { proxy_pass http://10.0.0.9:80; proxy_http_version 1.0; proxy_set_header Connection close; }
	}
}
CONF
ip netns exec web nginx -c "$dir/nginx.conf" 2>/dev/null

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
ip netns exec shop python3 "$dir/client.py" importer &
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
