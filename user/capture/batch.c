// SPDX-License-Identifier: GPL-2.0
#include "capture/batch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define FIRST_ROOM 1024
#define USUAL_ROOM (1U << 16) /* half a million closes a second, ten times a second */
#define DIGIT_BITS 11 /* 2,048 counters: half of a CPU's nearest cache */
#define DIGITS (1U << DIGIT_BITS)

/* A record's place in the order. */
struct item {
	uint64_t time_ns;
	uint32_t index;
	bool is_ending;
	bool given; /* only in batch.spare, by the record's number */
};

struct batch {
	struct tws_event *events;
	struct tws_ending *endings;
	struct item *order, *spare; /* room for all events and endings, each */
	size_t num_events, num_endings, room_events, room_endings, room_order;
};

int batch__new(struct batch **batchp)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	*batchp = batch;
	return 0;
}

static void free_rooms(struct batch *batch)
{
	free(batch->events);
	free(batch->endings);
	free(batch->order);
	free(batch->spare);
}

void batch__free(struct batch *batch)
{
	if (!batch)
		return;
	free_rooms(batch);
	free(batch);
}

void batch__trim(struct batch *batch)
{
	if (batch__count(batch) ||
	    (batch->room_events <= USUAL_ROOM && batch->room_endings <= USUAL_ROOM))
		return;
	free_rooms(batch);
	*batch = (struct batch){ .room_order = 0 };
}

size_t batch__count(const struct batch *batch)
{
	return batch->num_events + batch->num_endings;
}

/* @array with room for @room of @size bytes, or NULL and @array is as before. */
static void *grown(void *array, size_t room, size_t size)
{
	return room > UINT32_MAX || room > SIZE_MAX / size ? NULL : realloc(array, room * size);
}

static size_t next_room(size_t room)
{
	return room ? room * 2 : FIRST_ROOM;
}

int batch__add_event(struct batch *batch, const struct tws_event *event)
{
	if (batch->num_events == batch->room_events) {
		size_t room = next_room(batch->room_events);
		struct tws_event *more = grown(batch->events, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		batch->events = more;
		batch->room_events = room;
	}
	batch->events[batch->num_events++] = *event;
	return 0;
}

int batch__add_ending(struct batch *batch, const struct tws_ending *ending)
{
	if (batch->num_endings == batch->room_endings) {
		size_t room = next_room(batch->room_endings);
		struct tws_ending *more = grown(batch->endings, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		batch->endings = more;
		batch->room_endings = room;
	}
	batch->endings[batch->num_endings++] = *ending;
	return 0;
}

/* ---- the order ---- */

static int make_room(struct batch *batch)
{
	size_t room = batch->room_order;
	struct item *order, *spare;

	if (batch__count(batch) <= room)
		return 0;
	while (room < batch__count(batch))
		room = next_room(room);
	order = grown(batch->order, room, sizeof(*order));
	if (!order)
		return -ENOMEM;
	batch->order = order;
	spare = grown(batch->spare, room, sizeof(*spare));
	if (!spare)
		return -ENOMEM;
	batch->spare = spare;
	batch->room_order = room;
	return 0;
}

static void list_items(struct batch *batch)
{
	struct item *item = batch->order;

	for (size_t i = 0; i < batch->num_events; i++)
		*item++ = (struct item){ batch->events[i].time_ns, (uint32_t)i, false, false };
	for (size_t i = 0; i < batch->num_endings; i++)
		*item++ = (struct item){ batch->endings[i].time_ns, (uint32_t)i, true, false };
}

static bool is_sorted(const struct item *items, size_t num)
{
	for (size_t i = 1; i < num; i++)
		if (items[i - 1].time_ns > items[i].time_ns)
			return false;
	return true;
}

static unsigned int digit_of(const struct item *item, uint64_t base_ns, unsigned int shift)
{
	return (unsigned int)((item->time_ns - base_ns) >> shift) & (DIGITS - 1);
}

static void sort_by_digit(const struct item *from, struct item *to, size_t num,
			  uint64_t base_ns, unsigned int shift)
{
	size_t place[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < num; i++)
		place[digit_of(&from[i], base_ns, shift)]++;
	for (unsigned int digit = 0; digit < DIGITS; digit++) {
		size_t count = place[digit];

		place[digit] = sum;
		sum += count;
	}
	for (size_t i = 0; i < num; i++)
		to[place[digit_of(&from[i], base_ns, shift)]++] = from[i];
}

/* By digits, the lowest first: the moments of a batch lie within some tenths of a
 * second, so there are three or four. With qsort(3) a connection's two records took
 * 160 ns more. */
static void sort_items(struct batch *batch, size_t num)
{
	uint64_t min_ns = UINT64_MAX, max_ns = 0;

	for (size_t i = 0; i < num; i++) {
		uint64_t time_ns = batch->order[i].time_ns;

		min_ns = time_ns < min_ns ? time_ns : min_ns;
		max_ns = time_ns > max_ns ? time_ns : max_ns;
	}
	for (unsigned int shift = 0; shift < 64 && (max_ns - min_ns) >> shift;
	     shift += DIGIT_BITS) {
		struct item *sorted = batch->spare;

		sort_by_digit(batch->order, sorted, num, min_ns, shift);
		batch->spare = batch->order;
		batch->order = sorted;
	}
}

/* ---- giving ---- */

/* The first @given of the order are gone. */
static void keep_rest(struct batch *batch, size_t given)
{
	size_t num = batch__count(batch), events = 0, endings = 0;
	struct item *gone = batch->spare;

	if (given == num) {
		batch->num_events = batch->num_endings = 0;
		return;
	}
	for (size_t i = 0; i < num; i++)
		gone[i].given = false;
	for (size_t i = 0; i < given; i++) {
		const struct item *item = &batch->order[i];

		gone[item->index + (item->is_ending ? batch->num_events : 0)].given = true;
	}
	for (size_t i = 0; i < batch->num_events; i++)
		if (!gone[i].given)
			batch->events[events++] = batch->events[i];
	gone += batch->num_events;
	for (size_t i = 0; i < batch->num_endings; i++)
		if (!gone[i].given)
			batch->endings[endings++] = batch->endings[i];
	batch->num_events = events;
	batch->num_endings = endings;
}

static int give_item(const struct batch *batch, const struct item *item, batch_fn fn, void *ctx)
{
	return item->is_ending ?
		fn(ctx, &batch->endings[item->index], sizeof(*batch->endings)) :
		fn(ctx, &batch->events[item->index], sizeof(*batch->events));
}

int batch__give(struct batch *batch, uint64_t until_ns, batch_fn fn, void *ctx)
{
	size_t num = batch__count(batch), given = 0;
	int err = make_room(batch);

	if (err)
		return err;
	list_items(batch);
	if (!is_sorted(batch->order, num))
		sort_items(batch, num);
	while (err >= 0 && given < num && batch->order[given].time_ns <= until_ns)
		err = give_item(batch, &batch->order[given++], fn, ctx);
	keep_rest(batch, given);
	return err < 0 ? err : (int)given;
}

int batch__each(const struct batch *batch, batch_fn fn, void *ctx)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < batch->num_events; i++)
		err = fn(ctx, &batch->events[i], sizeof(batch->events[i]));
	for (size_t i = 0; err >= 0 && i < batch->num_endings; i++)
		err = fn(ctx, &batch->endings[i], sizeof(batch->endings[i]));
	return err < 0 ? err : 0;
}
