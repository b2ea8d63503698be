// SPDX-License-Identifier: GPL-2.0
#include "serving/page.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/privileges.h"
#include "base/thread.h"
#include "report/input_history.h"
#include "report/report_html.h"
#include "report/story.h"
#include "store/history.h"

#define HOUR_NS 3600000000000ULL
#define TRIES 3
#define TEXT_BYTES 65536

#define STATUS_OK 200
#define STATUS_UNAVAILABLE 503

struct page {
	struct page_options opts;
	pthread_t thread;
	bool has_thread, wanted, stops;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* ---- the report ---- */

/* A recorder may sum up a minute meanwhile: then once more. */
static int tell(struct story **storyp, struct history *history, const struct history_span *span)
{
	for (unsigned int try = 1;; try++) {
		struct input_history *input;
		bool moved;
		int err = input_history__new(&input, history);

		if (err)
			return err;
		err = story__tell(storyp, input_history__input(input), span);
		moved = input_history__has_moved(input);
		input_history__free(input);
		if (err || !moved || try == TRIES)
			return err;
		story__free(*storyp);
	}
}

/* The last hour, or as much of it as there is. -ENODATA: nothing yet. */
static int last_hour(struct history *history, struct history_span *span)
{
	struct history_status status = { 0 };
	int err = history__status(history, &status);

	if (err)
		return err;
	if (status.all.since_ns >= status.all.until_ns)
		return -ENODATA;
	*span = status.all;
	if (span->until_ns - span->since_ns > HOUR_NS)
		span->since_ns = span->until_ns - HOUR_NS;
	return 0;
}

static int write_report(const struct page *page, struct outbuf *to)
{
	struct store_failure failure = { "" };
	struct story *story = NULL;
	struct history_span span;
	struct history *history;
	int err = history__open(&history, page->opts.recording, &failure);

	if (err)
		return err;
	err = last_hour(history, &span) ?: tell(&story, history, &span);
	if (!err)
		report_html__write(to, story, page->opts.zone);
	story__free(story);
	history__close(history);
	return err;
}

/* ---- the plain page ---- */

static void row(struct outbuf *to, const char *name, uint64_t value)
{
	outbuf__lit(to, "<tr><th scope=\"row\">");
	outbuf__text(to, name);
	outbuf__lit(to, "</th><td>");
	outbuf__u64(to, value);
	outbuf__lit(to, "</td></tr>\n");
}

static void write_plain(const struct page *page, struct outbuf *to, const char *why)
{
	struct feed_account a;

	board__account(page->opts.board, &a);
	outbuf__lit(to, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width\">\n"
		    "<title>twsnoop</title></head>\n<body><h1>twsnoop</h1>\n<p>");
	outbuf__text(to, why);
	outbuf__lit(to, "</p>\n<p>What is counted: <a href=\"/metrics\">/metrics</a></p>\n"
		    "<table><caption>Account since the start</caption>\n");
	row(to, "delivered", a.delivered);
	row(to, "lost", a.lost);
	row(to, "map_full", a.map_full);
	row(to, "recursion", a.recursion);
	row(to, "snapshot", a.snapshot);
	row(to, "unattributed", a.unattributed);
	outbuf__lit(to, "</table></body></html>\n");
}

static const char not_recorded[] = "This twsnoop records nothing: with <code>--record FILE</code> "
	"the report of the last hour is here.";

static void make(const struct page *page)
{
	unsigned int status = STATUS_OK;
	struct outbuf text = { 0 };
	int err = outbuf__init(&text, TEXT_BYTES);

	if (!err && page->opts.recording)
		err = write_report(page, &text);
	if (text.failed)
		err = -ENOMEM;
	if (err == -ENODATA) {
		write_plain(page, &text, "Nothing is recorded yet.");
	} else if (err) {
		text.len = 0;
		text.failed = !text.data;
		status = STATUS_UNAVAILABLE;
		write_plain(page, &text, "The recording cannot be read now.");
	} else if (!page->opts.recording) {
		write_plain(page, &text, not_recorded);
	}
	page->opts.put(page->opts.ctx, status, &text);
	outbuf__free(&text);
}

/* ---- the thread ---- */

static void *work(void *arg)
{
	struct page *page = arg;

	privileges__of_thread(PRIVILEGES_TO_FILES);
	pthread_mutex_lock(&page->lock);
	while (!page->stops) {
		if (!page->wanted) {
			pthread_cond_wait(&page->wake, &page->lock);
			continue;
		}
		page->wanted = false; /* who wants it from now on may have come too late for this one */
		pthread_mutex_unlock(&page->lock);
		make(page);
		pthread_mutex_lock(&page->lock);
	}
	pthread_mutex_unlock(&page->lock);
	return NULL;
}

int page__start(struct page **pagep, const struct page_options *opts)
{
	struct page *page = calloc(1, sizeof(*page));
	int err;

	if (!page)
		return -ENOMEM;
	page->opts = *opts;
	pthread_mutex_init(&page->lock, NULL);
	pthread_cond_init(&page->wake, NULL);
	err = -pthread_create(&page->thread, NULL, work, page);
	if (err) {
		page__stop(page);
		return err;
	}
	page->has_thread = true;
	*pagep = page;
	return 0;
}

void page__want(struct page *page)
{
	pthread_mutex_lock(&page->lock);
	page->wanted = true;
	pthread_cond_signal(&page->wake);
	pthread_mutex_unlock(&page->lock);
}

bool page__stop(struct page *page)
{
	if (!page)
		return true;
	pthread_mutex_lock(&page->lock);
	page->stops = true;
	pthread_cond_signal(&page->wake);
	pthread_mutex_unlock(&page->lock);
	if (page->has_thread && !thread__join(page->thread, PAGE_PATIENCE_S * 1000))
		return false;
	pthread_cond_destroy(&page->wake);
	pthread_mutex_destroy(&page->lock);
	free(page);
	return true;
}
