/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of list share: a table of sockets, a ledger and a /proc that are made up, and what is
 * listed of them. Each test finds all of it empty.
 */
#ifndef TWSNOOP_TESTS_LISTING_SUPPORT_H
#define TWSNOOP_TESTS_LISTING_SUPPORT_H

#include "tests/unit/unit.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "containers/workloads.h"
#include "inventory/group.h"
#include "inventory/listing.h"
#include "owners/listeners.h"
#include "sockets/sockets.h"

#define MS 1000000ULL
#define SECOND 1000000000ULL

int setup(void **state);
int teardown(void **state);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* ---- the kernel's table ---- */

extern struct sockdiag_socket table[64];
extern size_t num_sockets;
extern int dump_error; /* what is answered after the last socket; 0: it was all */
extern const struct sockets_source source; /* of all this */

/* Another socket of 10.0.0.5:@local and 10.0.0.@peer:@peer_port, with cookie 100 + its number and, but for
 * minis, an inode of its own. add_tw(): in TIME_WAIT. */
struct sockdiag_socket *add(uint8_t state, bool mini, uint16_t local, uint8_t peer, uint16_t peer_port);
struct sockdiag_socket *add_tw(uint16_t local, uint8_t peer, uint16_t peer_port);

/* ---- the ledger ---- */

extern struct tws_event events[64];
extern size_t num_ledgers;
extern uint64_t recorded_since_ns, complete_since_ns;

/* It has the close of that socket, by that process. */
struct tws_event *see(uint64_t cookie, uint32_t tgid, const char *comm);

/* ---- /proc ---- */

extern char root[PATH_MAX];

void make_dir(const char *path);
void make_file(const char *path, const char *text);
/* A process that holds the socket @inode. */
void make_process(unsigned int pid, const char *comm, unsigned int inode);

/* ---- what is listed ---- */

extern const struct tws_filter no_filter;
extern struct listing l;
extern struct listeners *listeners;
extern struct workloads *workloads;
extern struct group_context ctx; /* of these */

void take(const struct tws_filter *filter);
void take_and_join(void);
void take_and_infer(void);

#endif
