/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Made-up hours, of which reports are told: for the tests of the story, of its writers, and for
 * the pictures.
 */
#ifndef TWSNOOP_TESTS_SCENES_H
#define TWSNOOP_TESTS_SCENES_H

#include "tests/unit/report/made.h"

#define SCENE_T 1764381600ULL /* 2025-11-29 02:00:00 UTC, 03:00 in Berlin */
#define SCENE_HOUR 3600ULL

/* The hour from SCENE_T on, and the three before it. */
struct scene {
	const char *name;
	void (*make)(struct made *made);
};

void scene__quiet(struct made *made);
/* From 03:12 to 03:19 a client without a pool takes all ports towards 10.0.0.9:8080. */
void scene__burst(struct made *made);
/* The same client runs out of few ports, while another closes far more on loopback. */
void scene__failing(struct made *made);
void scene__growth(struct made *made); /* a server closes more and more */
void scene__two(struct made *made);    /* two bursts: of a server, and of a client */
void scene__gap(struct made *made);    /* the burst, with its midst not recorded */
void scene__limit(struct made *made);  /* tcp_max_tw_buckets is reached */
void scene__hostile(struct made *made); /* the burst, by names that are attacks */
void scene__huge(struct made *made);   /* numbers at the end of their range */
void scene__rows(struct made *made);   /* a thousand processes and remote ends a minute */
void scene__empty(struct made *made);

extern const struct scene scenes[];
extern const size_t num_scenes;

#endif
