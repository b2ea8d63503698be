/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way of an event to user space. Nobody is ever woken: that costs more than
 * the event does. The reader looks by a timer instead.
 *
 * There are two rings of our own, arrays in which every CPU writes a chunk of its
 * own (see struct tws_record). Against the kernel's ring buffer they spare a lock
 * and the cache lines that all CPUs write, any number of readers may follow them, and they
 * keep what was read, or was not: the newest records are there, and the oldest give way.
 * Kernels before 5.12 have no atomic operation that returns a value: there it is the kernel's
 * ring buffer, and a hash map for the ledger.
 */
#ifndef TWSNOOP_BPF_RING_H
#define TWSNOOP_BPF_RING_H

#include "percpu.h"
#include "tuple.h"
#include "twsnoop.h"

#define TIME_WAIT_NS 60000000000ULL /* TCP_TIMEWAIT_LEN */

/* A record that is being written. */
struct out {
	struct tws_event *ev;
	struct tws_ending *end; /* either of them */
	__u64 seq;
	__u64 time_ns; /* of its making */
};

/*
 * Stores with an order: what was written before is seen before. On x86 all stores
 * have it, and a locked instruction would wait for a cache line that an ordinary one
 * leaves to the store buffer. The older kernels' object stores so only into entries of its
 * table of connections, which the socket's own transitions alone read, under its lock: it
 * needs no order, and those kernels have no atomic exchange to give one.
 */
#if defined(__TARGET_ARCH_x86) || !defined(TWS_ATOMIC)
#define STORE_RELEASE(to, value)                                               \
	do {                                                                   \
		barrier();                                                     \
		*(volatile __u64 *)(to) = (value);                             \
		barrier();                                                     \
	} while (0)
#else
#define STORE_RELEASE(to, value) ((void)__sync_lock_test_and_set((to), (value)))
#endif

/*
 * And a load with one: what is read after it is not older than it. BPF has no fence, but an
 * atomic operation that returns a value is one.
 */
#ifdef __TARGET_ARCH_x86
#define LOADS_KEEP_ORDER true
static __always_inline __u64 load_acquire(__u64 *from)
{
	__u64 value = *(volatile __u64 *)from;

	barrier();
	return value;
}
#elif defined(TWS_ATOMIC)
#define LOADS_KEEP_ORDER false
static __always_inline __u64 load_acquire(__u64 *from)
{
	return __sync_fetch_and_add(from, 0);
}
#endif

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
	__uint(max_entries, 1 << 18);
	__type(key, __u32);
	__type(value, struct tws_ending);
} tws_ends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TWS_HEADS);
	__type(key, __u32);
	__type(value, struct tws_head);
} tws_heads SEC(".maps");

/* When the record was made that stood at @position a whole ring ago; 0: there was none. */
static __always_inline __u64 old_time_ns(__u32 ring, __u64 position)
{
	__u32 index;

	if (ring == TWS_RING_EVENTS) {
		const struct tws_record *old;

		index = position & tws.event_mask;
		old = bpf_map_lookup_elem(&tws_events, &index);
		return old && old->seq + tws.event_mask == position ? old->event.time_ns : 0;
	} else {
		const struct tws_ending *old;

		index = position & tws.end_mask;
		old = bpf_map_lookup_elem(&tws_ends, &index);
		return old && old->seq + tws.end_mask == position ? old->time_ns : 0;
	}
}

/*
 * The chunk at @position is about to be written over, of which the last record that was
 * written is the newest. Readers that look back want to know how far they see everything;
 * and the ring of events is too small if it forgets a socket that may still be there.
 */
VERIFIED_ONCE __u32 tws_write_over(__u32 ring, __u32 writer, __u64 position, __u64 now_ns)
{
	struct tws_cpu *cpu = this_cpu();
	__u64 newest_ns = 0;

	if (!cpu || ring >= TWS_RINGS || writer >= TWS_WRITERS)
		return 0;
	for (int i = TWS_CHUNK - 1; i >= 0 && !newest_ns; i--)
		newest_ns = old_time_ns(ring, position + i);
	if (newest_ns > cpu->written_over_ns[ring][writer])
		cpu->written_over_ns[ring][writer] = newest_ns;
	if (ring == TWS_RING_EVENTS && newest_ns && now_ns - newest_ns < TIME_WAIT_NS)
		COUNT_MORE(young_lost, TWS_CHUNK);
	return 0;
}

/*
 * Whether the writer's chunk, in which @next is, has room and is far from where the others come
 * round: not long ago, at @asked_ns, they were less than half a ring ahead, and nobody writes
 * the other half so soon. That would take a record each 8 ns, of all CPUs together.
 */
static __always_inline bool is_fresh_chunk(__u64 next, __u32 mask, __u64 asked_ns, __u64 now_ns)
{
	return next & (TWS_CHUNK - 1) && now_ns - asked_ns <= (__u64)mask << 2;
}

/* The next chunk, if the one that @next is in is used up, or the others have left it behind. */
static __always_inline bool take_chunk(__u64 *next, __u32 ring, __u32 mask, enum tws_writer writer,
				       __u64 now_ns)
{
	__u64 which = ring; /* @ring stays a constant, not a word in memory */
	struct tws_head *head = bpf_map_lookup_elem(&tws_heads, &which);

	if (!head)
		return false;
	if (*next & (TWS_CHUNK - 1) && head->next - *next <= mask / 2)
		return true;
	*next = __sync_fetch_and_add(&head->next, TWS_CHUNK);
	if (tws.attached && *next > mask)
		tws_write_over(ring, writer, *next, now_ns);
	return true;
}

/*
 * The position of the writer's next record. A chunk that the others have left half
 * a ring behind is given up, long before they come round to it. How far they are stands
 * in a line that all CPUs write: a writer that has asked not long ago does not ask again.
 */
static __always_inline bool take_position(__u64 *position, __u32 ring, __u32 mask,
					  __u8 action, enum tws_writer writer, __u64 now_ns)
{
	struct tws_cpu *cpu = this_cpu();
	__u64 next;

	if (!cpu)
		return false;
	next = cpu->ring[ring][writer].next;
	if (!is_fresh_chunk(next, mask, cpu->ring[ring][writer].asked_ns, now_ns)) {
		if (!take_chunk(&next, ring, mask, writer, now_ns))
			return false;
		cpu->ring[ring][writer].asked_ns = now_ns;
	}
	cpu->ring[ring][writer].next = next + 1;
	if (TWS_IS_OUTCOME(action, tws.all))
		cpu->ring[ring][writer].made++;
	if (action == TWS_LISTEN) /* or its end: see on_listener() */
		cpu->listens[writer]++;
	*position = next;
	return true;
}

/* Makes room for an event of @now_ns, of which the caller fills all but the action, @out's time
 * among it; then send(). False if there is no room. */
static __always_inline bool reserve_at(struct out *out, __u8 action, enum tws_writer writer,
				       __u64 now_ns)
{
	struct tws_record *record;
	__u64 position, index; /* the index whole: see this_cpu() */

	out->time_ns = now_ns;
	if (!take_position(&position, TWS_RING_EVENTS, tws.event_mask, action, writer, now_ns))
		return false;
	index = position & tws.event_mask;
	record = bpf_map_lookup_elem(&tws_events, &index);
	if (!record)
		return false;
	STORE_RELEASE(&record->seq, 0);
	record->event.action = action;
	out->ev = &record->event;
	out->seq = position + 1;
	return true;
}

/* The record is whole before anyone sees that it is. */
static __always_inline void send(struct out *out)
{
	struct tws_record *record = (void *)out->ev;

	STORE_RELEASE(&record->seq, out->seq);
}

/* Of a TWS_FIN record that a filter lets pass, before it is made: where an end comes without a
 * FIN, it was lost only if one of these was. */
static __always_inline void count_filtered_fin(enum tws_writer writer)
{
	struct tws_cpu *cpu = this_cpu();

	if (cpu)
		cpu->ring[TWS_RING_EVENTS][writer].fins++;
}

/* Its cookie tells it from the one before. */
static __always_inline void forget_owner(const struct sock *sk, const struct tcp_sock *tp)
{
}

/* @now_ns: CLOCK_MONOTONIC. */
static __always_inline bool reserve_end(struct out *out, __u8 action, enum tws_writer writer,
					__u64 now_ns)
{
	struct tws_ending *end;
	__u64 position, index; /* as in reserve_at() */

	out->time_ns = now_ns;
	if (!take_position(&position, TWS_RING_ENDS, tws.end_mask, action, writer, now_ns))
		return false;
	index = position & tws.end_mask;
	end = bpf_map_lookup_elem(&tws_ends, &index);
	if (!end)
		return false;
	STORE_RELEASE(&end->seq, 0);
	end->action = action;
	out->end = end;
	out->seq = position + 1;
	return true;
}

static __always_inline void send_end(struct out *out)
{
	STORE_RELEASE(&out->end->seq, out->seq);
}

#else /* !TWS_ATOMIC */

/* The newest close of a connection end. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 17);
	__type(key, struct tws_key);
	__type(value, struct tws_event);
} tws_owners SEC(".maps");

/* Where an event is put together for the ledger: with nobody to read it, even what is
 * discarded from a ring buffer fills it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TWS_WRITERS);
	__type(key, __u32);
	__type(value, struct tws_event);
} tws_scratch SEC(".maps");

/* TWS_LISTEN and TWS_UNLISTEN records that found no room. Whoever reads a record sees here
 * what was lost before it was made. */
__u64 tws_listens_lost;

static __always_inline bool reserve_at(struct out *out, __u8 action, enum tws_writer writer,
				       __u64 now_ns)
{
	__u32 index = writer;

	out->time_ns = now_ns;
	if (tws.attached) {
		out->ev = bpf_map_lookup_elem(&tws_scratch, &index);
		if (out->ev)
			out->ev->action = action;
		return out->ev;
	}
	out->ev = bpf_ringbuf_reserve(&tws_ring, sizeof(*out->ev), 0);
	if (out->ev) {
		out->ev->action = action;
		return true;
	}
	/* With a filter, an end whose FIN is lost is not told: who knows whether it matches. */
	if (TWS_IS_OUTCOME(action, tws.all) || (action == TWS_FIN && tws.has_filter))
		COUNT(event_lost);
	else if (action == TWS_LISTEN) /* or its end: see on_listener() */
		__sync_fetch_and_add(&tws_listens_lost, 1);
	return false;
}

/* One that is lost is counted at once: see reserve(). */
static __always_inline void count_filtered_fin(enum tws_writer writer)
{
}

static const struct tws_event no_owner;

/* In two steps: a record of the ring buffer is no value for a map in 5.10. */
static __always_inline void keep_owner(const struct tws_event *ev)
{
	struct tws_event *owner;
	struct tws_key key = {};

	__builtin_memcpy(&key, ev->local_addr, 2 * sizeof(ev->local_addr));
	key.netns = ev->netns;
	key.ifindex = ev->conn.ifindex;
	key.local_port = ev->local_port;
	key.peer_port = ev->peer_port;
	bpf_map_update_elem(&tws_owners, &key, &no_owner, BPF_ANY);
	owner = bpf_map_lookup_elem(&tws_owners, &key);
	if (owner)
		__builtin_memcpy(owner, ev, sizeof(*owner));
}

/* Another life of these addresses begins to end, and it is not recorded. */
static __always_inline void forget_owner(const struct sock *sk, const struct tcp_sock *tp)
{
	struct tws_key key = {};
	struct tuple t;

	read_tuple(&t, sk, tp);
	tuple_to_key(&key, &t);
	bpf_map_delete_elem(&tws_owners, &key);
}

static __always_inline void send(struct out *out)
{
	if (out->ev->action == TWS_FIN)
		keep_owner(out->ev);
	if (!tws.attached)
		bpf_ringbuf_submit(out->ev, BPF_RB_NO_WAKEUP);
}

static __always_inline bool reserve_end(struct out *out, __u8 action, enum tws_writer writer,
					__u64 now_ns)
{
	out->time_ns = now_ns;
	out->end = bpf_ringbuf_reserve(&tws_ring, sizeof(*out->end), 0);
	if (out->end) {
		out->end->action = action;
		return true;
	}
	if (TWS_IS_OUTCOME(action, tws.all))
		COUNT(event_lost);
	return false;
}

static __always_inline void send_end(struct out *out)
{
	out->end->seq = 0;
	bpf_ringbuf_submit(out->end, BPF_RB_NO_WAKEUP);
}

#endif

static __always_inline bool reserve(struct out *out, __u8 action, enum tws_writer writer)
{
	return reserve_at(out, action, writer, bpf_ktime_get_ns());
}

#endif
