#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whether bounded.py ends what a suite has started, and only then. Ends with "N passed, N failed".
set -u

cd "$(dirname "$0")" || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# judge NAME WHY: a pass if WHY is empty
judge() {
	if [ -z "$2" ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "FAIL $1: $2"
		failed=$((failed + 1))
	fi
}

# bounded ARGUMENT...: its status in $rc, what it said in $dir/out
bounded() {
	/usr/bin/python3 ./bounded.py "$@" >"$dir/out" 2>&1
	rc=$?
}

status_is() {
	[ "$rc" = "$1" ] || echo "status $rc, not $1. "
}

# is_gone FILE: the process whose PID it holds
is_gone() {
	[ -s "$1" ] || echo "it has not begun. "
	! kill -0 "$(cat "$1")" 2>/dev/null || echo "process $(cat "$1") is there. "
}

# await_file FILE
await_file() {
	for _ in $(seq 1000); do
		[ ! -s "$1" ] || return
		sleep 0.02
	done
}

bounded 60 sh -c 'exit 3'
judge "the status is the command's" "$(status_is 3)"
bounded 60 sh -c 'kill -KILL $$'
judge "and its signal's" "$(status_is 137)"
bounded 60 "$dir/none"
judge "what is not there is said" "$(status_is 127; grep -q 'No such file' "$dir/out" || echo silent)"
# Of a session of its own, and in the background of a shell that has ended.
daemon='setsid sh -c "echo \$\$ >$0; exec sleep 1000" & until [ -s "$0" ]; do sleep 0.02; done'
bounded 60 sh -c "$daemon" "$dir/left"
judge "what is left behind is named, and ended" "$(status_is 0; is_gone "$dir/left"
	grep -q '^left behind: sleep (' "$dir/out" || echo "not named. ")"
bounded 1 sh -c "$daemon; sleep 1000" "$dir/long"
judge "what takes too long is ended, with all of its sessions" "$(status_is 124; is_gone "$dir/long")"
bounded 1 sh -c "trap '' INT TERM; $daemon; while :; do sleep 1; done" "$dir/deaf"
judge "and what heeds no signal" "$(status_is 124; is_gone "$dir/deaf")"
for which in INT TERM HUP; do
	/usr/bin/python3 ./bounded.py 60 sh -c "trap 'echo cleaned >\"\$1\"; exit' INT; $daemon
		while :; do sleep 0.1; done" "$dir/$which" "$dir/$which.cleaned" >"$dir/out" 2>&1 &
	pid=$!
	await_file "$dir/$which"
	kill -$which $pid
	wait $pid
	rc=$?
	judge "SIG$which lets it clean up" "$(status_is $((128 + $(kill -l $which))); is_gone "$dir/$which"
		[ -s "$dir/$which.cleaned" ] || echo "it has not. ")"
done
bounded --idle 60 sh -c 'ps -o cls= -p $$'
judge "--idle" "$(status_is 0; grep -q IDL "$dir/out" || cat "$dir/out")"
/usr/bin/python3 ./bounded.py --idle 60 sh -c "$daemon; until ps -o cls= -p \$\$ | grep -q TS; do sleep 0.02; done
	ps -o cls=,ni= -p \$(cat \$0)" "$dir/equal" >"$dir/out" 2>&1 &
pid=$!
await_file "$dir/equal"
kill -USR1 $pid
wait $pid
rc=$?
judge "until a signal, for all of it" "$(status_is 0; grep -q "^ *TS *$(nice)\$" "$dir/out" || cat "$dir/out")"
bounded --nice 10 60 sh -c 'ps -o ni= -p $$'
judge "--nice" "$(status_is 0; [ "$(head -n 1 "$dir/out")" -ge 10 ] || cat "$dir/out")"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
