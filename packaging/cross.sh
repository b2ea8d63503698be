#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What building for another architecture needs: Debian's cross compiler and that architecture's
# libraries, unpacked into a folder of their own. Nothing is installed, and no state of the
# machine's package management is used or changed but for where its mirror is.
#
# usage: packaging/cross.sh arm64 DIR      leaves DIR/cc, DIR/pkg-config and DIR/root, in which a state
#                                         of dpkg tells which library is of which package
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)

die()
{
	echo "cross.sh: $*" >&2
	exit 1
}

# shellcheck source-path=SCRIPTDIR source=private-apt.sh
. "$top/packaging/private-apt.sh"

arch=${1:-}
dir=${2:-}
[ "$arch" = arm64 ] && [ -n "$dir" ] || {
	echo "usage: cross.sh arm64 DIR" >&2
	exit 2
}
triplet=aarch64-linux-gnu
# Anew if it is another list of packages now.
[ ! -s "$dir/complete" ] || [ "$top/packaging/cross.sh" -nt "$dir/complete" ] || exit 0

# The suite of this machine: the compiler runs with its libraries' versions.
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
find_keyring
find_mirrors
mkdir -p "$dir"
dir=$(cd "$dir" && pwd -P)
apt=$dir/apt
rm -rf "$dir"/{root,tools,apt}
write_apt_config "$apt" "$(dpkg --print-architecture),$arch" "$suite"
apt-get -c "$apt/apt.conf" -qq update >"$apt/apt.log" 2>&1 ||
	die "the archive cannot be read (apt's words: $apt/apt.log)"

fetch_packages "$apt" "$dir/tools" "gcc-$triplet"
note_packages=1 fetch_packages "$apt" "$dir/root" "libc6-dev:$arch" "libbpf-dev:$arch" "libelf-dev:$arch" \
	"zlib1g-dev:$arch" "libzstd-dev:$arch" "libjansson-dev:$arch" "libcmocka-dev:$arch" \
	"libsqlite3-dev:$arch" "libncurses-dev:$arch" "libmicrohttpd-dev:$arch" "linux-libc-dev:$arch" \
	"libcurl4-openssl-dev:$arch"
# Links of libz.so and the like lead into this machine: then the linker would take libz.a.
find "$dir/root" -type l -lname '/*' -printf '%p\n' | while read -r link; do
	ln -sfn "$dir/root$(readlink "$link")" "$link"
done
gcc=$(find "$dir/tools/usr/bin" -name "$triplet-gcc-[0-9]*" | sort -V | tail -n 1)
[ -n "$gcc" ] || die "the packages had no compiler"

# With the compiler's own libraries before the machine's.
cat >"$dir/cc" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$dir/tools/usr/lib/$(uname -m)-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
exec "$gcc" --sysroot="$dir/root" -B"$dir/tools/usr/$triplet/bin" "\$@"
WRAPPER
cat >"$dir/pkg-config" <<WRAPPER
#!/bin/sh
PKG_CONFIG_SYSROOT_DIR="$dir/root" PKG_CONFIG_PATH= \\
PKG_CONFIG_LIBDIR="$dir/root/usr/lib/$triplet/pkgconfig:$dir/root/usr/share/pkgconfig" \\
exec pkg-config "\$@"
WRAPPER
chmod 755 "$dir/cc" "$dir/pkg-config"
rm -rf "$apt"
echo "$gcc" >"$dir/complete"
