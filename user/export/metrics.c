// SPDX-License-Identifier: GPL-2.0
#include "export/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/metrics_held.h"

#define NS_PER_S 1000000000ULL
#define MS 1000000ULL
#define SWEEP_NS NS_PER_S

/* Beside the series: each side and cause of closes, and one of failures. */
#define OTHERS (TWS_SIDE_END * TWS_CAUSE_END + 1)
#define OTHER "~other"
#define UNNAMED "~unnamed"

_Static_assert(OTHERS + METRICS_STATES + METRICS_PORTS + METRICS_FINDINGS +
		       TWS_SIDE_END * (METRICS_BOUNDS + 3) + METRICS_SINKS * 4 + TWS_ACTION_END +
		       16 < METRICS_FIXED, "METRICS_FIXED");
_Static_assert(sizeof(struct metrics_key) % 8 == 0, "a table's key");
_Static_assert(METRICS_SERIES_MIN > METRICS_FIXED, "METRICS_SERIES_MIN");

/* From a connection on loopback to one that is kept for hours. */
const uint64_t metrics__bounds_ns[METRICS_BOUNDS] = {
	MS / 10,      MS,	     5 * MS,	    10 * MS,	   50 * MS,
	100 * MS,     500 * MS,	     NS_PER_S,	    5 * NS_PER_S,  10 * NS_PER_S,
	30 * NS_PER_S, 60 * NS_PER_S, 300 * NS_PER_S, 3600 * NS_PER_S,
};

int metrics__new(struct metrics **metricsp, const struct metrics_options *opts)
{
	struct table_options series = {
		.key_bytes = sizeof(struct metrics_key),
		.entry_bytes = sizeof(struct metrics_series),
		.max = opts->max_series - METRICS_FIXED + OTHERS,
		.seed = opts->seed,
	};
	struct metrics *m;
	int err;

	if (opts->max_series < METRICS_SERIES_MIN || opts->max_series > METRICS_SERIES_MAX)
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->opts = *opts;
	m->max_series = opts->max_series - METRICS_FIXED;
	m->limit_used = METRICS_UNKNOWN;
	err = table__new(&m->series, &series);
	if (err) {
		metrics__free(m);
		return err;
	}
	*metricsp = m;
	return 0;
}

void metrics__free(struct metrics *m)
{
	if (!m)
		return;
	table__free(m->series);
	free(m);
}

/* ---- series ---- */

static void set_name(char *to, size_t size, const char *name)
{
	size_t len = strnlen(name, size - 1);

	memcpy(to, name, len);
}

/* Never by an id: a container without a name is told from none, and from no other. */
static void set_container(struct metrics_key *key, const struct workload *w)
{
	const char *name = w->pod_container ?: w->container_name;

	if (!name && (w->container_id || w->pod_uid))
		name = UNNAMED;
	if (name)
		set_name(key->container, sizeof(key->container), name);
	if (w->pod_namespace)
		set_name(key->k8s_namespace, sizeof(key->k8s_namespace), w->pod_namespace);
}

/* By who called connect(): who saw it fail later may be another one. */
static void set_failure(struct metrics_key *key, const struct tws_event *ev)
{
	memset(key->k8s_namespace, 0, sizeof(key->k8s_namespace)); /* no label of these */
	key->kind = METRICS_FAILURES;
	key->error = ev->error;
	if (ev->conn.flags & TWS_F_OPENER) {
		memset(key->comm, 0, sizeof(key->comm));
		set_name(key->comm, sizeof(key->comm), ev->conn.opener_comm);
	}
}

static void set_key(struct metrics_key *key, const struct record *rec)
{
	const struct tws_conn *conn = &rec->event->conn;

	memset(key, 0, sizeof(*key));
	set_container(key, &rec->workload);
	if (conn->flags & TWS_F_CLOSER)
		set_name(key->comm, sizeof(key->comm), conn->comm);
	if (rec->event->action == TWS_CONNECT_FAILED) {
		set_failure(key, rec->event);
		return;
	}
	key->kind = METRICS_CLOSES;
	key->side = conn->side < TWS_SIDE_END ? conn->side : TWS_SIDE_UNKNOWN;
	key->cause = conn->cause < TWS_CAUSE_END ? conn->cause : TWS_CAUSE_UNKNOWN;
}

/* What has no room: by side and cause still, and these are few. */
static void set_other(struct metrics_key *key)
{
	memset(key->k8s_namespace, 0, sizeof(key->k8s_namespace));
	memset(key->container, 0, sizeof(key->container));
	memset(key->comm, 0, sizeof(key->comm));
	set_name(key->container, sizeof(key->container), OTHER);
	set_name(key->comm, sizeof(key->comm), OTHER);
	key->error = 0;
}

static bool is_other(const struct metrics_key *key)
{
	return !key->error && !key->k8s_namespace[0] && !strcmp(key->container, OTHER) &&
	       !strncmp(key->comm, OTHER, sizeof(key->comm));
}

static struct metrics_series *get_other(struct metrics *m, struct metrics_key *key)
{
	struct metrics_series *series = NULL;

	m->overflow++;
	set_other(key);
	if (table__get(m->series, key, (void **)&series) < 0)
		return NULL; /* no memory: the sum alone has it */
	return series;
}

static struct metrics_series *get_series(struct metrics *m, struct metrics_key *key)
{
	struct metrics_series *series = table__find(m->series, key);

	/* Somebody may call himself "~other": it is the same series then. */
	if (series && !is_other(key))
		return series;
	if (is_other(key) || m->num_series >= m->max_series ||
	    table__get(m->series, key, (void **)&series) < 0)
		return get_other(m, key);
	m->num_series++;
	return series;
}

static void note_cgroup(struct metrics_series *series, const struct tws_conn *conn)
{
	bool v1 = conn->flags & TWS_F_CGROUP_V1;

	if (series->cgroup_id != conn->cgroup_id || series->cgroup_v1 != v1)
		series->gone_ns = 0;
	series->cgroup_id = conn->cgroup_id;
	series->cgroup_v1 = v1;
}

static void count(struct metrics *m, const struct record *rec)
{
	struct metrics_series *series;
	struct metrics_key key;

	set_key(&key, rec);
	series = get_series(m, &key);
	if (!series)
		return;
	series->count++;
	series->last_ns = m->now_ns;
	if (!series->key.container[0] || is_other(&series->key))
		return;
	note_cgroup(series, &rec->event->conn);
}

/* ---- records ---- */

bool metrics__is_end(unsigned int action)
{
	return action == TWS_TIME_WAIT || action == TWS_FIN_WAIT2 ||
	       (action >= TWS_RESET && action <= TWS_PASSIVE_CLOSE);
}

static void count_lifetime(struct metrics *m, const struct tws_event *ev)
{
	const struct tws_conn *conn = &ev->conn;
	struct metrics_histogram *h =
		&m->lifetimes[conn->side < TWS_SIDE_END ? conn->side : TWS_SIDE_UNKNOWN];
	uint64_t ns = ev->time_ns - conn->open_ns;
	size_t i = 0;

	if (!conn->open_ns || ev->time_ns < conn->open_ns)
		return;
	while (i < METRICS_BOUNDS && ns > metrics__bounds_ns[i])
		i++;
	h->counts[i]++;
	h->sum_s += ns / NS_PER_S;
	h->sum_ns += ns % NS_PER_S;
	h->sum_s += h->sum_ns / NS_PER_S;
	h->sum_ns %= NS_PER_S;
}

void metrics__add(struct metrics *m, const struct record *rec)
{
	const struct tws_event *ev = rec->event;

	if (metrics__is_end(ev->action))
		m->ended[ev->action]++;
	if (ev->action == TWS_TIME_WAIT) {
		m->time_waits++;
		count_lifetime(m, ev);
	}
	if (ev->action == TWS_TIME_WAIT || ev->action == TWS_CONNECT_FAILED)
		count(m, rec);
}

/* ---- what goes ---- */

static uint64_t since(const struct metrics *m, uint64_t then_ns)
{
	return m->now_ns > then_ns ? m->now_ns - then_ns : 0;
}

static bool has_to_go(const struct metrics *m, const struct metrics_series *series, bool is_full)
{
	if (is_other(&series->key))
		return false;
	if (series->gone_ns && since(m, series->gone_ns) >= METRICS_GONE_NS)
		return true;
	return is_full && since(m, series->last_ns) >= METRICS_IDLE_NS;
}

void metrics__tick(struct metrics *m, uint64_t now_ns)
{
	bool is_full = m->num_series >= m->max_series;
	struct metrics_series *series, *next;

	m->now_ns = now_ns;
	if (now_ns < m->next_sweep_ns)
		return;
	m->next_sweep_ns = now_ns + SWEEP_NS;
	for (series = table__next(m->series, NULL); series; series = next) {
		next = table__next(m->series, series);
		if (!has_to_go(m, series, is_full))
			continue;
		table__remove(m->series, series);
		m->num_series--;
	}
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static size_t drop_repeated(uint64_t *ids, size_t num)
{
	size_t kept = 0;

	if (num)
		qsort(ids, num, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < num; i++)
		if (!i || ids[i] != ids[kept - 1])
			ids[kept++] = ids[i];
	return kept;
}

size_t metrics__cgroups(const struct metrics *m, bool v1, uint64_t *ids, size_t max)
{
	const struct metrics_series *series = NULL;
	size_t num = 0;

	while (num < max && (series = table__next(m->series, series)))
		if (series->cgroup_id && series->cgroup_v1 == v1 && !series->gone_ns)
			ids[num++] = series->cgroup_id;
	return drop_repeated(ids, num);
}

void metrics__cgroup_gone(struct metrics *m, bool v1, uint64_t id)
{
	for (struct metrics_series *series = table__next(m->series, NULL); series;
	     series = table__next(m->series, series))
		if (series->cgroup_id == id && series->cgroup_v1 == v1 && !series->gone_ns)
			series->gone_ns = m->now_ns ?: 1;
}

/* ---- gauges ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The least that it was meanwhile. */
static void set_lost(struct metrics *m, uint64_t lost)
{
	if (lost <= m->account.lost) {
		m->lost_since_ns = 0;
		return;
	}
	if (!m->lost_since_ns) {
		m->lost_since_ns = m->now_ns ?: 1;
		m->lost_least = lost;
	}
	if (lost < m->lost_least)
		m->lost_least = lost;
	if (since(m, m->lost_since_ns) < METRICS_LOST_NS)
		return;
	m->account.lost = m->lost_least;
	m->lost_since_ns = 0;
}

void metrics__set_account(struct metrics *m, const struct feed_account *account)
{
	struct feed_account *to = &m->account;

	set_lost(m, account->lost);
	to->unattributed = larger(to->unattributed, account->unattributed);
	to->map_full = larger(to->map_full, account->map_full);
	to->recursion = larger(to->recursion, account->recursion);
}

void metrics__set_sockets(struct metrics *m, const struct metrics_sockets *sockets)
{
	m->has_sockets = sockets;
	if (sockets)
		m->sockets = *sockets;
}

void metrics__set_limit_used(struct metrics *m, uint64_t millionths)
{
	m->limit_used = millionths;
}

/* By their labels. */
static int compare_ports(const void *a, const void *b)
{
	const struct metrics_ports *x = a, *y = b;
	int order = (int)x->family - (int)y->family;

	order = order ?: memcmp(x->local_addr, y->local_addr, sizeof(x->local_addr));
	order = order ?: (int)x->all_peers - (int)y->all_peers;
	if (order || x->all_peers)
		return order;
	order = memcmp(x->peer_addr, y->peer_addr, sizeof(x->peer_addr));
	return order ?: (int)x->peer_port - (int)y->peer_port;
}

static struct metrics_ports *find_ports(struct metrics_ports *sets, size_t num, const struct metrics_ports *of)
{
	for (size_t i = 0; i < num; i++)
		if (!compare_ports(&sets[i], of))
			return &sets[i];
	return NULL;
}

/* Whether @a is to be shown rather than @b. */
static bool comes_before(struct metrics *m, const struct metrics_ports *a, const struct metrics_ports *b)
{
	bool has_a = find_ports(m->ports, m->num_ports, a), has_b = find_ports(m->ports, m->num_ports, b);
	uint64_t x = a->used_millionths + (has_a ? METRICS_PORTS_KEEP : 0);
	uint64_t y = b->used_millionths + (has_b ? METRICS_PORTS_KEEP : 0);

	if (x != y)
		return x > y;
	return has_a != has_b ? has_a : compare_ports(a, b) < 0;
}

/* Where @fresh goes among @num that were chosen; NULL: it does not. */
static struct metrics_ports *place_of(struct metrics *m, struct metrics_ports *chosen, size_t *num,
				      const struct metrics_ports *fresh)
{
	struct metrics_ports *last = find_ports(chosen, *num, fresh);

	if (last)
		return fresh->used_millionths > last->used_millionths ? last : NULL;
	if (*num < METRICS_PORTS)
		return &chosen[(*num)++];
	last = chosen;
	for (size_t i = 1; i < *num; i++)
		if (comes_before(m, last, &chosen[i]))
			last = &chosen[i];
	return comes_before(m, fresh, last) ? last : NULL;
}

void metrics__set_ports(struct metrics *m, const struct metrics_ports *ports, size_t num)
{
	struct metrics_ports chosen[METRICS_PORTS];
	size_t num_chosen = 0;

	for (size_t i = 0; i < num; i++) {
		struct metrics_ports *to = place_of(m, chosen, &num_chosen, &ports[i]);

		if (to)
			*to = ports[i];
	}
	m->num_ports = num_chosen;
	if (!num_chosen)
		return;
	memcpy(m->ports, chosen, num_chosen * sizeof(*chosen));
	qsort(m->ports, num_chosen, sizeof(*chosen), compare_ports);
}

void metrics__set_findings(struct metrics *m, const struct metrics_finding *findings, size_t num)
{
	m->num_findings = 0;
	for (size_t i = 0; i < num; i++) {
		size_t at = 0;

		while (at < m->num_findings &&
		       (strcmp(m->findings[at].id, findings[i].id) != 0 ||
			strcmp(m->findings[at].severity, findings[i].severity) != 0))
			at++;
		if (at == METRICS_FINDINGS)
			continue;
		if (at == m->num_findings) {
			m->findings[m->num_findings++] = findings[i];
			continue;
		}
		m->findings[at].count += findings[i].count;
	}
}

void metrics__set_sinks(struct metrics *m, const struct metrics_sink *sinks, size_t num)
{
	m->num_sinks = num < METRICS_SINKS ? num : METRICS_SINKS;
	if (m->num_sinks)
		memcpy(m->sinks, sinks, m->num_sinks * sizeof(*sinks));
}

/* ---- what is asked for ---- */

size_t metrics__series(const struct metrics *m)
{
	return table__count(m->series);
}

uint64_t metrics__time_waits(const struct metrics *m)
{
	return m->time_waits;
}

uint64_t metrics__overflow(const struct metrics *m)
{
	return m->overflow;
}
