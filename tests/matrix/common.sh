# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the matrix scripts share: places, the list of series, messages.
# Sourced, never run. The caller sets `prog` first.

# Debian packages that the build machine needs for the matrix. `run.sh --packages` prints them.
# shellcheck disable=SC2034
MATRIX_PACKAGES="qemu-system-x86 busybox-static cpio kmod nftables iproute2 xz-utils zstd \
debian-archive-keyring util-linux binutils qemu-system-arm"

# And what a guest of another architecture has from that architecture's packages: the programs that
# mkinitramfs.sh takes from this machine else.
# shellcheck disable=SC2034
MATRIX_GUEST_PACKAGES="busybox-static bash dash coreutils util-linux iproute2 nftables libcap2-bin \
crun runc strace"

# The kernels that are tested by default; fetch.sh knows where each comes from. The longest first:
# two guests run at a time, and none should be left alone at the end. From 7.0 on a process can be
# preempted in the midst of a program (docs/kernel.md). It and 6.17 are of no release of Debian's, whose
# archive has them for a while only: see is_passing().
# shellcheck disable=SC2034
case ${MATRIX_ARCH:-amd64} in
arm64) MATRIX_SERIES="7.3-arm64 6.1-arm64" ;;
*) MATRIX_SERIES="7.3 6.12 6.1 5.10 7.3-rt 7.0 6.17" ;;
esac

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

# is_series NAME: "6.1", perhaps with a flavour, perhaps for arm64: "6.12-rt", "6.1-full", "6.1-arm64".
is_series()
{
	[[ $1 =~ ^[0-9]+\.[0-9]+(-(rt|full))?(-arm64)?$ ]]
}

# is_passing SERIES: of no release of Debian's, so that some day its archive has it no more. That is no failure.
is_passing()
{
	case $(series_version "$1") in
	6.17 | 7.0) ;;
	*) return 1 ;;
	esac
}

# What fetch.sh exits with where nothing is wrong but that.
# shellcheck disable=SC2034
GONE_STATUS=3

# series_arch SERIES: by Debian's name of it. "6.1-arm64" is 6.1 for arm64.
series_arch()
{
	case $1 in
	*-arm64) echo arm64 ;;
	*) echo amd64 ;;
	esac
}

# series_version SERIES: 6.1 of "6.1-arm64", and of "6.1-full".
series_version()
{
	echo "${1%%-*}"
}

# series_flavour SERIES: how Debian's names of its packages end. "6.1-full" is not the kernel for
# clouds: it has what only hardware needs, such as suspending. "6.12-rt" is the real-time one, in which
# softirqs are threads that can be preempted.
series_flavour()
{
	case $1 in
	*-full*) echo "[0-9][^-]*-$(series_arch "$1")" ;;
	*-rt*) echo "rt-$(series_arch "$1")" ;;
	*) echo "cloud-$(series_arch "$1")" ;;
	esac
}

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
