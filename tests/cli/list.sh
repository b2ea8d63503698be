# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop list.

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
	# What it takes, it says in --help too.
	list --by nonsense
	words=$(sed -n "s/ (try .*//; s/.*is none of //p" "$err" | tr -d ,)
	list --help
	judge "--by in --help" "$(for word in $words; do
			grep -q "[ ,]$word\([, ]\|$\)" "$out" || echo "no $word. "
		done
		[ "$(echo "$words" | wc -w)" -ge 12 ] || echo "only $words. ")"
	list --by process,side
	judge "list --by as text" "$(status_is 0; "$tool" plain "$out"
		tail -n 1 "$out" | grep -q "^ *[0-9].*total$" || echo "no sum. ")"
	list --states --json
	judge "list --states" "$(status_is 0; json_lines 2
		num=$(kernel_ports | grep -c .)
		ours=$(sed -n 's/.*"scope":"netns".*"time_wait":\([0-9]*\).*/\1/p' "$out")
		[ "$ours" -ge "$num" ] || echo "$ours in TIME_WAIT, not $num. "
		grep -q '"limits":{"tcp_max_tw_buckets":[1-9]' "$out" || echo "no limit. ")"
	"$tool" close 9 # on a slow machine the minute of the first may be over
	list --all --json
	num=$(lines "$out")
	judge "list --all" "$(status_is 0; json_lines "$num"
		[ "$(grep -c '"state":"time_wait"' "$out")" -ge 9 ] || echo "too few. "
		grep '"evidence":"holds"' "$out" | grep -vq '"process":{"pid":' && echo "by nobody. ")"
	list --states --by process,netns --json
	judge "list --states --by" "$(status_is 0; json_lines "$(lines "$out")"
		sed 's/.*"total":\([0-9]*\),.*/\1/' "$out" | awk '{ n += $1 } END { print n }' >"$dir/sum"
		[ "$(cat "$dir/sum")" -ge 9 ] || echo "only $(cat "$dir/sum"). ")"
	"$tool" close 9
	list --ports --json
	judge "list --ports" "$(status_is 0; json_lines "$(lines "$out")"
		grep -q '"ports":{[^}]*"usable":[1-9][0-9]*,"time_wait":[1-9]' "$out" || echo "none. ")"
	for form in "" --json "-o csv" --states --ports "--by state" --all "--states --by pid"; do
		: >"$out"
		# shellcheck disable=SC2086 # words
		"$tool" limit "$twsnoop" list $form >/dev/full 2>"$err"
		rc=$?
		judge "list $form to a full disk" "$(status_is 1; says_once "No space left on device")"
		# shellcheck disable=SC2086
		"$tool" limit "$twsnoop" list $form >&- 2>"$err"
		rc=$?
		judge "list $form without stdout" "$(status_is 1; says_once "Bad file descriptor")"
	done
	"$tool" close 9
	run "$tool" drop 65534 none "$twsnoop" list
	judge "list without privilege" "$(status_is 0; stderr_says "missing CAP_SYS_ADMIN"
		"$tool" plain "$err"
		[ "$(grep -c "^time_wait " "$out")" -ge 9 ] || echo "too few. ")"
	run "$tool" drop 65534 none "$twsnoop" list --states
	judge "list --states without privilege" "$(status_is 0)"
}

# What list shows in two namespaces, without what moves: of this one and of process $pid's.
# "pid:N" is the lowest process of one: a helper of this moment, after PIDs have wrapped.
list_two()
{
	run "$twsnoop" list --netns /proc/self/ns/net --netns "/proc/$pid/ns/net" "$@"
	sed 's/"timestamp":"[^"]*",//; s/"\(expires\|age\)_ns":[0-9]*,*//g; s/,}/}/g
		s/"pid:[0-9]*"/"pid:N"/' "$out" | sort
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

# Both ways, one after the other, until they show the same: other tests come and go meanwhile, and a minute
# is over now and then for what they left.
list_by_both()
{
	tries=0
	while [ "$tries" -lt 4 ]; do
		list_two "$@" >"$dir/netlink"
		TWSNOOP_NO_SOCK_DIAG=1 list_two "$@" >"$dir/iterator"
		if cmp -s "$dir/netlink" "$dir/iterator"; then return; fi
		tries=$((tries + 1))
	done
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
	for form in --json "--ports --json" "--states --json" "--by remote,netns --json" \
		"--all --json"; do
		# shellcheck disable=SC2086 # words
		list_by_both $form
		judge "list $form by the iterator" "$(status_is 0
			[ -s "$dir/iterator" ] || echo "nothing is there. "
			cmp -s "$dir/netlink" "$dir/iterator" ||
				{ echo "it differs: "; diff "$dir/netlink" "$dir/iterator" | head -n 4; })"
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

# Beside a second trace that sees no v1 hierarchy, as in a container, and so goes by v2's cgroups:
# what it records of one says nothing here.
test_list_cgroups()
{
	name="list beside a trace that goes by other cgroups"
	run "$twsnoop" check --json
	v1=$(sed -n 's/.*"v1_path":"\([^"]*\)".*/\1/p' "$out")
	group=$v1/twsnoop-test-$$
	if [ -z "$v1" ] || ! mkdir "$group" 2>/dev/null; then
		skip "$name" "containers are told apart by cgroup v2 alone here"
		return
	fi
	: >"$dir/other-err"
	if start "$name" --own; then
		# shellcheck disable=SC2016 # of the inner shell
		"$tool" netns sh -c 'for at in $(awk '\''$3 == "cgroup" { print $2 }'\'' /proc/mounts); do
				umount -l "$at"
			done
			exec "$0" trace --own' "$twsnoop" >/dev/null 2>"$dir/other-err" </dev/null &
		other=$!
		"$tool" wait-line "$dir/other-err" "twsnoop: tracing"
		# shellcheck disable=SC2016
		sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" close 3 in-group' - "$group" "$tool"
		list --json
		judge "$name" "$(status_is 0
			num=$(grep -c '"name":"in-group"' "$out")
			[ "$num" = 3 ] || echo "$num sockets, not 3. "
			num=$(grep '"name":"in-group"' "$out" | grep -c "\"path\":\"[^\"]*/twsnoop-test-$$\"")
			[ "$num" = 3 ] || echo "$num in their cgroup, not 3. ")"
		kill "$other"
		wait "$other"
		stop
	fi
	rmdir "$group"
}

# What the last run of list said of those who record owners.
said_of_recorders()
{
	sed -n 's/, sockets that were closed before: .*//
		/^twsnoop: \(owners are known\|nothing has recorded\|only a trace\)/p' "$err"
}

# Of another twsnoop on the host it may say something, and that may come and go meanwhile.
test_list_beside_check()
{
	"$tool" close 1
	list --json
	said_of_recorders >"$dir/before"
	: >"$dir/held"
	"$tool" limit "$tool" hold "$dir/held" "$twsnoop" check >/dev/null 2>&1 &
	pid=$!
	if ! "$tool" wait-line "$dir/held" held; then
		stop KILL 2>/dev/null
		fail "list beside a check" "it cannot be held"
		return
	fi
	list --json
	said_of_recorders >"$dir/beside"
	judge "list does not take a check for a recorder" "$(status_is 0
		"$tool" bpf-held "$(sed 's/held //' "$dir/held")" | grep -q ^map ||
			echo "its maps are not there. ")"
	stop KILL 2>/dev/null
	list --json
	said_of_recorders >"$dir/after"
	judge "list beside a check says what it says without" "$(
		cmp -s "$dir/before" "$dir/beside" || cmp -s "$dir/beside" "$dir/after" ||
		cat "$dir/beside")"
}

# What list holds while it prints, when it looks at nothing any more.
test_list_privileges()
{
	"$tool" close 3
	look=$((0x200000 | 0x80000 | 0x4))
	for form in "" --json --states --ports "--by state"; do
		: >"$dir/pid"
		# shellcheck disable=SC2086 # words
		"$tool" limit "$tool" stuck pipe "$dir/pid" "$twsnoop" list $form \
			>/dev/null 2>"$err" </dev/null &
		pid=$!
		stuck=$(stuck_pid)
		if ! "$tool" wait-blocked "$stuck"; then
			stop KILL 2>/dev/null
			fail "list $form keeps no more than it needs" "it does not write"
			continue
		fi
		permitted=$(sed -n "s/^CapPrm:[[:space:]]*//p" "/proc/$stuck/status")
		no_new=$(sed -n "s/^NoNewPrivs:[[:space:]]*//p" "/proc/$stuck/status")
		judge "list $form keeps no more than it needs" "$(
			[ "$((0x${permitted:-1} & ~look))" = 0 ] || echo "permitted $permitted. "
			[ "$no_new" = 1 ] || echo "NoNewPrivs $no_new. ")"
		ends "SIGTERM ends list $form into a full pipe" 143 "$stuck" TERM
	done
}
