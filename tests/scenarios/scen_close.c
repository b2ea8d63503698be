// SPDX-License-Identifier: GPL-2.0
/* Each way to close first, as client and as server, in each family. */
#include "scenarios.h"
#include "ways.h"

#include <netinet/tcp.h>
#include <stdio.h>

/* The peer vanishes: under TCP_REPAIR, close() sends nothing. */
static void vanish(struct stage *st, struct end *e)
{
	EXPECT(st, actor__call(e->a, do_sockopt, e->fd, TCP_REPAIR, 1) == 0);
	EXPECT(st, actor__call(e->a, do_close, e->fd, 0, 0) == 0);
}

static void run_way(struct stage *st)
{
	const struct way *way = &ways[st->sc->arg];
	int e = st->sc->first;
	struct actor *c, *s;
	struct truth *t, *peer;
	struct pair p;

	c = actor__start(st, "sc-client", e == END_C ? way->actor_flags : 0);
	s = actor__start(st, "sc-server", e == END_S ? way->actor_flags : 0);
	pair__open(st, &p, c, s, st->sc->fam);
	t = way->close(st, &p, e);
	stage__await(st, &p.e[!e], REF_STATE(ST_CLOSE_WAIT));
	if (st->sc->flags & SCN_LATE) {
		/* The peer's FIN comes late: an orphan is a mini-socket by then. */
		unsigned int half = way->stays_open ? REF_STATE(ST_FIN_WAIT2) : REF_FW2_MINI;

		/* With SCN_DELAYED_ACK the delayed ACK's timer does it, the commonest way in life. */
		if (!(st->sc->flags & SCN_DELAYED_ACK))
			stage__ack_fin(st, &p.e[!e]);
		stage__await(st, &p.e[e], half);
		t->maybe &= ~A(FIN_WAIT2);
		if (!way->stays_open)
			t->once |= A(FIN_WAIT2);
	}
	if (st->sc->flags & SCN_SILENT) {
		t->once = A(FIN_WAIT2);
		vanish(st, &p.e[!e]);
		stage__see(st, &p.e[e], REF_FW2_MINI);
		return;
	}
	peer = truth__add(st, &p, !e, A(PASSIVE_CLOSE), p.e[!e].a, CAUSE_CLOSE);
	EXPECT(st, actor__call(p.e[!e].a, do_recv_eof, p.e[!e].fd, 0, 0) == 0);
	EXPECT(st, actor__call(p.e[!e].a, do_close, p.e[!e].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	if (way->stays_open)
		EXPECT(st, actor__call(p.e[e].a, do_close, p.e[e].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

static void add_way(struct table *table, int w, enum fam fam, int e)
{
	struct scenario model = { .run = run_way, .arg = w, .fam = fam, .first = e };
	const char *end = e == END_C ? "client" : "server";

	table__add(table, &model, "%s/%s/%s", ways[w].name, end, fam_names[fam]);
	model.flags = SCN_LATE;
	table__add(table, &model, "%s/%s/%s/late-peer", ways[w].name, end, fam_names[fam]);
	if (w)
		return;
	model.flags |= SCN_DELAYED_ACK;
	table__add(table, &model, "%s/%s/%s/delayed-ack", ways[w].name, end, fam_names[fam]);
}

void scen_close__add(struct table *table)
{
	for (int w = 0; w < ways_nr; w++)
		for (int fam = 0; fam < FAM_NR; fam++)
			for (int e = END_C; e <= END_S; e++)
				if (ways[w].families & (1u << fam))
					add_way(table, w, (enum fam)fam, e);
}

void scen_close__add_silent(struct table *table)
{
	for (int w = 0; w < ways_nr; w++)
		for (int fam = 0; fam < FAM_NR; fam++)
			for (int e = END_C; e <= END_S; e++) {
				const struct scenario model = {
					.run = run_way, .arg = w, .fam = (enum fam)fam, .first = e,
					.flags = SCN_LATE | SCN_SILENT,
				};

				if (!ways[w].stays_open && ways[w].families & (1u << fam))
					table__add(table, &model, "%s/%s/%s/silent-peer", ways[w].name,
						   e == END_C ? "client" : "server", fam_names[fam]);
			}
}
