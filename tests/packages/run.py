#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What people install: the release's tarball, the Debian package, the container image and its manifest,
the units, settings for log shippers. As root: run.py TWSNOOP [TEST]...
Environment: BUILD, CC, CLANG. Prints "ok NAME" or "FAIL NAME: why" for each check, and the sums at the
end."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
sys.dont_write_bytecode = True

import checks  # noqa: E402
import deb  # noqa: E402
import forms  # noqa: E402
import image  # noqa: E402
import release  # noqa: E402
from helpers import Skip, Verdicts  # noqa: E402

TESTS = {
    "version": release.one_version,
    "schema": forms.schema,
    "rights": forms.rights,
    "units": forms.units,
    "shippers": forms.shippers,
    "image": image.content,
    "image_bytes": image.same_bytes,
    "pod": image.sees_others,
    "pod_metrics": image.serves_metrics,
    "deb_by": deb.by_whom,
    "deb": deb.content,
    "deb_life": deb.life,
    "dist": release.dist,
    # For an architecture that is not this machine's: suites of their own.
    "foreign_image": image.foreign,
    "foreign_deb": deb.foreign,
}


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: run.py TWSNOOP [TEST]...")
    twsnoop = pathlib.Path(sys.argv[1]).resolve()
    verdicts = Verdicts()
    for name in sys.argv[2:] or TESTS:
        try:
            TESTS[name](verdicts, twsnoop)
        except Skip as why:
            verdicts.skip(name, why)
        except Exception as error:  # of whatever kind, it is this test's
            verdicts.check(name, False, f"{type(error).__name__}: {error}")
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
