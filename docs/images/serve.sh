#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes serve.png, the picture in README of the page that `twsnoop serve` answers with: of a real run of
# minutes, in the last ones of which a checkout service without a connection pool has few local ports; as much of
# it as HEIGHT (of 1000 columns) shows. CALM_S and TROUBLE_S are how long each takes.
# usage, as root, with nginx, python3, curl, iproute2 and chromium installed:
#        docs/images/serve.sh build/twsnoop docs/images/serve.png
set -eu

twsnoop=$(readlink -f "${1:?usage: serve.sh TWSNOOP PICTURE.png}")
picture=$(readlink -f "${2:?usage: serve.sh TWSNOOP PICTURE.png}")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=scene.sh
. "$here/scene.sh"

scene_begin
cd "$here" # a command line is in the page
client() { scene_client /usr/bin/python3 client.py "$@"; }

"$twsnoop" serve --own --netns /run/netns/shop --netns /run/netns/web --listen 127.0.0.1:0 \
	--record "$dir/served.db" 2>"$dir/said" &
until grep -q 'metrics at' "$dir/said"; do sleep 0.1; done
page=$(sed -n 's/.*metrics at \(http:.*\)metrics$/\1/p' "$dir/said")
client reports fd00:db8::9 80 15 40
client web-frontend 10.0.0.9 8080 10 70
client crawler 10.0.0.9 80 5 55
sleep "${CALM_S:-130}"
ip netns exec shop sh -c 'echo 40000 42999 >/proc/sys/net/ipv4/ip_local_port_range'
client checkout 10.0.0.9 80 90 60
sleep "${TROUBLE_S:-80}"
curl -sf "$page" >"$dir/page.html"
KINDS=light HEIGHT="${HEIGHT:-345}" "$here/../../tests/report/screenshots.sh" "$dir" "$dir/page.html" >/dev/null
cp "$dir/page-light.png" "$picture"
