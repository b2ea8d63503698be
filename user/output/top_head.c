// SPDX-License-Identifier: GPL-2.0
/*
 * The lines above the table of `twsnoop top`: of the host, not of rows.
 */
#include <string.h>
#include <sys/socket.h>

#include "model/names.h"
#include "output/top_pen.h"
#include "output/top_words.h"

#define LABEL_COLUMNS 10 /* before each line of the head */
#define FULL_SOON_S 60

static void label(struct top_pen *l, const char *text)
{
	pen__say(l, TOP_BOLD, "%-*s", LABEL_COLUMNS, text);
}

/* "process", or "remote,remote-port": as --by takes them. */
static void say_keys(struct top_pen *l)
{
	const struct tally_keys *keys = &l->frame->keys;

	pen__say(l, TOP_PLAIN, " by ");
	for (size_t i = 0; i < keys->num; i++)
		pen__say(l, TOP_BOLD, "%s%s", i ? "," : "", keys->keys[i]->word);
}

void top_head__title(struct top_pen *l)
{
	const struct top_view *v = l->view;

	pen__say(l, TOP_BOLD, "twsnoop top");
	if (v->time)
		pen__say(l, TOP_PLAIN, " %s", v->time);
	say_keys(l);
	if (v->paused)
		pen__say(l, TOP_NOTE, " [paused]");
	if (v->frozen)
		pen__say(l, TOP_NOTE, " [order frozen]");
	if (v->filter[0] && !v->typing) {
		if (pen__say(l, TOP_NOTE, " [with "))
			pen__name(l, TOP_NOTE, v->filter, strlen(v->filter), 30);
		pen__say(l, TOP_NOTE, "]");
	}
	if (v->frozen)
		; /* then by none of them */
	else if (v->sort == TOP_NAME)
		pen__say(l, TOP_PLAIN, ", sorted by name%s", v->reverse ? ", reversed" : "");
	else
		pen__say(l, TOP_PLAIN, ", %s %s first", v->reverse ? "least" : "most",
		    top_frame__word(v->sort));
	pen__end_line(l);
}

/* The closes of the last minute: @columns bars, each for as many seconds. */
static void put_bars(struct top_pen *l, unsigned int columns)
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
			outbuf__text(&ob, bars[height]);
	}
	pen__put(l, TOP_PLAIN, text, ob.len, columns);
}

static void put_closes(struct top_pen *l)
{
	const struct tally_host *host = &l->frame->host;
	static const unsigned int sizes[] = { 60, 30, 20, 15, 12 };
	uint32_t most = 0;
	char rate[32];

	for (unsigned int i = 0; i < TALLY_MINUTE; i++)
		most = host->minute[i] > most ? host->minute[i] : most;
	label(l, "closes");
	top_words__rate(rate, sizeof(rate), host->rate_milli);
	pen__say(l, TOP_BOLD, "%s/s", rate);
	pen__say(l, TOP_PLAIN, " ");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i] + 11 <= pen__width(l) - l->column && sizes[i] <= (l->view->height ? 60 : 30)) {
			put_bars(l, sizes[i]);
			break;
		}
	pen__say(l, TOP_PLAIN, " peak %u/s", most);
	pen__say(l, TOP_DIM, " in a minute");
	pen__say(l, TOP_PLAIN, ", %llu in all", (unsigned long long)l->frame->sum.total.closes);
	if (host->summed)
		pen__say(l, TOP_NOTE, ", %llu by sums", (unsigned long long)host->summed);
	if (host->unknown)
		pen__say(l, TOP_WARNING, ", and %llu events of ~other",
			 (unsigned long long)host->unknown);
	pen__end_line(l);
}

static void put_time_wait(struct top_pen *l)
{
	const struct tally_host *host = &l->frame->host;
	unsigned int permille = host->limit ?
		(unsigned int)(host->minis_there * 1000 / host->limit) : 0;

	label(l, "TIME_WAIT");
	pen__say(l, TOP_BOLD, "%llu", (unsigned long long)host->time_wait);
	if (host->limit)
		pen__say(l, top_words__look_of_share(permille), ", %u.%u%%%s of the limit", permille / 10, permille % 10,
		    permille >= FULL_ALARM ? "!" : "");
	if (host->limit)
		pen__say(l, TOP_PLAIN, " %llu", (unsigned long long)host->limit);
	if (host->overflows)
		pen__say(l, TOP_ALARM, ", %llu not made!", (unsigned long long)host->overflows);
	if (host->was_looked_at && host->unplaced)
		pen__say(l, TOP_PLAIN, ", %llu not in these rows", (unsigned long long)host->unplaced);
	if (l->view->limits)
		pen__say(l, TOP_WARNING, ", by the clock alone: %s", l->view->limits);
	pen__end_line(l);
}

static void put_states(struct top_pen *l)
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
		pen__say(l, TOP_PLAIN, "%s%s %llu", comma, names[i].name, (unsigned long long)num);
		comma = ", ";
	}
	pen__end_line(l);
}

static void put_ports(struct top_pen *l)
{
	const struct tally_host *host = &l->frame->host;
	const struct port_set_use *use = host->fullest;
	char local[FMT_IPV6_MAX + 10], peer[FMT_IPV6_MAX + 10];
	unsigned int permille;
	bool soon;

	label(l, "ports");
	if (!use) {
		pen__say(l, TOP_PLAIN, "none is taken by a client");
		pen__end_line(l);
		return;
	}
	permille = port_set__permille(use);
	soon = host->fullest_in_s <= FULL_SOON_S;
	top_words__address(local, use->key.family, use->key.local_addr, 0);
	top_words__address(peer, use->key.family, use->key.peer_addr, use->key.peer_port);
	pen__say(l, top_words__look_of_share(permille), "%u.%u%% taken", permille / 10, permille % 10);
	if (!host->fullest_in_s)
		pen__say(l, TOP_ALARM, ", full!");
	else if (soon)
		pen__say(l, TOP_ALARM, ", full in %u s!", host->fullest_in_s);
	else if (permille >= FULL_WARNING)
		pen__say(l, TOP_PLAIN, ", not full at this rate");
	pen__say(l, TOP_PLAIN, " (%u of %u)", use->live + use->held.now, use->usable);
	pen__say(l, TOP_PLAIN, " from %s to %s", local, peer);
	pen__end_line(l);
}

static void put_connects(struct top_pen *l)
{
	const struct tally_host *host = &l->frame->host;
	uint64_t failed = l->frame->sum.total.failed;
	const char *error = names__errno(host->error);
	char rate[32];

	label(l, "connects");
	if (l->view->blind) {
		pen__say(l, TOP_PLAIN, "failing: not seen");
		pen__say(l, TOP_PLAIN, ", %s", l->view->blind);
		pen__end_line(l);
		return;
	}
	top_words__rate(rate, sizeof(rate), host->failed_rate_milli);
	pen__say(l, host->failed_rate_milli ? TOP_ALARM : TOP_PLAIN, "%s/s failing%s", rate,
	    host->failed_rate_milli ? "!" : "");
	if (failed)
		pen__say(l, TOP_PLAIN, ", %llu in all", (unsigned long long)failed);
	if (host->error && error)
		pen__say(l, TOP_PLAIN, ", last with %s", error);
	pen__end_line(l);
}

static void put_account(struct top_pen *l)
{
	const struct feed_account *a = &l->view->account;

	label(l, "account");
	pen__say(l, a->lost ? TOP_ALARM : TOP_PLAIN, "lost=%llu%s", (unsigned long long)a->lost,
	    a->lost ? "!" : "");
	pen__say(l, TOP_PLAIN, " delivered=%llu", (unsigned long long)a->delivered);
	pen__say(l, a->unattributed ? TOP_WARNING : TOP_PLAIN, " unattributed=%llu",
	    (unsigned long long)a->unattributed);
	pen__say(l, a->map_full ? TOP_WARNING : TOP_PLAIN, " map_full=%llu",
	    (unsigned long long)a->map_full);
	pen__say(l, TOP_PLAIN, " recursion=%llu", (unsigned long long)a->recursion);
	pen__say(l, TOP_PLAIN, " snapshot=%llu", (unsigned long long)a->snapshot);
	pen__end_line(l);
}

/* The lines of the head, those that matter most first, for screens that are not high. */
static const struct {
	void (*put)(struct top_pen *l);
	unsigned int least_height;
} head[] = {
	{ top_head__title, 0 },     { put_closes, 4 }, { put_time_wait, 6 }, { put_states, 14 },
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

void top_head__put(struct top_pen *l)
{
	for (size_t i = 0; i < HEAD_LINES; i++)
		if (has_line(l->view, i))
			head[i].put(l);
}

size_t top_head__lines(const struct top_view *v)
{
	size_t lines = 0;

	for (size_t i = 0; i < HEAD_LINES; i++)
		lines += has_line(v, i);
	return lines;
}
