// SPDX-License-Identifier: GPL-2.0
#include "recording/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "base/thread.h"

#define NS_PER_S 1000000000ULL
#define RETRY_MS 1000
#define LOOK_MS 1000 /* how often it is looked whether the file is still there */
#define REACH_NS (5 * NS_PER_S)
#define HANG_MS 2000 /* the disk answers nothing */
#define LARGE_BYTES (1U << 20)
#define REFUSED_NS (60 * NS_PER_S)
#define PATH_BYTES 4096

struct writer {
	struct writer_options opts;
	struct recording *rec; /* NULL: could not be opened again yet */
	pthread_t thread;
	bool has_thread, has_begun_epoch; /* the second: for the bundle in front */
	uint64_t next_look_ns, next_reach_ns; /* CLOCK_MONOTONIC */
	uint64_t failing_ns; /* since when a large bundle in front finds no room; 0: it does not */
	pthread_mutex_t lock; /* of the rest */
	struct writer_status status;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC, once it is to end; 0: it is not */
};

/* ---- what others see ---- */

void writer__status(struct writer *w, struct writer_status *status)
{
	pthread_mutex_lock(&w->lock);
	*status = w->status;
	pthread_mutex_unlock(&w->lock);
}

void writer__trouble(struct writer *w, struct collector_trouble *trouble)
{
	struct writer_status status;

	writer__status(w, &status);
	*trouble = (struct collector_trouble){
		.reason = !status.error		  ? HELD_GAP_SLOW :
			  status.error == -EFBIG ? HELD_GAP_SIZE :
						   HELD_GAP_DISK,
		.detail = status.error ? strerrordesc_np(-status.error) : NULL,
	};
}

static void set_error(struct writer *w, int err, const struct store_failure *why)
{
	pthread_mutex_lock(&w->lock);
	w->status.error = err;
	w->status.why = why ? *why : (struct store_failure){ "" };
	pthread_mutex_unlock(&w->lock);
}

static uint64_t deadline_ns(struct writer *w)
{
	uint64_t ns;

	pthread_mutex_lock(&w->lock);
	ns = w->deadline_ns;
	pthread_mutex_unlock(&w->lock);
	return ns;
}

static uint64_t bytes_of(const char *path, const char *suffix)
{
	char name[PATH_BYTES];
	struct stat st;

	if (snprintf(name, sizeof(name), "%s%s", path, suffix) >= (int)sizeof(name) ||
	    stat(name, &st))
		return 0;
	return (uint64_t)st.st_size;
}

static void look_at_file(struct writer *w, uint64_t now_ns)
{
	uint64_t bytes = bytes_of(w->opts.path, "") + bytes_of(w->opts.path, "-wal") +
			 bytes_of(w->opts.path, "-shm");

	pthread_mutex_lock(&w->lock);
	w->status.file_bytes = bytes;
	pthread_mutex_unlock(&w->lock);
	if (w->rec && w->opts.wants_reach && now_ns >= w->next_reach_ns) {
		struct recording_reach reach;

		w->next_reach_ns = now_ns + REACH_NS;
		recording__reach(w->rec, &reach);
		pthread_mutex_lock(&w->lock);
		w->status.reach = reach;
		pthread_mutex_unlock(&w->lock);
	}
}

/* ---- the file ---- */

/* What is in the queue names ids of the file that is gone: see work(). */
static void begin_file(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	recording__next(w->rec, &w->status.next);
	w->status.restarts++;
	w->status.epoch_is_over = false;
	pthread_mutex_unlock(&w->lock);
	w->has_begun_epoch = false;
}

static int open_again(struct writer *w)
{
	struct held_run run = w->opts.run;
	struct store_failure failure = { "" };
	int err;

	if (w->opts.prepare)
		w->opts.prepare(w->opts.path);
	run.since_ns = run.until_ns = clock__now_ns(CLOCK_REALTIME);
	err = recording__open(&w->rec, w->opts.path, &w->opts.recording, &run, &failure);
	if (err) {
		w->rec = NULL;
		set_error(w, err, &failure);
		return err;
	}
	begin_file(w);
	set_error(w, 0, NULL);
	return 0;
}

static void move_beside(const char *path, const char *suffix, const char *to)
{
	char from[PATH_BYTES], there[PATH_BYTES];

	if (snprintf(from, sizeof(from), "%s%s", path, suffix) < (int)sizeof(from) &&
	    snprintf(there, sizeof(there), "%s%s", to, suffix) < (int)sizeof(there))
		rename(from, there);
}

/* What can be read of it may be wanted; it takes the place of an earlier one. */
static void set_damaged_aside(struct writer *w)
{
	char to[PATH_BYTES];

	recording__close(w->rec);
	w->rec = NULL;
	if (snprintf(to, sizeof(to), "%s.damaged", w->opts.path) >= (int)sizeof(to))
		return;
	move_beside(w->opts.path, "-wal", to);
	move_beside(w->opts.path, "-shm", to);
	move_beside(w->opts.path, "", to);
	pthread_mutex_lock(&w->lock);
	w->status.was_damaged = true;
	pthread_mutex_unlock(&w->lock);
	w->next_look_ns = 0;
}

/* Returns whether there is a file to write to. */
static bool see_to_file(struct writer *w)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (now_ns >= w->next_look_ns) {
		w->next_look_ns = now_ns + LOOK_MS * (NS_PER_S / 1000);
		if (w->rec && recording__is_gone(w->rec)) {
			recording__close(w->rec);
			w->rec = NULL;
			pthread_mutex_lock(&w->lock);
			w->status.was_damaged = false;
			pthread_mutex_unlock(&w->lock);
		}
		if (!w->rec)
			open_again(w);
		look_at_file(w, now_ns);
	}
	return w->rec;
}

/* ---- writing ---- */

static void note_written(struct writer *w, const struct bundle *bundle)
{
	bool is_over = bundle__ends_epoch(bundle) && recording__epoch_is_over(w->rec);

	pthread_mutex_lock(&w->lock);
	w->status.error = 0;
	w->status.why.text[0] = '\0';
	w->status.written_rows += bundle__rows(bundle);
	w->status.epoch_is_over |= is_over;
	pthread_mutex_unlock(&w->lock);
}

static void pass_over(struct writer *w, const struct bundle *bundle)
{
	pthread_mutex_lock(&w->lock);
	w->status.lost_rows += bundle__rows(bundle);
	pthread_mutex_unlock(&w->lock);
	w->failing_ns = 0;
	w->has_begun_epoch = false;
	queue__pop(w->opts.queue);
}

/* Not the disk's fault but the bundle's: to try again would be of no use. A large one that finds no
 * room in the file for long may be too large for it. */
static bool is_refused(struct writer *w, const struct bundle *bundle, int err)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (err == -EEXIST || err == -EINVAL || err == -ERANGE)
		return true;
	if (err != -EFBIG || bundle__bytes(bundle) < LARGE_BYTES)
		return false;
	if (!w->failing_ns)
		w->failing_ns = now_ns;
	return now_ns - w->failing_ns > REFUSED_NS;
}

static int write_bundle(struct writer *w, const struct bundle *bundle)
{
	int err;

	if (bundle__begins_epoch(bundle) && !w->has_begun_epoch) {
		recording__begin_epoch(w->rec);
		w->has_begun_epoch = true;
		pthread_mutex_lock(&w->lock);
		w->status.epoch_is_over = false;
		pthread_mutex_unlock(&w->lock);
	}
	err = bundle__write(bundle, w->rec, clock__now_ns(CLOCK_REALTIME));
	if (err == -EBADMSG)
		set_damaged_aside(w);
	if (err && is_refused(w, bundle, err)) {
		pass_over(w, bundle);
		return 0;
	}
	if (err) {
		set_error(w, err, NULL);
		return err;
	}
	note_written(w, bundle);
	w->failing_ns = 0;
	w->has_begun_epoch = false;
	queue__pop(w->opts.queue);
	return 0;
}

static bool is_over(struct writer *w)
{
	uint64_t end_ns = deadline_ns(w);

	return end_ns && clock__now_ns(CLOCK_MONOTONIC) >= end_ns;
}

static void *work(void *arg)
{
	struct writer *w = arg;
	struct bundle *bundle;

	privileges__of_thread(PRIVILEGES_TO_FILES);
	for (;;) {
		bool has_file = see_to_file(w);

		bundle = queue__front(w->opts.queue, LOOK_MS);
		if (!bundle && queue__is_closed(w->opts.queue))
			break;
		if (is_over(w))
			break;
		if (bundle && !bundle__is_for(bundle, w->status.restarts))
			pass_over(w, bundle);
		else if (bundle && (!has_file || write_bundle(w, bundle)))
			queue__wait(w->opts.queue, RETRY_MS);
		else if (!bundle && !has_file)
			queue__wait(w->opts.queue, RETRY_MS);
	}
	/* Here, where nobody waits for longer than he will: the disk is asked for all that it has. */
	recording__close(w->rec);
	w->rec = NULL;
	return NULL;
}

/* ---- its life ---- */

int writer__new(struct writer **writerp, const struct writer_options *opts,
		struct store_failure *failure)
{
	struct writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->opts = *opts;
	pthread_mutex_init(&w->lock, NULL);
	err = recording__open(&w->rec, opts->path, &opts->recording, &opts->run, failure);
	if (err) {
		w->rec = NULL;
		writer__free(w);
		return err;
	}
	recording__next(w->rec, &w->status.next);
	*writerp = w;
	return 0;
}

int writer__start(struct writer *w)
{
	int err = -pthread_create(&w->thread, NULL, work, w);

	w->has_thread = !err;
	return err;
}

void writer__end(struct writer *w, int patience_ms)
{
	pthread_mutex_lock(&w->lock);
	w->deadline_ns = clock__now_ns(CLOCK_MONOTONIC) +
			 (uint64_t)patience_ms * (NS_PER_S / 1000);
	pthread_mutex_unlock(&w->lock);
	queue__close(w->opts.queue);
}

bool writer__await(struct writer *w, int timeout_ms)
{
	if (w->has_thread && thread__join(w->thread, timeout_ms))
		w->has_thread = false;
	return !w->has_thread;
}

bool writer__free(struct writer *w)
{
	if (!w)
		return true;
	if (w->has_thread)
		writer__end(w, 0);
	if (!writer__await(w, HANG_MS))
		return false;
	recording__close(w->rec);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return true;
}
