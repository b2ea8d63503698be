#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the program knows stands in its documents too: each option of each command in the manual and
# in the completions of each shell, each member of JSON and each word for one in docs/formats.md, each
# unit in docs/packages.md.
# Usage: docs.sh TWSNOOP
set -u

: "${1:?usage: docs.sh TWSNOOP}"
twsnoop=$(readlink -f "$1")
[ -f "$twsnoop" ] && [ -x "$twsnoop" ] || {
	echo "docs.sh: no such program: $1" >&2
	exit 2
}
cd "$(dirname "$0")/.." || exit 1
man=docs/twsnoop.8
passed=0
failed=0

# expect WHERE WHAT STATUS
expect() {
	if [ "$3" = 0 ]; then
		passed=$((passed + 1))
	else
		echo "FAIL $1 lacks $2"
		failed=$((failed + 1))
	fi
}

# has FILE WORDS
has() {
	grep -qF -e "$2" "$1"
	expect "$1" "$2" $?
}

options_of() {
	"$twsnoop" "$1" --help | sed -nE 's/^ +(-., )?--([a-z0-9-]+).*/\2/p'
}

# What bash offers behind "twsnoop COMMAND --".
offered_by_bash() {
	bash -c 'source packaging/completions/twsnoop.bash
		COMP_WORDS=(twsnoop "$1" --) COMP_CWORD=2
		_twsnoop
		printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}

# The line of zsh's or fish's completion that has the option.
has_word() {
	grep -qE -e "$2" "$1"
	expect "$1" "--$3" $?
}

for command in trace list top diagnose record report serve attach detach check; do
	num=0
	offered=$(offered_by_bash "$command")
	for option in $(options_of "$command"); do
		num=$((num + 1))
		grep -qE "Fl (. , Fl )?-$option\>" "$man"
		expect "$man" "--$option of $command" $?
		echo "$offered" | grep -qxe "--$option"
		expect "bash's completion of $command" "--$option" $?
		has_word packaging/completions/_twsnoop "--$option(=?\[|=?})" "$option"
		has_word packaging/completions/twsnoop.fish "-l $option( |$)" "$option"
	done
	[ $num -ge 2 ]
	expect "$command --help" "options" $?
	for option in $offered; do
		case $option in
		--*) options_of "$command" | grep -qxe "${option#--}" ;;
		esac
		expect "$command --help" "$option, which bash offers" $?
	done
done

members=$(sed -nE 's/.*X\("([a-z_0-9]+(\.[a-z_0-9]+)+)".*/\1/p' user/model/field_table.h)
[ "$(echo "$members" | wc -l)" -ge 40 ]
expect user/model/field_table.h "members" $?
for member in $members; do
	has docs/formats.md "\`$member\`"
done

# Of events; those from TWS_LISTEN on are between the kernel side and us.
words=$(grep -vE 'TWS_(LISTEN|UNLISTEN|OPEN|FIN|ENTERED|GONE|BYTES)\]' user/model/names.c |
	grep 'TWS_' | grep -oE 'WORD\("[a-z_0-9]+"\)' | cut -d'"' -f2 | sort -u)
[ "$(echo "$words" | wc -l)" -ge 20 ]
expect user/model/names.c "words" $?
for word in $words; do
	has docs/formats.md "\`$word\`"
	has "$man" "$word"
done

# Each unit: how it is hardened, and the variable for its options.
for unit in packaging/systemd/*.service; do
	has docs/packages.md "| \`$(basename "$unit")\` | "
	for variable in $(grep -oE '[$]TWSNOOP_[A-Z]+' "$unit"); do
		has packaging/deb/twsnoop.default "#${variable#?}="
	done
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
