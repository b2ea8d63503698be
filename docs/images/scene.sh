# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Where the pictures of real runs are taken: a host "shop" (10.0.0.5) with clients, and a host "web"
# (10.0.0.9) with nginx, behind whose port 8080 a proxy asks without keep-alive. Sourced, by a script
# that runs as root; all of it ends with that script. $dir is a folder of its own.
#
#   scene_begin                 nginx listens
#   scene_client PROGRAM...     in shop, in the background

scene_end()
{
	local pids
	pids=$(jobs -p)
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null || true
	[ ! -s "$dir/pid" ] || kill "$(cat "$dir/pid")" || true
	ip netns del shop 2>/dev/null || true
	ip netns del web 2>/dev/null || true
	rm -rf "$dir"
}

scene_begin()
{
	local end
	dir=$(mktemp -d)
	trap scene_end EXIT
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
	cat >"$dir/nginx.conf" <<-CONF
	daemon on; pid $dir/pid; error_log $dir/error.log; worker_processes 1; user root;
	events {}
	http {
		access_log off;
		server { listen 10.0.0.9:80; listen [fd00:db8::9]:80; return 200 "ok\n"; }
		server {
			listen 10.0.0.9:8080;
			location / {
				proxy_pass http://10.0.0.9:80; proxy_http_version 1.0; proxy_set_header Connection close;
			}
		}
	}
	CONF
	ip netns exec web nginx -c "$dir/nginx.conf" 2>/dev/null
}

scene_client()
{
	ip netns exec shop "$@" &
}
