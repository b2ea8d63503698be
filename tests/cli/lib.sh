# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# Of run.sh: what all tests go by. $twsnoop, $tool and $dir are run.sh's.

out=$dir/out
err=$dir/err
passed=0 failed=0 skipped=0

ok()
{
	echo "ok $1"
	passed=$((passed + 1))
}

# fail NAME WHY: with what was printed, as far as it can be shown safely
fail()
{
	echo "FAIL $1: $2"
	failed=$((failed + 1))
	sed -n '1,5s/^/  stderr: /p' "$err" 2>/dev/null | tr -d '\000-\010\013-\037\177-\377'
}

skip()
{
	echo "skip $1: $2"
	skipped=$((skipped + 1))
}

# judge NAME WHY: a pass if WHY is empty
judge()
{
	if [ -z "$2" ]; then ok "$1"; else fail "$1" "$2"; fi
}

is_root()
{
	[ "$(id -u)" = 0 ]
}

lines()
{
	wc -l <"$1" | tr -d ' '
}

# ---- running it ----

# run PROGRAM...: to its end; its status is in $rc
run()
{
	"$tool" limit "$@" >"$out" 2>"$err" </dev/null
	rc=$?
}

# start NAME ARGUMENT...: twsnoop trace of this namespace, in the background, once it traces. If it
# does not come to that, NAME has failed.
start()
{
	name=$1
	shift
	start_as "$name" "" "$@"
}

# start_as NAME PREFIX ARGUMENT...: the same, run by the words of PREFIX
start_as()
{
	name=$1
	prefix=$2
	shift 2
	: >"$err"
	# shellcheck disable=SC2086 # the prefix is words
	"$tool" limit $prefix "$twsnoop" trace --netns /proc/self/ns/net "$@" >"$out" 2>"$err" \
		</dev/null &
	pid=$!
	if "$tool" wait-line "$err" "twsnoop: "; then
		if grep -q "^twsnoop: tracing" "$err"; then return 0; fi
		stop none
	else
		stop KILL
	fi
	fail "$name" "it does not trace, status $rc"
	return 1
}

# stop [SIGNAL]: ends what start began; its status is in $rc
stop()
{
	[ "${1:-TERM}" = none ] || kill -"${1:-TERM}" "$pid"
	wait "$pid"
	rc=$?
	pid=
}

# ---- what must hold; each prints why not, or nothing ----

status_is()
{
	[ "$rc" = "$1" ] || echo "exit status $rc, not $1. "
}

one_line_on_stderr()
{
	[ "$(lines "$err")" = 1 ] || echo "$(lines "$err") lines on stderr, not 1. "
	grep -q '^twsnoop: ' "$err" || echo "stderr does not begin with 'twsnoop: '. "
	"$tool" plain "$err" >/dev/null || echo "stderr has control characters. "
}

stdout_is_empty()
{
	[ ! -s "$out" ] || echo "something on stdout. "
}

stderr_says()
{
	grep -q -e "$1" "$err" || echo "stderr does not say '$1'. "
}

# says_once WHY: that the output could not be written, among other lines
says_once()
{
	num=$(grep -c "^twsnoop: cannot write the output: " "$err")
	[ "$num" = 1 ] || echo "$num lines about it. "
	stderr_says "^twsnoop: cannot write the output: $1$"
}

account='^twsnoop: delivered=[0-9]* lost=[0-9]* map_full=[0-9]* recursion=[0-9]* snapshot=[0-9]* unattributed=[0-9]*$'

accounts()
{
	num=$(grep -c "$account" "$err")
	[ "$num" = "$1" ] || echo "$num accounting lines, not $1. "
}

delivered()
{
	tail -n 1 "$err" | grep -q "^twsnoop: delivered=$1 lost=0 " ||
		echo "the last line does not say delivered=$1 lost=0. "
}

json_lines()
{
	num=$("$tool" json "$out") || echo "JSON: $num. "
	[ "$num" = "$1" ] || echo "$num events on stdout, not $1. "
}
