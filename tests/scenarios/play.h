/* SPDX-License-Identifier: GPL-2.0 */
/* A play: one scenario on its stage, a process of its own, and what came of it. */
#ifndef SCENARIOS_PLAY_H
#define SCENARIOS_PLAY_H

#include "stage.h"

struct play {
	const struct scenario *sc;
	struct record *rec;
	pid_t pid;    /* of its stage, until it is retired */
	int nsfds[3]; /* keep the namespaces, and so their inode numbers, until the end */
	unsigned int replays;
};

/* Starts the stage. Aborts if there can be no process. */
void play__start(struct play *p);
/* Has it a verdict? A stage that died without one has failed. */
bool play__over(struct play *p);
/* Takes down what the kernel has counted in the stage's namespace, if that is still there. */
void play__count(struct play *p);
/*
 * Ends the stage and keeps its namespace by a descriptor, where twsnoop does not find it: a
 * snapshot of some hundred namespaces takes long.
 */
void play__retire(struct play *p);
/* Retires it, for another play of the same scenario. */
void play__reset(struct play *p);
/* Retires it and lets go of its namespaces. */
void play__end(struct play *p);

#endif
