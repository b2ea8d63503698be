# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # what run.sh and lib.sh set
# The libraries that are loaded when they are needed (user/base/library.h), where they are not to be had.

# run_without LIBRARY... -- ARGUMENT...: twsnoop, to whom each of them is a file that is no library
run_without()
{
	path=
	while [ "$1" != -- ]; do
		path=$dir/without/$1:$path
		shift
	done
	shift
	run env LD_LIBRARY_PATH="$path" "$twsnoop" "$@"
}

# needs LIBRARY ARGUMENT...: without it that is refused, in one line that says what to install
needs()
{
	library=$1
	shift
	run_without "$library" -- "$@"
	judge "without $library: $*" "$([ "$rc" = 1 ] || [ "$rc" = 2 ] || echo "exit status $rc. "
		one_line_on_stderr; stdout_is_empty; stderr_says "install $library: ")"
}

# does_without_all ARGUMENT...
does_without_all()
{
	run_without libcurl libmicrohttpd -- "$@"
	judge "with neither library: $*" "$(status_is 0; ! grep install "$err")"
}

test_libraries()
{
	run "$twsnoop" serve --listen 127.0.0.1:0 --otlp http://127.0.0.1:9 --spool /nowhere/spool
	if grep -q "built without libcurl" "$err"; then
		skip "libraries that are not there" "this program has none"
		return
	fi
	mkdir -p "$dir/without/libcurl" "$dir/without/libmicrohttpd"
	for file in libcurl/libcurl.so.4 libcurl/libcurl-gnutls.so.4 libmicrohttpd/libmicrohttpd.so.12; do
		echo "no library" >"$dir/without/$file"
	done
	needs libcurl trace --runtime-socket "$dir/runtime"
	needs libcurl serve --listen 127.0.0.1:0 --otlp http://127.0.0.1:9 --spool "$dir/spool"
	needs libcurl serve --listen 127.0.0.1:0 --clickhouse http://127.0.0.1:9 --spool "$dir/spool"
	needs libmicrohttpd serve --listen 127.0.0.1:0
	does_without_all list
	does_without_all diagnose
	does_without_all check
	does_without_all --version
	run_without libcurl -- check --json
	judge "check says what is lost without libcurl" "$(grep -q '"because":"install libcurl: ' "$out" ||
		echo "it does not. ")"
	run "$twsnoop" check --json
	judge "and not with it" "$(! grep -o 'install libcurl' "$out")"
}
