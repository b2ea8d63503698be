// SPDX-License-Identifier: GPL-2.0
#include "output/ports_text.h"

#include <string.h>

#include "base/outbuf.h"

#define NETNS_COLUMNS 12

enum column {
	COL_NETNS_TEXT,
	COL_LOCAL,
	COL_PEER_TEXT,
	COL_PEER,
	COL_PEER_PORT,
	COL_NETNS,
	COL_NETNS_NAME,
	COL_USABLE,
	COL_TIME_WAIT,
	COL_LIVE,
	COL_PERCENT,
	COL_UNKNOWN,
	COL_OWNERS,
	COL_PID,
	COL_PROCESS,
	COL_PROCESS_PORTS,
	COL_INFERRED,
	COL_NAMES,
	COL_REUSE,
	COL_END,
};

enum shown { TEXT = 1, DATA = 2, BOTH = TEXT | DATA, NETNS = 4 };

static const struct {
	struct tabular_column column;
	enum shown shown;
} all[COL_END] = {
	[COL_NETNS_TEXT] = { { "NETNS", "", false, NETNS_COLUMNS }, NETNS },
	[COL_LOCAL] = { { "LOCAL", "network.local.address", false, 0 }, BOTH },
	[COL_PEER_TEXT] = { { "PEER", "", false, 0 }, TEXT },
	[COL_PEER] = { { "", "network.peer.address", false, 0 }, DATA },
	[COL_PEER_PORT] = { { "", "network.peer.port", false, 0 }, DATA },
	[COL_NETNS] = { { "", "network.netns", false, 0 }, DATA },
	[COL_NETNS_NAME] = { { "", "network.netns_name", false, 0 }, DATA },
	[COL_USABLE] = { { "USABLE", "ports.usable", true, 0 }, BOTH },
	[COL_TIME_WAIT] = { { "TIME_WAIT", "ports.time_wait", true, 0 }, BOTH },
	[COL_LIVE] = { { "LIVE", "ports.live", true, 0 }, BOTH },
	[COL_PERCENT] = { { "USED%", "ports.used_percent", true, 0 }, BOTH },
	[COL_UNKNOWN] = { { "", "ports.unknown_owner", true, 0 }, DATA },
	[COL_OWNERS] = { { "TAKEN BY", "", false, 0 }, TEXT },
	[COL_PID] = { { "", "process.pid", false, 0 }, DATA },
	[COL_PROCESS] = { { "", "process.name", false, 0 }, DATA },
	[COL_PROCESS_PORTS] = { { "", "process.ports", false, 0 }, DATA },
	[COL_INFERRED] = { { "", "process.inferred", false, 0 }, DATA },
	[COL_NAMES] = { { "", "process.names", false, 0 }, DATA },
	[COL_REUSE] = { { "", "limits.tcp_tw_reuse", false, 0 }, DATA },
};

struct view {
	const struct ports *ports;
	const struct listing *l;
	size_t num_columns;
	enum column columns[COL_END];
	char owners[512]; /* of the row at hand */
};

/* "checkout 14210, ~curl 12, unknown 7"; the largest first. */
static void fill_owners(struct view *v, struct tabular_cell *cell,
			const struct ports_place *place)
{
	struct outbuf ob;

	outbuf__init_fixed(&ob, v->owners, sizeof(v->owners));
	for (size_t i = 0; i < PORTS_OWNERS && place->owners[i].count; i++) {
		const struct ports_owner *owner = &place->owners[i];

		if (i)
			outbuf__lit(&ob, ", ");
		if (owner->inferred == owner->count)
			outbuf__char(&ob, '~');
		outbuf__bytes(&ob, owner->comm, strnlen(owner->comm, sizeof(owner->comm)));
		outbuf__char(&ob, ' ');
		outbuf__u64(&ob, owner->count);
	}
	if (place->names > PORTS_OWNERS) {
		outbuf__lit(&ob, ", others ");
		outbuf__u64(&ob, place->names - PORTS_OWNERS);
	}
	if (place->unknown) {
		if (ob.len)
			outbuf__lit(&ob, ", ");
		outbuf__lit(&ob, "unknown ");
		outbuf__u64(&ob, place->unknown);
	}
	tabular__name_n(cell, v->owners, ob.len);
}

static uint64_t tenths_of_percent(const struct ports_place *place)
{
	return (uint64_t)(place->time_wait + place->live) * 1000 / place->usable;
}

static void fill_network(struct tabular_cell *cell, enum column column, const struct view *v,
			 const struct ports_place *place)
{
	switch (column) {
	case COL_NETNS_TEXT:
		list_text__fill_netns(v->l, place->key.netns, cell);
		break;
	case COL_LOCAL:
		tabular__address(cell, place->family, place->key.local_addr, -1);
		break;
	case COL_PEER_TEXT:
		tabular__address(cell, place->family, place->key.peer_addr,
				 place->key.peer_port);
		break;
	case COL_PEER:
		tabular__address(cell, place->family, place->key.peer_addr, -1);
		break;
	case COL_PEER_PORT:
		tabular__number(cell, place->key.peer_port);
		break;
	case COL_NETNS:
		tabular__number(cell, place->key.netns);
		break;
	default:
		tabular__name(cell, listing__netns_name(v->l, place->key.netns));
	}
}

static void fill_count(struct tabular_cell *cell, enum column column,
		       const struct ports_place *place)
{
	switch (column) {
	case COL_USABLE:
		tabular__number(cell, place->usable);
		break;
	case COL_TIME_WAIT:
		tabular__number(cell, place->time_wait);
		break;
	case COL_LIVE:
		tabular__number(cell, place->live);
		break;
	case COL_PERCENT:
		tabular__decimal(cell, tenths_of_percent(place));
		break;
	default:
		tabular__number(cell, place->unknown);
	}
}

/* The largest owner. */
static void fill_process(struct tabular_cell *cell, enum column column,
			 const struct ports_place *place)
{
	const struct ports_owner *owner = &place->owners[0];

	if (!owner->count)
		return;
	if (column == COL_PID && owner->tgid)
		tabular__number(cell, owner->tgid);
	else if (column == COL_PROCESS)
		tabular__name_n(cell, owner->comm, strnlen(owner->comm, sizeof(owner->comm)));
	else if (column == COL_PROCESS_PORTS)
		tabular__number(cell, owner->count);
	else if (column == COL_INFERRED)
		tabular__number(cell, owner->inferred);
	else if (column == COL_NAMES)
		tabular__number(cell, place->names);
}

static void fill_row(void *ctx, size_t index, struct tabular_cell *cells)
{
	struct view *v = ctx;
	const struct ports_place *place = &v->ports->places[index];

	for (size_t i = 0; i < v->num_columns; i++) {
		enum column column = v->columns[i];

		if (column < COL_USABLE)
			fill_network(&cells[i], column, v, place);
		else if (column < COL_OWNERS)
			fill_count(&cells[i], column, place);
		else if (column == COL_OWNERS)
			fill_owners(v, &cells[i], place);
		else if (column < COL_REUSE)
			fill_process(&cells[i], column, place);
		else if (listing__netns(v->l, place->key.netns)->limits.tw_reuse >= 0)
			tabular__number(&cells[i], (uint64_t)listing__netns(
				v->l, place->key.netns)->limits.tw_reuse);
	}
}

int ports_text__write(const struct ports *ports, const struct listing *l,
		      const struct list_style *style, int fd)
{
	struct view v = { .ports = ports, .l = l };
	struct tabular_column columns[COL_END];
	struct tabular table = {
		.columns = columns, .num_rows = ports->num, .fill = fill_row, .ctx = &v,
		.format = style->format, .color = style->color, .width = style->width,
	};
	unsigned int shown = style->format == SINK_TEXT ? TEXT : DATA;

	if (style->format == SINK_TEXT && l->num_netns > 1)
		shown |= NETNS;
	for (int i = 0; i < COL_END; i++) {
		if (!(all[i].shown & shown))
			continue;
		columns[v.num_columns] = all[i].column;
		v.columns[v.num_columns++] = (enum column)i;
	}
	table.num_columns = v.num_columns;
	return tabular__write(&table, fd);
}
