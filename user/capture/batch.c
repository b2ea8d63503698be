// SPDX-License-Identifier: GPL-2.0
#include "capture/batch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/digits.h"

#define FIRST_ROOM 1024
#define USUAL_ROOM (1U << 16) /* half a million closes a second, ten times a second */

/* Marks of a record in the order, whose number is its time. */
#define IS_ENDING 0x1
#define GIVEN 0x2 /* only in batch.spare, by the record's number */

struct batch {
	struct tws_event *events;
	struct tws_ending *endings;
	struct digits_item *order, *spare; /* room for all events and endings, each */
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
	struct digits_item *order, *spare;

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
	struct digits_item *item = batch->order;

	for (size_t i = 0; i < batch->num_events; i++)
		*item++ = (struct digits_item){ batch->events[i].time_ns, (uint32_t)i, 0 };
	for (size_t i = 0; i < batch->num_endings; i++)
		*item++ = (struct digits_item){ batch->endings[i].time_ns, (uint32_t)i, IS_ENDING };
}

/* ---- giving ---- */

/* The first @given of the order are gone. */
static void keep_rest(struct batch *batch, size_t given)
{
	size_t num = batch__count(batch), events = 0, endings = 0;
	struct digits_item *gone = batch->spare;

	if (given == num) {
		batch->num_events = batch->num_endings = 0;
		return;
	}
	for (size_t i = 0; i < num; i++)
		gone[i].mark = 0;
	for (size_t i = 0; i < given; i++) {
		const struct digits_item *item = &batch->order[i];

		gone[item->place + (item->mark & IS_ENDING ? batch->num_events : 0)].mark = GIVEN;
	}
	for (size_t i = 0; i < batch->num_events; i++)
		if (!(gone[i].mark & GIVEN))
			batch->events[events++] = batch->events[i];
	gone += batch->num_events;
	for (size_t i = 0; i < batch->num_endings; i++)
		if (!(gone[i].mark & GIVEN))
			batch->endings[endings++] = batch->endings[i];
	batch->num_events = events;
	batch->num_endings = endings;
}

static int give_item(const struct batch *batch, const struct digits_item *item, batch_fn fn, void *ctx)
{
	return item->mark & IS_ENDING ?
		fn(ctx, &batch->endings[item->place], sizeof(*batch->endings)) :
		fn(ctx, &batch->events[item->place], sizeof(*batch->events));
}

int batch__give(struct batch *batch, uint64_t until_ns, batch_fn fn, void *ctx)
{
	size_t num = batch__count(batch), given = 0;
	int err = make_room(batch);

	if (err)
		return err;
	list_items(batch);
	/* With qsort(3) a connection's two records took 160 ns more. */
	digits__sort(&batch->order, &batch->spare, num);
	while (err >= 0 && given < num && batch->order[given].number <= until_ns)
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
