// SPDX-License-Identifier: GPL-2.0
/*
 * blocks: how small the raw rows of a recording become, and what that costs. It makes up the
 * events that a host would tell with every outcome recorded, puts them into blocks as a
 * recorder does (a minute each, or as many as there may be), and reads them again. By the
 * CPU clock of this thread; each row is compared.
 *
 * What decides the size is what nobody can guess, and this is made as the kernel makes it:
 * times to the nanosecond, lifetimes that are spread widely, ports that rise by small steps for
 * each destination, cookies by the batch for each CPU, the end of a TIME_WAIT told by a
 * snapshot in whole milliseconds. Real traffic is told by `twsnoop record`.
 *
 * Prints a JSON object a line: cost.py makes a table of them.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "store/block.h"

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define MINUTE_NS (60 * NS_PER_S)
#define SNAPSHOT_NS (9 * NS_PER_S)
#define CPUS 8u
#define COOKIES 4096u /* a CPU's batch */
#define REMOTES_MAX 20000u
#define SERVICES_MAX 16u
#define WAITING_MAX (1u << 21)
#define TOLD_MAX (1u << 19)
#define LEVEL 1

static void die(const char *what, int err)
{
	fprintf(stderr, "blocks: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- chance, the same in each run ---- */

static uint64_t chance = 0x2545f4914f6cdd1dULL;

static uint64_t next_chance(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance;
}

static uint32_t roll(uint32_t sides)
{
	return (uint32_t)((next_chance() >> 32) * sides >> 32);
}

static double uniform(void)
{
	return ((double)(next_chance() >> 11) + 1) / 9007199254740993.0;
}

static uint64_t wait_ns(double mean_ns)
{
	return (uint64_t)(-mean_ns * log(uniform()));
}

/* Half of all within a factor of two of the median. */
static uint64_t lifetime_ns(double median_ns)
{
	double normal = sqrt(-2 * log(uniform())) * cos(6.283185307 * uniform());

	return (uint64_t)(median_ns * exp(normal));
}

/* ---- who is there ---- */

enum where { CLIENT_HERE, SERVER_HERE, BOTH_HERE };

struct process {
	uint32_t tgid, threads; /* that close; 0: a process for each connection */
	uint32_t netns, who;
	uint64_t cgroup, start_ns;
	uint32_t pid_ns;
	char comm[TWS_COMM_LEN];
};

struct service {
	enum where where;
	bool client_closes;
	bool ipv6;
	struct process client, server;
	uint16_t port;
	uint32_t remotes;
	double median_ns;
	uint32_t tx, rx;
	uint32_t varied; /* percent of answers that have any length */
};

struct traffic {
	const char *name;
	double rate; /* connections a second */
	uint32_t services, remotes;
	enum where where[3]; /* by turns */
	bool process_each;   /* half of the clients' connections */
	bool noise;	     /* no two rows have anything in common */
};

#define MIXED { CLIENT_HERE, SERVER_HERE, BOTH_HERE }

static const struct traffic traffics[] = {
	{ .name = "12 services, 240 remotes, 1,000/s",
	  .rate = 1000, .services = 12, .remotes = 20, .where = MIXED },
	{ .name = "the same, 5/s", .rate = 5, .services = 12, .remotes = 20, .where = MIXED },
	{ .name = "the same, 20,000/s",
	  .rate = 20000, .services = 12, .remotes = 20, .where = MIXED },
	{ .name = "a process for every second connection, 1,000/s",
	  .rate = 1000, .services = 12, .remotes = 20, .where = { CLIENT_HERE },
	  .process_each = true },
	{ .name = "a server, 20,000 remotes, 1,000/s",
	  .rate = 1000, .services = 1, .remotes = REMOTES_MAX, .where = { SERVER_HERE } },
	{ .name = "no two rows alike", .rate = 1000, .services = 1, .remotes = 1, .noise = true },
};

struct world {
	const struct traffic *traffic;
	struct service services[SERVICES_MAX];
	uint16_t ports[SERVICES_MAX][REMOTES_MAX];
	uint64_t cookies[CPUS], next_batch;
	uint64_t now_ns, wall_offset_ns, snapshot_ns;
	uint32_t next_pid;
	/* Sockets in TIME_WAIT, from the oldest. */
	struct held_row *waiting;
	uint32_t first, num_waiting;
	/* Rows that were told and not taken yet. */
	struct held_row *told;
	uint32_t num_told, taken;
};

static void make_process(struct world *w, struct process *p, const char *what, uint32_t i)
{
	*p = (struct process){
		.tgid = w->next_pid += 1 + roll(40),
		.threads = i % 3 ? 1 : 1 + roll(8),
		.netns = 4026531840u + roll(4) * 90,
		.who = 1 + i,
		.cgroup = 4000 + i * 67ULL,
		.start_ns = next_chance() % w->now_ns,
		.pid_ns = i % 2 ? 0 : 4026532800u + i,
	};
	snprintf(p->comm, sizeof(p->comm), "%s-%u", what, i);
}

static void make_world(struct world *w, const struct traffic *traffic)
{
	struct held_row *waiting = w->waiting, *told = w->told;

	*w = (struct world){ .traffic = traffic, .waiting = waiting, .told = told,
			     .now_ns = 900000 * NS_PER_S, .next_pid = 1000 };
	w->wall_offset_ns = 1795000000 * NS_PER_S;
	w->snapshot_ns = w->now_ns;
	for (uint32_t i = 0; i < traffic->services; i++) {
		struct service *s = &w->services[i];

		make_process(w, &s->client, "client", i);
		make_process(w, &s->server, "server", i);
		if (traffic->process_each && i % 2)
			s->client.threads = 0;
		s->where = traffic->where[i % 3];
		s->client_closes = i % 4 < 2;
		s->ipv6 = i % 5 == 4;
		s->port = (uint16_t)(i % 2 ? 443 : 8000 + i);
		s->remotes = s->where == BOTH_HERE ? 1 : traffic->remotes;
		s->median_ns = 2e5 * pow(3, i % 8);
		s->tx = 80 + roll(600);
		s->rx = 100 + roll(20000);
		s->varied = i % 3 * 30;
		for (uint32_t remote = 0; remote < s->remotes; remote++)
			w->ports[i][remote] = (uint16_t)(32768 + roll(28000));
	}
}

static uint64_t next_cookie(struct world *w)
{
	uint64_t *next = &w->cookies[roll(CPUS)];

	if (*next % COOKIES == 0)
		*next = COOKIES * w->next_batch++;
	/* Sockets that are none of ours have some, too. */
	*next += 1 + (roll(4) == 0 && (*next + 2) % COOKIES);
	return *next;
}

static uint16_t next_port(struct world *w, uint32_t service, uint32_t remote)
{
	uint16_t *port = &w->ports[service][remote];

	*port = (uint16_t)(*port + 2 + 2 * roll(8));
	if (*port < 32768 || *port > 60998)
		*port = (uint16_t)(32768 + *port % 2);
	return *port;
}

/* ---- events ---- */

static void fill_address(uint8_t addr[16], bool ipv6, uint32_t host, uint32_t number)
{
	uint32_t scattered = number * 2654435761u;

	memset(addr, 0, 16);
	addr[0] = ipv6 ? 0xfd : 10;
	addr[1] = (uint8_t)host;
	memcpy(addr + (ipv6 ? 12 : 2), &scattered, ipv6 ? 4 : 2);
}

static void fill_closer(struct world *w, struct tws_conn *conn, const struct process *p)
{
	uint64_t mixed = p->tgid * 0x9e3779b97f4a7c15ULL;

	conn->tgid = p->threads ? p->tgid : (w->next_pid += 1 + roll(3));
	conn->tid = conn->tgid + (p->threads > 1 ? roll(p->threads) : 0);
	conn->ns_tgid = p->pid_ns ? 1 + (uint32_t)(mixed >> 60) : conn->tgid;
	conn->pid_ns = p->pid_ns;
	conn->closer_start_ns = p->threads ? p->start_ns : conn->open_ns - wait_ns(4e6);
	conn->cgroup_id = p->cgroup;
	conn->uid = p->who % 2 ? 0 : 65534;
	conn->flags |= TWS_F_CLOSER | TWS_F_OPENER;
	conn->opener_tgid = conn->side == TWS_SIDE_SERVER ? p->tgid - 1 : conn->tgid;
	memcpy(conn->comm, p->comm, sizeof(conn->comm));
	memcpy(conn->thread_comm, p->comm, sizeof(conn->thread_comm));
	memcpy(conn->opener_comm, p->comm, sizeof(conn->opener_comm));
}

static void tell(struct world *w, struct held_row *row)
{
	row->wall_ns = row->event.time_ns + w->wall_offset_ns;
	w->told[w->num_told++] = *row;
	if (row->event.action == TWS_TIME_WAIT && w->num_waiting < WAITING_MAX)
		w->waiting[(w->first + w->num_waiting++) % WAITING_MAX] = *row;
}

/* One end of a connection: @row has what both have in common, as the client sees it. */
static void tell_end(struct world *w, const struct service *s, struct held_row row, bool server,
		     bool closes_first)
{
	struct tws_event *ev = &row.event, seen = row.event;
	const struct process *p = server ? &s->server : &s->client;

	if (server) {
		memcpy(ev->local_addr, seen.peer_addr, 16);
		memcpy(ev->peer_addr, seen.local_addr, 16);
		ev->local_port = seen.peer_port;
		ev->peer_port = seen.local_port;
		ev->tx_bytes = seen.rx_bytes;
		ev->rx_bytes = seen.tx_bytes;
		ev->conn.open_ns += 15 * NS_PER_US + wait_ns(2e4);
	}
	if (!closes_first)
		ev->time_ns += 20 * NS_PER_US + wait_ns(3e4);
	ev->action = closes_first ? TWS_TIME_WAIT : TWS_PASSIVE_CLOSE;
	ev->cookie = next_cookie(w);
	ev->netns = p->netns;
	ev->conn.side = server ? TWS_SIDE_SERVER : TWS_SIDE_CLIENT;
	ev->conn.cause = TWS_CAUSE_CLOSE;
	ev->conn.flags = closes_first ? TWS_F_ACTIVE : TWS_F_PASSIVE;
	fill_closer(w, &ev->conn, p);
	row.who = row.command = p->who;
	tell(w, &row);
}

static void tell_connection(struct world *w)
{
	uint32_t which = roll(roll(w->traffic->services) + 1); /* the first ones are busier */
	const struct service *s = &w->services[which];
	uint32_t remote = roll(s->remotes);
	struct held_row row = { .event = {
		.family = s->ipv6 ? AF_INET6 : AF_INET,
		.time_ns = w->now_ns,
		.tx_bytes = s->tx,
		.rx_bytes = s->rx,
		.local_port = next_port(w, which, remote),
		.peer_port = s->port,
	} };
	struct tws_event *ev = &row.event;

	if (roll(100) < s->varied)
		ev->rx_bytes = roll(4 * s->rx);
	ev->conn.open_ns = w->now_ns - 30 * NS_PER_US - lifetime_ns(s->median_ns);
	fill_address(ev->local_addr, s->ipv6, 1, s->where == SERVER_HERE ? remote : which);
	fill_address(ev->peer_addr, s->ipv6, 2, s->where == CLIENT_HERE ? remote : which);
	if (s->where != SERVER_HERE)
		tell_end(w, s, row, false, s->client_closes);
	if (s->where != CLIENT_HERE)
		tell_end(w, s, row, true, !s->client_closes);
}

static void tell_noise(struct world *w)
{
	struct held_row row = { .who = (uint32_t)next_chance(), .command = roll(1u << 31) };
	struct tws_event *ev = &row.event;
	uint64_t *words = (uint64_t *)ev;

	for (size_t i = 1; i < sizeof(*ev) / sizeof(*words); i++)
		words[i] = next_chance();
	ev->action = TWS_PASSIVE_CLOSE;
	ev->family = AF_INET6;
	ev->conn.side = TWS_SIDE_UNKNOWN;
	ev->conn.cause = TWS_CAUSE_UNKNOWN;
	ev->conn.flags = 0;
	ev->conn.comm[TWS_COMM_LEN - 1] = ev->conn.thread_comm[TWS_COMM_LEN - 1] = '\0';
	ev->conn.opener_comm[TWS_COMM_LEN - 1] = '\0';
	tell(w, &row);
}

/* Those whose minute is over, as a snapshot finds. */
static void tell_ends(struct world *w)
{
	while (w->num_waiting) {
		struct held_row row = w->waiting[w->first];
		struct tws_event *ev = &row.event;
		uint64_t since_ns = ev->time_ns + MINUTE_NS - w->snapshot_ns;

		if (ev->time_ns + MINUTE_NS + SNAPSHOT_NS > w->now_ns ||
		    w->num_told == TOLD_MAX - 4)
			break;
		w->first = (w->first + 1) % WAITING_MAX;
		w->num_waiting--;
		ev->action = TWS_TIME_WAIT_END;
		ev->end = TWS_END_EXPIRED;
		ev->time_ns = w->snapshot_ns + since_ns / NS_PER_MS * NS_PER_MS;
		tell(w, &row);
	}
	w->snapshot_ns = w->now_ns;
}

static const struct held_row *next_row(struct world *w)
{
	if (w->taken == w->num_told)
		w->taken = w->num_told = 0;
	while (!w->num_told) {
		w->now_ns += wait_ns(1e9 / w->traffic->rate);
		if (roll(100) == 0) /* another look at the clocks */
			w->wall_offset_ns += roll(60) - 30ULL;
		if (w->traffic->noise)
			tell_noise(w);
		else
			tell_connection(w);
		if (w->now_ns >= w->snapshot_ns + SNAPSHOT_NS)
			tell_ends(w);
	}
	return &w->told[w->taken++];
}

/* ---- what is measured ---- */

struct sums {
	uint64_t rows, bytes, blocks, add_ns, encode_ns, decode_ns;
};

static void check_block(const uint8_t *data, size_t size, const struct held_row *rows, uint32_t num,
			struct sums *sums)
{
	struct block *block;
	struct held_row row;
	uint64_t begin_ns = cpu_ns();
	int err = block__decode(&block, data, size);

	if (err)
		die("decode", err);
	for (uint32_t i = 0; i < block__count(block); i++)
		block__row(block, i, &row);
	sums->decode_ns += cpu_ns() - begin_ns;
	for (uint32_t i = 0; i < num; i++) {
		block__row(block, i, &row);
		if (memcmp(&row.event, &rows[i].event, sizeof(row.event)) ||
		    row.wall_ns != rows[i].wall_ns || row.who != rows[i].who)
			die("a row comes back as another", EBADMSG);
	}
	block__free(block);
}

/* The rows of a minute, or as many as a block has room for. */
static uint32_t gather(struct world *w, struct held_row *rows, uint32_t num)
{
	uint64_t end_ns = 0;

	while (num < BLOCK_ROWS) {
		rows[num] = *next_row(w);
		if (!end_ns)
			end_ns = w->now_ns + MINUTE_NS;
		num++;
		if (w->now_ns >= end_ns)
			break;
	}
	return num;
}

static uint32_t add_rows(struct block_builder *builder, const struct held_row *rows, uint32_t num,
			 struct sums *sums)
{
	uint64_t begin_ns = cpu_ns();
	uint32_t added = 0;
	int err = 0;

	while (added < num && !err) {
		err = block_builder__add(builder, &rows[added]);
		added += !err;
	}
	sums->add_ns += cpu_ns() - begin_ns;
	if (err && err != -ENOSPC)
		die("add", err);
	return added;
}

static struct sums measure(struct world *w, struct held_row *rows, struct block_builder *builder,
			   uint64_t want)
{
	struct sums sums = { 0 };
	uint32_t num = 0, added;
	const uint8_t *data;
	uint64_t begin_ns;
	size_t size;
	int err;

	while (sums.rows < want) {
		num = gather(w, rows, num);
		added = add_rows(builder, rows, num, &sums);
		begin_ns = cpu_ns();
		err = block_builder__encode(builder, 0, LEVEL, &data, &size);
		if (err)
			die("encode", err);
		sums.encode_ns += cpu_ns() - begin_ns;
		check_block(data, size, rows, added, &sums);
		block_builder__clear(builder);
		sums.rows += added;
		sums.bytes += size;
		sums.blocks++;
		num -= added;
		memmove(rows, rows + added, num * sizeof(*rows));
	}
	return sums;
}

static void print_sums(const char *name, const struct sums *sums)
{
	double rows = (double)sums->rows;

	printf("{\"traffic\":\"%s\",\"rows\":%llu,\"blocks\":%llu,\"bytes\":%.2f,\"add\":%.0f,"
	       "\"encode\":%.0f,\"decode\":%.0f}\n",
	       name, (unsigned long long)sums->rows, (unsigned long long)sums->blocks,
	       (double)sums->bytes / rows, (double)sums->add_ns / rows,
	       (double)sums->encode_ns / rows, (double)sums->decode_ns / rows);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool quick = argc == 2 && !strcmp(argv[1], "--quick");
	struct world *w = calloc(1, sizeof(*w));
	struct held_row *rows = calloc(BLOCK_ROWS, sizeof(*rows));
	struct block_builder *builder;
	struct sums sums;

	if (argc > 1 + quick) {
		fprintf(stderr, "usage: blocks [--quick]\n");
		return 2;
	}
	if (!w || !rows || block_builder__new(&builder))
		die("no memory", ENOMEM);
	w->waiting = calloc(WAITING_MAX, sizeof(*w->waiting));
	w->told = calloc(TOLD_MAX, sizeof(*w->told));
	if (!w->waiting || !w->told)
		die("no memory", ENOMEM);
	for (size_t i = 0; i < sizeof(traffics) / sizeof(traffics[0]); i++) {
		make_world(w, &traffics[i]);
		/* Until as many end as begin. */
		if (!quick && !traffics[i].noise)
			measure(w, rows, builder, (uint64_t)(traffics[i].rate * 80));
		sums = measure(w, rows, builder, traffics[i].rate < 10 ? 3000 :
			       quick ? 30000 : 500000);
		print_sums(traffics[i].name, &sums);
	}
	block_builder__free(builder);
	free(w->waiting);
	free(w->told);
	free(rows);
	free(w);
	return 0;
}
