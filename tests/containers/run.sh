#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# twsnoop with real containers: of runc and crun, and of a dockerd, a containerd and a
# Podman of our own. Each case knows which container closed what, and looks for it in the
# output. Runs in a network namespace of its own, which is "the host's" here.
# Environment: END, the static program end.c (else compiled); ROW, how many in a row
set -u

PACKAGES="runc crun docker.io containerd podman curl python3-minimal busybox-static \
iproute2 util-linux"
CASES="runc_brief runc_listed runc_traced runc_held runc_row runc_exec runc_pair runc_rootless crun_brief crun_listed crun_traced crun_held crun_row crun_exec \
crun_pair moved hostile reused runc_by_prefix runc_by_nobody \
docker_brief docker_names docker_by_name docker_column docker_past docker_no_names \
containerd_ctr containerd_names containerd_cri containerd_disk containerd_by_pod \
podman_brief podman_disk podman_api podman_by_name podman_split"
DEADLINE_S=${DEADLINE_S:-15}
ROW=${ROW:-100}

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
LC_ALL=C
export LC_ALL

dir=$(mktemp -d)
serial=0 passed=0 failed=0 skipped=0 port=7000
dockerd_pid='' tracer_pid='' had_docker='' in_place=''
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

netns_here()
{
	readlink /proc/self/ns/net | tr -dc 0-9
}

# remove_cgroup NAME: an empty tree below each hierarchy's root
remove_cgroup()
{
	for tree in "$CGROUPS/$1" /sys/fs/cgroup/*/"$1"; do
		[ ! -d "$tree" ] || find "$tree" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
}

# make_image NAME: $dir/rootfs as an archive of one layer, as docker save makes it
make_image()
{
	[ ! -f "$dir/image.tar" ] || return 0
	mkdir -p "$dir/image"
	tar -C "$dir/rootfs" -cf "$dir/image/layer.tar" . || return 1
	layer=$(sha256sum "$dir/image/layer.tar" | cut -c1-64)
	cat >"$dir/image/config.json" <<-END
	{"architecture":"$(dpkg --print-architecture)","os":"linux",
	"config":{"Cmd":["/bin/busybox","sleep","1000"]},
	"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
	END
	printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$1" \
		>"$dir/image/manifest.json"
	tar -C "$dir/image" -cf "$dir/image.tar" .
}

# ---- the output ----

count()
{
	grep -cF -- "$1" "$out"
}

has_count()
{
	[ "$(count "$2")" -ge "$1" ]
}

# sees N TEXT: just so many lines with it
sees()
{
	until_true "$DEADLINE_S" has_count "$1" "$2"
	[ "$(count "$2")" = "$1" ] ||
		fail "$(count "$2") lines, not $1, with $2; the last one: $(tail -n 1 "$out" | cut -c1-400)"
}

says_tracing()
{
	grep -q '^twsnoop: tracing' "$log"
}

# With $in_place, WHAT:WHERE, twsnoop sees the directory WHAT, below /var/lib or /run, as
# WHERE.
# shellcheck disable=SC2016
in_place()
{
	exec unshare --mount -- sh -c 'mount --bind "$1" "$3" && mount -t tmpfs none /run &&
		mount -t tmpfs none /var/lib && mkdir -p "$2" && mount --move "$3" "$2" &&
		shift 3 && exec "$@"' sh "${in_place%:*}" "${in_place#*:}" "$dir/bind" "$TWSNOOP" "$@"
}

trace()
{
	: >"$out" && : >"$log" # now: what the last one said is no answer
	if [ -n "$in_place" ]; then
		mkdir -p "$dir/bind"
		in_place trace "$@" >"$out" 2>"$log" &
	else
		"$TWSNOOP" trace "$@" >"$out" 2>"$log" &
	fi
	tracer_pid=$!
	# Loading the programs takes an emulated processor many seconds.
	until_true $((3 * DEADLINE_S)) says_tracing || fail "twsnoop: $(cat "$log")"
}

# All that it knows is out.
stop()
{
	[ -n "$tracer_pid" ] || return 0
	kill -INT "$tracer_pid" 2>/dev/null
	wait "$tracer_pid"
	tracer_pid=''
}

# ---- the runtimes ----

# shellcheck source=oci.sh
. "$src/oci.sh"
# shellcheck source=docker.sh
. "$src/docker.sh"
# shellcheck source=containerd.sh
. "$src/containerd.sh"
# shellcheck source=podman.sh
. "$src/podman.sh"

# ---- the run ----

clean_up()
{
	trap '' INT TERM HUP
	stop
	clean_oci
	clean_docker
	clean_containerd
	clean_podman
	remove_cgroup "$group"
	remove_cgroup "twsnooptest$$.slice"
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
	mkdir -p "$dir/rootfs/bin" "$dir/rootfs/proc" "$dir/rootfs/dev" "$dir/rootfs/tmp" &&
		if [ -n "${END:-}" ]; then
			cp "$END" "$dir/rootfs/bin/end"
		else
			${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static \
				-o "$dir/rootfs/bin/end" "$src/end.c"
		fi && cp "$(command -v busybox)" "$dir/rootfs/bin/busybox" && find_hierarchy
}

# What a case needs and this machine cannot have: a reason, or nothing.
lacks()
{
	case $1 in
	runc_*) lacks_oci runc ;;
	crun_*) lacks_oci crun ;;
	docker_*) command -v dockerd >/dev/null || echo "dockerd is not installed" ;;
	containerd_*)
		command -v containerd >/dev/null || echo "containerd is not installed"
		command -v curl >/dev/null || echo "curl is not installed"
		;;
	podman_*) command -v podman >/dev/null || echo "podman is not installed" ;;
	esac
}

# Not in a subshell: what is started is to be known.
start_for()
{
	case $1 in
	docker_*) start_docker || reason="dockerd does not run here: $(tail -n 1 "$dir/dockerd.log")" ;;
	containerd_*)
		start_containerd ||
			reason="containerd does not run here: $(tail -n 1 "$dir/containerd.log")"
		;;
	podman_*) start_podman || reason="podman does not run here: $(tail -n 1 "$dir/podman.log")" ;;
	esac
}

play()
{
	in_place=''
	case $1 in
	runc_* | crun_*)
		oci=${1%%_*}
		"oci_${1#*_}"
		;;
	*) "case_$1" ;;
	esac
}

# Whether the trace that was just stopped says that the kernel skipped a program: then what
# is missing is not twsnoop's to tell.
was_skipped()
{
	grep -q ' recursion=[1-9]' "$log"
}

# The kernel itself keeps a transition from all tracers now and then, and the namespace is
# gone before a snapshot: once more, and say so. Where programs can be preempted (7.x), and
# the processors are emulated, that is not rare: then three times, if the trace counted it.
play_until_seen()
{
	tries=1
	until play "$1"; do
		stop
		[ $tries = 1 ] || { [ $tries -lt 4 ] && was_skipped; } || return 1
		echo "once more: $1: $(cat "$why")"
		tries=$((tries + 1))
		: >"$why"
	done
}

run_case()
{
	reason=$(lacks "$1")
	[ -n "$reason" ] || start_for "$1"
	if [ -n "$reason" ]; then
		echo "skip $1: $reason"
		skipped=$((skipped + 1))
		return
	fi
	: >"$why"
	if play_until_seen "$1"; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "FAIL $1: $(cat "$why")"
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
