/* SPDX-License-Identifier: GPL-2.0 */
/* The ways in which a process can close a connection first. */
#ifndef SCENARIOS_WAYS_H
#define SCENARIOS_WAYS_H

#include "stage.h"

struct way {
	const char *name;
	/*
	 * Closes end `e` of the pair, which holds the only descriptor of it. Returns the truth,
	 * with the closer in it; the FIN has been sent when it returns, or soon will be.
	 */
	struct truth *(*close)(struct stage *st, struct pair *p, int e);
	unsigned int families;	 /* bits of enum fam */
	unsigned int actor_flags;/* of the end's actor */
	bool stays_open;	 /* the descriptor is still to be closed (shutdown) */
};

extern const struct way ways[];
extern const int ways_nr;

#define FAMS_ALL ((1u << FAM_V4) | (1u << FAM_V6) | (1u << FAM_MAPPED))
#define FAMS_46 ((1u << FAM_V4) | (1u << FAM_V6))

#endif
