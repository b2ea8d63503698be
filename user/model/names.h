/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words of the JSON contract for the enumerations of event.h and record.h.
 */
#ifndef TWSNOOP_NAMES_H
#define TWSNOOP_NAMES_H

#include <stddef.h>

struct word {
	const char *text;
	size_t len;
};

/* Each takes a value of its enumeration; any other value gives "unknown". */
const struct word *names__action(unsigned int action);
const struct word *names__side(unsigned int side);
const struct word *names__cause(unsigned int cause);
const struct word *names__end(unsigned int end);
/* Of a socket, as the kernel numbers it (TCP_ESTABLISHED, …). */
const struct word *names__state(unsigned int state);
const struct word *names__evidence(unsigned int evidence); /* enum owner_evidence */

/* "ECONNRESET" for the errnos that end a connection, or that connect() and bind() fail with,
 * else NULL. */
const char *names__errno(unsigned int error);

#endif
