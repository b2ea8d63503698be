// SPDX-License-Identifier: GPL-2.0
#include "tally/whose.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST_PLACES 4096

/* Open addressing with linear probing. Nothing is removed one by one: whose__keep() makes
 * the table anew. At least half of the places are free. */
struct whose {
	struct whose_socket *places;
	size_t num, num_places; /* a power of two */
	size_t max;
};

int whose__new(struct whose **whosep, size_t max)
{
	struct whose *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->max = max;
	w->num_places = LEAST_PLACES;
	w->places = calloc(w->num_places, sizeof(*w->places));
	if (!w->places) {
		free(w);
		return -ENOMEM;
	}
	*whosep = w;
	return 0;
}

void whose__free(struct whose *w)
{
	if (!w)
		return;
	free(w->places);
	free(w);
}

static uint64_t usable(uint64_t hash)
{
	return hash ?: 1;
}

static struct whose_socket *place_of(struct whose_socket *places, size_t num, uint64_t hash)
{
	size_t at = hash & (num - 1);

	while (places[at].hash && places[at].hash != hash)
		at = (at + 1) & (num - 1);
	return &places[at];
}

struct whose_socket *whose__find(const struct whose *w, uint64_t hash)
{
	struct whose_socket *s = place_of(w->places, w->num_places, usable(hash));

	return s->hash ? s : NULL;
}

/* A table of @num_places with those of the old one that @keep wants. */
static int make_anew(struct whose *w, size_t num_places, whose_keep_fn keep, void *ctx)
{
	struct whose_socket *places = calloc(num_places, sizeof(*places));
	size_t num = 0;

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < w->num_places; i++) {
		struct whose_socket *s = &w->places[i];

		if (!s->hash || (keep && !keep(ctx, s)))
			continue;
		*place_of(places, num_places, s->hash) = *s;
		num++;
	}
	free(w->places);
	w->places = places;
	w->num_places = num_places;
	w->num = num;
	return 0;
}

struct whose_socket *whose__add(struct whose *w, uint64_t hash)
{
	struct whose_socket *s;

	if (whose__is_full(w))
		return NULL;
	if ((w->num + 1) * 2 > w->num_places && make_anew(w, w->num_places * 2, NULL, NULL) &&
	    w->num + 1 >= w->num_places)
		return NULL;
	s = place_of(w->places, w->num_places, usable(hash));
	*s = (struct whose_socket){ .hash = usable(hash) };
	w->num++;
	return s;
}

void whose__keep(struct whose *w, whose_keep_fn keep, void *ctx)
{
	size_t num_places = w->num_places;

	while (num_places > LEAST_PLACES && w->num * 8 < num_places)
		num_places /= 2;
	make_anew(w, num_places, keep, ctx);
}

size_t whose__count(const struct whose *w)
{
	return w->num;
}

bool whose__is_full(const struct whose *w)
{
	return w->num >= w->max;
}
