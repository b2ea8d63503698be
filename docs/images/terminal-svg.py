#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a terminal shows, as SVG: text with colours (SGR) on standard input, the picture on
standard output. terminal-svg.py TITLE"""
import re
import sys
from html import escape

CHAR, LINE, PAD, SIZE = 7.85, 18, 14, 13
FRONT, BACK = "#e6edf3", "#0d1117"
COLOURS = {30: "#6e7681", 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff",
           35: "#d2a8ff", 36: "#a5d6ff", 37: "#e6edf3"}


def spans(line):
    """(text, colour, bold, dim, reverse) for each piece of one line."""
    colour, bold, dim, reverse = None, False, False, False
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        sgr = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if not sgr:
            if piece:
                yield piece, colour, bold, dim, reverse
            continue
        for code in (int(c or 0) for c in sgr.group(1).split(";")):
            if code == 0:
                colour, bold, dim, reverse = None, False, False, False
            elif code == 1:
                bold = True
            elif code == 2:
                dim = True
            elif code in (7, 27):
                reverse = code == 7
            elif code in (22, 39):
                colour, bold, dim = (None, bold, dim) if code == 39 else (colour, False, False)
            elif code in COLOURS or code - 60 in COLOURS:
                colour = COLOURS[code if code in COLOURS else code - 60]


def picture(lines, title):
    columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    width, height = columns * CHAR + 2 * PAD, len(lines) * LINE + 2 * PAD
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
           f'width="{width:.0f}" height="{height}" role="img" aria-label="{escape(title)}">')
    yield f"<title>{escape(title)}</title>"
    yield f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>'
    yield (f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" '
           f'font-size="{SIZE}" fill="{FRONT}" xml:space="preserve">')
    for number, line in enumerate(lines):
        column, y = 0, PAD + LINE * number + SIZE
        for text, colour, bold, dim, reverse in spans(line):
            if reverse:
                yield (f'<rect x="{PAD + column * CHAR:.1f}" y="{y - SIZE}" height="{LINE}" '
                       f'width="{len(text) * CHAR:.1f}" fill="{colour or FRONT}"/>')
                colour = BACK
            style = (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if bold else "") + \
                    (' opacity="0.65"' if dim else "")
            if text.strip():
                yield (f'<text x="{PAD + column * CHAR:.1f}" y="{y}" textLength="{len(text) * CHAR:.1f}"'
                       f'{style}>{escape(text)}</text>')
            column += len(text)
    yield "</g></svg>"


def main():
    text = sys.stdin.read().replace("\r", "")
    lines = [line.expandtabs() for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    print("\n".join(picture(lines, sys.argv[1] if len(sys.argv) > 1 else "terminal")))


if __name__ == "__main__":
    main()
