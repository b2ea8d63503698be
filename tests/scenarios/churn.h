/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Churn: pairs of processes open and close connections as fast as they can, half of them closed first by
 * the client and half by the server. Then three lists are compared: what the processes did, what the
 * kernel's table holds, and what twsnoop said. All of it ends the stage if something is wrong.
 */
#ifndef SCENARIOS_CHURN_H
#define SCENARIOS_CHURN_H

#include "scenarios.h"

#define CHURN_PORT 7000
#define CHURN_CONNS_MAX 55000 /* of a pair */

/* An end in TIME_WAIT, so laid out that memcmp() orders it. */
struct key {
	uint8_t family, pad;
	uint16_t lport, rport;
	uint8_t laddr[16], raddr[16];
};

/* What a process did: written by the client's process, in shared memory. */
struct deed {
	struct key key;
	uint8_t server_first;
	pid_t pid;    /* who closed first */
	pid_t client; /* who connected */
	uint64_t before_ns; /* CLOCK_MONOTONIC, before either end closed */
};

/* What somebody says about an end: the kernel's table, or twsnoop. */
struct claim {
	struct key key;
	uint64_t cookie;
	const struct event *ev; /* NULL: from the kernel's table */
};

struct claims {
	struct claim *c;
	size_t n, cap;
	unsigned long others; /* seen, but not TIME_WAIT: not settled yet */
	uint64_t taken_ns;    /* CLOCK_MONOTONIC */
	uint64_t ended_ns;    /* when the tracers had */
};

struct churn_shared {
	uint64_t begun_ns; /* CLOCK_REALTIME */
	pid_t server[64];
	long made;	/* by all, for the one who waits */
	int ready;
	bool servers_close; /* always the server first, not half the time */
	int enough;	    /* the clients are to end */
	int failed;	/* errno of the first fault */
	int fault_line;
	struct deed deeds[];
};

void churn__set_key(struct key *k, const struct tuple *t);
/* Every struct here begins with its key. */
int churn__by_key(const void *a, const void *b);

/* ---- churn_load.c ---- */

/* Servers that listen, until churn__end_servers(). */
void churn__spawn_servers(struct stage *st, struct churn_shared *sh, int procs);
void churn__end_servers(const struct churn_shared *sh, const struct churn *how);

/* A client to each, in @pids. Whether one is left. Those that are, are killed. */
void churn__spawn_clients(struct stage *st, struct churn_shared *sh, const struct churn *how, pid_t *pids);
bool churn__clients_run(const struct churn *how, pid_t *pids);
void churn__end_clients(struct stage *st, const struct churn_shared *sh, const struct churn *how,
			const pid_t *pids);

/* How many connections they have made so far. */
long churn__made(const struct churn_shared *sh);

/* The process of churn.hurried; to be killed. */
pid_t churn__start_hurried(struct stage *st, struct churn_shared *sh);

/* ---- churn_judge.c ---- */

/* In the order of their keys; to be freed: cs->c. Of the table once every connection has reached its end,
 * the output of @t being read meanwhile; of events those of the stage's own TIME_WAITs. */
void claims__take_table(struct stage *st, struct tracer *t, struct claims *cs);
void claims__take_events(struct stage *st, const struct tracer *t, struct claims *cs);

/* What one tracer has said, against what was done (in the order of its keys) and what the kernel's table
 * had. */
void churn__judge(struct stage *st, struct tracer *t, const struct churn *how,
		  const struct churn_shared *sh, const struct claims *table);

#endif
