// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/table.h"

#define NS_PER_S 1000000000ULL
#define TIME_WAIT_S 60
#define RECENT_S 5

int evidence__init(struct evidence *e)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct evidence_flow_key),
		.entry_bytes = sizeof(struct evidence_flow),
		.max = EVIDENCE_FLOWS,
	};

	const struct table_options sets = {
		.key_bytes = sizeof(struct evidence_set_key),
		.entry_bytes = sizeof(struct evidence_set),
		.max = EVIDENCE_FLOWS,
	};

	_Static_assert(sizeof(struct evidence_flow_key) % 8 == 0, "a key of the table");
	_Static_assert(sizeof(struct evidence_set_key) == 40, "a key without padding");
	memset(e, 0, sizeof(*e));
	return table__new(&e->flow_table, &opts) ?: table__new(&e->set_table, &sets);
}

void evidence__free(struct evidence *e)
{
	table__free(e->flow_table);
	table__free(e->set_table);
	table__free(e->port_table);
	free(e->flows);
	free(e->ports);
	free(e->netns);
	free(e->leaks);
	free(e->pools);
	free(e->listeners);
	memset(e, 0, sizeof(*e));
}

/* ---- adding records ---- */

/* The closer, or who opened what nobody here closed. */
static void key_of(const struct record *rec, const char *label, size_t label_len,
		   struct evidence_flow_key *key)
{
	const struct tws_event *ev = rec->event;
	bool server = ev->conn.side == TWS_SIDE_SERVER;

	memset(key, 0, sizeof(*key));
	if (ev->conn.flags & TWS_F_CLOSER)
		memcpy(key->comm, ev->conn.comm, sizeof(key->comm));
	else if (ev->conn.flags & TWS_F_OPENER)
		memcpy(key->comm, ev->conn.opener_comm, sizeof(key->comm));
	key->comm[TWS_COMM_LEN - 1] = '\0';
	for (size_t i = strlen(key->comm); i < TWS_COMM_LEN; i++)
		key->comm[i] = '\0';
	key->label_hash = label_len ? hash__bytes(1, label, label_len) : 0;
	key->netns = ev->netns;
	key->family = ev->family;
	key->side = ev->conn.side;
	key->port = server || ev->action == TWS_BIND_FAILED ? ev->local_port : ev->peer_port;
	if (server || ev->action == TWS_BIND_FAILED)
		return;
	memcpy(key->peer_addr, ev->peer_addr, sizeof(key->peer_addr));
	memcpy(key->local_addr, ev->local_addr, sizeof(key->local_addr));
}

static void copy(char *to, size_t size, const char *from, size_t len)
{
	len = len < size ? len : size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

static void note_lifetime(struct evidence_flow *flow, const struct tws_event *ev)
{
	uint64_t place;

	if (!ev->conn.open_ns || ev->conn.open_ns > ev->time_ns)
		return;
	flow->num_lifetimes++;
	place = flow->num_sampled++;
	/* each of them has the same chance to be among those that are kept */
	if (place >= EVIDENCE_SAMPLES)
		place = hash__number(7, flow->num_sampled) % flow->num_sampled;
	if (place < EVIDENCE_SAMPLES)
		flow->lifetimes[place] = ev->time_ns - ev->conn.open_ns;
}

/* @num as @ev, which have these bytes in all. */
static void count_time_waits(struct evidence *e, struct evidence_flow *flow, const struct tws_event *ev,
			     uint64_t num, uint64_t tx_bytes, uint64_t rx_bytes)
{
	flow->time_waits += num;
	if (ev->conn.cause < TWS_CAUSE_END)
		flow->causes[ev->conn.cause] += num;
	flow->tx_bytes += tx_bytes;
	flow->rx_bytes += rx_bytes;
	if (!(ev->conn.flags & TWS_F_CLOSER) && ev->conn.cause != TWS_CAUSE_KERNEL)
		e->unattributed += num;
}

static struct evidence_set_key set_key(const struct evidence_flow_key *key)
{
	struct evidence_set_key set = { .netns = key->netns, .family = key->family,
					.peer_port = key->port };

	memcpy(set.local_addr, key->local_addr, sizeof(set.local_addr));
	memcpy(set.peer_addr, key->peer_addr, sizeof(set.peer_addr));
	return set;
}

/* NULL: it takes no local port, or there is no room. */
static struct evidence_set *get_set(struct evidence *e, const struct evidence_flow *flow)
{
	struct evidence_set_key key = set_key(&flow->key);
	struct evidence_set *set;

	if (flow->key.side == TWS_SIDE_SERVER || table__get(e->set_table, &key, (void **)&set) < 0)
		return NULL;
	return set;
}

static void note_time_wait(struct evidence *e, struct evidence_flow *flow,
			   const struct tws_event *ev)
{
	struct evidence_set *set = get_set(e, flow);

	count_time_waits(e, flow, ev, 1, ev->tx_bytes, ev->rx_bytes);
	flow->times[flow->num_times++ % EVIDENCE_TIMES] = ev->time_ns;
	flow->killed += (ev->conn.flags & TWS_F_SIGNALED) != 0;
	note_lifetime(flow, ev);
	holding__add(&flow->held, ev->time_ns);
	if (set)
		holding__add(&set->held, ev->time_ns);
}

static bool has_local(const struct tws_event *ev)
{
	static const uint8_t none[16];

	return memcmp(ev->local_addr, none, sizeof(none)) != 0;
}

static bool is_of_ports(const struct tws_event *ev)
{
	/* without an address, no route led there: that is no matter of ports */
	return ev->error == EADDRNOTAVAIL && has_local(ev);
}

static void note_failure(struct evidence_flow *flow, const struct tws_event *ev, uint64_t num)
{
	flow->connect_failed += num;
	if (is_of_ports(ev)) {
		flow->no_ports += num;
		flow->no_ports_ns = ev->time_ns;
	}
	if (ev->error == ETIMEDOUT) {
		flow->no_answer += num;
		flow->no_answer_ns = ev->time_ns;
	}
}

/* @num as @ev, the last of which was then, and which is no TIME_WAIT. */
static void count(struct evidence_flow *flow, const struct tws_event *ev, uint64_t num)
{
	switch (ev->action) {
	case TWS_FIN_WAIT2:
		flow->fin_wait2s += num;
		break;
	case TWS_PASSIVE_CLOSE:
		flow->passive += num;
		break;
	case TWS_RESET:
		flow->resets += num;
		break;
	case TWS_ABORT:
		flow->aborts += num;
		flow->aborts_with_bytes += ev->tx_bytes || ev->rx_bytes ? num : 0;
		break;
	case TWS_TIMEOUT:
		flow->timeouts += num;
		flow->no_answer_ns = ev->time_ns;
		break;
	case TWS_OVERFLOW:
		flow->overflows += num;
		flow->overflow_ns = ev->time_ns;
		break;
	case TWS_CONNECT_FAILED:
		note_failure(flow, ev, num);
		break;
	case TWS_BIND_FAILED:
		flow->address_in_use += ev->error == EADDRINUSE ? num : 0;
		break;
	case TWS_TIME_WAIT_END:
		flow->reused_by_connect += ev->end == TWS_END_REUSED_BY_CONNECT ? num : 0;
		flow->reused_by_syn += ev->end == TWS_END_REUSED_BY_SYN ? num : 0;
		break;
	}
}

static void begin_flow(struct evidence_flow *flow, const struct record *rec, const char *label,
		       size_t label_len)
{
	copy(flow->label, sizeof(flow->label), label ?: "", label ? label_len : 0);
	memcpy(flow->last_peer, rec->event->peer_addr, sizeof(flow->last_peer));
	memcpy(flow->some_local, rec->event->local_addr, sizeof(flow->some_local));
}

/* The flow that @rec belongs to; NULL: there is no room for another one. */
static struct evidence_flow *flow_of(struct evidence *e, const struct record *rec)
{
	const struct tws_event *ev = rec->event;
	char own[RECORD_LABEL_BYTES];
	struct evidence_flow_key key;
	struct evidence_flow *flow;
	const char *label;
	size_t label_len = 0;
	int err;

	label = record__label(&rec->workload, own, &label_len);
	key_of(rec, label, label ? label_len : 0, &key);
	err = table__get(e->flow_table, &key, (void **)&flow);
	if (err < 0)
		return NULL;
	if (err)
		begin_flow(flow, rec, label, label_len);
	if (rec->command_line && !flow->command[0])
		copy(flow->command, sizeof(flow->command), rec->command_line,
		     strlen(rec->command_line));
	if (ev->conn.tgid && ev->conn.tgid != flow->pid) {
		flow->pid = ev->conn.tgid;
		flow->num_pids++;
	}
	if (memcmp(flow->last_peer, ev->peer_addr, sizeof(flow->last_peer))) {
		flow->many_peers = true;
		memcpy(flow->last_peer, ev->peer_addr, sizeof(flow->last_peer));
	}
	return flow;
}

void evidence__add(struct evidence *e, const struct record *rec)
{
	struct evidence_flow *flow = flow_of(e, rec);

	e->events++;
	if (!flow)
		e->num_dropped++;
	else if (rec->event->action == TWS_TIME_WAIT)
		note_time_wait(e, flow, rec->event);
	else
		count(flow, rec->event, 1);
	if (flow && rec->event->action == TWS_ABORT)
		note_lifetime(flow, rec->event);
}

/* ---- adding sums ---- */

void evidence__add_sum(struct evidence *e, const struct record *rec,
		       const struct evidence_sum *sum)
{
	struct evidence_flow *flow = flow_of(e, rec);
	struct tws_event ev = *rec->event;
	struct evidence_set *set;

	ev.time_ns = sum->begin_ns + sum->span_ns;
	e->events += sum->count;
	if (!flow) {
		e->num_dropped += sum->count;
		return;
	}
	flow->many_peers |= sum->some_peers;
	if (ev.action != TWS_TIME_WAIT) {
		ev.tx_bytes = sum->tx_bytes / sum->count;
		ev.rx_bytes = sum->rx_bytes / sum->count;
		count(flow, &ev, sum->count);
		if (ev.action == TWS_ABORT && (ev.tx_bytes || ev.rx_bytes))
			flow->aborts_summed += sum->count;
	} else {
		count_time_waits(e, flow, &ev, sum->count, sum->tx_bytes, sum->rx_bytes);
		flow->summed += sum->count;
		holding__add_sum(&flow->held, sum->begin_ns, sum->span_ns, sum->count);
		set = get_set(e, flow);
		if (set)
			holding__add_sum(&set->held, sum->begin_ns, sum->span_ns, sum->count);
	}
	if (ev.action != TWS_TIME_WAIT && ev.action != TWS_ABORT)
		return;
	flow->num_lifetimes += sum->lifetimes;
	for (size_t i = 0; i < HELD_BUCKETS; i++)
		flow->spread[i] += sum->buckets[i];
}

/* ---- when all is there ---- */

static uint64_t weight(const struct evidence_flow *flow)
{
	return flow->time_waits + flow->connect_failed + flow->aborts + flow->passive;
}

static int by_weight(const void *a, const void *b)
{
	const struct evidence_flow *const *x = a, *const *y = b;

	if ((*x)->time_waits != (*y)->time_waits)
		return (*x)->time_waits < (*y)->time_waits ? 1 : -1;
	if (weight(*x) != weight(*y))
		return weight(*x) < weight(*y) ? 1 : -1;
	return memcmp(&(*x)->key, &(*y)->key, sizeof((*x)->key));
}

/* Whose ports they were, also where those have gone since. */
static void find_takers(struct evidence *e)
{
	for (size_t i = 0; i < e->num_flows; i++) {
		const struct evidence_flow *flow = e->flows[i];
		struct evidence_set_key key = set_key(&flow->key);
		struct evidence_set *set = flow->key.side == TWS_SIDE_SERVER ? NULL :
							table__find(e->set_table, &key);

		if (set && flow->held.most && (!set->taker || flow->held.most > set->taker->held.most))
			set->taker = flow;
	}
}

int evidence__finish(struct evidence *e)
{
	size_t num = table__count(e->flow_table), i = 0;
	struct evidence_flow **flows = calloc(num ?: 1, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	for (void *f = table__next(e->flow_table, NULL); f; f = table__next(e->flow_table, f))
		flows[i++] = f;
	qsort(flows, num, sizeof(*flows), by_weight);
	free(e->flows);
	e->flows = flows;
	e->num_flows = num;
	find_takers(e);
	return 0;
}

/* A lifetime, and how many it stands for. */
struct weighted {
	uint64_t ns, weight;
};

#define POINTS 8 /* that a bucket of lifetimes is told as, evenly spread over it */
#define SCALE 64 /* of weights */

static int by_ns(const void *a, const void *b)
{
	const struct weighted *x = a, *y = b;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static size_t weigh(const struct evidence_flow *flow,
		    struct weighted all[EVIDENCE_SAMPLES + HELD_BUCKETS * POINTS])
{
	size_t kept = flow->num_sampled < EVIDENCE_SAMPLES ? flow->num_sampled : EVIDENCE_SAMPLES;
	size_t num = 0;

	for (size_t i = 0; i < kept; i++)
		all[num++] = (struct weighted){ flow->lifetimes[i],
						flow->num_sampled * SCALE / kept };
	for (unsigned int b = 0; b < HELD_BUCKETS; b++) {
		uint64_t low = b ? held__bucket_end_ns(b - 1) : 0;
		uint64_t wide = (b < HELD_BUCKETS - 1 ? held__bucket_end_ns(b) : 3 * low) - low;

		for (unsigned int p = 0; flow->spread[b] && p < POINTS; p++)
			all[num++] = (struct weighted){ low + wide * (2 * p + 1) / (2 * POINTS),
							flow->spread[b] * SCALE / POINTS };
	}
	return num;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool evidence__lifetimes(const struct evidence_flow *flow, struct evidence_lifetimes *l)
{
	struct weighted all[EVIDENCE_SAMPLES + HELD_BUCKETS * POINTS];
	size_t num = weigh(flow, all);
	uint64_t total = 0, before = 0;

	if (!num)
		return false;
	qsort(all, num, sizeof(*all), by_ns);
	for (size_t i = 0; i < num; i++)
		total += all[i].weight;
	*l = (struct evidence_lifetimes){ 0 };
	for (size_t i = 0; i < num; i++) {
		uint64_t with = before + all[i].weight;

		if (before <= total / 10 && with > total / 10)
			l->p10_ns = all[i].ns;
		if (before <= total / 2 && with > total / 2)
			l->median_ns = all[i].ns;
		if (before < total - total / 10 && with >= total - total / 10)
			l->p90_ns = all[i].ns;
		before = with;
	}
	return true;
}

static bool is_brief(const struct evidence_flow *flow, uint64_t ns)
{
	size_t kept = flow->num_sampled < EVIDENCE_SAMPLES ? flow->num_sampled : EVIDENCE_SAMPLES;

	if (flow->passive)
		return false;
	for (size_t i = 0; i < kept; i++)
		if (flow->lifetimes[i] >= ns)
			return false;
	return true;
}

bool evidence__is_brief(const struct evidence *e, uint64_t ns)
{
	for (void *f = table__next(e->flow_table, NULL); f; f = table__next(e->flow_table, f)) {
		const struct evidence_flow *flow = f;

		if (flow->key.side == TWS_SIDE_CLIENT &&
		    flow->time_waits + flow->aborts >= EVIDENCE_FLOW_FEW && !is_brief(flow, ns))
			return false;
	}
	return true;
}

/* Most gaps are as long as the one in the middle, or nearly so: a busy host delays some. What the
 * gaps are of closes that minutes sum up, nobody knows. */
uint64_t evidence__period_ns(const struct evidence_flow *flow)
{
	size_t num = flow->num_times < EVIDENCE_TIMES ? flow->num_times : EVIDENCE_TIMES;
	uint64_t sorted[EVIDENCE_TIMES], gaps[EVIDENCE_TIMES], period;
	size_t regular = 0;

	if (num < 5 || flow->summed > flow->num_times)
		return 0;
	memcpy(sorted, flow->times, num * sizeof(*sorted));
	qsort(sorted, num--, sizeof(*sorted), by_number);
	for (size_t i = 0; i < num; i++)
		gaps[i] = sorted[i + 1] - sorted[i];
	qsort(gaps, num, sizeof(*gaps), by_number);
	period = gaps[num / 2];
	for (size_t i = 0; i < num; i++)
		regular += gaps[i] * 10 >= period * 9 && gaps[i] * 10 <= period * 11;
	return regular * 4 >= num * 3 ? period : 0;
}

uint64_t evidence__recent_tenths_per_s(const struct evidence *e, const struct evidence_flow *flow)
{
	uint64_t end_s = ((e->until_ns ?: 1) - 1) / NS_PER_S, begin_s = e->since_ns / NS_PER_S;
	unsigned int span_s = end_s > begin_s + RECENT_S ? RECENT_S :
			      end_s > begin_s ? (unsigned int)(end_s - begin_s) : 0;

	return span_s ? holding__came(&flow->held, e->until_ns, span_s) * 10 / span_s : 0;
}

uint64_t evidence__held_at_end(const struct evidence *e, const struct evidence_flow *flow)
{
	return holding__came(&flow->held, e->until_ns, TIME_WAIT_S);
}

uint64_t evidence__tenths_per_s(const struct evidence *e, uint64_t count)
{
	uint64_t span_ms = (e->until_ns - e->since_ns) / 1000000;

	return e->until_ns > e->since_ns && span_ms ? count * 10000 / span_ms : 0;
}

struct evidence_netns *evidence__netns(const struct evidence *e, uint32_t netns)
{
	for (size_t i = 0; i < e->num_netns; i++)
		if (e->netns[i].netns == netns)
			return &e->netns[i];
	return NULL;
}

const struct evidence_set *evidence__set_of(const struct evidence *e, const struct evidence_flow *flow)
{
	struct evidence_set_key key = set_key(&flow->key);

	return flow->key.side == TWS_SIDE_SERVER ? NULL : table__find(e->set_table, &key);
}

struct port_place {
	struct evidence_set_key key;
	size_t place; /* in ports */
};

int evidence__index_ports(struct evidence *e)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct evidence_set_key), .entry_bytes = sizeof(struct port_place),
		.max = e->num_ports ?: 1,
	};
	int err = table__new(&e->port_table, &opts);

	for (size_t i = 0; !err && i < e->num_ports; i++) {
		const struct evidence_ports *p = &e->ports[i];
		struct evidence_set_key key = { .netns = p->netns, .family = p->family,
						.peer_port = p->peer_port };
		struct port_place *to;
		int got;

		if (p->all_peers)
			continue;
		memcpy(key.local_addr, p->local_addr, sizeof(key.local_addr));
		memcpy(key.peer_addr, p->peer_addr, sizeof(key.peer_addr));
		got = table__get(e->port_table, &key, (void **)&to);
		if (got > 0)
			to->place = i;
		err = got < 0 ? got : 0;
	}
	return err;
}

static const struct evidence_ports *find_ports(const struct evidence *e,
					       const struct evidence_flow *flow)
{
	struct evidence_set_key key = set_key(&flow->key);
	const struct port_place *at = table__find(e->port_table, &key);

	return at ? &e->ports[at->place] : NULL;
}

const struct evidence_ports *evidence__ports_of(const struct evidence *e,
						const struct evidence_flow *flow)
{
	if (e->port_table)
		return find_ports(e, flow);
	for (size_t i = 0; i < e->num_ports; i++) {
		const struct evidence_ports *p = &e->ports[i];

		if (!p->all_peers && p->netns == flow->key.netns &&
		    p->peer_port == flow->key.port && p->family == flow->key.family &&
		    !memcmp(p->peer_addr, flow->key.peer_addr, sizeof(p->peer_addr)) &&
		    !memcmp(p->local_addr, flow->key.local_addr, sizeof(p->local_addr)))
			return p;
	}
	return NULL;
}

uint64_t evidence__kept(const struct evidence *e, const struct evidence_flow *flow)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < e->num_pools; i++) {
		const struct evidence_pool *p = &e->pools[i];

		if (p->netns == flow->key.netns && p->peer_port == flow->key.port &&
		    p->family == flow->key.family &&
		    !memcmp(p->peer_addr, flow->key.peer_addr, sizeof(p->peer_addr)) &&
		    !memcmp(p->comm, flow->key.comm, sizeof(p->comm)))
			kept += p->kept;
	}
	return kept;
}

static bool is_loopback(uint8_t family, const uint8_t addr[16])
{
	static const uint8_t six[16] = { [15] = 1 };

	return family == AF_INET ? addr[0] == 127 : !memcmp(addr, six, sizeof(six));
}

bool evidence__has_loopback_address(const struct evidence_flow *flow)
{
	return is_loopback(flow->key.family, flow->last_peer) ||
	       is_loopback(flow->key.family, flow->some_local);
}

bool evidence__is_loopback(const struct evidence_flow *flow)
{
	return evidence__has_loopback_address(flow) ||
	       !memcmp(flow->last_peer, flow->some_local, sizeof(flow->some_local));
}
