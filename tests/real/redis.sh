# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # lib.sh and case.sh set what is used here
#
# redis: its clients close, or it closes them. It is asked by its Unix socket, so
# that asking makes no TCP connection; CLIENT LIST tells each client's address.

REDIS_PORT=$BASE_PORT
FIN_WAIT2=5 # TCP_FIN_WAIT2

redis_start()
{
	need redis-server redis-cli
	cat >redis.conf <<EOF
bind * -::*
protected-mode no
port $REDIS_PORT
unixsocket $DIR/redis.sock
dir $DIR
save ""
appendonly no
daemonize no
EOF
	spawn redis.log redis-server redis.conf
	REDIS=$spawned
	judge listening "$REDIS_PORT"
	wait_until "redis's Unix socket" test -S redis.sock
	# Who began to listen before tracing can be known only if every process's
	# descriptors may be read.
	OPENER=$REDIS
	[ -n "$TRACER" ] || OPENER="$REDIS|"
	SERVER="tcp.side=server process.pid=$REDIS process.name=redis-server"
	SERVER="$SERVER process.user.id=0 opener.pid=$OPENER"
	MAIN_THREAD="process.thread.id=$REDIS process.thread.name=redis-server"
}

ask()
{
	redis-cli -s redis.sock "$@" 2>&1 || fail "redis does not answer"
}

# client ADDRESS WORD...: one redis-cli over TCP in the background.
client()
{
	address=$1
	shift
	spawn "client.$address" redis-cli -h "$address" -p "$REDIS_PORT" "$@"
	CLIENTS="$CLIENTS $spawned"
}

# The server's end of each of the clients of a type: "ADDRESS PORT ADDRESS PORT".
ends_of()
{
	ask CLIENT LIST TYPE "$1" |
		sed -n 's/.* addr=\(127[^ ]*\):\([0-9]*\) laddr=\([^ ]*\):\([0-9]*\) .*/\3 \4 \1 \2/p'
}

# has_clients TYPE N
has_clients()
{
	[ "$(ends_of "$1" | wc -l)" -eq "$2" ]
}

# subscribe COUNT: clients that stay until the server sends them away.
subscribe()
{
	for i in $(seq "$1"); do
		client 127.0.0.1 SUBSCRIBE news
	done
}

received()
{
	ask INFO stats | tr -d '\r' | sed -n 's/^total_connections_received://p'
}

# A connection for each request, closed by redis-benchmark's one of two threads;
# and some of redis-cli, which each close their only one.
case_redis_client()
{
	need redis-benchmark
	redis_start
	start_trace
	ask CONFIG RESETSTAT >/dev/null
	spawn bench.log redis-benchmark -p "$REDIS_PORT" -n 1000 -c 10 -k 0 -t ping_mbulk --threads 2
	bench=$spawned
	CLIENTS=
	for i in 2 3 4 5 6 7 8 9; do
		client "127.0.0.$i" PING
		echo "* * 127.0.0.$i $REDIS_PORT min=1 max=1 tcp.side=client process.pid=$spawned" \
			"opener.pid=$spawned process.name=redis-cli tcp.cause=close|exit" \
			"tcp.tx_bytes=14 tcp.rx_bytes=7"
	done >truth
	for pid in $CLIENTS; do
		reap "$pid" redis-cli
	done
	reap "$bench" redis-benchmark
	# All connections but redis-cli's eight, and that which asks now.
	n=$(($(received) - 9))
	[ "$n" -ge 1000 ] || fail "redis counted only $n connections"
	echo "* * 127.0.0.1 $REDIS_PORT min=$n max=$n tcp.side=client process.pid=$bench" \
		"process.name=redis-benchmark opener.pid=$bench tcp.cause=close|exit" >>truth
	finish_trace
}

# The server closes: clients from before tracing, and others.
case_redis_kill()
{
	redis_start
	CLIENTS=
	subscribe 5
	wait_until "5 subscribers" has_clients pubsub 5
	start_trace
	subscribe 5
	wait_until "10 subscribers" has_clients pubsub 10
	ends_of pubsub | sed "s/\$/ $SERVER $MAIN_THREAD tcp.cause=close/" >truth
	[ "$(ask CLIENT KILL TYPE pubsub)" = 10 ] || fail "redis did not close 10 clients"
	for pid in $CLIENTS; do
		wait "$pid"
	done
	finish_trace
}

# The server closes idle clients that do not notice: it is left with mini-sockets
# in FIN_WAIT2 that become TIME_WAIT only when the clients end.
case_redis_timeout()
{
	start_trace
	redis_start
	mkfifo input
	exec 3<>input # keeps their input open: they wait for a command
	CLIENTS=
	for i in 1 2 3 4 5 6; do
		spawn "client.$i" sh -c "exec redis-cli -p $REDIS_PORT <input 3>&-"
		CLIENTS="$CLIENTS $spawned"
	done
	wait_until "6 clients" has_clients normal 6
	ends_of normal | sed "s/\$/ $SERVER $MAIN_THREAD tcp.cause=close/" >truth
	ask CONFIG SET timeout 1 >/dev/null
	judge states "$FIN_WAIT2" "$REDIS_PORT" 6
	exec 3>&-
	for pid in $CLIENTS; do
		wait "$pid"
	done
	finish_trace
}

# The server is killed: the last of its threads to go closes, whichever that is.
case_redis_killed()
{
	start_trace
	redis_start
	CLIENTS=
	subscribe 8
	wait_until "8 subscribers" has_clients pubsub 8
	ends_of pubsub | sed "s/\$/ $SERVER tcp.cause=exit process.killed=true/" >truth
	kill -KILL "$REDIS"
	{ wait "$REDIS"; } 2>shell.log # where dash says `Killed`
	for pid in $CLIENTS; do
		wait "$pid"
	done
	finish_trace
}
