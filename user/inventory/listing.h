/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `twsnoop list` shows: the mini-sockets that exist now, or all sockets, each with
 * what is known of its owner and how.
 *
 * The order matters: first take, then open the ledger and join. What stands in the
 * kernel's table has its event by then, so that nothing is missing in between.
 */
#ifndef TWSNOOP_LISTING_H
#define TWSNOOP_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "capture/ledger.h"
#include "host/netlimits.h"
#include "inventory/closes.h"
#include "model/record.h"
#include "sockets/binds.h"
#include "sockets/sockets.h"

/* More sockets than this are not listed: -E2BIG. 450 MB. */
#define LISTING_MAX (4U << 20)

struct listing_row {
	struct tws_key key;
	uint64_t cookie;     /* 0: the kernel gives none */
	uint64_t left_ns;    /* until its timer runs out */
	/* When it was closed, if that was seen; else when it entered its state, by its
	 * timer. CLOCK_MONOTONIC; negative if that was before the clock began, as in a new
	 * time namespace. */
	int64_t since_ns;
	const struct seen_close *seen; /* its close, NULL: not seen; see listing__see() */
	uint32_t owner;	     /* inferred or holding: its place in owners[], plus 1; 0: none */
	uint32_t inode;	     /* of its file; 0: it has none */
	uint8_t family;
	uint8_t state;	     /* enum sockdiag_state; of mini-sockets TIME_WAIT or FIN_WAIT2 */
	bool mini;	     /* a mini-socket: only these have a timer, and an age */
	bool shared;	     /* OWNER_HOLDS: other processes hold it, too */
	uint8_t evidence;    /* enum owner_evidence */
	uint8_t side;	     /* enum tws_side */
};

/* A process that was inferred to have closed, or that holds a socket. */
struct listing_owner {
	uint32_t tgid; /* 0: it was gone when it was looked at */
	uint32_t uid;
	uint64_t start_ns; /* as tws_conn.closer_start_ns, in ticks' resolution */
	uint64_t cgroup;   /* where it is now: see listing__cgroup(); 0: not known */
	char comm[TWS_COMM_LEN];
};

struct listing_netns {
	uint32_t inode;
	char *name;
	struct netlimits limits; /* only with listing_want.ports */
};

struct listing {
	uint64_t taken_ns; /* CLOCK_MONOTONIC */
	uint64_t wall_ns;  /* the same since the epoch */
	size_t num, room;
	struct listing_row *rows;
	size_t num_netns;  /* that were read, by inode */
	struct listing_netns *netns;
	size_t num_owners, owner_room;
	struct listing_owner *owners;
	struct table *owner_places; /* by tgid */
	struct closes *closes;
};

/* Called now and then while rows come; a non-zero return ends it. */
typedef int (*listing_tick_fn)(void *ctx, size_t rows);

struct listing_want {
	const struct tws_filter *filter; /* addresses, ports, family, netns; the rest
					  * is left to listing__keep() */
	bool ports;	      /* read the namespaces' limits, too */
	bool all;	      /* sockets of every state, not only mini-sockets */
	listing_tick_fn tick; /* may be NULL */
	void *ctx;
};

/*
 * listing__take() - fills @l, zeroed before, to be emptied by listing__free() in
 * any case. Returns as sockets__each(), -E2BIG, or the tick's value. @flags gets
 * SOCKETS_* bits added.
 */
int listing__take(struct listing *l, const struct sockets_source *source,
		  const struct listing_want *want, unsigned int *flags);
void listing__free(struct listing *l);

/* listing__reserve() - room for @rows more, at once: they come to stand where they stay. Returns 0, -E2BIG or
 * -ENOMEM. */
int listing__reserve(struct listing *l, size_t rows);

/* listing__add_bound() - adds the sockets that @binds tells of, in the namespaces that were
 * read: those that are bound and nothing more, where the kernel lists them nowhere else.
 * Returns 0, -E2BIG or -ENOMEM. */
int listing__add_bound(struct listing *l, const struct binds *binds);

/* listing__see() - @ev is the close of @row, or of several such: sets row->seen. Returns 0 or
 * -ENOMEM. */
int listing__see(struct listing *l, struct listing_row *row, const struct tws_event *ev);

/* listing__join() - finds the owners that @ledger knows. */
void listing__join(struct listing *l, const struct ledger *ledger);

/*
 * listing__owner() - the process @tgid as an inferred owner: sets *@index for
 * listing_row.owner; 0 if it has gone. Returns 0 or -ENOMEM.
 */
int listing__owner(struct listing *l, const char *proc_root, uint32_t tgid, uint32_t *index);

/* listing__keep() - keeps the rows that @keep says true for, in their order. */
typedef bool (*listing_keep_fn)(void *ctx, const struct listing_row *row);
void listing__keep(struct listing *l, listing_keep_fn keep, void *ctx);

/* Who closed, seen or inferred; of a socket that a process still has, who holds it. */
struct listing_process {
	uint32_t tgid, uid;
	uint64_t start_ns;
	const char *comm; /* TWS_COMM_LEN bytes; need not end in a NUL */
};

/* listing__process() - false if that is not known, or was the kernel. */
bool listing__process(const struct listing *l, const struct listing_row *row,
		      struct listing_process *process);

/* Where the close was made, by the kernel's number; of an owner that was not seen, where it
 * is now, by listing_owner.cgroup: a number of owner_cgroups.h. 0: unknown. */
uint64_t listing__cgroup(const struct listing *l, const struct listing_row *row);

/* listing__age_ns() - from its close, or where that was not seen its state's begin, to when @l was taken. */
uint64_t listing__age_ns(const struct listing *l, const struct listing_row *row);

/* listing__event() - the row as an event: what was seen, or what is known instead. */
void listing__event(const struct listing *l, const struct listing_row *row,
		    struct tws_event *ev);

/* A namespace that was read, or NULL; and its name. */
const struct listing_netns *listing__netns(const struct listing *l, uint32_t inode);
const char *listing__netns_name(const struct listing *l, uint32_t inode);

#endif
