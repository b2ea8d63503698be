#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The root of guests that have a real system in them: Debian's systemd and what it needs, of this
# machine's suite, unpacked but not configured. It is made once, and kept beside the kernels.
#
# usage: mkroot.sh      says where it is: a cpio archive, to which the kernel adds what is appended
set -euo pipefail

prog=mkroot.sh
# shellcheck source-path=SCRIPTDIR source=../matrix/common.sh
. "$(dirname "$0")/../matrix/common.sh"
# shellcheck source-path=SCRIPTDIR source=../../packaging/private-apt.sh
. "$repo_root/packaging/private-apt.sh"

# What they depend on comes with them.
packages="systemd systemd-sysv bpftool sqlite3 dmsetup e2fsprogs kmod iproute2 mount util-linux procps \
coreutils findutils bash dash grep sed mawk base-files base-passwd strace"

# Of their dependencies, what only configuring or compiling takes.
unneeded="perl perl-base perl-modules-5.36 libperl5.36 debconf adduser dpkg tar usrmerge passwd \
init-system-helpers libdb5.3 libsemanage2 libsepol2 logsave"

# unpack DEB...: a root with merged /usr, in which dpkg-deb -x would replace the links by folders.
unpack()
{
	local deb name dir
	for dir in bin sbin lib lib64; do
		mkdir -p "$root/usr/$dir"
		ln -s "usr/$dir" "$root/$dir"
	done
	for deb in "$@"; do
		name=$(basename "$deb")
		case " $unneeded " in
		*" ${name%%_*} "*) continue ;;
		esac
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink
	done
	rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,bash-completion,zsh,perl5} \
		"$root"/usr/lib/*-linux-gnu/gconv "$root"/usr/{include,games,src}
}

# configure: what the packages' own scripts would have done, as far as it matters here.
configure()
{
	local unit
	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	ln -sf dash "$root/usr/bin/sh"
	ln -sf mawk "$root/usr/bin/awk"
	# Not the first boot, which takes longer.
	echo 00112233445566778899aabbccddeeff >"$root/etc/machine-id"
	echo guest >"$root/etc/hostname"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
	ln -s /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
	# Nobody logs in, and no device is waited for: there is no udev.
	for unit in systemd-logind.service getty.target serial-getty@.service systemd-binfmt.service \
		proc-sys-fs-binfmt_misc.automount systemd-ask-password-wall.path; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	install -m 755 "$src/init" "$root/init"
	install -D -m 755 "$src/session" "$root/usr/lib/guest/session"
	install -D -m 644 "$src/guest.service" "$root/etc/systemd/system/guest.service"
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root"/{newroot,payload}
	ln -s ../guest.service "$root/etc/systemd/system/multi-user.target.wants/"
}

main()
{
	local suite out key apt
	src=$(cd "$(dirname "$0")" && pwd)
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	out=$kernel_dir/systemd-$suite.cpio
	key=$(cat "$src"/{mkroot.sh,init,session,guest.service} | sha256sum)
	mkdir -p "$kernel_dir" "$matrix_dir"
	exec 9>"$kernel_dir/root.lock"
	flock 9
	if [ "$(cat "$out.key" 2>/dev/null)" != "$key" ]; then
		need_programs apt-get dpkg-deb cpio
		find_keyring
		find_mirrors
		apt=$matrix_dir/apt/systemd-root
		root=$matrix_dir/systemd-root
		rm -rf "$apt" "$root" "$out.key"
		mkdir -p "$apt" "$root"
		write_apt_config "$apt" amd64 "$suite"
		apt-get -c "$apt/apt.conf" -q update >"$apt/apt.log" 2>&1 ||
			die "the archive cannot be read (apt's words: $apt/apt.log)"
		# shellcheck disable=SC2086
		download_packages "$apt" $packages
		unpack "$apt"/cache/archives/*.deb
		configure
		(cd "$root" && find . -print0 | LC_ALL=C sort -z |
			cpio --null --create --format=newc --owner=0:0 --quiet) >"$out.part"
		mv "$out.part" "$out"
		rm -rf "$apt" "$root"
		echo "$key" >"$out.key"
		say "a root with systemd, of $suite"
	fi
	echo "$out"
}

main "$@"
