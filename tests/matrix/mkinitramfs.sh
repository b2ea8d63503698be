#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the guest's whole file system: busybox, the kernel's modules that the tests need, some of
# this machine's own programs with their libraries, and a payload in /payload.
#
# Needs no root: the archive says root owns everything, and the kernel makes the devices.
set -euo pipefail

prog=mkinitramfs.sh
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source-path=SCRIPTDIR source=modules.sh
. "$matrix_src/modules.sh"

usage()
{
	cat <<-EOF
	usage: mkinitramfs.sh --kernel DIR --out FILE [options]

	  --kernel DIR             a kernel as fetch.sh lays it out
	  --out FILE               the archive to write (compressed if FILE ends in .gz)
	  --payload DIR            copied to /payload; /payload/run is what the guest runs. Programs
	                           in it may be dynamic: their libraries are added
	  --with-host-binary PROG  add this machine's PROG (name or path) as /usr/bin/PROG, with its
	                           libraries; may be repeated. ip, nft, ss, tc, bash and a few small
	                           ones are always added if present
	  --module NAME            load this kernel module too; may be repeated
	  --root DIR               programs and libraries are not this machine's, but those below
	                           DIR, for the kernel's architecture; may be repeated
	EOF
}

# Loaded at boot, in this order. A name that a kernel does not have is reported, not an error:
# Debian's 5.10 has MPTCP switched off, for one, and nft_counter is part of nf_tables since 5.18.
modules_load="inet_diag tcp_diag nf_tables veth dummy"

# Taken from this machine without being asked for; the guest can do without the second group. A
# busybox shell runs its own applet `ip` whatever PATH says, and so do its env, timeout and the like
# for the program they start: so they come from here too, and so does /bin/sh.
host_wanted="ip nft ss"
host_optional="tc bridge dash bash env timeout setsid nohup nice xargs stdbuf chroot taskset unshare
nsenter setpriv capsh flock strace"

# Only put in place. The kernel itself asks for them by alias (/sbin/modprobe) when a socket, rule,
# qdisc or link needs them, so they cost no boot time where they are not used.
modules_carry="udp_diag unix_diag netlink_diag af_packet_diag mptcp_diag raw_diag
nft_ct nft_counter nft_limit nft_numgen nft_log nft_queue nfnetlink_queue nft_reject_inet
nft_reject_ipv4 nft_reject_ipv6 nft_chain_nat nft_masq nft_nat nft_redir nft_tproxy nft_socket
nft_hash
nft_dup_netdev nft_fwd_netdev nft_quota nft_connlimit nft_compat
sch_netem sch_ingress sch_tbf sch_fq cls_bpf cls_u32 cls_matchall act_mirred act_gact act_bpf
bridge tun overlay tls macvlan ipvlan"

find_busybox()
{
	local p
	p=$(find_program busybox) || die "busybox is not installed; apt-get install busybox-static"
	# A dynamic busybox would need the loader before anything could be mounted or seen.
	if readelf -l "$p" | grep -q 'INTERP'; then
		die "$p is not static; apt-get install busybox-static"
	fi
	echo "$p"
}

make_skeleton()
{
	local busybox applet
	busybox=$(find_busybox)
	mkdir -p "$stage"/{bin,dev,etc,lib/modules,newroot,payload,proc,root,run,sbin,sys,tmp,var} \
		"$stage"/usr/{bin,sbin}
	ln -s ../run "$stage/var/run"
	ln -s ../tmp "$stage/var/tmp"
	cp "$busybox" "$stage/bin/busybox"
	# Of another architecture it cannot be asked; this machine's has the same.
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$stage/bin/$applet"
	done
	# The kernel runs /sbin/modprobe to load what it misses.
	ln -s ../bin/busybox "$stage/sbin/modprobe"
	cp "$matrix_src/init" "$stage/init"
	chmod 755 "$stage/init"
	cat >"$stage/etc/passwd" <<-EOF
	root:x:0:0:root:/root:/bin/sh
	tester:x:1000:1000:tester:/tmp:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/sh
	EOF
	printf 'root:x:0:\ntester:x:1000:\nnogroup:x:65534:\n' >"$stage/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$stage/etc/hosts"
	printf 'passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n' \
		>"$stage/etc/nsswitch.conf"
	# nft and ss read names of protocols and ports from these.
	for applet in protocols services; do
		[ ! -r "/etc/$applet" ] || cp -L "/etc/$applet" "$stage/etc/"
	done
}

add_modules()
{
	local name absent=
	: >"$stage/etc/modules.load"
	for name in $modules_load $extra_modules $modules_carry; do
		if ! add_module "$name"; then
			absent="$absent $name"
			continue
		fi
		case " $modules_load $extra_modules " in
		*" $name "*) echo "$name" >>"$stage/etc/modules.load" ;;
		esac
	done
	index_modules
	[ -z "$absent" ] || say "note: $release has no$absent"
}

# resolve ROOT PATH: the file that PATH below ROOT is, links followed as if ROOT were /.
resolve()
{
	local root=$1 path=$2 target
	while [ -L "$root$path" ]; do
		target=$(readlink "$root$path")
		case $target in
		/*) path=$target ;;
		*) path=$(dirname "$path")/$target ;;
		esac
	done
	[ -f "$root$path" ] && echo "$root$path"
}

# find_in_roots NAME DIR...: the first file of that name in one of these folders of a root.
find_in_roots()
{
	local name=$1 root dir
	shift
	for root in $roots; do
		for dir in "$@"; do
			resolve "$root" "$dir/$name" && return
		done
	done
	return 1
}

# find_program NAME: where it is, in the roots or on this machine.
find_program()
{
	local path
	if [ -n "$roots" ]; then
		find_in_roots "$(basename "$1")" /usr/sbin /usr/bin /sbin /bin
		return
	fi
	# Not `command -v`: some of the names are the shell's own too.
	path=$(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin type -P "$1") || return 1
	readlink -f "$path"
}

# add_root_libraries FILE: as add_libraries, by what the file says that it needs.
add_root_libraries()
{
	local lib path
	readelf -h "$1" >/dev/null 2>&1 || return 0
	readelf -l "$1" 2>/dev/null |
		sed -n 's/.*\[Requesting program interpreter: \(.*\)\]/\1/p' |
		while read -r lib; do
			[ -e "$stage$lib" ] || {
				mkdir -p "$stage$(dirname "$lib")"
				cp "$(find_in_roots "$(basename "$lib")" /lib /usr/lib \
					/lib/*-linux-gnu /usr/lib/*-linux-gnu)" "$stage$lib"
			}
		done
	readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		while read -r lib; do
			[ ! -e "$stage/usr/lib/$lib" ] || continue
			path=$(find_in_roots "$lib" "/lib/$triplet" "/usr/lib/$triplet" \
				"/usr/lib/$triplet/systemd") || die "$1 needs $lib, which is nowhere"
			mkdir -p "$stage/usr/lib"
			cp "$path" "$stage/usr/lib/$lib"
			add_root_libraries "$path"
		done
}

# add_libraries FILE: the shared libraries and the loader of a dynamic program, under the paths
# by which it looks for them.
add_libraries()
{
	local lib
	if [ -n "$roots" ]; then
		add_root_libraries "$1"
		return
	fi
	# Static ones and scripts make ldd fail: they need nothing.
	ldd "$1" 2>/dev/null | grep -o -E '/[^ ]+' | while read -r lib; do
		[ -f "$lib" ] || continue
		[ ! -e "$stage$lib" ] || continue
		mkdir -p "$stage$(dirname "$lib")"
		cp -L "$lib" "$stage$lib"
	done || true
}

# add_host_binary PROG: as /usr/bin/PROG, which the guest's PATH has before busybox.
add_host_binary()
{
	local path
	path=$(find_program "$1") || return 1
	cp -L "$path" "$stage/usr/bin/$(basename "$1")"
	add_libraries "$path"
}

# choose_shell: /bin/sh is the host's dash, else its bash, else busybox's.
choose_shell()
{
	local shell
	for shell in dash bash; do
		if [ -f "$stage/usr/bin/$shell" ]; then
			ln -sf "../usr/bin/$shell" "$stage/bin/sh"
			break
		fi
	done
	[ ! -f "$stage/usr/bin/bash" ] || ln -sf ../usr/bin/bash "$stage/bin/bash"
}

add_payload()
{
	local f
	[ -x "$payload/run" ] || die "$payload/run is missing or not executable"
	cp -RL "$payload/." "$stage/payload/"
	find "$stage/payload" -type f -perm -u+x | while read -r f; do
		add_libraries "$f"
	done
}

pack()
{
	local packer=cat
	case $out in
	*.gz) packer="gzip -1" ;;
	esac
	mkdir -p "$(dirname "$out")"
	(cd "$stage" && find . -print0 | LC_ALL=C sort -z |
		cpio --null --create --format=newc --owner=0:0 --quiet) | $packer >"$out.part"
	mv "$out.part" "$out"
}

main()
{
	local prog_name
	kernel='' out='' payload='' host_binaries='' extra_modules='' roots=''
	while [ $# -gt 0 ]; do
		case $1 in
		-h | --help)
			usage
			exit 0
			;;
		--kernel | --out | --payload | --with-host-binary | --module | --root)
			[ $# -ge 2 ] || usage_die "$1 needs a value"
			case $1 in
			--kernel) kernel=$2 ;;
			--out) out=$2 ;;
			--payload) payload=$2 ;;
			--with-host-binary) host_binaries="$host_binaries $2" ;;
			--module) extra_modules="$extra_modules $2" ;;
			--root) roots="$roots $2" ;;
			esac
			shift
			;;
		*) usage_die "unknown argument $1" ;;
		esac
		shift
	done
	if [ -z "$kernel" ] || [ -z "$out" ]; then
		usage_die "--kernel and --out are needed"
	fi
	need_programs cpio depmod xz zstd ldd readelf awk
	[ -s "$kernel/release" ] || die "no kernel in $kernel; run fetch.sh"
	release=$(cat "$kernel/release")
	modules=$kernel/lib/modules/$release
	triplet=aarch64-linux-gnu # of the roots
	stage=$out.stage
	rm -rf "$stage"
	mkdir -p "$stage"
	trap 'rm -rf "$stage"' EXIT

	make_skeleton
	add_modules
	for prog_name in $host_wanted; do
		add_host_binary "$prog_name" || say "note: this machine has no $prog_name for the guest"
	done
	for prog_name in $host_optional; do
		add_host_binary "$prog_name" || true
	done
	choose_shell
	for prog_name in $host_binaries; do
		add_host_binary "$prog_name" || die "no program $prog_name on this machine"
	done
	[ -z "$payload" ] || add_payload
	pack
}

main "$@"
