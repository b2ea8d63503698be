/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A span of a recording cut into slots of a minute (of more where it is very long): how much of
 * each was recorded, and what was counted and sampled in it, whoever did it. The slots begin
 * before the span that is told of, for what is usual.
 */
#ifndef TWSNOOP_REPORT_SLOTS_H
#define TWSNOOP_REPORT_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/input.h"

#define SLOTS_MAX 100000
#define SLOTS_MINUTE_NS 60000000000ULL

struct slot {
	uint64_t recorded_ns; /* how much time was recorded; more than its length where the clock
			       * was put back, and showed it twice */
	uint64_t closes;      /* that led to TIME_WAIT */
	uint64_t other;	      /* events of ~other: of which kind is not known */
	uint64_t failed;      /* connects */
	uint64_t failed_ports; /* of these: EADDRNOTAVAIL */
	uint64_t overflows;   /* TIME_WAITs that the kernel did not make, as it counts itself or as
			       * was seen, whichever is more */
	uint64_t overflows_counted; /* by the kernel */
	uint64_t time_wait;   /* the most of the host at once, of both kinds of mini-sockets */
	uint64_t time_wait_ns; /* when */
	uint64_t limited;     /* the same of the namespace that was nearest to its limit, */
	uint64_t limit;	      /* and that limit; 0: not known */
	uint16_t ports_permille; /* used, of the fullest set of ports */
	bool has_time_wait, has_ports, has_gap;
};

#define SLOTS_CHANGES 8

/* A setting that was another one before. */
struct slots_change {
	uint64_t wall_ns;
	const char *name; /* "net.ipv4.tcp_max_tw_buckets": a constant */
	uint64_t from, to;
};

struct slots {
	uint64_t since_ns, slot_ns;
	size_t num, first; /* those before @first are the past of the span that is told of */
	struct slot *slot;
	bool is_all;	   /* other outcomes than TIME_WAIT were recorded, in some run */
	struct slots_change changes[SLOTS_CHANGES];
	size_t num_changes;
};

/*
 * slots__fill() - of @past_ns to @span->until_ns, whole minutes. Returns 0 and @slots, to be freed
 * by slots__free(), -ENOMEM, or what @input returned.
 */
int slots__fill(struct slots *slots, const struct report_input *input,
		const struct history_span *span, uint64_t past_ns);
void slots__free(struct slots *slots);

static inline uint64_t slots__since_ns(const struct slots *slots, size_t index)
{
	return slots->since_ns + index * slots->slot_ns;
}

/* slots__at() - the slot of @wall_ns, NULL: there is none. */
struct slot *slots__at(const struct slots *slots, uint64_t wall_ns);

/* slot__is_known() - enough of it was recorded. */
bool slot__is_known(const struct slots *slots, const struct slot *slot);

/* slot__per_s() - @count of a slot that is known, a second of what was recorded. */
double slot__per_s(const struct slots *slots, const struct slot *slot, uint64_t count);

/* slots__ports_permille() - how much of a set of ports is used, and not to be taken over; -1: not
 * known. */
int slots__ports_permille(const struct held_ports *ports);

#endif
