#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel matrix: run one payload in a QEMU guest on each kernel series and judge the lot.
# QEMU emulates the processor (no KVM needed), so this runs wherever its packages can be installed,
# and as any user.
set -euo pipefail

prog=run.sh
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source-path=SCRIPTDIR source=qemu.sh
. "$matrix_src/qemu.sh"

usage()
{
	cat <<-EOF
	usage: run.sh --payload DIR [options] [SERIES...]   (default: $MATRIX_SERIES)
	       run.sh --selftest [options] [SERIES...]      the harness's own test
	       run.sh --packages                            Debian packages this needs

	DIR/run is run as root in each guest, in /payload, a copy of DIR. It passes if it exits 0, has
	printed at least one line "N passed, N failed[, N skipped]" (one word and a colon may stand
	before it), and none of these counts a failure.

	  --jobs N                 guests at a time (also JOBS=; default: one for each processor)
	  --deadline SECONDS       for each guest (also DEADLINE=; default 600)
	  --cpus N                 of each guest (also CPUS=; default 1: its clock counts instructions,
	                           so that it is never short of time; more: they take turns, and it
	                           is this machine's)
	  --processor NAME         one of QEMU's, such as cortex-a57, which is ARMv8.0 (also PROCESSOR=)
	  --memory SIZE            for each guest, as QEMU's -m takes it (default 1G)
	  --append ARGS            more arguments for the kernel; may be repeated
	  --with-host-binary PROG, --module NAME    as in mkinitramfs.sh; may be repeated
	  --library-root DIR       where the payload's libraries are, for a guest of another
	                           architecture

	Kernels are fetched if they are not in \$BUILD/matrix/kernels yet. Logs: \$BUILD/matrix/SERIES.log
	EOF
}

build_selftest()
{
	local dir=$matrix_dir/selftest
	need_programs "${CC:-cc}"
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$matrix_src/selftest/run" "$dir/run"
	"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$dir/tcpclose" \
		"$matrix_src/selftest/tcpclose.c"
	payload=$dir
}

# guest_args SERIES TOKEN: the kernel's.
guest_args()
{
	echo "$(kernel_args "$1") matrix.token=$2$append"
}

# guest_run SERIES TOKEN: until it powers off or the deadline; the console's text on stdout. Its
# pid goes to a file so that an interrupted run can end it.
guest_run()
{
	local series=$1
	# shellcheck disable=SC2046
	timeout --foreground -k 5 "$deadline" \
		$(machine "$series") -name "matrix-$series" -pidfile "$matrix_dir/$series.pid" \
		$(accel "$cpus") -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-chardev stdio,id=console,signal=off -serial chardev:console \
		-kernel "$kernel_dir/$series/vmlinuz" -initrd "$matrix_dir/$series.cpio" \
		-append "$(guest_args "$series" "$2")" </dev/null 2>&1
}

# log_counts LOG TOKEN: "PASSED FAILED SKIPPED LINES", the sums of the payload's closing lines.
log_counts()
{
	awk -v token="$2" '
	index($0, "=== matrix " token " begin ") == 1 { inside = 1; next }
	index($0, "=== matrix " token " end ") == 1 { inside = 0 }
	inside && /^([A-Za-z0-9_.\/-]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?[[:space:]]*$/ {
		sub(/^[A-Za-z0-9_.\/-]+: /, "")
		gsub(/[^0-9 ]/, "")
		n = split($0, count, " ")
		passed += count[1]
		failed += count[2]
		skipped += n > 2 ? count[3] : 0
		lines++
	}
	END { print passed + 0, failed + 0, skipped + 0, lines + 0 }' "$1"
}

# judge SERIES TOKEN STATUS SECONDS: the verdict line, and the counts into SERIES.result.
judge()
{
	local series=$1 log=$matrix_dir/$1.log status=$3 seconds=$4
	local begin end release passed failed skipped lines verdict=FAIL why=
	begin=$(grep -a -m 1 "^=== matrix $2 begin " "$log" || true)
	end=$(grep -a -m 1 "^=== matrix $2 end " "$log" || true)
	release=$(cat "$kernel_dir/$series/release")
	read -r passed failed skipped lines < <(log_counts "$log" "$2")
	if [ -z "$begin" ]; then
		why="did not boot"
	elif [ -z "$end" ]; then
		why="the guest died"
	fi
	if [ -n "$why" ] && [ "$status" = 124 ]; then
		why="not finished in $deadline s"
	fi
	if [ -z "$why" ]; then
		case $end in
		*" status=0 "*)
			# A payload that counts nothing has tested nothing.
			[ "$lines" -gt 0 ] || why="it printed no counts"
			[ "$failed" = 0 ] || why="its tests failed"
			;;
		*) why="payload's exit status $(sed -E 's/.* status=([0-9]+).*/\1/' <<<"$end")" ;;
		esac
	fi
	if [ -z "$why" ]; then
		verdict=PASS
		case $begin in
		*" btf=yes "*) ;;
		*) why="no BTF" ;;
		esac
	elif [ -z "$begin" ]; then
		say "$series: the console's last lines:"
		tail -n 20 "$log" | sed "s/^/[$series] /" >&2
	fi
	# A guest that failed without counting why is one failure all the same.
	[ "$verdict" = PASS ] || [ "$failed" -gt 0 ] || failed=1
	echo "$passed $failed $skipped" >"$matrix_dir/$series.result"
	echo "matrix $series ($release): $verdict, $passed passed, $failed failed," \
		"$skipped skipped, $seconds s${why:+ ($why)}" >"$matrix_dir/$series.verdict"
	[ "$verdict" = PASS ]
}

# series_run SERIES: all of one series; the lines that its payload prints appear as they come.
series_run()
{
	local series=$1 log=$matrix_dir/$1.log token status=0 started root roots=()
	token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
	if [ "$(series_arch "$series")" != amd64 ]; then
		for root in "$kernel_dir/root-$(series_arch "$series")" $library_roots; do
			roots+=(--root "$root")
		done
	fi
	if ! "$matrix_src/mkinitramfs.sh" "${roots[@]}" --kernel "$kernel_dir/$series" \
		--out "$matrix_dir/$series.cpio" --payload "$payload" "${initramfs_args[@]}"; then
		echo "matrix $series ($(cat "$kernel_dir/$series/release")): FAIL (no initramfs)" \
			>"$matrix_dir/$series.verdict"
		return 1
	fi
	started=$SECONDS
	set +e
	guest_run "$series" "$token" | sed -u 's/\r*$//' | tee "$log" |
		sed -u -n "/^=== matrix $token begin /,/^=== matrix $token end /s/^/[$series] /p"
	status=${PIPESTATUS[0]}
	set -e
	rm -f "$matrix_dir/$series.pid" "$matrix_dir/$series.cpio"
	judge "$series" "$token" "$status" "$((SECONDS - started))"
}

end_guests()
{
	local f
	for f in "$matrix_dir"/*.pid; do
		[ ! -s "$f" ] || kill "$(tr -d ' \n' <"$f")" 2>/dev/null || true
	done
	wait
	rm -f "$matrix_dir"/*.pid "$matrix_dir"/*.cpio
}

# run_all SERIES...: $jobs at a time.
run_all()
{
	local series running=0
	trap 'end_guests; trap - INT; kill -INT $$' INT
	trap 'end_guests; exit 143' TERM HUP
	for series in "$@"; do
		if [ "$running" -ge "$jobs" ]; then
			wait -n || true
			running=$((running - 1))
		fi
		series_run "$series" &
		running=$((running + 1))
	done
	wait || true
	trap - INT TERM HUP
}

# summary SERIES...: verdicts and sums; false unless all passed.
summary()
{
	local series p f s passed=0 failed=0 skipped=0
	echo
	for series in "$@"; do
		if [ ! -s "$matrix_dir/$series.verdict" ]; then
			echo "matrix $series: FAIL (no kernel)"
			failed=$((failed + 1))
			continue
		fi
		cat "$matrix_dir/$series.verdict"
		p=0 f=1 s=0
		[ ! -s "$matrix_dir/$series.result" ] || read -r p f s <"$matrix_dir/$series.result"
		passed=$((passed + p))
		failed=$((failed + f))
		skipped=$((skipped + s))
	done
	echo "matrix: $passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}

# note_gone SERIES: skipped, and why.
note_gone()
{
	echo "skip $1: Debian's archive has this kernel no more"
	echo "0 0 1" >"$matrix_dir/$1.result"
	echo "matrix $1: SKIP, Debian's archive has it no more" >"$matrix_dir/$1.verdict"
}

number_option()
{
	[[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || usage_die "$1 wants a number from 1, not '$2'"
}

parse_options()
{
	payload='' append='' memory=1G selftest=0 initramfs_args=()
	jobs=${JOBS:-$(nproc)} library_roots=
	deadline=${DEADLINE:-600}
	cpus=${CPUS:-1}
	processor=${PROCESSOR:-}
	while [ $# -gt 0 ]; do
		case $1 in
		-h | --help)
			usage
			exit 0
			;;
		--packages)
			echo "$MATRIX_PACKAGES"
			exit 0
			;;
		--selftest) selftest=1 ;;
		--payload | --jobs | --deadline | --cpus | --processor | --memory | --append | --with-host-binary | --module | --library-root)
			[ $# -ge 2 ] || usage_die "$1 needs a value"
			case $1 in
			--payload) payload=$2 ;;
			--jobs) jobs=$2 ;;
			--deadline) deadline=$2 ;;
			--cpus) cpus=$2 ;;
			--processor) processor=$2 ;;
			--memory) memory=$2 ;;
			--append) append="$append $2" ;;
			--library-root) library_roots="$library_roots $2" ;;
			*) initramfs_args+=("$1" "$2") ;;
			esac
			shift
			;;
		-*) usage_die "unknown option $1" ;;
		*) break ;;
		esac
		shift
	done
	number_option --jobs "$jobs"
	number_option --deadline "$deadline"
	number_option --cpus "$cpus"
	[[ $processor =~ ^[a-zA-Z0-9_.,=+-]*$ ]] || usage_die "--processor wants a name of QEMU's, not '$processor'"
	series_asked=("$@")
	# shellcheck disable=SC2206
	[ $# -gt 0 ] || series_asked=($MATRIX_SERIES)
}

main()
{
	local series status have=()
	parse_options "$@"
	if [ "$selftest" = 0 ]; then
		[ -n "$payload" ] || usage_die "--payload or --selftest is needed"
		[ -x "$payload/run" ] || die "$payload/run is missing or not executable"
	fi
	for series in "${series_asked[@]}"; do
		# shellcheck disable=SC2046
		need_programs $(machine "$series" | cut -d' ' -f1)
	done
	need_programs cpio flock timeout
	mkdir -p "$matrix_dir"
	exec 8>"$matrix_dir/run.lock"
	flock -n 8 || die "another matrix run is using $matrix_dir"
	rm -f "$matrix_dir"/*.verdict "$matrix_dir"/*.result "$matrix_dir"/*.pid
	[ "$selftest" = 0 ] || build_selftest
	for series in "${series_asked[@]}"; do
		status=0
		"$matrix_src/fetch.sh" "$series" || status=$?
		case $status in
		0) have+=("$series") ;;
		"$GONE_STATUS") note_gone "$series" ;;
		esac
	done
	[ ${#have[@]} = 0 ] || run_all "${have[@]}"
	summary "${series_asked[@]}"
}

main "$@"
