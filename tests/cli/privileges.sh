# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# What trace asks for in privileges, and what it keeps.

# refused NAME WORD: the last run said why, in one line
refused()
{
	judge "$1" "$(status_is 1; one_line_on_stderr; stdout_is_empty; stderr_says "$2")"
}

test_refused()
{
	run "$tool" drop 65534 none "$twsnoop" trace
	refused "no privilege" "CAP_BPF"
	run "$tool" drop 0 none "$twsnoop" trace
	refused "root without capabilities" "CAP_BPF"
	run "$tool" drop 65534 bpf "$twsnoop" trace
	refused "no CAP_PERFMON" "missing CAP_PERFMON: "
	run "$tool" drop 65534 perfmon "$twsnoop" trace --json
	refused "no CAP_BPF" "missing CAP_BPF: "
	for how in missing empty garbage; do
		run "$tool" hide-btf "$how" "$twsnoop" trace
		refused "BTF $how" "/sys/kernel/btf/vmlinux"
	done
	run "$tool" hide-btf missing "$twsnoop" trace
	judge "without BTF it is said that a file from elsewhere does not help" "$(stderr_says "from elsewhere")"
	run "$tool" hide-btf missing "$twsnoop" list --states
	judge "list --states needs no BTF" "$(status_is 0)"
	if unshare -Ur true 2>/dev/null; then
		run unshare -Ur "$twsnoop" trace
		refused "in a user namespace" "user namespace"
		run unshare -Ur "$twsnoop" list --netns 1
		judge "list in a user namespace says what helps" "$(status_is 0
			stderr_says "user namespace, .*run it there")"
	else
		skip "in a user namespace" "this system makes none"
	fi
}

# The effective capabilities of $pid, and whether it could get more.
status_of_pid()
{
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"
}

# traces NAME CAPS: what start began sees a close, and holds no more than CAPS (hex)
traces()
{
	"$tool" close 1
	"$tool" wait-line "$out" '{"timestamp"'
	permitted=$(status_of_pid CapPrm)
	effective=$(status_of_pid CapEff)
	no_new=$(status_of_pid NoNewPrivs)
	stop
	judge "$1" "$(status_is 0; accounts 1; delivered 1; json_lines 1)"
	judge "$1: keeps no more than it needs" "$(
		[ "$((0x${permitted:-1} & ~$2))" = 0 ] || echo "permitted $permitted. "
		[ "$permitted" = "$effective" ] || echo "effective $effective. "
		[ "$no_new" = 1 ] || echo "NoNewPrivs $no_new. ")"
}

# The capabilities that load the programs, in $enough: before 5.11 maps are locked memory.
find_enough()
{
	enough=bpf,perfmon
	[ "$memlock" = 0 ] || enough=bpf,perfmon,sys_resource
}

test_least_privilege()
{
	admin=0x200000 ptrace=0x80000 search=0x4 bpf=0x8000000000
	# CAP_BPF is kept where the kernel's bpf(2) answers nothing without it.
	find_enough
	start "root" --json && traces "root" $((admin | ptrace | search))
	start_as "a user with $enough" "$tool drop 65534 $enough" --json &&
		traces "a user with $enough" $((bpf))
	start_as "root with $enough" "$tool drop 0 $enough" --json &&
		traces "root with $enough" $((bpf))
	# Without tracefs it goes on, and says so.
	if start_as "--all with $enough" "$tool drop 65534 $enough" --json --all; then
		stop
		judge "--all with $enough says what is not seen" "$(status_is 0
			stderr_says "twsnoop: bind() that fails")"
	fi
	cp "$twsnoop" "$dir/copy"
	"$tool" setcap "$dir/copy" $enough
	case $? in
	0) ;;
	77)
		skip "file capabilities" "not on this file system"
		return
		;;
	*)
		fail "file capabilities" "cannot set them"
		return
		;;
	esac
	saved=$twsnoop
	twsnoop=$dir/copy
	start_as "file capabilities" "$tool drop-uid 65534" --json &&
		traces "file capabilities" $((bpf))
	twsnoop=$saved
	rm -f "$dir/copy"
}
