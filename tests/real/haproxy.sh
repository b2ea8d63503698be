# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# haproxy, with two threads, in front of nginx: both say in their logs which
# process had which connection, on both legs.

. "$SRC/nginx.sh"

PROXY_PORT=8000

# haproxy_start OPTIONS: sets WORKER and PROXY. IPv4 clients come to an IPv6 socket.
haproxy_start()
{
	need haproxy
	cat >haproxy.cfg <<EOF
global
	nbthread 2
	maxconn 200
	log stdout format raw local0
	tune.pool-low-fd-ratio 90
	tune.pool-high-fd-ratio 95
defaults
	mode http
	log global
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	# client leg, server leg (both as haproxy sees them), process
	log-format "%fi %fp %ci %cp %bi %bp %si %sp %pid %ST"
$1
frontend in
	bind :::$PROXY_PORT v4v6
	default_backend out
backend out
	server nginx 127.0.0.1:$NGINX_PORT
EOF
	spawn haproxy.log haproxy -W -db -f haproxy.cfg
	PROXY=$spawned
	judge listening "$PROXY_PORT"
	WORKER=$(ps -o pid= --ppid "$PROXY" | tr -d ' ')
	[ -n "$WORKER" ] || fail "haproxy has no worker"
}

# What is true at haproxy's end of the client leg, `client`, where haproxy closes
# each connection, or at its end of the server leg, `server`, where it may.
# proxy_truth LEG
proxy_truth()
{
	# The threads: which one closes is not told, but that it is one of them is.
	tids=$(ls "/proc/$WORKER/task" | paste -sd '|')
	awk -v leg="$1" -v opener="$PROXY" -v tids="$tids" '
		NF != 10 || $10 != 200 { next } # ab gives up some before it asks
		leg == "client" { print $1, $2, $3, $4, "tcp.side=server opener.pid=" opener, who() }
		leg == "server" { print $5, $6, $7, $8, "may tcp.side=client opener.pid=" $9, who() }
		function who() {
			return "process.pid=" $9 " process.name=haproxy process.thread.id=" tids \
				" tcp.cause=close|shutdown process.user.id=0"
		}' haproxy.log
}

# Both write their logs a little after the client has the answer.
all_logged()
{
	[ "$(grep -c ' 200$' haproxy.log)" -ge "$1" ] && [ "$(wc -l <access)" -ge "$1" ]
}

# ab_through_proxy REQUESTS: what is true of its connections to haproxy.
ab_through_proxy()
{
	spawn ab.log ab -q -n "$1" -c 8 "http://127.0.0.1:$PROXY_PORT/small"
	reap "$spawned" ab
	wait_until "the logs of $1 requests" all_logged "$1"
	proxy_truth client >truth
	[ "$(wc -l <truth)" = "$1" ] || fail "haproxy logged $(wc -l <truth) connections of $1"
	echo "* * * $PROXY_PORT min=0 max=8 tcp.side=client process.pid=$spawned" \
		"process.name=ab tcp.tx_bytes=0 tcp.rx_bytes=0" >>truth
}

# haproxy closes the clients' connections. On the other leg it asks nginx to close,
# and closes too, or resets: whoever is first.
case_haproxy_close()
{
	need ab
	start_trace
	nginx_start 2 "keepalive_timeout 65;"
	haproxy_start "	option http-server-close"
	ab_through_proxy 500
	judge settled table
	connections | server_truth may close >>truth
	proxy_truth server >>truth
	finish_trace
	n=$(awk -v port="$NGINX_PORT" '$2 == port || $4 == port' table | wc -l)
	[ "$n" -ge 100 ] || fail "only $n TIME_WAITs on haproxy's other leg"
}

# The pids of nginx's workers that have idle connections, from `idle`.
idle_workers()
{
	awk 'FNR == NR { idle[$1 " " $2 " " $3 " " $4]; next }
	     ($1 " " $2 " " $3 " " $4) in idle { print $5 }' idle access | sort -u
}

# haproxy keeps its connections to nginx. Then a worker of nginx is killed, and
# the others end at a reload: each closes those that it had, and haproxy's FIN
# comes later.
case_haproxy_pool()
{
	need ab
	start_trace
	nginx_start 2 "keepalive_timeout 65; keepalive_requests 100000;"
	haproxy_start "	http-reuse always
	default-server pool-purge-delay 60s pool-max-conn 100"
	ab_through_proxy 200
	ss -Htn state established sport = ":$NGINX_PORT" |
		awk '{ print $3, $4 }' | sed 's/:\([0-9]*\)/ \1/g' >idle
	[ -s idle ] || fail "haproxy keeps no idle connection"
	victim=$(idle_workers | head -n 1)
	COMMAND="nginx:_worker_process|nginx:_worker_process_is_shutting_down|"
	connections >logged
	awk 'FNR == NR { idle[$1 " " $2 " " $3 " " $4]; next }
	     ($1 " " $2 " " $3 " " $4) in idle' idle logged >kept
	[ "$(wc -l <kept)" = "$(wc -l <idle)" ] || fail "nginx knows $(wc -l <kept) of" \
		"$(wc -l <idle) idle connections"
	awk -v victim="$victim" '$5 == victim' kept | server_truth "" exit >>truth
	awk -v victim="$victim" '$5 != victim' kept | server_truth "" close >>truth
	kill -KILL "$victim"
	kill -HUP "$MASTER"
	judge settled table
	# Those that haproxy gave up before.
	proxy_truth server | sort -u | grep -v -w -F -f idle >>truth
	finish_trace
}
