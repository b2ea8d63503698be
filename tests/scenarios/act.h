/* SPDX-License-Identifier: GPL-2.0 */
/* An act: a connected pair with a valve in front of each end, and the moves that many share. */
#ifndef SCENARIOS_ACT_H
#define SCENARIOS_ACT_H

#include "stage.h"

struct act {
	struct stage *st;
	struct actor *c, *s;
	struct pair p;
	struct valve *v;	/* v[END_C]: what the client receives; v[END_S]: the server */
	int a, b;		/* the end that the scenario is about, and its peer */
};

/* Opens the connection; end a is the scenario's `first`. */
void act__open(struct act *x, struct stage *st);
/* The same without the exchange of bytes, the client's port bound to bind_port (0: not). */
void act__open_silent(struct act *x, struct stage *st, int bind_port);
/* Calls fn on the descriptor of an end, in its actor. */
long act__call(struct act *x, int e, actor_fn fn, long b, long c);
/* The same and must give 0. */
void act__do(struct act *x, int e, actor_fn fn, long b, long c);
/* From now on end e does not receive segments with these flags (SEG_*). */
void act__lose(struct act *x, int e, unsigned int flags);
void act__await(struct act *x, int e, unsigned int mask);
/* truth__add() for an end whose own actor closes it. */
struct truth *act__truth(struct act *x, int e, unsigned int once, unsigned int causes);
/* An end that dies of the kernel's doing: exactly one of these actions, its process optional. */
struct truth *act__dies(struct act *x, int e, unsigned int one_of);
/* Writes to a sysctl of the stage's namespace, or fails the scenario. */
void stage__sysctl(struct stage *st, const char *name, long value);

#endif
