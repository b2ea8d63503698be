/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page of `serve`: the report of the last hour of a recording, or, where nothing is recorded, a plain
 * one with the account. A thread makes it when it is asked for; a disk that does not answer holds
 * up nothing but this.
 */
#ifndef TWSNOOP_PAGE_H
#define TWSNOOP_PAGE_H

#include <stdbool.h>

#include "base/outbuf.h"
#include "base/when.h"
#include "serving/board.h"

struct page;

/* What is pointed to must outlive it. */
struct page_options {
	const char *recording; /* NULL: none */
	const struct when_zone *zone;
	struct board *board;
	/* Takes the HTML with an HTTP status; @text is emptied by whoever takes it. In the page's
	 * thread. */
	void (*put)(void *ctx, unsigned int status, struct outbuf *text);
	void *ctx;
};

/* page__start() - returns 0 and *@pagep, or a negative errno. */
int page__start(struct page **pagep, const struct page_options *opts);

/* page__want() - put() is to be called soon. Any thread. */
void page__want(struct page *page);

/* page__stop() - once what is being made is done; NULL is allowed. Returns false if a disk holds that up
 * for more than PAGE_PATIENCE_S: then the thread is left to the end of the process, and nothing that
 * it was given may be freed. */
#define PAGE_PATIENCE_S 3
bool page__stop(struct page *page);

#endif
