/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the stream share: a source, a kernel's table of sockets, clocks and privileges that
 * are made up below it, and what it has given. setup() makes all of it empty for each test.
 */
#ifndef TWSNOOP_TESTS_STREAM_SUPPORT_H
#define TWSNOOP_TESTS_STREAM_SUPPORT_H

#include "tests/unit/unit.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "capture/source.h"
#include "events/stream.h"
#include "sockets/sockdiag.h"

#define SEC 1000000000ULL
#define CAP_BIT(cap) (1ULL << (cap))
#define CAPS_KEPT \
	(CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH))
#define RING_SLOTS 16
#define GIVEN_SLOTS 16

int setup(void **state);
int teardown(void **state);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* ---- what is below ---- */

extern char steps[256]; /* what was done, each a word */
extern int start_error, counters_error, poll_error; /* what the source answers; 0: it can */
extern uint64_t fins_lost, skips;
extern bool is_admin;
extern struct tws_counters counters;
extern struct source events;
extern const struct kernel kernel;

/* The source's records: from ring_first to ring_end they were not read yet. */
struct made_record {
	union {
		struct tws_event event;
		struct tws_cgroup cgroup;
		struct tws_ending ending;
	};
	size_t len;
};
extern struct made_record ring[RING_SLOTS];
extern size_t ring_first, ring_end;
extern int more_records; /* that a poll is said to have found */

/* A close of support__event()'s, with that cookie: it may still be changed. */
struct tws_event *send_event(uint64_t cookie);
/* What became of the connection of the event @fin. */
void send_ending(const struct tws_event *fin, uint8_t action);

/* The kernel's table of sockets. */
extern struct sockdiag_socket table[8];
extern uint64_t entered_ns[8]; /* CLOCK_MONOTONIC, of these; 0: their timers stand */
extern size_t num_sockets;
/* A socket that has just entered TIME_WAIT, from port 50000 + @cookie. */
void add_mini(uint64_t cookie);

extern time_t later_s, cpu_s;		/* by which the clocks are ahead; CPU time is made up */
extern time_t dump_takes_s, dump_needs_s; /* to list the table: by the clock, and of CPU time */
extern uint64_t slow_ns; /* a clock that nobody who is held up finds ahead; 0: the kernel's */

/* ---- what is above ---- */

struct given_record {
	uint64_t cookie, time_ns;
	uint32_t pid;
	uint8_t action;
	uint16_t flags;
};
extern struct given_record given[GIVEN_SLOTS];
extern size_t num_given;
extern int put_error; /* what is answered to each record; 0: it is taken */

/* All that is made up, and no filter. */
struct stream_options options(void);
/* A stream that has begun, and given nothing yet; to be freed. */
struct stream *started(const struct stream_options *opts);
struct feed_account account_of(struct stream *stream);

#endif
