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
# shellcheck source-path=SCRIPTDIR source=scene.sh
. "$here/scene.sh"

scene_begin
ip netns exec shop sh -c 'echo 40000 42999 >/proc/sys/net/ipv4/ip_local_port_range'
client() { scene_client "$here/client.py" "$@"; }

client checkout 10.0.0.9 80 80
client reports fd00:db8::9 80 25
client web-frontend 10.0.0.9 8080 12
client crawler 10.0.0.9 80 6
/usr/bin/python3 "$here/screen.py" 110 17 32 "$twsnoop" top --own --netns /run/netns/shop --netns /run/netns/web |
	"$here/terminal-svg.py" "twsnoop top: who closes how many connections a second, and when ports will be full"
