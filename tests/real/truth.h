/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must be true of the TIME_WAIT sockets, as a case of the test knows it
 * from the programs themselves. One rule a line:
 *
 *	ADDRESS PORT ADDRESS PORT [may | min=N | max=N] [PATH=VALUE[|VALUE]...]...
 *
 * The first four columns name local and peer end. A rule without `*` among them
 * is of one socket, which must exist, or `may`; one with `*` is of all that no
 * such rule and no earlier line names, of which there are `min` to `max`. PATH
 * is a member of the event's JSON such as process.thread.name; in VALUE a `_`
 * stands for any one byte (a space); nothing after `=` says that it is absent.
 */
#ifndef REAL_TRUTH_H
#define REAL_TRUTH_H

#include <stdbool.h>

#include "end.h"

#define TRUTH_MAX_CLAIMS 16

struct claim {
	const char *path;   /* points into the truth's text */
	const char *values; /* likewise; alternatives are parted by '|' */
};

struct rule {
	struct end end;
	bool any_local, any_local_port, any_peer, any_peer_port;
	bool exact; /* none of those */
	size_t min, max;
	size_t seen; /* for the judge */
	unsigned int line;
	unsigned int num_claims;
	struct claim claims[TRUTH_MAX_CLAIMS];
};

struct truth {
	char *text;	    /* owned */
	struct rule *rules; /* owned; as in the file */
	size_t count;
};

/* 0 or negative errno; *line is then the faulty one, or 0. */
int truth__load(struct truth *truth, const char *path, unsigned int *line);

bool rule__covers(const struct rule *rule, const struct end *end);

/* Whether the text is one of a claim's values. */
bool claim__allows(const struct claim *claim, const char *text);

/* A legal call on an empty truth. */
void truth__free(struct truth *truth);

#endif
