/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What existed at a moment that was recorded, as a listing, a census or sets of ports: as if they
 * had been taken then. Sockets are made of the rows of the two minutes before; states and
 * ports are of the last sample.
 */
#ifndef TWSNOOP_RECALLED_H
#define TWSNOOP_RECALLED_H

#include <stdbool.h>
#include <stdint.h>

#include "inventory/census.h"
#include "inventory/gather.h"
#include "inventory/group.h"
#include "inventory/ports.h"
#include "store/history.h"

struct recalled;

struct recall_want {
	struct history *history;
	uint64_t at_ns; /* since the epoch */
	const struct tws_filter *filter;
	/* -C: whether the container of @who is one of those; NULL: no such filter. */
	bool (*wants)(void *ctx, const struct held_who *who);
	void *ctx;
};

/*
 * recalled__sockets() - the mini-sockets of that moment, into @g, which is zeroed before and to be
 * emptied by gather__free() in any case, and before recalled__free(). A TIME_WAIT that was
 * entered less than a minute before, and whose end was not told until then, is there; a
 * FIN_WAIT2 mini-socket for as long as its namespace's tcp_fin_timeout. What another boot of the machine had
 * is not. Returns 0 and *@recalledp, to be freed, -E2BIG, or another negative errno.
 */
int recalled__sockets(struct recalled **recalledp, struct gathered *g,
		      const struct recall_want *want);
void recalled__free(struct recalled *recalled); /* NULL is allowed */

/* recalled__limits() - a namespace's settings as they were; without the set of reserved ports. */
struct netlimits recalled__limits(const struct held_limits *limits);

/* recalled__context() - for what sorts, groups and writes @g's listing. Lives as long as both. */
struct group_context recalled__context(struct recalled *recalled, const struct gathered *g);

/* Of the sockets: */
struct recalled_facts {
	uint64_t run_since_ns; /* of the run that was recording; 0: none was */
	bool all;	/* every outcome was recorded: also FIN_WAIT2, and what ended early */
};
struct recalled_facts recalled__facts(const struct recalled *recalled);

/*
 * Where single events are gone: the entries into TIME_WAIT of a minute, as rows of a listing that are
 * good for group__count() alone. Of each are known the process's name, user and container,
 * side, cause and addresses, as far as minutes have them (store/minute_filter.h); no PID, no
 * cookie, no age.
 */
struct recalled_minute;

struct recalled_sums {
	uint64_t since_ns; /* the minute's begin: of the last whole one before the moment */
	uint64_t counted;  /* rows that were made */
	uint64_t other;	   /* events of which nothing else is known, not even whether they were that */
};

/* recalled__sums() - as recalled__sockets(), for @want's moment. */
int recalled__sums(struct recalled_minute **minutep, struct gathered *g,
		   const struct recall_want *want, struct recalled_sums *sums);
void recalled_minute__free(struct recalled_minute *minute); /* NULL is allowed */

/*
 * recalled__census() - the last sample before the moment. Of @want's filter only network namespaces
 * count. @census, zeroed before, is to be emptied by census__free() in any case. Returns 0 and
 * *@taken_ns, when that was; -ENOENT: there is none, or another negative errno.
 */
int recalled__census(struct census *census, const struct recall_want *want, uint64_t *taken_ns);

/*
 * recalled__ports() - likewise: the sets of ports that were nearest to exhaustion then, which is not all
 * of them. @listing, zeroed before and to be emptied by listing__free(), gets the names of
 * namespaces; @ports is to be freed by ports__free().
 */
int recalled__ports(struct ports *ports, struct listing *listing,
		    const struct recall_want *want, uint64_t *taken_ns);

#endif
