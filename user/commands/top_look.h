/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looks into the kernel's table of sockets for a tally, so often that it takes but a small part
 * of the time: with a thousand sockets each second, with a hundred thousand every few seconds.
 */
#ifndef TWSNOOP_TOP_LOOK_H
#define TWSNOOP_TOP_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "sockets/sockets.h"
#include "tally/tally.h"

struct top_look {
	const struct sockets_source *source;
	const struct tws_filter *filter; /* namespaces that it leaves out are not looked into */
	/* Called now and then while a look goes on, which may take a second or more; a negative
	 * return ends it. NULL: nobody cares. */
	int (*meanwhile)(void *ctx);
	void *ctx;
	uint64_t next_ns; /* CLOCK_MONOTONIC: when the next one is due */
};

/* top_look__is_due() - it may be taken, or has to be. */
bool top_look__is_due(const struct top_look *look, const struct tally *tally, uint64_t now_ns);

/*
 * top_look__take() - tells @tally all sockets of the host. Returns 0, what meanwhile() returned, or
 * the negative errno of sockets__each(): then nothing is known, and *@impossible is set.
 */
int top_look__take(struct top_look *look, struct tally *tally, bool *impossible);

#endif
