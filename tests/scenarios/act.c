// SPDX-License-Identifier: GPL-2.0
#include "act.h"

#include <string.h>

static void set_up(struct act *x, struct stage *st)
{
	memset(x, 0, sizeof(*x));
	x->st = st;
	x->a = st->sc->first;
	x->b = !x->a;
	/* In the shared arena, and before the actors: they inherit the descriptors. */
	x->v = (struct valve *)(st->arena + 4096);
	EXPECT(st, valve__new(&x->v[0]) == 0);
	EXPECT(st, valve__new(&x->v[1]) == 0);
	x->c = actor__start(st, "sc-client", 0);
	x->s = actor__start(st, "sc-server", 0);
}

void act__open_silent(struct act *x, struct stage *st, int bind_port)
{
	set_up(x, st);
	pair__connect(st, &x->p, x->c, x->s, st->sc->fam, bind_port);
	act__do(x, END_C, do_valve, (long)&x->v[END_C], 0);
	act__do(x, END_S, do_valve, (long)&x->v[END_S], 0);
}

void act__open(struct act *x, struct stage *st)
{
	act__open_silent(x, st, 0);
	pair__talk(&x->p);
}

long act__call(struct act *x, int e, actor_fn fn, long b, long c)
{
	return actor__call(x->p.e[e].a, fn, x->p.e[e].fd, b, c);
}

void act__do(struct act *x, int e, actor_fn fn, long b, long c)
{
	long ret = act__call(x, e, fn, b, c);

	if (ret)
		stage__fail(x->st, "a call of %s failed: %s", e == END_C ? "client" : "server",
			    strerror((int)-ret));
}

void act__lose(struct act *x, int e, unsigned int flags)
{
	EXPECT(x->st, valve__set(&x->v[e], flags) == 0);
}

void act__await(struct act *x, int e, unsigned int mask)
{
	stage__await(x->st, &x->p.e[e], mask);
}

struct truth *act__truth(struct act *x, int e, unsigned int once, unsigned int causes)
{
	return truth__add(x->st, &x->p, e, once, x->p.e[e].a, causes);
}

struct truth *act__dies(struct act *x, int e, unsigned int one_of)
{
	struct truth *t = truth__add(x->st, &x->p, e, 0, x->p.e[e].a, 0);

	t->one_of = one_of;
	t->pid_optional = true;
	return t;
}

void stage__sysctl(struct stage *st, const char *name, long value)
{
	int err = net__sysctl(name, value);

	if (err)
		stage__fail(st, "sysctl %s: %s", name, strerror(-err));
}
