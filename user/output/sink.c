// SPDX-License-Identifier: GPL-2.0
#include "output/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output/sink_format.h"

/* Written when this much is there; a pipe holds as much by default. */
#define FLUSH_BYTES (64 * 1024)
/* Room for the record that goes over it; only a huge command line needs more. */
#define SPARE_BYTES (8 * 1024)

struct sink {
	const struct sink_writer *writer;
	struct sink_state state;
	size_t pending;	 /* records in state.out */
	size_t headings; /* lines in state.out, before them, that are no records */
	int fd;	     /* to write to: the caller's, or own_fd */
	int own_fd;  /* -1: none */
	int stop_fd; /* -1: none */
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
	sink->writer = writers[opts->format];
	sink->state.opts = *opts;
	sink->fd = fd;
	sink->own_fd = sink->stop_fd = -1;
	if (sink->writer->open)
		err = sink->writer->open(&sink->state);
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
	if (sink->own_fd >= 0)
		close(sink->own_fd);
	if (sink->writer->close)
		sink->writer->close(&sink->state);
	outbuf__free(&sink->state.out);
	free(sink);
}

/*
 * O_NONBLOCK belongs to the open file, which others share with us (a shell's
 * terminal, the other writers to a pipe): so open it anew, not fcntl().
 */
void sink__stop_by(struct sink *sink, int stop_fd)
{
	char path[32];
	struct stat st;

	sink->stop_fd = stop_fd;
	if (sink->own_fd >= 0 || fstat(sink->fd, &st) ||
	    !(S_ISFIFO(st.st_mode) || isatty(sink->fd)))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", sink->fd);
	sink->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (sink->own_fd >= 0)
		sink->fd = sink->own_fd;
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

	if (!sink->writer->heading)
		return 0;
	sink->writer->heading(&sink->state);
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
	if (!sink->writer->resize || !sink->writer->resize(&sink->state))
		return 0;
	return sink__begin(sink);
}

int sink__put(struct sink *sink, const struct record *rec)
{
	struct outbuf *out = &sink->state.out;
	size_t start;
	int rc;

	if (rec->event->action >= TWS_LISTEN)
		return -EINVAL;
	if (out->len >= FLUSH_BYTES) {
		rc = sink__flush(sink);
		if (rc)
			return rc;
	}
	start = out->len;
	sink->writer->put(&sink->state, rec);
	rc = check_line(out, start);
	if (!rc)
		sink->pending++;
	return rc;
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

static int wait_writable(const struct sink *sink)
{
	struct pollfd fds[] = {
		{ .fd = sink->fd, .events = POLLOUT },
		{ .fd = sink->stop_fd, .events = POLLIN }, /* -1 is passed over */
	};

	/* What else goes wrong here, the next write() tells. */
	poll(fds, 2, -1);
	return fds[1].revents ? -ECANCELED : 0;
}

int sink__flush(struct sink *sink)
{
	struct outbuf *out = &sink->state.out;
	size_t written = 0;
	int rc = 0;

	while (written < out->len) {
		ssize_t n = write(sink->fd, out->data + written, out->len - written);

		if (n > 0) {
			written += (size_t)n;
		} else if (n == 0) {
			rc = -EIO; /* a device that takes nothing: no endless loop */
			break;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			rc = wait_writable(sink);
			if (rc)
				break;
		} else if (errno != EINTR) {
			rc = -errno;
			break;
		}
	}
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
