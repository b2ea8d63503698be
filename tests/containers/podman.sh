# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Containers of Podman, with storage of its own. Part of run.sh.

podman_ready='' had_podman='' podman_api=''
PODMAN_IMAGE=twsnoop.test/image:1

exec_podman()
{
	CONTAINERS_CONF=/dev/null # not this machine's
	export CONTAINERS_CONF
	exec podman --root "$dir/storage" --runroot "$dir/storage-run" \
		--tmpdir "$dir/podman" --cgroup-manager=cgroupfs --storage-driver=vfs \
		--events-backend=file --runtime "$podman_runtime" "$@" 2>>"$dir/podman.log"
}

podman_here()
{
	(exec_podman "$@")
}

# Limits that a process without CAP_SYS_RESOURCE may set.
podman_run()
{
	podman_here run --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network none "$@"
}

start_podman()
{
	[ -z "$podman_ready" ] || return 0
	[ ! -d "$CGROUPS/libpod_parent" ] || had_podman=1
	podman_ready=1
	# crun refuses a hybrid of cgroup v1 and v2
	podman_runtime=runc
	[ -n "$(lacks_oci crun)" ] || podman_runtime=crun
	make_image $PODMAN_IMAGE && podman_here load -q -i "$dir/image.tar" >/dev/null &&
		podman_run --rm $PODMAN_IMAGE /bin/busybox true
}

fail_podman()
{
	fail "podman: $(tail -n 1 "$dir/podman.log")"
}

# podman_stays NAME [OPTION]...: sets id
podman_stays()
{
	name=$1
	shift
	id=$(podman_run -d --name "$name" "$@" $PODMAN_IMAGE /bin/busybox sleep 1000) || fail_podman
}

podman_remove()
{
	podman_here rm -f -t 0 "$@" >/dev/null
}

case_podman_brief()
{
	rm -f "$dir/cid"
	trace --json || return 1
	podman_run --rm --cidfile "$dir/cid" $PODMAN_IMAGE /bin/end pair 7000 || fail_podman ||
		return 1
	id=$(cat "$dir/cid")
	sees 1 "\"container\":{\"id\":\"$id\"" && sees 1 '"runtime":"podman"' &&
		sees 1 "\"path\":\"/libpod_parent/libpod-$id\""
}

# Closes until the name has come.
podman_names_it()
{
	podman_here exec "$1" /bin/end pair 7000 && grep -qF "\"container\":{\"id\":\"$id\",\
\"name\":\"$1\",\"runtime\":\"podman\",\"image\":{\"name\":\"$PODMAN_IMAGE\"}}" "$out"
}

judge_podman_names()
{
	until_true "$DEADLINE_S" podman_names_it "$1" || fail "$(tail -n 1 "$out")"
}

# From its list on disk.
case_podman_disk()
{
	podman_stays web-1 || return 1
	in_place=$dir/storage:/var/lib/containers/storage
	trace --json && judge_podman_names web-1
	result=$?
	in_place=''
	podman_remove web-1
	return $result
}

# Over its API, where the disk tells nothing.
case_podman_api()
{
	podman_stays web-2 || return 1
	(exec_podman system service --time 0 "unix://$dir/podman.sock") &
	podman_api=$!
	until_true "$DEADLINE_S" test -S "$dir/podman.sock" || fail_podman || return 1
	trace --json --runtime-socket "$dir/podman.sock" && judge_podman_names web-2
	result=$?
	kill $podman_api
	wait $podman_api
	podman_api=''
	podman_remove web-2
	return $result
}

case_podman_by_name()
{
	podman_stays here && podman_stays other || return 1
	in_place=$dir/storage:/var/lib/containers/storage
	trace --json -C here -C later || return 1
	in_place=''
	podman_here exec other /bin/end pair 7000
	podman_here exec here /bin/end pair 7000
	podman_run --rm --name later $PODMAN_IMAGE /bin/end pair 7000
	sees 1 '"name":"here"' && sees 1 '"name":"later"'
	result=$?
	podman_remove here other
	stop
	[ $result != 0 ] || [ "$(wc -l <"$out")" = 2 ] || fail "others too"
}

# --cgroups=split, as quadlet uses it: below the unit's own cgroup, in which the
# caller must be.
case_podman_split()
{
	for tree in "$CGROUPS" /sys/fs/cgroup/*/; do
		unit=$tree/$group/web.service
		[ -f "$tree/cgroup.procs" ] || continue
		mkdir -p "$unit"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -f "$tree/$file" ] || for to in "$tree/$group" "$unit"; do
				cat "$tree/$file" >"$to/$file"
			done
		done
	done
	trace --json || return 1
	rm -f "$dir/cid"
	(
		pid=$(sh -c 'echo $PPID')
		for tree in "$CGROUPS" /sys/fs/cgroup/*/; do
			[ ! -d "$tree/$group/web.service" ] ||
				echo "$pid" >"$tree/$group/web.service/cgroup.procs"
		done
		podman_run --rm --cgroups=split --cidfile "$dir/cid" $PODMAN_IMAGE \
			/bin/end pair 7000
	) || fail_podman || return 1
	id=$(cat "$dir/cid")
	sees 1 "\"container\":{\"id\":\"$id\"" && sees 1 '"runtime":"podman"' &&
		sees 1 "\"path\":\"/$group/web.service/libpod-payload-$id\""
}

clean_podman()
{
	[ -n "$podman_ready" ] || return 0
	[ -z "$podman_api" ] || kill "$podman_api" 2>/dev/null
	podman_here rm -a -f -t 0 >/dev/null
	[ -n "$had_podman" ] || remove_cgroup libpod_parent
}
