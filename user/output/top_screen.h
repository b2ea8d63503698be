/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The terminal of `twsnoop top`: takes it over, puts lines on it, and leaves it as it was.
 *
 * ncurses finds out what has changed and how this terminal is told so, and writes that into
 * memory; from there it goes to the terminal as fast as that takes it. So a terminal that is
 * stopped (Ctrl-S) holds nobody: no new picture is made while one is on its way.
 */
#ifndef TWSNOOP_TOP_SCREEN_H
#define TWSNOOP_TOP_SCREEN_H

#include <stdbool.h>

#include "output/top_layout.h"

struct top_screen;

struct top_screen_options {
	int fd;	     /* the terminal: written to, and asked for its size */
	int keys_fd; /* the same one, or another way to it: keys come from it */
	bool color;
};

/*
 * top_screen__possible() - TERM names a terminal that a screen can be made on, and that is
 * described on this host. Else @why says what is amiss.
 */
bool top_screen__possible(const char **why);

/* top_screen__uses_utf8() - the locale of the environment is one of UTF-8. Sets LC_CTYPE. */
bool top_screen__uses_utf8(void);

/*
 * top_screen__new() - opens all that is needed while there is the privilege; the terminal stays
 * as it is until top_screen__enter(). Only one at a time. Returns 0 and *@screenp, to be freed
 * by top_screen__free(), or a negative errno.
 */
int top_screen__new(struct top_screen **screenp, const struct top_screen_options *opts);

/* top_screen__free() - leaves the terminal as it was. NULL is allowed. */
void top_screen__free(struct top_screen *screen);

/* top_screen__size() - of the terminal now. */
void top_screen__size(const struct top_screen *screen, unsigned int *width, unsigned int *height);

/*
 * top_screen__draw() - shows @cells, unless the last picture is on its way still. Returns 0, -EAGAIN
 * (call top_screen__push() later, and draw again), or a negative errno of the terminal.
 */
int top_screen__draw(struct top_screen *screen, const struct top_cells *cells);

/* top_screen__push() - what is on its way. Returns as top_screen__draw(). */
int top_screen__push(struct top_screen *screen);

/*
 * top_screen__enter() - takes the terminal over, at first and after the process was stopped: the
 * next picture is made from scratch. Signals are the caller's: those that end it, and SIGTSTP,
 * SIGCONT and SIGWINCH, are to be blocked. top_screen__leave() - gives it back.
 */
void top_screen__enter(struct top_screen *screen);
void top_screen__leave(struct top_screen *screen);

#endif
