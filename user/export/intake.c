// SPDX-License-Identifier: GPL-2.0
#include "export/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "export/identity.h"

#define NS_PER_S 1000000000ULL
#define RAW_FIRST_BYTES (64u << 10)

struct intake {
	struct intake_options opts;
	uint64_t *known;
	size_t num_known, room_known;
	bool is_sorted;
	pthread_mutex_t lock; /* of all below */
	struct intake_batch *open, *ready, **last;
	unsigned int num_ready;
	struct intake_account account;
};

/* ---- what another run has written ---- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int intake__know(struct intake *g, uint64_t key)
{
	if (g->num_known == g->room_known) {
		size_t room = g->room_known ? g->room_known * 2 : 1024;
		uint64_t *more = realloc(g->known, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		g->known = more;
		g->room_known = room;
	}
	g->known[g->num_known++] = key;
	g->is_sorted = false;
	return 0;
}

static bool is_known(struct intake *g, const struct tws_event *ev, uint64_t key)
{
	if (!g->num_known || ev->time_ns > g->opts.until_ns)
		return false;
	if (!g->is_sorted)
		qsort(g->known, g->num_known, sizeof(key), by_number);
	g->is_sorted = true;
	return bsearch(&key, g->known, g->num_known, sizeof(key), by_number);
}

/* ---- batches ---- */

void intake_batch__free(struct intake_batch *batch)
{
	if (!batch)
		return;
	outbuf__free(&batch->raw);
	free(batch->keys);
	free(batch);
}

static struct intake_batch *new_batch(const struct intake *g)
{
	struct intake_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->keys = malloc(BATCH_MAX_EVENTS * sizeof(*batch->keys));
	if (!batch->keys || outbuf__init(&batch->raw, RAW_FIRST_BYTES)) {
		intake_batch__free(batch);
		return NULL;
	}
	memcpy(batch->info.boot, g->opts.host.boot, sizeof(batch->info.boot));
	batch->info.seed = g->opts.seed;
	batch->info.begin_ns = clock__now_ns(CLOCK_MONOTONIC);
	g->opts.encoder->begin(&batch->raw, &g->opts.host);
	return batch;
}

static void close_batch(struct intake *g)
{
	struct intake_batch *batch = g->open;

	g->opts.encoder->end(&batch->raw);
	batch->info.end_ns = clock__now_ns(CLOCK_MONOTONIC);
	batch->info.made_s = clock__now_ns(CLOCK_REALTIME) / NS_PER_S;
	*g->last = batch;
	g->last = &batch->next;
	g->num_ready++;
	g->open = NULL;
}

static bool is_full(const struct intake_batch *batch)
{
	return batch->info.num_events == BATCH_MAX_EVENTS || batch->raw.len >= INTAKE_FULL_BYTES;
}

/* What was written of a record that did not find its memory is taken back. */
static bool add(struct intake *g, const struct record *rec, uint64_t key)
{
	struct intake_batch *batch = g->open;
	uint64_t second = rec->wall_ns / NS_PER_S;
	size_t len = batch->raw.len;

	g->opts.encoder->put(&batch->raw, &g->opts.host, rec, !batch->info.num_events,
			     clock__now_ns(CLOCK_REALTIME));
	if (batch->raw.failed) {
		batch->raw.failed = false;
		batch->raw.len = len;
		return false;
	}
	if (!batch->info.num_events || second < batch->info.first_s)
		batch->info.first_s = second;
	if (second > batch->info.last_s)
		batch->info.last_s = second;
	batch->keys[batch->info.num_events++] = key;
	return true;
}

/* Within the lock. */
static bool put(struct intake *g, const struct record *rec, uint64_t key)
{
	if (!g->open && g->num_ready >= INTAKE_READY_MAX)
		return false;
	if (!g->open)
		g->open = new_batch(g);
	if (!g->open || !add(g, rec, key))
		return false;
	g->account.pending++;
	return true;
}

void intake__put(struct intake *g, const struct record *rec)
{
	uint64_t key = identity__key(g->opts.seed, rec->event);
	bool is_repeated = is_known(g, rec->event, key), has_filled = false;

	if (rec->event->time_ns < g->opts.since_ns)
		return;
	pthread_mutex_lock(&g->lock);
	if (is_repeated)
		g->account.repeated++;
	else if (!put(g, rec, key))
		g->account.dropped++;
	if (g->open && is_full(g->open)) {
		close_batch(g);
		has_filled = true;
	}
	pthread_mutex_unlock(&g->lock);
	if (has_filled)
		g->opts.ready(g->opts.ctx);
}

struct intake_batch *intake__take(struct intake *g, bool all)
{
	struct intake_batch *batch;
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	pthread_mutex_lock(&g->lock);
	if (!g->ready && g->open && g->open->info.num_events &&
	    (all || now_ns >= g->open->info.begin_ns + INTAKE_OLD_NS))
		close_batch(g);
	batch = g->ready;
	if (batch) {
		g->ready = batch->next;
		batch->next = NULL;
		g->num_ready--;
	}
	if (!g->ready)
		g->last = &g->ready;
	pthread_mutex_unlock(&g->lock);
	return batch;
}

void intake__taken(struct intake *g, uint64_t num)
{
	pthread_mutex_lock(&g->lock);
	g->account.pending -= num;
	pthread_mutex_unlock(&g->lock);
}

void intake__account(struct intake *g, struct intake_account *account)
{
	pthread_mutex_lock(&g->lock);
	*account = g->account;
	pthread_mutex_unlock(&g->lock);
}

int intake__new(struct intake **intakep, const struct intake_options *opts)
{
	struct intake *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->opts = *opts;
	g->last = &g->ready;
	pthread_mutex_init(&g->lock, NULL);
	*intakep = g;
	return 0;
}

void intake__free(struct intake *g)
{
	if (!g)
		return;
	while (g->ready) {
		struct intake_batch *batch = g->ready;

		g->ready = batch->next;
		intake_batch__free(batch);
	}
	intake_batch__free(g->open);
	pthread_mutex_destroy(&g->lock);
	free(g->known);
	free(g);
}
