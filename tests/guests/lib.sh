# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What payloads of guests go by: verdicts. Sourced in the guest.

passed=0 failed=0

# judge NAME WHY: a pass if WHY is empty. What was printed last is shown of one that failed.
judge()
{
	if [ -z "$2" ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "FAIL $1: $2"
		failed=$((failed + 1))
		sed 's/^/  /' "$out" | tail -n 12
	fi
}

out=/run/out
: >$out

# run PROGRAM...: all that it prints in $out, its status in $rc
run()
{
	"$@" >$out 2>&1 </dev/null
	rc=$?
}

says()
{
	grep -q -E -e "$1" $out || echo "does not say '$1'. "
}

says_not()
{
	! grep -q -E -e "$1" $out || echo "says '$1'. "
}

status_is()
{
	[ "$rc" = "$1" ] || echo "status $rc, not $1. "
}

# await SECONDS PROGRAM...: until it succeeds
await()
{
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

# sums: the last line, and the status
sums()
{
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
