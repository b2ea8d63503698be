/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches on disk that a store has not taken yet, the oldest first, within a size: beyond it the
 * oldest gives way, and is counted. A folder with one file a batch, named by its number:
 *
 *	lock				held (flock) by the one process that uses the folder
 *	new				a batch that is being written
 *	00000000000000a7.batch		to be sent
 *	00000000000000a6.sent		the store has it; what is left are its header and its keys
 *
 * A file is written beside its name, synced and renamed, so that a process that is killed leaves
 * whole batches, and perhaps a "new", which the next one removes. Keys of what was sent are kept
 * for as long as a look back may give the same events again: see spool__since_ns().
 */
#ifndef TWSNOOP_SPOOL_H
#define TWSNOOP_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "export/batch.h"

#define SPOOL_KEEP_NS (150 * 1000000000ULL) /* longer than any event comes late */
#define SPOOL_KEEP_KEYS (1u << 18)	    /* more than a recorder's rings keep by default */
#define SPOOL_LEAST_BYTES (1u << 20)

struct spool;

struct spool_options {
	const char *dir;
	uint64_t max_bytes;		     /* of files, by blocks of 4 KiB */
	uint8_t boot[IDENTITY_BOOT_BYTES]; /* keys of another boot tell nothing */
};

struct spool_account {
	uint64_t queued, queued_bytes; /* events, and their files */
	uint64_t dropped;	       /* events that gave way, or whose file is damaged, or that a store refused */
	uint64_t damaged;	       /* files of which it is not known how many events they held */
};

/*
 * spool__open() - makes the folder, mode 0750, if only that is missing. Returns 0 and *@spoolp, to be
 * freed by spool__close(), or a negative errno and what could not be done in *@what (a constant):
 * -EBUSY if another process has it.
 */
int spool__open(struct spool **spoolp, const struct spool_options *opts, const char **what);
void spool__close(struct spool *spool); /* NULL is allowed */

/* spool__seed() - for the keys of what is added. */
uint64_t spool__seed(const struct spool *spool);

/*
 * spool__since_ns() - as it was opened: all events that were given since then (CLOCK_MONOTONIC, of
 * this boot) to those who wrote this spool have their keys here, but what was not written any
 * more; 0: there is nothing of this boot. spool__keys() - those keys: @fn for each.
 */
uint64_t spool__since_ns(const struct spool *spool);
int spool__keys(struct spool *spool, int (*fn)(void *ctx, uint64_t key), void *ctx);

/* spool__end_ns() - as it was opened: what was given until then is here, or was (CLOCK_MONOTONIC, of this boot);
 * 0: nobody knows. */
uint64_t spool__end_ns(const struct spool *spool);

/* spool__mark() - where there is nothing of this boot: a later run goes on from @since_ns, and it is @now_ns.
 * Returns 0 or a negative errno: then it does not. */
int spool__mark(struct spool *spool, uint64_t since_ns, uint64_t now_ns);

/* spool__add() - a file of batch__encode(), of @info. Makes room. Returns 0 (it may have been dropped,
 * if it is larger than all), or a negative errno: then nothing was added. */
int spool__add(struct spool *spool, const struct outbuf *file, const struct batch_info *info);

/*
 * spool__read() - the oldest that is to be sent, into the empty @file; files that are damaged are
 * dropped. It stays the oldest until spool__sent() or spool__drop(); spool__release(): it may give
 * way again. Returns 1; 0: there is none; a negative errno: it cannot be read now.
 */
int spool__read(struct spool *spool, struct outbuf *file, struct batch_info *info);
void spool__sent(struct spool *spool);
void spool__drop(struct spool *spool);
void spool__release(struct spool *spool);

bool spool__is_empty(const struct spool *spool); /* of what is to be sent */
void spool__account(const struct spool *spool, struct spool_account *account);

#endif
