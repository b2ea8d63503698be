/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A history that a test makes up, in memory, as a report's input. Times are seconds since the
 * epoch. Running out of memory ends the test.
 */
#ifndef TWSNOOP_TESTS_MADE_H
#define TWSNOOP_TESTS_MADE_H

#include "report/input.h"

#define MADE_S 1000000000ULL

struct made_list {
	void *data;
	size_t num, cap;
};

struct made {
	struct made_list whos, flows, runs, minutes, states, limits, ports, counters, accounts,
		gaps, findings;
	struct report_input input;
};

void made__init(struct made *made);
void made__free(struct made *made);

/* Strings must outlive @made; @container may be NULL. Ids count from 1. */
uint32_t made__who(struct made *made, const char *comm, const char *container,
		   const char *command_line);
uint32_t made__pod(struct made *made, const char *comm, const char *name_space, const char *pod,
		   const char *container, const char *command_line);
/* @addr is four bytes, of the peer of a client or of a server's own end. */
uint32_t made__flow(struct made *made, uint8_t action, uint8_t side, const uint8_t addr[4],
		    uint16_t port, uint32_t error);
struct held_flow *made__flow_of(struct made *made, uint32_t flow);

void made__run(struct made *made, uint64_t since_s, uint64_t until_s);
struct held_run *made__last_run(struct made *made);
/* @lifetime_ns: of each; 0: not known. */
void made__minute(struct made *made, uint64_t wall_s, uint32_t who, uint32_t flow, uint64_t count,
		  uint64_t lifetime_ns);
void made__states(struct made *made, uint64_t wall_s, uint64_t time_wait);
void made__limit(struct made *made, uint64_t wall_s, uint64_t max_tw_buckets);
/* Towards @addr:@port, from 10.0.0.5; @comm holds most. */
void made__ports(struct made *made, uint64_t wall_s, const uint8_t addr[4], uint16_t port,
		 uint32_t usable, uint32_t time_wait, const char *comm);
void made__overflows(struct made *made, uint64_t wall_s, uint64_t value);
void made__account(struct made *made, uint64_t wall_s, uint32_t run, uint64_t delivered,
		   uint64_t lost);
void made__gap(struct made *made, uint64_t since_s, uint64_t until_s, uint8_t reason);
void made__finding(struct made *made, uint64_t wall_s, const char *id, uint8_t severity,
		   const char *text);

/* The input of it; all.since_ns and until_ns are those of its runs. */
const struct report_input *made__input(struct made *made);

#endif
