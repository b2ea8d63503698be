#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the writers of a report make of made-up hours: text of 80 columns, JSON, and HTML that is
# well-formed, forbids all but its style, and runs nothing in a real Chromium, whatever the
# names in it are. Usage: run.sh TELL_SCENE
set -u

tell=$(readlink -f "${1:?usage: run.sh TELL_SCENE}")
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
