# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Containers of a containerd of our own: plain ones made by ctr, and Kubernetes' pods,
# made through CRI as kubelet does. Part of run.sh.

IMAGE=twsnoop.test/image:1
POD_UID=2c48913c-b29f-11e7-9350-020968147796
containerd_pid='' had_default=''

ctr_here()
{
	ctr --address "$dir/containerd.sock" "$@" 2>>"$dir/ctr.log"
}

cri()
{
	"$src/cri.py" "$dir/containerd.sock" "$@" 2>>"$dir/cri.log"
}

containerd_answers()
{
	ctr_here version >/dev/null && ctr_here plugins ls | grep -q ' cri  *.* ok'
}

# The state is where containerd has it by default, below $dir: the names on disk are
# found there in a mount namespace in which $dir is in its place.
start_containerd()
{
	[ -z "$containerd_pid" ] || return 0
	cat >"$dir/containerd.toml" <<-END
	version = 2
	root = "$dir/containerd"
	state = "$dir/containerd-state"
	disabled_plugins = ["io.containerd.snapshotter.v1.aufs",
		"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
		"io.containerd.snapshotter.v1.zfs"]
	[grpc]
	address = "$dir/containerd.sock"
	[plugins."io.containerd.internal.v1.opt"]
	path = "$dir/containerd-opt"
	[plugins."io.containerd.grpc.v1.cri"]
	sandbox_image = "$IMAGE"
	disable_apparmor = true
	restrict_oom_score_adj = true
	[plugins."io.containerd.grpc.v1.cri".containerd]
	snapshotter = "native"
	END
	containerd --config "$dir/containerd.toml" >"$dir/containerd.log" 2>&1 &
	containerd_pid=$!
	until_true 30 containerd_answers && make_image "$IMAGE" || return 1
	for namespace in default k8s.io; do
		ctr_here -n $namespace images import --snapshotter native "$dir/image.tar" \
			>/dev/null || return 1
	done
}

# Where containerd itself puts it: the parent is its namespace.
case_containerd_ctr()
{
	next_id && next_port
	[ ! -d "$CGROUPS/default" ] || had_default=1
	trace --json || return 1
	ctr_here run --rm --snapshotter native --net-host $IMAGE "$id" /bin/end pair "$port" \
		</dev/null || fail "ctr: $(tail -n 1 "$dir/ctr.log")" || return 1
	sees 1 "\"container\":{\"id\":\"$id\",\"runtime\":\"containerd\"}" &&
		sees 1 "\"path\":\"/default/$id\""
}

# ctr_named NAMES: closes until they have come
ctr_named()
{
	serial=$((serial + 1))
	ctr_here task exec --exec-id "x$serial" "$id" /bin/end pair 7000 </dev/null
	grep -qF "\"container\":{\"id\":\"$id\",$1}" "$out"
}

# Its image, and the name that nerdctl would give it, which is a label.
case_containerd_names()
{
	next_id
	ctr_here run --detach --snapshotter native --net-host --label nerdctl/name=web $IMAGE \
		"$id" /bin/busybox sleep 1000 </dev/null ||
		fail "ctr: $(tail -n 1 "$dir/ctr.log")" || return 1
	trace --json --runtime-socket "$dir/containerd.sock" || return 1
	until_true "$DEADLINE_S" ctr_named \
		"\"name\":\"web\",\"runtime\":\"containerd\",\"image\":{\"name\":\"$IMAGE\"}" ||
		fail "$(tail -n 1 "$out")"
	result=$?
	ctr_here tasks rm -f "$id" >/dev/null
	ctr_here containers rm "$id" >/dev/null
	return $result
}

# make_pod NAME CONTAINER COMMAND...: sets sandbox and id
make_pod()
{
	name=$1 container=$2
	shift 2
	made=$(cri pod "shop/$name" $POD_UID "/$group/kubepods/burstable/pod$POD_UID" $IMAGE \
		"$container" "$@") || fail "cri: $(tail -n 3 "$dir/cri.log")" || return 1
	# shellcheck disable=SC2086
	set -- $made
	sandbox=$1 id=$2
}

in_container()
{
	serial=$((serial + 1))
	exec_in=$1
	shift
	ctr_here -n k8s.io task exec --exec-id "x$serial" "$exec_in" "$@" </dev/null
}

pod_json()
{
	echo "\"k8s\":{\"pod\":{\"name\":\"$1\",\"uid\":\"$POD_UID\"},\"namespace\":{\"name\":\"shop\"}"
}

# close_in_pod ID TEXT: until the names have come, for they are asked for meanwhile
close_in_pod()
{
	in_container "$1" /bin/end pair 7000 && grep -qF -- "$2" "$out"
}

# judge_pod_names: the container's, and the pause container's
judge_pod_names()
{
	until_true "$DEADLINE_S" close_in_pod "$id" "\"container\":{\"id\":\"$id\",\"name\":\"app\",\
\"image\":{\"name\":\"$IMAGE\"}}" || fail "$(tail -n 1 "$out")" || return 1
	grep -qF "$(pod_json web-0),\"container\":{\"name\":\"app\"}}" "$out" ||
		fail "$(tail -n 1 "$out")" || return 1
	until_true "$DEADLINE_S" close_in_pod "$sandbox" "$(pod_json web-0)}" ||
		fail "$(tail -n 1 "$out")" || return 1
	grep -qF "\"container\":{\"id\":\"$sandbox\"}" "$out" || fail "$(tail -n 1 "$out")"
}

# Over its socket.
case_containerd_cri()
{
	make_pod web-0 app /bin/busybox sleep 1000 || return 1
	trace --json --runtime-socket "$dir/containerd.sock" && judge_pod_names
	result=$?
	cri remove "$sandbox"
	return $result
}

# From its state on disk, and nobody is asked.
case_containerd_disk()
{
	make_pod web-0 app /bin/busybox sleep 1000 || return 1
	in_place=$dir/containerd-state:/run/containerd
	trace --json && judge_pod_names
	result=$?
	in_place=''
	cri remove "$sandbox"
	return $result
}

# By the pod's name, and by the names of its containers, those before and after the start.
case_containerd_by_pod()
{
	make_pod web-0 app /bin/busybox sleep 1000 || return 1
	web=$id web_sandbox=$sandbox
	make_pod db-0 app /bin/busybox sleep 1000 || return 1
	db=$id db_sandbox=$sandbox
	trace -o csv --runtime-socket "$dir/containerd.sock" -C shop/web-0 -C job-0 -C other/db-0 -C sidecar ||
		return 1
	in_container "$db" /bin/end pair 7000
	in_container "$web" /bin/end pair 7000
	make_pod job-0 app /bin/end pair 7000
	job=$id job_sandbox=$sandbox
	make_pod log-0 sidecar /bin/end pair 7000
	log_sandbox=$sandbox
	sees 1 "$web" && sees 1 "$job" && sees 1 ",log-0," && sees 0 "$db"
	result=$?
	stop
	[ $result != 0 ] || [ "$(wc -l <"$out")" = 4 ] || fail "others too: $(cat "$out")"
	result=$((result + $?))
	for sandbox in $web_sandbox $db_sandbox $job_sandbox $log_sandbox; do
		cri remove "$sandbox"
	done
	return $result
}

clean_containerd()
{
	[ -n "$containerd_pid" ] || return 0
	for namespace in default k8s.io; do
		for task in $(ctr_here -n $namespace tasks ls -q); do
			ctr_here -n $namespace tasks rm -f "$task" >/dev/null
		done
	done
	kill "$containerd_pid" 2>/dev/null
	wait "$containerd_pid"
	[ -n "$had_default" ] || remove_cgroup default
	# Where its shims and ctr put what no option moves; only what is empty goes.
	[ ! -d /run/containerd ] || find /run/containerd -depth -type d -exec rmdir {} \; 2>/dev/null
}
