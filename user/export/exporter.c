// SPDX-License-Identifier: GPL-2.0
#include "export/exporter.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/privileges.h"
#include "export/delivery.h"
#include "export/intake.h"
#include "export/spool.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define TURN_MS 250
#define FIRST_SLACK_NS NS_PER_S /* a snapshot reckons when what it finds has happened */
#define HELD_MAX 8		/* batches in memory that the disk does not take */
#define DISK_RETRY_NS NS_PER_S
#define TELL_AGAIN_NS (60 * NS_PER_S)

/* A batch that is packed, and that the spool has not taken. */
struct held {
	struct held *next;
	struct batch_info info;
	struct outbuf file;
};

/* What goes well or does not, and what the user knows of it. */
struct trouble {
	bool is_told;
	uint64_t told_ns;
};

struct exporter {
	struct exporter_options opts;
	char dir[4096];
	struct spool *spool;
	struct intake *intake;
	struct delivery *delivery;
	uint64_t since_ns;
	struct held *held;
	unsigned int num_held;
	uint64_t disk_retry_ns;
	/* The batch that is being sent: of the spool, or the first one that is held. */
	struct batch_info current;
	struct outbuf file;
	bool from_held;
	struct trouble disk_trouble, store_trouble;
	pthread_t thread;
	bool has_thread;
	atomic_bool finishes, has_ended;
	_Atomic uint64_t deadline_ns; /* once finishes is set */
	struct exporter_account tally; /* but what the spool counts */
	uint64_t taken;		       /* events of the intake's, and not published yet */
	pthread_mutex_t lock;	       /* of the rest */
	struct exporter_account account;
	char line[EXPORTER_LINE_BYTES];
	bool has_line;
};

static const char *const names[] = {
	[EXPORTER_OTLP] = "otlp",
	[EXPORTER_CLICKHOUSE] = "clickhouse",
};

const char *exporter__name(const struct exporter *e)
{
	return names[e->opts.kind];
}

uint64_t exporter__since_ns(const struct exporter *e)
{
	return spool__since_ns(e->spool);
}

uint64_t exporter__end_ns(const struct exporter *e)
{
	return spool__end_ns(e->spool);
}

/* ---- what the user is told ---- */

static void say(struct exporter *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The newest line takes the place of one that nobody has taken. */
static void say(struct exporter *e, const char *format, ...)
{
	va_list ap;
	int num;

	pthread_mutex_lock(&e->lock);
	num = snprintf(e->line, sizeof(e->line), "%s: ", names[e->opts.kind]);
	va_start(ap, format);
	vsnprintf(e->line + num, sizeof(e->line) - (size_t)num, format, ap);
	va_end(ap);
	e->has_line = true;
	pthread_mutex_unlock(&e->lock);
}

bool exporter__say(struct exporter *e, char line[EXPORTER_LINE_BYTES])
{
	bool has_line;

	pthread_mutex_lock(&e->lock);
	has_line = e->has_line;
	if (has_line)
		memcpy(line, e->line, sizeof(e->line));
	e->has_line = false;
	pthread_mutex_unlock(&e->lock);
	return has_line;
}

/* Whether to say that it is so now: once for each time that it begins, and not for each time if that is
 * often. */
static bool is_news(struct trouble *trouble, bool has_failed)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (has_failed == trouble->is_told)
		return false;
	if (has_failed && trouble->told_ns && now_ns < trouble->told_ns + TELL_AGAIN_NS)
		return false;
	if (has_failed)
		trouble->told_ns = now_ns;
	trouble->is_told = has_failed;
	return true;
}

static void say_disk(struct exporter *e, int err)
{
	char shown[256];

	if (!is_news(&e->disk_trouble, err))
		return;
	escape__quote(shown, sizeof(shown), e->dir);
	if (err)
		say(e, "the spool '%s' cannot be written: %s: events wait in memory, which does not hold "
		       "many", shown, strerror(-err));
	else
		say(e, "the spool '%s' can be written again", shown);
}

static void say_damaged(struct exporter *e)
{
	struct spool_account account;
	char shown[256];

	spool__account(e->spool, &account);
	if (account.damaged)
		say(e, "the spool '%s' had damaged files, which were removed with all events in them: %"
		       PRIu64, escape__quote(shown, sizeof(shown), e->dir), account.damaged);
}

/* ---- to the spool ---- */

static void free_held(struct held *held)
{
	if (!held)
		return;
	outbuf__free(&held->file);
	free(held);
}

static void remove_first_held(struct exporter *e)
{
	struct held *held = e->held;

	e->held = held->next;
	e->num_held--;
	free_held(held);
}

/* What is being sent keeps its place. */
static void hold(struct exporter *e, struct held *held)
{
	struct held **at = &e->held;

	if (e->num_held == HELD_MAX) {
		if (e->from_held)
			at = &e->held->next;
		e->tally.dropped += (*at)->info.num_events;
		held->next = (*at)->next;
		free_held(*at);
		*at = held->next;
		held->next = NULL;
		e->num_held--;
	}
	while (*at)
		at = &(*at)->next;
	*at = held;
	e->num_held++;
}

static struct held *pack(struct intake_batch *batch)
{
	struct held *held = calloc(1, sizeof(*held));

	if (!held)
		return NULL;
	held->info = batch->info;
	if (batch->raw.failed || outbuf__init(&held->file, 4096) ||
	    getrandom(held->info.id, sizeof(held->info.id), 0) != sizeof(held->info.id) ||
	    batch__encode(&held->file, &held->info, batch->keys, batch->raw.data,
			  batch->raw.len) ||
	    batch__decode_header(held->file.data, held->file.len, &held->info)) {
		free_held(held);
		return NULL;
	}
	return held;
}

static int spool_held(struct exporter *e)
{
	int err = 0;

	while (!err && e->held && !e->from_held) {
		err = spool__add(e->spool, &e->held->file, &e->held->info);
		if (!err)
			remove_first_held(e);
	}
	say_disk(e, err);
	e->disk_retry_ns = err ? clock__now_ns(CLOCK_MONOTONIC) + DISK_RETRY_NS : 0;
	return err;
}

/* All that is there to be taken. */
static void take_batches(struct exporter *e, bool all)
{
	struct intake_batch *batch;
	struct held *held;

	while ((batch = intake__take(e->intake, all))) {
		e->taken += batch->info.num_events;
		held = pack(batch);
		if (held)
			hold(e, held);
		else
			e->tally.dropped += batch->info.num_events;
		intake_batch__free(batch);
		if (e->held && clock__now_ns(CLOCK_MONOTONIC) >= e->disk_retry_ns)
			spool_held(e);
	}
	if (e->held && clock__now_ns(CLOCK_MONOTONIC) >= e->disk_retry_ns)
		spool_held(e);
}

/* ---- to the store ---- */

static int load_held(struct exporter *e)
{
	if (!e->held)
		return 0;
	outbuf__bytes(&e->file, e->held->file.data, e->held->file.len);
	if (e->file.failed) {
		e->file.failed = false;
		return -ENOMEM;
	}
	e->current = e->held->info;
	e->from_held = true;
	return 1;
}

static void begin_delivery(struct exporter *e)
{
	int rc;

	if (delivery__is_busy(e->delivery) || !delivery__is_due(e->delivery))
		return;
	e->file.len = 0;
	rc = spool__read(e->spool, &e->file, &e->current) ?: load_held(e);
	if (rc > 0)
		rc = delivery__begin(e->delivery, &e->file, &e->current);
	if (rc < 0 && rc != -EBADMSG)
		delivery__postpone(e->delivery);
	if (rc == -EBADMSG) /* whole, and yet not one of ours: it would never do */
		spool__drop(e->spool);
}

static void end_current(struct exporter *e, bool is_taken)
{
	if (e->from_held)
		remove_first_held(e);
	else if (is_taken)
		spool__sent(e->spool);
	else
		spool__drop(e->spool);
}

static void count(struct exporter *e, const struct answer_meaning *meaning)
{
	uint64_t num = e->current.num_events;
	uint64_t rejected = meaning->rejected < num ? meaning->rejected : num;

	if (meaning->kind == ANSWER_TAKEN) {
		e->tally.sent += num - rejected;
		e->tally.dropped += rejected;
		return;
	}
	e->tally.failed++;
	/* the spool counts what is dropped of its own */
	if (meaning->kind == ANSWER_REFUSED && e->from_held)
		e->tally.dropped += num;
}

static void say_answer(struct exporter *e, const struct answer_meaning *meaning)
{
	bool has_failed = meaning->kind != ANSWER_TAKEN || meaning->rejected;
	const char *shown = delivery__shown(e->delivery);

	if (!is_news(&e->store_trouble, has_failed))
		return;
	if (!has_failed)
		say(e, "sends again to %s", shown);
	else if (meaning->kind == ANSWER_RETRY)
		say(e, "cannot send to %s: %s: events wait in the spool", shown, meaning->why);
	else
		say(e, "events were refused for good by %s: %s: they are dropped, and counted", shown,
		    meaning->why);
}

static void end_delivery(struct exporter *e, const struct answer_meaning *meaning)
{
	count(e, meaning);
	say_answer(e, meaning);
	if (meaning->kind != ANSWER_RETRY)
		end_current(e, meaning->kind == ANSWER_TAKEN);
	else if (!e->from_held)
		spool__release(e->spool);
	e->from_held = false;
}

/* ---- the thread ---- */

/* All at once, so that each event is in one of the sums whenever somebody looks. */
static void publish(struct exporter *e)
{
	struct exporter_account account = e->tally;
	struct spool_account spool;

	spool__account(e->spool, &spool);
	account.queued = spool.queued;
	account.queued_bytes = spool.queued_bytes;
	account.damaged = spool.damaged;
	account.dropped += spool.dropped;
	for (const struct held *held = e->held; held; held = held->next)
		account.queued += held->info.num_events;
	pthread_mutex_lock(&e->lock);
	e->account = account;
	intake__taken(e->intake, e->taken);
	pthread_mutex_unlock(&e->lock);
	e->taken = 0;
}

static bool is_over(struct exporter *e)
{
	struct intake_account gathered;

	if (!atomic_load(&e->finishes))
		return false;
	intake__account(e->intake, &gathered);
	return clock__now_ns(CLOCK_MONOTONIC) >= atomic_load(&e->deadline_ns) ||
	       (!gathered.pending && spool__is_empty(e->spool) && !e->held);
}

static int wait_ms(const struct exporter *e)
{
	uint64_t pause_ms = delivery__pause_ms(e->delivery), now_ns = clock__now_ns(CLOCK_MONOTONIC);
	uint64_t deadline_ns = atomic_load(&e->deadline_ns);

	if (spool__is_empty(e->spool) && !e->held)
		pause_ms = TURN_MS;
	if (atomic_load(&e->finishes) && deadline_ns < now_ns + pause_ms * NS_PER_MS)
		pause_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / NS_PER_MS + 1 : 0;
	return pause_ms < TURN_MS ? (int)pause_ms : TURN_MS;
}

static void *run(void *ctx)
{
	struct exporter *e = ctx;
	struct answer_meaning meaning;
	bool has_hurried = false;

	privileges__of_thread(PRIVILEGES_TO_FILES); /* what it reads comes from the network */
	do {
		bool finishes = atomic_load(&e->finishes);

		if (finishes && !has_hurried)
			delivery__hurry(e->delivery);
		has_hurried = finishes;
		take_batches(e, finishes);
		publish(e);
		if (is_over(e))
			break;
		begin_delivery(e);
		if (delivery__poll(e->delivery, wait_ms(e), &meaning))
			end_delivery(e, &meaning);
	} while (true);
	delivery__cancel(e->delivery);
	e->from_held = false;
	take_batches(e, true);
	while (e->held) {
		e->tally.dropped += e->held->info.num_events;
		remove_first_held(e);
	}
	publish(e);
	atomic_store(&e->has_ended, true);
	return NULL;
}

static void wake(void *ctx)
{
	struct exporter *e = ctx;

	delivery__wake(e->delivery);
}

int exporter__start(struct exporter *e)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&e->thread, NULL, run, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	e->has_thread = !err;
	return err;
}

void exporter__end(struct exporter *e, uint64_t deadline_ns)
{
	atomic_store(&e->deadline_ns, deadline_ns);
	atomic_store(&e->finishes, true);
	if (e->has_thread)
		delivery__wake(e->delivery);
}

bool exporter__has_ended(const struct exporter *e)
{
	return !e->has_thread || atomic_load(&e->has_ended);
}

void exporter__finish(struct exporter *e, uint64_t deadline_ns)
{
	if (!e->has_thread)
		return;
	exporter__end(e, deadline_ns);
	pthread_join(e->thread, NULL);
	e->has_thread = false;
}

/* ---- from outside ---- */

void exporter__put(struct exporter *e, const struct record *rec)
{
	intake__put(e->intake, rec);
}

void exporter__account(struct exporter *e, struct exporter_account *account)
{
	struct intake_account gathered;

	pthread_mutex_lock(&e->lock);
	*account = e->account;
	intake__account(e->intake, &gathered);
	pthread_mutex_unlock(&e->lock);
	account->queued += gathered.pending;
	account->dropped += gathered.dropped;
	account->repeated = gathered.repeated;
}

/* ---- from begin to end ---- */

static int note_key(void *ctx, uint64_t key)
{
	struct exporter *e = ctx;

	return intake__know(e->intake, key);
}

static int open_spool(struct exporter *e, struct exporter_failure *failure)
{
	struct spool_options opts = { .dir = e->dir, .max_bytes = e->opts.spool_bytes };
	char shown[256];
	const char *what;
	int err;

	if (snprintf(e->dir, sizeof(e->dir), "%s/%s", e->opts.spool_dir, names[e->opts.kind]) >=
	    (int)sizeof(e->dir))
		return -ENAMETOOLONG;
	memcpy(opts.boot, e->opts.host.boot, sizeof(opts.boot));
	err = spool__open(&e->spool, &opts, &what);
	if (!err) {
		say_damaged(e);
		return 0;
	}
	escape__quote(shown, sizeof(shown), e->dir);
	if (err == -EBUSY)
		snprintf(failure->text, sizeof(failure->text),
			 "another process uses the spool '%s': choose another folder by --spool",
			 shown);
	else
		snprintf(failure->text, sizeof(failure->text), "the spool '%s': %s: %s", shown, what,
			 strerror(-err));
	return err;
}

static int open_intake(struct exporter *e)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);
	struct intake_options opts = {
		.encoder = delivery__encoder(e->delivery),
		.host = e->opts.host,
		.seed = spool__seed(e->spool),
		.since_ns = spool__since_ns(e->spool) ?: clock__before_ns(now_ns, FIRST_SLACK_NS),
		.until_ns = now_ns,
		.ready = wake,
		.ctx = e,
	};
	int err = intake__new(&e->intake, &opts);

	err = err ?: spool__keys(e->spool, note_key, e);
	if (!err)
		spool__mark(e->spool, opts.since_ns, now_ns); /* on a full disk a later run has less to go on from */
	return err;
}

static int open_all(struct exporter *e, struct exporter_failure *failure)
{
	const struct delivery_options delivery = {
		.is_clickhouse = e->opts.kind == EXPORTER_CLICKHOUSE,
		.url = e->opts.url,
		.headers = e->opts.headers,
		.user = e->opts.user,
		.password = e->opts.password,
	};
	const char *why = NULL;
	int err = delivery__new(&e->delivery, &delivery, &why);

	if (err && why) {
		snprintf(failure->text, sizeof(failure->text), "--%s: %s", names[e->opts.kind], why);
		return err;
	}
	return err ?: open_spool(e, failure) ?: open_intake(e);
}

int exporter__new(struct exporter **exporterp, const struct exporter_options *opts,
		  struct exporter_failure *failure)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int err;

	failure->text[0] = '\0';
	if (!e) {
		snprintf(failure->text, sizeof(failure->text), "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	e->opts = *opts;
	pthread_mutex_init(&e->lock, NULL);
	err = open_all(e, failure);
	if (!err) {
		*exporterp = e;
		return 0;
	}
	if (!failure->text[0])
		snprintf(failure->text, sizeof(failure->text), "--%s: %s", names[opts->kind],
			 strerror(-err));
	exporter__free(e);
	return err;
}

void exporter__free(struct exporter *e)
{
	if (!e)
		return;
	exporter__finish(e, 0);
	while (e->held)
		remove_first_held(e);
	delivery__free(e->delivery);
	intake__free(e->intake);
	spool__close(e->spool);
	outbuf__free(&e->file);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
