#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetch the kernels of the matrix from Debian: for each series the newest cloud kernel that the
# machine's own mirror offers now, for amd64, or for arm64 with a series such as "6.1-arm64"; with one
# such as "6.1-full" the kernel that is not for clouds, with "6.12-rt" the real-time one.
# Nothing here names a mirror or a package version.
#
# Result, in $BUILD/matrix/kernels/SERIES/:
#   vmlinuz  config  lib/modules/RELEASE/ (with modules.dep)
#   release (what uname -r will say)   version (Debian's version; written last)
#   unsigned, if no signed index has the modules any more: see download_dropped()
set -euo pipefail

prog=fetch.sh
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source-path=SCRIPTDIR source=../../packaging/private-apt.sh
. "$repo_root/packaging/private-apt.sh"

usage()
{
	cat <<-EOF
	usage: fetch.sh [--refresh] [SERIES...]     (default: $MATRIX_SERIES)
	       fetch.sh --offered                   all series that the archive has now

	Puts each series' current Debian kernel into \$BUILD/matrix/kernels/SERIES. Exits with $GONE_STATUS if
	all is well but that the archive has one of 6.17 and 7.0 no more.
	A kernel that is there already is used as it is, unless --refresh is given.

	Environment:
	  BUILD                   build folder (default: build)
	  DEBIAN_MIRROR           base addresses of Debian mirrors to use instead of the ones in the
	  DEBIAN_SECURITY_MIRROR  machine's apt sources (several: separated by spaces)
	EOF
}

# Where any series may be found. The three backports and the last three change their kernels every few weeks.
archive_suites="bullseye bullseye-updates bullseye-security bookworm bookworm-updates bookworm-backports
bookworm-security trixie trixie-updates trixie-backports trixie-security forky sid experimental"

# Where a series is found: groups separated by `|`, the first group that has the series wins. A
# suite named *-security is asked of the security mirror. Of a series that is not known here the whole
# archive is asked, which takes longer.
series_suites()
{
	case $(series_version "$1") in
	5.10) echo "bullseye bullseye-updates bullseye-security" ;;
	6.1) echo "bookworm bookworm-updates bookworm-security" ;;
	6.12) echo "bookworm-updates bookworm-backports bookworm-security | trixie trixie-security" ;;
	7.3) echo "trixie-backports" ;;
	*) echo "archive" ;;
	esac
}

# trixie-backports moves on to a new kernel every few weeks and drops the old one. There "7.3"
# means 7.3 while it is offered, then the newest that is later than it.
series_is_rolling()
{
	[ "$(series_version "$1")" = 7.3 ]
}

# list_kernels DIR SERIES: the kernels' ABI names ("6.1.0-56-cloud-amd64") in DIR's indexes,
# newest first. With a rolling series the later ones come after it.
list_kernels()
{
	local dir=$1 series=$2 names
	names=$(apt-cache -c "$dir/apt.conf" pkgnames linux- |
		grep -E "^linux-(image|binary)-[0-9]+\.[0-9]+\.(.*-)?$(series_flavour "$series")\$") ||
		return 0
	# shellcheck disable=SC2086
	apt-cache -c "$dir/apt.conf" show $names |
		awk -v series="$(series_version "$series")" -v rolling="$(series_is_rolling "$series" && echo 1 || echo 0)" '
		BEGIN { split(series, want, ".") }
		/^Package: / {
			abi = $2
			sub(/^linux-(image|binary)-/, "", abi)
		}
		/^Version: / {
			split(abi, has, ".")
			if (has[1] == want[1] && has[2] == want[2])
				print 1, $2, abi
			else if (rolling && (has[1] + 0 > want[1] + 0 ||
				 (has[1] == want[1] && has[2] + 0 > want[2] + 0)))
				print 0, $2, abi
		}' | sort -k1,1nr -k2,2Vr -u | awk '!seen[$3]++ { print $3 }'
}

# download_kernel DIR ABI: all packages of that kernel. Up to 6.18 one package held image and
# modules; later ones split it, and linux-image-* is an empty one that needs the rest.
download_kernel()
{
	local dir=$1 abi=$2 kind names=
	for kind in image binary modules base; do
		# A name that others only depend on is no error, and shows nothing.
		if [ -n "$(apt-cache -c "$dir/apt.conf" show "linux-$kind-$abi" 2>/dev/null)" ]; then
			names="$names linux-$kind-$abi"
		fi
	done
	rm -rf "$dir/debs"
	mkdir -p "$dir/debs"
	# shellcheck disable=SC2086
	(cd "$dir/debs" && apt-get -c "$dir/apt.conf" -q download $names) >>"$dir/apt.log" 2>&1 || return
	download_dropped "$dir" "$abi"
}

# dropped_modules DIR ABI: the package and the version that linux-image-ABI needs and no index has. Backports
# drop a version's modules before the rest of it.
dropped_modules()
{
	[ -z "$(apt-cache -c "$1/apt.conf" show "linux-modules-$2" 2>/dev/null)" ] || return 0
	apt-cache -c "$1/apt.conf" show "linux-image-$2" |
		sed -n -E "s/^Depends:.*[ ,](linux-modules-[^ ]*-[^ ]*) \(= ([^)]*)\).*/\1 \2/p" | head -n 1
}

# download_dropped DIR ABI: the pool may have them still. Nothing signs that package any more; but the
# modules in it are signed, by a key that is in the image: the guest is made to look at that (in
# kernel_args, where there is $kernel_dir/SERIES/unsigned).
download_dropped()
{
	local dir=$1 abi=$2 name version base
	read -r name version < <(dropped_modules "$dir" "$abi") || return 0
	for base in $main_mirrors; do
		/usr/lib/apt/apt-helper -c "$dir/apt.conf" download-file \
			"${base%/}/pool/main/l/linux/${name}_${version#*:}_${abi##*-}.deb" \
			"$dir/debs/$name.deb" >>"$dir/apt.log" 2>&1 && touch "$dir/debs/unsigned" && return
	done
	return 1
}

# unpack_kernel DIR SERIES ABI: lay DIR/debs out as this file's head says.
unpack_kernel()
{
	local dir=$1 series=$2 abi=$3 deb tree=$1/tree out=$1/out image release
	rm -rf "$tree" "$out"
	mkdir -p "$tree" "$out/lib/modules"
	for deb in "$dir"/debs/*.deb; do
		dpkg-deb -x "$deb" "$tree"
	done
	for image in "$tree/boot/vmlinuz-$abi" "$tree/usr/lib/modules/$abi/vmlinuz" \
		"$tree/lib/modules/$abi/vmlinuz"; do
		[ -f "$image" ] && break
	done
	[ -f "$image" ] || die "$series: no kernel image in the packages of $abi"
	mv "$image" "$out/vmlinuz"
	for image in "$tree/boot/config-$abi" "$tree/usr/lib/modules/$abi/config"; do
		if [ -f "$image" ]; then
			mv "$image" "$out/config"
			break
		fi
	done
	for release in "$tree/lib/modules/$abi" "$tree/usr/lib/modules/$abi"; do
		if [ -d "$release" ]; then
			cp -a "$release" "$out/lib/modules/"
			rm -rf "$release"
		fi
	done
	[ -d "$out/lib/modules/$abi/kernel" ] || die "$series: no modules in the packages of $abi"
	# The modules of a kernel package have no modules.dep until they are installed. depmod
	# complains of absent lists of built-in modules, which nothing here reads.
	depmod -b "$out" "$abi" 2>/dev/null || die "$series: depmod failed for $abi"
	echo "$abi" >"$out/release"
	[ ! -e "$dir/debs/unsigned" ] || touch "$out/unsigned"
	for deb in "$dir"/debs/linux-image-*.deb "$dir"/debs/linux-binary-*.deb; do
		if [ -f "$deb" ]; then
			dpkg-deb -f "$deb" Version >"$out/version"
			break
		fi
	done
	rm -rf "${kernel_dir:?}/$series"
	mv "$out" "$kernel_dir/$series"
}

# read_suites DIR WHAT ARCH SUITE...: a private apt in DIR that knows these suites. One that cannot be read is
# said, but the others may do. Not apt's own words: they hold the mirror's address, and logs are published.
read_suites()
{
	local dir=$1 what=$2
	shift 2
	: >"$dir/unreadable"
	write_apt_config "$dir" "$@"
	if ! apt-get -c "$dir/apt.conf" -q update >"$dir/apt.log" 2>&1; then
		sed -n -E 's/^Err:[0-9]+ [^ ]+ ([^ ]+) .*/\1/p' "$dir/apt.log" | sort -u >"$dir/unreadable"
		[ -s "$dir/unreadable" ] || echo "perhaps all" >"$dir/unreadable"
		say "$what: not readable on the mirror: $(xargs <"$dir/unreadable")"
	fi
}

# read_archive ARCH: the same with all suites, in $matrix_dir/apt/archive-ARCH. It takes long: what is less
# than some hours old will do.
read_archive()
{
	local dir=$matrix_dir/apt/archive-$1
	if [ "$refresh" = 0 ] && [ -n "$(find "$dir/read" -mmin -360 2>/dev/null)" ]; then
		return
	fi
	rm -rf "$dir"
	mkdir -p "$dir"
	# shellcheck disable=SC2086
	read_suites "$dir" "the archive" "$1" $archive_suites
	has_unread "$dir" || touch "$dir/read"
}

# list_offered DIR ARCH: the series that DIR's indexes have, for clouds and real-time ones, oldest first.
list_offered()
{
	local suffix=
	[ "$2" = amd64 ] || suffix=-$2
	apt-cache -c "$1/apt.conf" pkgnames linux- |
		sed -n -E -e "s/^linux-(image|binary)-([0-9]+\.[0-9]+)\.(.*-)?cloud-$2\$/\2$suffix/p" \
			-e "s/^linux-(image|binary)-([0-9]+\.[0-9]+)\.(.*-)?rt-$2\$/\2-rt$suffix/p" |
		sort -V -u
}

# download_from DIR SERIES SUITE...: true if one of these suites had the series; its packages are
# then in $got_dir/debs, its ABI name in $got_abi. $read_dir: whose indexes were asked;
# $listed: 1 if they have it.
download_from()
{
	local dir=$1 series=$2 arch abi
	shift 2
	arch=$(series_arch "$series")
	if [ "$*" = archive ]; then
		read_archive "$arch"
		dir=$matrix_dir/apt/archive-$arch
	else
		read_suites "$dir" "$series" "$arch" "$@"
	fi
	read_dir=$dir
	# Newest first; an index may be ahead of its pool for a while, then the next will do.
	for abi in $(list_kernels "$dir" "$series" | head -n 8); do
		listed=1
		if download_kernel "$dir" "$abi"; then
			got_abi=$abi got_dir=$dir
			return 0
		fi
		say "$series: $abi is listed but could not be downloaded"
	done
	return 1
}

# has_unread DIR: whether a suite could not be read that may have what no release has.
has_unread()
{
	[ ! -e "$1/unreadable" ] || grep -qE 'trixie-backports|forky|sid|experimental|all' "$1/unreadable"
}

# is_gone DIR LISTED: whether the archive has the series no more: its indexes have it not, or, if it is listed,
# its pool has it not.
is_gone()
{
	has_unread "$1" && return 1
	[ "$2" = 0 ] || grep -q '404 ' "$1/apt.log"
}

fetch_series()
{
	local series=$1 groups group dir=$matrix_dir/apt/$1 got_abi='' got_dir='' read_dir='' listed=0
	groups=$(series_suites "$series")
	if [ "$refresh" = 0 ] && [ -s "$kernel_dir/$series/version" ]; then
		say "$series: $(cat "$kernel_dir/$series/release") (cached)"
		return 0
	fi
	rm -rf "$dir"
	mkdir -p "$dir" "$kernel_dir"
	while [ -z "$got_abi" ] && [ -n "$groups" ]; do
		group=${groups%%|*}
		case $groups in
		*'|'*) groups=${groups#*|} ;;
		*) groups= ;;
		esac
		# shellcheck disable=SC2086
		download_from "$dir" "$series" $group || true
	done
	if [ -z "$got_abi" ] && is_passing "$series" && is_gone "$read_dir" "$listed"; then
		say "$series: Debian's archive has it no more"
		return "$GONE_STATUS"
	fi
	if [ -z "$got_abi" ]; then
		say "$series: FAILED: the mirror offers no such linux-image-*-$(series_flavour "$series") (suites asked:" \
			"$(series_suites "$series" | tr -d '|' | xargs); apt's words: $matrix_dir/apt)"
		return 1
	fi
	unpack_kernel "$got_dir" "$series" "$got_abi"
	rm -rf "$dir" "$got_dir/debs" "$got_dir/tree"
	case $(cat "$kernel_dir/$series/release") in
	"$(series_version "$series")".*) ;;
	*) say "$series: no longer offered; its successor is used in its place" ;;
	esac
	say "$series: $(cat "$kernel_dir/$series/release"), Debian $(cat "$kernel_dir/$series/version")"
}

# Programs for guests of another architecture, in $kernel_dir/root-ARCH. They are of this machine's
# own suite: mkinitramfs.sh takes the list of busybox's applets from here.
fetch_root()
{
	local arch=$1 root=$kernel_dir/root-$1 dir=$matrix_dir/apt/root-$1 suite
	[ ! -s "$root/complete" ] || return 0
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	rm -rf "$dir" "$root"
	mkdir -p "$kernel_dir"
	write_apt_config "$dir" "$arch" "$suite"
	apt-get -c "$dir/apt.conf" -q update >"$dir/apt.log" 2>&1 ||
		die "$arch: the archive cannot be read (apt's words: $matrix_dir/apt)"
	# shellcheck disable=SC2086
	fetch_packages "$dir" "$root" $MATRIX_GUEST_PACKAGES
	rm -rf "$dir"
	echo "$suite" >"$root/complete"
	say "$arch: programs for the guests, of $suite"
}

main()
{
	local series status failed=0 offered=0 arch=${MATRIX_ARCH:-amd64}
	refresh=0
	while [ $# -gt 0 ]; do
		case $1 in
		--refresh) refresh=1 ;;
		--offered) offered=1 ;;
		-h | --help)
			usage
			exit 0
			;;
		-*) usage_die "unknown option $1" ;;
		*) break ;;
		esac
		shift
	done
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- $MATRIX_SERIES
	for series in "$@"; do
		is_series "$series" || usage_die "'$series' is no series: 6.1, 6.12-rt, 6.1-full, 6.1-arm64"
	done
	need_programs apt-get apt-cache dpkg-deb depmod flock
	find_keyring
	mkdir -p "$matrix_dir"
	exec 9>"$matrix_dir/fetch.lock"
	flock 9
	find_mirrors
	if [ "$offered" = 1 ]; then
		read_archive "$arch"
		list_offered "$matrix_dir/apt/archive-$arch" "$arch"
		exit
	fi
	for series in "$@"; do
		# Not `fetch_series || failed=1`: that would switch set -e off in there.
		set +e
		(
			set -e
			[ "$(series_arch "$series")" = amd64 ] || fetch_root "$(series_arch "$series")"
			fetch_series "$series"
		)
		status=$?
		set -e
		case $status in
		0) ;;
		"$GONE_STATUS") [ "$failed" = 1 ] || failed=$status ;;
		*) failed=1 ;;
		esac
	done
	exit "$failed"
}

main "$@"
