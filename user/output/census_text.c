// SPDX-License-Identifier: GPL-2.0
#include "output/census_text.h"

#include "inventory/row_record.h"

#define NETNS_COLUMNS 12
#define NETNS_LEAST 8 /* on a narrow terminal */

enum column {
	COL_SCOPE,
	COL_NETNS,
	COL_NETNS_NAME,
	COL_TOTAL,
	COL_ESTABLISHED,
	COL_SYN_SENT,
	COL_SYN_RECV,
	COL_FIN_WAIT1,
	COL_FIN_WAIT2,
	COL_CLOSE_WAIT,
	COL_LAST_ACK,
	COL_CLOSING,
	COL_CLOSE,
	COL_LISTEN,
	COL_MINIS,
	COL_TIME_WAIT,
	COL_MAX,
	COL_USED,
	COL_REUSE,
	COL_END,
};

static const struct {
	struct tabular_column column;
	uint8_t state; /* 0: none */
	bool always;   /* in text too, and if it is 0 everywhere */
} all[COL_END] = {
	[COL_SCOPE] = { { "", "scope", false, 0, 20, 0 }, 0, false },
	[COL_NETNS] = { { "NETNS", "network.netns", false, NETNS_COLUMNS, 1, NETNS_LEAST },
		0, true },
	[COL_NETNS_NAME] = { { "", "network.netns_name", false, 0, 20, 0 }, 0, false },
	[COL_TOTAL] = { { "TOTAL", "states.total", true, 0, 7, 0 }, 0, true },
	[COL_ESTABLISHED] = { { "ESTAB", "states.established", true, 0, 8, 0 },
		SOCKDIAG_ESTABLISHED, true },
	[COL_SYN_SENT] = { { "SYN_SENT", "states.syn_sent", true, 0, 13, 0 },
		SOCKDIAG_SYN_SENT, false },
	[COL_SYN_RECV] = { { "SYN_RECV", "states.syn_recv", true, 0, 14, 0 },
		SOCKDIAG_SYN_RECV, false },
	[COL_FIN_WAIT1] = { { "FIN_WAIT1", "states.fin_wait1", true, 0, 15, 0 },
		SOCKDIAG_FIN_WAIT1, false },
	[COL_FIN_WAIT2] = { { "FIN_WAIT2", "states.fin_wait2", true, 0, 12, 0 },
		SOCKDIAG_FIN_WAIT2, false },
	[COL_CLOSE_WAIT] = { { "CLOSE_WAIT", "states.close_wait", true, 0, 9, 0 },
		SOCKDIAG_CLOSE_WAIT, false },
	[COL_LAST_ACK] = { { "LAST_ACK", "states.last_ack", true, 0, 16, 0 },
		SOCKDIAG_LAST_ACK, false },
	[COL_CLOSING] = { { "CLOSING", "states.closing", true, 0, 17, 0 },
		SOCKDIAG_CLOSING, false },
	[COL_CLOSE] = { { "CLOSE", "states.close", true, 0, 18, 0 }, SOCKDIAG_CLOSE, false },
	[COL_LISTEN] = { { "LISTEN", "states.listen", true, 0, 10, 0 }, SOCKDIAG_LISTEN, true },
	[COL_MINIS] = { { "FW2_MINI", "states.fin_wait2_mini", true, 0, 6, 0 }, 0, true },
	[COL_TIME_WAIT] = { { "TIME_WAIT", "states.time_wait", true, 0, 2, 0 },
		SOCKDIAG_TIME_WAIT, true },
	[COL_MAX] = { { "TW_MAX", "limits.tcp_max_tw_buckets", true, 0, 5, 0 }, 0, true },
	[COL_USED] = { { "USED%", "limits.used_percent", true, 0, 4, 0 }, 0, true },
	[COL_REUSE] = { { "TW_REUSE", "limits.tcp_tw_reuse", true, 0, 19, 0 }, 0, false },
};

struct view {
	const struct census *census;
	enum sink_format format;
	size_t num_columns;
	enum column columns[COL_END];
};

static void choose_columns(struct view *v, struct tabular_column *columns)
{
	for (int i = 0; i < COL_END; i++) {
		bool shown = v->format != SINK_TEXT || all[i].always ||
			     (all[i].state && v->census->host.states[all[i].state]);

		if (!shown)
			continue;
		columns[v->num_columns] = all[i].column;
		v->columns[v->num_columns++] = (enum column)i;
	}
}

/* The sum stands first, and has no limits: those are the namespaces'. */
static void fill_limit(struct tabular_cell *cell, enum column column,
		       const struct census_netns *ns)
{
	if (!ns)
		return;
	if (column == COL_REUSE) {
		if (ns->limits.tw_reuse >= 0)
			tabular__number(cell, (uint64_t)ns->limits.tw_reuse);
	} else if (ns->limits.max_tw_buckets) {
		if (column == COL_MAX)
			tabular__number(cell, ns->limits.max_tw_buckets);
		else
			tabular__decimal(cell, ns->minis * 1000 / ns->limits.max_tw_buckets);
	}
}

static void fill_netns(struct tabular_cell *cell, enum sink_format format,
		       const struct census_netns *ns)
{
	if (!ns && format == SINK_TEXT)
		tabular__word(cell, "(host)", 6);
	else if (ns && format == SINK_TEXT)
		tabular__name(cell, ns->name);
	else if (ns)
		tabular__number(cell, ns->inode);
}

static void fill_cell(struct tabular_cell *cell, enum column column, const struct view *v,
		      const struct census_netns *ns)
{
	const struct census_counts *counts = ns ? &ns->counts : &v->census->host;

	switch (column) {
	case COL_SCOPE:
		tabular__word(cell, ns ? "netns" : "host", ns ? 5 : 4);
		break;
	case COL_NETNS:
		fill_netns(cell, v->format, ns);
		break;
	case COL_NETNS_NAME:
		tabular__name(cell, ns ? ns->name : NULL);
		break;
	case COL_TOTAL:
		tabular__number(cell, counts->total);
		break;
	case COL_MINIS:
		tabular__number(cell, counts->fin_wait2_minis);
		break;
	case COL_MAX:
	case COL_USED:
	case COL_REUSE:
		fill_limit(cell, column, ns);
		break;
	default:
		tabular__number(cell, counts->states[all[column].state]);
	}
}

static void fill_row(void *ctx, size_t index, struct tabular_cell *cells)
{
	const struct view *v = ctx;

	for (size_t i = 0; i < v->num_columns; i++)
		fill_cell(&cells[i], v->columns[i], v,
			  index ? &v->census->netns[index - 1] : NULL);
}

int census_text__write(const struct census *census, const struct list_style *style, int fd)
{
	struct view v = { .census = census, .format = style->format };
	struct tabular_column columns[COL_END];
	struct tabular table = {
		.columns = columns, .num_rows = census->num + 1,
		.fill = fill_row, .ctx = &v, .format = style->format, .color = style->color,
		.width = style->width,
	};

	choose_columns(&v, columns);
	table.num_columns = v.num_columns;
	return tabular__write(&table, fd);
}

/* ---- of groups ---- */

struct groups {
	const struct group_context *ctx;
	const struct group *groups;
	enum sink_format format;
	size_t num_fields, num_columns;
	const struct field *fields[FIELD_MAX];
	enum column columns[COL_END];
	/* Of the row at hand. */
	struct tws_event ev;
	struct record rec;
};

static void fill_group(void *arg, size_t index, struct tabular_cell *cells)
{
	struct groups *g = arg;
	const struct group *group = &g->groups[index];

	row_record__fill(g->ctx, &g->ctx->listing->rows[group->row], &g->ev, &g->rec);
	/* a name is doubtful only where nobody saw any of them */
	g->rec.evidence = group->inferred == group->count ? OWNER_INFERRED : OWNER_SEEN;
	for (size_t i = 0; i < g->num_fields; i++)
		tabular__field(cells++, g->fields[i], &g->rec, g->format);
	for (size_t i = 0; i < g->num_columns; i++) {
		enum column column = g->columns[i];

		tabular__number(cells++, column == COL_TOTAL ? group->count :
				column == COL_MINIS ? group->fin_wait2_minis :
						      group->states[all[column].state]);
	}
}

/* Limits are a namespace's, and are left to the table above. */
static void choose_states(struct groups *g, size_t num)
{
	uint64_t sums[SOCKDIAG_STATE_END] = { 0 };

	for (size_t i = 0; i < num; i++)
		for (int state = 0; state < SOCKDIAG_STATE_END; state++)
			sums[state] += g->groups[i].states[state];
	for (int i = COL_TOTAL; i <= COL_TIME_WAIT; i++)
		if (g->format != SINK_TEXT || all[i].always || sums[all[i].state])
			g->columns[g->num_columns++] = (enum column)i;
}

int census_text__groups(const struct group_context *ctx, const struct list_style *style,
			const struct group_keys *keys, const struct group *groups, size_t num,
			int fd)
{
	struct groups g = { .ctx = ctx, .groups = groups, .format = style->format };
	struct tabular_column columns[FIELD_MAX + COL_END];
	struct tabular table = {
		.columns = columns, .num_rows = num, .fill = fill_group, .ctx = &g,
		.format = style->format, .color = style->color,
		.width = style->width,
	};

	g.num_fields = list_text__key_fields(keys, style->format, g.fields);
	choose_states(&g, num);
	for (size_t i = 0; i < g.num_fields; i++)
		columns[table.num_columns++] = tabular__column(g.fields[i]);
	for (size_t i = 0; i < g.num_columns; i++)
		columns[table.num_columns++] = all[g.columns[i]].column;
	return tabular__write(&table, fd);
}
