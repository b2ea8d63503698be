/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way of an event to user space. Nobody is ever woken: that costs more than
 * the event does. The reader looks by a timer instead.
 *
 * The ring is an array of our own (see struct tws_record). Against the kernel's
 * ring buffer it spares a lock and two cache lines that every CPU writes, it
 * keeps what was read, and with no reader at all it is the ledger: the newest
 * records are there, and the oldest give way. Kernels before 5.12 have no atomic
 * operation that returns a value: there it is the kernel's ring buffer, and for
 * the ledger a hash map.
 */
#ifndef TWSNOOP_BPF_RING_H
#define TWSNOOP_BPF_RING_H

#include "twsnoop.h"

#ifdef TWS_ATOMIC

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, struct tws_record);
} tws_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tws_head);
} tws_head SEC(".maps");

/*
 * Makes room for one record. The caller fills all of it and calls send() or
 * send_if(). A writer that was held up for a whole turn of the ring still has its
 * record: then there is no room.
 */
static __always_inline struct tws_event *try_reserve(__u8 action)
{
	__u32 zero = 0, index;
	struct tws_head *head = bpf_map_lookup_elem(&tws_head, &zero);
	struct tws_record *record;
	__u64 position, seq;

	if (!head)
		return NULL;
	position = __sync_fetch_and_add(&head->next, 1);
	index = position & tws.event_mask;
	record = bpf_map_lookup_elem(&tws_events, &index);
	if (!record)
		return NULL;
	seq = record->seq;
	if (seq & TWS_SEQ_BUSY ||
	    __sync_val_compare_and_swap(&record->seq, seq, position | TWS_SEQ_BUSY) != seq)
		return NULL;
	record->event.action = action;
	return &record->event;
}

/* A full barrier: the record is whole before anyone sees that it is. */
static __always_inline void send(struct tws_event *ev)
{
	struct tws_record *record = (void *)ev;

	__sync_lock_test_and_set(&record->seq, (record->seq & ~TWS_SEQ_BUSY) + 1);
}

/* For a record that two programs may have made: one of them is @mine. */
static __always_inline void send_if(struct tws_event *ev, bool mine)
{
	if (!mine)
		ev->action = TWS_VOID;
	send(ev);
}

#else /* !TWS_ATOMIC */

/* The newest close of a connection end. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 17);
	__type(key, struct tws_key);
	__type(value, struct tws_event);
} tws_owners SEC(".maps");

static __always_inline struct tws_event *try_reserve(__u8 action)
{
	struct tws_event *ev = bpf_ringbuf_reserve(&tws_ring, sizeof(*ev), 0);

	if (ev)
		ev->action = action;
	return ev;
}

static __always_inline void keep_owner(const struct tws_event *ev)
{
	struct tws_key key = {};

	if (ev->action != TWS_TIME_WAIT && ev->action != TWS_FIN_WAIT2)
		return;
	__builtin_memcpy(&key, ev->local_addr, 2 * sizeof(ev->local_addr));
	key.netns = ev->netns;
	key.local_port = ev->local_port;
	key.peer_port = ev->peer_port;
	bpf_map_update_elem(&tws_owners, &key, ev, BPF_ANY);
}

static __always_inline void send_if(struct tws_event *ev, bool mine)
{
	if (mine)
		keep_owner(ev);
	if (mine && !tws.ledger)
		bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_discard(ev, BPF_RB_NO_WAKEUP);
}

static __always_inline void send(struct tws_event *ev)
{
	send_if(ev, true);
}

#endif

/* As try_reserve(); what finds no room is counted. */
static __always_inline struct tws_event *reserve(__u8 action)
{
	struct tws_event *ev = try_reserve(action);

	if (ev)
		return ev;
	if (action == TWS_TIME_WAIT)
		COUNT(time_wait_lost);
	else if (action < TWS_LISTEN)
		COUNT(other_lost);
	else
		COUNT(listen_lost);
	return NULL;
}

#endif
