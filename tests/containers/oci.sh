# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Containers of runc or crun, whichever $oci says, and cgroups that are called as if they
# were a container's. Part of run.sh.

# bundle NAME CGROUP NETWORK COMMAND...: NETWORK is own or host
bundle()
{
	mkdir -p "$dir/$1"
	where=$1 cgroup=$2 network='{"type":"network"},'
	[ "$3" = own ] || network=''
	shift 3
	args=$(printf '"%s",' "$@")
	cat >"$dir/$where/config.json" <<-END
	{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":[${args%,}],
	"env":["PATH=/bin"],"cwd":"/","noNewPrivileges":true},
	"root":{"path":"$dir/rootfs","readonly":true},
	"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
	"linux":{"cgroupsPath":"$cgroup","namespaces":[$network
	{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"}]}}
	END
}

run_oci()
{
	$oci --root "$dir/$oci" "$@" >>"$dir/oci.log" 2>&1 </dev/null
}

fail_oci()
{
	fail "$oci: $(tail -n 1 "$dir/oci.log")"
}

# run_once ID NETWORK COMMAND...: until it ends, and it is removed
run_once()
{
	once=$1
	shift
	bundle "$once" "/$group/$once" "$@"
	run_oci run -b "$dir/$once" "$once" || fail_oci
}

oci_brief()
{
	next_id && next_port
	trace --json || return 1
	run_once "$id" own /bin/end pair "$port" || return 1
	[ ! -d "$CGROUPS/$group/$id" ] || fail "the cgroup is still there" || return 1
	sees 1 "\"container\":{\"id\":\"$id\"" || return 1
	sees 1 "\"path\":\"/$group/$id\"" || return 1
	[ "$(count "$(netns_here)")" = 0 ] || fail "not the container's network namespace"
}

# The ledger alone, and a container that is gone when somebody asks.
oci_listed()
{
	next_id && next_port
	! grep -q " $dir/bpf " /proc/mounts || forget_ledger # of a try that failed
	mkdir -p "$dir/bpf" && mount -t bpf bpf "$dir/bpf" || fail "no bpffs" || return 1
	"$TWSNOOP" attach --bpffs "$dir/bpf" >"$log" 2>&1 || fail "$(cat "$log")" || return 1
	run_once "$id" host /bin/end pair "$port" || return 1
	[ ! -d "$CGROUPS/$group/$id" ] || fail "the cgroup is still there" || return 1
	"$TWSNOOP" list --json >"$out" 2>"$log" || fail "$(cat "$log")" || return 1
	sees 1 "\"container\":{\"id\":\"$id\"" || return 1
	sees 1 "\"path\":\"/$group/$id\"" || return 1
	"$TWSNOOP" list --json -C "$(echo "$id" | cut -c1-20)" >"$out" 2>"$log"
	[ "$(wc -l <"$out")" = 1 ] || fail "-C lists $(wc -l <"$out")" || return 1
	"$TWSNOOP" list --by container >"$out" 2>"$log"
	grep -q "^ *1 $(echo "$id" | cut -c1-12)\$" "$out" || fail "--by: $(cat "$out")" || return 1
	forget_ledger || fail "detach: $(cat "$log")"
}

# Beside a trace, and with nothing attached: one that is gone when somebody asks.
oci_traced()
{
	next_id && next_port
	trace --json || return 1
	run_once "$id" host /bin/end pair "$port" || return 1
	[ ! -d "$CGROUPS/$group/$id" ] || fail "the cgroup is still there" || return 1
	"$TWSNOOP" list -r ":$port" >"$out.list" 2>"$log.list"
	grep -q " $(echo "$id" | cut -c1-12)\$" "$out.list" || fail "list: $(cat "$out.list")" || return 1
	"$TWSNOOP" list --json -r ":$port" >"$out.list" 2>"$log.list"
	grep -q "\"container\":{\"id\":\"$id\"" "$out.list" || fail "list: $(cat "$out.list")"
}

# One that has a connection open: who holds each end, in which container.
oci_held()
{
	next_id && next_port
	mkfifo "$dir/rootfs/$id" || return 1
	bundle "$id" "/$group/$id" own /bin/end hold "$port" "/$id"
	run_oci run -d -b "$dir/$id" "$id" || fail_oci || return 1
	until_true "$DEADLINE_S" holds_both "$id"
	result=$?
	if [ $result = 0 ]; then
		"$TWSNOOP" list --states --by container >"$out" 2>"$log"
		grep -q "^$(echo "$id" | cut -c1-12) *3 *2 " "$out" || fail "--by: $(cat "$out")"
		result=$?
	else
		fail "--all: $(cat "$out")"
	fi
	run_oci delete -f "$id"
	rm -f "$dir/rootfs/$id"
	return $result
}

# Both ends, and who listens.
holds_both()
{
	"$TWSNOOP" list --all --json -C "$(echo "$1" | cut -c1-20)" >"$out" 2>"$log"
	[ "$(grep -c '"evidence":"holds"' "$out")" = 3 ] &&
		[ "$(grep -c '"state":"established"' "$out")" = 2 ]
}

forget_ledger()
{
	"$TWSNOOP" detach --bpffs "$dir/bpf" >"$log" 2>&1 && umount "$dir/bpf"
}

# One after the other: none is known any more when it is printed.
oci_row()
{
	trace --json || return 1
	ids=''
	for _ in $(seq "$ROW"); do
		next_id
		ids="$ids $id"
		run_once "$id" own /bin/end pair 7000 || return 1
	done
	for id in $ids; do
		sees 1 "\"container\":{\"id\":\"$id\"" || return 1
	done
}

oci_exec()
{
	next_id && next_port
	bundle "$id" "/$group/$id" own /bin/busybox sleep 1000
	run_oci run -d -b "$dir/$id" "$id" || fail_oci || return 1
	# It was there before.
	trace --json || return 1
	run_oci exec "$id" /bin/end pair "$port" || fail_oci
	sees 1 "\"container\":{\"id\":\"$id\""
	result=$?
	run_oci delete -f "$id"
	return $result
}

# Two that talk to each other over the host's network; each closes one
# connection, the server its first, the client its second.
oci_pair()
{
	next_port && next_id
	server=$id
	next_id
	client=$id
	trace --json || return 1
	run_once "$server" host /bin/end serve "$port" first &
	pid=$!
	run_once "$client" host /bin/end meet "$port" first || return 1
	wait $pid || return 1
	sees 1 "\"container\":{\"id\":\"$server\"" || return 1
	sees 1 "\"container\":{\"id\":\"$client\"" || return 1
	grep "\"id\":\"$server\"" "$out" | grep -q '"side":"server"' ||
		fail "the server's container is not with the server's end" || return 1
	grep "\"id\":\"$client\"" "$out" | grep -q '"side":"client"' ||
		fail "the client's container is not with the client's end" || return 1
	sees 2 "$(netns_here)"
}

# A container where a user's Podman makes its own, below that user's systemd; and
# one of theirs that is called like another's, which is then nobody's.
oci_rootless()
{
	next_id && next_port
	manager=/twsnooptest$$.slice/user-64001.slice/user@64001.service/user.slice
	trace --json || return 1
	bundle "$id" "$manager/libpod-$id.scope/container" own /bin/end pair "$port"
	run_oci run -b "$dir/$id" "$id" || fail_oci || return 1
	sees 1 "\"container\":{\"id\":\"$id\",\"runtime\":\"podman\"}" || return 1
	next_id
	mkdir -p "$CGROUPS/$group/docker/$id"
	bundle "$id" "$manager/libpod-$id.scope/container" own /bin/end pair "$port"
	run_oci run -b "$dir/$id" "$id" || fail_oci || return 1
	sees 1 "/libpod-$id.scope/container\"" || return 1
	[ "$(count "\"container\":{\"id\":\"$id\"")" = 0 ] ||
		fail "a user's cgroup passes for a system's container" || return 1
	remove_cgroup "$group"
	remove_cgroup "twsnooptest$$.slice"
}

# ---- cgroups without a container ----

says_open()
{
	[ -s "$dir/held" ]
}

# close_in CGROUP: a process opens its connection elsewhere and closes it there
close_in()
{
	mkdir -p "$CGROUPS/$1" || fail "cannot make the cgroup" || return 1
	rm -f "$dir/held" "$dir/fifo"
	mkfifo "$dir/fifo"
	next_port
	"$dir/rootfs/bin/end" hold "$port" "$dir/fifo" >"$dir/held" &
	pid=$!
	until_true "$DEADLINE_S" says_open || fail "nothing was opened" || return 1
	echo $pid >"$CGROUPS/$1/cgroup.procs" || fail "cannot move" || return 1
	: >"$dir/fifo"
	wait $pid
	rmdir "$CGROUPS/$1"
}

case_moved()
{
	next_id
	trace --json --netns "$(netns_here)" || return 1
	close_in "$group/$id" || return 1
	sees 1 "\"container\":{\"id\":\"$id\"" && sees 1 "\"port\":$port}"
}

case_hostile()
{
	next_id
	trace --json || return 1
	close_in "$group/$(printf '\033[31m"<\\x41\377')" || return 1
	sees 1 "\"path\":\"/$group/\\u001b[31m\\\"<\\\\x5cx41\\\\xff\"" || return 1
	! grep -q "$(printf '\033')" "$out" || fail "a raw escape" || return 1
	stop
	# And with an id in it, which does not make it a container's.
	trace --netns "$(netns_here)" || return 1
	close_in "$group/docker-$id.scope$(printf '\033')" || return 1
	sees 1 ":$port " || return 1
	! grep -q -e "$id" -e "$(printf '\033')" "$out" || fail "a name that fits no runtime"
}

# Made and removed as fast as can be: the next one gets the memory of the last.
case_reused()
{
	trace --json || return 1
	mkdir -p "$CGROUPS/$group"
	for i in $(seq "$ROW"); do
		mkdir "$CGROUPS/$group/row-$i" || fail "cannot make the cgroup" || return 1
		# shellcheck disable=SC2016
		sh -c 'echo 0 >"$1" && shift && exec "$@"' sh \
			"$CGROUPS/$group/row-$i/cgroup.procs" "$dir/rootfs/bin/end" pair 7000 ||
			fail "cannot close in it" || return 1
		until_true "$DEADLINE_S" rmdir "$CGROUPS/$group/row-$i" 2>/dev/null ||
			fail "cannot remove the cgroup" || return 1
	done
	for i in $(seq "$ROW"); do
		sees 1 "\"path\":\"/$group/row-$i\"" || return 1
	done
}

# ---- the filter ----

oci_by_prefix()
{
	next_id
	wanted=$id
	trace --json -C "$(echo "$wanted" | cut -c1-12)" || return 1
	next_id
	run_once "$id" own /bin/end pair 7000 || return 1
	run_once "$wanted" own /bin/end pair 7000 || return 1
	"$dir/rootfs/bin/end" pair 7000
	sees 1 "\"container\":{\"id\":\"$wanted\"" || return 1
	stop
	[ "$(wc -l <"$out")" = 1 ] || fail "others too"
}

oci_by_nobody()
{
	trace --json -C no-such-container -C 0123456789abcdef || return 1
	next_id
	run_once "$id" own /bin/end pair 7000 || return 1
	"$dir/rootfs/bin/end" pair 7000
	stop
	[ ! -s "$out" ] || fail "$(head -n 1 "$out")"
}

# Why $1 makes no containers here, or nothing. Tried once.
lacks_oci()
{
	[ -f "$dir/lacks-$1" ] || (
		oci=$1 id=$(printf %064d 0)
		if ! command -v "$oci" >/dev/null; then
			echo "$oci is not installed"
		elif ! run_once "$id" own /bin/busybox true; then
			tail -n 1 "$dir/oci.log"
		fi >"$dir/lacks-$oci"
	)
	cat "$dir/lacks-$1"
}

# The static program reads names from disk alone. It says so, and does not start.
case_static_socket()
{
	"$TWSNOOP" trace --runtime-socket /run/docker.sock >"$out" 2>"$log"
	[ $? = 2 ] || fail "not refused" || return 1
	[ "$(wc -l <"$log")" = 1 ] || fail "$(cat "$log")" || return 1
	grep -q -e '--runtime-socket: this build' "$log" || fail "$(cat "$log")"
}

clean_oci()
{
	! grep -q " $dir/bpf " /proc/mounts || forget_ledger
	for oci in runc crun; do
		for state in "$dir/$oci"/*/; do
			[ ! -d "$state" ] || run_oci delete -f "$(basename "$state")"
		done
	done
}
