#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the writers of a report make of made-up hours: text of 80 columns, JSON, and HTML that is
# well-formed, forbids all but its style, and runs nothing in a real Chromium, whatever the
# names in it are; and the command, on recordings. Usage: run.sh TELL_SCENE TWSNOOP MAKEREC
set -u

: "${3:?usage: run.sh TELL_SCENE TWSNOOP MAKEREC}"
tell=$(readlink -f "$1") twsnoop=$(readlink -f "$2") makerec=$(readlink -f "$3")
here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# judge NAME STATUS
judge() {
	if [ "$2" = 0 ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "FAIL $1"
		failed=$((failed + 1))
	fi
}

export TZ=Europe/Berlin
for scene in $("$tell" list); do
	for format in text json html; do
		"$tell" "$scene" $format >"$dir/$scene.$format" &&
			python3 "$here/check_page.py" $format "$dir/$scene.$format"
		judge "$scene $format" $?
	done
done
# ---- the command ----

begin=1795329600 # 2026-11-22 07:40 in Berlin
for kind in samples hostile early minutes back filter gap empty; do
	"$makerec" $kind "$dir/$kind.db" $begin >"$dir/log" 2>&1 || cat "$dir/log"
	"$twsnoop" report "$dir/$kind.db" >"$dir/out.text" && "$twsnoop" report --json "$dir/$kind.db" \
		>"$dir/out.json" && "$twsnoop" report --html "$dir/out.html" "$dir/$kind.db" &&
		"$twsnoop" report --html - "$dir/$kind.db" | cmp - "$dir/out.html" &&
		for format in text json html; do
			python3 "$here/check_page.py" $format "$dir/out.$format" || break
		done
	judge "report of a recording: $kind" $?
done

# told NAME PATTERN ARGUMENT...: the report has it
told() {
	name=$1 pattern=$2
	shift 2
	"$twsnoop" report "$@" >"$dir/out" 2>"$dir/err" && tr '\n' ' ' <"$dir/out" | tr -s ' ' |
		grep -q -- "$pattern"
	status=$?
	[ $status = 0 ] || cat "$dir/out" "$dir/err"
	judge "$name" $status
}
told "the default: what there is" "07:40 to 07:50 CET" "$dir/samples.db"
told "--utc" "06:40 to 06:50 UTC" --utc "$dir/samples.db"
told "--since and --until" "07:42 to 07:45 CET" --since 07:42 --until 07:45 "$dir/samples.db"
told "--until alone: the hour before" "07:40 to 07:44 CET" --until 07:44 "$dir/samples.db"
told "--since a while before the end" "07:46 to 07:50 CET" --since 3m "$dir/samples.db"
told "--at" "07:15 to 07:50 CET" --at 07:45 "$dir/samples.db"
told "each close counts" '"closes":180,' --json "$dir/samples.db"
told "also where single events are gone" '"closes":180,' --json "$dir/minutes.db"
told "who closed" "checkout in web" "$dir/samples.db"
told "gaps are told" "Gap: " "$dir/gap.db"
told "a filter is told" "A filter was set" "$dir/filter.db"
told "nothing is told, too" "Nothing was recorded" "$dir/empty.db"
told "so is a time before the recording" "Nothing was recorded" --since 2020-01-01 --until \
	2020-01-02 "$dir/samples.db"

# refused NAME STATUS ARGUMENT...: in one line
refused() {
	name=$1 wanted=$2
	shift 2
	"$twsnoop" report "$@" >"$dir/out" 2>"$dir/err"
	[ $? = "$wanted" ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" = 1 ]
	status=$?
	[ $status = 0 ] || cat "$dir/out" "$dir/err"
	judge "$name" $status
}
refused "wrong use: --json and --html" 2 --json --html x "$dir/samples.db"
refused "wrong use: --at and --since" 2 --at 07:45 --since 07:40 "$dir/samples.db"
refused "wrong use: two recordings" 2 "$dir/samples.db" "$dir/samples.db"
refused "wrong use: no name" 2 ""
refused "wrong use: no time" 2 --since 25:00 "$dir/samples.db"
refused "wrong use: an end before the beginning" 2 --since 07:45 --until 2020-01-01 "$dir/samples.db"
refused "wrong use: a beginning after the end" 2 --since 2050-01-01 "$dir/samples.db"
refused "no such recording" 1 "$dir/none.db"
refused "no recording" 1 "$here/run.sh"
refused "a folder in the page's place" 1 --html "$dir" "$dir/samples.db"
refused "a folder that is not there" 1 --html "$dir/none/x.html" "$dir/samples.db"
refused "a full disk" 1 --html /dev/full "$dir/samples.db"

mkdir "$dir/only"
(
	cd "$dir/only" && umask 022 && "$twsnoop" report --html page.html ../samples.db &&
		"$twsnoop" report --html page.html ../samples.db && ulimit -f 8 &&
		{ trap '' XFSZ; ! "$twsnoop" report --html page.html ../samples.db 2>/dev/null; }
)
[ $? = 0 ] && [ "$(ls "$dir/only")" = page.html ] &&
	[ "$(stat -c %a "$dir/only/page.html")" = 640 ] &&
	python3 "$here/check_page.py" html "$dir/only/page.html"
judge "a page that cannot be written leaves the old one, and nothing else" $?
"$twsnoop" report "$dir/samples.db" >/dev/full 2>"$dir/err"
[ $? = 1 ] && [ "$(wc -l <"$dir/err")" = 1 ]
judge "a full disk is told" $?

# ---- the browser ----

if command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
	command -v google-chrome >/dev/null; then
	python3 "$here/check_page.py" browser "$dir/hostile.html" "$dir/rows.html"
	judge "in Chromium nothing is run, asked for, or refused" $?
else
	echo "skip in Chromium: there is none"
	echo "$passed passed, $failed failed, 1 skipped"
	[ $failed = 0 ]
	exit
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
