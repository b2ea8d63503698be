/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The source of live events: the BPF programs and their rings.
 * Hands raw bytes to one callback.
 */
#ifndef TWSNOOP_TRACER_H
#define TWSNOOP_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "capture/source.h"
#include "host/kernel.h"

struct tracer;

struct tracer_options {
	const struct kernel *kernel; /* probed; need not outlive tracer__new() */
	struct tws_filter filter;
	bool all;		/* every outcome, not only TIME_WAIT */
	bool calls;		/* with all: connect() and bind() too, which costs every system
				 * call of the host some 50 ns: see calls.h */
	bool attached;		/* it stays, for any reader or none: for `twsnoop attach` */
	size_t ring_bytes;	/* of the ring of events, a power of two and whole pages;
				 * 0: 32 MiB. Rounded down to a power of two of records, of
				 * which there are at least as many as this host's CPUs
				 * need: see ring_size.h */
	size_t entries;		/* instead of it: of the ring of events, a power of two */
	size_t max_connections; /* watched at once, rounded up to a power of two
				 * from 4,096 to 4,194,304; 0: one for each 16 KiB of
				 * memory from 262,144 to 1,048,576; before 5.12 262,144 */
};

/*
 * tracer__new() - loads the programs, unattached.
 * Returns 0 and *@tracerp, to be freed by tracer__free(), or a negative errno:
 * -EPERM no privilege, -ENOMEM, -EINVAL or -EACCES if the verifier refused.
 */
int tracer__new(struct tracer **tracerp, const struct tracer_options *opts);

/* tracer__ring_records() - how many the ring of events has; 0: it is the kernel's (before 5.12). */
uint64_t tracer__ring_records(const struct tracer *tracer);

/* tracer__source() - the tracer as what a stream reads; it lives as long as the tracer. The
 * first source__start() attaches the programs, unless that was done. */
struct source *tracer__source(struct tracer *tracer);

/*
 * tracer__attach() - events flow from here on. The programs are attached one after the
 * other: what is told of an opening before the last one was is left out of its events.
 * Returns 0 or a negative errno.
 */
int tracer__attach(struct tracer *tracer);

/*
 * tracer__calls_obstacle() - with calls: why failures of connect() and bind() that no transition
 * shows are not seen; NULL: they are. Once started.
 */
const struct calls_obstacle *tracer__calls_obstacle(const struct tracer *tracer);

/* tracer__is_of_state() - whether @program is one of the two at inet_sock_set_state. */
bool tracer__is_of_state(const char *program);

/*
 * tracer__pin() - pins the links of the attached programs, and the maps that another
 * twsnoop reads, below the folder @dir of a bpffs. What was pinned before an error
 * stays. Returns 0 or a negative errno.
 */
int tracer__pin(struct tracer *tracer, const char *dir);

/* tracer__detach() - no event is made after this; poll once more for the rest. */
void tracer__detach(struct tracer *tracer);

void tracer__free(struct tracer *tracer); /* NULL is allowed */

#endif
