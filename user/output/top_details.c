// SPDX-License-Identifier: GPL-2.0
/*
 * The page of one row of `twsnoop top`, and the page of help.
 */
#include <string.h>

#include "base/fmt.h"
#include "output/tabular.h"
#include "output/top_pen.h"
#include "output/top_words.h"

/* ---- one row ---- */

static void detail(struct top_pen *l, const char *name)
{
	pen__say(l, TOP_BOLD, "%-13s", name);
}

/* All that the row is known by, over several lines if it is long. */
static void put_long(struct top_pen *l, const char *name, const char *text)
{
	unsigned int room = pen__width(l) > 14 ? pen__width(l) - 13 : 1;

	if (!text || !text[0])
		return;
	detail(l, name);
	pen__name(l, TOP_PLAIN, text, strlen(text), room);
	pen__end_line(l);
}

static void put_remotes(struct top_pen *l, const struct tally_row *row, uint32_t last_line)
{
	uint8_t order[REMOTES_KEPT];
	size_t num = remotes__order(&row->remotes, order);

	for (size_t i = 0; i < num && l->line < last_line; i++) {
		const struct remote *remote = &row->remotes.kept[order[i]];
		char address[FMT_IPV6_MAX + 10];

		top_words__address(address, remote->key.family, remote->key.peer_addr,
			       remote->key.peer_port);
		detail(l, i ? "" : "remotes");
		pen__say(l, TOP_PLAIN, "%8llu", (unsigned long long)remote->count);
		if (remote->error)
			pen__say(l, TOP_DIM, " (or %llu less)", (unsigned long long)remote->error);
		pen__say(l, TOP_PLAIN, " %s", address);
		if (remote->key.peer_port) {
			top_words__address(address, remote->key.family, remote->key.local_addr, 0);
			pen__say(l, TOP_DIM, " from %s", address);
		}
		pen__end_line(l);
	}
}

static void put_pids(struct top_pen *l, const struct tally_row *row)
{
	if (!row->num_pids)
		return;
	detail(l, "PIDs");
	for (uint32_t i = 0; i < row->num_pids && i < TALLY_PIDS; i++)
		pen__say(l, TOP_PLAIN, "%s%u", i ? " " : "", row->pids[i]);
	if (row->num_pids > TALLY_PIDS)
		pen__say(l, TOP_PLAIN, " and others");
	pen__end_line(l);
}

static void put_names(struct top_pen *l, const struct tally_row *row)
{
	const struct field *fields[TOP_KEY_COLUMNS];
	size_t num = top_frame__fields(&l->frame->keys, fields);

	for (size_t i = 0; i < num; i++) {
		struct tabular_cell cell = { 0 };

		tabular__field(&cell, fields[i], &row->sample, SINK_TEXT);
		detail(l, fields[i]->column.heading);
		if (cell.kind == TABULAR_NUMBER)
			pen__say(l, TOP_BOLD, "%llu", (unsigned long long)cell.number);
		else if (cell.kind == TABULAR_NONE)
			pen__say(l, TOP_BOLD, "-");
		else
			pen__name(l, TOP_BOLD, cell.text, cell.len, pen__width(l) - l->column);
		pen__end_line(l);
	}
}

static void put_figures(struct top_pen *l, const struct top_line *line)
{
	const struct tally_counts *total = &line->total;
	char rate[32], text[128], lifetime[32];

	top_words__rate(rate, sizeof(rate), line->rate_milli);
	detail(l, "closes");
	pen__say(l, TOP_PLAIN, "%s/s", rate);
	pen__say(l, TOP_PLAIN, ", %llu in all", (unsigned long long)total->closes);
	pen__say(l, TOP_PLAIN, ": %llu as client", (unsigned long long)total->client);
	pen__say(l, TOP_PLAIN, ", %llu as server", (unsigned long long)total->server);
	pen__end_line(l);
	detail(l, "TIME_WAIT");
	pen__say(l, TOP_PLAIN, "%llu held now", (unsigned long long)line->held);
	if (line->ports_permille)
		pen__say(l, top_words__look_of_share(line->ports_permille), ", %u.%u%% of a port set taken",
		    line->ports_permille / 10, line->ports_permille % 10);
	pen__end_line(l);
	detail(l, "causes");
	text[top_words__causes(text, sizeof(text) - 1, total)] = '\0';
	pen__say(l, TOP_PLAIN, "%s", text);
	pen__end_line(l);
	if (total->lifetimes) {
		lifetime[fmt__lifetime(lifetime, total->lifetime_ns / total->lifetimes)] = '\0';
		detail(l, "lifetime");
		pen__say(l, TOP_PLAIN, "%s on average", lifetime);
		pen__end_line(l);
	}
	if (!total->failed)
		return;
	detail(l, "connects");
	pen__say(l, line->failed ? TOP_ALARM : TOP_PLAIN, "%llu failed",
	    (unsigned long long)total->failed);
	pen__end_line(l);
}

void top_details__put(struct top_pen *l)
{
	const struct top_line *line;
	const struct tally_row *row;
	char label_room[RECORD_LABEL_BYTES];
	const char *container;
	size_t len;

	top_rows__scroll(l->view, l->frame->num, 1);
	if (!l->frame->num) {
		pen__say(l, TOP_PLAIN, "There is no such row any more.");
		pen__end_line(l);
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
		pen__name(l, TOP_PLAIN, container, len, pen__width(l) - l->column);
		pen__end_line(l);
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

void top_details__help(struct top_pen *l)
{
	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
		size_t len = strlen(help[i]);

		if (l->view->height && l->line + 1 >= l->view->height)
			return;
		if (len > pen__width(l))
			len = pen__width(l);
		pen__put(l, TOP_PLAIN, help[i], len, len);
		pen__end_line(l);
	}
}
