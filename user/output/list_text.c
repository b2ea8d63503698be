// SPDX-License-Identifier: GPL-2.0
#include "output/list_text.h"


#include "inventory/row_record.h"

/* ---- rows ---- */

struct rows {
	const struct group_context *ctx;
	const uint32_t *order;
	size_t num_columns;
	const struct field *columns[FIELD_MAX];
	/* Of the row at hand. */
	struct tws_event ev;
	struct record rec;
};

/* They are read out of order, so that no cache foresees which comes next. */
static void foresee(const struct rows *rows, size_t index)
{
	const struct listing *l = rows->ctx->listing;

	if (index + 8 < l->num) {
		const char *row = (const char *)&l->rows[rows->order[index + 8]];

		__builtin_prefetch(row);
		__builtin_prefetch(row + sizeof(struct listing_row) - 1);
		__builtin_prefetch(l->rows[rows->order[index + 4]].seen);
	}
}

static void fill_row(void *arg, size_t index, struct tabular_cell *cells)
{
	struct rows *rows = arg;

	foresee(rows, index);
	row_record__fill(rows->ctx, &rows->ctx->listing->rows[rows->order[index]], &rows->ev,
			 &rows->rec);
	for (size_t i = 0; i < rows->num_columns; i++)
		tabular__field(&cells[i], rows->columns[i], &rows->rec, SINK_TEXT);
}

/* From the left to the right. */
static void choose_row_columns(struct rows *rows)
{
	unsigned int on = (rows->ctx->listing->num_netns > 1 ? FIELD_WHEN_NETNS : 0) |
			  (workloads__any(rows->ctx->workloads) ? FIELD_WHEN_CONTAINERS : 0);

	for (size_t i = 0; i < field__count; i++) {
		const struct field *f = &field__table[i];
		size_t at = rows->num_columns;

		if (!f->column.list || f->column.when & ~on)
			continue;
		for (; at && rows->columns[at - 1]->column.list > f->column.list; at--)
			rows->columns[at] = rows->columns[at - 1];
		rows->columns[at] = f;
		rows->num_columns++;
	}
}

static int write_table(const struct group_context *ctx, const struct list_style *style,
		       const uint32_t *order, int fd)
{
	struct rows rows = { .ctx = ctx, .order = order };
	struct tabular_column columns[TABULAR_COLUMNS];
	struct tabular table = {
		.columns = columns, .num_rows = ctx->listing->num,
		.fill = fill_row, .ctx = &rows, .format = SINK_TEXT, .color = style->color,
		.width = style->width,
	};

	choose_row_columns(&rows);
	for (size_t i = 0; i < rows.num_columns; i++)
		columns[i] = tabular__column(rows.columns[i]);
	table.num_columns = rows.num_columns;
	return tabular__write(&table, fd);
}

static int write_records(const struct group_context *ctx, const struct list_style *style,
			 struct list_records *records, const uint32_t *order, int fd)
{
	const struct sink_options opts = { .format = style->format, .sockets = true };
	struct sink *sink;
	int err = sink__new(&sink, fd, &opts);

	if (err)
		return err;
	err = sink__begin(sink);
	for (size_t i = 0; !err && i < ctx->listing->num; i++)
		err = sink__put(sink, list_records__get(records, &ctx->listing->rows[order[i]]));
	if (!err)
		err = sink__flush(sink);
	sink__free(sink);
	return err;
}

int list_text__rows(const struct group_context *ctx, const struct list_style *style,
		    const struct list_records_sources *sources, const uint32_t *order, int fd)
{
	struct list_records *records;
	int err;

	if (style->format == SINK_TEXT)
		return write_table(ctx, style, order, fd);
	err = list_records__new(&records, ctx, sources);
	if (err)
		return err;
	err = write_records(ctx, style, records, order, fd);
	list_records__free(records);
	return err;
}

/* ---- groups ---- */

/* Each column is a field, but for the two counts. */
struct groups {
	const struct group_context *ctx;
	const struct list_style *style;
	const struct group *groups;
	size_t num;
	uint64_t total, inferred;
	bool shows_inferred;
	size_t num_fields;
	const struct field *fields[FIELD_MAX];
	/* Of the row at hand. */
	struct tws_event ev;
	struct record rec;
};

struct key_fields {
	const struct field **fields;
	size_t num;
};

static void add_key(struct key_fields *shown, const struct field_key *key, bool text)
{
	const char *const *names = !text && key->data[0] ? key->data : key->text;

	for (size_t i = 0; i < FIELD_KEY_COLUMNS && names[i]; i++) {
		const struct field *f = field__find(names[i]);
		size_t at = 0;

		while (at < shown->num && shown->fields[at] != f)
			at++;
		shown->fields[at] = f;
		if (at == shown->num)
			shown->num++;
	}
}

static bool contains(const struct group_keys *keys, const struct field_key *key)
{
	for (size_t i = 0; i < keys->num; i++)
		if (keys->keys[i] == key)
			return true;
	return false;
}

/* JSON's members must stand together: there the order is that of the table of keys. */
size_t list_text__key_fields(const struct group_keys *keys, enum sink_format format,
			     const struct field **fields)
{
	struct key_fields shown = { .fields = fields };
	bool text = format == SINK_TEXT;

	for (size_t i = 0; text && i < keys->num; i++)
		add_key(&shown, keys->keys[i], text);
	for (size_t i = 0; !text && i < field__num_keys; i++)
		if (contains(keys, &field__keys[i]))
			add_key(&shown, &field__keys[i], text);
	return shown.num;
}

static void choose_columns(struct groups *g, const struct group_keys *keys)
{
	bool text = g->style->format == SINK_TEXT, of_process = false;

	for (size_t i = 0; i < keys->num; i++)
		of_process |= keys->keys[i]->of_process;
	/* Of a process, if that is a key, some may be inferred. */
	g->shows_inferred = of_process && (!text || g->inferred);
	g->num_fields = list_text__key_fields(keys, g->style->format, g->fields);
}

static void fill_total(const struct groups *g, struct tabular_cell *cells)
{
	tabular__number(cells++, g->total);
	if (g->shows_inferred)
		tabular__number(cells++, g->inferred);
	for (size_t i = 0; i < g->num_fields; i++)
		tabular__word(&cells[i], "", 0);
	tabular__word(&cells[g->num_fields - 1], "total", 5);
}

static void fill_group(void *arg, size_t index, struct tabular_cell *cells)
{
	struct groups *g = arg;
	const struct group *group = &g->groups[index];

	if (index == g->num) {
		fill_total(g, cells);
		return;
	}
	row_record__fill(g->ctx, &g->ctx->listing->rows[group->row], &g->ev, &g->rec);
	/* a name is doubtful only where nobody saw any of them */
	g->rec.evidence = group->inferred == group->count ? OWNER_INFERRED : OWNER_SEEN;
	tabular__number(cells++, group->count);
	if (g->shows_inferred)
		tabular__number(cells++, group->inferred);
	for (size_t i = 0; i < g->num_fields; i++)
		tabular__field(&cells[i], g->fields[i], &g->rec, g->style->format);
}

int list_text__groups(const struct group_context *ctx, const struct list_style *style,
		      const struct group_keys *keys, const struct group *groups, size_t num,
		      int fd)
{
	struct groups g = { .ctx = ctx, .style = style, .groups = groups, .num = num };
	struct tabular_column columns[FIELD_MAX + 2] = {
		{ .heading = "COUNT", .member = "count", .right = true, .keep = 1 },
	};
	struct tabular table = {
		.columns = columns, .num_columns = 1, .fill = fill_group,
		.ctx = &g, .format = style->format, .color = style->color,
		.total = style->format == SINK_TEXT, .width = style->width,
	};

	for (size_t i = 0; i < num; i++) {
		g.total += groups[i].count;
		g.inferred += groups[i].inferred;
	}
	choose_columns(&g, keys);
	if (g.shows_inferred)
		columns[table.num_columns++] = (struct tabular_column){
			.heading = "INFERRED", .member = "inferred", .right = true, .keep = 20,
		};
	for (size_t i = 0; i < g.num_fields; i++)
		columns[table.num_columns++] = tabular__column(g.fields[i]);
	table.num_rows = num + table.total;
	return tabular__write(&table, fd);
}

/* ---- what other tables of a listing share ---- */

void list_text__fill_netns(const struct listing *l, uint32_t inode, struct tabular_cell *cell)
{
	const char *name = listing__netns_name(l, inode);

	if (name)
		tabular__name(cell, name);
	else
		tabular__number(cell, inode);
}
