#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs every suite, and ends with the name of each test that failed, in few lines: a CI may keep
# the last ones only. The very last sums up all.
# Usage: run.sh [SUITE]...   (all if none is named, "quick": those for the inner loop; see the
# lists below), or run.sh --suite NAME: that one here and now, without lane, log and bound
# Environment: BUILD (default build), MAKE, SUITE_SECONDS (what one suite may take at most; one of guests
# twice that)
set -u

cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
SUITE_SECONDS=${SUITE_SECONDS:-1500}
TWSNOOP=$BUILD/twsnoop
log_dir=$BUILD/tests/log
faults=$log_dir/faults
skips=$log_dir/skips
mkdir -p "$log_dir"
passed=0 failed=0 skipped=0

# To build is all that may be done in parallel: tests would mix their lines.
in_parallel() { "$MAKE" --no-print-directory -Otarget -j"$(nproc)" "$@"; }

suite_unit() { in_parallel unit-build && "$MAKE" --no-print-directory unit abi; }
# The same on a machine that has just been started, as far as its clocks tell.
suite_unit_young() {
	local age
	age=$(cut -d. -f1 /proc/uptime)
	if [ "$(id -u)" != 0 ] || ! unshare --time --fork --monotonic "-$age" --boottime "-$age" true; then
		echo "skip unit_young: time namespaces need root, Linux 5.6 and util-linux 2.36"
		echo "0 passed, 0 failed, 1 skipped"
		return 0
	fi
	in_parallel unit-build && unshare --time --fork --monotonic "-$age" --boottime "-$age" \
		"$MAKE" --no-print-directory unit
}
suite_layers() { sh tests/layers.sh "$BUILD"; }
# Whether what runs these suites ends what they have started.
suite_bounded() { tests/test_bounded.sh; }
suite_docs() { bash tests/docs.sh "$TWSNOOP"; }
suite_headers() {
	if python3 vmlinux/generate.py --check; then
		echo "1 passed, 0 failed"
	else
		echo "0 passed, 1 failed"
		return 1
	fi
}
suite_fuzz() { in_parallel fuzz-build && "$MAKE" --no-print-directory fuzz-short; }
# The benchmark's programs go by the kernel side's records, and nobody builds them else.
suite_bench_builds() {
	if in_parallel bench-reader && "$MAKE" -C tests/bench BUILD="$(readlink -f "$BUILD")" &&
		"$BUILD/tests/bench/reader" --quick && "$BUILD/tests/bench/blocks" --quick &&
		"$BUILD/tests/bench/tally" --quick; then
		echo "1 passed, 0 failed"
	else
		echo "0 passed, 1 failed"
		return 1
	fi
}
# Instructions a connection, in a guest: no machine's mood moves them.
suite_count() { "$MAKE" --no-print-directory COUNT_ARGS=--budget bench-count; }
suite_budget() { "$MAKE" --no-print-directory budget; }
suite_sockiter() { "$MAKE" --no-print-directory sockiter; }
suite_past() { "$MAKE" --no-print-directory past; }
# What a report makes of made-up hours and of recordings; in a real browser, too.
suite_report() { in_parallel report-build && "$MAKE" --no-print-directory report; }
suite_cli() { "$MAKE" --no-print-directory cli; }
suite_scenarios() { setsid -w "$BUILD/scenarios" --twsnoop "$TWSNOOP"; }
# The same, and some of the containers, read from one recorder.
suite_attached() {
	local status=0
	setsid -w "$BUILD/scenarios" --twsnoop "$TWSNOOP" --attached || status=1
	# shellcheck disable=SC2016 # of the inner shell
	unshare -m sh -c 'mount -t bpf bpf /sys/fs/bpf && "$0" attach --all || exit
		sh tests/containers/run.sh "$0" crun_brief crun_listed crun_row moved hostile reused \
			runc_brief
		status=$?
		"$0" detach && exit $status' "$TWSNOOP" || status=1
	return $status
}
# A short one: `make soak` takes ten minutes.
suite_soak() { "$MAKE" --no-print-directory BUILD="$BUILD" SOAK_SECONDS=20 soak; }
# What the inner loop has time for.
suite_scenarios_half() { setsid -w "$BUILD/scenarios" --twsnoop "$TWSNOOP" --half 1; }
# A short one: `make agreement` takes an hour.
suite_agreement() { "$MAKE" --no-print-directory AGREEMENT_SECONDS=20 agreement; }
suite_diagnose() { /usr/bin/python3 tests/diagnose/run.py "$TWSNOOP"; }
suite_record() { /usr/bin/python3 tests/record/run.py "$TWSNOOP"; }
# With Prometheus and VictoriaMetrics, and clients that mean harm.
suite_serve() { /usr/bin/python3 tests/serve/run.py "$TWSNOOP"; }
suite_top() { /usr/bin/python3 tests/top/run.py "$TWSNOOP"; }
# With ClickHouse, and what takes OTLP: everything is killed and cut for 45 s, with serve for 12; `make export-soak` takes
# ten minutes. What traces there is a suite of its own, so that the rest disturbs nobody.
export_tests() { sed -n 's/^def test_\([a-z_0-9]*\).*/\1/p' tests/export/*.py; }
run_export() {
	in_parallel export-build &&
		/usr/bin/python3 tests/export/run.py "$BUILD/tests/export/feeder" "$TWSNOOP" "$@"
}
# shellcheck disable=SC2046
suite_export() { run_export $(export_tests | grep -v '^serve'); }
# shellcheck disable=SC2046
suite_export_serve() { run_export $(export_tests | grep '^serve'); }
suite_real() { sh tests/real/run.sh "$TWSNOOP"; }
suite_containers() { sh tests/containers/run.sh "$TWSNOOP"; }
# A release's tarball, of which all unit tests are built, and the rest.
suite_dist() { BUILD=$BUILD /usr/bin/python3 tests/packages/run.py "$TWSNOOP" dist; }
# shellcheck disable=SC2046
suite_packages() {
	BUILD=$BUILD /usr/bin/python3 tests/packages/run.py "$TWSNOOP" \
		$(sed -n 's/^    "\([a-z_0-9]*\)": .*/\1/p' tests/packages/run.py | grep -vx -e dist -e 'foreign_.*')
}
# The Debian package for arm64. It compiles everything once more, and so is in no list: for a release.
suite_packages_arm64() { BUILD=$BUILD /usr/bin/python3 tests/packages/run.py "$TWSNOOP" foreign_image foreign_deb; }
suite_systemd() { "$MAKE" --no-print-directory guests-systemd; }
suite_disks() { "$MAKE" --no-print-directory CUTS=10 guests-record; }
# A share of both, so that the test command stays short; `make matrix` and `make ARCH=arm64 matrix`
# play all.
suite_matrix() { "$MAKE" --no-print-directory SHARE=1 BRIEF=1 matrix; }
# Of the program that these guests play an image is made, too.
suite_matrix_arm64() {
	local status=0
	"$MAKE" --no-print-directory ARCH=arm64 BUILD="$BUILD/arm64" SHARE=1 matrix || status=1
	BUILD=$BUILD /usr/bin/python3 tests/packages/run.py "$TWSNOOP" foreign_image || status=1
	return $status
}

all="layers docs headers unit budget sockiter cli past report scenarios attached soak agreement record serve \
	export export_serve top diagnose real containers packages \
	bounded bench_builds dist fuzz unit_young systemd disks count matrix matrix_arm64"
quick="layers docs headers unit budget sockiter past scenarios_half"

# lane_of NAME: suites of one lane run one after the other, the lanes at once. "host" is for what traces this
# machine, or loads its network; "stores" for what waits nearly all of its time; "low" for what wants its
# processors alone, and gets them where nobody of the others does; "idle" for guests, whose clock counts
# instructions, so that they are never short of time.
lane_of() {
	case $1 in
	export) echo stores ;;
	layers | docs | headers | unit | unit_young | bounded | bench_builds | fuzz | report | dist | packages_arm64) echo low ;;
	systemd | disks | count | matrix | matrix_arm64) echo idle ;;
	*) echo host ;;
	esac
}

# count FILE STATUS: adds up the closing lines of a suite's log. cmocka says
# "[  PASSED  ] 3 test(s)."; everything else "N passed, N failed[, N skipped]".
# The matrix's lines for each guest end in the sum that counts.
count() {
	awk -v status="$2" '
		/^[a-z]+: [0-9]+ passed, [0-9]+ failed/ { sub(/^[a-z]+: /, "") }
		/^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3; if ($6 ~ /^skipped/) s += $5 }
		/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
		/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
		/^\[  FAILED  \] [a-z_]+: [0-9]+ test/ { f += $5 }
		/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
		END {
			if (status != 0 && !f) f = 1
			if (!p && !f && !s) f = 1
			print p + 0, f + 0, s + 0
		}' "$1"
}

# name_faults NAME STATUS FAILED: one line in $faults for each test of the suite's log that
# failed. The tests say "FAIL name: why", guests of the matrix "[6.1] FAIL name: why", cmocka
# gives its reasons first and then the name, a build "file:line: error: why".
name_faults() {
	awk -v suite="$1" -v status="$2" -v failed="$3" '
		function say(what) {
			if (!said[what]++ && ++n <= 8) print "FAIL " suite " " what
		}
		{ gsub(/[^ -~]/, "?"); sub(/[? ]+$/, "") }
		/^\[  ERROR   \]/ && why == "" { why = ": " substr($0, 14) }
		/^\[  FAILED  \] / {
			if (!/\] ([a-z_]+: )?[0-9]+ test/ && !seen[$4]++) say($4 why)
			why = ""
			next
		}
		/^\[       OK \]/ { why = "" }
		/^(\[[0-9a-z.-]+\] )?FAIL / { sub(/FAIL /, ""); say($0); next }
		/^matrix [0-9][0-9a-z.-]*.*: FAIL/ { verdict = $0 }
		/^matrix [0-9][0-9a-z.-]*.*: FAIL/ && !/\((its tests failed|payload.s exit status 1)\)$/ ||
			/^fuzz_[a-z_]+: FAILED|^[^ ]+:[0-9]+: (fatal )?error: |: FAILED: / ||
			/ERROR: [A-Za-z]+Sanitizer|^[^ ]+: runtime error: / { say($0) }
		/./ && !/^make|^processor time: / { last = $0 }
		END {
			if (failed && !n && verdict) say(verdict)
			if (failed && !n) say("no name; status " status ", the last line: " last)
			if (n > 8) print "FAIL " suite " and " n - 8 " more: " FILENAME
		}' "$log_dir/$1.log" >>"$faults"
}

show_faults() {
	[ -s "$faults" ] || return
	echo
	head -n 14 "$faults" | cut -c1-160
	[ "$(wc -l <"$faults")" -le 14 ] || echo "and more: $faults"
}

# Whether there is somebody for whom the other lanes are to stand back.
others_come_first() {
	local name
	for name in "${running[@]}" "${waiting[@]}"; do
		case $(lane_of "$name") in
		host | stores) return 0 ;;
		esac
	done
	return 1
}

# start NAME: its lane says beside what it may run, and how much of the processors it gets.
start() {
	local name=$1 how=
	local log=$log_dir/$name.log seconds=$SUITE_SECONDS
	case $(lane_of "$name") in
	low) how="--nice 10" ;;
	idle) how=--idle seconds=$((2 * SUITE_SECONDS)) ;;
	esac
	others_come_first || how=
	# shellcheck disable=SC2086
	/usr/bin/python3 tests/bounded.py $how "$seconds" tests/run.sh --suite "$name" </dev/null >"$log" 2>&1 &
	running[$!]=$name
	began[$!]=$SECONDS
}

# finish PID STATUS
finish() {
	local name=${running[$1]} status=$2 took=$((SECONDS - began[$1])) log p f s
	unset "running[$1]"
	log=$log_dir/$name.log
	[ "$status" != 124 ] || echo "FAIL $name: not at an end after $took s" | tee -a "$log"
	read -r p f s < <(count "$log" "$status")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-14s %5d passed %4d failed %4d skipped  %4d s, processors %4d s\n' "$name" "$p" "$f" "$s" "$took" \
		"$(sed -n '$s/^processor time: \([0-9]*\) s$/\1/p' "$log")"
	grep -aE '^(\[[0-9a-z.-]+\] )?skip ' "$log" | sed "s/^/$name: /" | tee -a "$skips" | head -50
	grep -a '^left behind: ' "$log" | sed "s/^/$name: /"
	if [ "$f" -gt 0 ]; then
		name_faults "$name" "$status" "$f"
		echo "--- the end of $log:"
		tail -n 6 "$log" | cut -c1-160
		echo "---"
	fi
}

# in_lane LANE: how many of it are running
in_lane() {
	local name n=0
	for name in "${running[@]}"; do
		[ "$(lane_of "$name")" != "$1" ] || n=$((n + 1))
	done
	echo $n
}

# run_all NAME...: one after the other in each lane, and of the idle one as many as there are processors
run_all() {
	local left name lane most ended status pid
	waiting=("$@")
	while :; do
		left=()
		for name in "${waiting[@]}"; do
			lane=$(lane_of "$name") most=1
			[ "$lane" != idle ] || most=$(nproc)
			if [ "$(in_lane "$lane")" -lt "$most" ]; then
				start "$name"
			else
				left+=("$name")
			fi
		done
		waiting=("${left[@]}")
		others_come_first || for pid in "${!running[@]}"; do
			kill -USR1 "$pid" 2>/dev/null
		done
		[ ${#running[@]} -gt 0 ] || return
		ended=
		wait -n -p ended "${!running[@]}"
		status=$?
		if [ -n "${ended:-}" ]; then
			finish "$ended" "$status"
			continue
		fi
		# It has ended before it was waited for.
		for ended in "${!running[@]}"; do
			kill -0 "$ended" 2>/dev/null || {
				wait "$ended"
				finish "$ended" $?
			}
		done
	done
}

# Each ends what it has started, in order.
interrupted() {
	trap '' INT TERM HUP
	echo "interrupted: ${running[*]}"
	kill "${!running[@]}" 2>/dev/null
	wait
	exit 130
}

# What this machine could run, were it not busy with something else, is not skipped in silence.
show_skips() {
	grep -qa 'another twsnoop' "$skips" || return
	echo
	echo "NOT TESTED, because another twsnoop was running on this machine; end it and run again:"
	grep -a 'another twsnoop' "$skips" | head -n 8 | cut -c1-160
}

# need_suite NAME: or it is said which there are
need_suite() {
	declare -F "suite_$1" >/dev/null && return
	# shellcheck disable=SC2086
	echo "run.sh: there is no suite '$1': there are" $all packages_arm64 >&2
	exit 2
}

if [ "${1:-}" = --suite ]; then
	need_suite "${2:-}"
	"suite_$2"
	exit
fi
# As one command, so that bash has read all of it: this file may be changed while suites run.
{
	: >"$faults"
	: >"$skips"
	declare -A running began
	waiting=()
	trap '' USR1 # nor is who has just been started ended by it
	trap interrupted INT TERM HUP
	suites=${*:-$all}
	[ "$suites" != quick ] || suites=$quick
	for suite in $suites; do
		need_suite "$suite"
	done
	# shellcheck disable=SC2086
	run_all $suites
	show_skips
	show_faults
	if [ $skipped -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	[ $failed = 0 ]
	exit
}
