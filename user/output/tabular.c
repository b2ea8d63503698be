// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "output/tabular.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fdwriter.h"
#include "base/fmt.h"
#include "base/json.h"
#include "base/outbuf.h"
#include "output/fit.h"

#define FLUSH_BYTES (64 * 1024)
#define SPARE_BYTES (8 * 1024)
#define GUESS '~'

struct writer {
	const struct tabular *table;
	struct outbuf out;
	int fd;
	struct tabular_cell cells[TABULAR_COLUMNS];
	size_t num_shown; /* text: the columns that there is room for, and how wide */
	struct shown {
		size_t column;
		unsigned int width;
	} shown[TABULAR_COLUMNS];
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

static void put_address(struct tabular_cell *cell, uint8_t family, const uint8_t *addr,
			const char *scope, int port)
{
	char *to = cell->own;
	bool brackets = family == AF_INET6 && port >= 0;

	_Static_assert(sizeof(cell->own) >= FMT_IPV6_MAX + 16 + 3 + FMT_U64_MAX, "address and port");
	if (brackets)
		*to++ = '[';
	to += family == AF_INET ? fmt__ipv4(to, addr) : fmt__ipv6(to, addr);
	if (scope) {
		*to++ = '%';
		to = stpcpy(to, scope);
	}
	if (brackets)
		*to++ = ']';
	if (port >= 0) {
		*to++ = ':';
		to += fmt__u64(to, (uint64_t)port);
	}
	tabular__word(cell, cell->own, (size_t)(to - cell->own));
	cell->kind = TABULAR_ADDRESS;
}

void tabular__address(struct tabular_cell *cell, uint8_t family, const uint8_t *addr, int port)
{
	put_address(cell, family, addr, NULL, port);
}

void tabular__time(struct tabular_cell *cell, uint64_t ns)
{
	tabular__word(cell, cell->own, fmt__lifetime(cell->own, ns));
}

/* Of a field: where only its width is asked for it need not be made. */
static void fill_address(struct tabular_cell *cell, const struct field_value *v, const char *scope,
			 int port)
{
	if (!cell->sized || v->family != AF_INET || scope) {
		put_address(cell, v->family, v->addr, scope, port);
		return;
	}
	cell->len = fmt__ipv4_len(v->addr) + (port >= 0 ? 1 + fmt__u64_len((uint64_t)port) : 0);
	cell->kind = TABULAR_ADDRESS;
}

/* Text that a reader made in its own room is copied into the cell's. */
static const char *keep_text(struct tabular_cell *cell, struct field_value *v)
{
	if (v->text != v->own)
		return v->text;
	if (v->len > sizeof(cell->own))
		v->len = sizeof(cell->own);
	memcpy(cell->own, v->text, v->len);
	return cell->own;
}

static void fill_number(struct tabular_cell *cell, enum field_unit unit, bool text, uint64_t number)
{
	if (text && unit == FIELD_NS)
		tabular__time(cell, number);
	else if (text && unit == FIELD_BYTES)
		tabular__word(cell, cell->own, fmt__size(cell->own, number));
	else
		tabular__number(cell, number);
}

void tabular__field(struct tabular_cell *cell, const struct field *field,
		    const struct record *rec, enum sink_format format)
{
	bool text = format == SINK_TEXT;
	struct field_value v;

	if (!field__read(field, rec, &v) || (text && v.vague))
		return;
	switch (field->type) {
	case FIELD_NUMBER:
		fill_number(cell, field->unit, text, v.number);
		break;
	case FIELD_ADDRESS:
		fill_address(cell, &v, NULL, -1);
		break;
	case FIELD_ENDPOINT:
		fill_address(cell, &v, v.scope, (int)v.number);
		break;
	case FIELD_NAME:
		tabular__name_n(cell, keep_text(cell, &v), v.len);
		break;
	default:
		tabular__word(cell, keep_text(cell, &v), v.len);
	}
	cell->color = v.color;
	cell->guessed = text && v.guessed;
}

struct tabular_column tabular__column(const struct field *field)
{
	return (struct tabular_column){
		.heading = field->column.heading,
		.member = field->name,
		.right = field->column.right,
		.columns = field->type == FIELD_NAME ? field->column.width : 0,
		.keep = field->column.keep,
		.least = field->column.least,
	};
}

/* A number becomes text; a name stays what it is, to be escaped. */
static void print_number(struct tabular_cell *cell)
{
	char *to = cell->own;

	if (cell->kind == TABULAR_NUMBER && cell->sized) {
		cell->len = fmt__u64_len(cell->number);
		return;
	}
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

static void ask_row(struct writer *w, size_t index, bool sized)
{
	for (size_t i = 0; i < w->table->num_columns; i++) {
		struct tabular_cell *cell = &w->cells[i];

		cell->kind = TABULAR_NONE;
		cell->color = FIELD_PLAIN;
		cell->guessed = false;
		cell->sized = sized;
	}
	w->table->fill(w->table->ctx, index, w->cells);
	for (size_t i = 0; i < w->table->num_columns; i++)
		print_number(&w->cells[i]);
}

/* ---- writing ---- */

static int flush(struct writer *w)
{
	int err = w->out.failed ? -ENOMEM : fdwriter__write_all(w->fd, w->out.data, w->out.len);

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
		outbuf__text(&w->out, code);
}

static const char *code_of(const struct tabular_cell *cell)
{
	static const char *const codes[] = {
		[FIELD_CYAN] = "\033[36m", [FIELD_YELLOW] = "\033[33m",
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
	case TABULAR_WORD:
	case TABULAR_ADDRESS:
		return used + fit__address(ob, cell->text, cell->len,
					   limit > used ? limit - (unsigned int)used : limit);
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

static void measure(struct writer *w, unsigned int widths[TABULAR_COLUMNS])
{
	const struct tabular *t = w->table;

	for (size_t i = 0; i < t->num_columns; i++)
		widths[i] = (unsigned int)strlen(t->columns[i].heading);
	for (size_t row = 0; row < t->num_rows; row++) {
		ask_row(w, row, true);
		for (size_t i = 0; i < t->num_columns; i++) {
			size_t used = width_of(w, &w->cells[i], t->columns[i].columns);

			if (used > widths[i])
				widths[i] = (unsigned int)used;
		}
	}
}

/* What a terminal has no room for is not shown. */
static void lay_out(struct writer *w)
{
	const struct tabular *t = w->table;
	unsigned int widths[TABULAR_COLUMNS];
	struct fit_column fits[TABULAR_COLUMNS];

	measure(w, widths);
	for (size_t i = 0; i < t->num_columns; i++)
		fits[i] = (struct fit_column){ widths[i], t->columns[i].least,
					       t->columns[i].keep, 0 };
	fit__columns(fits, t->num_columns, t->width);
	for (size_t i = 0; i < t->num_columns; i++)
		if (fits[i].width)
			w->shown[w->num_shown++] = (struct shown){ i, fits[i].width };
}

static void pad(struct outbuf *ob, size_t used, size_t width)
{
	if (used < width)
		outbuf__fill(ob, ' ', width - used);
}

/* Nothing stands behind the last column, not even blanks. */
static void put_cell(struct writer *w, const struct shown *shown, bool last)
{
	const struct tabular_column *column = &w->table->columns[shown->column];
	const struct tabular_cell *cell = &w->cells[shown->column];
	unsigned int limit = w->table->width ? shown->width : column->columns;
	const char *code = code_of(cell);
	size_t used = 0;

	if (column->right)
		pad(&w->out, width_of(w, cell, limit), shown->width);
	if (code)
		color(w, code);
	used = put_text(&w->out, cell, limit);
	if (code)
		color(w, "\033[0m");
	if (!column->right && !last)
		pad(&w->out, used, shown->width);
}

/* The word for the sum stands in the last column, so in the last that is shown. */
static void move_total(struct writer *w)
{
	size_t last = w->shown[w->num_shown - 1].column;

	if (last + 1 < w->table->num_columns && !w->table->columns[last].right)
		w->cells[last] = w->cells[w->table->num_columns - 1];
}

static void put_row(struct writer *w)
{
	for (size_t i = 0; i < w->num_shown; i++) {
		if (i)
			outbuf__char(&w->out, ' ');
		put_cell(w, &w->shown[i], i + 1 == w->num_shown);
	}
}

static void put_heading(struct writer *w)
{
	color(w, "\033[1m");
	for (size_t i = 0; i < w->num_shown; i++) {
		const struct tabular_column *column = &w->table->columns[w->shown[i].column];
		unsigned int width = w->shown[i].width;
		size_t len = strnlen(column->heading, width);

		if (i)
			outbuf__char(&w->out, ' ');
		if (column->right)
			pad(&w->out, len, width);
		outbuf__bytes(&w->out, column->heading, len);
		if (!column->right && i + 1 < w->num_shown)
			pad(&w->out, len, width);
	}
	color(w, "\033[0m");
	outbuf__char(&w->out, '\n');
}

static int write_text(struct writer *w)
{
	const struct tabular *t = w->table;
	int err = 0;

	lay_out(w);
	put_heading(w);
	for (size_t row = 0; !err && row < t->num_rows; row++) {
		bool total = t->total && row + 1 == t->num_rows;

		ask_row(w, row, false);
		if (total)
			move_total(w);
		if (total)
			color(w, "\033[1m");
		put_row(w);
		if (total)
			color(w, "\033[0m");
		outbuf__char(&w->out, '\n');
		err = flush_if_full(w);
	}
	return err ?: flush(w);
}

/* ---- JSON ---- */

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

		ask_row(w, row, false);
		for (size_t i = 0; i < t->num_columns; i++) {
			if (w->cells[i].kind == TABULAR_NONE)
				continue;
			json__member(&w->out, before, t->columns[i].member);
			put_json_value(&w->out, &w->cells[i]);
			before = t->columns[i].member;
		}
		json__finish(&w->out, before);
		outbuf__char(&w->out, '\n');
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
		outbuf__text(&w->out, t->columns[i].member);
	}
	outbuf__char(&w->out, '\n');
	for (size_t row = 0; !err && row < t->num_rows; row++) {
		ask_row(w, row, false);
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
