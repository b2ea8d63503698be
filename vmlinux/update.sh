#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes vmlinux/x86_64/vmlinux.h and vmlinux/arm64/vmlinux.h again from types.txt
# and the BTF of Debian's 6.1 cloud kernels (bookworm).
#
#   vmlinux/update.sh           with the BTF kept in build/ (fetched if not there)
#   vmlinux/update.sh --fetch   fetches the newest packages of that series first
#
# Needs apt and python3; no root. The mirror is the one of the machine's own apt
# sources (see packaging/private-apt.sh). Everything that it fetches stays in build/vmlinux.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
work=${BUILD:-$top/build}/vmlinux
suite=bookworm

die()
{
	echo "update.sh: $*" >&2
	exit 1
}

# shellcheck source-path=SCRIPTDIR source=../packaging/private-apt.sh
. "$top/packaging/private-apt.sh"

set_up_apt()
{
	find_keyring
	find_mirrors
	mkdir -p "$work"
	write_apt_config "$work/apt" amd64,arm64 "$suite"
	apt-get -c "$work/apt/apt.conf" -qq update
}

# fetch_btf ARCH DEBIAN-ARCH: leaves $work/ARCH/<package>_<version>.btf
fetch_btf()
{
	name=$(apt-cache -c "$work/apt/apt.conf" depends "linux-image-cloud-$2:$2" |
		sed -n 's/^ *Depends: *<\{0,1\}\(linux-image-6\.1\.[^:> ]*\).*/\1/p' | head -n 1)
	[ -n "$name" ] || die "no 6.1 cloud kernel for $2 in $suite"
	rm -rf "${work:?}/$1"
	mkdir -p "$work/$1/image"
	(cd "$work/$1" && apt-get -c "$work/apt/apt.conf" -qq download "$name:$2")
	set -- "$1" "$2" "$work/$1"/*.deb
	dpkg-deb --fsys-tarfile "$3" |
		tar -x -C "$work/$1/image" --wildcards './boot/vmlinuz-*'
	version=$(dpkg-deb --field "$3" Version)
	"$top/vmlinux/generate.py" --extract "$work/$1/image/boot"/vmlinuz-* \
		"$work/$1/${name}_$version.btf"
	rm -rf "$work/$1/image" "$3"
}

case "${1:-}" in
"" | --fetch) ;;
*) die "usage: vmlinux/update.sh [--fetch]" ;;
esac

# shellcheck disable=SC2144 # there is one match or none
if [ "${1:-}" = --fetch ] || ! [ -f "$work"/x86_64/*.btf ] || ! [ -f "$work"/arm64/*.btf ]; then
	set_up_apt
	fetch_btf x86_64 amd64
	fetch_btf arm64 arm64
fi
for arch in x86_64 arm64; do
	"$top/vmlinux/generate.py" --arch "$arch" --btf "$work/$arch"/*.btf
done
