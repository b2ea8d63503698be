# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Guests with a real systemd in them. Sourced, never run; the caller sets `prog` first. The root is
# an initramfs (mkroot.sh) to which each guest appends what is its own: so nothing of a guest's
# system outlives it, and what is on a disk of its is what it has written there.
#
#   guest_prepare                       kernel and root, both cached
#   guest_stage NAME                    begins guest NAME's own files, in $stage
#   guest_add_payload PROG...           into /payload, with the libraries they need; /payload/run is
#                                       what the guest is for
#   guest_install                       what `make install` puts where
#   guest_add_deb                       dpkg, and /payload/twsnoop.deb and next.deb, the same of the next version,
#                                       of the program as it is built; false where no deb can be built
#   guest_add_modules NAME...           kernel modules, for modprobe
#   guest_boot NAME CPUS [ARG...]       starts it, with more arguments for QEMU; CPUS is "disk" for one
#                                       that has a disk: see accel in qemu.sh
#   guest_run NAME CPUS SECONDS [ARG...]  the same until it ends; its lines on stdout
#   guest_await NAME REGEX SECONDS      until a line of its console is such a one
#   guest_cut NAME                      kill -9: the power is gone
#
# $guests_dir/NAME.log is its console.

guest_src=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../matrix/common.sh
. "$guest_src/../matrix/common.sh"
# shellcheck source-path=SCRIPTDIR source=../matrix/modules.sh
. "$matrix_src/modules.sh"
# shellcheck source-path=SCRIPTDIR source=../matrix/qemu.sh
. "$matrix_src/qemu.sh"

# shellcheck disable=SC2034
GUEST_PACKAGES="qemu-system-x86 cpio kmod xz-utils zstd util-linux debian-archive-keyring e2fsprogs \
sqlite3 python3"

# The kernel that most hosts with Debian's systemd have; ext4 and NVMe are built into it.
guest_series=${SERIES:-6.1}
guests_dir=$BUILD/guests
guest_memory=1G
guest_names=()

guest_prepare()
{
	need_programs qemu-system-x86_64 cpio depmod xz zstd flock mke2fs
	mkdir -p "$guests_dir"
	"$matrix_src/fetch.sh" "$guest_series" || die "no kernel for the guests"
	guest_root=$("$guest_src/mkroot.sh")
	release=$(cat "$kernel_dir/$guest_series/release")
	modules=$kernel_dir/$guest_series/lib/modules/$release
	trap guest_end_all EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

guest_stage()
{
	stage=$guests_dir/$1.stage
	guest_names+=("$1")
	rm -f "$guests_dir/$1.cpio"
	rm -rf "$stage"
	mkdir -p "$stage"/{payload,usr/lib}
	# As the root has it: whatever is put into /lib is to be found there.
	ln -s usr/lib "$stage/lib"
	guest_add_modules inet_diag tcp_diag
}

guest_add_modules()
{
	local name
	for name in "$@"; do
		add_module "$name" || die "$release has no module $name"
	done
}

# guest_add_libraries FILE: where it looks for them, but below /usr: the root's /lib is a link.
guest_add_libraries()
{
	local lib to
	ldd "$1" 2>/dev/null | grep -o -E '/[^ ]+' | while read -r lib; do
		to=$stage/usr${lib#/usr}
		[ -f "$lib" ] && [ ! -e "$to" ] || continue
		mkdir -p "$(dirname "$to")"
		cp -L "$lib" "$to"
	done || true
}

guest_add_payload()
{
	local f
	for f in "$@"; do
		cp -RL "$f" "$stage/payload/"
		guest_add_libraries "$f"
	done
}

guest_install()
{
	"${MAKE:-make}" -s -C "$repo_root" BUILD="$BUILD" DESTDIR="$stage" install ||
		die "make install has failed"
	guest_add_libraries "$BUILD/twsnoop"
	guest_add_libraries "$BUILD/late.so" # and those of the libraries that it loads late
}

# guest_add_package NAME: of this machine's, its files
guest_add_package()
{
	local f to
	dpkg -L "$1" | while read -r f; do
		[ -f "$f" ] || continue
		case $f in
		/usr/share/doc/* | /usr/share/man/* | /usr/share/locale/*) continue ;;
		esac
		to=$stage/usr${f#/usr}
		mkdir -p "$(dirname "$to")"
		cp -L "$f" "$to"
		[ ! -x "$f" ] || guest_add_libraries "$f"
	done
}

# guest_add_status DEB: what it depends on is installed, as far as dpkg knows
guest_add_status()
{
	local db=$stage/var/lib/dpkg name
	mkdir -p "$db"/{info,updates,triggers}
	: >"$db/available"
	dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -E 's/^ *([^ ]+).*/\1/' |
		while read -r name; do
			dpkg -s "$name"
			echo
			: >"$db/info/$name.list"
			: >"$db/info/$name:$(dpkg --print-architecture).list"
		done >"$db/status"
}

guest_add_deb()
{
	local deb newer=$guests_dir/deb/newer name
	command -v dh >/dev/null && command -v dpkg-deb >/dev/null || return 1
	mkdir -p "$guests_dir/deb"
	deb=$(CC="${CC:-}" CLANG="${CLANG:-}" TWSNOOP_DEB_BUILD="$(readlink -f "$BUILD")" \
		"$repo_root/packaging/deb/build.sh" "$(uname -m)" "$guests_dir/deb") || die "make deb has failed"
	rm -rf "$newer"
	dpkg-deb -R "$deb" "$newer"
	sed -i 's/^Version: .*/&+next/' "$newer/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$newer" "$stage/payload/next.deb" >/dev/null
	cp "$deb" "$stage/payload/twsnoop.deb"
	guest_add_libraries "$newer/usr/sbin/twsnoop"
	guest_add_libraries "$BUILD/late.so"
	for name in dpkg tar perl-base init-system-helpers diffutils; do
		guest_add_package "$name"
	done
	mkdir -p "$stage/usr/sbin"
	cp /sbin/ldconfig "$stage/usr/sbin/"
	guest_add_status "$deb"
}

# guest_pack NAME: the archive that it boots from.
guest_pack()
{
	index_modules
	{
		cat "$guest_root"
		(cd "$stage" && find . -print0 | LC_ALL=C sort -z |
			cpio --null --create --format=newc --owner=0:0 --quiet)
	} >"$guests_dir/$1.cpio"
	rm -rf "$stage"
}

guest_boot()
{
	local name=$1 cpus=$2
	shift 2
	[ -s "$guests_dir/$name.cpio" ] || guest_pack "$name"
	guest_token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
	: >"$guests_dir/$name.log"
	rm -f "$guests_dir/$name.pid"
	# shellcheck disable=SC2046
	$(machine "$guest_series") -name "guest-$name" $(accel "$cpus") -m "$guest_memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-chardev "file,id=console,path=$guests_dir/$name.log" -serial chardev:console \
		-kernel "$kernel_dir/$guest_series/vmlinuz" -initrd "$guests_dir/$name.cpio" \
		-append "$(kernel_args "$guest_series") systemd.show_status=0 guest.token=$guest_token" \
		"$@" </dev/null >"$guests_dir/$name.qemu" 2>&1 &
	guest_pid=$!
	echo "$guest_pid" >"$guests_dir/$name.pid"
}

# guest_alive NAME
guest_alive()
{
	kill -0 "$(cat "$guests_dir/$1.pid")" 2>/dev/null
}

guest_await()
{
	local name=$1 regex=$2 until=$((SECONDS + $3))
	while ! grep -a -q -E -e "$regex" "$guests_dir/$name.log"; do
		guest_alive "$name" && [ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

guest_cut()
{
	local pid
	pid=$(cat "$guests_dir/$1.pid")
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	rm -f "$guests_dir/$1.pid"
}

# What this shell has started and not ended: another one's guests may be running.
guest_end_all()
{
	local name
	for name in "${guest_names[@]}"; do
		[ ! -s "$guests_dir/$name.pid" ] || guest_cut "$name"
		rm -rf "$guests_dir/$name.stage" "$guests_dir/$name.cpio"
	done
}

# guest_lines NAME: what it has printed between the marker lines
guest_lines()
{
	sed 's/\r*$//' "$guests_dir/$1.log" |
		sed -n "/^=== guest $guest_token begin /,/^=== guest $guest_token end /p"
}

# guest_run NAME CPUS SECONDS [ARG...]: false unless it came to its end, with status 0.
guest_run()
{
	local name=$1 cpus=$2 seconds=$3
	shift 3
	guest_boot "$name" "$cpus" "$@"
	guest_await "$name" "^=== guest $guest_token end " "$seconds" || true
	# It powers off by itself then.
	timeout 10 tail --pid="$guest_pid" -f /dev/null || true
	guest_cut "$name"
	guest_lines "$name"
	if guest_lines "$name" | grep -q "^=== guest $guest_token end status=0 "; then
		return
	fi
	if ! guest_lines "$name" | grep -q "^=== guest $guest_token end "; then
		echo "FAIL $name: the guest has not come to its end; its last lines:"
		tail -n 15 "$guests_dir/$name.log" "$guests_dir/$name.qemu"
	fi
	return 1
}
