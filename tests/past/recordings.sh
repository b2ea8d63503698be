# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # what run.sh and lib.sh set
# Recordings of which it is known what is in them: see makerec.c. They begin at 03:12 UTC.

begin=1795921920 # 2026-11-29 03:12:00 UTC

# made KIND [BEGIN]: its path is in $rec
made()
{
	rec=$dir/$1.db
	rm -f "$rec" "$rec"-*
	"$makerec" "$1" "$rec" "${2:-$begin}" || echo "makerec failed" >&2
}

# past COMMAND ARGUMENT...: on $rec
past()
{
	command=$1
	shift
	run "$twsnoop" "$command" --from "$rec" "$@"
}

account_says()
{
	tail -n 1 "$err" | grep -q -e "$1" || echo "the account does not say '$1'. "
}

# Lines of stdout without the heading.
rows_are()
{
	num=$(grep -vc '^TIME\|^STATE\|^timestamp' "$out")
	[ "$num" = "$1" ] || echo "$num rows, not $1. "
}

stdout_says()
{
	grep -q -e "$1" "$out" || echo "stdout does not say '$1'. "
}

stdout_lacks()
{
	! grep -q -e "$1" "$out" || echo "stdout says '$1'. "
}

test_trace()
{
	made events
	past trace
	judge "all of a recording" "$(status_is 0; rows_are 180
		stderr_says "reaches from 2026-11-29 03:12:00 UTC to 2026-11-29 03:21:57 UTC, and has everything"
		account_says '^twsnoop: delivered=180 lost=0 .* minutes=0 gaps=0$'
		[ "$(lines "$err")" = 2 ] || echo "$(lines "$err") lines on stderr. "
		grep -c '^TIME' "$out" | grep -qx 1 || echo "not one heading. "
		stdout_says '^03:12:00.000     812 checkout  .* web$')"
	past trace --all
	judge "all outcomes of a recording" "$(status_is 0; rows_are 200
		stdout_says ' reset'; account_says ' no_end=0 minutes=0 gaps=0$')"
	past trace -n 7
	judge "a number of records" "$(status_is 0; rows_are 7; account_says 'delivered=7 ')"
	made empty
	past trace
	judge "an empty recording" "$(status_is 0; rows_are 0; account_says 'delivered=0 ')"
}

test_span()
{
	made events
	past trace --all --since 03:14 --until 03:15:30
	judge "a span of a recording" "$(status_is 0; rows_are 30
		stdout_says '^03:14:00.000 '; stdout_says '^03:15:27.000 '
		stderr_says "has everything of what was asked for")"
	past trace --all --at 03:15
	judge "the minute of a moment" "$(status_is 0; rows_are 20
		stdout_says '^03:15:00.000 '; stdout_says '^03:15:57.000 ')"
	past trace --all --at 03:15:03
	judge "the second of a moment" "$(status_is 0; rows_are 1; stdout_says '^03:15:03.000 ')"
	past trace --all --since 1m
	judge "so long before the recording's end" "$(status_is 0; rows_are 21
		stdout_says '^03:20:57.000 \|^03:21:00.000 ')"
	past trace --all --at '2026-11-29T04:15:00+01:00'
	judge "a moment in another zone" "$(status_is 0; rows_are 1; stdout_says '^03:15:00.000 ')"
	past trace --since 2026-11-29T03:00:00Z
	judge "a span that begins before" "$(status_is 0; rows_are 180
		stderr_says "what is before that was not recorded, or is gone")"
	past trace --since 2026-11-29T03:20:00Z --until 2026-11-29T04:00:00Z
	judge "a span that ends behind" "$(status_is 0; stderr_says "what came later was not recorded")"
	past trace --since 2026-11-30T03:00:00Z
	judge "a span that is behind" "$(status_is 0; rows_are 0
		stderr_says "nothing of what was asked for is in it")"
}

test_formats()
{
	made events
	past trace --json
	judge "a recording as JSON" "$(status_is 0; json_lines 180
		stdout_says '"timestamp":"2026-11-29T03:12:00.000000000Z","event":{"action":"time_wait"},')"
	past trace -o csv
	judge "a recording as CSV" "$(status_is 0; rows_are 180
		"$tool" csv "$out" >/dev/null || echo "no CSV. "
		head -n 1 "$out" | grep -q 'tcp.rx_bytes$' || echo "more columns. ")"
}

test_filters()
{
	made events
	for filter in "-c checkout:100" "-c !checkout:80" "-p 812:100" "-p !812:80" "-C web:100" \
		"-C aaaa:100" "-C other:0" "-4:180" "-6:0" "-l :80:80" "-l :1002:1" \
		"-r 10.0.0.0/8:8080:100" "-r !10.0.0.9:0" "--side server:80" \
		"--netns 4026531840:180" "--netns !4026531840:0" "-c nginx -l :80:80"; do
		# shellcheck disable=SC2086 # the filter is words
		past trace ${filter%:*}
		judge "a recording with ${filter%:*}" "$(status_is 0; rows_are "${filter##*:}"
			account_says "delivered=${filter##*:} lost=0 ")"
	done
}

test_minutes()
{
	made minutes
	past trace
	judge "minutes that have lost their events" "$(status_is 0; rows_are 20
		stderr_says "from 2026-11-29 03:12:00 UTC to 2026-11-29 03:22:00 UTC single events are gone"
		account_says 'delivered=20 lost=0 .* minutes=20 gaps=0$'
		stdout_says '^03:12            10x checkout         client 10.0.0.5:\*            10.0.0.9:8080 '
		stdout_says '^03:21             8x nginx            server 10.0.0.5:80           10.0.0.0/24:\*  ')"
	past trace --all --json
	judge "minutes as JSON" "$(status_is 0; json_lines 30
		stdout_says '"event":{"action":"minute","counted":"time_wait","count":10,"interval_ns":60000000000}'
		stdout_says '"event":{"action":"minute","counted":"reset","count":2,'
		stdout_lacks '"pid"')"
	past trace -o csv
	judge "minutes as CSV" "$(status_is 0; rows_are 20
		"$tool" csv "$out" >/dev/null || echo "no CSV. "
		stdout_says ',minute,.*,time_wait,10,60000000000,$')"
	for filter in "-c nginx:10" "-C web:10" "-p 812:0" "-l :80:10" "-r 10.0.0.9:8080:10" \
		"-r 10.0.0.0/24:20" "-l :1002:0" "--side client:10"; do
		# shellcheck disable=SC2086 # the filter is words
		past trace ${filter%:*}
		judge "minutes with ${filter%:*}" "$(status_is 0; rows_are "${filter##*:}")"
	done
	past trace --at 03:15
	judge "one minute of sums" "$(status_is 0; rows_are 2; stdout_says '^03:15 ')"
	made early
	past trace
	judge "minutes and then events" "$(status_is 0; rows_are 100
		account_says 'delivered=100 lost=0 .* minutes=10 gaps=0$'
		stderr_says "from 2026-11-29 03:12:00 UTC to 2026-11-29 03:17:00 UTC single events are gone"
		stdout_says '^03:16             8x '; stdout_says '^03:17:00.000 '
		sort -c "$out" 2>/dev/null && echo "a heading at the end. "
		grep -v ^TIME "$out" | cut -c1-5 | sort -c || echo "not in order. ")"
	past trace --since 03:18
	judge "events alone of such a recording" "$(status_is 0; rows_are 72
		stderr_says "has everything of what was asked for")"
}

# frames: the sum of "closes" over the frames of stdout.
closes_are()
{
	sum=$(sed 's/^{"timestamp":"[^"]*","interval_ns":[0-9]*,"closes":\([0-9]*\),.*/\1/' "$out" |
		awk '{ s += $1 } END { print s + 0 }')
	[ "$sum" = "$1" ] || echo "$sum closes, not $1. "
}

test_top_minutes()
{
	made minutes
	past top --json
	judge "top by sums of minutes" "$(status_is 0; json_lines 1; closes_are 180
		stderr_says "from 2026-11-29 03:12:00 UTC to 2026-11-29 03:22:00 UTC single events are gone: sums"
		stdout_says '"total":180,"summed":180,'
		stdout_says '"key":{"process":{"name":"checkout"}},.*"total":100,.*"client":100,'
		stdout_says '"key":{"process":{"name":"nginx"}},.*"total":80,.*"server":80,'
		stdout_says '"remote":{"address":"10.0.0.9","port":8080,"closes":100,"error":0}'
		stdout_lacks '"pids"')"
	past top
	judge "top by sums as text" "$(status_is 0; stdout_says '180 in all, 180 by sums'
		stdout_says '^TIME_WAIT .*by the clock alone: as recorded, of some minutes the sums alone'
		stdout_says '^checkout  *[0-9.]* .* 100 ')"
	past top --json --at 03:15
	judge "top by the sums of one minute" "$(status_is 0; json_lines 1; closes_are 18
		stdout_says '"time_wait":1[89],')"
	past top --json -i 7s --at 03:15
	judge "frames within a minute of sums" "$(status_is 0; json_lines 9; closes_are 18)"
	past top --json -i 400ms --since 03:15 --until 03:16:30
	judge "frames shorter than a second" "$(status_is 0; json_lines 225; closes_are 27)"
	past top --json --since 03:15:30 --until 03:16
	judge "top by a part of a minute" "$(status_is 0; closes_are 9)"
	past top --json --by remote
	judge "top of sums by remote end" "$(status_is 0
		stdout_says '"key":{"network":{"peer":{"address":"10.0.0.9"}}},.*"total":100,'
		stdout_lacks '"10.0.0.0"'; stdout_says '"other":{"closes":80,.*"total":80,')"
	past top --json -C web
	judge "top of sums of a container" "$(status_is 0; closes_are 100)"
	made early
	past top --json
	judge "top by sums, and then by events" "$(status_is 0; closes_are 180
		stdout_says '"total":180,"summed":90,'; stdout_says '"pids":\[812\]')"
	past top --json -i 1m
	judge "frames by sums, and then by events" "$(status_is 0; json_lines 10; closes_are 180
		[ "$(grep -c '"closes":18,"closes_per_second"' "$out")" -ge 9 ] || echo "not as many in each. ")"
	past top --json --since 03:18
	judge "top by events alone" "$(status_is 0; stdout_lacks '"summed"'
		! grep -q 'single events are gone' "$err" || echo "it speaks of sums. ")"
}

test_diagnose_minutes()
{
	made minutes
	past diagnose --json
	judge "a verdict by sums of minutes" "$(status_is 0; json_lines 1
		stderr_says "single events are gone"; stdout_says '"severity":"ok"'
		stdout_lacks '"idle-timeout"\|"health-check"'; stdout_lacks '"pid":')"
	made early
	past diagnose
	judge "a verdict by sums and events" "$(status_is 0
		stdout_says '^In 9m.*: 180 closes that end in TIME_WAIT')"
}

test_gaps()
{
	made gap
	past trace
	judge "gaps and losses are told" "$(status_is 0; rows_are 180
		stderr_says "; not all of what was asked for is in it"
		stderr_says "from 2026-11-29 03:16:09 UTC to 2026-11-29 03:16:15 UTC: the disk could not be written: No space left on device; 7 events are known to be missing"
		account_says 'lost=10 .* gaps=1$')"
	past trace --since 03:18
	judge "but not where there are none" "$(status_is 0
		stderr_says "has everything of what was asked for"
		account_says 'lost=0 .* gaps=0$')"
	made filter
	past trace --all
	judge "a filter of who recorded" "$(status_is 0
		stderr_says "only a part was recorded: -c checkout"
		stderr_says "nothing but entries into TIME_WAIT was recorded")"
}

# After the fifth minute the clock is that of the third again.
test_clock_put_back()
{
	made back
	past trace --all --json
	judge "the clock was put back" "$(status_is 0; json_lines 200
		grep -o '"cookie":[0-9]*' "$out" | cut -d: -f2 | sort -n -c ||
			echo "not in the order of the recording. "
		grep -o '"cookie":[0-9]*' "$out" | sort | uniq -d | grep -q . && echo "some twice. ")"
	past trace --all --at 03:15
	judge "a minute that there was twice" "$(status_is 0; rows_are 40)"
}

# Behind what was told in a time that never was there is something older.
test_clock_was_ahead()
{
	made ahead
	past trace --all --json
	judge "the clock was ahead for a while" "$(status_is 0; json_lines 200
		grep -o '"cookie":[0-9]*' "$out" | cut -d: -f2 | sort -n -c ||
			echo "not in the order of the recording. "
		account_says 'minutes=0 ')"
	past trace --all --at 05:15
	judge "a minute of that time" "$(status_is 0; rows_are 20)"
}

# Clocks in Berlin were put back on 2026-10-25 at 03:00 CEST, 01:00 UTC; forward on 2026-03-29.
test_summer_time()
{
	made events 1792889700 # 00:55 UTC: 02:55 CEST to 02:05 CET
	TZ=Europe/Berlin past trace --all
	judge "summer time ends" "$(status_is 0; rows_are 200
		stderr_says "from 2026-10-25 02:55:00 CEST to 2026-10-25 02:04:57 CET"
		grep -v ^TIME "$out" | sed -n '1p;101p' | cut -c1-5 | tr '\n' ' ' |
			grep -qx '02:55 02:00 ' || echo "other times. ")"
	TZ=Europe/Berlin past trace --all --since '2026-10-25 02:00' --until '2026-10-25 02:58'
	judge "a span over its end" "$(status_is 0; rows_are 200)"
	past trace --all --utc --at 00:57
	judge "a minute of it in UTC" "$(status_is 0; rows_are 20; stdout_says '^00:57:00')"
	made events 1774745700 # 00:55 UTC: 01:55 CET to 03:05 CEST
	TZ=Europe/Berlin past trace --all --at 03:02
	judge "summer time begins" "$(status_is 0; rows_are 20; stdout_says '^03:02:57.000 '
		stderr_says "from 2026-03-29 01:55:00 CET to 2026-03-29 03:04:57 CEST")"
	TZ=Europe/Berlin past trace --at '2026-03-29 02:30'
	judge "a time that was left out" "$(status_is 2; one_line_on_stderr
		stderr_says "clocks were put forward")"
}

test_hostile_names()
{
	made hostile
	for format in text json csv; do
		past trace -o $format --all
		judge "hostile names of a recording, $format" "$(status_is 0
			"$tool" plain "$out" >/dev/null || echo "control characters. "
			"$tool" plain "$err" >/dev/null || echo "control characters on stderr. ")"
	done
	past list
	judge "hostile names in a list" "$(status_is 0
		"$tool" plain "$out" >/dev/null || echo "control characters. ")"
	past trace --json
	judge "hostile names are JSON" "$(status_is 0; json_lines 180)"
}

# ---- list ----

test_list()
{
	made events
	past list --at 03:15:10
	judge "what was there at a moment" "$(status_is 0; rows_are 18
		stderr_says "at 2026-11-29 03:15:10 UTC; the recording reaches from 2026-11-29 03:12:00 UTC"
		account_says 'listed=18 seen=18 inferred=0 unknown=0 missed=0$'
		stdout_says '^time_wait 59.0s 10.0.0.5:80   10.0.0.9:1063 700 nginx '
		stdout_says 'checkout client close .* web$')"
	past list
	judge "without a moment: the end" "$(status_is 0; rows_are 18
		stderr_says "at 2026-11-29 03:21:57 UTC")"
	past list --at 03:15:10 --by process --json
	judge "counted" "$(status_is 0
		stdout_says '^{"count":10,"inferred":0,"process":{"name":"checkout"}}$')"
	past list --at 03:15:10 --sort local-port --reverse -c checkout
	judge "sorted and filtered" "$(status_is 0; rows_are 10
		sed -n 2p "$out" | grep -q '10.0.0.5:1062 ' || echo "another order. ")"
	past list --at 03:15:10 -C web --json
	judge "all that is known of a socket" "$(status_is 0; json_lines 10
		stdout_says '"command_line":"checkout --all"'
		stdout_says '"owner":{"evidence":"seen"}'
		stdout_says '"timestamp":"2026-11-29T03:15:10.000000000Z"')"
	past list --at 03:12:10
	judge "shortly after the beginning" "$(status_is 0; rows_are 4
		stderr_says "what was closed before 2026-11-29 03:12:00 UTC is not in the recording")"
	past list --at 2026-11-29T03:40:00Z
	judge "when nobody recorded" "$(status_is 0; rows_are 0
		stderr_says "nobody recorded at that time")"
	made gap
	past list --at 03:16:30
	judge "a gap in the minute before" "$(status_is 0
		stderr_says "the disk could not be written"; account_says 'missed=7$')"
	made filter
	past list
	judge "who recorded only TIME_WAIT" "$(status_is 0
		stderr_says "nothing is known of FIN_WAIT2")"
}

test_list_samples()
{
	made samples
	past list --states --at 03:15:30
	judge "states of a moment" "$(status_is 0
		stderr_says "states were counted at 2026-11-29 03:15:00 UTC"
		stdout_says '^(host)  *118  *13  *0  *2  *103 '
		stdout_says '^init  .* 1000  10.5$')"
	past list --ports --at 03:15:30 --json
	judge "ports of a moment" "$(status_is 0; json_lines 1
		stderr_says "ports were counted at 2026-11-29 03:15:00 UTC"
		stdout_says '"time_wait":503,'; stdout_says '"name":"checkout"')"
	past list --states --netns 5
	judge "states of another namespace" "$(status_is 0; stdout_lacks '^init')"
	made events
	past list --states
	judge "no samples of states" "$(status_is 1; stderr_says "states were not counted")"
	past list --ports
	judge "no samples of ports" "$(status_is 1; stderr_says "ports were not counted")"
}

test_list_minutes()
{
	made early
	past list --at 03:14:30 --by process,side
	judge "counted by sums" "$(status_is 0
		stderr_says "single events of that time are gone: counted are the entries into TIME_WAIT of the minute from 2026-11-29 03:13:00 UTC on"
		stdout_says '^ *10 checkout client$'; stdout_says '^ *8 nginx  *server$')"
	past list --at 03:14:30
	judge "no list of sums" "$(status_is 1; stdout_is_empty
		stderr_says "single events of that time are gone")"
	past list --at 03:14:30 --by pid
	judge "sums have no PIDs" "$(status_is 1; stdout_is_empty
		stderr_says "by anything but pid")"
	past list --at 03:19:30 --by process
	judge "events of the same recording" "$(status_is 0
		stdout_says '^ *10 checkout$'
		! grep -q gone "$err" || echo "something is gone. ")"
}

# ---- what is refused ----

# refused NAME WORDS ARGUMENT...
refused()
{
	name=$1
	words=$2
	shift 2
	run "$twsnoop" "$@"
	judge "$name" "$(status_is 2; one_line_on_stderr; stdout_is_empty; stderr_says "$words")"
}

test_refused()
{
	made events
	for option in "--own" "--wait" "--bpffs /sys/fs/bpf" "--ring-size 64M" \
		"--max-connections 5000" "-d 5" "--no-names"; do
		# shellcheck disable=SC2086 # the option is words
		refused "trace --from with $option" "is for what happens now: not with --from" \
			trace --from "$rec" $option
	done
	refused "--at without --from" "--from says which" trace --at 03:12
	refused "list --at without --from" "--from says which" list --at 03:12
	refused "list --utc without --from" "--from says which" list --utc
	refused "--at with --since" "not with --since" trace --from "$rec" --at 03:12 --since 03:10
	refused "no moment" "is no moment" trace --from "$rec" --at nonsense
	refused "list, no moment" "is no moment" list --from "$rec" --at nonsense
	refused "--until before --since" "is not after --since" \
		trace --from "$rec" --since 2026-11-29T03:15:00Z --until 2026-11-29T03:14:00Z
	refused "list --all" "are in no recording" list --from "$rec" --all
	refused "list --states --by" "no recording has the owners" list --from "$rec" --states --by pid
	refused "list --states with an address" "only --netns applies" \
		list --from "$rec" --states -r 10.0.0.9
	refused "list --ports with a port" "does not tell single local ports" \
		list --from "$rec" --ports -l :80
	refused "an empty --from" "" trace --from ''
}

# unreadable NAME WORDS FILE
unreadable()
{
	for command in trace list; do
		run "$twsnoop" $command --from "$3"
		judge "$command of $1" "$(status_is 1; one_line_on_stderr; stdout_is_empty
			stderr_says "$2")"
	done
}

test_no_recording()
{
	: >zero
	echo "nothing of the kind" >text
	mkdir folder
	unreadable "no file" "No such file" "$dir/nowhere"
	unreadable "an empty file" "" "$dir/zero"
	unreadable "a text" "is no recording" "$dir/text"
	unreadable "a folder" "" "$dir/folder"
	unreadable "a file with a hostile name" "No such file" "$(printf 'a\033[31m\nb')"
}

# What cannot be read is said, and the rest is told.
test_damaged()
{
	made events
	size=$(wc -c <"$rec")
	for at in 3 4 5 6 7 8; do
		cp "$rec" damaged.db
		printf 'XXXXXXXXXXXXXXXX' |
			dd of=damaged.db bs=1 seek=$((size * at / 9 + 100)) conv=notrunc 2>/dev/null
		run "$twsnoop" trace --from damaged.db --json
		traced=$rc
		run "$twsnoop" list --from damaged.db
		judge "damage at $at ninths" "$(
			[ "$traced" -le 1 ] || echo "trace ended with $traced. "
			[ "$rc" -le 1 ] || echo "list ended with $rc. ")"
	done
	cp "$rec" damaged.db
	python3 -c 'import sqlite3
db = sqlite3.connect("damaged.db")
db.execute("UPDATE block_data SET data = zeroblob(length(data)) WHERE first_row = 81")
db.commit()'
	rec=$dir/damaged.db
	past trace
	judge "a minute of it is damaged: its sums stand in its place" "$(status_is 0; rows_are 164
		stderr_says "from 2026-11-29 03:16:00 UTC to 2026-11-29 03:16:57 UTC: what was there cannot be read"
		stderr_says "from 2026-11-29 03:16:00 UTC to 2026-11-29 03:17:00 UTC single events are gone: sums"
		[ "$(lines "$err")" = 4 ] || echo "$(lines "$err") lines on stderr. "
		account_says 'lost=0 .* minutes=2 gaps=1$')"
	past trace --at 03:16
	judge "that minute alone" "$(status_is 0; rows_are 2; account_says 'lost=0 .* minutes=2 gaps=1$'
		stderr_says "not all of what was asked for is in it")"
	past trace --json --all --at 03:16
	judge "and how many its sums count" "$(status_is 0
		python3 -c 'import json, sys
sums = [json.loads(line) for line in open(sys.argv[1])]
print(sum(s["event"].get("count", 1) for s in sums), end="")' "$out" | grep -qx 20 || echo "not 20. ")"
	past list --at 03:16:50
	judge "what was there then" "$(status_is 0; rows_are 2; account_says 'missed=20$'
		stderr_says "what was there cannot be read")"
	made events
	head -c $((size / 2)) "$rec" >half.db
	run "$twsnoop" trace --from half.db
	judge "half of a recording" "$([ "$rc" -le 1 ] || echo "status $rc. ")"
}

# A reader that goes, and a signal.
test_stopped()
{
	made events
	"$twsnoop" trace --from "$rec" 2>"$err" | head -n 3 >"$out"
	judge "a reader that goes away" "$(rows_are 2
		! grep -v '^twsnoop: ' "$err" | grep -q . || echo "something else on stderr. ")"
}
