// SPDX-License-Identifier: GPL-2.0
#include "capture/ring_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ring_reader__init(struct ring_reader *ring, const void *records, size_t record_bytes,
	       const struct tws_head *head, uint64_t room)
{
	struct ring_chunk *open = calloc(room / TWS_CHUNK + 1, sizeof(*open));

	if (!open)
		return -ENOMEM;
	*ring = (struct ring_reader){
		.records = records,
		.record_bytes = record_bytes,
		.head = head,
		.room = room,
		.scanned = __atomic_load_n(&head->next, __ATOMIC_ACQUIRE),
		.open = open,
	};
	return 0;
}

void ring_reader__fini(struct ring_reader *ring)
{
	free(ring->open);
	memset(ring, 0, sizeof(*ring));
}

bool ring_reader__copy(const struct ring_reader *ring, uint64_t position, void *to)
{
	const unsigned char *from = ring->records +
				    (position & (ring->room - 1)) * ring->record_bytes;
	const uint64_t *seq = (const void *)(from + ring->record_bytes - sizeof(*seq));

	if (__atomic_load_n(seq, __ATOMIC_ACQUIRE) != position + 1)
		return false;
	memcpy(to, from, ring->record_bytes);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(seq, __ATOMIC_RELAXED) == position + 1;
}

/* A chunk that a whole ring has passed since will not come any more. */
static void forget_passed(struct ring_reader *ring, uint64_t head)
{
	size_t kept = 0;

	for (size_t i = 0; i < ring->num_open; i++)
		if (head - ring->open[i].end < ring->room)
			ring->open[kept++] = ring->open[i];
		else
			ring->passed += ring->open[i].end - ring->open[i].next;
	ring->num_open = kept;
	if (head - ring->scanned > ring->room) {
		ring->passed += head - ring->room - ring->scanned;
		ring->scanned = head - ring->room;
	}
}

void ring_reader__settle(struct ring_reader *ring)
{
	forget_passed(ring, __atomic_load_n(&ring->head->next, __ATOMIC_ACQUIRE));
}

/* Of the chunks in a ring, no more than its size has room for are open. */
static void open_chunks(struct ring_reader *ring)
{
	uint64_t head = __atomic_load_n(&ring->head->next, __ATOMIC_ACQUIRE);

	forget_passed(ring, head);
	while (ring->scanned < head && ring->num_open < ring->room / TWS_CHUNK) {
		ring->open[ring->num_open++] = (struct ring_chunk){
			ring->scanned, ring->scanned + TWS_CHUNK, 0 };
		ring->scanned += TWS_CHUNK;
	}
}

static int take_chunk(struct ring_reader *ring, struct ring_chunk *chunk, ring_fn fn,
		      void *ctx)
{
	_Alignas(8) unsigned char record[RING_RECORD_MAX];
	int err = 0;

	while (!err && chunk->next < chunk->end && ring_reader__copy(ring, chunk->next, record)) {
		ring->is_old = chunk->next < chunk->counted;
		chunk->next++;
		err = fn(ctx, record);
	}
	ring->is_old = false;
	return err < 0 ? err : 0;
}

int ring_reader__take(struct ring_reader *ring, ring_fn fn, void *ctx)
{
	size_t kept = 0, i = 0;
	int err = 0;

	open_chunks(ring);
	for (; i < ring->num_open; i++) {
		if (!err)
			err = take_chunk(ring, &ring->open[i], fn, ctx);
		if (ring->open[i].next < ring->open[i].end)
			ring->open[kept++] = ring->open[i];
	}
	ring->num_open = kept;
	return err;
}

bool ring_reader__is_written(const struct ring_reader *ring, uint64_t position)
{
	const unsigned char *from = ring->records +
				    (position & (ring->room - 1)) * ring->record_bytes;
	const uint64_t *seq = (const void *)(from + ring->record_bytes - sizeof(*seq));

	return __atomic_load_n(seq, __ATOMIC_ACQUIRE) > position;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool is_open(const struct ring_reader *ring, uint64_t end)
{
	for (size_t i = 0; i < ring->num_open; i++)
		if (ring->open[i].end == end)
			return true;
	return false;
}

static int by_end(const void *a, const void *b)
{
	const struct ring_chunk *x = a, *y = b;

	return x->end < y->end ? -1 : x->end > y->end;
}

/* A writer may have taken a chunk at this very moment, and not say so yet: it is among the
 * newest, and nothing is written in it. */
static void open_unwritten(struct ring_reader *ring, size_t writers)
{
	uint64_t at = ring->scanned;

	for (size_t i = 0; i < 2 * writers && at >= TWS_CHUNK; i++) {
		at -= TWS_CHUNK;
		if (ring->num_open == ring->room / TWS_CHUNK || ring->scanned - at >= ring->room)
			break;
		if (!is_open(ring, at + TWS_CHUNK) && !ring_reader__is_written(ring, at))
			ring->open[ring->num_open++] = (struct ring_chunk){ at, at + TWS_CHUNK, 0 };
	}
}

/* The writer's chunk, if it has one at @next, from the first record on that is not whole. */
static void open_at(struct ring_reader *ring, uint64_t next)
{
	uint64_t begin = (next - 1) / TWS_CHUNK * TWS_CHUNK, from = next;

	while (from > begin && !ring_reader__is_written(ring, from - 1))
		from--;
	if (from < begin + TWS_CHUNK)
		ring->open[ring->num_open++] = (struct ring_chunk){ from, begin + TWS_CHUNK, next };
}

int ring_reader__cut(struct ring_reader *ring, uint64_t head, uint64_t *next, size_t num)
{
	qsort(next, num, sizeof(*next), by_number);
	ring->num_open = 0;
	ring->passed = 0;
	ring->scanned = head;
	/* A chunk that a whole ring has passed since is given up by its writer. */
	for (size_t i = 0; i < num && ring->num_open < ring->room / TWS_CHUNK; i++)
		if (next[i] && next[i] <= head && head - next[i] < ring->room)
			open_at(ring, next[i]);
	open_unwritten(ring, num + 1);
	qsort(ring->open, ring->num_open, sizeof(*ring->open), by_end);
	return 0;
}

/* The records of one chunk up to @end; what is not whole was never written, or is no more
 * there. */
static int give_old(const struct ring_reader *ring, uint64_t position, uint64_t end, ring_fn fn,
		    void *ctx)
{
	_Alignas(8) unsigned char record[RING_RECORD_MAX];
	int err = 0;

	for (; err >= 0 && position < end; position++)
		if (ring_reader__copy(ring, position, record))
			err = fn(ctx, record);
	return err < 0 ? err : 0;
}

int ring_reader__look_back(struct ring_reader *ring, ring_fn fn, void *ctx)
{
	uint64_t at = ring->scanned > ring->room ? ring->scanned - ring->room : 0;
	size_t open = 0;
	int err = 0;

	for (; !err && at < ring->scanned; at += TWS_CHUNK) {
		uint64_t end = at + TWS_CHUNK;

		while (open < ring->num_open && ring->open[open].end < end)
			open++;
		if (open < ring->num_open && ring->open[open].end == end)
			end = ring->open[open].next;
		err = give_old(ring, at, end, fn, ctx);
	}
	return err;
}
