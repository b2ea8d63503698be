/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moments that somebody will want to look at closely: connects that find no port, and TIME_WAIT
 * sockets that come up against their limit. Each kind is told when it begins, and then once a
 * minute for as long as it goes on. Pure: no clock, no file.
 */
#ifndef TWSNOOP_CRITICAL_H
#define TWSNOOP_CRITICAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/held.h"

#define CRITICAL_AROUND_NS 300000000000ULL /* raw rows before and after are kept */
#define CRITICAL_LIMIT_PERCENT 90

enum critical_kind {
	CRITICAL_PORTS, /* connect() failed with EADDRNOTAVAIL */
	CRITICAL_LIMIT, /* a TIME_WAIT socket was not made, or nearly so */
	CRITICAL_KINDS,
};

/* Of one kind, since it was told last. */
struct critical_count {
	uint64_t count;
	uint64_t first_ns, last_ns; /* by the wall clock */
	uint64_t told_ns;	    /* 0: never */
	uint32_t who, who_votes;    /* who it happens to most, by Boyer and Moore's majority vote */
	struct tws_event example;   /* of that who */
	uint64_t used, limit;	    /* sockets; limit 0: not looked at */
};

struct critical {
	struct critical_count kinds[CRITICAL_KINDS];
};

/* critical__note() - looks at @row, and counts it if it is one. Returns whether it is. */
bool critical__note(struct critical *critical, const struct held_row *row);

/* critical__note_limit() - @used of @limit sockets are in use in @netns. Likewise. */
bool critical__note_limit(struct critical *critical, uint64_t wall_ns, uint32_t netns,
			  uint64_t used, uint64_t limit);

/* critical__forget_who() - the ids of who are no longer good: what was counted is of nobody. */
void critical__forget_who(struct critical *critical);

#define CRITICAL_TEXT_BYTES 320

/* critical__take() - what is to be told at @now_ns: fills @finding, whose text is in @text. Call it
 * until it says false. */
bool critical__take(struct critical *critical, uint64_t now_ns, struct held_finding *finding,
		    char text[CRITICAL_TEXT_BYTES]);

#endif
