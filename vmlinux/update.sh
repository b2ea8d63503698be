#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Makes vmlinux/x86_64/vmlinux.h and vmlinux/arm64/vmlinux.h again from types.txt
# and the BTF of Debian's 6.1 cloud kernels (bookworm).
#
#   vmlinux/update.sh           with the BTF kept in build/ (fetched if not there)
#   vmlinux/update.sh --fetch   fetches the newest packages of that series first
#
# Needs apt and python3; no root. The mirror is the one of the machine's own apt
# sources, or $DEBIAN_MIRROR. Everything that it fetches stays in build/vmlinux.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
work=${BUILD:-$top/build}/vmlinux
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die()
{
	echo "update.sh: $*" >&2
	exit 1
}

# The first archive in the apt sources, of either format, that is Debian's main
# one by the usual name of its path: not security, nor someone else's.
find_mirror()
{
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2>/dev/null |
		awk '$1 == "URIs:" || $1 == "deb" {
			for (i = 2; i <= NF; i++)
				if ($i ~ /^[a-z+]+:\/.*\/debian\/?$/) {
					print $i
					exit
				}
		}'
}

# apt with a state of its own: the machine's is neither used nor changed. Only
# how to reach the network (proxies) comes from /etc/apt/apt.conf.d.
private_apt()
{
	tool=$1
	shift
	"$tool" -o Dir::State="$work/apt/state" \
		-o Dir::State::status="$work/apt/status" \
		-o Dir::Cache="$work/apt/cache" \
		-o Dir::Etc::sourcelist="$work/apt/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o APT::Architecture=amd64 -o APT::Architectures="amd64,arm64" \
		-o APT::Sandbox::User="$(id -un)" \
		-o Acquire::Languages=none "$@"
}

set_up_apt()
{
	mirror=$(find_mirror)
	[ -n "$mirror" ] || die "no Debian archive in the apt sources; set DEBIAN_MIRROR"
	mkdir -p "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial"
	: >"$work/apt/status"
	echo "deb [arch=amd64,arm64 signed-by=$keyring] $mirror $suite main" \
		>"$work/apt/sources.list"
	private_apt apt-get -qq update
}

# fetch_btf ARCH DEBIAN-ARCH: leaves $work/ARCH/<package>_<version>.btf
fetch_btf()
{
	name=$(private_apt apt-cache depends "linux-image-cloud-$2:$2" |
		sed -n 's/^ *Depends: *<\{0,1\}\(linux-image-6\.1\.[^:> ]*\).*/\1/p' | head -n 1)
	[ -n "$name" ] || die "no 6.1 cloud kernel for $2 in $suite"
	rm -rf "${work:?}/$1"
	mkdir -p "$work/$1/image"
	(cd "$work/$1" && private_apt apt-get -qq download "$name:$2")
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
