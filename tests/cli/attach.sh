# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop attach and detach, in a bpffs of their own: $bpffs.

stdout_is_one_line()
{
	[ "$(lines "$out")" = 1 ] || echo "$(lines "$out") lines on stdout, not 1. "
	grep -q -e "$1" "$out" || echo "stdout does not say '$1'. "
	[ ! -s "$err" ] || echo "something on stderr. "
}

# The state of the ledger below $bpffs, as check tells it.
ledger_is()
{
	"$tool" limit "$twsnoop" check --json --bpffs "$bpffs" >"$dir/check" 2>/dev/null
	grep -q "\"ledger\":{\"state\":\"$1\"" "$dir/check" || echo "check does not say $1. "
}

folders_are()
{
	names=$(cd "$bpffs" && echo twsnoop*)
	[ "$names" = "$1" ] || echo "$names is in bpffs, not $1. "
}

# attaches NAME ARGUMENT...: to $bpffs; its objects are listed in $dir/pinned
attaches()
{
	name=$1
	shift
	run "$twsnoop" attach --bpffs "$bpffs" --size 16384 "$@"
	judge "$name" "$(status_is 0; folders_are twsnoop
		stdout_is_one_line "^twsnoop: attached at 20.*last 16384 closes.* MiB"
		mode=$(stat -c %a "$bpffs/twsnoop")
		[ "$mode" = 700 ] || echo "others may look. ")"
	"$tool" bpf-pinned "$bpffs/twsnoop" >"$dir/pinned"
}

# detaches NAME WORDS: and nothing is left
detaches()
{
	run "$twsnoop" detach --bpffs "$bpffs"
	num=$("$tool" bpf-gone "$dir/pinned")
	judge "$1" "$(status_is 0; stdout_is_one_line "^twsnoop: $2"
		folders_are "twsnoop*"
		[ "$num" -ge 6 ] 2>/dev/null || echo "of its objects: $num. ")"
}

# not_attached NAME WORDS: nor detached, by the last run
not_attached()
{
	judge "$1" "$(status_is 1; one_line_on_stderr; stdout_is_empty; stderr_says "$2")"
}

test_attach()
{
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach without a bpffs" "mount -t bpf bpf $bpffs"
	run "$twsnoop" detach --bpffs "$bpffs"
	not_attached "detach without a bpffs" "no bpffs is mounted"
	judge "check without a bpffs" "$(ledger_is no_bpffs)"
	"$tool" mount-bpffs "$bpffs" || return 1
	run "$twsnoop" detach --bpffs "$bpffs"
	judge "detach of nothing" "$(status_is 0; stdout_is_one_line "^twsnoop: nothing is attached$")"
	judge "check of nothing" "$(ledger_is none)"
	attaches "attach"
	"$tool" close 7
	run "$twsnoop" list --json --netns /proc/self/ns/net
	num=$(grep -c '"evidence":"seen"' "$out")
	judge "list knows who closed, without a running process" "$(status_is 0
		[ "$num" -ge 7 ] || echo "of $num sockets. ")"
	run "$twsnoop" check --bpffs "$bpffs"
	judge "check of a ledger" "$(status_is 0
		"$tool" plain "$out"
		grep -q "^  attached  *yes  *since 20.*, by twsnoop [0-9]" "$out" ||
			echo "not attached. "
		ledger_is attached
		num=$(sed -n 's/.*"ledger":.*"written":\([0-9]*\).*/\1/p' "$dir/check")
		[ "${num:-7}" -ge 7 ] || echo "$num closes. ")"
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach twice" "already attached since 20"
	judge "attach twice leaves the first" "$(folders_are twsnoop)"
	detaches "detach" "detached what was attached since 20"
	run "$twsnoop" detach --bpffs "$bpffs"
	judge "detach twice" "$(status_is 0; stdout_is_one_line "^twsnoop: nothing is attached$")"
}

# As if attach had been killed before its last step, or detach after its first.
test_interrupted()
{
	attaches "attach, to be interrupted"
	mv "$bpffs/twsnoop" "$bpffs/twsnoop-new"
	judge "check of an interrupted attach" "$(ledger_is interrupted)"
	detaches "detach of an interrupted attach" "removed what an interrupted attach"
	attaches "attach again, to be interrupted"
	mv "$bpffs/twsnoop" "$bpffs/twsnoop-new"
	mv "$dir/pinned" "$dir/first"
	attaches "attach after an interrupted attach"
	num=$("$tool" bpf-gone "$dir/first")
	judge "nothing is left of the first" "$([ "$num" -ge 6 ] 2>/dev/null || echo "$num")"
	mv "$bpffs/twsnoop" "$bpffs/twsnoop-old"
	judge "check of an interrupted detach" "$(ledger_is interrupted)"
	detaches "detach of an interrupted detach" "removed what an interrupted attach"
	for _ in 1 2 3; do
		"$twsnoop" attach --bpffs "$bpffs" >"$out" 2>"$err" </dev/null &
		pid=$!
		while [ ! -d "$bpffs/twsnoop-new" ] && [ ! -d "$bpffs/twsnoop" ] &&
			kill -0 "$pid" 2>/dev/null; do :; done
		stop KILL 2>/dev/null
		run "$twsnoop" detach --bpffs "$bpffs"
		judge "detach after a killed attach" "$(status_is 0; folders_are "twsnoop*")"
	done
}

test_other_ledgers()
{
	attaches "attach, to be of another layout"
	"$tool" bpf-layout "$bpffs/twsnoop/tws_meta" 99
	judge "check of another layout" "$(ledger_is other_layout)"
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach beside another layout" "another layout: 'twsnoop detach'"
	detaches "detach of another layout" "detached what was attached since 20"
	run "$twsnoop" attach --bpffs "$bpffs" --ring-size 1
	judge "attach with the smallest ring" "$(status_is 0; stdout_is_one_line "last 16384 closes")"
	run "$twsnoop" detach --bpffs "$bpffs"
	mkdir -m 700 "$bpffs/twsnoop"
	run "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach beside half a recorder" "no whole recorder: 'twsnoop detach'"
	run "$twsnoop" detach --bpffs "$bpffs"
	judge "detach of half a recorder" "$(status_is 0; stdout_is_one_line "^twsnoop: removed what"
		folders_are "twsnoop*")"
	for name in twsnoop twsnoop-new twsnoop-old; do
		mkdir "$bpffs/$name"
		chmod 777 "$bpffs/$name"
		[ $name = twsnoop-old ] || judge "check of everyone's $name" "$(ledger_is untrusted)"
		run "$twsnoop" attach --bpffs "$bpffs"
		not_attached "attach beside everyone's $name" "not root's alone"
		run "$twsnoop" detach --bpffs "$bpffs"
		not_attached "detach of everyone's $name" "not root's alone"
		chmod 700 "$bpffs/$name"
		chown 65534 "$bpffs/$name"
		run "$twsnoop" detach --bpffs "$bpffs"
		not_attached "detach of another user's $name" "not root's alone"
		rmdir "$bpffs/$name"
		ln -s /etc "$bpffs/$name"
		run "$twsnoop" detach --bpffs "$bpffs"
		not_attached "detach of a link $name" "not root's alone"
		rm "$bpffs/$name"
	done
}

test_attach_refused()
{
	find_enough
	run "$tool" drop 65534 none "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach without privilege" "CAP_BPF"
	run "$tool" drop 0 none "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach by root without capabilities" "CAP_BPF"
	run "$tool" drop 65534 $enough "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach by another user" "run as root"
	run "$tool" hide-btf missing "$twsnoop" attach --bpffs "$bpffs"
	not_attached "attach without BTF" "/sys/kernel/btf/vmlinux"
	attaches "attach, for others"
	run "$tool" drop 65534 none "$twsnoop" detach --bpffs "$bpffs"
	not_attached "detach by another user" "run as root"
	run "$tool" drop 65534 bpf,perfmon "$twsnoop" check --json --bpffs "$bpffs"
	judge "check by another user" "$(
		grep -q '"ledger":{"state":"unknown"' "$out" || echo "not unknown. ")"
	judge "it is still there" "$(folders_are twsnoop)"
	detaches "detach again" "detached"
	"$tool" limit "$twsnoop" attach --bpffs "$bpffs" >/dev/full 2>"$err"
	rc=$?
	judge "attach to a full disk" "$(status_is 1; one_line_on_stderr; folders_are twsnoop)"
	"$tool" limit "$twsnoop" detach --bpffs "$bpffs" >/dev/full 2>"$err"
	rc=$?
	judge "detach to a full disk" "$(status_is 1; one_line_on_stderr; folders_are "twsnoop*")"
}

# pins_calls N BOOL: so many programs on system calls are pinned, and check says so
pins_calls()
{
	num=$(cd "$bpffs/twsnoop" && find . -name "link_tws_bind_*" -o -name "link_tws_connect_*" |
		wc -l)
	[ "$num" = "$1" ] || echo "$num programs on system calls, not $1. "
	"$tool" limit "$twsnoop" check --json --bpffs "$bpffs" >"$dir/check" 2>/dev/null
	grep -q "\"all\":true,\"syscalls\":$2" "$dir/check" || echo "check does not say $2. "
}

# What stays costs the host's system calls nothing, unless that is asked for.
test_attach_syscalls()
{
	run "$twsnoop" attach --bpffs "$bpffs" --syscalls
	judge "--syscalls without --all" "$(status_is 2; one_line_on_stderr
		stderr_says "only with --all")"
	attaches "attach --all" --all
	judge "attach --all leaves system calls alone" "$(pins_calls 0 false)"
	detaches "detach of attach --all" "detached"
	run "$twsnoop" attach --bpffs "$bpffs" --size 16384 --all --syscalls
	if [ "$rc" = 0 ]; then
		judge "attach --all --syscalls" "$(pins_calls 4 true)"
		"$tool" bpf-pinned "$bpffs/twsnoop" >"$dir/pinned"
		detaches "detach of attach --all --syscalls" "detached"
	else
		not_attached "attach --all --syscalls where that cannot stay" "with --syscalls"
		judge "nothing of it is left" "$(folders_are "twsnoop*")"
	fi
}

# On a bare machine attach mounts a bpffs at its usual place; the namespace takes it along.
test_attach_mounts()
{
	find_enough
	run "$tool" bare-sys "$tool" drop 0 "$enough" "$twsnoop" attach
	not_attached "attach may not mount a bpffs" "mount -t bpf bpf /sys/fs/bpf"
	run "$tool" bare-sys sh -c '
		"$0" detach || exit
		"$0" check --json >"$1/check"
		"$0" attach || exit
		grep " /sys/fs/bpf " /proc/self/mountinfo >"$1/mounted"
		stat -c %a /sys/fs/bpf >>"$1/mounted"
		"$0" attach
		"$0" detach' "$twsnoop" "$dir"
	judge "attach mounts a bpffs" "$(status_is 0
		grep -q " - bpf bpf " "$dir/mounted" || echo "there is none. "
		grep -q "700$" "$dir/mounted" || echo "others may look. "
		grep -q "^twsnoop: attached at" "$out" || echo "it is not attached. ")"
	judge "attach says so, once" "$(
		num=$(grep -c "^twsnoop: no bpffs was mounted: mounted one at /sys/fs/bpf$" "$err")
		[ "$num" = 1 ] || echo "$num lines about it. "
		stderr_says "already attached since 20"
		[ "$(lines "$err")" = 2 ] || echo "more on stderr. ")"
	judge "check and detach mount none" "$(
		grep -q '"ledger":{"state":"no_bpffs"' "$dir/check" || echo "check does. "
		grep -q "^twsnoop: nothing is attached$" "$out" || echo "detach does. ")"
}

# All of these, in their order.
test_ledgers()
{
	bpffs=$dir/bpffs
	mkdir "$bpffs"
	if ! test_attach; then
		fail "attach" "no bpffs can be mounted"
		return
	fi
	test_interrupted
	test_other_ledgers
	test_attach_refused
	test_attach_syscalls
	umount "$bpffs"
	test_attach_mounts
}
