# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # lib.sh and case.sh set what is used here
#
# memcached: a connection is accepted by one thread and closed by another, whose
# name is not the program's.

MEMCACHED_PORT=$BASE_PORT

# The ids of the worker threads, joined by '|'.
workers()
{
	for task in "/proc/$1/task"/*; do
		read -r name <"$task/comm"
		[ "$name" = "mc-worker" ] && echo "${task##*/}"
	done | paste -sd '|'
}

# The server closes at the command `quit`, which curl can send: it is a gopher path.
case_memcached_threads()
{
	need memcached curl
	start_trace
	spawn memcached.log memcached -u nobody -t 4 -l 0.0.0.0 -p "$MEMCACHED_PORT" -U 0
	server=$spawned
	judge listening "$MEMCACHED_PORT"
	threads=$(workers "$server")
	[ -n "$threads" ] || fail "memcached names no worker thread"
	clients=
	for i in 1 2 3 4; do
		spawn "curl.$i" curl -sS -o /dev/null \
			-w '%{remote_ip} %{remote_port} %{local_ip} %{local_port}\n' \
			"gopher://127.0.$i.[1-100]:$MEMCACHED_PORT/_quit"
		clients="$clients $spawned"
	done
	for pid in $clients; do
		reap "$pid" curl
	done
	cat curl.[1-4] | sed "s/\$/ tcp.side=server tcp.cause=close process.pid=$server \
process.name=memcached process.thread.name=mc-worker process.thread.id=$threads \
process.user.id=$(id -u nobody) opener.pid=$server tcp.tx_bytes=0 tcp.rx_bytes=6/" >truth
	[ "$(wc -l <truth)" = 400 ] || fail "curl made $(wc -l <truth) connections, not 400"
	finish_trace
}
