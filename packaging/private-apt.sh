# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A private apt: an apt directory that knows only some suites of Debian, for some architectures,
# from the mirror of the machine's own apt sources. Nothing of the machine's package state is used
# or changed. Integrity is apt's: indexes signed by Debian's archive keys, packages checked against
# them. Sourced, never run; the caller defines die().
#
# Environment:
#   DEBIAN_MIRROR           base addresses of Debian mirrors to use instead of the ones in the
#   DEBIAN_SECURITY_MIRROR  machine's apt sources (several: separated by spaces)

# All (URI, suite, components) of the machine's apt sources, one a line, both formats.
apt_entries()
{
	local f
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$f" ] || continue
		sed -n -E 's/#.*//; s/^[[:space:]]*deb[[:space:]]+(\[[^]]*\])?[[:space:]]*//p' "$f"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -r "$f" ] || continue
		awk '
		function flush_stanza(	i, j, nu, ns, u, s) {
			if (f["types"] ~ /(^| )deb( |$)/ && tolower(f["enabled"]) !~ /^ *(no|false)/) {
				nu = split(f["uris"], u, " ")
				ns = split(f["suites"], s, " ")
				for (i = 1; i <= nu; i++)
					for (j = 1; j <= ns; j++)
						print u[i], s[j], f["components"]
			}
			split("", f)
			key = ""
		}
		/^#/ { next }
		/^[[:space:]]*$/ { flush_stanza(); next }
		/^[[:space:]]/ { if (key != "") f[key] = f[key] " " $0; next }
		{
			i = index($0, ":")
			key = tolower(substr($0, 1, i - 1))
			f[key] = substr($0, i + 1)
		}
		END { flush_stanza() }
		' "$f"
	done
}

# mirror_base main|security: the base address of Debian's archive among those entries. Other
# archives may use Debian's suite names too, so a path that ends as Debian's does goes first; a
# wrong guess would be refused for its signature.
mirror_base()
{
	apt_entries | awk -v want="$1" '
	$3 != "main" && $0 !~ / main( |$)/ { next }
	{
		uri = $1
		sub(/\/+$/, "", uri)
		suite = $2
		is_security = sub(/-security$/, "", suite)
		sub(/-(updates|backports|proposed-updates)$/, "", suite)
		if (suite !~ /^(bullseye|bookworm|trixie|forky|duke|sid|unstable|testing|stable|oldstable|oldoldstable)$/)
			next
		if ((want == "security") != is_security)
			next
		if (uri ~ /\/debian(-security)?$/) {
			if (best == "") best = uri
		} else if (other == "")
			other = uri
	}
	END { print best != "" ? best : other }'
}

find_mirrors()
{
	main_mirrors=${DEBIAN_MIRROR:-$(mirror_base main)}
	[ -n "$main_mirrors" ] ||
		die "no Debian mirror in this machine's apt sources; set DEBIAN_MIRROR to one"
	security_mirrors=${DEBIAN_SECURITY_MIRROR:-$(mirror_base security)}
	# Many mirrors carry it beside the main archive.
	[ -n "$security_mirrors" ] || security_mirrors=${main_mirrors%% *}-security
}

find_keyring()
{
	local k
	for k in /usr/share/keyrings/debian-archive-keyring.pgp \
		/usr/share/keyrings/debian-archive-keyring.gpg; do
		if [ -r "$k" ]; then
			keyring=$k
			return
		fi
	done
	die "Debian's archive keys are missing; apt-get install debian-archive-keyring"
}

# write_apt_config DIR ARCHITECTURES SUITE...: a private apt in DIR that knows only these, the
# architectures separated by commas, the first the one that apt takes for its own. The machine's
# apt.conf is still read (it may name a proxy), but its hooks are cleared: they clean up, or fill,
# directories outside of DIR. To be used as `apt-get -c DIR/apt.conf`.
write_apt_config()
{
	local dir=$1 archs=$2 suite base bases opts list
	shift 2
	list=\"$(sed 's/,/"; "/g' <<<"$archs")\"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/etc"
	: >"$dir/status"
	cat >"$dir/apt.conf" <<-EOF
	#clear APT::Update::Pre-Invoke;
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	Dir "$dir";
	Dir::State "$dir";
	Dir::State::lists "$dir/lists";
	Dir::State::status "$dir/status";
	Dir::Cache "$dir/cache";
	Dir::Etc "$dir/etc";
	Dir::Etc::sourcelist "$dir/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::Log "$dir";
	APT::Architecture "${archs%%,*}";
	#clear APT::Architectures;
	APT::Architectures { $list; };
	APT::Get::AllowUnauthenticated "false";
	Acquire::AllowInsecureRepositories "false";
	Acquire::AllowDowngradeToInsecureRepositories "false";
	Acquire::Languages "none";
	Acquire::Retries "3";
	APT::Update::Error-Mode "any";
	APT::Sandbox::User "root";
	EOF
	for suite in "$@"; do
		opts="arch=$archs signed-by=$keyring"
		bases=$main_mirrors
		case $suite in
		*-security) bases=$security_mirrors ;;
		esac
		# A release that is no longer maintained is no longer re-signed either.
		case $suite in
		bullseye*) opts="$opts check-valid-until=no" ;;
		esac
		for base in $bases; do
			echo "deb [$opts] ${base%/} $suite main"
		done
	done >"$dir/sources.list"
}

# download_packages DIR NAME...: these packages and all that they need, by the private apt in DIR, into
# DIR/cache/archives.
download_packages()
{
	local dir=$1
	shift
	rm -rf "$dir/cache/archives"
	mkdir -p "$dir/cache/archives/partial"
	apt-get -c "$dir/apt.conf" -qq -y --download-only --no-install-recommends install "$@" \
		>>"$dir/apt.log" 2>&1 ||
		die "these packages cannot be had: $* (apt's words: $dir/apt.log)"
}

# note_package DEB INTO: in INTO/var/lib/dpkg, what dpkg-shlibdeps asks of a package that is
# installed; its files by the paths that they have in INTO.
note_package()
{
	local deb=$1 into=$2 state=$2/var/lib/dpkg name file control arch
	name=$(dpkg-deb -f "$deb" Package)
	arch=$(dpkg-deb -f "$deb" Architecture)
	[ "$(dpkg-deb -f "$deb" Multi-Arch)" != same ] || name=$name:$arch
	mkdir -p "$state/info"
	# Names of files have the architecture in them: dpkg's own sign for that.
	echo 1 >"$state/info/format"
	[ "$arch" = all ] || grep -qsx "$arch" "$state/arch" || echo "$arch" >>"$state/arch"
	control=$(mktemp -d)
	dpkg-deb -e "$deb" "$control"
	for file in symbols shlibs; do
		[ ! -f "$control/$file" ] || cp "$control/$file" "$state/info/$name.$file"
	done
	rm -r "$control"
	dpkg-deb --fsys-tarfile "$deb" | tar -t | sed "s#^\.#$into#; s#/\$##" >"$state/info/$name.list"
	{
		dpkg-deb -f "$deb"
		printf 'Status: install ok installed\n\n'
	} >>"$state/status"
}

# fetch_packages DIR INTO NAME...: the same, unpacked into INTO; with $note_packages, noted there too.
fetch_packages()
{
	local dir=$1 into=$2 deb
	shift 2
	mkdir -p "$into"
	download_packages "$dir" "$@"
	for deb in "$dir"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$into"
		[ -z "${note_packages:-}" ] || note_package "$deb" "$into"
	done
	rm -rf "$dir/cache/archives"
}
