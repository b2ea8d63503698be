#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The command line: usage: run.sh TWSNOOP [CLITOOL [TEST...]]
# Prints "ok NAME", "FAIL NAME: why" or "skip NAME: why" for each test, and the sums at the end;
# exits 1 if any failed. Root runs them all; others those that need no privilege. CLITOOL is built
# by cli.mk; the default is TWSNOOP's directory, tests/cli/clitool. Runs in a network and a
# mount namespace of its own and needs no more than a POSIX shell and what busybox has.
# TEST is the name of a function, such as test_list: these alone are run, by root.
# The tests stand in the files that are read below, by command; what they share is in lib.sh.
set -u

: "${1:?usage: run.sh TWSNOOP [CLITOOL [TEST...]]}"
twsnoop=$(readlink -f "$1")
tool=$(readlink -f "${2:-$(dirname "$1")/tests/cli/clitool}")
next=$(dirname "$tool")/next/twsnoop # of another layout: see cli.mk
for file in "$twsnoop" "$tool" "$next"; do
	if [ ! -x "$file" ]; then
		echo "run.sh: no such program: $file" >&2
		exit 1
	fi
done

if [ "$(id -u)" = 0 ] && [ -z "${CLI_IN_NETNS:-}" ]; then
	CLI_IN_NETNS=1 exec "$tool" netns "$0" "$@"
fi

here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d) || exit 1
pid=
chmod 755 "$dir"
trap 'rc=$?; [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$dir"; exit $rc' EXIT
trap 'exit 1' HUP INT TERM

. "$here/lib.sh"
. "$here/usage.sh"
. "$here/check.sh"
. "$here/privileges.sh"
. "$here/trace.sh"
. "$here/list.sh"
. "$here/attach.sh"
. "$here/recorder.sh"
. "$here/record.sh"
. "$here/serve.sh"
. "$here/libraries.sh"

memlock=0
if [ $# -gt 2 ]; then
	shift 2
	for test in "$@"; do
		case $(command -v "$test") in
		test_*) "$test" ;;
		*) fail "$test" "there is no such test" ;;
		esac
	done
elif is_root; then
	test_wrong_usage
	test_help
	test_check
	test_check_lockdown
	test_check_refused
	test_refused
	test_least_privilege
	test_list
	test_list_iterator
	test_list_beside_trace
	test_list_cgroups
	test_list_beside_check
	test_list_privileges
	test_limits
	test_signals
	test_nothing_is_lost
	test_others_are_not_lost
	test_time_namespace
	test_full_disk
	test_closed_descriptors
	test_closed_pipe
	test_stuck
	test_stuck_account
	test_hung_file
	test_reader_gone
	test_hostile_names
	test_terminal
	test_left_behind
	test_ledgers
	test_recorder
	test_record
	test_serve_usage
	test_serve_refused
	test_libraries
	test_latency
	test_pid_namespace
else
	test_wrong_usage
	test_help
	test_record_usage
	test_record_status
	test_serve_usage
	run "$twsnoop" trace
	refused "no privilege" "CAP_BPF"
	run "$twsnoop" check --json
	checks "check without privilege" 1
	skip "all that traces" "needs root"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
