/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a client's local ports stand towards one remote end, out of the evidence: what the rules about
 * ports and about short connections judge by, and what helps where they are few.
 */
#ifndef TWSNOOP_PORT_STATE_H
#define TWSNOOP_PORT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnosis/finding.h"

#define MANY_PORTS 20000 /* a range with fewer is narrow */

struct port_state {
	const struct evidence_ports *set; /* NULL: not read */
	uint32_t usable;	/* 0: not known */
	uint64_t held;		/* now; of a recording, and where connects fail, at the worst moment */
	uint64_t worst;		/* at the worst moment that was seen, by all who take of them */
	uint64_t time_waits;	/* of those held */
	bool fails;		/* connect() finds no port; or did so in the span, of a recording */
	bool has_some;		/* where it failed: there are ports now */
	bool is_over;		/* it found none at some moment of the span, and does by now */
	bool reuses;		/* TIME_WAITs are taken over: they do not matter */
	bool reuse_is_set;	/* but perhaps it does not work */
};

/* port_state__of() - of a client's flow, once the evidence is finished. */
struct port_state port_state__of(const struct evidence *e, const struct evidence_flow *flow);

/* port_state__fills() - the closes would fill the ports within the minute that TIME_WAIT lasts. */
bool port_state__fills(const struct evidence *e, const struct evidence_flow *flow,
		       const struct port_state *s);

/* port_state__held() - how many hundredths of the ports are held. */
uint64_t port_state__held(const struct port_state *s);

/* port_state__bound_of() - what bind() has taken for every destination, if it is most of the ports; or
 * NULL. */
const struct evidence_ports *port_state__bound_of(const struct evidence *e, uint32_t netns);

/* port_state__taker() - who holds most of them; where it is over: who held most of them. Zero-padded, or
 * NULL: not known; and in which container, NULL: none, or not known. */
const char *port_state__taker(const struct evidence *e, const struct evidence_flow *flow,
			      const struct port_state *s, const char **label);

/* port_state__is_reserved() - few ports, though the range is wide: the others are reserved. */
bool port_state__is_reserved(const struct evidence_netns *ns);

/* port_state__add_facts(), …_add_steps() - the numbers, and how to have more ports meanwhile. */
void port_state__add_facts(const struct evidence *e, struct finding *f,
			   const struct evidence_flow *flow, const struct port_state *s);
void port_state__add_steps(const struct evidence *e, struct finding *f, uint32_t netns);

#endif
