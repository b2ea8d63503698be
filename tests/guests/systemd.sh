#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The units of packaging/systemd under a real systemd, in a guest, and the Debian package. What is tried is in systemd/run.
# usage: systemd.sh [--packages]      environment: ONLY="deb" for some of the tests
set -euo pipefail

prog=systemd.sh
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

if [ "${1:-}" = --packages ]; then
	echo "$GUEST_PACKAGES"
	exit
fi

# enable UNIT TARGET: as `systemctl enable` would; where a unit is wanted is the unit's word.
enable()
{
	local wanted
	wanted=$stage/etc/systemd/system/$(sed -n 's/^WantedBy=//p' \
		"$stage/usr/local/lib/systemd/system/$1").wants
	mkdir -p "$wanted"
	ln -s "/usr/local/lib/systemd/system/$1" "$wanted/"
}

guest_prepare
guest_stage systemd
guest_install
enable twsnoop-attach.service
# A service like any other, which closes connections as soon as it may.
cat >"$stage/usr/local/lib/systemd/system/early-bird.service" <<-EOF
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/payload/clitool close 3 early-bird
[Install]
WantedBy=multi-user.target
EOF
enable early-bird.service
guest_add_deb || echo "skip deb: debhelper is missing: sudo tests/deps.sh deb"
guest_add_payload "$guest_src/systemd/run" "$guest_src/lib.sh" "$BUILD/tests/cli/clitool"
[ -z "${ONLY:-}" ] || echo "$ONLY" >"$stage/payload/only"
status=0
guest_run systemd "${CPUS:-1}" 1500 || status=1
guest_lines systemd | grep -q '^[0-9]* passed, ' || echo "0 passed, 1 failed"
exit $status
