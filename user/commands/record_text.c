// SPDX-License-Identifier: GPL-2.0
#include "commands/record_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "base/json.h"
#include "output/account_json.h"

#define PART_BYTES 64
#define MIN_PARTS 2 /* of the line: shown however narrow it is, but cut */

/* ---- small things ---- */

static const char *size_text(char text[FMT_SHORT_MAX + 1], uint64_t bytes)
{
	text[fmt__size(text, bytes)] = '\0';
	return text;
}

/* "3h07m", or "-" if there is nothing. */
static const char *span_text(char text[FMT_SHORT_MAX + 1], uint64_t since_ns, uint64_t until_ns)
{
	if (!since_ns || until_ns < since_ns)
		return "-";
	text[fmt__lifetime(text, until_ns - since_ns)] = '\0';
	return text;
}

static void add(struct outbuf *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct outbuf *to, const char *format, ...)
{
	char text[512];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len > 0)
		outbuf__bytes(to, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* ---- the line ---- */

static int fill_parts(char parts[][PART_BYTES], const struct recorder_status *status, uint64_t rate,
		      uint64_t lost, uint64_t size_bytes, uint64_t now_ns)
{
	const struct writer_status *writer = &status->writer;
	char one[FMT_SHORT_MAX + 1], other[FMT_SHORT_MAX + 1];
	int num = 0;

	snprintf(parts[num++], PART_BYTES, "%" PRIu64 "/s", rate);
	snprintf(parts[num++], PART_BYTES, "%s of %s", size_text(one, writer->file_bytes),
		 size_text(other, size_bytes));
	if (status->gap || writer->error)
		snprintf(parts[num++], PART_BYTES, "gap %" PRIu64, status->gap);
	if (lost)
		snprintf(parts[num++], PART_BYTES, "lost %" PRIu64, lost);
	snprintf(parts[num++], PART_BYTES, "raw %s",
		 span_text(one, writer->reach.raw_since_ns, now_ns));
	snprintf(parts[num++], PART_BYTES, "minutes %s",
		 span_text(one, writer->reach.minutes_since_ns, now_ns));
	if (!lost)
		snprintf(parts[num++], PART_BYTES, "lost 0");
	if (!status->gap && !writer->error)
		snprintf(parts[num++], PART_BYTES, "gap 0");
	return num;
}

void record_text__line(struct outbuf *to, const struct recorder_status *status, uint64_t rate,
		       uint64_t lost, uint64_t size_bytes, uint64_t now_ns, unsigned int width)
{
	char parts[8][PART_BYTES];
	int num = fill_parts(parts, status, rate, lost, size_bytes, now_ns);
	size_t begin = to->len;

	for (int i = 0; i < num; i++) {
		size_t len = strlen(parts[i]), gap = i ? 2 : 0;

		if (width && to->len - begin + gap + len > width)
			break;
		outbuf__fill(to, ' ', gap);
		outbuf__bytes(to, parts[i], len);
	}
}

/* ---- --status ---- */

static void add_when(struct outbuf *to, uint64_t ns, const struct when_zone *zone)
{
	char when[WHEN_BYTES];

	add(to, "%s", when__format(when, ns, zone));
}

static void add_span(struct outbuf *to, const char *what, const struct history_span *span,
		     const struct when_zone *zone)
{
	char length[FMT_SHORT_MAX + 1];

	add(to, "%-9s ", what);
	if (!span->since_ns) {
		outbuf__lit(to, "nothing");
		return;
	}
	add_when(to, span->since_ns, zone);
	outbuf__lit(to, " to ");
	add_when(to, span->until_ns, zone);
	add(to, " (%s)", span_text(length, span->since_ns, span->until_ns));
}

static void add_writer(struct outbuf *to, const struct history_status *status, uint64_t now_ns,
		       const struct when_zone *zone)
{
	const struct held_run *run = &status->last_run;
	char ago[FMT_SHORT_MAX + 1], text[128];

	outbuf__lit(to, "recorder  ");
	if (status->is_recording)
		outbuf__lit(to, "running");
	else
		outbuf__lit(to, "not running");
	if (status->last_commit_ns) {
		outbuf__lit(to, "; last written ");
		add_when(to, status->last_commit_ns, zone);
		add(to, " (%s ago)", span_text(ago, status->last_commit_ns, now_ns));
	}
	outbuf__char(to, '\n');
	if (!run->id)
		return;
	add(to, "last run  %s of ", run->all ? "every close" : "TIME_WAIT alone");
	add(to, "%s", escape__quote(text, sizeof(text), run->host ? run->host : "?"));
	outbuf__lit(to, ", since ");
	add_when(to, run->since_ns, zone);
	if (run->filter)
		add(to, ", filtered: %s", escape__quote(text, sizeof(text), run->filter));
	outbuf__char(to, '\n');
}

void record_text__status(struct outbuf *to, const char *path, const struct history_status *status,
			 uint64_t now_ns, const struct when_zone *zone)
{
	const struct feed_account *account = &status->account.told;
	char quoted[512], one[FMT_SHORT_MAX + 1], other[FMT_SHORT_MAX + 1];

	add(to, "file      %s\n", escape__quote(quoted, sizeof(quoted), path));
	add(to, "size      %s of %s\n", size_text(one, status->file_bytes),
	    size_text(other, status->size_bytes));
	add_writer(to, status, now_ns, zone);
	add_span(to, "raw", &status->raw, zone);
	add(to, "\n          %" PRIu64 " events", status->raw_rows);
	if (status->raw_rows)
		add(to, " of %.1f bytes", (double)status->raw_bytes / (double)status->raw_rows);
	outbuf__char(to, '\n');
	add_span(to, "minutes", &status->minutes, zone);
	add(to, "\n          %" PRIu64 " rows\n", status->minute_rows);
	add(to, "gaps      %" PRIu64 ", events known to be missing: %" PRIu64 "\n", status->gaps,
	    status->gap_events);
	add(to, "account   delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
	    " recursion=%" PRIu64 " snapshot=%" PRIu64 "\n          unattributed=%" PRIu64
	    " no_end=%" PRIu64 "\n", account->delivered, account->lost, account->map_full,
	    account->recursion, account->snapshot, account->unattributed, account->no_end);
}

/* ---- JSON ---- */

/* RFC 3339, as elsewhere. */
static void json_time(struct outbuf *to, const char *key, uint64_t ns)
{
	char text[FMT_SECOND_LEN + 12];
	size_t len;

	if (!ns)
		return;
	len = fmt__second(text, ns / 1000000000);
	text[len++] = '.';
	len += fmt__padded(text + len, ns % 1000000000, 9);
	text[len++] = 'Z';
	text[len] = '\0';
	json__string(to, key, text);
}

static void json_span(struct outbuf *to, const char *key, const struct history_span *span)
{
	json__open(to, key, '{');
	json_time(to, "since", span->since_ns);
	json_time(to, "until", span->until_ns);
}

static void json_run(struct outbuf *to, const struct held_run *run)
{
	json__open(to, "run", '{');
	json_time(to, "since", run->since_ns);
	json_time(to, "until", run->until_ns);
	json__string(to, "host", run->host);
	json__string(to, "kernel", run->kernel);
	json__string(to, "version", run->version);
	json__string(to, "zone", run->zone);
	json__bool(to, "all", run->all);
	json__string(to, "filter", run->filter);
	json__close(to, '}');
}

static void json_account(struct outbuf *to, const struct feed_account *account)
{
	json__open(to, "account", '{');
	account_json__members(to, account);
	json__u64(to, "no_end", account->no_end);
	json__close(to, '}');
}

void record_text__json(struct outbuf *to, const char *path, const struct history_status *status)
{
	json__open(to, NULL, '{');
	json__string(to, "file", path);
	json__u64(to, "file_bytes", status->file_bytes);
	json__u64(to, "size_bytes", status->size_bytes);
	json__bool(to, "recording", status->is_recording);
	json_time(to, "last_written", status->last_commit_ns);
	json_span(to, "raw", &status->raw);
	json__u64(to, "events", status->raw_rows);
	json__u64(to, "bytes", status->raw_bytes);
	json__close(to, '}');
	json_span(to, "minutes", &status->minutes);
	json__u64(to, "rows", status->minute_rows);
	json__close(to, '}');
	json__open(to, "gaps", '{');
	json__u64(to, "count", status->gaps);
	json__u64(to, "events", status->gap_events);
	json__close(to, '}');
	if (status->last_run.id)
		json_run(to, &status->last_run);
	json_account(to, &status->account.told);
	json__close(to, '}');
	outbuf__char(to, '\n');
}
