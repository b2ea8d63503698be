// SPDX-License-Identifier: GPL-2.0
/* From a line of JSON to struct event; a line outside DESIGN.md's contract is refused. */
#define _GNU_SOURCE
#include "rows.h"
#include "tracer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct word {
	const char *text;
	unsigned int value;
};

static const struct word actions[] = {
	{ "time_wait", ACT_TIME_WAIT },	    { "fin_wait2", ACT_FIN_WAIT2 },
	{ "time_wait_end", ACT_TIME_WAIT_END }, { "reset", ACT_RESET },
	{ "abort", ACT_ABORT },		    { "timeout", ACT_TIMEOUT },
	{ "overflow", ACT_OVERFLOW },	    { "passive_close", ACT_PASSIVE_CLOSE },
	{ "connect_failed", ACT_CONNECT_FAILED },
	{ "bind_failed", ACT_BIND_FAILED },	    { NULL, ACT_UNKNOWN },
};
static const struct word causes[] = {
	{ "close", CAUSE_CLOSE },   { "shutdown", CAUSE_SHUTDOWN }, { "exit", CAUSE_EXIT },
	{ "kernel", CAUSE_KERNEL }, { "unknown", CAUSE_UNKNOWN },   { "disconnect", CAUSE_DISCONNECT },
	{ "destroy", CAUSE_DESTROY }, { "icmp", CAUSE_ICMP },	 { NULL, 1u << 31 },
};
static const struct word sides[] = {
	{ "client", SIDE_CLIENT }, { "server", SIDE_SERVER }, { "unknown", SIDE_UNKNOWN },
	{ NULL, 1u << 31 },
};
static const struct word ends[] = {
	{ "expired", END_EXPIRED }, { "reused_by_connect", END_CONNECT },
	{ "reused_by_syn", END_SYN }, { "reset", END_RESET }, { "purged", END_PURGED },
	{ "unknown", END_UNKNOWN }, { NULL, 1u << 31 },
};

static const struct word states[] = {
	{ "time_wait", ST_TIME_WAIT }, { "fin_wait2", ST_FIN_WAIT2 }, { NULL, 0 },
};
static const struct word evidences[] = {
	{ "seen", EVIDENCE_SEEN }, { "inferred", EVIDENCE_INFERRED },
	{ "unknown", EVIDENCE_UNKNOWN }, { NULL, 0 },
};

static unsigned int lookup(const struct word *words, const char *text)
{
	const struct word *w = words;

	while (w->text && strcmp(w->text, text) != 0)
		w++;
	return w->value;
}

const char *action__name(enum action a)
{
	for (const struct word *w = actions; w->text; w++)
		if (w->value == (unsigned int)a)
			return w->text;
	return "unknown action";
}

static unsigned int mask_of(json_t *obj, const char *key, const struct word *words)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text ? lookup(words, text) : 0;
}

static long number(json_t *obj, const char *key, long absent)
{
	json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? (long)json_integer_value(v) : absent;
}

static void copy(json_t *obj, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(obj, key));

	snprintf(out, size, "%s", text ? text : "");
}

static const char *read_timestamp(json_t *root, uint64_t *out)
{
	const char *text = json_string_value(json_object_get(root, "timestamp"));
	struct tm tm = { 0 };
	unsigned long ns;
	char zone;
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest || sscanf(rest, ".%9lu%c", &ns, &zone) != 2 || zone != 'Z')
		return "timestamp";
	*out = (uint64_t)timegm(&tm) * 1000000000ULL + ns;
	return NULL;
}

static const char *read_side(json_t *net, const char *key, bool optional, char *addr,
			     uint16_t *port)
{
	json_t *o = json_object_get(net, key);
	const char *text = json_string_value(json_object_get(o, "address"));
	long p = number(o, "port", -1);

	if (optional && !o)
		return NULL;
	if (!text || strlen(text) >= INET6_ADDRSTRLEN || p < 0 || p > 65535)
		return key;
	snprintf(addr, INET6_ADDRSTRLEN, "%s", text);
	*port = (uint16_t)p;
	return NULL;
}

/* Where a connect() or bind() failed, one end may not have been known. */
static const char *read_network(json_t *root, enum action action, struct tuple *t)
{
	json_t *net = json_object_get(root, "network");
	const char *transport = json_string_value(json_object_get(net, "transport"));
	const char *type = json_string_value(json_object_get(net, "type"));
	const char *why;

	if (!transport || strcmp(transport, "tcp") != 0)
		return "network.transport";
	if (!type || (strcmp(type, "ipv4") != 0 && strcmp(type, "ipv6") != 0))
		return "network.type";
	t->family = strcmp(type, "ipv4") == 0 ? AF_INET : AF_INET6;
	t->netns = (uint64_t)number(net, "netns", 0);
	if (!t->netns)
		return "network.netns";
	why = read_side(net, "local", action == ACT_CONNECT_FAILED, t->laddr, &t->lport);
	return why ? why : read_side(net, "peer", action == ACT_BIND_FAILED, t->raddr, &t->rport);
}

static void read_interface(json_t *root, struct event *ev)
{
	json_t *net = json_object_get(root, "network");

	copy(json_object_get(net, "interface"), "name", ev->ifname, sizeof(ev->ifname));
}

static const char *read_process(json_t *root, struct event *ev)
{
	json_t *p = json_object_get(root, "process");
	json_t *thread = json_object_get(p, "thread");

	ev->uid = number(json_object_get(p, "user"), "id", -1);
	ev->opener = (pid_t)number(json_object_get(root, "opener"), "pid", 0);
	if (!p)
		return NULL;
	ev->pid = (pid_t)number(p, "pid", 0);
	ev->tid = (pid_t)number(thread, "id", 0);
	copy(p, "name", ev->name, sizeof(ev->name));
	copy(thread, "name", ev->tname, sizeof(ev->tname));
	return ev->pid > 0 ? NULL : "process.pid";
}

static const char *read_tcp(json_t *root, struct event *ev)
{
	json_t *tcp = json_object_get(root, "tcp");

	ev->cause = mask_of(tcp, "cause", causes);
	ev->side = mask_of(tcp, "side", sides);
	ev->end = mask_of(tcp, "end", ends);
	ev->errno_ = (int)number(tcp, "errno", 0);
	ev->cookie = (uint64_t)number(tcp, "cookie", 0);
	ev->life_ns = number(tcp, "lifetime_ns", -1);
	ev->tx_bytes = number(tcp, "tx_bytes", -1);
	ev->rx_bytes = number(tcp, "rx_bytes", -1);
	if ((ev->cause | ev->side | ev->end) >> 31)
		return "tcp.cause, tcp.side or tcp.end";
	return NULL;
}

int event__parse(const char *line, size_t len, struct event *ev, const char **why)
{
	const char *action, *source;
	json_t *root, *event;

	memset(ev, 0, sizeof(*ev));
	*why = "not a JSON object";
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root))
		goto out;
	event = json_object_get(root, "event");
	action = json_string_value(json_object_get(event, "action"));
	source = json_string_value(json_object_get(event, "source"));
	ev->healed = source && strcmp(source, "snapshot") == 0;
	ev->action = action ? (enum action)lookup(actions, action) : ACT_UNKNOWN;
	*why = ev->action == ACT_UNKNOWN ? "event.action" : NULL;
	if (!*why)
		*why = read_timestamp(root, &ev->timestamp_ns);
	if (!*why)
		*why = read_network(root, ev->action, &ev->t);
	if (!*why)
		*why = read_process(root, ev);
	if (!*why)
		*why = read_tcp(root, ev);
	if (!*why)
		read_interface(root, ev);
out:
	json_decref(root);
	return *why ? -EINVAL : 0;
}

static const char *read_row(json_t *root, struct row *row)
{
	json_t *tcp = json_object_get(root, "tcp");

	row->state = mask_of(tcp, "state", states);
	row->expires_ns = number(tcp, "expires_ns", -1);
	row->age_ns = number(tcp, "age_ns", -1);
	row->evidence = mask_of(json_object_get(root, "owner"), "evidence", evidences);
	copy(json_object_get(root, "process"), "command_line", row->command_line,
	     sizeof(row->command_line));
	copy(json_object_get(root, "network"), "netns_name", row->netns_name,
	     sizeof(row->netns_name));
	if (!row->state || row->expires_ns < 0 || row->age_ns < 0)
		return "tcp.state, tcp.expires_ns or tcp.age_ns";
	if (!row->evidence || (row->evidence == EVIDENCE_INFERRED && !row->ev.pid) ||
	    (row->evidence == EVIDENCE_UNKNOWN && row->ev.pid))
		return "owner.evidence";
	if (!row->netns_name[0])
		return "network.netns_name";
	return json_object_get(root, "event") ? "event" : NULL;
}

int row__parse(const char *line, size_t len, struct row *row, const char **why)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

	memset(row, 0, sizeof(*row));
	row->ev.action = ACT_UNKNOWN;
	*why = json_is_object(root) ? NULL : "not a JSON object";
	if (!*why)
		*why = read_timestamp(root, &row->ev.timestamp_ns);
	if (!*why)
		*why = read_network(root, ACT_UNKNOWN, &row->ev.t);
	if (!*why)
		*why = read_process(root, &row->ev);
	if (!*why)
		*why = read_tcp(root, &row->ev);
	if (!*why)
		*why = read_row(root, row);
	json_decref(root);
	return *why ? -EINVAL : 0;
}
