// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/report/made.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NETNS 4026531840U

static void *add(struct made_list *list, size_t size)
{
	char *to;

	if (list->num == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 64;
		list->data = realloc(list->data, list->cap * size);
		if (!list->data) {
			fputs("no memory\n", stderr);
			exit(1);
		}
	}
	to = (char *)list->data + list->num++ * size;
	memset(to, 0, size);
	return to;
}

#define ADD(made, member, type) ((struct type *)add(&(made)->member, sizeof(struct type)))

static void set_comm(char comm[TWS_COMM_LEN], const char *text)
{
	memcpy(comm, text, strnlen(text, TWS_COMM_LEN));
}

uint32_t made__who(struct made *made, const char *comm, const char *container,
		   const char *command_line)
{
	struct held_who *who = ADD(made, whos, held_who);

	who->id = (uint32_t)made->whos.num;
	set_comm(who->comm, comm);
	who->workload.container_name = container;
	who->command_line = command_line;
	return who->id;
}

uint32_t made__pod(struct made *made, const char *comm, const char *name_space, const char *pod,
		   const char *container, const char *command_line)
{
	uint32_t id = made__who(made, comm, NULL, command_line);
	struct held_who *who = (struct held_who *)made->whos.data + id - 1;

	who->workload.pod_namespace = name_space;
	who->workload.pod_name = pod;
	who->workload.pod_container = container;
	return id;
}

uint32_t made__flow(struct made *made, uint8_t action, uint8_t side, const uint8_t addr[4],
		    uint16_t port, uint32_t error)
{
	struct held_flow *flow = ADD(made, flows, held_flow);
	bool server = side == TWS_SIDE_SERVER;

	flow->id = (uint32_t)made->flows.num;
	flow->netns = NETNS;
	flow->family = AF_INET;
	flow->side = side;
	flow->cause = action == TWS_CONNECT_FAILED ? TWS_CAUSE_UNKNOWN : TWS_CAUSE_CLOSE;
	flow->action = action;
	flow->error = error;
	memcpy(server ? flow->local_addr : flow->peer_addr, addr, 4);
	memcpy(server ? flow->peer_addr : flow->local_addr, "\x0a\0\0\x05", 4);
	*(server ? &flow->local_port : &flow->peer_port) = port;
	flow->peer_len = server ? 24 : 32;
	return flow->id;
}

struct held_flow *made__flow_of(struct made *made, uint32_t flow)
{
	return (struct held_flow *)made->flows.data + flow - 1;
}

void made__run(struct made *made, uint64_t since_s, uint64_t until_s)
{
	struct held_run *run = ADD(made, runs, held_run);

	run->id = (uint32_t)made->runs.num;
	run->since_ns = since_s * MADE_S;
	run->until_ns = until_s * MADE_S;
	run->version = "0.1.0";
	run->kernel = "6.18.5";
	run->host = "web-1.example";
	run->zone = "CET";
	run->all = run->calls = true;
}

struct held_run *made__last_run(struct made *made)
{
	return (struct held_run *)made->runs.data + made->runs.num - 1;
}

void made__minute(struct made *made, uint64_t wall_s, uint32_t who, uint32_t flow, uint64_t count,
		  uint64_t lifetime_ns)
{
	struct held_minute *minute;

	if (!count)
		return;
	minute = ADD(made, minutes, held_minute);
	minute->wall_ns = wall_s / 60 * 60 * MADE_S;
	minute->who = who;
	minute->flow = flow;
	minute->count = count;
	minute->lifetimes = lifetime_ns ? count : 0;
	minute->lifetime_ns = count * lifetime_ns;
	if (lifetime_ns)
		minute->buckets[held__lifetime_bucket(lifetime_ns)] = (uint32_t)count;
}

void made__states(struct made *made, uint64_t wall_s, uint64_t time_wait)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct held_states *states = ADD(made, states, held_states);

		states->wall_ns = wall_s * MADE_S;
		states->netns = i ? NETNS : 0;
		states->states[6] = time_wait;
	}
}

void made__limit(struct made *made, uint64_t wall_s, uint64_t max_tw_buckets)
{
	struct held_limits *limits = ADD(made, limits, held_limits);

	*limits = (struct held_limits){
		.wall_ns = wall_s * MADE_S, .netns = NETNS, .max_tw_buckets = max_tw_buckets,
		.tw_reuse = 2, .timestamps = 1, .first_port = 32768, .last_port = 60999,
		.usable_ports = 28232,
	};
}

void made__ports(struct made *made, uint64_t wall_s, const uint8_t addr[4], uint16_t port,
		 uint32_t usable, uint32_t time_wait, const char *comm)
{
	struct held_ports *ports = ADD(made, ports, held_ports);

	ports->wall_ns = wall_s * MADE_S;
	ports->family = AF_INET;
	ports->scope = HELD_PORTS_PEER;
	ports->key.netns = NETNS;
	ports->key.peer_port = port;
	memcpy(ports->key.peer_addr, addr, 4);
	memcpy(ports->key.local_addr, "\x0a\0\0\x05", 4);
	ports->usable = usable;
	ports->time_wait = time_wait;
	ports->left = usable - time_wait;
	ports->has_left = true;
	ports->names = 1;
	set_comm(ports->owners[0].comm, comm);
	ports->owners[0].count = time_wait;
}

void made__overflows(struct made *made, uint64_t wall_s, uint64_t value)
{
	struct held_counter *counter = ADD(made, counters, held_counter);

	counter->wall_ns = wall_s * MADE_S;
	counter->netns = NETNS;
	counter->name = "TcpExt.TCPTimeWaitOverflow";
	counter->value = value;
}

void made__account(struct made *made, uint64_t wall_s, uint32_t run, uint64_t delivered,
		   uint64_t lost)
{
	struct held_account *account = ADD(made, accounts, held_account);

	account->wall_ns = wall_s * MADE_S;
	account->run = run;
	account->told.delivered = delivered;
	account->told.lost = lost;
}

void made__gap(struct made *made, uint64_t since_s, uint64_t until_s, uint8_t reason)
{
	struct held_gap *gap = ADD(made, gaps, held_gap);

	gap->since_ns = since_s * MADE_S;
	gap->until_ns = until_s * MADE_S;
	gap->reason = reason;
	gap->run = 1;
}

void made__finding(struct made *made, uint64_t wall_s, const char *id, uint8_t severity,
		   const char *text)
{
	struct held_finding *finding = ADD(made, findings, held_finding);

	finding->wall_ns = wall_s * MADE_S;
	finding->id = id;
	finding->severity = severity;
	finding->text = text;
}

/* ---- as an input ---- */

#define IN_SPAN(span, ns) ((ns) >= (span)->since_ns && ((ns) < (span)->until_ns || !(span)->until_ns))

#define EACH(name, member, type, condition)                                                        \
	static int each_##name(void *ctx, const struct history_span *span,                         \
			       history_##name##_fn fn, void *fn_ctx)                               \
	{                                                                                          \
		const struct made *made = ctx;                                                     \
		int ret = 0;                                                                       \
                                                                                                   \
		for (size_t i = 0; i < made->member.num && !ret; i++) {                            \
			const struct type *it = (const struct type *)made->member.data + i;        \
                                                                                                   \
			if (condition)                                                             \
				ret = fn(fn_ctx, it);                                              \
		}                                                                                  \
		return ret;                                                                        \
	}

EACH(run, runs, held_run, it->since_ns < span->until_ns && it->until_ns >= span->since_ns)
EACH(minute, minutes, held_minute, IN_SPAN(span, it->wall_ns))
EACH(states, states, held_states, IN_SPAN(span, it->wall_ns))
EACH(limits, limits, held_limits, it->wall_ns < span->until_ns)
EACH(ports, ports, held_ports, IN_SPAN(span, it->wall_ns))
EACH(counter, counters, held_counter, it->wall_ns < span->until_ns)
EACH(account, accounts, held_account, IN_SPAN(span, it->wall_ns))
EACH(gap, gaps, held_gap, it->since_ns < span->until_ns && it->until_ns >= span->since_ns)
EACH(finding, findings, held_finding, IN_SPAN(span, it->wall_ns))

static const struct held_who *who(void *ctx, uint32_t id)
{
	const struct made *made = ctx;

	return id && id <= made->whos.num ? (const struct held_who *)made->whos.data + id - 1 : NULL;
}

static const struct held_flow *flow(void *ctx, uint32_t id)
{
	const struct made *made = ctx;

	return id && id <= made->flows.num ? (const struct held_flow *)made->flows.data + id - 1 :
					     NULL;
}

void made__init(struct made *made)
{
	*made = (struct made){ .input = {
		.each_run = each_run, .each_minute = each_minute, .each_states = each_states,
		.each_limits = each_limits, .each_ports = each_ports,
		.each_counter = each_counter, .each_account = each_account, .each_gap = each_gap,
		.each_finding = each_finding, .who = who, .flow = flow,
	} };
}

const struct report_input *made__input(struct made *made)
{
	const struct held_run *runs = made->runs.data;

	made->input.ctx = made;
	for (size_t i = 0; i < made->runs.num; i++) {
		if (!made->input.all.until_ns || runs[i].since_ns < made->input.all.since_ns)
			made->input.all.since_ns = runs[i].since_ns;
		if (runs[i].until_ns > made->input.all.until_ns)
			made->input.all.until_ns = runs[i].until_ns;
	}
	made->input.raw = made->input.all;
	return &made->input;
}

void made__free(struct made *made)
{
	struct made_list *lists[] = { &made->whos, &made->flows, &made->runs, &made->minutes,
				      &made->states, &made->limits, &made->ports, &made->counters,
				      &made->accounts, &made->gaps, &made->findings };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		free(lists[i]->data);
}
