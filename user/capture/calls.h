/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of connect(2) and bind(2), for bpf/call.h. While they are attached, every
 * system call of the host takes the kernel's way for those that are traced, some 50 ns more:
 * so only with trace --all, and for what stays only if it is asked for.
 */
#ifndef TWSNOOP_CALLS_H
#define TWSNOOP_CALLS_H

#include <errno.h>

struct bpf_object;
struct bpf_link;

#define CALLS_PROGRAMS 4
/* An error that calls__obstacle() knows: they go with the process that attached them. */
#define CALLS_NO_PIN (-EOPNOTSUPP)

struct calls {
	int events[CALLS_PROGRAMS]; /* perf events, -1: none, or the link's */
	struct bpf_link *links[CALLS_PROGRAMS];
};

/* The programs' names in the object, in the order of @events. */
extern const char *const calls_programs[CALLS_PROGRAMS];

/*
 * calls__open() - opens their events, to which nothing is attached yet. Returns 0 or a negative
 * errno, see calls__obstacle(); then @calls is as calls__init() leaves it.
 */
int calls__open(struct calls *calls);

/* calls__attach() - the loaded programs of @obj. Returns 0 or a negative errno. */
int calls__attach(struct calls *calls, struct bpf_object *obj);

/* What stands in the way, and what to do about it. */
struct calls_obstacle {
	const char *what, *remedy;
};

/* calls__obstacle() - for the negative errno of one of the two. */
const struct calls_obstacle *calls__obstacle(int err);

/* calls__init() - none is open; calls__close() is allowed then. */
void calls__init(struct calls *calls);
/* calls__close() - detaches them; they can be opened again. */
void calls__close(struct calls *calls);

#endif
