# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # case.sh sets what is used here
#
# What the cases share. Sourced by case.sh, which sets CASE, TWSNOOP, JUDGE, DIR
# and OUTSIDE, and enters DIR.

DEADLINE_S=15

# The servers' ports are from here on. connect() takes its local ports in turn for
# each pair of addresses and port, and all network namespaces share that turn: a
# busy neighbour with the same would soon bring back ports that are in TIME_WAIT.
# shellcheck disable=SC2034 # the cases use it
BASE_PORT=$((10000 + $$ % 9000))

# fail REASON: the first line of a case's output becomes its verdict.
fail()
{
	echo "$*"
	[ ! -s twsnoop.log ] || sed 's/^/  /' twsnoop.log
	exit 1
}

skip()
{
	echo "$*"
	exit 77
}

# need PROGRAM...
need()
{
	for program; do
		command -v "$program" >/dev/null ||
			fail "$program is missing: install what 'run.sh --packages' prints"
	done
}

prepare_namespace()
{
	NETNS=$(readlink /proc/self/ns/net | tr -dc 0-9)
	[ "$(readlink "/proc/$OUTSIDE/ns/net")" != "net:[$NETNS]" ] ||
		fail "not in a network namespace of its own"
	ip link set lo up || fail "cannot bring lo up"
	# Room for all, and none dies before it was looked at: not by an RST, not
	# by a connection that takes its place.
	echo 262144 >/proc/sys/net/ipv4/tcp_max_tw_buckets
	echo 1 >/proc/sys/net/ipv4/tcp_rfc1337
	echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
	echo "20000 65000" >/proc/sys/net/ipv4/ip_local_port_range
}

# ---- processes ----

TRACER=   # twsnoop, once it traces
spawned=  # the last process that spawn started
PIDS=     # those of spawn

# spawn LOG COMMAND...: in the background, its output to the file LOG.
spawn()
{
	log=$1
	shift
	"$@" >"$log" 2>&1 &
	spawned=$!
	PIDS="$PIDS $spawned"
}

# reap PID WHAT: wait for the end of one that spawn started; it must succeed.
reap()
{
	wait "$1"
	status=$?
	[ "$status" -eq 0 ] || fail "$2 ended with status $status"
}

# Ends all that was begun here. A program that does not heed is ended with force
# by timeout(1) in run.sh; a child that outlives its parent, here.
clean_up()
{
	trap '' INT TERM HUP
	for pid in $PIDS; do
		kill -TERM "$pid" 2>/dev/null
	done
	wait
	# This shell holds the namespace, so its number cannot be another's by now.
	ls -l /proc/[0-9]*/ns/net >inhabitants 2>/dev/null
	sed -n "s|.* /proc/\([0-9]*\)/ns/net -> net:\[$NETNS\]\$|\1|p" inhabitants >left
	while read -r pid; do
		[ "$pid" != "$$" ] || continue
		echo "left behind: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		kill -KILL "$pid"
		false
	done <left || exit 1
}

# wait_until WHAT COMMAND...: until the command succeeds.
wait_until()
{
	what=$1
	shift
	deadline=$(($(date +%s) + DEADLINE_S))
	until "$@"; do
		[ "$(date +%s)" -lt "$deadline" ] || fail "$what: not within $DEADLINE_S s"
		sleep 0.02
	done
}

# judge COMMAND ARG...: the judge's, when waiting.
judge()
{
	complaint=$("$JUDGE" "$@") || fail "$complaint"
}

# ---- tracing ----

tracing()
{
	kill -0 "$TRACER" 2>/dev/null || fail "twsnoop ended before it traced"
	grep -q '^twsnoop: tracing' twsnoop.log
}

# As on a host whose containers have namespaces of their own: from outside.
start_trace()
{
	: >twsnoop.log
	nsenter --net="/proc/$OUTSIDE/ns/net" -- \
		"$TWSNOOP" trace --json --netns "$NETNS" >events 2>>twsnoop.log &
	TRACER=$!
	PIDS="$PIDS $TRACER"
	wait_until "twsnoop's start" tracing
}

# The value of one counter in the accounting line.
counter()
{
	sed -n "s/^twsnoop: delivered=.*/ & /; s/.* $1=\([0-9]*\) .*/\1/p" twsnoop.log | tail -n 1
}

check_account()
{
	[ "$(counter delivered)" = "$(wc -l <events)" ] ||
		fail "delivered=$(counter delivered), but $(wc -l <events) lines were printed"
	for name in lost map_full unattributed; do
		[ "$(counter "$name")" = 0 ] || fail "$name=$(counter "$name")"
	done
}

# The counter is of what was printed: a filter may have left others out.
check_snapshot()
{
	n=$(grep -c '"source":"snapshot"' events)
	[ "$(counter snapshot)" = "$n" ] ||
		fail "snapshot=$(counter snapshot), but $n events are from a snapshot"
}

# finish_trace: when all connections are over, the file `truth` is complete and
# no more can come: twsnoop's word against the kernel's and the programs'.
finish_trace()
{
	judge settled table
	n=$(ss -Htan state time-wait | wc -l)
	[ "$n" = "$(wc -l <table)" ] || fail "ss shows $n TIME_WAITs, sock_diag $(wc -l <table)"
	kill -INT "$TRACER"
	wait "$TRACER"
	status=$?
	[ "$status" -eq 0 ] || fail "twsnoop ended with status $status"
	if ! "$JUDGE" events events table truth "$NETNS" >verdict; then
		echo "twsnoop's report is not the truth"
		cat verdict
		sed 's/^/  /' twsnoop.log
		exit 1
	fi
	check_account
	check_snapshot
	echo "# $(cat verdict) TIME_WAITs, recursion=$(counter recursion)" \
		"snapshot=$(counter snapshot)"
}

# unused_by_ab PID PORT: ab opens some connections beyond its requests, and closes
# them, unused, when it is done. What is true of these.
unused_by_ab()
{
	echo "* * * $2 min=0 max=10 tcp.side=client process.pid=$1 process.name=ab" \
		"opener.pid=$1 tcp.cause=close|exit tcp.tx_bytes=0 tcp.rx_bytes=0"
}

# distinct FILE COLUMN: how many values the column has.
distinct()
{
	awk -v c="$2" '!($c in seen) { seen[$c]; n++ } END { print n + 0 }' "$1"
}
