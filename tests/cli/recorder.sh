# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop trace that reads what is attached, in a bpffs of their own: $bpffs.

reads_back="^twsnoop: the attached recorder reaches back to 20.* and has everything since then"

# reader ARGUMENT...: a trace of this namespace, to its end
reader()
{
	run "$twsnoop" trace --bpffs "$bpffs" --netns /proc/self/ns/net --json "$@"
}

# begin_reader FILE ARGUMENT...: the same in the background, once it traces; its pid is in $pid
begin_reader()
{
	file=$1
	shift
	: >"$file.err"
	"$tool" limit "$twsnoop" trace --bpffs "$bpffs" --netns /proc/self/ns/net --json "$@" \
		>"$file" 2>"$file.err" </dev/null &
	pid=$!
	"$tool" wait-line "$file.err" "twsnoop: tracing"
}

# gave FILE N: that many events, each once
gave()
{
	num=$(grep -c '"action":"time_wait"' "$1")
	[ "$num" = "$2" ] || echo "$num events, not $2. "
	num=$(sed -n 's/.*"cookie":\([0-9]*\).*/\1/p' "$1" | sort | uniq -d | wc -l)
	[ "$num" = 0 ] || echo "$num of them twice. "
}

test_looks_back()
{
	reader --since 1m -d 0
	judge "no recorder, no look back" "$(status_is 1; one_line_on_stderr; stdout_is_empty
		stderr_says "'twsnoop attach'")"
	reader -d 100ms
	judge "no recorder where one was named" "$(status_is 0
		stderr_says "^twsnoop: loading programs of its own: no recorder is attached at ")"
	run "$tool" drop 65534 none "$twsnoop" trace --bpffs "$bpffs"
	judge "neither a recorder nor programs" "$(status_is 1; one_line_on_stderr
		stderr_says "CAP_BPF")"
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	"$tool" close 7
	reader --since 1m -d 0
	judge "trace looks back" "$(status_is 0; gave "$out" 7; stderr_says "$reads_back"
		head -n 1 "$err" | grep -q "$reads_back; it was not attached before$" ||
			echo "the first line does not say how far. ")"
	num=$(grep -c '"command_line":"[^"]*clitool close 7"' "$out")
	judge "the dead have their command lines" "$([ "$num" = 7 ] || echo "$num of 7. ")"
	reader --since 1m --until @1 -d 0
	judge "until before since" "$(status_is 2; one_line_on_stderr)"
	since=@$(date +%s.%N)
	"$tool" close 2
	reader --since "$since" -d 0
	judge "trace looks back to a moment" "$(status_is 0; gave "$out" 2)"
	reader --since 1m --until "$since" -d 0
	judge "and until one" "$(status_is 0; gave "$out" 7)"
	reader --since 1m -n 3
	judge "and so many" "$(status_is 0; gave "$out" 3)"
	reader --since 1m -d 0 -c clitool -r '!127.0.0.0/8'
	judge "with a filter" "$(status_is 0; gave "$out" 0)"
	reader --utc --since 1m -d 0
	judge "in UTC" "$(status_is 0; stderr_says "reaches back to 20.* UTC (")"
	TZ=XYZ-3 reader --since 1m -d 0
	judge "in a zone" "$(status_is 0; stderr_says "reaches back to 20.* XYZ (")"
	"$tool" bpf-held $$ >"$dir/held" 2>/dev/null
	begin_reader "$dir/reader" || return 1
	"$tool" bpf-held "$pid" >"$dir/held"
	judge "a reader loads nothing" "$(grep -q link "$dir/held" && echo "it has links. ")"
	"$tool" close 4
	begin_reader "$dir/second" --since 1m || return 1
	second=$pid
	"$tool" wait-line "$dir/second" '{"timestamp"' 13
	"$tool" wait-line "$dir/reader" '{"timestamp"' 4
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
	"$tool" wait-line "$dir/reader.err" "twsnoop: delivered="
	"$tool" wait-line "$dir/second.err" "twsnoop: delivered="
	wait "$second"
	rc=$?
	judge "one whose recorder is detached ends well" "$(status_is 0; gave "$dir/second" 13
		grep -q "^twsnoop: the recorder was detached$" "$dir/second.err" || echo "silent. "
		grep -q "^twsnoop: delivered=13 lost=0 " "$dir/second.err" || echo "its account. ")"
	judge "and so does the other" "$(gave "$dir/reader" 4)"
	wait
	pid=
}

# knows_each FILE N: the command lines of N processes, each its own
knows_each()
{
	gave "$1" "$2"
	num=$(sed -n 's/.*"command_line":"\(clitool close 1 clitool [0-9]*\)".*/\1/p' "$1" | sort -u | wc -l)
	[ "$num" = "$2" ] || echo "$num command lines of $2. "
}

# Of processes that are gone long before anybody could look at them, but in the kernel.
test_brief()
{
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	begin_reader "$dir/reader" || return 1
	"$tool" brief 1000
	"$tool" wait-line "$dir/reader" '{"timestamp"' 1000
	stop
	judge "the command lines of brief processes" "$(status_is 0; knows_each "$dir/reader" 1000)"
	reader --since 10m -d 0
	judge "and looking back" "$(status_is 0; knows_each "$out" 1000)"
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
}

test_waits()
{
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	begin_reader "$dir/reader" --wait || return 1
	"$tool" close 2
	"$tool" wait-line "$dir/reader" '{"timestamp"' 2
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
	"$tool" wait-line "$dir/reader.err" "twsnoop: the recorder was detached: waiting"
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached"
	"$tool" close 3
	"$tool" wait-line "$dir/reader" '{"timestamp"' 5
	stop
	judge "a reader that waits goes over to the next" "$(status_is 0; gave "$dir/reader" 5
		num=$(grep -c "^twsnoop: delivered=" "$dir/reader.err")
		[ "$num" = 2 ] || echo "$num accounts. ")"
	begin_reader "$dir/reader" --wait || return 1
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
	"$tool" wait-line "$dir/reader.err" "twsnoop: the recorder was detached: waiting"
	stop
	judge "one that waits in vain can be ended" "$(status_is 0)"
}

# One that did not run when its recorder was detached, and a next one attached: what closed in
# between is nobody's, and what closed since is the next one's alone.
test_stopped_meanwhile()
{
	"$twsnoop" attach --bpffs "$bpffs" --size 131072 >"$dir/attached" || return 1
	begin_reader "$dir/reader" --wait || return 1
	"$tool" close 2
	"$tool" wait-line "$dir/reader" '{"timestamp"' 2
	kill -STOP "$pid"
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
	sleep 0.3 # a snapshot tells times to a tenth of a second
	"$tool" close 3
	"$twsnoop" attach --bpffs "$bpffs" --size 131072 >"$dir/attached"
	"$tool" close 4
	kill -CONT "$pid"
	"$tool" wait-line "$dir/reader" '{"timestamp"' 6
	stop
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
	judge "a reader that was stopped meanwhile tells each recorder's" "$(status_is 0
		gave "$dir/reader" 6
		num=$(grep -c "^twsnoop: delivered=[24] .* snapshot=0 unattributed=0" \
			"$dir/reader.err")
		[ "$num" = 2 ] || grep "^twsnoop: delivered=" "$dir/reader.err")"
}

# ended_after FILE N WHY: the reader whose status is in $rc has told N events, and that WHY
ended_after()
{
	status_is 0
	gave "$1" "$2"
	grep -q "^twsnoop: the recorder was detached$3" "$1.err" || echo "silent. "
	grep -q "^twsnoop: delivered=$2 lost=0 .* snapshot=0 unattributed=0" "$1.err" ||
		grep "^twsnoop: delivered=" "$1.err" || echo "no account. "
}

# A new version of another layout, whose records are others, comes, and goes again, under the old
# one's readers: what it records is not for them. One of them does not run meanwhile.
test_upgrade()
{
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	begin_reader "$dir/waiting" --wait || return 1
	waiting=$pid
	begin_reader "$dir/stopped" || return 1
	stopped=$pid
	begin_reader "$dir/reader" || return 1
	"$tool" close 2
	"$tool" wait-line "$dir/stopped" '{"timestamp"' 2
	kill -STOP "$stopped"
	run "$next" attach --bpffs "$bpffs"
	judge "a new version does not attach over the old" "$(status_is 1; one_line_on_stderr
		stderr_says "another layout: 'twsnoop detach'")"
	"$tool" close 1
	run "$next" detach --bpffs "$bpffs"
	judge "it detaches what the old has attached" "$(status_is 0)"
	sleep 0.3 # a snapshot tells times to a tenth of a second
	"$next" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	"$tool" close 4
	stop none
	judge "an upgrade under a reader" "$(ended_after "$dir/reader" 3 '$')"
	kill -CONT "$stopped"
	pid=$stopped
	stop none
	judge "under one that did not run meanwhile" "$(ended_after "$dir/stopped" 3 '$')"
	list --json
	judge "list says whose owners it cannot read" "$(status_is 0; stderr_says "a ledger of another version was left out")"
	run "$next" trace --bpffs "$bpffs" --netns /proc/self/ns/net --json --since 1m -d 0
	judge "the new version's reader has the rest" "$(status_is 0; gave "$out" 4)"
	reader --since 1m -d 0
	judge "the old one's has nothing of it" "$(status_is 1; one_line_on_stderr
		stderr_says "is not used: .*another form")"
	"$next" trace --bpffs "$bpffs" --netns /proc/self/ns/net --json \
		>"$dir/newer" 2>"$dir/newer.err" </dev/null &
	pid=$!
	"$tool" wait-line "$dir/newer.err" "twsnoop: tracing"
	"$tool" close 1
	"$twsnoop" detach --bpffs "$bpffs" >"$dir/attached"
	stop none
	judge "the old version goes in under the new one's" "$(ended_after "$dir/newer" 1 '$')"
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	"$tool" close 2
	"$tool" wait-line "$dir/waiting" '{"timestamp"' 5
	pid=$waiting
	stop
	judge "one that waits goes over to the next of its own" "$(status_is 0; gave "$dir/waiting" 5
		num=$(grep -c "^twsnoop: delivered=" "$dir/waiting.err")
		[ "$num" = 2 ] || echo "$num accounts. ")"
	run "$twsnoop" detach --bpffs "$bpffs"
}

# What the recorder leaves out is said in a line, and how to have it.
test_without_syscalls()
{
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 --all >"$dir/attached" || return 1
	reader --all -d 100ms
	judge "trace --all of a recorder without system calls" "$(status_is 0
		grep -q "^twsnoop: bind() that fails.*without --syscalls.*--own" "$err" ||
			echo "no line says what is left out. "
		grep -q "loading programs" "$err" && echo "it does not read the recorder. ")"
	run "$twsnoop" detach --bpffs "$bpffs"
}

# falls_back NAME WORDS ARGUMENT...: to programs of its own, in one line
falls_back()
{
	name=$1 words=$2
	shift 2
	reader -d 100ms "$@"
	judge "own programs: $name" "$(status_is 0
		num=$(grep -c "^twsnoop: loading programs of its own: .*$words" "$err")
		[ "$num" = 1 ] || echo "$num lines say why. ")"
	reader -d 0 --since 1m "$@"
	judge "no look back: $name" "$(status_is 1; one_line_on_stderr; stdout_is_empty
		stderr_says "^twsnoop: cannot look back: the recorder at .* is not used: .*$words")"
}

# A pin that is not what twsnoop makes, by root's mistake or another's intent.
test_hostile_pins()
{
	"$twsnoop" attach --bpffs "$bpffs" --size 16384 >"$dir/attached" || return 1
	pins=$bpffs/twsnoop
	falls_back "all" "attached without --all" --all
	falls_back "a larger ring" "smaller than --ring-size" --ring-size 64M
	falls_back "more connections" "fewer connections" --max-connections 4194304
	mount -o remount,ro "$bpffs"
	falls_back "a bpffs that is read-only" "Read-only file system"
	mount -o remount,rw "$bpffs"
	for form in "hash 192 16384" "array 184 16384" "array 192 8192"; do
		rm "$pins/tws_events"
		# shellcheck disable=SC2086 # three words
		"$tool" bpf-map "$pins/tws_events" $form
		falls_back "events as $form" "not the form .*tws_events"
	done
	rm "$pins/tws_events"
	falls_back "no events" "lacks tws_events"
	mkdir "$pins/tws_events"
	falls_back "a folder for a map" "Permission denied"
	rmdir "$pins/tws_events"
	"$tool" bpf-layout "$pins/tws_meta" 99
	falls_back "another layout" "another form"
	rm "$pins/tws_meta"
	"$tool" bpf-map "$pins/tws_meta" array 96 1
	falls_back "meta data of nobody" "not made by twsnoop"
	rm "$pins/tws_meta"
	# More bytes than its own form says would be copied.
	"$tool" bpf-map "$pins/tws_meta" percpu 1024 1
	falls_back "meta data of each CPU" "not made by twsnoop"
	run "$twsnoop" check --bpffs "$bpffs"
	judge "check, with meta data of each CPU" "$(status_is 0)"
	run "$twsnoop" attach --bpffs "$bpffs"
	judge "attach does not take it for what a detach has left" "$(status_is 1
		one_line_on_stderr; stderr_says "is no whole recorder")"
	rm "$pins/tws_meta"
	falls_back "no meta data" "lacks tws_meta"
	chmod 777 "$pins"
	falls_back "everyone's" "not root's alone"
	chmod 700 "$pins"
	reader --own -d 100ms
	judge "--own asks no recorder" "$(status_is 0
		grep -q "recorder" "$err" && echo "it speaks of one. ")"
	run "$twsnoop" detach --bpffs "$bpffs"
	judge "detach of what was damaged" "$(status_is 0)"
}

test_recorder()
{
	case $(uname -r) in
	[1-4].* | 5.[0-9].* | 5.1[01].*)
		skip "readers of a recorder" "before Linux 5.12 there are none"
		return
		;;
	esac
	bpffs=$dir/recorder
	mkdir "$bpffs"
	if ! "$tool" mount-bpffs "$bpffs"; then
		fail "readers of a recorder" "no bpffs can be mounted"
		return
	fi
	test_looks_back
	test_brief
	test_waits
	test_stopped_meanwhile
	test_upgrade
	test_without_syscalls
	test_hostile_pins
	umount "$bpffs"
}
