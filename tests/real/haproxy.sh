# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # lib.sh and case.sh set what is used here
#
# haproxy, one worker process with two threads, in front of nginx.

# shellcheck source=nginx.sh
. "$SRC/nginx.sh"

PROXY_PORT=$((BASE_PORT + 1))

# haproxy_start OPTIONS: sets PROXY, WORKER, and CLOSER to what is true of the
# connections that the worker closes. IPv4 clients come to an IPv6 socket.
haproxy_start()
{
	need haproxy
	cat >haproxy.cfg <<EOF
global
	nbthread 2
	maxconn 200
	tune.pool-low-fd-ratio 90
	tune.pool-high-fd-ratio 95
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
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
	# Which of its threads closes is not told, but that it is one of them is.
	tids=$(cd "/proc/$WORKER/task" && printf '%s|' *)
	CLOSER="process.pid=$WORKER process.name=haproxy process.thread.id=${tids%|}"
	CLOSER="$CLOSER tcp.cause=close|shutdown process.user.id=0"
}

# nginx writes its log a little after the client has the answer.
all_logged()
{
	[ "$(wc -l <access)" -ge "$1" ]
}

# ab_through_proxy REQUESTS: what is true on the clients' leg, where haproxy closes
# each connection that ab used.
ab_through_proxy()
{
	spawn ab.log ab -q -n "$1" -c 8 "http://127.0.0.1:$PROXY_PORT/small"
	reap "$spawned" ab
	wait_until "the log of $1 requests" all_logged "$1"
	echo "127.0.0.1 $PROXY_PORT 127.0.0.1 * min=$1 max=$1 tcp.side=server" \
		"opener.pid=$PROXY $CLOSER" >truth
	unused_by_ab "$spawned" "$PROXY_PORT" >>truth
}

# What is true on nginx's leg of those that haproxy closes first.
closed_by_proxy()
{
	echo "127.0.0.1 * 127.0.0.1 $NGINX_PORT min=0 tcp.side=client opener.pid=$WORKER $CLOSER"
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
	closed_by_proxy >>truth
	finish_trace
	n=$(awk -v port="$NGINX_PORT" '$2 == port || $4 == port' table | wc -l)
	[ "$n" -ge 100 ] || fail "only $n TIME_WAITs on haproxy's other leg"
}

# The lines of a file (of stdin, `-`) whose first four columns are a line of `idle`.
only_idle()
{
	awk 'FNR == NR { idle[$1 " " $2 " " $3 " " $4]; next }
	     ($1 " " $2 " " $3 " " $4) in idle' idle "$1"
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
	connections | only_idle - >kept
	[ "$(wc -l <kept)" = "$(wc -l <idle)" ] ||
		fail "nginx knows $(wc -l <kept) of $(wc -l <idle) idle connections"
	victim=$(awk 'NR == 1 { print $5 }' kept)
	COMMAND="nginx:_worker_process|nginx:_worker_process_is_shutting_down|"
	{
		awk -v victim="$victim" '$5 == victim' kept | server_truth "" exit |
			sed 's/$/ process.killed=true/'
		awk -v victim="$victim" '$5 != victim' kept | server_truth "" close |
			sed 's/$/ process.killed=/'
		closed_by_proxy
	} >>truth
	kill -KILL "$victim"
	kill -HUP "$MASTER"
	finish_trace
}
