# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# Wrong usage, and --help of every command.

# wrong NAME ARGUMENT...
wrong()
{
	name="wrong usage: $1"
	shift
	run "$twsnoop" "$@"
	judge "$name" "$(status_is 2; one_line_on_stderr; stdout_is_empty)"
}

# The options of a command that take an argument, as its --help shows them.
options_with_argument()
{
	"$twsnoop" "$1" --help | sed -n 's/^ *\(-[A-Za-z], \)*\(--[a-z-]*\) [^ ].*$/\2/p'
}

# wrong_if_empty COMMAND: whatever option it is
wrong_if_empty()
{
	num=0
	for option in $(options_with_argument "$1"); do
		wrong "$1: empty $option" "$1" "$option" ""
		wrong "$1: empty $option=" "$1" "$option="
		num=$((num + 1))
	done
	judge "$1 --help shows options with arguments" "$([ $num -ge 1 ] || echo "none")"
}

# To who monitors, 2 would be critical.
wrong_plugin()
{
	name="wrong usage of a plugin: $1"
	shift
	run "$twsnoop" diagnose "$@"
	judge "$name" "$(status_is 3; one_line_on_stderr; grep -q '^TWSNOOP UNKNOWN - ' "$out" ||
		echo "no UNKNOWN")"
}

test_wrong_usage()
{
	esc=$(printf '\033')
	wrong "unknown command" nosuch
	wrong "unknown command with an escape" "${esc}[31mx"
	wrong "unknown option" trace --no-such
	wrong "unknown option without a command" --no-such
	wrong "unknown letter" trace -Z
	wrong "option with an escape" trace "--${esc}[31m"
	wrong "extra operand" trace extra
	wrong "argument to a flag" trace --json=1
	wrong "missing argument" trace --count
	wrong "pid 1x" trace --pid 1x
	wrong "pid -1" trace --pid -1
	wrong "pid 0" trace --pid 0
	wrong "pid with an escape" trace --pid "${esc}[31m"
	wrong "pid list with a hole" trace --pid 1,,2
	for list in , ,1 1, '!1,,2'; do
		wrong "pid list '$list'" trace --pid "$list"
	done
	for list in , ,pid pid, pid,,uid; do
		wrong "list: by '$list'" list --by "$list"
	done
	for value in '!' '!:' : :80- :-80 /8; do
		wrong "remote end '$value'" trace -r "$value"
	done
	wrong "comm '!'" trace --comm '!'
	wrong "container '!'" trace --container '!'
	wrong "a container that is excluded" list --container '!web'
	wrong "netns '!'" trace --netns '!'
	wrong "no command" ""
	wrong "empty operand" trace ""
	for command in trace list top diagnose report attach detach check; do
		wrong_if_empty $command
	done
	for time in '' now 24:00 tomorrow 2026-02-30 @ '2m '; do
		wrong "since '$time'" trace --since "$time"
		wrong "until '$time'" trace --until "$time"
	done
	wrong "since with an escape" trace --since "${esc}[31m"
	wrong "since the future" trace --since "$(date -u -d @$(($(date +%s) + 3600)) +%Y-%m-%dT%H:%M:%SZ)"
	wrong "until the past" trace --until 2020-01-01
	wrong "until before since" trace --since 1m --until 2m
	wrong "since with programs of its own" trace --since 1m --own
	wrong "diagnose as csv" diagnose -o csv
	wrong_plugin "and as json" --plugin --json
	wrong_plugin "no such option" --no-such --plugin
	wrong "diagnose: a moment of nothing" diagnose --at 03:12
	wrong "diagnose: a recording, and to watch" diagnose --from /dev/null -d 5
	wrong "duration 0 alone" trace --duration 0
	wrong "a socket that is not there" trace --runtime-socket /nonexistent/docker.sock
	wrong "a socket that is none" list --runtime-socket /dev/null
	wrong "attach: two sizes" attach --size 20000 --ring-size 8M
	wrong "attach: ring size 3M" attach --ring-size 3M
	wrong "pid too large" trace --pid 99999999999999999999
	wrong "port 70000" trace -r :70000
	wrong "port 0x50" trace -r :0x50
	wrong "port -1" trace -l :-1
	wrong "address 300.1.1.1" trace -r 300.1.1.1
	wrong "prefix /33" trace -l 10.0.0.0/33
	wrong "side both" trace --side both
	wrong "netns of nowhere" trace --netns /nonexistent
	wrong "count 0" trace --count 0
	wrong "count -1" trace --count -1
	wrong "count 1x" trace --count 1x
	wrong "count with a blank" trace --count " 1"
	wrong "duration abc" trace --duration abc
	wrong "duration 0" trace --duration 0
	wrong "duration -1" trace --duration -1
	wrong "own programs that wait for a recorder" trace --own --wait
	wrong "own programs that look back" trace --own --since 1m
	wrong "output xml" trace --output xml
	wrong "ring size 12x" trace --ring-size 12x
	wrong "ring size 0" trace --ring-size 0
	wrong "ring size 8G" trace --ring-size 8G
	wrong "ring size 2^63" trace --ring-size 8589934592G
	wrong "4194305 connections" trace --max-connections 4194305
	wrong "2^64-1 connections" trace --max-connections 18446744073709551615
	wrong "attach: 4194305 connections" attach --max-connections 4194305
	wrong "attach: ring size 2G" attach --ring-size 2G
	wrong "check: unknown option" check --no-such
	wrong "check: extra operand" check extra
	wrong "check: output csv" check --output csv
	wrong "list: unknown option" list --no-such
	wrong "list: extra operand" list extra
	wrong "list: an option of trace" list --ring-size 256K
	wrong "list: sort by nothing" list --sort ""
	wrong "list: sort by two keys" list --sort pid,uid
	wrong "list: by an unknown key" list --by "pid,${esc}[31m"
	wrong "list: by a key twice" list --by pid,pid
	wrong "list: by age" list --by age
	wrong "list: states and ports" list --states --ports
	wrong "list: ports and counts" list --ports --by pid
	wrong "list: ports of all" list --ports --all
	wrong "list: states of all" list --states --all
	wrong "list: order of counts" list --by pid --sort age
	wrong "list: states of a process" list --states --pid 1
	wrong "list: ports of a side" list --ports --side client
	wrong "top: unknown option" top --no-such
	wrong "top: extra operand" top extra
	wrong "top: an option of trace" top --duration 1
	wrong "top: interval 0" top --interval 0
	wrong "top: interval 99ms" top --interval 99ms
	wrong "top: count 0" top --count 0
	wrong "top: rows 0" top --rows 0
	wrong "top: sort by a key" top --sort pid
	wrong "top: sort with an escape" top --sort "${esc}[31m"
	wrong "top: by an unknown key" top --by nosuch
	wrong "top: by age" top --by age
	wrong "top: by state" top --by pid,state
	wrong "top: by a key twice" top --by pid,pid
	wrong "top: since the future" top --since 2999-01-01
	wrong "top: a moment of no recording" top --at 03:12
	wrong "top: own programs and a recording" top --from x --own
	wrong "attach: an option of trace" attach --json
	wrong "attach: a filter" attach --pid 1
	wrong "attach: extra operand" attach extra
	wrong "attach: size 0" attach --size 0
	wrong "attach: size 12x" attach --size 12x
	wrong "attach: size too large" attach --size 4194305
	wrong "attach: no bpffs named" attach --bpffs ""
	wrong "detach: extra operand" detach extra
	wrong "detach: an option of attach" detach --size 1
}

# helps NAME ARGUMENT...
helps()
{
	name=$1
	shift
	run "$twsnoop" "$@"
	judge "$name" "$(status_is 0
		[ -s "$out" ] || echo "nothing on stdout. "
		[ ! -s "$err" ] || echo "something on stderr. ")"
}

# cannot_be_written ARGUMENTS: a full disk, and no stdout at all
cannot_be_written()
{
	: >"$out"
	# shellcheck disable=SC2086 # words
	"$tool" limit "$twsnoop" $1 >/dev/full 2>"$err"
	rc=$?
	judge "$1 to a full disk" "$(status_is 1; one_line_on_stderr
		stderr_says "^twsnoop: cannot write the output: No space left on device$")"
	# shellcheck disable=SC2086
	"$tool" limit "$twsnoop" $1 >&- 2>"$err"
	rc=$?
	judge "$1 without stdout" "$(status_is 1; one_line_on_stderr
		stderr_says "^twsnoop: cannot write the output: Bad file descriptor$")"
}

test_help()
{
	helps "twsnoop --help" --help
	helps "twsnoop -h" -h
	helps "twsnoop help" help
	helps "trace --help" trace --help
	helps "trace -h" trace -h
	helps "check --help" check --help
	helps "list --help" list --help
	helps "top --help" top --help
	helps "attach --help" attach --help
	helps "detach --help" detach --help
	helps "--version" --version
	judge "--version is one line" "$(grep -q '^twsnoop [0-9]' "$out" || echo "it is not. "
		[ "$(lines "$out")" = 1 ] || echo "it has more. ")"
	for args in --help help "trace --help" "list --help" "check --help" "attach --help" \
		"detach --help" --version; do
		cannot_be_written "$args"
	done
}
