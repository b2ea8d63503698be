# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# A guest's share of a kernel's modules. Sourced, never run. The caller sets
#   modules   lib/modules/RELEASE of a kernel as fetch.sh lays it out
#   release   its RELEASE
#   stage     the guest's root, in which lib/modules/RELEASE is made

# module_closure NAME: the module's file and, before it, those that it needs, as paths below
# lib/modules/RELEASE. Nothing if the kernel has no such module. modules.dep names each module's
# whole closure, the nearest first, so it is read backwards.
module_closure()
{
	awk -v name="$1" '
	{
		file = $1
		sub(/:$/, "", file)
		base = file
		sub(/.*\//, "", base)
		sub(/\.ko(\.[a-z0-9]+)?$/, "", base)
		gsub(/-/, "_", base)
		if (base != name)
			next
		for (i = NF; i >= 2; i--)
			print $i
		print file
		exit
	}' "$modules/modules.dep"
}

# add_module_file PATH: copy it decompressed: busybox cannot read every format in use, and
# unpacking it once here is faster than in each guest.
add_module_file()
{
	local src=$modules/$1 dst=$stage/lib/modules/$release/$1
	dst=${dst%.xz}
	dst=${dst%.zst}
	dst=${dst%.gz}
	[ ! -f "$dst" ] || return 0
	mkdir -p "$(dirname "$dst")"
	case $src in
	*.xz) xz -dc "$src" >"$dst" ;;
	*.zst) zstd -q -dc "$src" >"$dst" ;;
	*.gz) gzip -dc "$src" >"$dst" ;;
	*) cp "$src" "$dst" ;;
	esac
}

# add_module NAME: with all that it needs. False if the kernel has none of that name, neither as a
# module nor built in.
add_module()
{
	local name=${1//-/_} path paths
	paths=$(module_closure "$name")
	if [ -z "$paths" ]; then
		grep -q "/${name//_/[-_]}\\.ko" "$modules/modules.builtin" 2>/dev/null
		return
	fi
	for path in $paths; do
		add_module_file "$path"
	done
}

# index_modules: the last, for modprobe.
index_modules()
{
	local name
	mkdir -p "$stage/lib/modules/$release"
	for name in modules.order modules.builtin modules.builtin.modinfo; do
		[ ! -f "$modules/$name" ] || cp "$modules/$name" "$stage/lib/modules/$release/"
	done
	depmod -b "$stage" "$release" 2>/dev/null
}
