#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The sources of a release, as they are committed: the same bytes from each clone.
#
# usage: packaging/dist.sh BUILD      leaves BUILD/twsnoop-VERSION.tar.gz, and its SHA-256 beside it
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?usage: dist.sh BUILD}

die()
{
	echo "dist.sh: $*" >&2
	exit 1
}

git -C "$top" rev-parse --verify -q HEAD >/dev/null 2>&1 && [ -e "$top/.git" ] ||
	die "this is no clone: a release is made of what git has committed"
[ -z "$(git -C "$top" status --porcelain)" ] ||
	echo "dist.sh: what is not committed is not in it" >&2
version=$(git -C "$top" show HEAD:packaging/deb/changelog | sed -n '1s/^twsnoop (\(.*\)) .*/\1/p')
[ -n "$version" ] || die "packaging/deb/changelog does not begin with a version"
mkdir -p "$build"
build=$(cd "$build" && pwd)
name=twsnoop-$version
# Neither the user's umask nor the time of day is in it: files are as old as their commit.
git -C "$top" -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD |
	gzip -n -9 >"$build/$name.tar.gz.part"
mv "$build/$name.tar.gz.part" "$build/$name.tar.gz"
(cd "$build" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
