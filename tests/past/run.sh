#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Commands on the past: usage: run.sh TWSNOOP MAKEREC CLITOOL [TEST...]
# Prints "ok NAME", "FAIL NAME: why" or "skip NAME: why" for each test, and the sums at the end; exits 1
# if any failed. makerec.c says what is in the recordings that it makes. Only the last test needs root.
set -u

: "${3:?usage: run.sh TWSNOOP MAKEREC CLITOOL [TEST...]}"
twsnoop=$(readlink -f "$1") makerec=$(readlink -f "$2") tool=$(readlink -f "$3")

if [ "$(id -u)" = 0 ] && [ -z "${PAST_IN_NETNS:-}" ]; then
	PAST_IN_NETNS=1 exec "$tool" netns "$0" "$@"
fi

here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d) || exit 1
pid='' readers='' recorder='' load='' # in the background
trap 'rc=$?
	for process in $pid $readers $recorder $load; do kill -KILL "$process" 2>/dev/null; done
	rm -rf "$dir"
	exit $rc' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1
TZ=UTC
export TZ

# shellcheck disable=SC1091
. "$here/../cli/lib.sh"
# shellcheck disable=SC1091
. "$here/recordings.sh"
# shellcheck disable=SC1091
. "$here/agreement.sh"

if [ $# -gt 3 ]; then
	shift 3
	for test in "$@"; do
		case $(command -v "$test") in
		test_*) "$test" ;;
		*) fail "$test" "there is no such test" ;;
		esac
	done
else
	test_trace
	test_span
	test_formats
	test_filters
	test_minutes
	test_gaps
	test_clock_put_back
	test_clock_was_ahead
	test_summer_time
	test_hostile_names
	test_list
	test_list_samples
	test_list_minutes
	test_top_minutes
	test_diagnose_minutes
	test_refused
	test_no_recording
	test_damaged
	test_stopped
	if is_root; then test_agreement; else skip agreement "needs root"; fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
