/* SPDX-License-Identifier: GPL-2.0 */
/* The tables of scenarios, one for each file that plays some. */
#ifndef SCENARIOS_SCENARIOS_H
#define SCENARIOS_SCENARIOS_H

#include "stage.h"
#include "tracer.h"

#include <stddef.h>

struct options {
	const char *twsnoop;
	const char *filter;
	bool list, verbose, slow, alone, referee_only, attached, share;
	long jobs, half; /* half: 1 or 2, 0: all */
};

/* Is a test of this name asked for? */
bool options__chose(const struct options *o, const char *name);
/* Whether the next one that has a trace of its own is to be played: with --share every second one. */
bool options__has_turn(const struct options *o);

struct tally {
	unsigned int passed, failed, skipped;
};

/* Counts a test and prints its line; why is for those that did not succeed. */
void tally__say(struct tally *tally, enum verdict v, const char *name, const char *why);

/* Tells on stderr how long something took since then, if it was long. */
void tally__took(uint64_t since_ns, const char *name);

/* Appends the file's scenarios to a table that grows. */
struct table {
	struct scenario *s;
	size_t n, cap;
};

/* Adds a copy; the name is built as in printf. Aborts without memory. */
void table__add(struct table *t, const struct scenario *model, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void scen_close__add(struct table *t);
/* The peer never answers: mini-sockets that stay in FIN_WAIT2. */
void scen_close__add_silent(struct table *t);
void scen_abort__add(struct table *t);
void scen_outcome__add(struct table *t);
void scen_miniwait__add(struct table *t);
void scen_ids__add(struct table *t);
void scen_open__add(struct table *t);
/* Sockets that are bound to a device: their mini-sockets too. */
void scen_device__add(struct table *t);
/* connect() and bind() that fail: with --all only, and the system calls' tracepoints. */
void scen_fail__add(struct table *t);

/*
 * A test that runs tracers of its own, in a process of its own that is a stage: it ends with
 * stage__fail(), stage__skip() or by returning, which is success.
 */
struct solo {
	const char *name;
	void (*run)(struct stage *st, const char *twsnoop);
};

/* One half of the filters, or the other (--half); 0: all. */
void filters__play_half(long half);
/* How many of solo_filters[] there are then: the first ones. */
int filters__batches(void);

/* They end with a NULL name. */
extern const struct solo solo_filters[], solo_control[], solo_half_closed[], solo_table[],
	solo_cgroups[], solo_listeners[],
	solo_device[], solo_readers[], solo_softirqs[], solo_looked_at[];

/*
 * Starts a tracer (zeroed, or with its options set) in the namespace that the test program was
 * started in; ends the stage if it cannot.
 */
void solo__trace(struct stage *st, struct tracer *t, const char *twsnoop,
		 const char *const args[]);
/* The two halves of it. */
void solo__spawn(struct stage *st, struct tracer *t, const char *twsnoop,
		 const char *const args[]);
void solo__await(struct stage *st, struct tracer *t);
/* Stops it and fails the stage if it does not end well; then judges the stage's truths. */
void solo__stop_and_judge(struct stage *st, struct tracer *t, int sig);
/* Fails the stage unless the tracer has ended with status 0 and kept the contract. */
void solo__ended_well(struct stage *st, struct tracer *t, int status);

struct churn {
	int procs;	  /* pairs of client and server processes */
	long conns;	  /* of each pair */
	bool stop_reader; /* SIGSTOP the tracer meanwhile */
	bool lap;	  /* and with a ring that is too small for it */
	enum { CHURN_NO_FILTER, CHURN_IPV4, CHURN_SERVERS } filter; /* -4, -p the servers */
	bool all;	  /* trace with --all */
	bool report;	  /* print a line about it */
	bool hurried;	  /* beside a process that comes in between softirqs, where it can */
	/* With a recorder: the tracer begins in the midst, and looks back to the beginning; or
	 * another reads beside it, and is stopped meanwhile. */
	bool late, second;
};

/* Plays churn on a stage and judges it; ends the stage on the first fault. */
void churn__run(struct stage *st, const char *twsnoop, const struct churn *how);
/* Plays it while traces begin and end: nothing that one says may be wrong. */
void churn__edges(struct stage *st, const char *twsnoop, const struct churn *how);
/* `scenarios churn [options]`. Returns the exit status. */
int churn__main(int argc, char **argv);
/* `scenarios soak [options]`: likewise. */
int soak__main(int argc, char **argv);

/* Runs a function as a solo test in a child; *why (size bytes) is set if it did not succeed. */
enum verdict solo__run(void (*run)(struct stage *st, const char *twsnoop), const char *twsnoop,
		       char *why, size_t size);

#endif
