/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a command that runs until it is ended says on stderr, and the signals that it goes by (see
 * end_signals.h). A reader of stderr that takes nothing does not keep signals from being read, nor, from
 * the first on that ends the command, the command from ending.
 *
 *	static struct messages m = { .account = print_account, .ctx = &command };
 *
 *	messages__init(&m);
 *	err = messages__open_signals(&m);
 *	(programs are loaded, which the signals end by themselves)
 *	err = messages__hold_signals(&m);
 *	... loop__run() with m.signals, and messages__attend() when it is ready and at each turn
 *	messages__fini(&m);
 */
#ifndef TWSNOOP_MESSAGES_H
#define TWSNOOP_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fdwriter.h"
#include "model/feed.h"

struct messages {
	struct fdwriter writer;
	int signals;		  /* signalfd; -1: not opened yet */
	bool stop, wants_account; /* a signal said so */
	bool hurries;		  /* one more that ends the command came: nobody is waited for */
	/* Given, each NULL if there is nothing to do. */
	void (*account)(void *ctx);	  /* prints it */
	void (*erase)(void *ctx);	  /* before each line: what stands on the terminal's last one */
	void (*hurry)(void *ctx, int ms); /* what else is written to: as fdwriter__hurry() */
	const int *more;		  /* further signals, 0 at their end, */
	void (*take)(void *ctx, uint32_t signal); /* and what is done about them */
	void *ctx;
};

/* messages__init() - of @m that is zeroed or filled in; to be ended by messages__fini(). */
void messages__init(struct messages *m);

/* messages__open_signals() - and those of m->more. messages__hold_signals() - they come by m->signals
 * alone. Each returns 0, or a negative errno once it has said why. */
int messages__open_signals(struct messages *m);
int messages__hold_signals(struct messages *m);

/* messages__read_signals() - only takes note of them; the second one that ends it waits for nobody. */
void messages__read_signals(struct messages *m);

/* messages__hurries() - whether, of a command that has come to its end by a signal or by itself, a signal
 * asked since to wait for nobody. */
bool messages__hurries(struct messages *m);

/* messages__attend() - reads them, and does what they ask for. Returns 0, or LOOP_END once one ended it. */
int messages__attend(struct messages *m);

/* messages__tell() - a line, with its end. messages__say() - likewise "twsnoop: @line", as a callback.
 * messages__complain() - "twsnoop: @what: why: @todo", the last if it is not NULL; returns @err. */
void messages__tell(struct messages *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void messages__say(void *messages, const char *line);
int messages__complain(struct messages *m, const char *what, int err, const char *todo);

/* messages__tell_account() - the line of it, and behind it @more, such as " gap=0". */
void messages__tell_account(struct messages *m, const struct feed_account *account, const char *more);

/* messages__write() - bytes that are no line: m->erase is not called. */
void messages__write(struct messages *m, const char *text, size_t len);

void messages__fini(struct messages *m);

#endif
