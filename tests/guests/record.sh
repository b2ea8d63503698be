#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Recordings on disks that lose their power, fill up and fail, and under a clock that is set and a
# machine that sleeps, in guests.
# usage: record.sh [--cuts N] [--standin] [TEST...]     (default: cut troubles)
set -euo pipefail

prog=record.sh
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

cuts=20 writer=twsnoop
disk_bytes=$((48 << 20)) marks_at=$((47 << 20))

# make_disk NAME: with a file system, and room for marks behind it
make_disk()
{
	local dir=$guests_dir/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	truncate -s "$disk_bytes" "$dir/disk.img"
	mke2fs -q -F -t ext4 "$dir/disk.img" $((marks_at >> 10))k
	cp --sparse=always "$dir/disk.img" "$dir/first.img"
	: >"$dir/disk.log"
}

# logged_disk NAME: QEMU's arguments for it, as one that has a write cache, and whose writes are logged.
logged_disk()
{
	local dir=$guests_dir/$1
	echo "-blockdev driver=file,node-name=file,filename=$dir/disk.img" \
		"-blockdev driver=file,node-name=logfile,filename=$dir/disk.log" \
		"-blockdev driver=blklogwrites,node-name=disk,file=file,log=logfile" \
		"-device virtio-blk-pci,drive=disk,discard=off,write-zeroes=off,write-cache=on"
}

# stage_record NAME: what all guests of this file have. NAME is also its payload.
stage_record()
{
	guest_stage "$1"
	guest_install
	guest_add_modules virtio_pci virtio_blk loop dm_mod
	guest_add_payload "$guest_src"/{lib.sh,record/mark,record/standin} "$BUILD/tests/cli/clitool"
	cp "$guest_src/record/$1" "$stage/payload/run"
	printf 'MARKS_AT=%s WRITER=%s\n' "$marks_at" "$writer" >"$stage/payload/settings"
}

test_cut()
{
	local dir=$guests_dir/cut judge=$guest_src/record/judge status=0
	[ "$writer" = twsnoop ] || judge=$guest_src/record/standin-judge
	make_disk cut
	stage_record cut
	# shellcheck disable=SC2046
	guest_boot cut disk $(logged_disk cut)
	guest_await cut '^writing' 900 || {
		echo "FAIL cut: the guest does not write; its last lines:"
		tail -n 5 "$guests_dir/cut.log"
		guest_cut cut
		echo "0 passed, 1 failed"
		return 1
	}
	# By its own seconds: this machine may be busy with something else.
	if [ "$writer" = twsnoop ]; then
		guest_await cut "^writing $((13 + RANDOM % 7))\b" 900
	else
		sleep $((12 + RANDOM % 7))
	fi
	sleep "0.$((RANDOM % 10))"
	guest_cut cut
	# In memory: many small disks are made.
	work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "$dir")")
	trap 'rm -rf "$work"; guest_end_all' EXIT
	"$guest_src/cuts.py" --image "$dir/first.img" --log "$dir/disk.log" --folder /twsnoop \
		--work "$work" --marks-at "$marks_at" --judge "$judge" --cuts "$cuts" || status=1
	if [ "$status" != 0 ]; then
		cp --sparse=always "$work/failed.img" "$dir/" || true
	fi
	if [ "$writer" = twsnoop ]; then
		# As it is: nothing is lost but what the guest had in its memory.
		stage_record again
		guest_run again disk 900 -drive "if=virtio,format=raw,file=$dir/disk.img" || status=1
	fi
	return "$status"
}

test_troubles()
{
	stage_record troubles
	guest_run troubles disk 1500
}

# By hand: it takes a kernel more, as none for clouds can be suspended.
test_clocks()
{
	guest_series=$guest_series-full
	guest_prepare
	stage_record clocks
	# It sleeps by this machine's clock: the guest's own stands while it does.
	guest_run clocks 1 1500 -rtc clock=host
}

tests=()
while [ $# -gt 0 ]; do
	case $1 in
	--cuts)
		cuts=${2:-}
		shift
		;;
	--standin) writer=standin ;;
	cut | troubles | clocks) tests+=("$1") ;;
	*) usage_die "unknown argument $1" ;;
	esac
	shift
done
[[ $cuts =~ ^[1-9][0-9]{0,5}$ ]] || usage_die "--cuts wants a number from 1"
[ ${#tests[@]} != 0 ] || tests=(cut troubles)
guest_prepare
failed=0
for name in "${tests[@]}"; do
	"test_$name" || failed=1
done
exit $failed
