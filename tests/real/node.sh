# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # lib.sh and case.sh set what is used here
#
# A node cluster: the primary accepts and passes the connection to a worker, which
# closes it. The workers say which they had.

NODE_PORT=$BASE_PORT

case_node_cluster()
{
	command -v node >/dev/null || skip "node is not installed"
	need ab
	start_trace
	spawn served node "$SRC/node_cluster.js" 2 "$NODE_PORT"
	primary=$spawned
	judge listening "$NODE_PORT"
	read -r name <"/proc/$primary/comm"
	spawn ab.log ab -q -n 300 -c 8 "http://127.0.0.1:$NODE_PORT/"
	reap "$spawned" ab
	judge settled table
	awk -v opener="$primary" -v name="$name" '$1 != "?" {
		print $1, $2, $3, $4, "tcp.side=server tcp.cause=close|shutdown",
			"process.pid=" $5, "process.name=" name, "opener.pid=" opener
	}' served >truth
	[ "$(wc -l <truth)" = 300 ] || fail "node served $(wc -l <truth) connections of 300"
	[ "$(distinct served 5)" = 2 ] || fail "not both of node's workers served"
	unused_by_ab "$spawned" "$NODE_PORT" >>truth
	finish_trace
}
