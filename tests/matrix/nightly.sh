#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The payload on every kernel that Debian's archive has now, and on some with several processors.
# Ends with which were played, and one line that sums up.
# Usage: nightly.sh PAYLOAD [OPTION of run.sh]...
# Environment: BUILD; SERIES, in the place of all that the archive has; CPUS_SERIES, those that get CPUS
# (2) processors
set -euo pipefail

prog=nightly.sh
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

# one_run NAME OPTION...: its lines appear; verdicts and counts go to $matrix_dir/nightly.
one_run()
{
	local name=$1
	shift
	"$matrix_src/run.sh" --payload "$payload" "$@" | tee "$matrix_dir/nightly.log" || true
	sed -n -E "s/^(matrix [0-9].*: (PASS|FAIL|SKIP))/$name \\1/p; s/^matrix: /sum /p" \
		"$matrix_dir/nightly.log" >>"$matrix_dir/nightly"
	# A run that has not come to its sum is a failure.
	grep -q '^matrix: ' "$matrix_dir/nightly.log" || echo "sum 0 passed, 1 failed" >>"$matrix_dir/nightly"
}

[ $# -ge 1 ] || usage_die "PAYLOAD is needed"
payload=$1
shift
mkdir -p "$matrix_dir"
: >"$matrix_dir/nightly"
series=${SERIES:-$("$matrix_src/fetch.sh" --offered)}
# shellcheck disable=SC2086
one_run "" --cpus 1 "$@" $series
# shellcheck disable=SC2086
one_run "${CPUS:=2} processors:" --cpus "$CPUS" --jobs 1 "$@" ${CPUS_SERIES:-6.12 7.3}

echo
grep -v '^sum ' "$matrix_dir/nightly" | sed 's/^ //'
awk '/^sum / { p += $2; f += $4; s += $6 }
	END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f != 0 }' "$matrix_dir/nightly"
