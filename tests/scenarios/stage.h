/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A stage: the process that plays one scenario in its own network namespace, and its
 * actors: forked processes that do what the stage tells them, one call at a time, so that
 * a scenario reads from top to bottom and yet each process does its own system calls.
 */
#ifndef SCENARIOS_STAGE_H
#define SCENARIOS_STAGE_H

#include "net.h"
#include "referee.h"
#include "truth.h"

#define ACTORS_MAX 12
#define SPARES_MAX 2
/* Only ends a hang: generous, but less than the minute of a TIME_WAIT. */
#define DEADLINE_MS (net__is_emulated() ? 45000 : 20000)

struct stage;

/* Runs in the actor; what it returns is the result of the call. */
typedef long (*actor_fn)(long a, long b, long c);

struct actor {
	struct stage *st;
	pid_t pid;
	int chan;
	bool is_child;	/* of the stage, so that the stage can wait for it */
	char name[16];
};

struct spare {
	int chan[2];
};

struct scenario {
	const char *name;
	void (*run)(struct stage *st);
	int arg;
	enum fam fam;
	int first;		/* which end closes first: END_C or END_S */
	unsigned int flags;
};
#define SCN_SLOW 1u		/* only with --slow */
#define SCN_LATE 2u		/* the peer closes after the first end reached FIN_WAIT2 */
#define SCN_DELAYED_ACK 4u	/* the first FIN is acknowledged by the delayed ACK's timer */
#define SCN_SILENT 8u		/* the peer never sends its FIN */
#define SCN_TIME_WAIT_ONLY 16u	/* the trace is without --all */

enum { END_C, END_S };

struct stage {
	const struct scenario *sc;
	struct record *rec;
	struct actor actors[ACTORS_MAX];
	int nactors;
	int scm[2];		/* a unix socket pair that every actor has */
	struct spare spares[SPARES_MAX];
	int nspares;
	char *arena;		/* shared with the actors, for strings and results */
};

/* One end of a connection: who holds it, under which descriptor, and its tuple. */
struct end {
	struct actor *a;
	int fd;
	struct tuple t;
	unsigned int side;
	pid_t opener;
	long sent;		/* bytes written by this end */
};

struct pair {
	struct end e[2];	/* END_C, END_S */
	int lfd;
	enum fam fam;
	uint64_t before_ns;	/* before connect() */
	uint64_t opened_ns;	/* after accept() */
};

/* Ends the scenario: as failed (with a reason), or skipped (the kernel cannot do it). */
void stage__fail(struct stage *st, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void stage__skip(struct stage *st, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#define EXPECT(st, cond)                                                                        \
	do {                                                                                    \
		if (!(cond))                                                                    \
			stage__fail(st, "%s:%d: not so: %s", __FILE__, __LINE__, #cond);        \
	} while (0)

/*
 * Plays a scenario in the calling process, sets the record's verdict, and then sleeps until it
 * is killed: so its namespace lives on, as one that has a process.
 */
void stage__play(const struct scenario *sc, struct record *rec) __attribute__((noreturn));
/* Of a stage that died without a verdict, with wait status @status: why, into @rec. */
void stage__died(struct record *rec, int status);
/* Ends the actors; used by stage__play() and by solo runs. */
void stage__strike(struct stage *st);
/* Sets up a stage in the calling process (solo runs): enters a new namespace. 0 or -errno. */
int stage__set(struct stage *st, const struct scenario *sc, struct record *rec);

#define ACTOR_PIDNS 1u
/* Starts an actor; never fails (ends the scenario instead). */
struct actor *actor__start(struct stage *st, const char *name, unsigned int flags);
/* Has an actor fork a new one, which shares its descriptors. */
struct actor *actor__fork(struct actor *parent, const char *name);
/* Has the actor run fn; its result, or the scenario fails when the actor dies. */
long actor__call(struct actor *a, actor_fn fn, long x, long y, long z);
/* As actor__call(), but the actor will not answer (it dies, or the answer comes later). */
void actor__post(struct actor *a, actor_fn fn, long x, long y, long z);
/* Waits for the answer to an earlier actor__post(). */
long actor__answer(struct actor *a);
/* Waits until the actor is dead. */
void actor__await_end(struct actor *a);
/* Passes a descriptor over a unix socket; returns its number at the receiver. */
long actor__pass(struct actor *from, int fd, struct actor *to);

/* Functions for actor__call(); negative errno on failure. */
long do_listen(long fam, long port, long backlog);
long do_port(long fd, long b, long c);
long do_connect(long fam, long port, long bind_port);
long do_accept(long lfd, long b, long c);
long do_tuple(long fd, long tuple_ptr, long c);
long do_send(long fd, long bytes, long c);
/* Sends until the peer's window and the queue are full: some of it waits. Returns the bytes. */
long do_fill(long fd, long b, long c);
long do_recv(long fd, long bytes, long c);
long do_recv_eof(long fd, long b, long c);
long do_close(long fd, long b, long c);
long do_shutdown(long fd, long how, long c);
long do_exit(long code, long b, long c);
long do_sockopt(long fd, long name, long value);	/* SOL_TCP level */
long do_linger(long fd, long onoff, long seconds);
long do_valve(long fd, long valve_ptr, long c);
long do_await_err(long fd, long b, long c);

#define PAIR_TX 1234
#define PAIR_RX 777
/* Opens a connection between two actors and lets each end send some bytes. */
void pair__open(struct stage *st, struct pair *p, struct actor *c, struct actor *s, enum fam fam);
/* The same without the bytes; bind_port as for do_connect(). */
void pair__connect(struct stage *st, struct pair *p, struct actor *c, struct actor *s,
		   enum fam fam, int bind_port);
/* Client sends PAIR_TX bytes, server PAIR_RX; all are read. */
void pair__talk(struct pair *p);

/* Waits until the kernel's table shows the end as one of mask, or fails the scenario. */
void stage__await(struct stage *st, const struct end *e, unsigned int mask);
/*
 * Waits until the end has received the peer's FIN, and has it acknowledged at once. It would be
 * left to the delayed ACK's timer else.
 */
void stage__ack_fin(struct stage *st, const struct end *e);
/* Fails unless the table shows the end as one of mask now. */
void stage__see(struct stage *st, const struct end *e, unsigned int mask);

/*
 * Records the truth about an end: `once` as given, the closer `who` (NULL: nobody), its
 * cause, and what follows from the pair. life_ns counts up to the moment of this call, so
 * call it just before the close.
 */
struct truth *truth__add(struct stage *st, struct pair *p, int end, unsigned int once,
			 const struct actor *who, unsigned int causes);
/* Once the end is in TIME_WAIT: check it with the referee and take its cookie. */
void truth__in_time_wait(struct stage *st, struct truth *t);
/* Checks with the referee that the end is not in the table (any more). */
void truth__gone(struct stage *st, struct truth *t);

#endif
