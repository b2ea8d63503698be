# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# twsnoop check.

# checks NAME STATUS: what the last run of check --json printed
checks()
{
	judge "$1" "$(status_is "$2"
		num=$("$tool" json "$out") || echo "JSON: $num. "
		[ "$num" = 1 ] || echo "$num lines. "
		if [ "$2" = 0 ]; then
			[ ! -s "$err" ] || echo "something on stderr. "
			grep -q '"possible":true' "$out" || echo "not possible. "
		else
			one_line_on_stderr
			grep -q '"possible":false,"why_not":"' "$out" || echo "possible. "
		fi)"
}

test_check()
{
	run "$twsnoop" check --json
	checks "check --json" 0
	atomics=$(grep -c '"atomics":{"state":"present"}' "$out")
	table=$(grep -c '"connections":"atomic_table"' "$out")
	judge "check: the way follows from what was found" \
		"$([ "$atomics" = "$table" ] || echo "atomics $atomics, atomic table $table")"
	run "$twsnoop" check
	judge "check" "$(status_is 0
		"$tool" plain "$out"
		grep -q "on Linux $(uname -r)$" "$out" || echo "no kernel release. "
		grep -q "^  possible  *yes$" "$out" || echo "does not say that it is possible. ")"
	cannot_be_written check
	cannot_be_written "check --json"
	run "$tool" drop 65534 bpf,perfmon "$twsnoop" check --json
	memlock=$(grep -c '"memory_by_cgroup":{"state":"missing"}' "$out")
	if [ "$memlock" = 1 ]; then
		# Before 5.11 maps count as locked memory, and this user may lock little.
		checks "check by a user with two capabilities" 1
		judge "check names RLIMIT_MEMLOCK" "$(stderr_says RLIMIT_MEMLOCK)"
		run "$tool" drop 65534 bpf,perfmon "$twsnoop" trace
		refused "too little locked memory" RLIMIT_MEMLOCK
		run "$tool" drop 65534 bpf,perfmon,sys_resource "$twsnoop" check --json
	fi
	checks "check by a user with just enough" 0
	judge "check tells that failing calls are not seen without CAP_SYS_ADMIN" "$(
		grep -q '"what":"with --all: bind() that fails' "$out" || echo "it does not. ")"
	judge "check tells what is lost without CAP_SYS_ADMIN" "$(
		grep -q '"because":"missing CAP_SYS_ADMIN"' "$out" || echo "it does not. ")"
}

lockdown_of()
{
	sed -n 's/.*"lockdown":"\([a-z]*\)".*/\1/p' "$out"
}

# What nobody has mounted is known all the same, to root.
test_check_lockdown()
{
	securityfs=$(grep -c " - securityfs " /proc/self/mountinfo)
	run "$twsnoop" check --json
	mounted=$(lockdown_of)
	run "$tool" bare-sys "$twsnoop" check --json
	checks "check on a bare machine" 0
	bare=$(lockdown_of)
	if grep -q securityfs /proc/filesystems; then
		judge "check knows the lockdown of a bare machine" "$(
			case $bare in
			none | integrity | confidentiality) ;;
			*) echo "it is '$bare'. " ;;
			esac
			[ "$bare" = "$mounted" ] || echo "elsewhere it is $mounted. ")"
		judge "check mounts no securityfs" "$(
			[ "$(grep -c " - securityfs " /proc/self/mountinfo)" = "$securityfs" ] ||
			echo "it does. ")"
	fi
	run "$tool" bare-sys "$tool" drop 65534 none "$twsnoop" check --json
	judge "check says why it does not know the lockdown" "$(
		[ "$(lockdown_of)" != none ] || echo "it says none. "
		grep -q '"lockdown_note":"' "$out" || echo "it does not. ")"
}

test_check_refused()
{
	for caps in none bpf perfmon; do
		run "$tool" drop 65534 "$caps" "$twsnoop" check --json
		checks "check with capabilities: $caps" 1
	done
	judge "check: not probed is not missing" "$(
		! grep -q '"state":"missing"' "$out" || echo "it is. ")"
	for how in missing empty garbage; do
		run "$tool" hide-btf "$how" "$twsnoop" check --json
		checks "check with BTF $how" 1
	done
}
