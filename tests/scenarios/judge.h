/* SPDX-License-Identifier: GPL-2.0 */
/* Compares the truths of a scenario with the events that twsnoop printed. */
#ifndef SCENARIOS_JUDGE_H
#define SCENARIOS_JUDGE_H

#include "tracer.h"
#include "truth.h"

/* Have all the events that must come for this record come, and from the tracepoints? */
bool judge__complete(const struct record *r, const struct tracer *t);

/*
 * Marks the events that belong to a truth of the record. Do so for all records before the
 * first is judged: what is left over then is a stray. (The inode number of a namespace that a
 * scenario destroys may be used again by another scenario's.)
 */
void judge__mark(const struct record *r, struct tracer *t);

/* MISSING: something was not said, but nothing wrong was said. In the order of gravity. */
enum judgement { RIGHT, MISSING, WRONG };

/* Judges one record. Unless it is RIGHT, *why (size bytes) says what is not. */
enum judgement judge__record(const struct record *r, struct tracer *t, char *why, size_t size);

/* Does this event belong to a namespace of the record and to its span of time? */
bool judge__in_record(const struct record *r, const struct event *ev);

#endif
