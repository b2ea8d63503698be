// SPDX-License-Identifier: GPL-2.0
#include "output/top_layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "model/names.h"
#include "output/fit.h"
#include "output/tabular.h"

#define LABEL_COLUMNS 10 /* before each line of the head */
#define NAME_LEAST 8
#define NAME_USUAL 16
#define TWO_COLUMNS 17 /* CLOSES/s and HELD, each with a blank before it */
#define NAME_MOST 40
#define REMOTE_LEAST 15
#define REMOTE_MOST 47 /* an IPv6 address with its port */
#define CAUSES_COLUMNS 20
#define FULL_WARNING 500 /* thousandths of a port set, or of the limit */
#define FULL_ALARM 800
#define FULL_SOON_S 60

struct layout {
	struct top_cells *cells;
	const struct top_frame *frame;
	struct top_view *view;
	uint32_t line, column;
	uint32_t end; /* the first line that is not to be written to */
	bool cut; /* the rest of the line has no room */
	bool failed;
};

/* ---- pieces ---- */

static unsigned int width_of(const struct layout *l)
{
	return l->view->width ?: UINT32_MAX / 2;
}

static struct top_piece *add_piece(struct layout *l, enum top_style look)
{
	struct top_cells *cells = l->cells;
	struct top_piece *piece;

	if (l->line >= l->end)
		return NULL;
	if (cells->num == cells->room) {
		size_t room = cells->room ? cells->room * 2 : 256;
		void *more = realloc(cells->pieces, room * sizeof(*piece));

		if (!more) {
			l->failed = true;
			return NULL;
		}
		cells->pieces = more;
		cells->room = room;
	}
	piece = &cells->pieces[cells->num++];
	*piece = (struct top_piece){ .line = l->line, .column = l->column, .look = look,
				     .from = (uint32_t)cells->text.len };
	return piece;
}

/* One piece of ours, all ASCII but for bars, whose @columns are known. False: no room. */
static bool put(struct layout *l, enum top_style look, const char *text, size_t len, size_t columns)
{
	struct top_piece *piece;

	if (l->cut || columns > width_of(l) - l->column) {
		l->cut = true;
		return false;
	}
	piece = add_piece(l, look);
	if (!piece)
		return false;
	outbuf__bytes(&l->cells->text, text, len);
	piece->len = (uint32_t)len;
	piece->columns = (uint32_t)columns;
	l->column += (uint32_t)columns;
	return true;
}

/* A piece of a sentence: whole, or not at all, and then nothing after it. */
static bool say(struct layout *l, enum top_style look, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool say(struct layout *l, enum top_style look, const char *format, ...)
{
	char text[256];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len < 0)
		return false;
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	return put(l, look, text, (size_t)len, (size_t)len);
}

/* '?' for each column of what is not ASCII. */
static void make_ascii(struct layout *l, struct top_piece *piece, size_t columns)
{
	struct outbuf *ob = &l->cells->text;
	char *text = ob->data + piece->from;
	size_t len = ob->len - piece->from, ascii = 0, to = 0;

	for (size_t i = 0; i < len; i++)
		ascii += !(text[i] & 0x80);
	for (size_t i = 0; i < len; i++)
		if (!(text[i] & 0x80))
			text[to++] = text[i];
		else if ((text[i] & 0xc0) == 0xc0 && columns > ascii)
			text[to++] = '?';
	while (to < columns && to < len)
		text[to++] = '?';
	ob->len = piece->from + to;
}

/* A name that somebody chose, in at most @columns. Returns what it took. */
static size_t put_name(struct layout *l, enum top_style look, const char *text, size_t len,
		       size_t columns)
{
	struct top_piece *piece;
	size_t took;

	if (columns > width_of(l) - l->column)
		columns = width_of(l) - l->column;
	piece = l->cut ? NULL : add_piece(l, look);
	if (!piece)
		return 0;
	took = escape__text_columns(&l->cells->text, text, len, columns);
	if (l->view->ascii && !l->cells->text.failed)
		make_ascii(l, piece, took);
	piece->len = (uint32_t)(l->cells->text.len - piece->from);
	piece->columns = (uint32_t)took;
	l->column += (uint32_t)took;
	return took;
}

static void pad(struct layout *l, enum top_style look, size_t columns)
{
	static const char blanks[] = "                                                ";

	while (columns && !l->cut) {
		size_t part = columns < sizeof(blanks) - 1 ? columns : sizeof(blanks) - 1;

		if (part > width_of(l) - l->column)
			part = width_of(l) - l->column;
		if (!part || !put(l, look, blanks, part, part))
			return;
		columns -= part;
	}
}

static void end_line(struct layout *l)
{
	l->line++;
	l->column = 0;
	l->cut = false;
	l->cells->lines = l->line;
}

/* ---- numbers for people ---- */

/* "3.4" below ten, and whole numbers from then on. */
static size_t format_rate(char *to, size_t size, uint64_t milli)
{
	int len;

	if (milli < 9950)
		len = snprintf(to, size, "%llu.%llu", (unsigned long long)(milli + 50) / 1000,
			       (unsigned long long)(milli + 50) % 1000 / 100);
	else
		len = snprintf(to, size, "%llu", (unsigned long long)(milli + 500) / 1000);
	return (size_t)len;
}

/* At most eight columns: 12345678, then 123456k, … */
static size_t format_count(char *to, size_t size, uint64_t count)
{
	static const char units[] = "kMGTP";
	int unit = -1;

	while (count > (unit < 0 ? 99999999ULL : 9999999ULL) && unit < 4) {
		count /= 1000;
		unit++;
	}
	return (size_t)snprintf(to, size, unit < 0 ? "%llu" : "%llu%c",
				(unsigned long long)count, unit < 0 ? 0 : units[unit]);
}

static enum top_style look_of_share(unsigned int permille)
{
	return permille >= FULL_ALARM ? TOP_ALARM : permille >= FULL_WARNING ? TOP_WARNING : TOP_PLAIN;
}

/* ---- the head ---- */

static void label(struct layout *l, const char *text)
{
	say(l, TOP_BOLD, "%-*s", LABEL_COLUMNS, text);
}

/* "process", or "remote,remote-port": as --by takes them. */
static void say_keys(struct layout *l)
{
	const struct tally_keys *keys = &l->frame->keys;

	say(l, TOP_PLAIN, " by ");
	for (size_t i = 0; i < keys->num; i++)
		say(l, TOP_BOLD, "%s%s", i ? "," : "", keys->keys[i]->word);
}

static void put_title(struct layout *l)
{
	const struct top_view *v = l->view;

	say(l, TOP_BOLD, "twsnoop top");
	if (v->time)
		say(l, TOP_PLAIN, " %s", v->time);
	say_keys(l);
	if (v->paused)
		say(l, TOP_NOTE, " [paused]");
	if (v->frozen)
		say(l, TOP_NOTE, " [order frozen]");
	if (v->filter[0] && !v->typing) {
		if (say(l, TOP_NOTE, " [with "))
			put_name(l, TOP_NOTE, v->filter, strlen(v->filter), 30);
		say(l, TOP_NOTE, "]");
	}
	if (v->frozen)
		; /* then by none of them */
	else if (v->sort == TOP_NAME)
		say(l, TOP_PLAIN, ", sorted by name%s", v->reverse ? ", reversed" : "");
	else
		say(l, TOP_PLAIN, ", %s %s first", v->reverse ? "least" : "most",
		    top_frame__word(v->sort));
	end_line(l);
}

/* The closes of the last minute: @columns bars, each for as many seconds. */
static void put_bars(struct layout *l, unsigned int columns)
{
	static const char *const bars[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char ascii[] = " .:-=+*#@";
	const uint32_t *minute = l->frame->host.minute;
	unsigned int each = TALLY_MINUTE / columns;
	uint64_t sums[TALLY_MINUTE] = { 0 }, most = 1;
	struct outbuf ob;
	char text[TALLY_MINUTE * 4];

	for (unsigned int i = 0; i < columns; i++) {
		for (unsigned int s = 0; s < each; s++)
			sums[i] += minute[i * each + s];
		most = sums[i] > most ? sums[i] : most;
	}
	outbuf__init_fixed(&ob, text, sizeof(text));
	for (unsigned int i = 0; i < columns; i++) {
		/* Something is never shown as nothing. */
		size_t height = (size_t)((sums[i] * 8 + most - 1) / most);

		if (l->view->ascii)
			outbuf__char(&ob, ascii[height]);
		else
			outbuf__bytes(&ob, bars[height], strlen(bars[height]));
	}
	put(l, TOP_PLAIN, text, ob.len, columns);
}

static void put_closes(struct layout *l)
{
	const struct tally_host *host = &l->frame->host;
	static const unsigned int sizes[] = { 60, 30, 20, 15, 12 };
	uint32_t most = 0;
	char rate[32];

	for (unsigned int i = 0; i < TALLY_MINUTE; i++)
		most = host->minute[i] > most ? host->minute[i] : most;
	label(l, "closes");
	format_rate(rate, sizeof(rate), host->rate_milli);
	say(l, TOP_BOLD, "%s/s", rate);
	say(l, TOP_PLAIN, " ");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i] + 11 <= width_of(l) - l->column && sizes[i] <= (l->view->height ? 60 : 30)) {
			put_bars(l, sizes[i]);
			break;
		}
	say(l, TOP_PLAIN, " peak %u/s", most);
	say(l, TOP_DIM, " in a minute");
	say(l, TOP_PLAIN, ", %llu in all", (unsigned long long)l->frame->sum.total.closes);
	end_line(l);
}

static void put_time_wait(struct layout *l)
{
	const struct tally_host *host = &l->frame->host;
	unsigned int permille = host->limit ?
		(unsigned int)(host->minis_there * 1000 / host->limit) : 0;

	label(l, "TIME_WAIT");
	say(l, TOP_BOLD, "%llu", (unsigned long long)host->time_wait);
	if (host->limit)
		say(l, look_of_share(permille), ", %u.%u%%%s of the limit", permille / 10, permille % 10,
		    permille >= FULL_ALARM ? "!" : "");
	if (host->limit)
		say(l, TOP_PLAIN, " %llu", (unsigned long long)host->limit);
	if (host->overflows)
		say(l, TOP_ALARM, ", %llu not made!", (unsigned long long)host->overflows);
	if (host->was_looked_at && host->unplaced)
		say(l, TOP_PLAIN, ", %llu not in these rows", (unsigned long long)host->unplaced);
	if (l->view->limits)
		say(l, TOP_WARNING, ", by the clock alone: %s", l->view->limits);
	end_line(l);
}

static void put_states(struct layout *l)
{
	static const struct {
		const char *name;
		uint8_t state;
	} names[] = {
		{ "established", 1 }, { "close_wait", 8 }, { "syn_sent", 2 }, { "fin_wait1", 4 },
		{ "fin_wait2", 5 }, { "last_ack", 9 }, { "closing", 11 }, { "syn_recv", 3 },
		{ "listen", 10 },
	};
	const struct tally_host *host = &l->frame->host;
	uint64_t fin_wait2 = host->states[5] + host->fin_wait2_minis;
	const char *comma = "";

	label(l, "states");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t num = names[i].state == 5 ? fin_wait2 : host->states[names[i].state];

		if (!num && i > 1)
			continue;
		say(l, TOP_PLAIN, "%s%s %llu", comma, names[i].name, (unsigned long long)num);
		comma = ", ";
	}
	end_line(l);
}

static size_t format_address(char text[FMT_IPV6_MAX + 10], uint8_t family, const uint8_t *addr,
			     uint32_t port)
{
	struct outbuf ob;
	char ip[FMT_IPV6_MAX];
	size_t len = family == AF_INET ? fmt__ipv4(ip, addr) : fmt__ipv6(ip, addr);
	bool brackets = port && family != AF_INET;

	outbuf__init_fixed(&ob, text, FMT_IPV6_MAX + 10);
	if (brackets)
		outbuf__char(&ob, '[');
	outbuf__bytes(&ob, ip, len);
	if (brackets)
		outbuf__char(&ob, ']');
	if (port) {
		outbuf__char(&ob, ':');
		outbuf__u64(&ob, port);
	}
	outbuf__terminate(&ob);
	return ob.len;
}

static void put_ports(struct layout *l)
{
	const struct tally_host *host = &l->frame->host;
	const struct port_set_use *use = host->fullest;
	char local[FMT_IPV6_MAX + 10], peer[FMT_IPV6_MAX + 10];
	unsigned int permille;
	bool soon;

	label(l, "ports");
	if (!use) {
		say(l, TOP_PLAIN, "none is taken by a client");
		end_line(l);
		return;
	}
	permille = port_set__permille(use);
	soon = host->fullest_in_s <= FULL_SOON_S;
	format_address(local, use->key.family, use->key.local_addr, 0);
	format_address(peer, use->key.family, use->key.peer_addr, use->key.peer_port);
	say(l, look_of_share(permille), "%u.%u%% taken", permille / 10, permille % 10);
	if (!host->fullest_in_s)
		say(l, TOP_ALARM, ", full!");
	else if (soon)
		say(l, TOP_ALARM, ", full in %u s!", host->fullest_in_s);
	else if (permille >= FULL_WARNING)
		say(l, TOP_PLAIN, ", not full at this rate");
	say(l, TOP_PLAIN, " (%u of %u)", use->live + use->held.now, use->usable);
	say(l, TOP_PLAIN, " from %s to %s", local, peer);
	end_line(l);
}

static void put_connects(struct layout *l)
{
	const struct tally_host *host = &l->frame->host;
	uint64_t failed = l->frame->sum.total.failed;
	const char *error = names__errno(host->error);
	char rate[32];

	label(l, "connects");
	if (l->view->blind) {
		say(l, TOP_PLAIN, "failing: not seen");
		say(l, TOP_PLAIN, ", %s", l->view->blind);
		end_line(l);
		return;
	}
	format_rate(rate, sizeof(rate), host->failed_rate_milli);
	say(l, host->failed_rate_milli ? TOP_ALARM : TOP_PLAIN, "%s/s failing%s", rate,
	    host->failed_rate_milli ? "!" : "");
	if (failed)
		say(l, TOP_PLAIN, ", %llu in all", (unsigned long long)failed);
	if (host->error && error)
		say(l, TOP_PLAIN, ", last with %s", error);
	end_line(l);
}

static void put_account(struct layout *l)
{
	const struct feed_account *a = &l->view->account;

	label(l, "account");
	say(l, a->lost ? TOP_ALARM : TOP_PLAIN, "lost=%llu%s", (unsigned long long)a->lost,
	    a->lost ? "!" : "");
	say(l, TOP_PLAIN, " delivered=%llu", (unsigned long long)a->delivered);
	say(l, a->unattributed ? TOP_WARNING : TOP_PLAIN, " unattributed=%llu",
	    (unsigned long long)a->unattributed);
	say(l, a->map_full ? TOP_WARNING : TOP_PLAIN, " map_full=%llu",
	    (unsigned long long)a->map_full);
	say(l, TOP_PLAIN, " recursion=%llu", (unsigned long long)a->recursion);
	say(l, TOP_PLAIN, " snapshot=%llu", (unsigned long long)a->snapshot);
	end_line(l);
}

/* The lines of the head, those that matter most first, for screens that are not high. */
static const struct {
	void (*put)(struct layout *l);
	unsigned int least_height;
} head[] = {
	{ put_title, 0 },     { put_closes, 4 }, { put_time_wait, 6 }, { put_states, 14 },
	{ put_ports, 8 },     { put_connects, 10 }, { put_account, 16 },
};

#define HEAD_LINES (sizeof(head) / sizeof(head[0]))

static bool has_line(const struct top_view *v, size_t i)
{
	if (head[i].put == put_account && !v->has_account)
		return false;
	if (v->limits && (head[i].put == put_states || head[i].put == put_ports))
		return false;
	if (head[i].put == put_account && v->account.lost && v->height >= 10)
		return true;
	return !v->height || v->height >= head[i].least_height;
}

static void put_head(struct layout *l)
{
	for (size_t i = 0; i < HEAD_LINES; i++)
		if (has_line(l->view, i))
			head[i].put(l);
}

/* ---- columns ---- */

struct column {
	enum top_column what;
	const struct field *field; /* of TOP_NAME */
	const char *heading;
	unsigned int width;
	bool right;
};

struct columns {
	size_t num;
	struct column columns[TOP_COLUMNS + TOP_KEY_COLUMNS];
	size_t names; /* the first ones */
};

static const struct {
	const char *heading;
	unsigned int width;
	bool right;
} shapes[TOP_COLUMNS] = {
	[TOP_CLOSES] = { "CLOSES/s", 8, true }, [TOP_HELD] = { "HELD", 7, true },
	[TOP_TOTAL] = { "TOTAL", 8, true },	[TOP_CLIENT] = { "CLIENT%", 7, true },
	[TOP_PORTS] = { "PORTS%", 6, true },	[TOP_FAILED] = { "FAILED", 7, true },
	[TOP_LIFETIME] = { "LIFETIME", 8, true }, [TOP_REMOTE] = { "BUSIEST REMOTE", 21, false },
	[TOP_CAUSES] = { "CAUSES", CAUSES_COLUMNS, false }, [TOP_PIDS] = { "PID", 7, true },
};

/* From the left, after the names; failures only where there are any. */
static const enum top_column in_order[] = {
	TOP_CLOSES, TOP_HELD, TOP_TOTAL, TOP_CLIENT, TOP_PORTS, TOP_FAILED, TOP_REMOTE, TOP_LIFETIME,
	TOP_CAUSES, TOP_PIDS,
};

static size_t columns_of(const char *text, size_t len)
{
	struct outbuf none = { 0 };
	size_t took = escape__text_columns(&none, text, len, NAME_MOST);

	outbuf__free(&none);
	return took;
}

/* The cell's width as text. */
static unsigned int natural_width(const struct tabular_cell *cell)
{
	char digits[FMT_U64_MAX];

	switch (cell->kind) {
	case TABULAR_NONE:
		return 1;
	case TABULAR_NUMBER:
		return (unsigned int)fmt__u64(digits, cell->number);
	case TABULAR_NAME:
		return (unsigned int)columns_of(cell->text, cell->len) + cell->guessed;
	default:
		return (unsigned int)cell->len;
	}
}

static void widen(unsigned int *width, unsigned int to, unsigned int most)
{
	to = to < most ? to : most;
	*width = *width < to ? to : *width;
}

static unsigned int most_of(const struct field *field)
{
	return field->type == FIELD_NAME ? NAME_MOST : REMOTE_MOST;
}

/* As wide as the rows that are shown want them, or did at some time. */
static void widen_all(const struct layout *l, struct columns *c, size_t first, size_t num)
{
	struct top_view *v = l->view;

	for (size_t i = first; i < first + num && i < l->frame->num; i++) {
		const struct top_line *line = &l->frame->lines[i];
		char text[FMT_IPV6_MAX + 10];

		for (size_t n = 0; n < c->names; n++) {
			struct tabular_cell cell = { 0 };

			tabular__field(&cell, c->columns[n].field, &line->row->sample, SINK_TEXT);
			widen(&v->name_widths[n], natural_width(&cell),
			      most_of(c->columns[n].field));
		}
		if (line->has_busiest)
			widen(&v->remote_width,
			      (unsigned int)format_address(text, line->busiest.key.family,
							   line->busiest.key.peer_addr,
							   line->busiest.key.peer_port),
			      REMOTE_MOST);
	}
}

static bool has_column(const struct layout *l, enum top_column what)
{
	const struct tally_keys *keys = &l->frame->keys;
	bool wants_pids = false, is_remote = false;

	for (size_t i = 0; i < keys->num; i++) {
		wants_pids |= !strcmp(keys->keys[i]->word, "process");
		is_remote |= !strcmp(keys->keys[i]->word, "remote");
	}
	if (what == TOP_FAILED)
		return l->frame->sum.total.failed > 0;
	if (what == TOP_PIDS)
		return wants_pids;
	return what != TOP_REMOTE || !is_remote;
}

static void choose_columns(const struct layout *l, struct columns *c)
{
	const struct field *fields[TOP_KEY_COLUMNS];

	c->names = top_frame__fields(&l->frame->keys, fields);
	for (size_t i = 0; i < c->names; i++)
		c->columns[c->num++] = (struct column){
			.what = TOP_NAME, .field = fields[i], .heading = fields[i]->column.heading,
			.right = fields[i]->column.right,
		};
	for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
		enum top_column what = in_order[i];

		if (has_column(l, what))
			c->columns[c->num++] = (struct column){
				.what = what, .heading = shapes[what].heading,
				.width = shapes[what].width, .right = shapes[what].right,
			};
	}
}

/* The names take what they want, as long as the two columns after them have room. */
static void size_names(const struct layout *l, struct columns *c, struct fit_column *fits)
{
	const struct top_view *v = l->view;
	unsigned int room = v->width > TWO_COLUMNS ? v->width - TWO_COLUMNS : v->width, sum = 0;

	for (size_t i = 0; i < c->names; i++) {
		unsigned int wide = (unsigned int)strlen(c->columns[i].heading);

		if (c->names == 1 && !c->columns[i].right)
			wide = NAME_USUAL;
		widen(&wide, v->name_widths[i], REMOTE_MOST);
		fits[i] = (struct fit_column){ .natural = wide, .keep = (unsigned int)i + 1 };
		sum += wide + (i > 0);
	}
	for (size_t i = 0; sum > room && i < c->names; i++) {
		fits[i].least = fits[i].natural * room / sum;
		if (fits[i].least < NAME_LEAST)
			fits[i].least = NAME_LEAST;
	}
}

/* What does not fit goes from the right; the names never. */
static void fit_columns(const struct layout *l, struct columns *c)
{
	struct fit_column fits[TOP_COLUMNS + TOP_KEY_COLUMNS];
	const struct top_view *v = l->view;
	unsigned int before = 0; /* what is to the left takes at least */
	size_t shown = 0;

	size_names(l, c, fits);
	for (size_t i = 0; i < c->num; i++) {
		unsigned int wide = c->columns[i].width, least = 0;

		if (c->columns[i].what == TOP_REMOTE) {
			widen(&wide, v->remote_width, REMOTE_MOST);
			/* Whole, if need be in the place of what comes after it. */
			least = before + wide <= v->width ? wide : REMOTE_LEAST;
		}
		if (i >= c->names)
			fits[i] = (struct fit_column){ .natural = wide, .least = least,
						       .keep = (unsigned int)i + 1 + FIT_LAST };
		before += (fits[i].least ?: fits[i].natural) + 1;
	}
	fit__columns(fits, c->num, v->width);
	for (size_t i = 0; i < c->num; i++) {
		c->columns[i].width = fits[i].width;
		if (fits[i].width)
			c->columns[shown++] = c->columns[i];
		else if (i < c->names)
			c->names = i;
	}
	c->num = shown;
	c->names = c->names < shown ? c->names : shown;
}

/* ---- rows ---- */

static void put_text(struct layout *l, enum top_style look, const struct column *c,
		     const char *text, size_t len)
{
	size_t blanks = len < c->width ? c->width - len : 0;

	if (c->right)
		pad(l, look, blanks);
	put(l, look, text, len < c->width ? len : c->width, len < c->width ? len : c->width);
	if (!c->right)
		pad(l, look, blanks);
}

static void put_key_cell(struct layout *l, enum top_style look, const struct column *c,
			 const struct top_line *line)
{
	struct tabular_cell cell = { 0 };
	char text[FMT_U64_MAX + REMOTE_MOST];
	struct outbuf ob;
	size_t took;

	tabular__field(&cell, c->field, &line->row->sample, SINK_TEXT);
	outbuf__init_fixed(&ob, text, sizeof(text));
	if (cell.kind == TABULAR_NAME) {
		took = cell.guessed && put(l, look, "~", 1, 1);
		took += put_name(l, look, cell.text, cell.len, c->width - took);
		pad(l, look, c->width - took);
		return;
	}
	if (cell.kind == TABULAR_NUMBER)
		outbuf__u64(&ob, cell.number);
	else if (cell.kind == TABULAR_NONE)
		outbuf__char(&ob, '-');
	else
		fit__address(&ob, cell.text, cell.len, c->width);
	put_text(l, look, c, text, ob.len);
}

static size_t format_share(char *to, size_t size, uint64_t part, uint64_t whole)
{
	if (!whole)
		return (size_t)snprintf(to, size, "-");
	return (size_t)snprintf(to, size, "%llu", (unsigned long long)(part * 100 / whole));
}

static void put_percent(struct outbuf *ob, uint64_t percent)
{
	outbuf__char(ob, ' ');
	if (!percent)
		outbuf__char(ob, '<');
	outbuf__u64(ob, percent ?: 1);
	outbuf__char(ob, '%');
}

/* "close", or "close 97% exit 3%". */
static size_t format_causes(char *to, size_t size, const struct tally_counts *total)
{
	uint64_t left = total->closes;
	struct outbuf ob;
	bool taken[TWS_CAUSE_END] = { false };

	outbuf__init_fixed(&ob, to, size);
	while (left) {
		unsigned int most = 0;

		for (unsigned int i = 0; i < TWS_CAUSE_END; i++)
			if (!taken[i] && (taken[most] || total->causes[i] > total->causes[most]))
				most = i;
		if (taken[most] || !total->causes[most])
			break;
		taken[most] = true;
		if (ob.len)
			outbuf__char(&ob, ' ');
		outbuf__bytes(&ob, names__cause(most)->text, names__cause(most)->len);
		if (total->causes[most] != total->closes)
			put_percent(&ob, total->causes[most] * 100 / total->closes);
		left -= total->causes[most];
	}
	if (!ob.len)
		outbuf__char(&ob, '-');
	return ob.len;
}

static size_t format_pids(char *to, size_t size, const struct tally_row *row)
{
	if (!row || !row->num_pids)
		return (size_t)snprintf(to, size, "-");
	if (row->num_pids == 1)
		return (size_t)snprintf(to, size, "%u", row->pids[0]);
	if (row->num_pids <= TALLY_PIDS)
		return (size_t)snprintf(to, size, "%u PIDs", row->num_pids);
	return (size_t)snprintf(to, size, "many");
}

static size_t format_cell(char *to, size_t size, enum top_column what, const struct top_line *line,
			  unsigned int width)
{
	const struct tally_counts *total = &line->total;
	char address[FMT_IPV6_MAX + 10];
	struct outbuf ob;

	switch (what) {
	case TOP_CLOSES:
		if (line->is_quiet && !line->rate_milli)
			return (size_t)snprintf(to, size, "-");
		return format_rate(to, size, line->rate_milli);
	case TOP_HELD:
		return format_count(to, size, line->held);
	case TOP_TOTAL:
		return format_count(to, size, total->closes);
	case TOP_CLIENT:
		return format_share(to, size, total->client, total->closes);
	case TOP_PORTS:
		if (!line->ports_permille)
			return (size_t)snprintf(to, size, "-");
		return (size_t)snprintf(to, size, "%u.%u", line->ports_permille / 10,
					line->ports_permille % 10);
	case TOP_FAILED:
		return format_count(to, size, total->failed);
	case TOP_LIFETIME:
		if (!total->lifetimes)
			return (size_t)snprintf(to, size, "-");
		return fmt__lifetime(to, total->lifetime_ns / total->lifetimes);
	case TOP_CAUSES:
		return format_causes(to, size, total);
	case TOP_PIDS:
		return format_pids(to, size, line->row);
	default:
		break;
	}
	outbuf__init_fixed(&ob, to, size);
	if (!line->has_busiest) {
		outbuf__char(&ob, '-');
		return ob.len;
	}
	format_address(address, line->busiest.key.family, line->busiest.key.peer_addr,
		       line->busiest.key.peer_port);
	fit__address(&ob, address, strlen(address), width);
	return ob.len;
}

/* Colour, beside what the numbers and signs say already. */
static enum top_style look_of(const struct top_line *line, enum top_column what, enum top_style row)
{
	if (row != TOP_PLAIN)
		return row;
	if (what == TOP_PORTS)
		return look_of_share(line->ports_permille);
	if (what == TOP_FAILED && line->failed)
		return TOP_ALARM;
	return TOP_PLAIN;
}

static void put_row(struct layout *l, const struct columns *c, const struct top_line *line,
		    enum top_style look)
{
	char text[128];

	for (size_t i = 0; i < c->num; i++) {
		const struct column *column = &c->columns[i];

		if (i)
			pad(l, look, 1);
		if (column->what != TOP_NAME) {
			size_t len = format_cell(text, sizeof(text), column->what, line, column->width);

			put_text(l, look_of(line, column->what, look), column, text, len);
		} else if (line->row) {
			put_key_cell(l, look, column, line);
		} else {
			put_text(l, look, column, i ? "" : "~other", i ? 0 : 6);
		}
	}
	if (look == TOP_SELECTED && l->view->width)
		pad(l, look, l->view->width - l->column);
	end_line(l);
}

static void put_headings(struct layout *l, const struct columns *c)
{
	for (size_t i = 0; i < c->num; i++) {
		const struct column *column = &c->columns[i];
		bool sorted = column->what == l->view->sort && !l->view->frozen;

		if (i)
			pad(l, TOP_HEADING, 1);
		put_text(l, sorted ? TOP_SORTED : TOP_HEADING, column, column->heading,
			 strlen(column->heading));
	}
	if (l->view->width)
		pad(l, TOP_HEADING, l->view->width - l->column);
	end_line(l);
}

static size_t head_lines(const struct top_view *v)
{
	size_t lines = 0;

	for (size_t i = 0; i < HEAD_LINES; i++)
		lines += has_line(v, i);
	return lines;
}

size_t top_layout__page(const struct top_frame *frame, const struct top_view *view)
{
	size_t used = head_lines(view) + 2 + top_frame__has_others(frame);

	return view->height > used ? view->height - used : 0;
}

/* The selected row is to be seen. */
static void scroll(struct top_view *v, size_t num, size_t page)
{
	if (v->selected >= num)
		v->selected = num ? num - 1 : 0;
	if (v->first > v->selected || !page)
		v->first = v->selected;
	if (page && v->selected >= v->first + page)
		v->first = v->selected - page + 1;
	if (v->first + page > num)
		v->first = num > page ? num - page : 0;
}

static void put_rows(struct layout *l)
{
	const struct top_frame *frame = l->frame;
	struct top_view *v = l->view;
	size_t page = v->height ? top_layout__page(frame, v) : frame->num;
	struct columns c = { 0 };

	if (v->height)
		scroll(v, frame->num, page);
	else
		v->first = 0;
	choose_columns(l, &c);
	widen_all(l, &c, v->first, page);
	fit_columns(l, &c);
	put_headings(l, &c);
	for (size_t i = v->first; i < v->first + page && i < frame->num; i++) {
		const struct top_line *line = &frame->lines[i];
		bool selected = v->height && v->chosen && i == v->selected;

		put_row(l, &c, line, selected ? TOP_SELECTED : line->is_quiet ? TOP_DIM : TOP_PLAIN);
	}
	if (top_frame__has_others(frame))
		put_row(l, &c, &frame->others, frame->others.is_quiet ? TOP_DIM : TOP_PLAIN);
}

/* ---- one row ---- */

static void detail(struct layout *l, const char *name)
{
	say(l, TOP_BOLD, "%-13s", name);
}

/* All that the row is known by, over several lines if it is long. */
static void put_long(struct layout *l, const char *name, const char *text)
{
	unsigned int room = width_of(l) > 14 ? width_of(l) - 13 : 1;

	if (!text || !text[0])
		return;
	detail(l, name);
	put_name(l, TOP_PLAIN, text, strlen(text), room);
	end_line(l);
}

static void put_remotes(struct layout *l, const struct tally_row *row, uint32_t last_line)
{
	uint8_t order[REMOTES_KEPT];
	size_t num = remotes__order(&row->remotes, order);

	for (size_t i = 0; i < num && l->line < last_line; i++) {
		const struct remote *remote = &row->remotes.kept[order[i]];
		char address[FMT_IPV6_MAX + 10];

		format_address(address, remote->key.family, remote->key.peer_addr,
			       remote->key.peer_port);
		detail(l, i ? "" : "remotes");
		say(l, TOP_PLAIN, "%8llu", (unsigned long long)remote->count);
		if (remote->error)
			say(l, TOP_DIM, " (or %llu less)", (unsigned long long)remote->error);
		say(l, TOP_PLAIN, " %s", address);
		if (remote->key.peer_port) {
			format_address(address, remote->key.family, remote->key.local_addr, 0);
			say(l, TOP_DIM, " from %s", address);
		}
		end_line(l);
	}
}

static void put_pids(struct layout *l, const struct tally_row *row)
{
	if (!row->num_pids)
		return;
	detail(l, "PIDs");
	for (uint32_t i = 0; i < row->num_pids && i < TALLY_PIDS; i++)
		say(l, TOP_PLAIN, "%s%u", i ? " " : "", row->pids[i]);
	if (row->num_pids > TALLY_PIDS)
		say(l, TOP_PLAIN, " and others");
	end_line(l);
}

static void put_names(struct layout *l, const struct tally_row *row)
{
	const struct field *fields[TOP_KEY_COLUMNS];
	size_t num = top_frame__fields(&l->frame->keys, fields);

	for (size_t i = 0; i < num; i++) {
		struct tabular_cell cell = { 0 };

		tabular__field(&cell, fields[i], &row->sample, SINK_TEXT);
		detail(l, fields[i]->column.heading);
		if (cell.kind == TABULAR_NUMBER)
			say(l, TOP_BOLD, "%llu", (unsigned long long)cell.number);
		else if (cell.kind == TABULAR_NONE)
			say(l, TOP_BOLD, "-");
		else
			put_name(l, TOP_BOLD, cell.text, cell.len, width_of(l) - l->column);
		end_line(l);
	}
}

static void put_figures(struct layout *l, const struct top_line *line)
{
	const struct tally_counts *total = &line->total;
	char rate[32], text[128], lifetime[32];

	format_rate(rate, sizeof(rate), line->rate_milli);
	detail(l, "closes");
	say(l, TOP_PLAIN, "%s/s", rate);
	say(l, TOP_PLAIN, ", %llu in all", (unsigned long long)total->closes);
	say(l, TOP_PLAIN, ": %llu as client", (unsigned long long)total->client);
	say(l, TOP_PLAIN, ", %llu as server", (unsigned long long)total->server);
	end_line(l);
	detail(l, "TIME_WAIT");
	say(l, TOP_PLAIN, "%llu held now", (unsigned long long)line->held);
	if (line->ports_permille)
		say(l, look_of_share(line->ports_permille), ", %u.%u%% of a port set taken",
		    line->ports_permille / 10, line->ports_permille % 10);
	end_line(l);
	detail(l, "causes");
	text[format_causes(text, sizeof(text) - 1, total)] = '\0';
	say(l, TOP_PLAIN, "%s", text);
	end_line(l);
	if (total->lifetimes) {
		lifetime[fmt__lifetime(lifetime, total->lifetime_ns / total->lifetimes)] = '\0';
		detail(l, "lifetime");
		say(l, TOP_PLAIN, "%s on average", lifetime);
		end_line(l);
	}
	if (!total->failed)
		return;
	detail(l, "connects");
	say(l, line->failed ? TOP_ALARM : TOP_PLAIN, "%llu failed",
	    (unsigned long long)total->failed);
	end_line(l);
}

static void put_details(struct layout *l)
{
	const struct top_line *line;
	const struct tally_row *row;
	char label_room[RECORD_LABEL_BYTES];
	const char *container;
	size_t len;

	scroll(l->view, l->frame->num, 1);
	if (!l->frame->num) {
		say(l, TOP_PLAIN, "There is no such row any more.");
		end_line(l);
		return;
	}
	line = &l->frame->lines[l->view->selected];
	row = line->row;
	put_names(l, row);
	put_long(l, "command line", row->command_line);
	put_pids(l, row);
	container = record__label(&row->sample.workload, label_room, &len);
	if (container) {
		detail(l, "container");
		put_name(l, TOP_PLAIN, container, len, width_of(l) - l->column);
		end_line(l);
	}
	put_long(l, "image", row->sample.workload.container_image);
	put_long(l, "cgroup", row->sample.cgroup_path);
	put_figures(l, line);
	put_remotes(l, row, l->view->height ? l->view->height - 1 : UINT32_MAX);
}

/* ---- help ---- */

static const char *const help[] = {
	"q        quit; out of help and details as Esc",
	"1 to 5   rows by process, container, remote, remote:port, local port",
	"         0: as --by says",
	", .      sort by the column to the left, to the right",
	"r        turn the order round",
	"f        freeze the order, and thaw it",
	"/        show rows with this in their name or command line alone;",
	"         Enter keeps it, Esc drops it",
	"Up Down PgUp PgDn Home End   choose a row",
	"Enter    its remotes, command line, container",
	"Space    pause: what comes is counted nevertheless",
	"t T      of a recording: later, earlier",
	"",
	"CLOSES/s of the last ten seconds; '-': nothing of late, and dimmed",
	"HELD     sockets in TIME_WAIT now, TOTAL: since the start",
	"CLIENT%  closed as the client, whose local ports these keep",
	"PORTS%   of the fullest set of local ports that it uses",
	"~other   what has no row: too many, ended, filtered out",
};

static void put_help(struct layout *l)
{
	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
		size_t len = strlen(help[i]);

		if (l->view->height && l->line + 1 >= l->view->height)
			return;
		if (len > width_of(l))
			len = width_of(l);
		put(l, TOP_PLAIN, help[i], len, len);
		end_line(l);
	}
}

/* ---- the foot ---- */

static void put_keys(struct layout *l)
{
	static const char *const keys[] = {
		"q", " quit  ", "?", " help  ", "/", " filter  ", ", .", " sort  ", "r", " reverse  ",
		"1-5", " group  ", "Enter", " details  ", "Space", " pause  ", "f", " freeze",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i += 2) {
		if (strlen(keys[i]) + strlen(keys[i + 1]) > width_of(l) - l->column)
			return;
		say(l, TOP_BOLD, "%s", keys[i]);
		say(l, TOP_PLAIN, "%s", keys[i + 1]);
	}
}

static void put_foot(struct layout *l)
{
	const struct top_view *v = l->view;

	l->line = v->height - 1;
	l->end = v->height;
	l->column = 0;
	l->cut = false;
	if (v->typing) {
		say(l, TOP_BOLD, "/");
		put_name(l, TOP_PLAIN, v->filter, strlen(v->filter), width_of(l) - l->column - 1);
		l->cells->has_cursor = true;
		l->cells->cursor_line = l->line;
		l->cells->cursor_column = l->column;
	} else if (v->message) {
		put_name(l, TOP_NOTE, v->message, strlen(v->message), width_of(l));
	} else if (v->page != TOP_ROWS) {
		say(l, TOP_BOLD, "Esc");
		say(l, TOP_PLAIN, " back  ");
		say(l, TOP_BOLD, "q");
		say(l, TOP_PLAIN, " back");
	} else {
		put_keys(l);
	}
	end_line(l);
}

/* ---- all of it ---- */

int top_layout__make(struct top_cells *cells, const struct top_frame *frame,
		     struct top_view *view)
{
	struct layout l = { .cells = cells, .frame = frame, .view = view,
			    .end = view->height ? view->height - 1 : UINT32_MAX };

	cells->text.len = 0;
	cells->text.failed = false;
	cells->num = cells->lines = 0;
	cells->has_cursor = false;
	if (!cells->text.cap && outbuf__init(&cells->text, 4096))
		return -ENOMEM;
	if (view->page == TOP_HELP)
		put_help(&l);
	else if (view->page == TOP_DETAILS)
		put_title(&l), put_details(&l);
	else
		put_head(&l), put_rows(&l);
	if (view->height)
		put_foot(&l);
	return l.failed || cells->text.failed ? -ENOMEM : 0;
}

void top_layout__plain(const struct top_cells *cells, struct outbuf *to)
{
	size_t at = 0;

	for (uint32_t line = 0; line < cells->lines; line++) {
		size_t begin = to->len;

		for (; at < cells->num && cells->pieces[at].line == line; at++)
			outbuf__bytes(to, cells->text.data + cells->pieces[at].from,
				      cells->pieces[at].len);
		while (to->len > begin && to->data[to->len - 1] == ' ')
			to->len--;
		outbuf__char(to, '\n');
	}
}

void top_layout__free(struct top_cells *cells)
{
	outbuf__free(&cells->text);
	free(cells->pieces);
	*cells = (struct top_cells){ 0 };
}
