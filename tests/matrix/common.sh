# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the matrix scripts share: places, the list of series, messages.
# Sourced, never run. The caller sets `prog` first.

# Debian packages that the build machine needs for the matrix. `run.sh --packages` prints them.
# shellcheck disable=SC2034
MATRIX_PACKAGES="qemu-system-x86 busybox-static cpio kmod nftables iproute2 xz-utils zstd \
debian-archive-keyring util-linux"

# The kernels that are tested by default; fetch.sh knows where each comes from. The longest first:
# two guests run at a time, and none should be left alone at the end.
# shellcheck disable=SC2034
MATRIX_SERIES="7.3 6.12 6.1 5.10"

matrix_src=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_root=$(cd "$matrix_src/../.." && pwd)

BUILD=${BUILD:-build}
case $BUILD in
/*) ;;
*) BUILD=$repo_root/$BUILD ;;
esac
matrix_dir=$BUILD/matrix
# shellcheck disable=SC2034
kernel_dir=${MATRIX_CACHE:-$matrix_dir/kernels}

say()
{
	printf '%s: %s\n' "${prog:-matrix}" "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# usage_die MESSAGE: wrong usage is exit status 2 throughout the project.
usage_die()
{
	say "$* (--help tells the usage)"
	exit 2
}

need_programs()
{
	local p missing=
	for p in "$@"; do
		command -v "$p" >/dev/null 2>&1 || missing="$missing $p"
	done
	[ -z "$missing" ] || die "not installed:$missing; apt-get install $MATRIX_PACKAGES"
}
