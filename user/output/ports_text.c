// SPDX-License-Identifier: GPL-2.0
#include "output/ports_text.h"

#include <string.h>

#include "base/outbuf.h"

#define NETNS_COLUMNS 12
#define NETNS_LEAST 8 /* on a narrow terminal */

enum column {
	COL_NETNS_TEXT,
	COL_LOCAL,
	COL_PEER_TEXT,
	COL_PEER,
	COL_PEER_PORT,
	COL_NETNS,
	COL_NETNS_NAME,
	COL_INTERFACE,
	COL_SCOPE,
	COL_FIRST,
	COL_LAST,
	COL_USABLE,
	COL_TIME_WAIT,
	COL_LIVE,
	COL_CLOSE_WAIT,
	COL_BOUND,
	COL_LEFT,
	COL_REUSABLE,
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

/* The last three only where they say something. */
enum shown { TEXT = 1, DATA = 2, BOTH = TEXT | DATA, NETNS = 4, CLOSE_WAIT = 8, REUSABLE = 16 };

static const struct {
	struct tabular_column column;
	enum shown shown;
} all[COL_END] = {
	[COL_NETNS_TEXT] = { { "NETNS", "", false, NETNS_COLUMNS, 9, NETNS_LEAST }, NETNS },
	[COL_LOCAL] = { { "LOCAL", "network.local.address", false, 0, 3, 12 }, BOTH },
	[COL_PEER_TEXT] = { { "PEER", "", false, 0, 2, 12 }, TEXT },
	[COL_PEER] = { { "", "network.peer.address", false, 0, 20, 0 }, DATA },
	[COL_PEER_PORT] = { { "", "network.peer.port", false, 0, 20, 0 }, DATA },
	[COL_NETNS] = { { "", "network.netns", false, 0, 20, 0 }, DATA },
	[COL_NETNS_NAME] = { { "", "network.netns_name", false, 0, 20, 0 }, DATA },
	[COL_INTERFACE] = { { "", "network.interface.index", false, 0, 20, 0 }, DATA },
	[COL_SCOPE] = { { "", "ports.scope", false, 0, 20, 0 }, DATA },
	[COL_FIRST] = { { "", "ports.first", false, 0, 20, 0 }, DATA },
	[COL_LAST] = { { "", "ports.last", false, 0, 20, 0 }, DATA },
	[COL_USABLE] = { { "USABLE", "ports.usable", true, 0, 7, 0 }, BOTH },
	[COL_TIME_WAIT] = { { "TIME_WAIT", "ports.time_wait", true, 0, 8, 0 }, BOTH },
	[COL_LIVE] = { { "LIVE", "ports.live", true, 0, 10, 0 }, BOTH },
	[COL_CLOSE_WAIT] = { { "CLOSE_WAIT", "ports.close_wait", true, 0, 11, 0 },
		DATA | CLOSE_WAIT },
	[COL_BOUND] = { { "BOUND", "ports.bound", true, 0, 12, 0 }, BOTH },
	[COL_LEFT] = { { "LEFT", "ports.left", true, 0, 1, 0 }, BOTH },
	[COL_REUSABLE] = { { "REUSABLE", "ports.reusable", true, 0, 6, 0 }, DATA | REUSABLE },
	[COL_PERCENT] = { { "USED%", "ports.used_percent", true, 0, 5, 0 }, BOTH },
	[COL_UNKNOWN] = { { "", "ports.unknown_owner", true, 0, 20, 0 }, DATA },
	[COL_OWNERS] = { { "TAKEN BY", "", false, 0, 4, 12 }, TEXT },
	[COL_PID] = { { "", "process.pid", false, 0, 20, 0 }, DATA },
	[COL_PROCESS] = { { "", "process.name", false, 0, 20, 0 }, DATA },
	[COL_PROCESS_PORTS] = { { "", "process.ports", false, 0, 20, 0 }, DATA },
	[COL_INFERRED] = { { "", "process.inferred", false, 0, 20, 0 }, DATA },
	[COL_NAMES] = { { "", "process.names", false, 0, 20, 0 }, DATA },
	[COL_REUSE] = { { "", "limits.tcp_tw_reuse", false, 0, 20, 0 }, DATA },
};

struct view {
	const struct ports *ports;
	const struct listing *l;
	bool text;
	size_t num_columns;
	enum column columns[COL_END];
	char owners[512]; /* of the row at hand */
	char local[80];	  /* likewise */
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

/* The share that is not left, of those that connect() may choose. */
static uint64_t tenths_of_percent(const struct ports_place *place)
{
	return (uint64_t)(place->time_wait + place->live + place->bound) * 1000 / place->usable;
}

static bool is_any(const uint8_t *addr)
{
	static const uint8_t any[16];

	return !memcmp(addr, any, sizeof(any));
}

/* "10.0.0.5:10000-10019", "10.0.0.5%2" of a device, and "*" for what is bound to no address. */
static void fill_local(struct view *v, struct tabular_cell *cell, const struct ports_place *place)
{
	struct outbuf ob;

	if (place->scope == PORTS_ALL && is_any(place->key.local_addr)) {
		if (v->text)
			tabular__word(cell, "*", 1);
		return;
	}
	tabular__address(cell, place->family, place->key.local_addr,
			 place->scope == PORTS_OWN && v->text ? (int)place->first_port : -1);
	if (!v->text || (place->scope != PORTS_OWN && !place->key.ifindex))
		return;
	outbuf__init_fixed(&ob, v->local, sizeof(v->local));
	outbuf__bytes(&ob, cell->text, cell->len);
	if (place->scope == PORTS_OWN && place->last_port != place->first_port) {
		outbuf__char(&ob, '-');
		outbuf__u64(&ob, place->last_port);
	}
	if (place->key.ifindex) {
		outbuf__char(&ob, '%');
		outbuf__u64(&ob, place->key.ifindex);
	}
	tabular__word(cell, v->local, ob.len);
}

static void fill_peer(struct tabular_cell *cell, enum column column,
		      const struct ports_place *place)
{
	if (place->scope == PORTS_ALL) {
		if (column == COL_PEER_TEXT)
			tabular__word(cell, "*", 1);
	} else if (column == COL_PEER_PORT) {
		tabular__number(cell, place->key.peer_port);
	} else {
		tabular__address(cell, place->family, place->key.peer_addr,
				 column == COL_PEER_TEXT ? place->key.peer_port : -1);
	}
}

static void fill_network(struct view *v, struct tabular_cell *cell, enum column column,
			 const struct ports_place *place)
{
	switch (column) {
	case COL_NETNS_TEXT:
		list_text__fill_netns(v->l, place->key.netns, cell);
		break;
	case COL_LOCAL:
		fill_local(v, cell, place);
		break;
	case COL_NETNS:
		tabular__number(cell, place->key.netns);
		break;
	case COL_NETNS_NAME:
		tabular__name(cell, listing__netns_name(v->l, place->key.netns));
		break;
	case COL_INTERFACE:
		if (place->key.ifindex)
			tabular__number(cell, place->key.ifindex);
		break;
	default:
		fill_peer(cell, column, place);
	}
}

static void fill_scope(struct tabular_cell *cell, enum column column,
		       const struct ports_place *place)
{
	static const char *const scopes[] = {
		[PORTS_PEER] = "peer", [PORTS_ALL] = "all", [PORTS_OWN] = "own",
	};

	if (column == COL_SCOPE)
		tabular__word(cell, scopes[place->scope], strlen(scopes[place->scope]));
	else if (place->scope == PORTS_OWN)
		tabular__number(cell, column == COL_FIRST ? place->first_port : place->last_port);
}

static void fill_count(struct tabular_cell *cell, enum column column,
		       const struct ports_place *place)
{
	switch (column) {
	case COL_USABLE:
		if (place->usable)
			tabular__number(cell, place->usable);
		break;
	case COL_TIME_WAIT:
		tabular__number(cell, place->time_wait);
		break;
	case COL_LIVE:
		tabular__number(cell, place->live);
		break;
	case COL_CLOSE_WAIT:
		tabular__number(cell, place->close_wait);
		break;
	case COL_BOUND:
		if (place->usable)
			tabular__number(cell, place->bound);
		break;
	case COL_LEFT:
		if (place->has_left)
			tabular__number(cell, place->left);
		break;
	case COL_REUSABLE:
		tabular__number(cell, place->reusable);
		break;
	case COL_PERCENT:
		if (place->usable)
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

		if (column < COL_SCOPE)
			fill_network(v, &cells[i], column, place);
		else if (column < COL_USABLE)
			fill_scope(&cells[i], column, place);
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
	struct view v = { .ports = ports, .l = l, .text = style->format == SINK_TEXT };
	struct tabular_column columns[COL_END];
	struct tabular table = {
		.columns = columns, .num_rows = ports->num, .fill = fill_row, .ctx = &v,
		.format = style->format, .color = style->color, .width = style->width,
	};
	unsigned int shown = style->format == SINK_TEXT ? TEXT : DATA;

	if (v.text && l->num_netns > 1)
		shown |= NETNS;
	for (size_t i = 0; i < ports->num; i++) {
		shown |= ports->places[i].close_wait ? CLOSE_WAIT : 0;
		shown |= ports->places[i].reusable ? REUSABLE : 0;
	}
	for (int i = 0; i < COL_END; i++) {
		if (!(all[i].shown & shown))
			continue;
		columns[v.num_columns] = all[i].column;
		v.columns[v.num_columns++] = (enum column)i;
	}
	table.num_columns = v.num_columns;
	return tabular__write(&table, fd);
}
