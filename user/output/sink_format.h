/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sink.c asks of each output format, and what the formats share. Only for
 * the sink*.c files.
 */
#ifndef TWSNOOP_SINK_FORMAT_H
#define TWSNOOP_SINK_FORMAT_H

#include <string.h>
#include <sys/socket.h>

#include "base/fmt.h"
#include "base/outbuf.h"
#include "model/field.h"
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
	void *plan; /* the format's own, of which it frees what it made */
};

/*
 * A format. heading() and put() append whole lines and leave errors to out.failed. To
 * add one: its file, and a row in the table of sink.c.
 */
struct sink_writer {
	int (*open)(struct sink_state *s); /* NULL: nothing; else 0 or a negative errno */
	void (*close)(struct sink_state *s); /* NULL: nothing; after open() in any case */
	void (*heading)(struct sink_state *s); /* NULL: the format has none */
	bool (*resize)(struct sink_state *s); /* opts.width has changed: do the columns? */
	void (*put)(struct sink_state *s, const struct record *rec);
	void (*put_sum)(struct sink_state *s, const struct sink_sum *sum);
};

extern const struct sink_writer sink_text;
extern const struct sink_writer sink_json;
extern const struct sink_writer sink_csv;

/* The RFC 3339 time of @wall_ns, in UTC with nanoseconds, at @to, which has
 * SINK_SHORT_MAX bytes of room. Returns its length. */
size_t sink_format__timestamp(struct sink_state *s, char *to, uint64_t wall_ns);

#define SINK_SHORT_MAX 64

/* A word of ours, which is short: without a call. */
static inline char *sink_format__word(char *to, const char *text, size_t len)
{
	if (len > 16 || len < 4) {
		memcpy(to, text, len);
	} else if (len >= 8) {
		memcpy(to, text, 8);
		memcpy(to + len - 8, text + len - 8, 8);
	} else {
		memcpy(to, text, 4);
		memcpy(to + len - 4, text + len - 4, 4);
	}
	return to + len;
}

/* Any value but a name, as JSON and CSV have it, without quotes: needs SINK_SHORT_MAX
 * bytes of room. Returns what is behind it. */
static inline char *sink_format__short(struct sink_state *s, char *to, enum field_type type,
				       const struct field_value *v)
{
	switch (type) {
	case FIELD_NUMBER:
		return to + fmt__u64(to, v->number);
	case FIELD_WORD:
		return sink_format__word(to, v->text, v->len);
	case FIELD_ADDRESS:
		return to + (v->family == AF_INET ? fmt__ipv4(to, v->addr) :
						    fmt__ipv6(to, v->addr));
	case FIELD_TIME:
		return to + sink_format__timestamp(s, to, v->number);
	default:
		memcpy(to, "true", 4);
		return to + 4;
	}
}

#endif
