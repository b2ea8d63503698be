#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is recorded on a disk that loses its power, in guests.
# usage: record.sh [--cuts N]
set -euo pipefail

prog=record.sh
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

cuts=20
disk_bytes=$((48 << 20)) marks_at=$((47 << 20))

# logged_disk NAME: QEMU's arguments for a disk in the guest with a write cache, whose writes are logged.
logged_disk()
{
	local dir=$guests_dir/$1
	echo "-blockdev driver=file,node-name=file,filename=$dir/disk.img,cache.direct=off" \
		"-blockdev driver=file,node-name=logfile,filename=$dir/disk.log" \
		"-blockdev driver=blklogwrites,node-name=disk,file=file,log=logfile" \
		"-device virtio-blk-pci,drive=disk,discard=off,write-zeroes=off,write-cache=on"
}

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

test_cut()
{
	local dir=$guests_dir/cut
	make_disk cut
	guest_stage cut
	guest_add_modules virtio_pci virtio_blk
	guest_add_payload "$guest_src"/record/{mark,standin}
	cp "$guest_src/record/cut" "$stage/payload/run"
	echo "MARKS_AT=$marks_at" >"$stage/payload/settings"
	# shellcheck disable=SC2046
	guest_boot cut 2 $(logged_disk cut)
	guest_await cut '^writing' 120 || {
		tail -n 5 "$guests_dir/cut.log"
		die "the guest does not write"
	}
	sleep "$((5 + RANDOM % 5)).$((RANDOM % 10))"
	guest_cut cut
	# In memory: many small disks are made.
	work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "$dir")")
	trap 'rm -rf "$work"; guest_end_all' EXIT
	"$guest_src/cuts.py" --image "$dir/first.img" --log "$dir/disk.log" --folder /twsnoop \
		--work "$work" --marks-at "$marks_at" --judge "$guest_src/record/standin-judge" \
		--cuts "$cuts"
}

[ "${1:-}" != --cuts ] || cuts=$2
guest_prepare
test_cut
