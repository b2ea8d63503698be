#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# One case, inside its own network namespace; started by run.sh.
# case.sh NAME TWSNOOP JUDGE DIR OUTSIDE-PID
set -u

CASE=$1
TWSNOOP=$2
JUDGE=$3
DIR=$4
OUTSIDE=$5 # a process in the network namespace that twsnoop runs in
SRC=$(cd "$(dirname "$0")" && pwd)

# shellcheck source=lib.sh
. "$SRC/lib.sh"
# shellcheck source=/dev/null
. "$SRC/${CASE%%-*}.sh"

trap clean_up EXIT
trap 'exit 143' INT TERM HUP
cd "$DIR" || exit 1
prepare_namespace
"case_$(echo "$CASE" | tr - _)"
