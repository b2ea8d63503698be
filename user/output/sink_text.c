// SPDX-License-Identifier: GPL-2.0
/*
 * Columns for people, 120 wide with IPv4. On a terminal that is narrower, columns are
 * left out until a line fits: see fit.h. Elsewhere a value that is too long for its
 * column shifts the rest of its line, and only names are ever cut.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "model/field_table.h"
#include "output/fit.h"
#include "output/sink_format.h"
#include "output/sink_sum.h"

#define DAY_S 86400
#define VALUE_MAX 72 /* the longest value that is no name: an address and its port */

/* The colours that any terminal has; none of them changes the background. */
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static const char *const colors[] = {
	[FIELD_CYAN] = "\033[36m",
	[FIELD_YELLOW] = "\033[33m",
};

/* Of a terminal's addresses: they get wider only, so that lines stay aligned. The last is
 * that of an IPv6 address with its device and port. */
static const unsigned int address_widths[] = { 21, 28, 36, 47, 63 };
#define LAST_WIDTH (sizeof(address_widths) / sizeof(address_widths[0]) - 1)

struct column {
	const struct field *field;
	enum field_place place;
	unsigned int width;
};

struct plan {
	size_t num; /* all columns, by their place */
	struct column columns[FIELD_MAX];
	size_t shown_num; /* those that there is room for now */
	struct column shown[FIELD_MAX];
	unsigned int spare; /* what they leave of the terminal's width */
	unsigned int addresses; /* the place in address_widths[] */
};

/* ---- which columns ---- */

static int compare_places(const void *a, const void *b)
{
	const struct column *x = a, *y = b;

	return x->field->column.trace - y->field->column.trace;
}

static unsigned int natural_width(const struct plan *p, const struct field *f)
{
	if (f->type == FIELD_ENDPOINT)
		return address_widths[p->addresses];
	return f->column.width ?: f->column.least;
}

static bool is_wanted(const struct sink_state *s, const struct field *f)
{
	unsigned int on = (s->opts.actions ? FIELD_WHEN_ALL : 0) |
			  (s->opts.containers ? FIELD_WHEN_CONTAINERS : 0);

	return !(f->column.when & ~on);
}

/* Returns whether something has changed. */
static bool lay_out(struct sink_state *s)
{
	struct plan *p = s->plan, before = *p;
	struct fit_column fits[FIELD_MAX];
	const struct column *wanted[FIELD_MAX];
	size_t num = 0;

	for (size_t i = 0; i < p->num; i++) {
		const struct field *f = p->columns[i].field;

		if (!is_wanted(s, f))
			continue;
		wanted[num] = &p->columns[i];
		fits[num++] = (struct fit_column){ natural_width(p, f), f->column.least,
						   f->column.keep, 0 };
	}
	p->spare = fit__columns(fits, num, s->opts.width);
	p->shown_num = 0;
	for (size_t i = 0; i < num; i++)
		if (fits[i].width)
			p->shown[p->shown_num++] = (struct column){
				wanted[i]->field, wanted[i]->place, fits[i].width };
	return before.shown_num != p->shown_num ||
	       memcmp(before.shown, p->shown, sizeof(p->shown)) != 0;
}

static int open_text(struct sink_state *s)
{
	struct plan *p = calloc(1, sizeof(*p));

	s->plan = p;
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < field__count; i++)
		if (field__table[i].column.trace)
			p->columns[p->num++] = (struct column){ &field__table[i], i, 0 };
	qsort(p->columns, p->num, sizeof(p->columns[0]), compare_places);
	lay_out(s);
	return 0;
}

static void close_text(struct sink_state *s)
{
	free(s->plan);
}

/* ---- values ---- */

static void color(struct sink_state *s, const char *code)
{
	if (s->opts.color && code)
		outbuf__text(&s->out, code);
}

/* Seconds east of UTC at @second, or of the local zone where that is asked for. */
static long offset_at(const struct sink_state *s, uint64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;

	if (s->opts.utc_offset_s != LONG_MIN)
		return s->opts.utc_offset_s;
	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* HH:MM:SS of @second. */
static void cache_second(struct sink_state *s, uint64_t second)
{
	struct second_cache *c = &s->cache;
	long long day = (long long)(second % DAY_S) + offset_at(s, second) % DAY_S;
	char text[FMT_SECOND_LEN];

	day = (day + DAY_S) % DAY_S;
	fmt__second(text, (uint64_t)day);
	memcpy(c->text, text + 11, 8);
	c->second = second;
	c->valid = true;
}

/* HH:MM:SS.mmm */
static inline size_t clock_text(struct sink_state *s, char *to, uint64_t wall_ns)
{
	uint64_t second = wall_ns / NS_PER_S;

	if (!s->cache.valid || s->cache.second != second)
		cache_second(s, second);
	memcpy(to, s->cache.text, 8);
	to[8] = '.';
	return 9 + fmt__padded(to + 9, wall_ns % NS_PER_S / 1000000, 3);
}

static inline size_t endpoint_text(char *to, const struct field_value *v)
{
	char *p = to;

	if (v->family == AF_INET6)
		*p++ = '[';
	p += v->family == AF_INET ? fmt__ipv4(p, v->addr) : fmt__ipv6(p, v->addr);
	if (v->scope) {
		*p++ = '%';
		p = stpcpy(p, v->scope);
	}
	if (v->family == AF_INET6)
		*p++ = ']';
	*p++ = ':';
	p += fmt__u64(p, v->number);
	return (size_t)(p - to);
}

static inline size_t number_text(char *to, enum field_unit unit, uint64_t number)
{
	if (unit == FIELD_NS)
		return fmt__lifetime(to, number);
	return unit == FIELD_BYTES ? fmt__size(to, number) : fmt__u64(to, number);
}

/* All but names, at @to, which has VALUE_MAX bytes of room. */
static inline __attribute__((always_inline)) size_t
value_text(struct sink_state *s, enum field_type type, enum field_unit unit,
	   const struct field_value *v, char *to)
{
	switch (type) {
	case FIELD_NUMBER:
		return number_text(to, unit, v->number);
	case FIELD_ENDPOINT:
		return endpoint_text(to, v);
	case FIELD_TIME:
		return clock_text(s, to, v->number);
	default:
		memcpy(to, v->text, v->len);
		return v->len;
	}
}

/* A name in at most @limit columns; 0: in any number. Returns the columns taken. */
static size_t put_name(struct outbuf *ob, const struct field_value *v, unsigned int limit)
{
	size_t used = v->guessed;

	if (v->guessed)
		outbuf__char(ob, '~');
	if (!v->len)
		return used + escape__text_columns(ob, "''", 2, 2);
	if (!limit) {
		escape__text(ob, v->text, v->len);
		return 0; /* nothing is aligned behind it */
	}
	return used + escape__text_columns(ob, v->text, v->len,
					   limit > used ? limit - used : 0);
}

/* A short value that there is no room for. */
static size_t put_cut(struct outbuf *ob, enum field_type type, const char *text, size_t len,
		      unsigned int limit)
{
	if (type == FIELD_ENDPOINT)
		return fit__address(ob, text, len, limit);
	return escape__text_columns(ob, text, len, limit);
}

#define PAD_AT_ONCE 32 /* blanks: nearly always enough */

static inline void pad(struct outbuf *ob, size_t used, size_t width)
{
	char *to;

	if (used >= width)
		return;
	if (width - used > PAD_AT_ONCE) {
		outbuf__fill(ob, ' ', width - used);
		return;
	}
	to = outbuf__room(ob, PAD_AT_ONCE);
	if (!to)
		return;
	memset(to, ' ', PAD_AT_ONCE);
	ob->len += width - used;
}

/* @text: of a number, and there may be anything behind it. */
static inline void put_right(struct outbuf *ob, const char text[FMT_U64_MAX], size_t len,
			     size_t width)
{
	char *to;

	pad(ob, len, width);
	to = outbuf__room(ob, FMT_U64_MAX);
	if (!to)
		return;
	memcpy(to, text, FMT_U64_MAX);
	ob->len += len;
}

/* Returns the columns taken. @limit: as with put_name(). */
static inline __attribute__((always_inline)) size_t
put_value(struct sink_state *s, enum field_type type, enum field_unit unit, bool right,
	  unsigned int width, const struct field_value *v, unsigned int limit)
{
	const char *code = type == FIELD_TIME ? DIM : colors[v->color];
	struct outbuf *ob = &s->out;
	char text[VALUE_MAX] = "", *to;
	size_t len;

	color(s, code);
	if (right) {
		len = value_text(s, type, unit, v, text);
		put_right(ob, text, len, width);
	} else if (limit) {
		len = value_text(s, type, unit, v, text);
		len = put_cut(ob, type, text, len, limit);
	} else {
		to = outbuf__room(ob, VALUE_MAX);
		len = to ? value_text(s, type, unit, v, to) : 0;
		ob->len += len;
	}
	color(s, code ? PLAIN : NULL);
	return len;
}

static void put_dash(struct sink_state *s, bool right, unsigned int width)
{
	if (right)
		pad(&s->out, 1, width);
	color(s, DIM);
	outbuf__char(&s->out, '-');
	color(s, PLAIN);
}

/* ---- lines ---- */

static void put_heading_line(struct sink_state *s)
{
	const struct plan *p = s->plan;
	struct outbuf *ob = &s->out;

	color(s, BOLD);
	for (size_t i = 0; i < p->shown_num; i++) {
		const struct column *c = &p->shown[i];
		const char *heading = c->field->column.heading;
		size_t len = strnlen(heading, c->width);

		if (i)
			outbuf__char(ob, ' ');
		if (c->field->column.right)
			pad(ob, len, c->width);
		outbuf__bytes(ob, heading, len);
		if (!c->field->column.right && i + 1 < p->shown_num)
			pad(ob, len, c->width);
	}
	color(s, PLAIN);
	outbuf__char(ob, '\n');
}

static void put_heading(struct sink_state *s)
{
	lay_out(s);
	put_heading_line(s);
}

static bool resize(struct sink_state *s)
{
	return lay_out(s);
}

/* On a terminal long addresses get room before other columns do, from the first on. */
static void make_room(struct sink_state *s, const struct record *rec)
{
	struct plan *p = s->plan;
	size_t longest = 0;

	for (size_t i = 0; i < p->num; i++) {
		const struct field *f = p->columns[i].field;
		struct field_value v;
		char text[VALUE_MAX];
		size_t len;

		if (f->type != FIELD_ENDPOINT || !field__read(f, rec, &v))
			continue;
		len = endpoint_text(text, &v);
		if (len > longest)
			longest = len;
	}
	if (longest <= address_widths[p->addresses] || p->addresses == LAST_WIDTH)
		return;
	while (p->addresses < LAST_WIDTH && longest > address_widths[p->addresses])
		p->addresses++;
	if (lay_out(s))
		put_heading_line(s);
}

/*
 * A value may be longer than its column as long as the line fits: @spare is what is left
 * for that. Returns the rest of it. Inlined for each row of the table that has a column,
 * once for terminals and once for files, where nothing is @limited.
 */
static inline __attribute__((always_inline)) unsigned int
put_cell(struct sink_state *s, const struct column *c, bool last, const struct record *rec,
	 bool limited, unsigned int spare, field_reader read, enum field_type type,
	 enum field_unit unit, struct field_column shape)
{
	unsigned int limit = limited ? c->width + spare : 0;
	struct field_value v;
	size_t used = 1;

	v.vague = v.guessed = false;
	v.color = FIELD_PLAIN;
	if (!read(rec, &v) || v.vague)
		put_dash(s, shape.right, c->width);
	else if (type == FIELD_NAME)
		used = put_name(&s->out, &v, limit ?: shape.width);
	else
		used = put_value(s, type, unit, shape.right, c->width, &v, limit);
	if (used > c->width)
		return limited ? spare - (unsigned int)(used - c->width) : 0;
	if (!last && !shape.right)
		pad(&s->out, used, c->width);
	return spare;
}

#define CELL(name, read, type, unit, in, ...)                                           \
	case AT_##read:                                                                 \
		if (((struct field_column){ __VA_ARGS__ }).trace)                       \
			spare = put_cell(s, c, i + 1 == p->shown_num, rec, limited,     \
					 spare, read, type, unit,                       \
					 (struct field_column){ __VA_ARGS__ });         \
		break;

static inline __attribute__((always_inline)) void
put_cells(struct sink_state *s, const struct record *rec, bool limited)
{
	const struct plan *p = s->plan;
	unsigned int spare = p->spare;

	for (size_t i = 0; i < p->shown_num; i++) {
		const struct column *c = &p->shown[i];

		if (i)
			outbuf__char(&s->out, ' ');
		switch (c->place) {
			FIELD_TABLE(CELL)
		}
	}
	outbuf__char(&s->out, '\n');
}

static void put_record(struct sink_state *s, const struct record *rec)
{
	if (!s->opts.width) {
		put_cells(s, rec, false);
		return;
	}
	make_room(s, rec);
	put_cells(s, rec, true);
}

/* ---- sums ---- */

/* "10.0.0.0/24:*": what is not known is a star. */
static size_t sum_end(char *to, const struct tws_event *ev, const uint8_t *addr, unsigned int len,
		      uint16_t port)
{
	bool is_v4 = ev->family == AF_INET;
	char *p = to;

	if (!is_v4)
		*p++ = '[';
	p += is_v4 ? fmt__ipv4(p, addr) : fmt__ipv6(p, addr);
	if (len && len < (is_v4 ? 32 : 128)) {
		*p++ = '/';
		p += fmt__u64(p, len);
	}
	if (!is_v4)
		*p++ = ']';
	*p++ = ':';
	if (port)
		p += fmt__u64(p, port);
	else
		*p++ = '*';
	return (size_t)(p - to);
}

/* As people read the column at @place; false: not known. @to has VALUE_MAX bytes of room. */
static bool sum_text(struct sink_state *s, const struct sink_sum *sum, size_t place,
		     struct field_value *v, char *to)
{
	const struct field *f = &field__table[place];
	const struct tws_event *ev = sum->rec.event;

	v->text = to;
	v->vague = v->guessed = false;
	switch (place) {
	case AT_read_timestamp:
		clock_text(s, to, sum->rec.wall_ns);
		v->len = 5; /* the minute */
		return true;
	case AT_read_pid: /* instead of it: how many */
		v->len = fmt__u64(to, sum->count);
		to[v->len++] = 'x';
		return true;
	case AT_read_local:
		v->len = sum_end(to, ev, ev->local_addr, 0, ev->local_port);
		return !sum->is_other;
	case AT_read_peer:
		v->len = sum_end(to, ev, ev->peer_addr, sum->peer_len, ev->peer_port);
		return !sum->is_other && has_peer(&sum->rec);
	case AT_read_name:
		if (sum->is_other)
			return LITERAL(v, "~other");
		break;
	case AT_read_what:
		if (sum->is_other)
			return LITERAL(v, "any");
		break;
	default:
		break;
	}
	if (!sink_sum__read(sum, place, v) || v->vague)
		return false;
	if (f->type == FIELD_NUMBER) {
		v->len = number_text(to, f->unit, v->number);
		v->text = to;
	}
	return true;
}

/* @spare: as with put_cell(). */
static unsigned int put_sum_cell(struct sink_state *s, const struct column *c, bool last,
				 const struct sink_sum *sum, unsigned int spare)
{
	unsigned int limit = s->opts.width ? c->width + spare : 0;
	enum field_type type = c->field->type;
	char text[VALUE_MAX + FMT_U64_MAX];
	struct field_value v;
	size_t used;

	if (!sum_text(s, sum, c->place, &v, text)) {
		put_dash(s, c->field->column.right, c->width);
		used = 1;
	} else if (c->field->column.right) {
		pad(&s->out, v.len, c->width);
		outbuf__bytes(&s->out, v.text, v.len);
		used = v.len;
	} else if (type == FIELD_NAME) {
		used = put_name(&s->out, &v, limit ?: c->field->column.width);
	} else if (limit) {
		used = put_cut(&s->out, type, v.text, v.len, limit);
	} else {
		outbuf__bytes(&s->out, v.text, v.len);
		used = v.len;
	}
	if (!last && !c->field->column.right)
		pad(&s->out, used, c->width);
	used = used > c->width ? used - c->width : 0;
	return limit ? spare - (unsigned int)(used < spare ? used : spare) : 0;
}

static void put_sum(struct sink_state *s, const struct sink_sum *sum)
{
	const struct plan *p = s->plan;
	unsigned int spare = p->spare;

	for (size_t i = 0; i < p->shown_num; i++) {
		if (i)
			outbuf__char(&s->out, ' ');
		spare = put_sum_cell(s, &p->shown[i], i + 1 == p->shown_num, sum, spare);
	}
	outbuf__char(&s->out, '\n');
}

const struct sink_writer sink_text = {
	.open = open_text, .close = close_text, .heading = put_heading, .resize = resize,
	.put = put_record, .put_sum = put_sum,
};
