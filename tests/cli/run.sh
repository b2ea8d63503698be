#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The command line: usage: run.sh TWSNOOP [CLITOOL]
# Prints "ok NAME", "FAIL NAME: why" or "skip NAME: why" for each test, and the sums at the end;
# exits 1 if any failed. Root runs them all; others those that need no privilege. CLITOOL is built
# by cli.mk; the default is TWSNOOP's directory, tests/cli/clitool. Runs in a network and a
# mount namespace of its own and needs no more than a POSIX shell and what busybox has.
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
	wrong "list: unknown option" list --no-such
	wrong "list: extra operand" list extra
	wrong "list: an option of trace" list --all
	wrong "list: sort by nothing" list --sort ""
	wrong "list: sort by two keys" list --sort pid,uid
	wrong "list: by an unknown key" list --by "pid,${esc}[31m"
	wrong "list: by a key twice" list --by pid,pid
	wrong "list: by age" list --by age
	wrong "list: states and ports" list --states --ports
	wrong "list: states and counts" list --states --by pid
	wrong "list: order of counts" list --by pid --sort age
	wrong "list: states of a process" list --states --pid 1
	wrong "list: ports of a side" list --ports --side client
	wrong "attach: an option of trace" attach --json
	wrong "attach: a filter" attach --pid 1
	wrong "attach: extra operand" attach extra
	wrong "attach: size 0" attach --size 0
	wrong "attach: size 12x" attach --size 12x
	wrong "attach: size too large" attach --size 4194305
	wrong "attach: no bpffs named" attach --bpffs ""
	wrong "detach: extra operand" detach extra
	wrong "detach: an option of attach" detach --size 1
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
	helps "list --help" list --help
	helps "attach --help" attach --help
	helps "detach --help" detach --help
	helps "--version" --version
	judge "--version is one line" "$(grep -q '^twsnoop [0-9]' "$out" || echo "it is not. "
		[ "$(lines "$out")" = 1 ] || echo "it has more. ")"
	for args in --help "trace --help" "list --help" "check --help" --version; do
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

# ---- list ----

list_account='^twsnoop: listed=[0-9]* seen=[0-9]* inferred=[0-9]* unknown=[0-9]* missed=[0-9]*$'

# list_says N: the account
list_says()
{
	grep "$list_account" "$err" | grep -q "^twsnoop: listed=$1 " ||
		echo "the account does not say listed=$1. "
}

# The local ports that are in TIME_WAIT here, as the kernel has them (state 06).
kernel_ports()
{
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F]*:[0-9A-F]* 06 .*/\1/p' |
		while read -r port; do echo $((0x$port)); done | sort
}

json_ports()
{
	sed -n 's/.*"local":{"address":"[^"]*","port":\([0-9]*\)}.*/\1/p' "$out" | sort
}

# list ARGUMENT...: of this namespace, to its end
list()
{
	run "$twsnoop" list --netns /proc/self/ns/net "$@"
}

test_list()
{
	"$tool" close 9
	kernel_ports >"$dir/before"
	list --json
	json_ports >"$dir/ours"
	kernel_ports >"$dir/after"
	num=$(lines "$dir/ours")
	# One whose minute was over meanwhile is in the first alone.
	judge "list is the kernel's table" "$(status_is 0; json_lines "$num"; list_says "$num"
		[ "$num" -ge 9 ] || echo "only $num. "
		! comm -23 "$dir/after" "$dir/ours" | grep . || echo "some are missing. "
		! comm -13 "$dir/before" "$dir/ours" | grep . || echo "some are not there. ")"
	list
	judge "list as text" "$(status_is 0; "$tool" plain "$out"
		grep -q "^STATE  *LEFT LOCAL " "$out" || echo "no heading. "
		[ "$(grep -c "^time_wait " "$out")" -ge 9 ] || echo "too few. "
		[ -z "$(awk 'length > 120' "$out")" ] || echo "too wide. ")"
	list -o csv
	judge "list as CSV" "$(status_is 0; "$tool" csv "$out" >/dev/null
		[ "$(lines "$out")" -gt 9 ] || echo "too few. ")"
	list --by remote,remote-port,state --json
	judge "list --by" "$(status_is 0; json_lines "$(lines "$out")"
		sum=$(sed 's/^{"count":\([0-9]*\),.*/\1/' "$out" | awk '{ n += $1 } END { print n }')
		list_says "$sum")"
	list --by process,side
	judge "list --by as text" "$(status_is 0; "$tool" plain "$out"
		tail -n 1 "$out" | grep -q "^ *[0-9].*total$" || echo "no sum. ")"
	list --states --json
	judge "list --states" "$(status_is 0; json_lines 2
		num=$(kernel_ports | grep -c .)
		ours=$(sed -n 's/.*"scope":"netns".*"time_wait":\([0-9]*\).*/\1/p' "$out")
		[ "$ours" -ge "$num" ] || echo "$ours in TIME_WAIT, not $num. "
		grep -q '"limits":{"tcp_max_tw_buckets":[1-9]' "$out" || echo "no limit. ")"
	list --ports --json
	judge "list --ports" "$(status_is 0; json_lines "$(lines "$out")"
		grep -q '"ports":{"usable":[1-9][0-9]*,"time_wait":[1-9]' "$out" || echo "none. ")"
	for form in "" --json "-o csv" --states --ports "--by state"; do
		# shellcheck disable=SC2086 # words
		"$tool" limit "$twsnoop" list $form >/dev/full 2>"$err"
		rc=$?
		: >"$out"
		judge "list $form to a full disk" "$(status_is 1
			num=$(grep -c "^twsnoop: cannot write the output: " "$err")
			[ "$num" = 1 ] || echo "$num lines about it. ")"
	done
	run "$tool" drop 65534 none "$twsnoop" list
	judge "list without privilege" "$(status_is 0; stderr_says "missing CAP_SYS_ADMIN"
		"$tool" plain "$err"
		[ "$(grep -c "^time_wait " "$out")" -ge 9 ] || echo "too few. ")"
	run "$tool" drop 65534 none "$twsnoop" list --states
	judge "list --states without privilege" "$(status_is 0)"
}

# What list shows in two namespaces, without what moves: of this one and of process $pid's.
list_two()
{
	run "$twsnoop" list --netns /proc/self/ns/net --netns "/proc/$pid/ns/net" "$@"
	sed 's/"timestamp":"[^"]*",//; s/"\(expires\|age\)_ns":[0-9]*,*//g; s/,}/}/g' "$out" | sort
}

# The ends of the TIME_WAIT sockets, as ss has them, of both.
ss_two()
{
	{ ss -Htan state time-wait; nsenter --net="/proc/$pid/ns/net" ss -Htan state time-wait; } |
		awk '{ print $(NF - 1), $NF }' | sort
}

list_ends()
{
	run "$twsnoop" list --netns /proc/self/ns/net --netns "/proc/$pid/ns/net" --sort left
	awk '$1 == "time_wait" { print $3, $4 }' "$out" | sort
}

# The other way to read sockets, for kernels without sock_diag, beside that and ss.
test_list_iterator()
{
	mkfifo "$dir/hold"
	"$tool" netns sh -c "'$tool' close 4 && '$tool' close6 4 && echo here
		read -r _ <'$dir/hold'" >"$dir/other" 2>&1 &
	pid=$!
	"$tool" close 3
	"$tool" close6 3
	"$tool" wait-line "$dir/other" here
	for form in --json "--ports --json" "--states --json" "--by remote,netns --json"; do
		# shellcheck disable=SC2086 # words
		list_two $form >"$dir/netlink"
		# shellcheck disable=SC2086
		TWSNOOP_NO_SOCK_DIAG=1 list_two $form >"$dir/iterator"
		# shellcheck disable=SC2086
		list_two $form >"$dir/later"
		# A minute may have been over for some from an earlier test.
		judge "list $form by the iterator" "$(status_is 0
			[ -s "$dir/iterator" ] || echo "nothing is there. "
			cmp -s "$dir/netlink" "$dir/iterator" ||
				cmp -s "$dir/iterator" "$dir/later" || echo "it differs. ")"
	done
	TWSNOOP_NO_SOCK_DIAG=1 list_two --json >"$dir/iterator"
	judge "list says that it uses the iterator" "$(status_is 0
		num=$(grep -c "^twsnoop: sockets are read by a BPF iterator, because " "$err")
		[ "$num" = 1 ] || echo "$num lines about it. "
		for end in '"address":"127.0.0.1"' '"address":"::1"'; do
			[ "$(grep -c "\"local\":{$end" "$dir/iterator")" -ge 7 ] ||
				echo "too few of $end. "
		done)"
	if command -v ss >/dev/null && command -v nsenter >/dev/null; then
		ss_two >"$dir/before"
		TWSNOOP_NO_SOCK_DIAG=1 list_ends >"$dir/ours"
		ss_two >"$dir/after"
		judge "list by the iterator is what ss shows" "$(status_is 0
			[ "$(lines "$dir/ours")" -ge 14 ] || echo "too few. "
			! comm -23 "$dir/after" "$dir/ours" | grep . || echo "are missing. "
			! comm -13 "$dir/before" "$dir/ours" | grep . || echo "are not there. ")"
	else
		skip "list by the iterator is what ss shows" "no ss or nsenter"
	fi
	run env TWSNOOP_NO_SOCK_DIAG=1 "$tool" drop 65534 none "$twsnoop" list
	judge "list by the iterator without privilege" "$(status_is 1; stdout_is_empty
		one_line_on_stderr; stderr_says "CAP_BPF")"
	run env TWSNOOP_NO_SOCK_DIAG=1 "$tool" drop 65534 bpf,perfmon "$twsnoop" list --json
	judge "list by the iterator with least privilege" "$(status_is 0
		[ "$(lines "$out")" -ge 6 ] || echo "too few. ")"
	echo >"$dir/hold"
	wait "$pid"
	pid=
	rm "$dir/hold"
}

# A trace that runs is a ledger, too.
test_list_beside_trace()
{
	start "list beside a trace" --json || return
	"$tool" hostile
	"$tool" wait-line "$out" '{' 20
	cp "$err" "$dir/trace-err"
	mv "$out" "$dir/trace-out"
	list --json
	judge "list --json beside a trace" "$(status_is 0
		why=$("$tool" json "$out" hostile) || echo "$why"
		[ "$(grep -c '"evidence":"seen"' "$out")" -ge 20 ] || echo "owners are not known. ")"
	list
	judge "list beside a trace" "$(status_is 0; "$tool" plain "$out"; "$tool" plain "$err")"
	list --by process
	judge "list --by process beside a trace" "$(status_is 0; "$tool" plain "$out")"
	list -o csv
	judge "list -o csv beside a trace" "$(status_is 0; why=$("$tool" csv "$out") || echo "$why")"
	list --json --by process,pid
	judge "list --by process --json beside a trace" "$(status_is 0
		json_lines "$(lines "$out")")"
	stop
}

# ---- attach, detach ----

stdout_is_one_line()
{
	[ "$(lines "$out")" = 1 ] || echo "$(lines "$out") lines on stdout, not 1. "
	grep -q -e "$1" "$out" || echo "stdout does not say '$1'. "
	[ ! -s "$err" ] || echo "something on stderr. "
}

# The state of the ledger below $bpffs, as check tells it.
ledger_is()
{
	"$tool" limit "$twsnoop" check --json --bpffs "$bpffs" >"$dir/check" 2>/dev/null
	grep -q "\"ledger\":{\"state\":\"$1\"" "$dir/check" || echo "check does not say $1. "
}

folders_are()
{
	names=$(cd "$bpffs" && echo twsnoop*)
	[ "$names" = "$1" ] || echo "$names is in bpffs, not $1. "
}

# attaches NAME ARGUMENT...: to $bpffs; its objects are listed in $dir/pinned
attaches()
{
	name=$1
	shift
	run "$twsnoop" attach --bpffs "$bpffs" --size 16384 "$@"
	judge "$name" "$(status_is 0; folders_are twsnoop
		stdout_is_one_line "^twsnoop: attached at 20.*last 16384 closes.* MiB"
		mode=$(stat -c %a "$bpffs/twsnoop")
		[ "$mode" = 700 ] || echo "others may look. ")"
	"$tool" bpf-pinned "$bpffs/twsnoop" >"$dir/pinned"
}

# detaches NAME WORDS: and nothing is left
detaches()
{
	run "$twsnoop" detach --bpffs "$bpffs"
	num=$("$tool" bpf-gone "$dir/pinned")
	judge "$1" "$(status_is 0; stdout_is_one_line "^twsnoop: $2"
		folders_are "twsnoop*"
		[ "$num" -ge 6 ] 2>/dev/null || echo "of its objects: $num. ")"
}

# not_attached NAME WORDS: nor detached, by the last run
not_attached()
{
	judge "$1" "$(status_is 1; one_line_on_stderr; stdout_is_empty; stderr_says "$2")"
}

test_attach()
{
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach without a bpffs" "mount -t bpf bpf $bpffs"
	run "$twsnoop" detach --bpffs "$bpffs"
	not_attached "detach without a bpffs" "no bpffs is mounted"
	judge "check without a bpffs" "$(ledger_is no_bpffs)"
	"$tool" mount-bpffs "$bpffs" || return 1
	run "$twsnoop" detach --bpffs "$bpffs"
	judge "detach of nothing" "$(status_is 0; stdout_is_one_line "^twsnoop: nothing is attached$")"
	judge "check of nothing" "$(ledger_is none)"
	attaches "attach"
	"$tool" close 7
	run "$twsnoop" list --json --netns /proc/self/ns/net
	num=$(grep -c '"evidence":"seen"' "$out")
	judge "list knows who closed, without a running process" "$(status_is 0
		[ "$num" -ge 7 ] || echo "of $num sockets. ")"
	run "$twsnoop" check --bpffs "$bpffs"
	judge "check of a ledger" "$(status_is 0
		"$tool" plain "$out"
		grep -q "^  attached  *yes  *since 20.*, by twsnoop [0-9]" "$out" ||
			echo "not attached. "
		ledger_is attached
		num=$(sed -n 's/.*"ledger":.*"written":\([0-9]*\).*/\1/p' "$dir/check")
		[ "${num:-7}" -ge 7 ] || echo "$num closes. ")"
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach twice" "already attached since 20"
	judge "attach twice leaves the first" "$(folders_are twsnoop)"
	detaches "detach" "detached what was attached since 20"
	run "$twsnoop" detach --bpffs "$bpffs"
	judge "detach twice" "$(status_is 0; stdout_is_one_line "^twsnoop: nothing is attached$")"
}

# As if attach had been killed before its last step, or detach after its first.
test_interrupted()
{
	attaches "attach, to be interrupted"
	mv "$bpffs/twsnoop" "$bpffs/twsnoop-new"
	judge "check of an interrupted attach" "$(ledger_is interrupted)"
	detaches "detach of an interrupted attach" "removed what an interrupted attach"
	attaches "attach again, to be interrupted"
	mv "$bpffs/twsnoop" "$bpffs/twsnoop-new"
	mv "$dir/pinned" "$dir/first"
	attaches "attach after an interrupted attach"
	num=$("$tool" bpf-gone "$dir/first")
	judge "nothing is left of the first" "$([ "$num" -ge 6 ] 2>/dev/null || echo "$num")"
	mv "$bpffs/twsnoop" "$bpffs/twsnoop-old"
	judge "check of an interrupted detach" "$(ledger_is interrupted)"
	detaches "detach of an interrupted detach" "removed what an interrupted attach"
	for _ in 1 2 3; do
		"$twsnoop" attach --bpffs "$bpffs" >"$out" 2>"$err" </dev/null &
		pid=$!
		while [ ! -d "$bpffs/twsnoop-new" ] && [ ! -d "$bpffs/twsnoop" ] &&
			kill -0 "$pid" 2>/dev/null; do :; done
		stop KILL 2>/dev/null
		run "$twsnoop" detach --bpffs "$bpffs"
		judge "detach after a killed attach" "$(status_is 0; folders_are "twsnoop*")"
	done
}

test_other_ledgers()
{
	attaches "attach, to be of another layout"
	"$tool" bpf-layout "$bpffs/twsnoop/tws_meta" 99
	judge "check of another layout" "$(ledger_is other_layout)"
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach beside another layout" "another layout: 'twsnoop detach'"
	detaches "detach of another layout" "detached what was attached since 20"
	for name in twsnoop twsnoop-new twsnoop-old; do
		mkdir "$bpffs/$name"
		chmod 777 "$bpffs/$name"
		[ $name = twsnoop-old ] || judge "check of everyone's $name" "$(ledger_is untrusted)"
		run "$twsnoop" attach --bpffs "$bpffs"
		not_attached "attach beside everyone's $name" "not root's alone"
		run "$twsnoop" detach --bpffs "$bpffs"
		not_attached "detach of everyone's $name" "not root's alone"
		chmod 700 "$bpffs/$name"
		chown 65534 "$bpffs/$name"
		run "$twsnoop" detach --bpffs "$bpffs"
		not_attached "detach of another user's $name" "not root's alone"
		rmdir "$bpffs/$name"
		ln -s /etc "$bpffs/$name"
		run "$twsnoop" detach --bpffs "$bpffs"
		not_attached "detach of a link $name" "not root's alone"
		rm "$bpffs/$name"
	done
}

test_attach_refused()
{
	run "$tool" drop 65534 none "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach without privilege" "CAP_BPF"
	run "$tool" drop 0 none "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach by root without capabilities" "CAP_BPF"
	enough=bpf,perfmon
	if [ "$memlock" = 1 ]; then
		enough=bpf,perfmon,sys_resource
	fi
	run "$tool" drop 65534 $enough "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach by another user" "run as root"
	run "$tool" hide-btf missing "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach without BTF" "/sys/kernel/btf/vmlinux"
	attaches "attach, for others"
	run "$tool" drop 65534 none "$twsnoop" detach --bpffs "$bpffs"
	not_attached "detach by another user" "run as root"
	run "$tool" drop 65534 bpf,perfmon "$twsnoop" check --json --bpffs "$bpffs"
	judge "check by another user" "$(
		grep -q '"ledger":{"state":"unknown"' "$out" || echo "not unknown. ")"
	judge "it is still there" "$(folders_are twsnoop)"
	detaches "detach again" "detached"
	"$tool" limit "$twsnoop" attach --bpffs "$bpffs" >/dev/full 2>"$err"
	rc=$?
	judge "attach to a full disk" "$(status_is 1; one_line_on_stderr; folders_are twsnoop)"
	"$tool" limit "$twsnoop" detach --bpffs "$bpffs" >/dev/full 2>"$err"
	rc=$?
	judge "detach to a full disk" "$(status_is 1; one_line_on_stderr; folders_are "twsnoop*")"
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
	test_list
	test_list_iterator
	test_list_beside_trace
	test_limits
	test_signals
	test_full_disk
	test_closed_pipe
	test_hostile_names
	test_left_behind
	bpffs=$dir/bpffs
	mkdir "$bpffs"
	if test_attach; then
		test_interrupted
		test_other_ledgers
		test_attach_refused
		umount "$bpffs"
	else
		fail "attach" "no bpffs can be mounted"
	fi
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
