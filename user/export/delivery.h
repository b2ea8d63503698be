/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches to one store, one at a time: the request that it is, what the answer means, and when to try
 * again. What differs between OTLP and ClickHouse is here.
 */
#ifndef TWSNOOP_DELIVERY_H
#define TWSNOOP_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "export/answer.h"
#include "export/batch.h"
#include "export/encoder.h"

struct delivery;

struct delivery_options {
	bool is_clickhouse;
	const char *url;
	const char *headers, *user, *password; /* as struct exporter_options */
};

/* delivery__new() - returns 0 and *@deliveryp, to be freed by delivery__free(), or a negative errno,
 * and *@why (a constant) or NULL. */
int delivery__new(struct delivery **deliveryp, const struct delivery_options *opts,
		  const char **why);
void delivery__free(struct delivery *delivery); /* NULL is allowed */

const struct encoder *delivery__encoder(const struct delivery *delivery);
const char *delivery__shown(const struct delivery *delivery); /* the URL, without its secrets */

/* delivery__begin() - sends the batch of @file, which must stay until the end. Returns 0, -ENOMEM, or
 * -EBADMSG: its body cannot be unpacked. */
int delivery__begin(struct delivery *delivery, const struct outbuf *file,
		    const struct batch_info *info);
bool delivery__is_busy(const struct delivery *delivery);

/* delivery__poll() - waits so long at most, also if it is not busy. Returns true and fills @meaning
 * once the batch is taken, refused, or failed: then it is to be sent again when delivery__is_due(). */
bool delivery__poll(struct delivery *delivery, int wait_ms, struct answer_meaning *meaning);

bool delivery__is_due(const struct delivery *delivery);
uint64_t delivery__pause_ms(const struct delivery *delivery); /* until it is; busy: for ever */
void delivery__hurry(struct delivery *delivery); /* it is due now */
void delivery__postpone(struct delivery *delivery); /* as if it had failed */
void delivery__cancel(struct delivery *delivery);
void delivery__wake(struct delivery *delivery); /* from another thread: ends a poll */

#endif
