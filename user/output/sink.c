// SPDX-License-Identifier: GPL-2.0
#include "output/sink.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fdwriter.h"
#include "output/sink_format.h"

/* Written when this much is there; a pipe holds as much by default. */
#define FLUSH_BYTES (64 * 1024)
/* Room for the record that goes over it; only a huge command line needs more. */
#define SPARE_BYTES (8 * 1024)

struct sink {
	const struct sink_writer *format;
	struct sink_state state;
	struct fdwriter writer;
	size_t pending;	 /* records in state.out */
	size_t headings; /* lines in state.out, before them, that are no records */
};

int sink__new(struct sink **sinkp, int fd, const struct sink_options *opts)
{
	static const struct sink_writer *const writers[] = {
		[SINK_TEXT] = &sink_text,
		[SINK_JSON] = &sink_json,
		[SINK_CSV] = &sink_csv,
	};
	struct sink *sink = calloc(1, sizeof(*sink));
	int err = 0;

	if (!sink)
		return -ENOMEM;
	if (outbuf__init(&sink->state.out, FLUSH_BYTES + SPARE_BYTES)) {
		free(sink);
		return -ENOMEM;
	}
	sink->format = writers[opts->format];
	sink->state.opts = *opts;
	fdwriter__init(&sink->writer, fd);
	if (sink->format->open)
		err = sink->format->open(&sink->state);
	if (err) {
		sink__free(sink);
		return err;
	}
	if (opts->format == SINK_TEXT && opts->utc_offset_s == LONG_MIN)
		tzset(); /* localtime_r() need not */
	*sinkp = sink;
	return 0;
}

void sink__free(struct sink *sink)
{
	if (!sink)
		return;
	fdwriter__fini(&sink->writer);
	if (sink->format->close)
		sink->format->close(&sink->state);
	outbuf__free(&sink->state.out);
	free(sink);
}

void sink__wake_by(struct sink *sink, int wake_fd)
{
	fdwriter__wake_by(&sink->writer, wake_fd);
}

void sink__hurry(struct sink *sink, int ms)
{
	fdwriter__hurry(&sink->writer, ms);
}

int sink__fd(const struct sink *sink)
{
	return sink->writer.fd;
}

/* Take back a half-written line. */
static int check_line(struct outbuf *out, size_t start)
{
	if (!out->failed)
		return 0;
	out->failed = false;
	out->len = start;
	return -ENOMEM;
}

int sink__begin(struct sink *sink)
{
	size_t start = sink->state.out.len;
	int rc;

	if (!sink->format->heading)
		return 0;
	sink->format->heading(&sink->state);
	rc = check_line(&sink->state.out, start);
	if (!rc)
		sink->headings++;
	return rc;
}

void sink__show_containers(struct sink *sink)
{
	sink->state.opts.containers = true;
}

int sink__set_width(struct sink *sink, unsigned int width)
{
	if (sink->state.opts.width == width)
		return 0;
	sink->state.opts.width = width;
	if (!sink->format->resize || !sink->format->resize(&sink->state))
		return 0;
	return sink__begin(sink);
}

/* Before another line is appended. */
static int make_room(struct sink *sink)
{
	return sink->state.out.len >= FLUSH_BYTES ? sink__flush(sink) : 0;
}

/* What began at @start has been appended. */
static int take_line(struct sink *sink, size_t start)
{
	int rc = check_line(&sink->state.out, start);

	if (!rc)
		sink->pending++;
	return rc;
}

int sink__put(struct sink *sink, const struct record *rec)
{
	size_t start;
	int rc;

	if (rec->event->action >= TWS_LISTEN)
		return -EINVAL;
	rc = make_room(sink);
	if (rc)
		return rc;
	start = sink->state.out.len;
	sink->format->put(&sink->state, rec);
	return take_line(sink, start);
}

int sink__put_sum(struct sink *sink, const struct sink_sum *sum)
{
	size_t start;
	int rc;

	if (sum->rec.event->action >= TWS_LISTEN)
		return -EINVAL;
	rc = make_room(sink);
	if (rc)
		return rc;
	start = sink->state.out.len;
	sink->format->put_sum(&sink->state, sum);
	return take_line(sink, start);
}

/* A record is one line in each format, so lines tell how many are out. */
static void drop_written(struct sink *sink, size_t written)
{
	struct outbuf *out = &sink->state.out;
	const char *end = out->data + written;

	if (written == out->len) {
		out->len = sink->headings = sink->pending = 0;
		return;
	}
	for (const char *p = out->data; (p = memchr(p, '\n', (size_t)(end - p))); p++) {
		if (sink->headings)
			sink->headings--;
		else
			sink->pending--;
	}
	out->len -= written;
	memmove(out->data, end, out->len);
}

int sink__flush(struct sink *sink)
{
	struct outbuf *out = &sink->state.out;
	size_t written = 0;
	int rc = out->len ? fdwriter__write(&sink->writer, out->data, out->len, &written) : 0;

	if (written)
		drop_written(sink, written);
	return rc;
}

size_t sink__pending(const struct sink *sink)
{
	return sink->pending;
}

size_t sink_format__timestamp(struct sink_state *s, char *to, uint64_t wall_ns)
{
	uint64_t second = wall_ns / NS_PER_S;
	struct second_cache *c = &s->cache;

	if (!c->valid || c->second != second) {
		c->len = fmt__second(c->text, second);
		c->second = second;
		c->valid = true;
	}
	memcpy(to, c->text, FMT_SECOND_LEN);
	to[FMT_SECOND_LEN] = '.';
	fmt__padded(to + FMT_SECOND_LEN + 1, wall_ns % NS_PER_S, 9);
	to[FMT_SECOND_LEN + 10] = 'Z';
	return FMT_SECOND_LEN + 11;
}
