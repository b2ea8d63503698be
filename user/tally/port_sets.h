/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How near each set of local ports is to its end: what connect() from one local address
 * towards one remote address and port may choose among. Closes are counted as they come;
 * looks into the kernel's table (see tally.h) set right what is taken.
 */
#ifndef TWSNOOP_PORT_SETS_H
#define TWSNOOP_PORT_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tally/remotes.h"
#include "tally/seconds.h"

#define PORT_SETS_MAX 8192 /* 3 MB; the one that was not used for the longest time gives way */

struct port_set_use {
	struct port_set_key key; /* first: what it is found by */
	uint32_t live;	  /* taken by sockets that are no TIME_WAIT, when last looked at */
	uint32_t usable;  /* ports that connect() may choose; 0: not known */
	struct held held; /* taken by TIME_WAITs */
	struct recent closes;
};

struct port_sets;

int port_sets__new(struct port_sets **setsp); /* 0 or -ENOMEM */
void port_sets__free(struct port_sets *sets); /* NULL is allowed */

/* port_sets__close() - a client's connection of the set entered TIME_WAIT. */
void port_sets__close(struct port_sets *sets, const struct port_set_key *key, uint32_t second,
		      uint32_t now_s);

/* port_sets__move_on() - TIME_WAITs that have ended by then are held no more. */
void port_sets__move_on(struct port_sets *sets, uint32_t now_s);

/* A look: begun, told each socket that takes a port, and ended. port_sets__take() with
 * @end_s for a TIME_WAIT socket that ends then, 0: a live one. */
void port_sets__look(struct port_sets *sets);
void port_sets__take(struct port_sets *sets, const struct port_set_key *key, uint32_t usable,
		     uint32_t end_s, uint32_t now_s);
void port_sets__looked(struct port_sets *sets, uint32_t now_s);

/* port_sets__find() - NULL: no port of it is taken. */
const struct port_set_use *port_sets__find(const struct port_sets *sets,
					   const struct port_set_key *key);

/* port_set__permille() - how much of it is taken, at most 1000; 0 if that is not known. */
unsigned int port_set__permille(const struct port_set_use *use);

/* port_sets__fullest() - NULL: nothing is taken, or nothing is known of what can be. */
const struct port_set_use *port_sets__fullest(const struct port_sets *sets);

#define PORT_SET_NEVER UINT32_MAX

/*
 * port_set__full_in() - after how many seconds it is full, if connections go on to be closed
 * at @rate_milli thousandths a second, and the live ones stay: 0 if it is now,
 * PORT_SET_NEVER if at this rate it will not be.
 */
uint32_t port_set__full_in(const struct port_set_use *use, uint64_t rate_milli, uint32_t now_s);

#endif
