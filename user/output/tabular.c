// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "output/tabular.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "base/outbuf.h"

#define FLUSH_BYTES (64 * 1024)
#define SPARE_BYTES (8 * 1024)
#define LAST_MIN 12 /* a short container id, at least */
#define GUESS '~'

struct writer {
	const struct tabular *table;
	struct outbuf out;
	int fd;
	struct tabular_cell cells[TABULAR_COLUMNS];
	unsigned int widths[TABULAR_COLUMNS];
};

/* ---- cells ---- */

void tabular__number(struct tabular_cell *cell, uint64_t value)
{
	cell->kind = TABULAR_NUMBER;
	cell->number = value;
}

void tabular__decimal(struct tabular_cell *cell, uint64_t tenths)
{
	cell->kind = TABULAR_DECIMAL;
	cell->number = tenths;
}

void tabular__word(struct tabular_cell *cell, const char *text, size_t len)
{
	cell->kind = TABULAR_WORD;
	cell->text = text;
	cell->len = len;
}

void tabular__name_n(struct tabular_cell *cell, const char *text, size_t len)
{
	cell->kind = TABULAR_NAME;
	cell->text = text;
	cell->len = len;
}

void tabular__name(struct tabular_cell *cell, const char *text)
{
	if (text)
		tabular__name_n(cell, text, strlen(text));
}

void tabular__address(struct tabular_cell *cell, uint8_t family, const uint8_t *addr, int port)
{
	char *to = cell->own;
	bool brackets = family == AF_INET6 && port >= 0;

	_Static_assert(sizeof(cell->own) >= FMT_IPV6_MAX + 3 + FMT_U64_MAX, "address and port");
	if (brackets)
		*to++ = '[';
	to += family == AF_INET ? fmt__ipv4(to, addr) : fmt__ipv6(to, addr);
	if (brackets)
		*to++ = ']';
	if (port >= 0) {
		*to++ = ':';
		to += fmt__u64(to, (uint64_t)port);
	}
	tabular__word(cell, cell->own, (size_t)(to - cell->own));
}

void tabular__time(struct tabular_cell *cell, uint64_t ns)
{
	tabular__word(cell, cell->own, fmt__lifetime(cell->own, ns));
}

/* A number becomes text; a name stays what it is, to be escaped. */
static void print_number(struct tabular_cell *cell)
{
	char *to = cell->own;

	if (cell->kind == TABULAR_NUMBER) {
		to += fmt__u64(to, cell->number);
	} else if (cell->kind == TABULAR_DECIMAL) {
		to += fmt__u64(to, cell->number / 10);
		*to++ = '.';
		to += fmt__u64(to, cell->number % 10);
	} else {
		return;
	}
	cell->text = cell->own;
	cell->len = (size_t)(to - cell->own);
}

static void ask_row(struct writer *w, size_t index)
{
	for (size_t i = 0; i < w->table->num_columns; i++) {
		struct tabular_cell *cell = &w->cells[i];

		cell->kind = TABULAR_NONE;
		cell->color = TABULAR_PLAIN;
		cell->guessed = false;
	}
	w->table->fill(w->table->ctx, index, w->cells);
	for (size_t i = 0; i < w->table->num_columns; i++)
		print_number(&w->cells[i]);
}

/* ---- writing ---- */

static int write_some(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		struct pollfd wait = { .fd = fd, .events = POLLOUT };

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n == 0) {
			return -EIO;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int flush(struct writer *w)
{
	int err = w->out.failed ? -ENOMEM : write_some(w->fd, w->out.data, w->out.len);

	w->out.len = 0;
	return err;
}

static int flush_if_full(struct writer *w)
{
	return w->out.len >= FLUSH_BYTES ? flush(w) : 0;
}

/* ---- text ---- */

static void color(struct writer *w, const char *code)
{
	if (w->table->color)
		outbuf__bytes(&w->out, code, strlen(code));
}

static const char *code_of(const struct tabular_cell *cell)
{
	static const char *const codes[] = {
		[TABULAR_CYAN] = "\033[36m", [TABULAR_YELLOW] = "\033[33m",
	};

	return cell->kind == TABULAR_NONE ? "\033[2m" : codes[cell->color];
}

/* Appends a cell in at most @limit columns (0: any number), and returns how many. */
static size_t put_text(struct outbuf *ob, const struct tabular_cell *cell, unsigned int limit)
{
	size_t used = cell->guessed;

	if (cell->guessed)
		outbuf__char(ob, GUESS);
	switch (cell->kind) {
	case TABULAR_NONE:
		outbuf__char(ob, '-');
		return used + 1;
	case TABULAR_NAME:
		if (!cell->len)
			return used + escape__text_columns(ob, "''", 2, 2);
		return used + escape__text_columns(ob, cell->text, cell->len,
						   limit > used ? limit - used : 4096);
	default:
		outbuf__bytes(ob, cell->text, cell->len);
		return used + cell->len;
	}
}

/* How wide it will be, by writing it and taking it back. */
static size_t width_of(struct writer *w, const struct tabular_cell *cell, unsigned int limit)
{
	size_t start = w->out.len, used;

	if (cell->kind != TABULAR_NAME)
		return cell->guessed + (cell->kind == TABULAR_NONE ? 1 : cell->len);
	used = put_text(&w->out, cell, limit);
	w->out.len = start;
	return used;
}

static void measure(struct writer *w)
{
	const struct tabular *t = w->table;

	for (size_t i = 0; i < t->num_columns; i++)
		w->widths[i] = (unsigned int)strlen(t->columns[i].heading);
	for (size_t row = 0; row < t->num_rows; row++) {
		ask_row(w, row);
		for (size_t i = 0; i < t->num_columns; i++) {
			size_t used = width_of(w, &w->cells[i], t->columns[i].columns);

			if (used > w->widths[i])
				w->widths[i] = (unsigned int)used;
		}
	}
}

/* What is left for the last column, 0: as much as it likes. */
static unsigned int limit_of_last(const struct writer *w)
{
	const struct tabular *t = w->table;
	unsigned int used = 0;

	if (!t->width)
		return t->columns[t->num_columns - 1].columns;
	for (size_t i = 0; i + 1 < t->num_columns; i++)
		used += w->widths[i] + 1;
	return used + LAST_MIN < t->width ? t->width - used : LAST_MIN;
}

static void pad(struct outbuf *ob, size_t used, size_t width)
{
	if (used < width)
		outbuf__fill(ob, ' ', width - used);
}

/* Nothing stands behind the last column, not even blanks. */
static void put_cell(struct writer *w, size_t i, unsigned int limit)
{
	const struct tabular_cell *cell = &w->cells[i];
	bool right = w->table->columns[i].right;
	const char *code = code_of(cell);
	size_t used = 0;

	if (i)
		outbuf__char(&w->out, ' ');
	if (right)
		pad(&w->out, width_of(w, cell, limit), w->widths[i]);
	if (code)
		color(w, code);
	used = put_text(&w->out, cell, limit);
	if (code)
		color(w, "\033[0m");
	if (!right && i + 1 < w->table->num_columns)
		pad(&w->out, used, w->widths[i]);
}

static void put_heading(struct writer *w)
{
	color(w, "\033[1m");
	for (size_t i = 0; i < w->table->num_columns; i++) {
		const char *heading = w->table->columns[i].heading;
		size_t len = strlen(heading);

		if (i)
			outbuf__char(&w->out, ' ');
		if (w->table->columns[i].right)
			pad(&w->out, len, w->widths[i]);
		outbuf__bytes(&w->out, heading, len);
		if (!w->table->columns[i].right && i + 1 < w->table->num_columns)
			pad(&w->out, len, w->widths[i]);
	}
	color(w, "\033[0m");
	outbuf__char(&w->out, '\n');
}

static int write_text(struct writer *w)
{
	const struct tabular *t = w->table;
	unsigned int last;
	int err = 0;

	measure(w);
	last = limit_of_last(w);
	put_heading(w);
	for (size_t row = 0; !err && row < t->num_rows; row++) {
		ask_row(w, row);
		if (t->total && row + 1 == t->num_rows)
			color(w, "\033[1m");
		for (size_t i = 0; i < t->num_columns; i++)
			put_cell(w, i, i + 1 < t->num_columns ? t->columns[i].columns : last);
		if (t->total && row + 1 == t->num_rows)
			color(w, "\033[0m");
		outbuf__char(&w->out, '\n');
		err = flush_if_full(w);
	}
	return err ?: flush(w);
}

/* ---- JSON ---- */

/* The length of what two members have in common, up to and with the last dot. */
static size_t common_parent(const char *a, const char *b)
{
	size_t common = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '.')
			common = i + 1;
	return common;
}

static void close_objects(struct outbuf *ob, const char *member, size_t from)
{
	for (member += from; *member; member++)
		if (*member == '.')
			outbuf__char(ob, '}');
}

/* "a.b.c" after "a.x": closes nothing of a, opens b, names c. */
static void put_member(struct outbuf *ob, const char *before, const char *member)
{
	size_t common = before ? common_parent(before, member) : 0;

	if (before) {
		close_objects(ob, before, common);
		outbuf__char(ob, ',');
	}
	member += common;
	for (;;) {
		size_t len = strcspn(member, ".");

		outbuf__char(ob, '"');
		outbuf__bytes(ob, member, len);
		outbuf__lit(ob, "\":");
		member += len;
		if (!*member)
			break;
		outbuf__char(ob, '{');
		member++;
	}
}

static void put_json_value(struct outbuf *ob, const struct tabular_cell *cell)
{
	if (cell->kind == TABULAR_NUMBER || cell->kind == TABULAR_DECIMAL)
		outbuf__bytes(ob, cell->text, cell->len);
	else
		escape__json(ob, cell->text, cell->len);
}

static int write_json(struct writer *w)
{
	const struct tabular *t = w->table;
	int err = 0;

	for (size_t row = 0; !err && row < t->num_rows; row++) {
		const char *before = NULL;

		ask_row(w, row);
		outbuf__char(&w->out, '{');
		for (size_t i = 0; i < t->num_columns; i++) {
			if (w->cells[i].kind == TABULAR_NONE)
				continue;
			put_member(&w->out, before, t->columns[i].member);
			put_json_value(&w->out, &w->cells[i]);
			before = t->columns[i].member;
		}
		if (before)
			close_objects(&w->out, before, 0);
		outbuf__lit(&w->out, "}\n");
		err = flush_if_full(w);
	}
	return err ?: flush(w);
}

/* ---- CSV ---- */

static void put_csv_value(struct outbuf *ob, const struct tabular_cell *cell)
{
	if (cell->kind == TABULAR_NAME)
		escape__csv(ob, cell->text, cell->len);
	else if (cell->kind != TABULAR_NONE)
		outbuf__bytes(ob, cell->text, cell->len);
}

static int write_csv(struct writer *w)
{
	const struct tabular *t = w->table;
	int err = 0;

	for (size_t i = 0; i < t->num_columns; i++) {
		if (i)
			outbuf__char(&w->out, ',');
		outbuf__bytes(&w->out, t->columns[i].member, strlen(t->columns[i].member));
	}
	outbuf__char(&w->out, '\n');
	for (size_t row = 0; !err && row < t->num_rows; row++) {
		ask_row(w, row);
		for (size_t i = 0; i < t->num_columns; i++) {
			if (i)
				outbuf__char(&w->out, ',');
			put_csv_value(&w->out, &w->cells[i]);
		}
		outbuf__char(&w->out, '\n');
		err = flush_if_full(w);
	}
	return err ?: flush(w);
}

int tabular__write(const struct tabular *table, int fd)
{
	static int (*const writers[])(struct writer *) = {
		[SINK_TEXT] = write_text, [SINK_JSON] = write_json, [SINK_CSV] = write_csv,
	};
	struct writer w = { .table = table, .fd = fd };
	int err;

	if (!table->num_columns || table->num_columns > TABULAR_COLUMNS)
		return -EINVAL;
	err = outbuf__init(&w.out, FLUSH_BYTES + SPARE_BYTES);
	if (err)
		return err;
	err = writers[table->format](&w);
	outbuf__free(&w.out);
	return err;
}
