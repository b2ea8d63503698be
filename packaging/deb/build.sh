#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A Debian package of this tree as it is, by debhelper: in a copy, so that nothing is written but
# below the build folder.
#
# usage: packaging/deb/build.sh ARCH BUILD      ARCH as make has it; leaves BUILD/twsnoop_*.deb
# Environment: DEB_BUILD_OPTIONS (default nocheck: the tests are the tree's), CC, CLANG;
# DEBFULLNAME and DEBEMAIL, as Debian's tools have them: who answers for the package
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
arch=${1:?usage: build.sh ARCH BUILD}
build=${2:?usage: build.sh ARCH BUILD}

die()
{
	echo "build.sh: $*" >&2
	exit 1
}

# maintainer: who builds it for others; nothing: as the tree has it
maintainer()
{
	local name=${DEBFULLNAME:-} mail=${DEBEMAIL:-}
	[ -n "$mail" ] || return 0
	if [[ $mail =~ ^(.*[^ ])" "*\<(.*)\>$ ]]; then
		name=${name:-${BASH_REMATCH[1]}} mail=${BASH_REMATCH[2]}
	fi
	[[ $mail =~ ^[^[:space:]\<\>,@]+@[^[:space:]\<\>,@]+$ ]] || die "DEBEMAIL: no address: '$mail'"
	[[ -n $name && $name != *[[:cntrl:]\<\>]* ]] || die "DEBFULLNAME: a name is needed beside DEBEMAIL"
	echo "$name <$mail>"
}

by=$(maintainer)
command -v dh >/dev/null || die "debhelper is missing: sudo tests/deps.sh deb"

mkdir -p "$build"
build=$(cd "$build" && pwd)
work=$build/deb
version=$(sed -n '1s/^twsnoop (\(.*\)) .*/\1/p' "$top/packaging/deb/changelog")
tree=$work/twsnoop-$version
rm -rf "$work"
mkdir -p "$tree"
exclude=(--exclude=./.git --exclude=./build)
case $build in
"$top"/*) exclude+=("--exclude=./${build#"$top"/}") ;;
esac
tar -C "$top" "${exclude[@]}" -c . | tar -C "$tree" -x
cp -R "$tree/packaging/deb" "$tree/debian"
rm "$tree/debian/build.sh"

# What a build needs is one list, and what every build has is none of Debian's concern.
needs=$("$top/tests/deps.sh" --list build | sed -E '/^(gcc|libc6-dev|make)$/d; s/\|/ | /' | paste -sd, | sed 's/,/, /g')
sed -i "s/@BUILD@/$needs/" "$tree/debian/control"
units=$(cd "$tree/packaging/systemd" && echo *.service)
sed -i "s/@UNITS@/$units/" "$tree/debian/twsnoop.prerm"
if [ -n "$by" ]; then
	quoted=$(printf '%s' "$by" | sed 's/[&\/\\]/\\&/g')
	sed -i "s/^Maintainer: .*/Maintainer: $quoted/" "$tree/debian/control"
	# of this version: what went before is others'
	sed -i "0,/^ -- /s/^ -- .*>  / -- $quoted  /" "$tree/debian/changelog"
fi

export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck}
case " $DEB_BUILD_OPTIONS " in
*" nocheck "*) export DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES:-} nocheck" ;;
esac
# debhelper's make is none of the one that called this.
unset MAKEFLAGS MFLAGS MAKELEVEL
[ -z "${CC:-}" ] || export CC
[ -z "${CLANG:-}" ] || export CLANG
options=(-b -uc -us)
case $arch in
arm64) host=arm64 ;;
*) host=amd64 ;;
esac
if [ "$host" != "$(dpkg --print-architecture)" ]; then
	"$top/packaging/cross.sh" "$arch" "$build/cross"
	# Its tools under the names that debhelper calls; its libraries are not in this machine's state.
	mkdir -p "$work/bin"
	for tool in "$build"/cross/tools/usr/bin/*-linux-gnu-*; do
		name=$(basename "$tool")
		printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
			"$build/cross/tools/usr/lib/$(uname -m)-linux-gnu" "$tool" >"$work/bin/$name"
		chmod 755 "$work/bin/$name"
	done
	export PATH="$work/bin:$PATH" TWSNOOP_DEB_BUILD="$work/build"
	mkdir -p "$work/build"
	ln -s "$build/cross" "$work/build/cross"
	unset CC
	options+=("-a$host" -d)
fi
(cd "$tree" && dpkg-buildpackage "${options[@]}") >"$work/log" 2>&1 || {
	tail -n 30 "$work/log" >&2
	die "dpkg-buildpackage failed: $work/log"
}
rm -f "$build"/twsnoop_*_"$host".deb
cp "$work"/twsnoop_"$version"_"$host".deb "$build/"
rm -rf "$tree"
echo "$build/twsnoop_${version}_$host.deb"
