/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records on their way into batches: they are encoded at once, in the caller's thread, and another
 * thread takes the batches that are full or old enough. What it does not take in time is dropped
 * and counted, so that memory is bounded and nobody waits.
 */
#ifndef TWSNOOP_INTAKE_H
#define TWSNOOP_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/batch.h"
#include "export/encoder.h"

#define INTAKE_FULL_BYTES (4u << 20) /* of a body; it may have one record more */
#define INTAKE_OLD_NS 2000000000ULL
#define INTAKE_READY_MAX 4 /* batches that wait for being taken */

/* A batch; its id, and what is known once it is packed, are not filled in yet. */
struct intake_batch {
	struct intake_batch *next;
	struct batch_info info;
	struct outbuf raw;
	uint64_t *keys;
};

struct intake_options {
	const struct encoder *encoder;
	struct encoder_host host;
	uint64_t seed;	   /* of identity__key() */
	uint64_t since_ns; /* what happened before is not ours */
	uint64_t until_ns; /* and until then another run may have written it: intake__know() */
	/* A batch is full. Called with nothing held. */
	void (*ready)(void *ctx);
	void *ctx;
};

struct intake_account {
	uint64_t pending, dropped, repeated;
};

struct intake;

int intake__new(struct intake **intakep, const struct intake_options *opts); /* 0 or -ENOMEM */
void intake__free(struct intake *intake); /* NULL is allowed */

/* intake__know() - an event of this key was written by another run. Before the first put. */
int intake__know(struct intake *intake, uint64_t key);

/* intake__put() - in one batch, or counted as dropped or repeated. Not from several threads. */
void intake__put(struct intake *intake, const struct record *rec);

/* intake__take() - the oldest batch that is full, or old, or (with @all) any; complete. NULL: there
 * is none. To be freed by intake_batch__free(); its events are pending still. From any thread. */
struct intake_batch *intake__take(struct intake *intake, bool all);
void intake_batch__free(struct intake_batch *batch);

/* intake__taken() - so many events of batches that were taken are another's to account for. */
void intake__taken(struct intake *intake, uint64_t num);

/* intake__account() - so far; from any thread. */
void intake__account(struct intake *intake, struct intake_account *account);

#endif
