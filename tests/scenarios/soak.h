/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the soak share: who makes which connections, and what was made and told so far. */
#ifndef SCENARIOS_SOAK_H
#define SCENARIOS_SOAK_H

#include "net.h"
#include "scenarios.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAIRS 4		/* of a server and a client */
#define PASSERS PAIRS	/* who lives for one connection: their place beside the pairs */
#define GROUPS (PAIRS + 1)
#define PORT 7000	/* of the first server */
#define SLOT_BITS 20	/* client addresses of a pair: none comes again within its TIME_WAIT */
#define SLOTS (1U << SLOT_BITS)
#define SERVERS 0x7f010001U /* 127.1.0.1, and 127.1.1.1 and so on */
#define CLIENTS 0x7f400000U
#define PASSER_SERVERS 0x7f030000U /* of 65,536 addresses and PASSER_PORT, the next, ... */
#define PASSER_PORT 7100
#define NETNS_EACH 8	/* of so many passers one has a network namespace */
#define READERS 2
#define STOPPED 1	/* the reader that is */
#define AWAIT_MS 300000
#define HEALED_MS 60000 /* so late a snapshot tells what no program has seen (docs/limits.md) */

/* An end by who it is of: a pair's client address. Every other connection is closed first by the
 * server, so that this also tells by whom. */
struct ends {
	uint16_t times[GROUPS][SLOTS];
};

struct reader {
	struct ends ends;
	uint64_t lines, ours, others, found, nobody;
	uint64_t lost; /* as it says */
	uint64_t foreign, wrong_pid;
	uint64_t of[GROUPS][2]; /* ends of clients, and of servers */
	char example[200]; /* of what nobody made */
	char nobody_line[400]; /* the last that is not from a snapshot */
	char wrong_line[400];
};

struct soak {
	int ready, go, enough;
	int fault_line, fault_errno;
	unsigned int failed;
	uint64_t netns;
	pid_t server[PAIRS], client[GROUPS];
	uint64_t made[GROUPS], outside; /* of the namespace that the rest is in */
	uint64_t before_ns[GROUPS][SLOTS]; /* CLOCK_MONOTONIC, before the last close of each */
	/* A client whose connection's FIN was waited for so long that it may never have come: such a mini-socket
	 * ends in FIN_WAIT2, after a minute. */
	uint8_t fin_is_late[GROUPS][SLOTS];
	/* Of each passer, since before it connected. */
	uint32_t passer_pid[SLOTS], passer_netns[SLOTS];
	uint64_t cgroups, namespaces, filters;
	char hierarchy[200]; /* where cgroups are made, "": nowhere */
	struct reader reader[READERS], list, filtered;
};

/* Memory that all its processes share. */
extern struct soak *soak;

/* Prints why, and counts it. */
void soak__fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- soak_load.c ---- */

/* The process that the network namespace, and all that connects in it, is of; it does not return. */
void soak__be_world(void);
/* Until so many have begun, or have ended, too; false: it took too long, or went wrong (fault_line). */
bool soak__await_ready(int num);
/* Connections so far. */
uint64_t soak__made(void);

/* ---- soak_readers.c ---- */

/* A process of twsnoop, and the one that reads its lines. */
struct program {
	pid_t pid, drain;
	int err; /* a file that has its stderr */
};

/* Its lines are noted in @r. */
bool program__start(struct program *p, const char *twsnoop, const char *const args[], struct reader *r,
		    bool is_list);
/* Until its stderr has them. */
bool program__await_words(const struct program *p, const char *words);
void program__read_stderr(const struct program *p, char *text, size_t size);
/* Waits until both have ended; false: not well, which is said. */
bool program__end(struct program *p, const char *what);

/* Of our client's or server's end, by its addresses; false: nobody made such a connection. */
bool soak__find_end(const char *laddr, unsigned int lport, const char *raddr, unsigned int rport,
		    unsigned int *pair, unsigned int *slot, bool *is_server);
/* ~0: the word is not there. */
unsigned long soak__number_after(const char *text, const char *word);
bool soak__start_readers(struct program *readers, const char *twsnoop);
/* Until each reader has told @sum ends, or a snapshot must have told what else there was. */
void soak__await_told(uint64_t sum);
/* What reader @i has told against what was done, and what it counts as lost. */
void soak__judge_reader(int i, const struct program *p, uint64_t sum);

/* ---- soak_cost.c ---- */

/*
 * What each reader had at most, and at least in the third and in the last quarter of the time. At
 * any one moment it may hold a snapshot of a million sockets, and what came while it was kept
 * waiting: for seconds, if the machine is busy.
 */
struct memory {
	unsigned long most[READERS], third[READERS], last[READERS];
	uint64_t made_at_half;
	/* Processor time in ticks, and what was made, at the begin of the last two quarters and at their
	 * end. */
	unsigned long ticks[READERS][3];
	uint64_t made[3];
};

/* At @ms of @total_ms; processor time, too. */
void soak__note_memory(struct memory *m, const struct program *readers, uint64_t ms, uint64_t total_ms);
void soak__judge_memory(const struct memory *m, uint64_t sum);
void soak__judge_cost(const struct memory *m, unsigned int seconds);
/* Every half minute. */
void soak__say_progress(uint64_t ms, const struct program *readers);

/* ---- soak_lists.c ---- */

/* Lists, one after the other, of the namespace @netns; @home is where to go back to. The process's ID. */
pid_t soak__fork_lists(const char *twsnoop, uint64_t total_ms, int netns, int home);
/* Readers with a filter, one after the other: likewise. */
pid_t soak__fork_filters(const char *twsnoop, uint64_t total_ms);
/* Until the kernel's table of @netns has nothing that is not in TIME_WAIT. */
bool soak__settle(int netns, int home);

#endif
