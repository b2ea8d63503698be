// SPDX-License-Identifier: GPL-2.0
#include "events/told.h"

#include <errno.h>
#include <stdlib.h>

#include "base/seen.h"

#define MAX_COOKIES (1U << 20) /* entries of seen.h */

struct told {
	struct seen *fins;
	struct seen *endings; /* any that says that the socket is in TIME_WAIT */
	struct seen *entries; /* those by a FIN of the peer's, which may come again */
	struct seen *events;
};

int told__new(struct told **toldp)
{
	struct told *told = calloc(1, sizeof(*told));

	if (!told)
		return -ENOMEM;
	if (seen__new(&told->fins, MAX_COOKIES) || seen__new(&told->endings, MAX_COOKIES) ||
	    seen__new(&told->entries, MAX_COOKIES) || seen__new(&told->events, MAX_COOKIES)) {
		told__free(told);
		return -ENOMEM;
	}
	*toldp = told;
	return 0;
}

void told__free(struct told *told)
{
	if (!told)
		return;
	seen__free(told->fins);
	seen__free(told->endings);
	seen__free(told->entries);
	seen__free(told->events);
	free(told);
}

/* The time is of no use here: nothing is to be forgotten. */
void told__fin(struct told *told, uint64_t cookie)
{
	seen__add(told->fins, cookie, 1);
}

void told__ending(struct told *told, const struct tws_ending *ending)
{
	if (ending->action != TWS_TIME_WAIT && ending->action != TWS_ENTERED)
		return;
	seen__add(told->endings, ending->id, 1);
	if (ending->action == TWS_ENTERED)
		seen__add(told->entries, ending->id, 1);
}

void told__event(struct told *told, uint64_t key)
{
	seen__add(told->events, key, 1);
}

/* More than can be remembered: then any may be told. */
static bool has_forgotten(const struct told *told)
{
	return seen__forgotten_ns(told->fins) || seen__forgotten_ns(told->endings) ||
	       seen__forgotten_ns(told->entries) || seen__forgotten_ns(told->events);
}

bool told__has(const struct told *told, uint64_t cookie)
{
	if (has_forgotten(told) || seen__has(told->entries, cookie))
		return true;
	return seen__has(told->fins, cookie) && seen__has(told->endings, cookie);
}

bool told__has_event(const struct told *told, uint64_t key)
{
	return seen__has(told->events, key);
}
