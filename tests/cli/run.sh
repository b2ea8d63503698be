#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The command line: usage: run.sh TWSNOOP [CLITOOL]
# Prints "ok NAME", "FAIL NAME: why" or "skip NAME: why" for each test, and the sums at the end;
# exits 1 if any failed. Root runs them all; others those that need no privilege. CLITOOL is built
# by cli.mk; the default is TWSNOOP's directory, tests/cli/clitool. Runs in a network namespace of
# its own and needs no more than a POSIX shell and what busybox has.
set -u

twsnoop=$(readlink -f "${1:?usage: run.sh TWSNOOP [CLITOOL]}")
tool=$(readlink -f "${2:-$(dirname "$1")/tests/cli/clitool}")
for file in "$twsnoop" "$tool"; do
	if [ ! -x "$file" ]; then
		echo "run.sh: no such program: $file" >&2
		exit 1
	fi
done

if [ "$(id -u)" = 0 ] && [ -z "${CLI_IN_NETNS:-}" ]; then
	CLI_IN_NETNS=1 exec "$tool" netns "$0" "$twsnoop" "$tool"
fi

dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
out=$dir/out
err=$dir/err
pid=
trap 'rc=$?; [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$dir"; exit $rc' EXIT
trap 'exit 1' HUP INT TERM

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

# ---- wrong usage ----

# wrong NAME ARGUMENT...
wrong()
{
	name="wrong usage: $1"
	shift
	run "$twsnoop" "$@"
	judge "$name" "$(status_is 2; one_line_on_stderr; stdout_is_empty)"
}

test_wrong_usage()
{
	esc=$(printf '\033')
	wrong "unknown command" nosuch
	wrong "unknown command with an escape" "${esc}[31mx"
	wrong "unknown option" trace --no-such
	wrong "unknown option without a command" --no-such
	wrong "unknown letter" trace -Z
	wrong "option with an escape" trace "--${esc}[31m"
	wrong "extra operand" trace extra
	wrong "argument to a flag" trace --json=1
	wrong "missing argument" trace --count
	wrong "pid 1x" trace --pid 1x
	wrong "pid -1" trace --pid -1
	wrong "pid 0" trace --pid 0
	wrong "pid with an escape" trace --pid "${esc}[31m"
	wrong "pid list with a hole" trace --pid 1,,2
	wrong "pid too large" trace --pid 99999999999999999999
	wrong "port 70000" trace -r :70000
	wrong "port 0x50" trace -r :0x50
	wrong "port -1" trace -l :-1
	wrong "address 300.1.1.1" trace -r 300.1.1.1
	wrong "prefix /33" trace -l 10.0.0.0/33
	wrong "side both" trace --side both
	wrong "netns of nowhere" trace --netns /nonexistent
	wrong "count 0" trace --count 0
	wrong "count -1" trace --count -1
	wrong "count 1x" trace --count 1x
	wrong "count with a blank" trace --count " 1"
	wrong "duration abc" trace --duration abc
	wrong "duration 0" trace --duration 0
	wrong "duration -1" trace --duration -1
	wrong "output xml" trace --output xml
	wrong "ring size 12x" trace --ring-size 12x
	wrong "ring size 0" trace --ring-size 0
	wrong "check: unknown option" check --no-such
	wrong "check: extra operand" check extra
	wrong "check: output csv" check --output csv
}

# helps NAME ARGUMENT...
helps()
{
	name=$1
	shift
	run "$twsnoop" "$@"
	judge "$name" "$(status_is 0
		[ -s "$out" ] || echo "nothing on stdout. "
		[ ! -s "$err" ] || echo "something on stderr. ")"
}

test_help()
{
	helps "twsnoop --help" --help
	helps "twsnoop -h" -h
	helps "twsnoop help" help
	helps "trace --help" trace --help
	helps "trace -h" trace -h
	helps "check --help" check --help
	helps "--version" --version
	judge "--version is one line" "$(grep -q '^twsnoop [0-9]' "$out" || echo "it is not. "
		[ "$(lines "$out")" = 1 ] || echo "it has more. ")"
	for args in --help "trace --help" "check --help" --version; do
		# shellcheck disable=SC2086 # words
		"$tool" limit "$twsnoop" $args >/dev/full 2>"$err"
		rc=$?
		judge "$args to a full disk" "$(status_is 1)"
	done
}

# ---- check ----

# checks NAME STATUS: what the last run of check --json printed
checks()
{
	judge "$1" "$(status_is "$2"
		num=$("$tool" json "$out") || echo "JSON: $num. "
		[ "$num" = 1 ] || echo "$num lines. "
		if [ "$2" = 0 ]; then
			[ ! -s "$err" ] || echo "something on stderr. "
			grep -q '"possible":true' "$out" || echo "not possible. "
		else
			one_line_on_stderr
			grep -q '"possible":false,"why_not":"' "$out" || echo "possible. "
		fi)"
}

test_check()
{
	run "$twsnoop" check --json
	checks "check --json" 0
	atomics=$(grep -c '"atomics":{"state":"present"}' "$out")
	table=$(grep -c '"connections":"atomic_table"' "$out")
	judge "check: the way follows from what was found" \
		"$([ "$atomics" = "$table" ] || echo "atomics $atomics, atomic table $table")"
	run "$twsnoop" check
	judge "check" "$(status_is 0
		"$tool" plain "$out"
		grep -q "on Linux $(uname -r)$" "$out" || echo "no kernel release. "
		grep -q "^  possible  *yes$" "$out" || echo "does not say that it is possible. ")"
	"$tool" limit "$twsnoop" check >/dev/full 2>"$err"
	rc=$?
	judge "check to a full disk" "$(status_is 1; one_line_on_stderr)"
	run "$tool" drop 65534 bpf,perfmon "$twsnoop" check --json
	memlock=$(grep -c '"memory_by_cgroup":{"state":"missing"}' "$out")
	if [ "$memlock" = 1 ]; then
		# Before 5.11 maps count as locked memory, and this user may lock little.
		checks "check by a user with two capabilities" 1
		judge "check names RLIMIT_MEMLOCK" "$(stderr_says RLIMIT_MEMLOCK)"
		run "$tool" drop 65534 bpf,perfmon "$twsnoop" trace
		refused "too little locked memory" RLIMIT_MEMLOCK
		run "$tool" drop 65534 bpf,perfmon,sys_resource "$twsnoop" check --json
	fi
	checks "check by a user with just enough" 0
	judge "check tells what is lost without CAP_SYS_ADMIN" "$(
		grep -q '"because":"missing CAP_SYS_ADMIN"' "$out" || echo "it does not. ")"
}

test_check_refused()
{
	for caps in none bpf perfmon; do
		run "$tool" drop 65534 "$caps" "$twsnoop" check --json
		checks "check with capabilities: $caps" 1
	done
	judge "check: not probed is not missing" "$(
		! grep -q '"state":"missing"' "$out" || echo "it is. ")"
	for how in missing empty garbage; do
		run "$tool" hide-btf "$how" "$twsnoop" check --json
		checks "check with BTF $how" 1
	done
}

# ---- privileges ----

# refused NAME WORD: the last run said why, in one line
refused()
{
	judge "$1" "$(status_is 1; one_line_on_stderr; stdout_is_empty; stderr_says "$2")"
}

test_refused()
{
	run "$tool" drop 65534 none "$twsnoop" trace
	refused "no privilege" "CAP_BPF"
	run "$tool" drop 0 none "$twsnoop" trace
	refused "root without capabilities" "CAP_BPF"
	run "$tool" drop 65534 bpf "$twsnoop" trace
	refused "no CAP_PERFMON" "missing CAP_PERFMON: "
	run "$tool" drop 65534 perfmon "$twsnoop" trace --json
	refused "no CAP_BPF" "missing CAP_BPF: "
	for how in missing empty garbage; do
		run "$tool" hide-btf "$how" "$twsnoop" trace
		refused "BTF $how" "/sys/kernel/btf/vmlinux"
	done
}

# The effective capabilities of $pid, and whether it could get more.
status_of_pid()
{
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"
}

# traces NAME CAPS: what start began sees a close, and holds no more than CAPS (hex)
traces()
{
	"$tool" close 1
	"$tool" wait-line "$out" '{"timestamp"'
	permitted=$(status_of_pid CapPrm)
	effective=$(status_of_pid CapEff)
	no_new=$(status_of_pid NoNewPrivs)
	stop
	judge "$1" "$(status_is 0; accounts 1; delivered 1; json_lines 1)"
	judge "$1: keeps no more than it needs" "$(
		[ "$((0x${permitted:-1} & ~$2))" = 0 ] || echo "permitted $permitted. "
		[ "$permitted" = "$effective" ] || echo "effective $effective. "
		[ "$no_new" = 1 ] || echo "NoNewPrivs $no_new. ")"
}

test_least_privilege()
{
	admin=0x200000 ptrace=0x80000 search=0x4 bpf=0x8000000000
	# CAP_BPF is kept where the kernel's bpf(2) answers nothing without it.
	enough=bpf,perfmon
	if [ "$memlock" = 1 ]; then
		enough=bpf,perfmon,sys_resource
	fi
	start "root" --json && traces "root" $((admin | ptrace | search))
	start_as "a user with $enough" "$tool drop 65534 $enough" --json &&
		traces "a user with $enough" $((bpf))
	start_as "root with $enough" "$tool drop 0 $enough" --json &&
		traces "root with $enough" $((bpf))
	cp "$twsnoop" "$dir/copy"
	"$tool" setcap "$dir/copy" $enough
	case $? in
	0) ;;
	77)
		skip "file capabilities" "not on this file system"
		return
		;;
	*)
		fail "file capabilities" "cannot set them"
		return
		;;
	esac
	saved=$twsnoop
	twsnoop=$dir/copy
	start_as "file capabilities" "$tool drop-uid 65534" --json &&
		traces "file capabilities" $((bpf))
	twsnoop=$saved
	rm -f "$dir/copy"
}

# ---- output and the end ----

test_left_behind()
{
	mkdir "$dir/cwd"
	pins=$(ls /sys/fs/bpf 2>/dev/null)
	cd "$dir/cwd" || exit 1
	start "nothing is left in the kernel" --json || return
	cd / || exit 1
	"$tool" bpf-held "$pid" >"$dir/held"
	stop
	num=$("$tool" bpf-gone "$dir/held")
	judge "nothing is left in the kernel" "$(status_is 0
		[ "$num" -ge 8 ] 2>/dev/null || echo "$num of its objects. ")"
	judge "nothing is left in files" "$(
		[ -z "$(ls -A "$dir/cwd")" ] || echo "files in its directory. "
		[ "$pins" = "$(ls /sys/fs/bpf 2>/dev/null)" ] || echo "pinned objects. ")"
	start "nothing is left in the kernel after SIGKILL" --json || return
	"$tool" bpf-held "$pid" >"$dir/held"
	stop KILL 2>/dev/null
	num=$("$tool" bpf-gone "$dir/held")
	judge "nothing is left in the kernel after SIGKILL" "$(
		[ "$num" -ge 8 ] 2>/dev/null || echo "$num of its objects. ")"
}

test_full_disk()
{
	for format in text json csv; do
		: >"$err"
		"$tool" limit "$twsnoop" trace --netns /proc/self/ns/net -o $format >/dev/full \
			2>"$err" </dev/null &
		pid=$!
		# Text and CSV begin with a heading, and so fail at once.
		"$tool" wait-line "$err" "twsnoop: "
		"$tool" close 3
		stop none
		: >"$out"
		judge "full disk, $format" "$(status_is 1; accounts 1
			num=$(grep -c "^twsnoop: cannot write the output: " "$err")
			[ "$num" = 1 ] || echo "$num lines about it. ")"
	done
}

# The reader has gone after three lines; closes go on until twsnoop has, too.
test_closed_pipe()
{
	for format in text json csv; do
		rm -f "$dir/status"
		: >"$dir/status"
		: >"$err"
		{
			"$tool" limit "$twsnoop" trace --netns /proc/self/ns/net -o $format 2>"$err" </dev/null
			echo $? >"$dir/status"
		} | head -n 3 >"$out" &
		"$tool" wait-line "$err" "twsnoop: "
		"$tool" close 5
		"$tool" wait-exit "$dir/status"
		wait
		rc=$(cat "$dir/status")
		judge "closed pipe, $format" "$(status_is 0; accounts 1
			[ "$(lines "$err")" = 2 ] || echo "more on stderr. "
			[ "$(lines "$out")" = 3 ] || echo "$(lines "$out") lines, not 3. ")"
	done
}

test_limits()
{
	start "count 3" --json --count 3 || return
	"$tool" close 9
	stop none
	judge "count 3" "$(status_is 0; accounts 1; delivered 3; json_lines 3)"
	start "duration 1" --json --duration 1 || return
	stop none
	judge "duration 1" "$(status_is 0; accounts 1; delivered 0; json_lines 0)"
}

test_signals()
{
	start "signals" --json || return
	"$tool" close 2
	"$tool" wait-line "$out" '{' 2
	kill -USR1 "$pid"
	"$tool" wait-line "$err" "twsnoop: delivered=2 lost=0 "
	kill -STOP "$pid"
	"$tool" close 2
	kill -CONT "$pid"
	"$tool" wait-line "$out" '{' 4
	"$tool" close 2
	stop INT
	judge "SIGUSR1, SIGSTOP, SIGCONT, SIGINT" "$(status_is 0; accounts 2; delivered 6; json_lines 6)"
	start "SIGTERM at once" --json || return
	"$tool" close 2
	stop TERM
	judge "SIGTERM at once" "$(status_is 0; accounts 1; delivered 2; json_lines 2)"
	start "SIGTERM while stopped" --json || return
	kill -STOP "$pid"
	"$tool" close 2
	kill -TERM "$pid"
	kill -CONT "$pid"
	stop none
	judge "SIGTERM while stopped" "$(status_is 0; accounts 1; delivered 2; json_lines 2)"
}

# A machine that is busy with other things may be slow: the best of three.
test_latency()
{
	for format in text json csv; do
		for _ in 1 2 3; do
			ms=$("$tool" latency "$twsnoop" trace --netns /proc/self/ns/net \
				-o $format 2>"$err")
			if [ -n "$ms" ] && [ "$ms" -le 200 ]; then break; fi
		done
		judge "an event is shown within 200 ms, $format" \
			"$([ -n "$ms" ] && [ "$ms" -le 200 ] || echo "${ms:-never} ms")"
	done
}

test_hostile_names()
{
	for format in json text csv; do
		start "hostile names, $format" -o $format || continue
		"$tool" hostile
		# A hostile command line too
		"$tool" close 1 argv "$(printf '\033[31m"\r\\\377')"
		stop
		case $format in
		json) why=$("$tool" json "$out" hostile) && why= ;;
		text) why=$("$tool" plain "$out") ;;
		csv) why=$("$tool" csv "$out") && why= ;;
		esac
		num=$(lines "$out")
		[ $format = json ] || num=$((num - 1))
		wanted=$(tail -n 1 "$err" | sed -n 's/^twsnoop: delivered=\([0-9]*\) .*/\1/p')
		judge "hostile names, $format" "$(status_is 0; echo "$why"
			[ "$num" = "$wanted" ] || echo "$num lines for $wanted events. "
			[ "$num" -ge 20 ] || echo "only $num events. ")"
	done
}

# ---- all of it ----

test_wrong_usage
test_help
if is_root; then
	memlock=0
	test_check
	test_check_refused
	test_refused
	test_least_privilege
	test_limits
	test_signals
	test_full_disk
	test_closed_pipe
	test_hostile_names
	test_left_behind
	test_latency
else
	run "$twsnoop" trace
	refused "no privilege" "CAP_BPF"
	run "$twsnoop" check --json
	checks "check without privilege" 1
	skip "all that traces" "needs root"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
