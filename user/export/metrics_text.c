// SPDX-License-Identifier: GPL-2.0
/*
 * The text of a scrape. Both formats are the same but for the names in the lines of metadata (a
 * counter's has no _total in OpenMetrics, and an info's no _info), and the end.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://github.com/OpenObservability/OpenMetrics/blob/main/specification/OpenMetrics.md
 */
#include "export/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "export/metrics_held.h"
#include "model/names.h"

#define NS_PER_S 1000000000ULL

struct text {
	struct outbuf *ob;
	bool openmetrics;
	bool has_label; /* of the sample that is being written */
};

/* ---- one line ---- */

static void add(struct text *t, const char *s)
{
	outbuf__text(t->ob, s);
}

/* @suffix of the samples' name: the family has none in OpenMetrics. */
static void begin_family(struct text *t, const char *name, const char *suffix, const char *type,
			 const char *help)
{
	const char *behind = t->openmetrics ? "" : suffix;

	outbuf__lit(t->ob, "# HELP twsnoop_");
	add(t, name);
	add(t, behind);
	outbuf__char(t->ob, ' ');
	add(t, help);
	outbuf__lit(t->ob, "\n# TYPE twsnoop_");
	add(t, name);
	add(t, behind);
	outbuf__char(t->ob, ' ');
	add(t, type);
	outbuf__char(t->ob, '\n');
}

static void begin_counter(struct text *t, const char *name, const char *help)
{
	begin_family(t, name, "_total", "counter", help);
}

static void begin_gauge(struct text *t, const char *name, const char *help)
{
	begin_family(t, name, "", "gauge", help);
}

static void begin_sample(struct text *t, const char *name, const char *suffix)
{
	outbuf__lit(t->ob, "twsnoop_");
	add(t, name);
	add(t, suffix);
	t->has_label = false;
}

static void begin_label(struct text *t, const char *name)
{
	outbuf__char(t->ob, t->has_label ? ',' : '{');
	t->has_label = true;
	add(t, name);
	outbuf__lit(t->ob, "=\"");
}

/* What somebody chose: fit for a terminal first, and then for between quotes. */
static void label(struct text *t, const char *name, const char *value, size_t len)
{
	char shown[10 * METRICS_CONTAINER]; /* \UNNNNNNNN is the longest form */
	struct outbuf ob;

	outbuf__init_fixed(&ob, shown, sizeof(shown));
	escape__text(&ob, value, strnlen(value, len));
	begin_label(t, name);
	for (size_t i = 0; i < ob.len; i++) {
		if (shown[i] == '\\' || shown[i] == '"')
			outbuf__char(t->ob, '\\');
		outbuf__char(t->ob, shown[i]);
	}
	outbuf__char(t->ob, '"');
}

static void word_label(struct text *t, const char *name, const struct word *word)
{
	label(t, name, word->text, word->len);
}

static void end_sample(struct text *t)
{
	if (t->has_label)
		outbuf__char(t->ob, '}');
	outbuf__char(t->ob, ' ');
}

static void number(struct text *t, uint64_t value)
{
	end_sample(t);
	outbuf__u64(t->ob, value);
	outbuf__char(t->ob, '\n');
}

/* @whole and @part of a power of ten of @digits. */
static void decimal(struct text *t, uint64_t whole, uint64_t part, size_t digits)
{
	char text[FMT_U64_MAX];

	outbuf__u64(t->ob, whole);
	outbuf__char(t->ob, '.');
	outbuf__bytes(t->ob, text, fmt__padded(text, part, digits));
}

static void millionths(struct text *t, uint64_t value)
{
	end_sample(t);
	decimal(t, value / 1000000, value % 1000000, 6);
	outbuf__char(t->ob, '\n');
}

static void counter(struct text *t, const char *name, const char *help, uint64_t value)
{
	begin_counter(t, name, help);
	begin_sample(t, name, "_total");
	number(t, value);
}

/* ---- closes and failures ---- */

static void write_closes(struct text *t, const struct metrics *m)
{
	const struct metrics_series *series = NULL;

	begin_counter(t, "closes", "Closes that ended in TIME_WAIT, by who closed.");
	while ((series = table__next(m->series, series))) {
		const struct metrics_key *key = &series->key;

		if (key->kind != METRICS_CLOSES)
			continue;
		begin_sample(t, "closes", "_total");
		label(t, "k8s_namespace", key->k8s_namespace, sizeof(key->k8s_namespace));
		label(t, "container", key->container, sizeof(key->container));
		label(t, "process", key->comm, sizeof(key->comm));
		word_label(t, "side", names__side(key->side));
		word_label(t, "cause", names__cause(key->cause));
		number(t, series->count);
	}
}

static void errno_label(struct text *t, const struct metrics_key *key)
{
	const char *name = names__errno(key->error);
	char digits[16];

	if (!name && key->error) {
		snprintf(digits, sizeof(digits), "%" PRIu32, key->error);
		name = digits;
	}
	label(t, "errno", name ?: "~other", SIZE_MAX);
}

static void write_failures(struct text *t, const struct metrics *m)
{
	const struct metrics_series *series = NULL;

	begin_counter(t, "connect_failures", "Calls of connect() that failed, by who called.");
	while ((series = table__next(m->series, series))) {
		const struct metrics_key *key = &series->key;

		if (key->kind != METRICS_FAILURES)
			continue;
		begin_sample(t, "connect_failures", "_total");
		label(t, "container", key->container, sizeof(key->container));
		label(t, "process", key->comm, sizeof(key->comm));
		errno_label(t, key);
		number(t, series->count);
	}
}

static void write_ended(struct text *t, const struct metrics *m)
{
	begin_counter(t, "connections_ended", "Connection ends by what became of them; one in "
		      "fin_wait2 may be in time_wait later, too.");
	for (unsigned int action = 0; action < TWS_ACTION_END; action++) {
		if (!metrics__is_end(action) || (!m->opts.all && action != TWS_TIME_WAIT))
			continue;
		begin_sample(t, "connections_ended", "_total");
		word_label(t, "action", names__action(action));
		number(t, m->ended[action]);
	}
}

/* ---- lifetimes ---- */

static void bound_label(struct text *t, uint64_t ns)
{
	uint64_t part = ns % NS_PER_S;
	size_t digits = 9;

	while (digits > 1 && !(part % 10)) {
		part /= 10;
		digits--;
	}
	begin_label(t, "le");
	decimal(t, ns / NS_PER_S, part, digits);
	outbuf__char(t->ob, '"');
}

static void write_histogram(struct text *t, unsigned int side, const struct metrics_histogram *h)
{
	static const char name[] = "connection_lifetime_seconds";
	uint64_t sum = 0;

	for (size_t i = 0; i <= METRICS_BOUNDS; i++) {
		sum += h->counts[i];
		begin_sample(t, name, "_bucket");
		word_label(t, "side", names__side(side));
		if (i < METRICS_BOUNDS)
			bound_label(t, metrics__bounds_ns[i]);
		else
			label(t, "le", "+Inf", 4);
		number(t, sum);
	}
	begin_sample(t, name, "_sum");
	word_label(t, "side", names__side(side));
	end_sample(t);
	decimal(t, h->sum_s, h->sum_ns, 9);
	outbuf__char(t->ob, '\n');
	begin_sample(t, name, "_count");
	word_label(t, "side", names__side(side));
	number(t, sum);
}

static void write_lifetimes(struct text *t, const struct metrics *m)
{
	begin_family(t, "connection_lifetime_seconds", "", "histogram",
		     "How long connections that ended in TIME_WAIT had been open, where that is known.");
	for (unsigned int side = 0; side < TWS_SIDE_END; side++)
		write_histogram(t, side, &m->lifetimes[side]);
}

/* ---- gauges ---- */

static void write_sockets(struct text *t, const struct metrics *m)
{
	begin_gauge(t, "sockets", "TCP sockets of the host by state, in all network namespaces.");
	for (unsigned int state = 1; m->has_sockets && state < METRICS_STATES; state++) {
		begin_sample(t, "sockets", "");
		word_label(t, "state", names__state(state));
		number(t, m->sockets.states[state]);
	}
	if (!m->has_sockets)
		return;
	begin_sample(t, "sockets", "");
	label(t, "state", "fin_wait2_mini", SIZE_MAX);
	number(t, m->sockets.fin_wait2_minis);
}

static void address_label(struct text *t, const char *name, uint8_t family, const uint8_t addr[16])
{
	char text[FMT_IPV6_MAX];
	size_t len = family == AF_INET ? fmt__ipv4(text, addr) : fmt__ipv6(text, addr);

	begin_label(t, name);
	outbuf__bytes(t->ob, text, len);
	outbuf__char(t->ob, '"');
}

static void write_ports(struct text *t, const struct metrics *m)
{
	char port[16];

	begin_gauge(t, "local_ports_used_ratio", "Used share of the local ports that connect() may "
		    "choose towards a remote end: the ten fullest sets.");
	for (size_t i = 0; i < m->num_ports; i++) {
		const struct metrics_ports *ports = &m->ports[i];

		begin_sample(t, "local_ports_used_ratio", "");
		address_label(t, "local_address", ports->family, ports->local_addr);
		if (ports->all_peers) {
			label(t, "peer_address", "*", 1);
			label(t, "peer_port", "*", 1);
		} else {
			snprintf(port, sizeof(port), "%u", ports->peer_port);
			address_label(t, "peer_address", ports->family, ports->peer_addr);
			label(t, "peer_port", port, sizeof(port));
		}
		millionths(t, ports->used_millionths);
	}
}

static void write_limit(struct text *t, const struct metrics *m)
{
	begin_gauge(t, "time_wait_limit_used_ratio", "TIME_WAIT sockets as a share of "
		    "tcp_max_tw_buckets, in the network namespace where it is the largest.");
	if (m->limit_used == METRICS_UNKNOWN)
		return;
	begin_sample(t, "time_wait_limit_used_ratio", "");
	millionths(t, m->limit_used);
}

static void write_findings(struct text *t, const struct metrics *m)
{
	begin_gauge(t, "finding", "What twsnoop diagnose finds now: how many findings of an id.");
	for (size_t i = 0; i < m->num_findings; i++) {
		begin_sample(t, "finding", "");
		label(t, "id", m->findings[i].id, SIZE_MAX);
		label(t, "severity", m->findings[i].severity, SIZE_MAX);
		number(t, m->findings[i].count);
	}
}

/* ---- sinks ---- */

static void write_sink(struct text *t, const struct metrics *m, const char *name,
		       const char *suffix, size_t offset)
{
	for (size_t i = 0; i < m->num_sinks; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&m->sinks[i] + offset, sizeof(value));
		begin_sample(t, name, suffix);
		label(t, "sink", m->sinks[i].name, SIZE_MAX);
		number(t, value);
	}
}

static void write_sinks(struct text *t, const struct metrics *m)
{
	begin_counter(t, "export_sent", "Events that the store at the other end has taken.");
	write_sink(t, m, "export_sent", "_total", offsetof(struct metrics_sink, sent));
	begin_gauge(t, "export_queued_bytes", "Events that wait in memory or in the spool.");
	write_sink(t, m, "export_queued_bytes", "", offsetof(struct metrics_sink, queued_bytes));
	begin_counter(t, "export_dropped", "Events that were never sent.");
	write_sink(t, m, "export_dropped", "_total", offsetof(struct metrics_sink, dropped));
	begin_counter(t, "export_failed", "Attempts to send that failed, most of them tried again.");
	write_sink(t, m, "export_failed", "_total", offsetof(struct metrics_sink, failed));
	begin_counter(t, "export_damaged", "Damaged files of the spool, removed with all events in them.");
	write_sink(t, m, "export_damaged", "_total", offsetof(struct metrics_sink, damaged));
}

/* ---- all of it ---- */

static void write_account(struct text *t, const struct metrics *m)
{
	counter(t, "events_lost", "Events that the kernel made and nobody was told.",
		m->account.lost);
	counter(t, "unattributed", "TIME_WAIT sockets whose closer is not known.",
		m->account.unattributed);
	counter(t, "map_full", "Connections that found no room in a table of the kernel side.",
		m->account.map_full);
	counter(t, "recursion", "Calls of a program that the kernel skipped: an upper bound of what "
		"was missed.", m->account.recursion);
	counter(t, "series_overflow", "Events counted as ~other, because there were as many series "
		"as --max-series allows.", m->overflow);
}

void metrics__write(const struct metrics *m, bool openmetrics, struct outbuf *to)
{
	struct text t = { .ob = to, .openmetrics = openmetrics };

	counter(&t, "time_waits", "Connection ends that entered TIME_WAIT.", m->time_waits);
	write_closes(&t, m);
	write_ended(&t, m);
	write_failures(&t, m);
	write_lifetimes(&t, m);
	write_sockets(&t, m);
	write_limit(&t, m);
	write_ports(&t, m);
	write_findings(&t, m);
	write_account(&t, m);
	write_sinks(&t, m);
	begin_family(&t, "build", "_info", openmetrics ? "info" : "gauge", "This twsnoop.");
	begin_sample(&t, "build", "_info");
	label(&t, "version", m->opts.version, SIZE_MAX);
	number(&t, 1);
	if (openmetrics)
		outbuf__lit(to, "# EOF\n");
}
