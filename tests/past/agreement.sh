# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# A mixed load is recorded, traced and listed at once: the recording says the same. As root, in
# network and mount namespaces of its own, with one recorder of the kernel's for all readers.

ends()
{
	for process in $recorder $tracer $load; do kill -"$1" "$process" 2>/dev/null; done
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
	run "$twsnoop" list --json --from recording.db --at "$at" --netns /proc/self/ns/net
	judge "$1" "$(status_is 0
		[ "$(lines live.list)" -gt 20 ] || echo "$(lines live.list) sockets only. "
		python3 "$here/agree.py" sockets live.list "$out" "$2" 2>sockets.count)"
	sed "s/^/  /" sockets.count
}

test_agreement()
{
	if ! mount -t bpf bpf /sys/fs/bpf || ! "$twsnoop" attach --all >"$out" 2>"$err"; then
		skip "agreement" "no recorder can be attached here"
		return
	fi
	"$twsnoop" record -q recording.db >record.out 2>record.err &
	recorder=$!
	"$twsnoop" trace --all --json --netns /proc/self/ns/net >live.json 2>trace.err &
	tracer=$!
	"$tool" wait-line trace.err "twsnoop: tracing"
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
	kill -TERM $tracer
	wait $tracer
	kill -TERM $recorder
	wait $recorder
	rc=$?
	judge "the recorder ends" "$(status_is 0)"
	run "$twsnoop" trace --from recording.db --all --json --netns /proc/self/ns/net
	judge "all events, as they were seen" "$(status_is 0
		[ "$(lines live.json)" -gt 500 ] || echo "$(lines live.json) events only. "
		python3 "$here/agree.py" events live.json "$out" 2>events.count
		account_says 'lost=0 .* gaps=0$')"
	sed "s/^/  /" events.count
	for filter in "-c server4" "--side client" "-6" "-c !client-1" "-r ::1"; do
		# shellcheck disable=SC2086 # the filter is words
		run "$twsnoop" trace --from recording.db --json --netns /proc/self/ns/net $filter
		cp "$out" recorded.json
		# shellcheck disable=SC2086
		run "$twsnoop" trace --since 2m -d 0 --json --netns /proc/self/ns/net $filter
		judge "the same with $filter" "$(status_is 0
			python3 "$here/agree.py" events "$out" recorded.json 2>/dev/null)"
	done
	"$twsnoop" detach
}
