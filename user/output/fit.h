/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which columns of a table a terminal has room for, and how wide each is. The name and
 * the addresses are the last to go; widths are columns of the screen, not bytes.
 */
#ifndef TWSNOOP_FIT_H
#define TWSNOOP_FIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outbuf.h"

#define FIT_COLUMNS 64 /* at most */
#define FIT_LAST 3     /* columns of a keep up to this are the name and the addresses */

struct fit_column {
	unsigned int natural; /* as wide as it would like to be */
	unsigned int least;   /* it may be shrunk to this; 0: it may not */
	unsigned int keep;    /* from 1 on: that with the largest goes first */
	unsigned int width;   /* the answer; 0: it is not shown */
};

/*
 * fit__columns() - fills in the widths so that a line, with a blank between two columns,
 * is not longer than @width; 0: as long as it likes. One column at least is shown.
 * Returns what is left of @width, 0 if that is 0.
 */
unsigned int fit__columns(struct fit_column *columns, size_t num, unsigned int width);

/*
 * fit__address() - appends an address of ours, "[fd00::5]:80", in at most @width columns;
 * 0: in any number. Where it is too long, '+' stands for its end, before the port.
 * Returns the columns taken.
 */
size_t fit__address(struct outbuf *to, const char *text, size_t len, unsigned int width);

/* fit__terminal() - the columns of the terminal that @fd is now, 0: it is none. Where the
 * terminal does not say (a serial line), COLUMNS of the environment does. */
unsigned int fit__terminal(int fd);

/* fit__takes_escapes() - false: TERM says that the terminal knows none. */
bool fit__takes_escapes(void);

/* fit__wants_color() - of a terminal; see no-color.org: NO_COLOR counts unless it is empty. */
bool fit__wants_color(void);

#endif
