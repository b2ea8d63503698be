#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Installs, on Debian or Ubuntu, what a part of the project needs and this
# machine lacks. Services that packages bring along are not started.
# Usage: deps.sh build|test|bench|lint|deb
#        deps.sh --list build|test|bench|lint|deb      names them, one a line, A|B where either does
set -eu

cd "$(dirname "$0")/.."

build="gcc libc6-dev make clang llvm libbpf-dev bpftool|linux-tools-generic libelf-dev zlib1g-dev libzstd-dev libsqlite3-dev libncurses-dev libmicrohttpd-dev pkg-config \
	libcurl4-openssl-dev|libcurl4-gnutls-dev libjansson-dev"
# What tests/diagnose plays with: servers, proxies, languages, clients.
diagnose="golang-go openjdk-17-jdk-headless|default-jdk-headless php-fpm php-cli php-redis apache2-bin apache2-utils squid varnish \
	postgresql pgbouncer mariadb-server-core nginx-light haproxy redis-server redis-tools nodejs ruby \
	hey siege wrk wget curl nftables python3-psycopg2 python3-requests python3-httpx python3-aiohttp \
	gunicorn uvicorn"
deb="$build debhelper dpkg-dev fakeroot"
packages="$deb lintian mmdebstrap python3-yaml systemd podman runc busybox-static curl util-linux git gzip binutils kubectl|kubernetes-client|python3-yaml"
test="$build $diagnose libcmocka-dev libclang-rt-14-dev|libclang-rt-dev libcap2-bin chromium|chromium-browser python3 python3-pyte prometheus victoria-metrics openssl iproute2 \
	util-linux procps clickhouse-server? $(tests/containers/run.sh --packages) $(tests/real/run.sh --packages) $(tests/matrix/run.sh --packages) \
	$(tests/guests/systemd.sh --packages) $packages"
lint="$build cppcheck clang-tidy"
bench="$build $(make -s -C tests/bench print-deps)"

list=
if [ "${1:-}" = --list ]; then
	list=1
	shift
fi
case ${1:-} in
build) wanted=$build ;;
test) wanted=$test ;;
bench) wanted=$bench ;;
lint) wanted=$lint ;;
deb) wanted=$deb ;;
*)
	echo "usage: deps.sh [--list] build|test|bench|lint|deb" >&2
	exit 2
	;;
esac
if [ -n "$list" ]; then
	printf '%s\n' $wanted
	exit
fi

installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# A|B: the first that is installed or can be had. A?: only where it can be had.
choose() {
	case $1 in
	*\?)
		name=${1%\?}
		installed "$name" || ! apt-cache show "$name" >/dev/null 2>&1 || echo "$name"
		return
		;;
	esac
	for name in $(echo "$1" | tr '|' ' '); do
		if installed "$name"; then
			return
		fi
	done
	for name in $(echo "$1" | tr '|' ' '); do
		if apt-cache show "$name" >/dev/null 2>&1; then
			echo "$name"
			return
		fi
	done
	echo "$1"
}

missing_of() {
	for name in $wanted; do
		choose "$name"
	done
}

command -v apt-get >/dev/null 2>&1 || {
	echo "deps.sh: no apt-get here; see README.md for other systems' packages" >&2
	exit 1
}
missing=$(missing_of)
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || {
	echo "deps.sh: not root: apt-get install" $missing >&2
	exit 1
}
# Debian's way to say that a package's daemon must not start: exit 101.
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
own_policy=
clean_up() {
	[ ! -e $clusters.twsnoop ] || mv $clusters.twsnoop $clusters
	[ -z "$own_policy" ] || rm -f $policy
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e $policy ]; then
	own_policy=1
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive

# Whoever installs something else meanwhile is waited for.
install() {
	apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@" >/dev/null
}

# A database that nobody asked for is not made: tests have theirs in folders of their own.
install_postgresql() {
	install postgresql-common
	cp -p $clusters $clusters.twsnoop
	echo 'create_main_cluster = false' >>$clusters
	install postgresql
	mv $clusters.twsnoop $clusters
}

apt-get update -qq
missing=$(missing_of)
case " $(echo $missing) " in
*" postgresql "*) install_postgresql ;;
esac
# shellcheck disable=SC2086
install $missing
