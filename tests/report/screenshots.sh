#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Pictures of the HTML report, to be looked at: of made-up hours, or of a page that is given.
# Usage: screenshots.sh OUT_DIR TELL_SCENE|PAGE.html [SCENE]...
# Environment: KINDS (default "light dark phone print"), HEIGHT of the first two (default 2900)
set -eu

kinds=" ${KINDS:-light dark phone print} " height=${HEIGHT:-2900}

out=$(mkdir -p "${1:?}" && readlink -f "$1")
source=$(readlink -f "${2:?usage: screenshots.sh OUT_DIR TELL_SCENE|PAGE.html [SCENE]...}")
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
	echo "screenshots.sh: needs chromium (apt-get install chromium)" >&2
	exit 1
}

# browse PAGE OPTION...
browse() {
	local page=$1
	shift
	timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--hide-scrollbars --user-data-dir="$(mktemp -d -p "$work")" "$@" "file://$page" \
		>"$work/log" 2>&1 || {
		cat "$work/log" >&2
		return 1
	}
}

wanted() {
	case $kinds in *" $1 "*) ;; *) false ;; esac
}

# A phone's width is less than a window may have: the page is put into a frame of it.
phone() {
	printf '<!DOCTYPE html><style>body{margin:0}iframe{width:360px;height:4400px;border:0}</style>
		<iframe src="file://%s"></iframe>' "$2" >"$work/frame.html"
	browse "$work/frame.html" --window-size=500,4400 --screenshot="$out/$1-phone.png" \
		--blink-settings=preferredColorScheme=1
}

print() {
	browse "$2" --print-to-pdf="$out/$1-print.pdf" --no-pdf-header-footer
	if command -v pdftoppm >/dev/null; then
		pdftoppm -r 60 -png "$out/$1-print.pdf" "$out/$1-print"
	fi
}

# pictures NAME PAGE
pictures() {
	! wanted light || browse "$2" --window-size="1000,$height" --screenshot="$out/$1-light.png" \
		--blink-settings=preferredColorScheme=1
	! wanted dark || browse "$2" --window-size="1000,$height" --screenshot="$out/$1-dark.png" \
		--blink-settings=preferredColorScheme=0
	! wanted phone || phone "$1" "$2"
	! wanted print || print "$1" "$2"
	echo "$out/$1-*"
}

case $source in
*.html)
	pictures "$(basename "$source" .html)" "$source"
	;;
*)
	for scene in "${@:-burst}"; do
		"$source" "$scene" html >"$work/$scene.html"
		pictures "$scene" "$work/$scene.html"
	done
	;;
esac
