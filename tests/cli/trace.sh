# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop trace: its output, its signals and its end.

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

# cannot_write NAME WHY: the trace that runs
cannot_write()
{
	pid=$!
	# Text and CSV begin with a heading, and so fail at once.
	"$tool" wait-line "$err" "twsnoop: "
	"$tool" close 3
	stop none
	: >"$out"
	judge "$1" "$(status_is 1; accounts 1; says_once "$2")"
}

test_full_disk()
{
	for format in text json csv; do
		: >"$err"
		"$tool" limit "$twsnoop" trace --netns /proc/self/ns/net -o $format >/dev/full \
			2>"$err" </dev/null &
		cannot_write "full disk, $format" "No space left on device"
		: >"$err"
		"$tool" limit "$twsnoop" trace --netns /proc/self/ns/net -o $format >&- \
			2>"$err" </dev/null &
		cannot_write "no stdout, $format" "Bad file descriptor"
	done
}

# What is closed is not what the next file becomes that is opened.
test_closed_descriptors()
{
	: >"$dir/pid"
	"$tool" limit "$tool" closed "$dir/pid" "$twsnoop" trace --netns /proc/self/ns/net --json &
	pid=$!
	stuck=$(stuck_pid)
	# Until it has attached its programs. At first it has no descriptors, and in /proc none either.
	while kill -0 "$stuck" 2>/dev/null &&
		! "$tool" bpf-held "$stuck" | grep -q "^link"; do :; done
	judge "closed descriptors do not become others" "$(
		for fd in 0 1 2; do
			file=$(readlink "/proc/$stuck/fd/$fd")
			[ "$file" = /dev/null ] || echo "$fd is $file. "
		done)"
	# Until it has told one, or could not.
	for _ in $(seq 500); do
		readlink "/proc/$stuck/fd/0" >/dev/null || break
		"$tool" close 1
	done
	ends "a trace without any descriptor ends" 1 "$stuck"
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

# The program that the helper of "stuck" and its like says that it has started.
stuck_pid()
{
	"$tool" wait-line "$dir/pid" "pid " && sed 's/^pid //' "$dir/pid"
}

# ends NAME STATUS PID SIGNAL...: it does by these, and not by SIGKILL
ends()
{
	name=$1
	wanted=$2
	stuck=$3
	shift 3
	for signal in "$@"; do kill -"$signal" "$stuck"; done
	if "$tool" wait-end "$stuck"; then why=; else why="it does not. "; fi
	kill -CONT "$pid" 2>/dev/null
	[ -z "$why" ] || kill -KILL "$stuck"
	stop none 2>/dev/null
	judge "$name" "$why$(status_is "$wanted")"
}

# start_stuck KIND ARGUMENT...: a trace, $stuck, whose stdout is full
start_stuck()
{
	kind=$1
	shift
	: >"$dir/pid"
	: >"$err"
	"$tool" limit "$tool" stuck "$kind" "$dir/pid" "$twsnoop" trace \
		--netns /proc/self/ns/net "$@" >/dev/null 2>"$err" </dev/null &
	pid=$!
	stuck=$(stuck_pid)
}

# Nobody reads, and one signal is enough.
test_stuck()
{
	for kind in pipe nonblocking-pipe stream datagram seqpacket tcp terminal; do
		for signal in TERM INT; do
			start_stuck $kind
			"$tool" wait-line "$err" "twsnoop: tracing"
			ends "SIG$signal ends a trace into a full $kind" 0 "$stuck" $signal
			judge "a trace into a full $kind accounts" "$(accounts 1)"
		done
		start_stuck both-$kind
		ends "SIGTERM ends a trace with all of its output into a full $kind" 0 "$stuck" TERM
	done
}

# What was not written is lost, and said to be; SIGUSR1 loses nothing.
test_stuck_account()
{
	start_stuck pipe --json
	"$tool" wait-line "$err" "twsnoop: tracing"
	"$tool" close 400
	for num in 1 2 3; do
		kill -USR1 "$stuck"
		"$tool" wait-line "$err" "twsnoop: delivered=" $num
	done
	ends "SIGTERM ends a trace that is stuck" 0 "$stuck" TERM
	judge "what nobody read is lost" "$(accounts 4
		tail -n 1 "$err" | grep -q "^twsnoop: delivered=0 lost=400 " || tail -n 1 "$err")"
}

# A server that hangs cannot be killed either once it has the request: here it has not.
test_hung_file()
{
	mkdir -p "$dir/fuse"
	: >"$dir/pid"
	: >"$err"
	"$tool" hung-file "$dir/fuse" "$dir/pid" "$twsnoop" trace --netns /proc/self/ns/net --json \
		>/dev/null 2>"$err" </dev/null &
	pid=$!
	if ! "$tool" wait-line "$err" "twsnoop: tracing"; then
		stop KILL
		if [ "$rc" = 77 ]; then
			skip "a trace into a file that hangs" "no FUSE"
		else
			fail "a trace into a file that hangs" "it does not trace"
		fi
		return
	fi
	stuck=$(stuck_pid)
	kill -STOP "$pid"
	"$tool" close 3
	# Until they are in the write.
	for num in $(seq 100); do
		kill -USR1 "$stuck"
		"$tool" wait-line "$err" "twsnoop: delivered=" "$num" || break
		if tail -n 1 "$err" | grep -q "delivered=0 lost=3 "; then break; fi
	done
	ends "SIGTERM ends a trace into a file that hangs" 0 "$stuck" TERM
	judge "what went into a file that hangs is lost" "$(
		tail -n 1 "$err" | grep -q "delivered=0 lost=3 " || tail -n 1 "$err")"
}

# It ends, quietly: without an event, and so without a write that could tell.
test_reader_gone()
{
	for kind in pipe stream seqpacket terminal; do
		: >"$dir/pid"
		: >"$err"
		"$tool" limit "$tool" reader-gone $kind "$dir/pid" "$twsnoop" trace \
			--netns /proc/self/ns/net 2>"$err" >/dev/null </dev/null &
		pid=$!
		stuck=$(stuck_pid)
		ends "a trace ends with the reader of its $kind" 0 "$stuck"
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
	start "SIGHUP" --json || return
	"$tool" close 2
	stop HUP
	judge "SIGHUP" "$(status_is 0; accounts 1; delivered 2; json_lines 2)"
	start_as "SIGHUP under nohup" "nohup" --json || return
	"$tool" close 2
	kill -HUP "$pid"
	kill -USR1 "$pid"
	"$tool" wait-line "$err" "twsnoop: delivered="
	"$tool" close 2
	stop INT
	judge "SIGHUP under nohup" "$(status_is 0; accounts 2; delivered 4; json_lines 4)"
	start "SIGTERM while stopped" --json || return
	kill -STOP "$pid"
	"$tool" close 2
	kill -TERM "$pid"
	kill -CONT "$pid"
	stop none
	judge "SIGTERM while stopped" "$(status_is 0; accounts 1; delivered 2; json_lines 2)"
}

# A CPU that has nothing to write gives the rest of its chunk of the ring up: nothing is lost by
# that, and others' sockets, which a filter leaves out, are not lost either.
test_nothing_is_lost()
{
	if ! "$tool" on-cpu 1 true; then
		skip "nothing is lost" "one CPU alone"
		return
	fi
	start "nothing is lost" --own --json --ring-size 256K -c ours || return
	"$tool" on-cpu 1 "$tool" close 3 ours
	num=3
	while [ $num -lt 2003 ]; do
		"$tool" on-cpu 0 "$tool" close 200 ours
		num=$((num + 200))
		"$tool" wait-line "$out" '{' $num
	done
	"$tool" close-known 20
	"$tool" on-cpu 0 "$tool" close 1 ours
	"$tool" wait-line "$out" '{' 2004
	stop
	judge "nothing is lost" "$(status_is 0; accounts 1; delivered 2004; json_lines 2004)"
}

# Sockets that a filter leaves out may have a cookie, from whoever asked for one. What they do is
# not written, so that it pushes nothing out of the ring and is not lost.
test_others_are_not_lost()
{
	start "others are not lost" --json --ring-size 256K -r 127.9.9.9 || return
	kill -STOP "$pid"
	"$tool" close-known 3000
	kill -CONT "$pid"
	stop
	judge "others are not lost" "$(status_is 0; accounts 1; delivered 0; json_lines 0)"
}

# A program in a time namespace sees the kernel's clocks shifted.
test_time_namespace()
{
	"$tool" time-shift 1 true
	if [ $? = 77 ]; then
		skip "time namespace" "this kernel has none"
		return
	fi
	# What the reader sees is behind the events' times, or ahead of them.
	for shift in young 8640000; do
		name="time namespace, $shift"
		start_as "$name" "$tool time-shift $shift" --json || continue
		hour=$(date -u +%Y-%m-%dT%H)
		"$tool" close 3
		"$tool" wait-line "$out" '{' 3
		stop
		judge "$name" "$(status_is 0; accounts 1; delivered 3; json_lines 3
			grep -q "snapshot=0 unattributed=0" "$err" || echo "not by events. "
			grep -q "^{\"timestamp\":\"\($hour\|$(date -u +%Y-%m-%dT%H)\)" "$out" ||
				echo "at another time. ")"
	done
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

# fits: what the terminal of "$dir/term" showed, of which there must be enough
fits()
{
	num=$("$tool" fits "$dir/term") || echo "$num. "
	[ "$num" -ge "$1" ] 2>/dev/null || echo "only $num lines. "
}

# No line wraps, at any width, before and after the terminal was resized.
test_terminal()
{
	: >"$err"
	NO_COLOR=1 "$tool" terminal 200,120,80,60,40 "$dir/term" "$twsnoop" trace --all \
		--netns /proc/self/ns/net 2>"$err" </dev/null &
	pid=$!
	if ! "$tool" wait-line "$err" "twsnoop: tracing"; then
		stop KILL
		fail "a narrow terminal" "it does not trace"
		return
	fi
	for heading in "TIME 1" "TIME 2" "____PID 1" "PROCESS 1" "PROCESS 2"; do
		# shellcheck disable=SC2086 # the beginning of a line, and how often
		set -- $heading
		[ "$heading" = "TIME 1" ] || kill -USR2 "$pid"
		"$tool" wait-line "$dir/term" "$(echo "$1" | tr _ ' ')" "$2"
		num=$(lines "$dir/term")
		"$tool" hostile
		"$tool" close6 2
		"$tool" wait-line "$dir/term" "" $((num + 40)) # both ends of more than 20
	done
	stop
	judge "a narrow terminal" "$(status_is 0; fits 200)"
	"$tool" terminal 60 "$dir/term" "$twsnoop" list --netns /proc/self/ns/net 2>"$err" </dev/null
	rc=$?
	grep -v '^----' "$dir/term" | sed 's/.\[[0-9]*m//g' >"$dir/plain"
	judge "list in a narrow terminal" "$(status_is 0
		{ echo "---- 60"; cat "$dir/plain"; } >"$dir/term"; fits 100)"
}

# Inside a PID namespace -p takes its numbers; what is printed are the host's, and another
# process of the namespace is not among it.
test_pid_namespace()
{
	if ! unshare --pid --fork --mount-proc true 2>"$err"; then
		skip "PID namespace" "no unshare(1) that makes one"
		return
	fi
	: >"$err"
	# shellcheck disable=SC2016 # words of the shell inside
	"$tool" limit unshare --pid --fork --mount-proc sh -c '
		( "$2" wait-line "$3" "twsnoop: tracing"; "$2" close 2 ) &
		( "$2" wait-line "$3" "twsnoop: tracing"; exec "$2" close 3 wanted ) &
		echo $! >"$5"
		"$1" trace --json --netns /proc/self/ns/net -n 3 -p $! >"$4" 2>"$3"' \
		sh "$twsnoop" "$tool" "$err" "$out" "$dir/vpid" </dev/null
	rc=$?
	vpid=$(cat "$dir/vpid")
	judge "PID namespace" "$(status_is 0; accounts 1; delivered 3; json_lines 3
		[ "$(grep -c "\"vpid\":$vpid,\"name\":\"wanted\"" "$out")" = 3 ] ||
			echo "not PID $vpid of the namespace. "
		! grep -q "\"pid\":$vpid," "$out" || echo "its number is told as the host's. "
		stderr_says "in a PID namespace: -p takes PIDs of this one")"
	run unshare --pid --fork --mount-proc "$twsnoop" trace -p 4000000
	judge "PID namespace, no such process" "$(status_is 1; one_line_on_stderr
		stderr_says "there is no process 4000000 in this PID namespace")"
}
