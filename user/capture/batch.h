/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Puts into the order of time what was read from rings that are in order for each
 * CPU alone. Pure but for memory.
 */
#ifndef TWSNOOP_BATCH_H
#define TWSNOOP_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

struct batch;

/* batch__new() - empty; it grows as needed. Returns 0 and *@batchp, to be freed by
 * batch__free(), or -ENOMEM. */
int batch__new(struct batch **batchp);
void batch__free(struct batch *batch); /* NULL is allowed */

/* These copy a record. Return 0 or -ENOMEM; then it is not in the batch. */
int batch__add_event(struct batch *batch, const struct tws_event *event);
int batch__add_ending(struct batch *batch, const struct tws_ending *ending);

/* Takes one record, a tws_event or a tws_ending as @len tells; it lives until the call
 * returns. A negative return value ends the giving and becomes its result. */
typedef int (*batch_fn)(void *ctx, const void *data, size_t len);

/*
 * batch__give() - gives what is not later than @until_ns (as the records' time_ns) to
 * @fn, the oldest first, and of the same moment in the order in which they came, events
 * before endings. The rest stays, and so does what follows a record that @fn answered
 * with an error. Returns how many were given, that one included; or @fn's negative
 * value, or -ENOMEM.
 */
int batch__give(struct batch *batch, uint64_t until_ns, batch_fn fn, void *ctx);

/* batch__each() - calls @fn for all, in no order, and gives none away. Returns 0 or the negative
 * value of @fn, which ends it. */
int batch__each(const struct batch *batch, batch_fn fn, void *ctx);

/* batch__trim() - gives memory back, if it is empty and has held far more than one poll finds. */
void batch__trim(struct batch *batch);

/* batch__count() - of events and endings. */
size_t batch__count(const struct batch *batch);

#endif
