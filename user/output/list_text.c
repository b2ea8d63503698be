// SPDX-License-Identifier: GPL-2.0
#include "output/list_text.h"

#include <string.h>

#include "model/names.h"

#define NETNS_COLUMNS 12
#define PROCESS_COLUMNS 17

static void put_word(struct tabular_cell *cell, const struct word *word)
{
	tabular__word(cell, word->text, word->len);
}

static void put_side(struct tabular_cell *cell, unsigned int side)
{
	if (side == TWS_SIDE_UNKNOWN)
		return;
	put_word(cell, names__side(side));
	cell->color = side == TWS_SIDE_CLIENT ? TABULAR_CYAN : TABULAR_YELLOW;
}

static void put_cause(struct tabular_cell *cell, unsigned int cause)
{
	if (cause != TWS_CAUSE_UNKNOWN)
		put_word(cell, names__cause(cause));
}

static void put_state(struct tabular_cell *cell, const struct listing_row *row)
{
	put_word(cell, names__action(row->state == SOCKDIAG_FIN_WAIT2 ? TWS_FIN_WAIT2 :
								       TWS_TIME_WAIT));
}

void list_text__fill_netns(const struct listing *l, uint32_t inode, struct tabular_cell *cell)
{
	const char *name = listing__netns_name(l, inode);

	if (name)
		tabular__name(cell, name);
	else
		tabular__number(cell, inode);
}

static void put_name(struct tabular_cell *cell, const struct listing_process *process)
{
	tabular__name_n(cell, process->comm, strnlen(process->comm, TWS_COMM_LEN));
}

static const char *label_of(const struct group_context *ctx, const struct listing_row *row)
{
	const struct workload_of *of = workloads__get(ctx->workloads, listing__cgroup(row));

	return of ? of->label : NULL;
}

/* ---- rows ---- */

enum row_column {
	ROW_STATE,
	ROW_LEFT,
	ROW_LOCAL,
	ROW_PEER,
	ROW_NETNS,
	ROW_PID,
	ROW_PROCESS,
	ROW_SIDE,
	ROW_CAUSE,
	ROW_AGE,
	ROW_CONTAINER,
	ROW_COLUMNS,
};

static const struct tabular_column row_columns[ROW_COLUMNS] = {
	[ROW_STATE] = { .heading = "STATE" },
	[ROW_LEFT] = { .heading = "LEFT", .right = true },
	[ROW_LOCAL] = { .heading = "LOCAL" },
	[ROW_PEER] = { .heading = "PEER" },
	[ROW_NETNS] = { .heading = "NETNS", .columns = NETNS_COLUMNS },
	[ROW_PID] = { .heading = "PID", .right = true },
	[ROW_PROCESS] = { .heading = "PROCESS", .columns = PROCESS_COLUMNS },
	[ROW_SIDE] = { .heading = "SIDE" },
	[ROW_CAUSE] = { .heading = "CAUSE" },
	[ROW_AGE] = { .heading = "AGE", .right = true },
	[ROW_CONTAINER] = { .heading = "CONTAINER" },
};

struct rows {
	const struct group_context *ctx;
	const uint32_t *order;
	bool netns, containers; /* these columns are shown */
};

static void fill_row(void *arg, size_t index, struct tabular_cell *cells)
{
	const struct rows *rows = arg;
	const struct listing *l = rows->ctx->listing;
	const struct listing_row *row = &l->rows[rows->order[index]];
	struct listing_process process;

	put_state(cells++, row);
	tabular__time(cells++, row->left_ns);
	tabular__address(cells++, row->family, row->key.local_addr, row->key.local_port);
	tabular__address(cells++, row->family, row->key.peer_addr, row->key.peer_port);
	if (rows->netns)
		list_text__fill_netns(l, row->key.netns, cells++);
	if (listing__process(l, row, &process)) {
		tabular__number(&cells[0], process.tgid);
		put_name(&cells[1], &process);
		cells[1].guessed = row->evidence == OWNER_INFERRED;
	}
	put_side(&cells[2], row->side);
	put_cause(&cells[3], listing__cause(row));
	tabular__time(&cells[4], listing__age_ns(l, row));
	if (rows->containers)
		tabular__name(&cells[5], label_of(rows->ctx, row));
}

int list_text__rows(const struct group_context *ctx, const struct list_style *style,
		    const uint32_t *order, int fd)
{
	struct tabular_column columns[ROW_COLUMNS];
	struct rows rows = {
		.ctx = ctx,
		.order = order,
		.netns = ctx->listing->num_netns > 1,
		.containers = workloads__any(ctx->workloads),
	};
	struct tabular table = {
		.columns = columns, .num_rows = ctx->listing->num, .fill = fill_row,
		.ctx = &rows, .format = SINK_TEXT, .color = style->color,
		.width = rows.containers ? style->width : 0,
	};

	for (size_t i = 0; i < ROW_COLUMNS; i++) {
		if ((i == ROW_NETNS && !rows.netns) || (i == ROW_CONTAINER && !rows.containers))
			continue;
		columns[table.num_columns++] = row_columns[i];
	}
	return tabular__write(&table, fd);
}

/* ---- groups ---- */

/* What a key shows: text has one or two columns, the others name each part. */
enum group_column {
	COL_LOCAL,
	COL_LOCAL_PORT,
	COL_REMOTE,
	COL_REMOTE_PORT,
	COL_NETNS,
	COL_NETNS_NAME,
	COL_PID,
	COL_PROCESS,
	COL_UID,
	COL_LABEL,
	COL_CONTAINER_ID,
	COL_CONTAINER_NAME,
	COL_POD,
	COL_POD_NAMESPACE,
	COL_POD_CONTAINER,
	COL_UNIT,
	COL_STATE,
	COL_SIDE,
	COL_CAUSE,
	COL_COUNT,
	COL_INFERRED,
	COL_END,
};

static const struct tabular_column group_columns[COL_END] = {
	[COL_COUNT] = { "COUNT", "count", true, 0 },
	[COL_INFERRED] = { "INFERRED", "inferred", true, 0 },
	[COL_LOCAL] = { "LOCAL", "network.local.address", false, 0 },
	[COL_LOCAL_PORT] = { "LPORT", "network.local.port", true, 0 },
	[COL_REMOTE] = { "PEER", "network.peer.address", false, 0 },
	[COL_REMOTE_PORT] = { "PPORT", "network.peer.port", true, 0 },
	[COL_NETNS] = { "NETNS", "network.netns", false, NETNS_COLUMNS },
	[COL_NETNS_NAME] = { "", "network.netns_name", false, 0 },
	[COL_PID] = { "PID", "process.pid", true, 0 },
	[COL_PROCESS] = { "PROCESS", "process.name", false, PROCESS_COLUMNS },
	[COL_UID] = { "UID", "process.user.id", true, 0 },
	[COL_LABEL] = { "CONTAINER", "", false, 0 },
	[COL_CONTAINER_ID] = { "", "container.id", false, 0 },
	[COL_CONTAINER_NAME] = { "", "container.name", false, 0 },
	[COL_POD] = { "", "k8s.pod.name", false, 0 },
	[COL_POD_NAMESPACE] = { "", "k8s.namespace.name", false, 0 },
	[COL_POD_CONTAINER] = { "", "k8s.container.name", false, 0 },
	[COL_UNIT] = { "", "systemd.unit", false, 0 },
	[COL_STATE] = { "STATE", "tcp.state", false, 0 },
	[COL_SIDE] = { "SIDE", "tcp.side", false, 0 },
	[COL_CAUSE] = { "CAUSE", "tcp.cause", false, 0 },
};

struct groups {
	const struct group_context *ctx;
	const struct list_style *style;
	const struct group *groups;
	size_t num;
	uint64_t total, inferred;
	size_t num_columns;
	enum group_column columns[COL_END];
};

static void add_column(struct groups *g, enum group_column column)
{
	for (size_t i = 0; i < g->num_columns; i++)
		if (g->columns[i] == column)
			return;
	g->columns[g->num_columns++] = column;
}

static void add_container(struct groups *g)
{
	if (g->style->format == SINK_TEXT) {
		add_column(g, COL_LABEL);
		return;
	}
	for (int column = COL_CONTAINER_ID; column <= COL_UNIT; column++)
		add_column(g, (enum group_column)column);
}

static void add_key(struct groups *g, enum group_key key)
{
	static const enum group_column simple[GROUP_KEY_END] = {
		[GROUP_LOCAL] = COL_LOCAL,   [GROUP_LOCAL_PORT] = COL_LOCAL_PORT,
		[GROUP_REMOTE] = COL_REMOTE, [GROUP_REMOTE_PORT] = COL_REMOTE_PORT,
		[GROUP_PROCESS] = COL_PROCESS, [GROUP_UID] = COL_UID,
		[GROUP_STATE] = COL_STATE,   [GROUP_SIDE] = COL_SIDE,
		[GROUP_CAUSE] = COL_CAUSE,
	};

	switch (key) {
	case GROUP_NETNS:
		add_column(g, COL_NETNS);
		if (g->style->format != SINK_TEXT)
			add_column(g, COL_NETNS_NAME);
		break;
	case GROUP_PID:
		add_column(g, COL_PID);
		add_column(g, COL_PROCESS);
		break;
	case GROUP_CONTAINER:
		add_container(g);
		break;
	default:
		add_column(g, simple[key]);
	}
}

/* Of a process, if that is a key, some may be inferred. */
static bool names_process(const struct group_keys *keys)
{
	for (size_t i = 0; i < keys->num; i++)
		if (keys->keys[i] == GROUP_PROCESS || keys->keys[i] == GROUP_PID ||
		    keys->keys[i] == GROUP_UID)
			return true;
	return false;
}

/* JSON's members must stand together: there the order is that of enum group_key. */
static void choose_columns(struct groups *g, const struct group_keys *keys)
{
	bool text = g->style->format == SINK_TEXT;

	add_column(g, COL_COUNT);
	if (names_process(keys) && (!text || g->inferred))
		add_column(g, COL_INFERRED);
	if (text) {
		for (size_t i = 0; i < keys->num; i++)
			add_key(g, keys->keys[i]);
		return;
	}
	for (int key = 0; key < GROUP_KEY_END; key++)
		for (size_t i = 0; i < keys->num; i++)
			if (keys->keys[i] == (enum group_key)key)
				add_key(g, keys->keys[i]);
}

static void fill_process(struct tabular_cell *cell, enum group_column column,
			 const struct groups *g, const struct group *group)
{
	const struct listing *l = g->ctx->listing;
	struct listing_process process;

	if (!listing__process(l, &l->rows[group->row], &process))
		return;
	if (column == COL_PID)
		tabular__number(cell, process.tgid);
	else if (column == COL_UID)
		tabular__number(cell, process.uid);
	else
		put_name(cell, &process);
	/* only where nobody saw any of them */
	cell->guessed = g->style->format == SINK_TEXT && column == COL_PROCESS &&
			group->inferred == group->count;
}

static void fill_workload(struct tabular_cell *cell, enum group_column column,
			  const struct workload_of *of)
{
	const struct workload *w = of ? &of->workload : NULL;

	if (!of)
		return;
	switch (column) {
	case COL_LABEL:
		tabular__name(cell, of->label);
		break;
	case COL_CONTAINER_ID:
		tabular__name(cell, w->container_id);
		break;
	case COL_CONTAINER_NAME:
		tabular__name(cell, w->container_name);
		break;
	case COL_POD:
		tabular__name(cell, w->pod_name);
		break;
	case COL_POD_NAMESPACE:
		tabular__name(cell, w->pod_namespace);
		break;
	case COL_POD_CONTAINER:
		tabular__name(cell, w->pod_container);
		break;
	default:
		tabular__name(cell, w->unit);
	}
}

static void fill_netns(struct tabular_cell *cell, enum group_column column,
		       const struct groups *g, uint32_t inode)
{
	if (column == COL_NETNS_NAME)
		tabular__name(cell, listing__netns_name(g->ctx->listing, inode));
	else if (g->style->format == SINK_TEXT)
		list_text__fill_netns(g->ctx->listing, inode, cell);
	else
		tabular__number(cell, inode);
}

/* Words for what is not known: text has a dash. */
static void fill_tcp(struct tabular_cell *cell, enum group_column column,
		     const struct groups *g, const struct listing_row *row)
{
	bool text = g->style->format == SINK_TEXT;

	if (column == COL_STATE)
		put_state(cell, row);
	else if (column == COL_SIDE && text)
		put_side(cell, row->side);
	else if (column == COL_SIDE)
		put_word(cell, names__side(row->side));
	else if (text)
		put_cause(cell, listing__cause(row));
	else
		put_word(cell, names__cause(listing__cause(row)));
}

static void fill_cell(struct tabular_cell *cell, enum group_column column,
		      const struct groups *g, const struct group *group)
{
	const struct listing_row *row = &g->ctx->listing->rows[group->row];

	switch (column) {
	case COL_COUNT:
		tabular__number(cell, group->count);
		break;
	case COL_INFERRED:
		tabular__number(cell, group->inferred);
		break;
	case COL_LOCAL:
		tabular__address(cell, row->family, row->key.local_addr, -1);
		break;
	case COL_LOCAL_PORT:
		tabular__number(cell, row->key.local_port);
		break;
	case COL_REMOTE:
		tabular__address(cell, row->family, row->key.peer_addr, -1);
		break;
	case COL_REMOTE_PORT:
		tabular__number(cell, row->key.peer_port);
		break;
	case COL_NETNS:
	case COL_NETNS_NAME:
		fill_netns(cell, column, g, row->key.netns);
		break;
	case COL_PID:
	case COL_PROCESS:
	case COL_UID:
		fill_process(cell, column, g, group);
		break;
	case COL_STATE:
	case COL_SIDE:
	case COL_CAUSE:
		fill_tcp(cell, column, g, row);
		break;
	default:
		fill_workload(cell, column,
			      workloads__get(g->ctx->workloads, listing__cgroup(row)));
	}
}

static void fill_total(const struct groups *g, struct tabular_cell *cells)
{
	for (size_t i = 0; i < g->num_columns; i++) {
		if (g->columns[i] == COL_COUNT)
			tabular__number(&cells[i], g->total);
		else if (g->columns[i] == COL_INFERRED)
			tabular__number(&cells[i], g->inferred);
		else
			tabular__word(&cells[i], "", 0);
	}
	tabular__word(&cells[g->num_columns - 1], "total", 5);
}

static void fill_group(void *arg, size_t index, struct tabular_cell *cells)
{
	const struct groups *g = arg;

	if (index == g->num) {
		fill_total(g, cells);
		return;
	}
	for (size_t i = 0; i < g->num_columns; i++)
		fill_cell(&cells[i], g->columns[i], g, &g->groups[index]);
}

int list_text__groups(const struct group_context *ctx, const struct list_style *style,
		      const struct group_keys *keys, const struct group *groups, size_t num,
		      int fd)
{
	struct groups g = { .ctx = ctx, .style = style, .groups = groups, .num = num };
	struct tabular_column columns[COL_END];
	struct tabular table = {
		.columns = columns, .fill = fill_group, .ctx = &g, .format = style->format,
		.color = style->color, .total = style->format == SINK_TEXT,
	};

	for (size_t i = 0; i < num; i++) {
		g.total += groups[i].count;
		g.inferred += groups[i].inferred;
	}
	choose_columns(&g, keys);
	for (size_t i = 0; i < g.num_columns; i++)
		columns[i] = group_columns[g.columns[i]];
	table.num_columns = g.num_columns;
	table.num_rows = num + table.total;
	return tabular__write(&table, fd);
}
