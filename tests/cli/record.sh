# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop record: what it refuses, and --status of what is no recording. What it records is tested in
# tests/record.

test_record_usage()
{
	wrong "record: two files" record a.db b.db
	for value in 7M 0 1X -1; do
		wrong "record: size '$value'" record --size "$value" "$dir/no.db"
	done
	for value in 101% -1% % 10x 1e1; do
		wrong "record: raw '$value'" record --raw "$value" "$dir/no.db"
	done
	wrong "record: keep '0'" record --keep 0 "$dir/no.db"
	wrong "record: --json alone" record --json "$dir/no.db"
	wrong "record: unknown option" record --no-such
	wrong_if_empty record
	judge "record: wrong usage makes no file" "$([ ! -e "$dir/no.db" ] || echo "it does. ")"
}

# said_of NAME FILE WORDS: --status refuses FILE so
said_of()
{
	for form in "" --json; do
		# shellcheck disable=SC2086 # none, or one
		run "$twsnoop" record --status $form "$2"
		refused "status of $1 $form" "$3"
	done
}

test_record_status()
{
	said_of "nothing" "$dir/nowhere.db" "No such file"
	: >"$dir/empty.db"
	said_of "an empty file" "$dir/empty.db" "empty"
	head -c 8192 /dev/urandom >"$dir/random.db"
	said_of "something else" "$dir/random.db" "no recording"
	said_of "a folder" "$dir" "$dir"
	rm -f "$dir/empty.db" "$dir/random.db"
}

# What is there is left as it is.
test_record_refused()
{
	run "$tool" drop 65534 none "$twsnoop" record "$dir/no.db"
	refused "record without privilege" "CAP_BPF"
	run "$twsnoop" record --own "$dir/no/such/folder/x.db"
	refused "record into a folder that is not there" "No such file"
	echo "not a recording, and longer than nothing" >"$dir/foreign.db"
	cp "$dir/foreign.db" "$dir/foreign.copy"
	run "$twsnoop" record --own "$dir/foreign.db"
	refused "record into something else" "foreign.db"
	judge "it is left as it is" "$(cmp -s "$dir/foreign.db" "$dir/foreign.copy" || echo "it is not. ")"
	run "$twsnoop" record --own --since 5m "$dir/no.db"
	judge "record --own looks not back" "$(status_is 2; one_line_on_stderr)"
	rm -f "$dir"/foreign.*
}

record_account='^twsnoop: delivered=[0-9]* lost=0 map_full=0 recursion=[0-9]* snapshot=0 unattributed=0 no_end=[0-9]* gap=0$'

# Its end in order, an account whenever one is wanted, and privileges that it does not need.
test_record_ends()
{
	: >"$err"
	"$tool" limit "$twsnoop" record --own --netns /proc/self/ns/net "$dir/e.db" >"$out" 2>"$err" \
		</dev/null &
	pid=$!
	"$tool" wait-line "$err" "twsnoop: recording"
	twsnoop_pid=$(pgrep -P "$pid" || echo "$pid")
	caps=$(sed -n 's/^CapEff:\t*//p' "/proc/$twsnoop_pid/status")
	kill -USR1 "$twsnoop_pid"
	"$tool" wait-line "$err" "twsnoop: delivered="
	stop
	judge "record ends in order" "$(status_is 0; stdout_is_empty
		[ "$(grep -c "$record_account" "$err")" = 2 ] || echo "no two accounts. ")"
	judge "record gives up privileges" "$([ "$caps" = 0000000000280004 ] || echo "CapEff $caps. ")"
	judge "nothing is left beside the file" "$(for file in "$dir"/e.db-*; do
		[ ! -e "$file" ] || echo "$file. "; done)"
	run "$twsnoop" record --status "$dir/e.db"
	judge "status of it" "$(status_is 0; grep -q "not running" "$out" || echo "it says not so. ")"
	mode=$(stat -c %a "$dir/e.db")
	judge "others may not read it" "$([ "$mode" = 640 ] || echo "mode $mode. ")"
	rm -f "$dir/e.db"
}

test_record()
{
	test_record_usage
	test_record_status
	test_record_refused
	test_record_ends
}
