#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a program shows on a screen after some seconds, as lines with colours (SGR).
screen.py WIDTH HEIGHT SECONDS COMMAND [ARGUMENT]..."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "tests", "top"))
sys.dont_write_bytecode = True

from terminal import Terminal

COLOURS = ["black", "red", "green", "brown", "blue", "magenta", "cyan", "white"]


def sgr(char):
    codes = ["0"]
    if char.bold:
        codes.append("1")
    if char.reverse:
        codes.append("7")
    if char.fg in COLOURS:
        codes.append(str(30 + COLOURS.index(char.fg)))
    return f"\x1b[{';'.join(codes)}m"


def main():
    width, height, seconds = (int(word) for word in sys.argv[1:4])
    with Terminal(sys.argv[4:], width, height) as t:
        end = time.monotonic() + seconds
        t.until(lambda: time.monotonic() > end, seconds + 1)
        for row in range(height):
            cells = [t.screen.buffer[row][column] for column in range(width)]
            line, last = "", None
            for cell in cells:
                if sgr(cell) != last:
                    last = sgr(cell)
                    line += last
                line += cell.data
            print(line + "\x1b[0m")
        t.end()


if __name__ == "__main__":
    main()
