#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes top.svg, the picture of a real run in README: a checkout service without a connection pool
# and a reporting job with few ports talk to nginx, behind which a proxy asks without keep-alive.
# usage, as root, with nginx, apache2-utils, curl, python3, python3-pyte and iproute2 installed:
#        docs/images/top.sh build/twsnoop >docs/images/top.svg
set -eu

twsnoop=$(readlink -f "${1:?usage: top.sh TWSNOOP}")
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
ip netns exec shop sh -c 'echo 40000 42999 >/proc/sys/net/ipv4/ip_local_port_range'
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
import ctypes, http.client, math, sys, time
name, host, port, rate = sys.argv[1:]
ctypes.CDLL(None).prctl(15, name.encode())
while True:
    c = http.client.HTTPConnection(host, int(port))
    c.request("GET", "/", headers={"Connection": "close"} if name == "crawler" else {})
    c.getresponse().read()
    c.close()
    time.sleep(1 / float(rate) / (1 + 0.6 * math.sin(time.monotonic() / 4)))
CLIENT
client() { ip netns exec shop python3 "$dir/client.py" "$@" & }

client checkout 10.0.0.9 80 80
client reports fd00:db8::9 80 25
client web-frontend 10.0.0.9 8080 12
client crawler 10.0.0.9 80 6
/usr/bin/python3 "$here/screen.py" 110 17 32 "$twsnoop" top --own --netns /run/netns/shop --netns /run/netns/web |
	"$here/terminal-svg.py" "twsnoop top: who closes how many connections a second, and when ports will be full"
