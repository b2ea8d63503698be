/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sink.c asks of each output format, and what the formats share. Only for
 * the sink*.c files.
 */
#ifndef TWSNOOP_SINK_FORMAT_H
#define TWSNOOP_SINK_FORMAT_H

#include "base/outbuf.h"
#include "output/sink.h"

#define NS_PER_S 1000000000ULL
#define SECOND_TEXT_MAX 32

/* The text of the last second seen: most events share it with the one before. */
struct second_cache {
	bool valid;
	uint64_t second;
	size_t len;
	char text[SECOND_TEXT_MAX];
};

struct sink_state {
	struct sink_options opts;
	struct second_cache cache;
	struct outbuf out;
};

/* Both append whole lines and leave errors to out.failed. */
struct sink_writer {
	void (*heading)(struct sink_state *s); /* NULL: the format has none */
	void (*put)(struct sink_state *s, const struct record *rec);
};

extern const struct sink_writer sink_text;
extern const struct sink_writer sink_json;
extern const struct sink_writer sink_csv;

/* The RFC 3339 time of @wall_ns, in UTC with nanoseconds. */
void sink_format__timestamp(struct sink_state *s, uint64_t wall_ns);

/* An address of either family. */
void sink_format__addr(struct outbuf *ob, uint8_t family, const uint8_t *addr);

/*
 * How long the connection lived; false if it is unknown: opened before tracing,
 * or the two times do not fit together.
 */
static inline bool sink_format__lifetime(const struct tws_event *ev, uint64_t *ns)
{
	if (!ev->conn.open_ns || ev->time_ns < ev->conn.open_ns)
		return false;
	*ns = ev->time_ns - ev->conn.open_ns;
	return true;
}

static inline bool sink_format__has_bytes(const struct tws_event *ev)
{
	return !(ev->conn.flags & TWS_F_NO_BYTES);
}

#endif
