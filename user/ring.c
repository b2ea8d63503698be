// SPDX-License-Identifier: GPL-2.0
#include "ring.h"

#include <limits.h>

#define GIVE_UP_NS 1000000000ULL

uint64_t ring__head(const struct ring *ring)
{
	return __atomic_load_n(&ring->head->next, __ATOMIC_ACQUIRE);
}

bool ring__copy(const struct ring *ring, uint64_t position, struct tws_event *event)
{
	const struct tws_record *record = &ring->records[position & ring->mask];

	if (__atomic_load_n(&record->seq, __ATOMIC_ACQUIRE) != position + 1)
		return false;
	*event = record->event;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&record->seq, __ATOMIC_RELAXED) == position + 1;
}

/* What the writers have gone over since the last poll. */
static void skip_overwritten(struct ring *ring)
{
	uint64_t head = ring__head(ring), room = (uint64_t)ring->mask + 1;

	if (head - ring->next <= room)
		return;
	ring->lost += head - room - ring->next;
	ring->next = head - room;
	ring->stuck_since_ns = 0;
}

/* Whether to wait for the record at ring->next, which is not whole. */
static bool is_awaited(struct ring *ring, uint64_t now_ns)
{
	uint64_t before = ring->next;

	skip_overwritten(ring);
	if (ring->next != before)
		return false;
	if (!ring->stuck_since_ns)
		ring->stuck_since_ns = now_ns;
	if (now_ns - ring->stuck_since_ns < GIVE_UP_NS)
		return true;
	ring->stuck_since_ns = 0;
	ring->next++;
	return false;
}

int ring__poll(struct ring *ring, uint64_t until, uint64_t now_ns, ring_fn fn, void *ctx)
{
	struct tws_event event;
	int num = 0, err;

	skip_overwritten(ring);
	while (ring->next < until && num < INT_MAX) {
		if (!ring__copy(ring, ring->next, &event)) {
			if (is_awaited(ring, now_ns))
				break;
			continue;
		}
		ring->stuck_since_ns = 0;
		ring->next++;
		num++;
		if (event.action == TWS_VOID)
			continue;
		err = fn(ctx, &event);
		if (err < 0)
			return err;
	}
	return num;
}
