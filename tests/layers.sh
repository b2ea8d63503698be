#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each header compiles alone, and each room of user/ includes only those below it.
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

# Each room of user/, from the lowest, and the rooms whose headers it may include beside its
# own and bpf/'s shared headers. docs/architecture.md says what each is for, and the same of includes.
rooms="
base
model       base
host        base
sockets     base model host
capture     base model host sockets
containers  base model host
owners      base model host sockets containers
events      base model host sockets capture containers owners
inventory   base model host sockets capture containers owners store
store       base model
tally       base model
recording   base model host sockets capture containers owners events inventory store
diagnosis   base model host sockets capture containers owners inventory store
output      base model inventory tally diagnosis
report      base model store output
export      base model
serving     base model host sockets containers inventory store diagnosis report export
commands    base model host sockets capture containers owners events inventory store tally recording output report diagnosis export serving"

# may_include ROOM: the rooms it may include, itself first; nothing if there is no such room.
may_include() {
	echo "$rooms" | awk -v room="$1" '$1 == room { print }'
}

for file in user/*.[ch]; do
	[ ! -e "$file" ] || bad "$file stands in no room: see tests/layers.sh"
done

for file in user/*/*.[ch]; do
	room=$(basename "$(dirname "$file")")
	allowed=$(may_include "$room")
	if [ -z "$allowed" ]; then
		bad "$file stands in a room that tests/layers.sh does not know"
		continue
	fi
	good=1
	for used in $(sed -n 's/^#include "\(.*\)"$/\1/p' "$file"); do
		case $used in
		*.skel.h | sonames.h | bpf/event.h | bpf/sockets.h | bpf/processes.h | bpf/bindhash.h) continue ;;
		esac
		case " $allowed " in
		*" ${used%%/*} "*) ;;
		*)
			bad "$file includes $used, which is not below it"
			good=0
			;;
		esac
	done
	[ $good = 0 ] || ok
done

for header in user/*/*.h bpf/event.h bpf/sockets.h bpf/processes.h bpf/bindhash.h; do
	if ${CC:-cc} -std=c11 -D_GNU_SOURCE= -Wall -Wextra -Werror -I. -Iuser -I"$include" -fsyntax-only \
		-x c "$header"; then
		ok
	else
		bad "$header does not compile alone"
	fi
done

for header in bpf/*.h; do
	case $header in
	bpf/event.h | bpf/core.h | bpf/sockets.h | bpf/processes.h | bpf/bindhash.h) continue ;;
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
