# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# A mixed load is recorded, traced and listed at once: the recording says the same. As root, in
# network and mount namespaces of its own, with one recorder of the kernel's for all readers.

# trace_live NAME FILTER: into NAME.json, in the background
trace_live()
{
	: >"$1.err"
	# shellcheck disable=SC2086 # the filter is words
	"$twsnoop" trace --json --netns /proc/self/ns/net $2 >"$1.json" 2>"$1.err" &
	readers="$readers $!"
	"$tool" wait-line "$1.err" "twsnoop: tracing"
}

# same_as NAME FILTER: the recording, as NAME was traced
same_as()
{
	# shellcheck disable=SC2086 # the filter is words
	run "$twsnoop" trace --from recording.db --json --netns /proc/self/ns/net $2
	judge "the same with $2" "$(status_is 0
		[ "$(lines "$1.json")" -gt 20 ] || echo "$(lines "$1.json") events only. "
		python3 "$here/agree.py" events "$1.json" "$out" 2>/dev/null)"
}

# as_listed SECONDS: why the recording says something else of the moment $at than live.list
as_listed()
{
	run "$twsnoop" list --json --from recording.db --at "$at" --netns /proc/self/ns/net
	status_is 0
	[ "$(lines live.list)" -gt 20 ] || echo "$(lines live.list) sockets only. "
	python3 "$here/agree.py" sockets live.list "$out" "$1" 2>sockets.count
}

# list_both NAME SECONDS: what is there now, and then what the recording says of that moment
list_both()
{
	run "$twsnoop" list --json --netns /proc/self/ns/net
	cp "$out" live.list
	at=$(sed -n '1s/.*"timestamp":"\([^"]*\)".*/\1/p' live.list)
	# The recorder writes once a second, and is done with what was there then.
	tries=0
	until last=$("$twsnoop" record --status --json recording.db |
		sed 's/.*"last_written":"\([^"]*\)".*/\1/')
		printf '%s\n%s\n' "$at" "$last" | sort -c 2>/dev/null || [ $tries = 60 ]; do
		tries=$((tries + 1))
		sleep 0.3
	done
	sleep 1.2
	# What no tracepoint told the recorder finds by a snapshot of its own, within a minute.
	tries=0
	until why=$(as_listed "$2") && [ -z "$why" ] || [ $tries = 45 ]; do
		tries=$((tries + 1))
		sleep 1.5
	done
	judge "$1" "$why"
	sed "s/^/  /" sockets.count
}

test_agreement()
{
	if ! mount -t bpf bpf /sys/fs/bpf || ! "$twsnoop" attach --all >"$out" 2>"$err"; then
		skip "agreement" "no recorder can be attached here"
		return
	fi
	: >record.err
	: >load.out
	"$twsnoop" record -q recording.db >record.out 2>record.err &
	recorder=$!
	trace_live live "--all"
	trace_live named "-c server4"
	trace_live clients "--side client"
	trace_live ipv6 "-6"
	trace_live others "-c !client-1"
	trace_live peer "-r ::1"
	"$tool" wait-line record.err "twsnoop: recording"
	python3 "$here/load.py" 9 >load.out &
	load=$!
	"$tool" wait-line load.out ready
	sleep 4
	list_both "what is there under load" 0.5
	wait $load
	load=
	sleep 0.5
	list_both "what is left of it" 0
	# All that is told is told within two seconds.
	sleep 2
	for reader in $readers; do
		kill -TERM "$reader"
		wait "$reader"
	done
	readers=
	kill -TERM $recorder
	wait $recorder
	rc=$?
	recorder=
	judge "the recorder ends" "$(status_is 0)"
	run "$twsnoop" trace --from recording.db --all --json --netns /proc/self/ns/net
	judge "all events, as they were seen" "$(status_is 0
		[ "$(lines live.json)" -gt 500 ] || echo "$(lines live.json) events only. "
		python3 "$here/agree.py" events live.json "$out" 2>events.count
		account_says 'lost=0 .* gaps=0$')"
	sed "s/^/  /" events.count
	same_as named "-c server4"
	same_as clients "--side client"
	same_as ipv6 "-6"
	same_as others "-c !client-1"
	same_as peer "-r ::1"
	"$twsnoop" detach
}
