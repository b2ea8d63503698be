#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each header compiles alone, and each layer includes only those below it.
# Usage: layers.sh INCLUDE_DIR (where the generated skeletons are)
set -eu

cd "$(dirname "$0")/.."
include=$1
passed=0
failed=0

ok() { passed=$((passed + 1)); }
bad() {
	echo "FAIL $1"
	failed=$((failed + 1))
}

# From the lowest: each file's layer, and the files of a later line may include
# those of the same and of any earlier one.
layers="
record event key clock quiet ring missing batch parse escape outbuf fmt names mountinfo procinfo privileges seen kernel kernel_files kernel_cgroups cgroup_path runtime_json runtime_cri runtime_http runtime_source progress
decode join owners filter netns cgroups runtime_names netlimits
sockdiag ledger sockets sockstream sockiter
snapshot listeners tracer containers live
heal attribute pins held
stream
sink sink_format sink_text sink_json sink_csv
listing workloads tabular
infer group census ports
list_text list_records list_account census_text
ports_text
options
command main cmd_trace cmd_list cmd_attach cmd_check"

level_of() {
	echo "$layers" | awk -v name="$1" '{ for (i = 1; i <= NF; i++) if ($i == name) print NR }'
}

for file in user/*.[ch]; do
	name=$(basename "$file" | sed 's/\.[ch]$//')
	mine=$(level_of "$name")
	if [ -z "$mine" ]; then
		bad "$file stands in no layer: see tests/layers.sh"
		continue
	fi
	good=1
	for used in $(sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$file"); do
		case $used in
		*.skel) continue ;;
		esac
		theirs=$(level_of "$(basename "$used")")
		if [ -z "$theirs" ] || [ "$theirs" -gt "$mine" ]; then
			bad "$file includes $used.h, which is not below it"
			good=0
		fi
	done
	[ $good = 0 ] || ok
done

for header in user/*.h bpf/event.h bpf/sockets.h; do
	if ${CC:-cc} -std=c11 -D_GNU_SOURCE= -Wall -Wextra -Werror -I"$include" -fsyntax-only \
		-x c "$header"; then
		ok
	else
		bad "$header does not compile alone"
	fi
done

for header in bpf/*.h; do
	case $header in
	bpf/event.h | bpf/core.h | bpf/sockets.h) continue ;;
	esac
	if ${CLANG:-clang} -O2 -g -target bpf -D__TARGET_ARCH_x86 -DTWS_ATOMIC -Wall -Werror \
		-Wno-unused-function -Ivmlinux/x86_64 -Ibpf -fsyntax-only -x c "$header"; then
		ok
	else
		bad "$header does not compile alone"
	fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
