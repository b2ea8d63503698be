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
