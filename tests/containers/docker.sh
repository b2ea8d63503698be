# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Containers of a dockerd of our own. Part of run.sh.

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
	docker_here exec "$1" /bin/end pair 7000 && grep -qF "$2" "$out"
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

# none_here: no container on the whole host, of whomever; one that was removed may still be on its way
none_here()
{
	! find "$CGROUPS" -type d 2>/dev/null |
		grep -qE '[0-9a-f]{64}|/lxc[./]|/machine-[^/]*\.scope|/systemd-nspawn@'
}

# Another's container brings the column, too: beside one that stays it is not judged that there is none before.
case_docker_column()
{
	alone=''
	! until_true "$DEADLINE_S" none_here || alone=1
	trace || return 1
	until_true "$DEADLINE_S" has_count 1 PROCESS || fail "no heading" || return 1
	[ -z "$alone" ] || ! grep -q CONTAINER "$out" || ! none_here ||
		fail "the column, and no container" || return 1
	docker_stays column || return 1
	{ docker_here exec column /bin/end pair 7000 || fail "docker: $(tail -n 1 "$dir/docker.log")"; } &&
		sees 1 " $(echo "$id" | cut -c1-12)" && sees 1 " CONTAINER"
	result=$?
	remove column
	return $result
}

# What was before has names from its first line on: there are none that it could have waited for in passing.
case_docker_past()
{
	mkdir -p "$dir/bpf" && mount -t bpf bpf "$dir/bpf" || fail "no bpffs" || return 1
	"$TWSNOOP" attach --bpffs "$dir/bpf" >"$log" 2>&1 || fail "$(cat "$log")" || return 1
	docker_stays past && docker_here exec past /bin/end pair 7000 && docker_here exec past /bin/end pair 7001
	"$TWSNOOP" trace --since 1m -d 0 --json --bpffs "$dir/bpf" --runtime-socket "$dir/docker.sock" \
		>"$out" 2>"$log"
	sees 2 "\"container\":{\"id\":\"$id\",\"name\":\"past\""
	result=$?
	remove past
	forget_ledger || result=1
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

clean_docker()
{
	[ -n "$dockerd_pid" ] || return 0
	# shellcheck disable=SC2046
	[ ! -S "$dir/docker.sock" ] || remove $(docker_here ps -aq) 2>/dev/null
	kill "$dockerd_pid" 2>/dev/null
	wait "$dockerd_pid"
	[ -n "$had_docker" ] || remove_cgroup docker
}
