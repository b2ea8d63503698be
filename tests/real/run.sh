#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# twsnoop with real servers and clients: what it reports is compared, tuple by
# tuple, with the kernel's own table of TIME_WAIT sockets and with what the
# programs themselves say about who served which connection (access logs,
# process ids). Each case has its own network namespace and its own daemons.
set -u

# Debian packages of the programs that take part. None of their services is used.
REAL_PACKAGES="nginx-light haproxy redis-server redis-tools memcached nodejs wrk \
apache2-utils curl iproute2 util-linux procps libjansson-dev"

# In this order. A case NAME-REST is the function case_NAME_REST of NAME.sh.
REAL_CASES="nginx-close nginx-close-ipv6 nginx-lingering nginx-keepalive nginx-client \
haproxy-close haproxy-pool redis-client redis-kill redis-timeout redis-killed \
memcached-threads node-cluster"

CASE_LIMIT_S=90

src=$(cd "$(dirname "$0")" && pwd)

usage()
{
	cat <<EOF
Usage: run.sh [--packages | --list] [TWSNOOP [CASE]...]
Test the program TWSNOOP with real software, as root.

  --packages  print the Debian packages that are needed
  --list      print the cases

With REAL_DIR=DIR in the environment, the logs are kept there.
EOF
}

usage_die()
{
	echo "run.sh: $*" >&2
	usage >&2
	exit 2
}

die()
{
	echo "run.sh: $*" >&2
	exit 1
}

clean_up()
{
	trap '' INT TERM HUP
	if [ -n "$running" ]; then
		kill -TERM "$running" 2>/dev/null
		wait "$running"
	fi
	[ -n "${REAL_DIR:-}" ] || rm -rf "$dir"
}

build_judge()
{
	"${CC:-cc}" -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -o "$dir/judge" \
		"$src"/*.c -ljansson || die "the judge does not compile"
}

# run_case NAME
run_case()
{
	rm -rf "${dir:?}/$1"
	mkdir -m 755 "$dir/$1" || die "cannot make $dir/$1"
	timeout -k 5 "$CASE_LIMIT_S" unshare --net -- \
		sh "$src/case.sh" "$1" "$twsnoop" "$dir/judge" "$dir/$1" "$$" \
		>"$dir/$1.out" 2>&1 </dev/null &
	running=$!
	wait "$running"
	status=$?
	running=
	case $status in
	0)
		passed=$((passed + 1))
		echo "ok $1"
		;;
	77)
		skipped=$((skipped + 1))
		echo "skip $1: $(head -n 1 "$dir/$1.out")"
		return
		;;
	124 | 137)
		failed=$((failed + 1))
		echo "FAIL $1: not done within $CASE_LIMIT_S s"
		;;
	*)
		failed=$((failed + 1))
		echo "FAIL $1: $(head -n 1 "$dir/$1.out")"
		;;
	esac
	# The first line of a failure is above. `# ` marks a remark.
	first=2
	[ "$status" -ne 0 ] || first=1
	tail -n "+$first" "$dir/$1.out"
}

case ${1-} in
--packages)
	echo "$REAL_PACKAGES"
	exit 0
	;;
--list)
	echo "$REAL_CASES" | tr ' ' '\n'
	exit 0
	;;
-h | --help)
	usage
	exit 0
	;;
-*)
	usage_die "unknown option $1"
	;;
'')
	usage_die "which program is to be tested?"
	;;
esac

[ -x "$1" ] || die "$1 is not a program"
[ "$(id -u)" -eq 0 ] || die "must be run as root: it makes network namespaces and traces"
twsnoop=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
for name; do
	case " $REAL_CASES " in
	*" $name "*) ;;
	*) usage_die "there is no case $name" ;;
	esac
done

running=
dir=${REAL_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/twsnoop-real.XXXXXX")} || die "no temporary folder"
# Servers that give up root read there.
if ! mkdir -p "$dir" || ! chmod 755 "$dir"; then
	die "cannot write to $dir"
fi
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
build_judge

passed=0 failed=0 skipped=0
# shellcheck disable=SC2086 # names without spaces
[ $# -gt 0 ] || set -- $REAL_CASES
for name; do
	run_case "$name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
