#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# twsnoop with real containers: made by runc, and by a dockerd of our own. Each
# case knows which container closed what, and looks for it in the output.
# Runs in a network namespace of its own, which is "the host's" here.
set -u

PACKAGES="runc docker.io busybox-static iproute2 util-linux"
CASES="runc_brief runc_row runc_exec runc_pair moved hostile by_prefix by_nobody \
docker_brief docker_names docker_by_name docker_column docker_no_names"
DEADLINE_S=15
ROW=100

src=$(cd "$(dirname "$0")" && pwd)

case ${1:-} in
--packages)
	echo "$PACKAGES"
	exit
	;;
"" | -*)
	echo "usage: run.sh --packages | TWSNOOP [CASE]..." >&2
	exit 2
	;;
esac
TWSNOOP=$(realpath "$1")
shift
[ "$(id -u)" = 0 ] || {
	echo "run.sh: not root" >&2
	exit 1
}
if [ -z "${CONTAINERS_INSIDE:-}" ]; then
	CONTAINERS_INSIDE=1 exec unshare --net -- "$src/run.sh" "$TWSNOOP" "$@"
fi
ip link set lo up || exit 1
# Where the distribution has them; a user's PATH may lead elsewhere first.
PATH=/usr/sbin:/usr/bin:/sbin:/bin

dir=$(mktemp -d)
serial=0 passed=0 failed=0 skipped=0 port=7000
dockerd_pid='' tracer_pid='' had_docker=''
log=$dir/trace.log out=$dir/out why=$dir/why
group=twsnoop-test-$$

# ---- small things ----

fail()
{
	echo "$*" >"$why"
	return 1
}

# until_true SECONDS COMMAND...: false if it has not come true by then
until_true()
{
	left=$(($1 * 50))
	shift
	while ! "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.02
	done
}

next_port()
{
	port=$((port + 1))
}

# An id of 64 hex digits that no other has.
next_id()
{
	serial=$((serial + 1))
	id=$(printf '%s %s %s' $$ "$serial" "$dir" | sha256sum | cut -c1-64)
}

count()
{
	grep -acF -- "$1" "$out"
}

has_count()
{
	[ "$(count "$2")" -ge "$1" ]
}

# sees N TEXT: just so many lines with it
sees()
{
	until_true $DEADLINE_S has_count "$1" "$2"
	[ "$(count "$2")" = "$1" ] || fail "$(count "$2") lines, not $1, with $2"
}

says_tracing()
{
	grep -q '^twsnoop: tracing' "$log"
}

trace()
{
	: >"$out"
	"$TWSNOOP" trace "$@" >"$out" 2>"$log" &
	tracer_pid=$!
	until_true $DEADLINE_S says_tracing || fail "twsnoop: $(cat "$log")"
}

# All that it knows is out.
stop()
{
	[ -n "$tracer_pid" ] || return 0
	kill -INT "$tracer_pid" 2>/dev/null
	wait "$tracer_pid"
	tracer_pid=''
}

# ---- containers of runc ----

# bundle NAME ID NETWORK COMMAND...: NETWORK is own or host
bundle()
{
	mkdir -p "$dir/$1"
	where=$1 cgroup=/$group/$2 network='{"type":"network"},'
	[ "$3" = own ] || network=''
	shift 3
	args=$(printf '"%s",' "$@")
	cat >"$dir/$where/config.json" <<-EOF
	{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":[${args%,}],
	"env":["PATH=/bin"],"cwd":"/","noNewPrivileges":true},
	"root":{"path":"$dir/rootfs","readonly":true},
	"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
	"linux":{"cgroupsPath":"$cgroup","namespaces":[$network
	{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"}]}}
	EOF
}

run_runc()
{
	runc --root "$dir/runc" "$@" >>"$dir/runc.log" 2>&1 </dev/null
}

# run_once ID NETWORK COMMAND...: until it ends, and it is removed
run_once()
{
	bundle "$1" "$@"
	run_runc run -b "$dir/$1" "$1" || fail "runc: $(tail -n 1 "$dir/runc.log")"
}

case_runc_brief()
{
	next_id && next_port
	trace --json || return 1
	run_once "$id" own /bin/end pair $port || return 1
	[ ! -d "$CGROUPS/$group/$id" ] || fail "the cgroup is still there" || return 1
	sees 1 "\"container\":{\"id\":\"$id\"" || return 1
	sees 1 "\"path\":\"/$group/$id\"" || return 1
	[ "$(count "$(netns_here)")" = 0 ] || fail "not the container's network namespace"
}

# One after the other: none is known any more when it is printed.
case_runc_row()
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

case_runc_exec()
{
	next_id && next_port
	bundle "$id" "$id" own /bin/busybox sleep 1000
	run_runc run -d -b "$dir/$id" "$id" || fail "$(tail -n 1 "$dir/runc.log")" || return 1
	# It was there before.
	trace --json || return 1
	run_runc exec "$id" /bin/end pair $port || fail "$(tail -n 1 "$dir/runc.log")"
	sees 1 "\"container\":{\"id\":\"$id\""
	result=$?
	run_runc delete -f "$id"
	return $result
}

# Two that talk to each other over the host's network; each closes one
# connection, the server its first, the client its second.
case_runc_pair()
{
	next_port && next_id
	server=$id
	next_id
	client=$id
	trace --json || return 1
	run_once "$server" host /bin/end serve $port first &
	pid=$!
	run_once "$client" host /bin/end meet $port first || return 1
	wait $pid || return 1
	sees 1 "\"container\":{\"id\":\"$server\"" || return 1
	sees 1 "\"container\":{\"id\":\"$client\"" || return 1
	grep "\"id\":\"$server\"" "$out" | grep -q '"side":"server"' ||
		fail "the server's container is not with the server's end" || return 1
	grep "\"id\":\"$client\"" "$out" | grep -q '"side":"client"' ||
		fail "the client's container is not with the client's end" || return 1
	sees 2 "$(netns_here)"
}

# ---- cgroups without a container ----

netns_here()
{
	readlink /proc/self/ns/net | tr -dc 0-9
}

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
	"$dir/rootfs/bin/end" hold $port "$dir/fifo" >"$dir/held" &
	pid=$!
	until_true $DEADLINE_S says_open || fail "nothing was opened" || return 1
	echo $pid >"$CGROUPS/$1/cgroup.procs" || fail "cannot move" || return 1
	: >"$dir/fifo"
	wait $pid
	rmdir "$CGROUPS/$1"
}

case_moved()
{
	next_id
	trace --json || return 1
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

# ---- the filter ----

case_by_prefix()
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

case_by_nobody()
{
	trace --json -C no-such-container -C 0123456789abcdef || return 1
	next_id
	run_once "$id" own /bin/end pair 7000 || return 1
	"$dir/rootfs/bin/end" pair 7000
	stop
	[ ! -s "$out" ] || fail "$(head -n 1 "$out")"
}

# ---- containers of Docker ----

docker_here()
{
	docker -H "unix://$dir/docker.sock" "$@" 2>>"$dir/docker.log"
}

docker_answers()
{
	docker_here version >/dev/null
}

# Its containerd gets its socket into the exec root.
start_docker()
{
	[ -z "$dockerd_pid" ] || return 0
	[ ! -d "$CGROUPS/docker" ] || had_docker=1
	dockerd --storage-driver=vfs --iptables=false --bridge=none --data-root "$dir/data" \
		--exec-root "$dir/exec" -H "unix://$dir/docker.sock" \
		--pidfile "$dir/dockerd.pid" >"$dir/dockerd.log" 2>&1 &
	dockerd_pid=$!
	until_true 30 docker_answers || return 1
	tar -C "$dir/rootfs" -c . | docker_here import - twsnoop:test >/dev/null
}

# docker_once NAME COMMAND...: until it ends, and it is removed; sets id
docker_once()
{
	rm -f "$dir/cid"
	name=$1
	shift
	docker_here run --rm --name "$name" --cidfile "$dir/cid" --network none twsnoop:test "$@" ||
		fail "docker: $(tail -n 1 "$dir/docker.log")" || return 1
	id=$(cat "$dir/cid")
}

# docker_stays NAME: sets id
docker_stays()
{
	id=$(docker_here run -d --name "$1" --network none twsnoop:test /bin/busybox sleep 1000) ||
		fail "docker: $(tail -n 1 "$dir/docker.log")"
}

remove()
{
	docker_here rm -f "$@" >/dev/null
}

case_docker_brief()
{
	trace --json --runtime-socket "$dir/docker.sock" || return 1
	docker_once brief /bin/end pair 7000 || return 1
	sees 1 "\"container\":{\"id\":\"$id\"" && sees 1 '"runtime":"docker"' &&
		sees 1 "\"path\":\"/docker/$id\""
}

# events_named: closes until the name has come, for it is asked for meanwhile
close_until_named()
{
	docker_here exec "$1" /bin/end pair 7000 && grep -aqF "$2" "$out"
}

case_docker_names()
{
	docker_stays web-1 || return 1
	trace --json --runtime-socket "$dir/docker.sock" || return 1
	until_true 3 close_until_named web-1 \
		"\"container\":{\"id\":\"$id\",\"name\":\"web-1\",\"runtime\":\"docker\",\"image\":{\"name\":\"twsnoop:test\"}}" ||
		fail "$(tail -n 1 "$out")"
	result=$?
	remove web-1
	return $result
}

case_docker_by_name()
{
	docker_stays here || return 1
	here=$id
	docker_stays other || return 1
	trace --json --runtime-socket "$dir/docker.sock" -C here -C later || return 1
	docker_here exec other /bin/end pair 7000
	docker_here exec here /bin/end pair 7000
	sees 1 "\"id\":\"$here\",\"name\":\"here\"" || return 1
	docker_stays later || return 1
	docker_here exec other /bin/end pair 7000
	docker_here exec later /bin/end pair 7000
	sees 1 "\"id\":\"$id\",\"name\":\"later\"" || return 1
	docker_here rm -f later >/dev/null
	# And one that is over before its name has been asked for.
	docker_here run --name later --network none twsnoop:test /bin/end pair 7000
	sees 2 '"name":"later"' || return 1
	remove here other later
	stop
	[ "$(wc -l <"$out")" = 3 ] || fail "others too"
}

case_docker_column()
{
	trace || return 1
	! grep -q CONTAINER "$out" || fail "the column, and no container" || return 1
	docker_stays column || return 1
	docker_here exec column /bin/end pair 7000
	sees 1 " $(echo "$id" | cut -c1-12)" && sees 1 " CONTAINER"
	result=$?
	remove column
	return $result
}

case_docker_no_names()
{
	docker_stays quiet || return 1
	trace --json --no-names --runtime-socket "$dir/docker.sock" || return 1
	docker_here exec quiet /bin/end pair 7000
	docker_here exec quiet /bin/end pair 7001
	sees 2 "\"container\":{\"id\":\"$id\",\"runtime\":\"docker\"}"
	result=$?
	remove quiet
	return $result
}

# ---- the run ----

clean_up()
{
	trap '' INT TERM HUP
	stop
	for state in "$dir"/runc/*/; do
		[ ! -d "$state" ] || run_runc delete -f "$(basename "$state")"
	done
	if [ -n "$dockerd_pid" ]; then
		# shellcheck disable=SC2046
		[ ! -S "$dir/docker.sock" ] || remove $(docker_here ps -aq) 2>/dev/null
		kill "$dockerd_pid" 2>/dev/null
		wait "$dockerd_pid"
		[ -n "$had_docker" ] || rmdir /sys/fs/cgroup/docker /sys/fs/cgroup/*/docker 2>/dev/null
	fi
	rmdir /sys/fs/cgroup/"$group" /sys/fs/cgroup/*/"$group" 2>/dev/null
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# The hierarchy by which twsnoop tells containers apart.
find_hierarchy()
{
	"$TWSNOOP" check --json >"$dir/check.json" 2>/dev/null
	CGROUPS=$(sed -n 's/.*"v1_path":"\([^"]\{1,\}\)".*/\1/p' "$dir/check.json")
	[ -n "$CGROUPS" ] ||
		CGROUPS=$(sed -n 's/.*"v2_path":"\([^"]\{1,\}\)".*/\1/p' "$dir/check.json")
	[ -n "$CGROUPS" ]
}

prepare()
{
	mkdir -p "$dir/rootfs/bin" "$dir/rootfs/proc" "$dir/rootfs/dev" &&
		${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static \
			-o "$dir/rootfs/bin/end" "$src/end.c" &&
		cp "$(command -v busybox)" "$dir/rootfs/bin/busybox" && find_hierarchy
}

# What a case needs and this machine cannot have: a reason, or nothing.
lacks()
{
	case $1 in
	runc_* | by_*)
		command -v runc >/dev/null || echo "runc is not installed"
		;;
	docker_*)
		command -v dockerd >/dev/null || echo "dockerd is not installed"
		;;
	esac
}

again()
{
	echo "once more: $1: $(cat "$why")"
	stop
	: >"$why"
	"case_$1"
}

run_case()
{
	reason=$(lacks "$1")
	case $1 in
	docker_*)
		[ -n "$reason" ] || start_docker ||
			reason="dockerd does not run here: $(tail -n 1 "$dir/dockerd.log")"
		;;
	esac
	if [ -n "$reason" ]; then
		echo "skip $1: $reason"
		skipped=$((skipped + 1))
		return
	fi
	: >"$why"
	# The kernel itself keeps a transition from all tracers now and then, and the
	# namespace is gone before a snapshot: once more, and say so.
	if "case_$1" || again "$1"; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "FAIL $1: $(cat "$why")"
		stop
		sed 's/^/  /' "$log"
		failed=$((failed + 1))
	fi
	stop
}

prepare || {
	echo "run.sh: cannot prepare" >&2
	exit 1
}
# shellcheck disable=SC2048
for case in ${*:-$CASES}; do
	run_case "$case"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
