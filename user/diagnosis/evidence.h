/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `diagnose` goes by: what was seen of a span of time, summed up by who made it and
 * towards where, beside what stands in the kernel's tables. Plain data: it is filled from
 * records (evidence__add), and by who looks at the host (observe.h) or at a recording; the
 * rules (rules.h) only read it. Bounded: what is over the bound is counted in num_dropped.
 */
#ifndef TWSNOOP_EVIDENCE_H
#define TWSNOOP_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "diagnosis/holding.h"
#include "host/netlimits.h"
#include "model/record.h"
#include "store/held.h"

#define EVIDENCE_FLOWS 4096
#define EVIDENCE_SAMPLES 256 /* of lifetimes, for each flow */
#define EVIDENCE_TIMES 32    /* of the last closes of a flow */
#define EVIDENCE_LABEL 80
#define EVIDENCE_COMMAND 120
#define EVIDENCE_OWNERS 3
#define EVIDENCE_ENTER 96
#define EVIDENCE_FLOW_FEW 20 /* closes of a client: of fewer nobody says that they are too many */
#define EVIDENCE_LEAK_MINUTES 3
#define EVIDENCE_LEAK_FEW 10 /* connections in CLOSE_WAIT: fewer are no leak */

/* A client's connections to one remote end, or a server's at one local port. */
struct evidence_flow_key {
	char comm[TWS_COMM_LEN]; /* zero-padded; "": not known */
	uint64_t label_hash;	 /* of the container, pod or unit */
	uint8_t peer_addr[16];	 /* of a client; else zero */
	uint8_t local_addr[16];	 /* likewise */
	uint32_t netns;
	uint16_t port; /* the peer's of a client, the own one of a server */
	uint8_t family;
	uint8_t side; /* enum tws_side */
};

struct evidence_flow {
	struct evidence_flow_key key;
	char label[EVIDENCE_LABEL];	/* raw bytes; "": none */
	char command[EVIDENCE_COMMAND]; /* of one of its processes; raw bytes, "": not known */
	uint32_t pid;			/* of one of them */
	uint32_t num_pids;		/* how often another one than the one before closed */
	bool many_peers;		/* of a server: more than one remote address */
	uint8_t last_peer[16];		/* of a server: one of them */
	uint8_t some_local[16];		/* an own address */

	uint64_t time_waits;		/* it closed first, and TIME_WAIT came */
	uint64_t summed;		/* of these: told by sums of minutes, without PIDs and times */
	uint64_t fin_wait2s, passive, resets, aborts, timeouts, overflows;
	uint64_t aborts_with_bytes;	/* of aborts: something had been sent or received */
	uint64_t aborts_summed;		/* of these: of sums, by what each had on average */
	uint64_t causes[TWS_CAUSE_END]; /* of time_waits */
	uint64_t killed;		/* of these: while it was being killed by a signal */
	uint64_t connect_failed;
	uint64_t no_ports;		/* of these: EADDRNOTAVAIL, with an address of its own */
	uint64_t no_answer;		/* of these: ETIMEDOUT */
	/* when the last one of them was: */
	uint64_t no_ports_ns, no_answer_ns, overflow_ns;
	uint64_t address_in_use;	/* bind() that failed with EADDRINUSE */
	uint64_t reused_by_connect, reused_by_syn;
	uint64_t tx_bytes, rx_bytes;	/* of time_waits */

	uint64_t num_lifetimes;		/* of time_waits and aborts, that are known */
	uint64_t num_sampled;		/* of these, one by one: */
	uint64_t lifetimes[EVIDENCE_SAMPLES]; /* a fair choice of them */
	uint64_t spread[HELD_BUCKETS];	/* and the others, which sums of minutes tell */
	uint64_t num_times;
	uint64_t times[EVIDENCE_TIMES]; /* of the last single time_waits, as a ring by num_times */
	struct holding held;		/* time_waits */
};

/* Clients that take their local ports from the same set: of all of them together. */
struct evidence_set_key {
	uint32_t netns;
	uint16_t family, peer_port;
	uint8_t local_addr[16], peer_addr[16];
};

struct evidence_set {
	struct evidence_set_key key;
	struct holding held;
	const struct evidence_flow *taker; /* who held most of them at once; set by evidence__finish() */
};

/* Who takes ports, or holds sockets. */
struct evidence_owner {
	char comm[TWS_COMM_LEN]; /* "": not known */
	uint32_t pid;		 /* 0: several */
	uint64_t count;
};

/* A set of local ports that connect() may choose from: see inventory/ports.h. */
struct evidence_ports {
	uint32_t netns;
	uint8_t family;
	bool all_peers;	      /* taken for every remote end, by bind() */
	uint8_t local_addr[16], peer_addr[16];
	uint16_t peer_port;
	uint32_t usable;      /* 0: not known */
	uint32_t time_wait, live, bound, reusable;
	uint32_t left;
	bool has_left;
	struct evidence_owner owners[EVIDENCE_OWNERS]; /* the largest first */
};

struct evidence_netns {
	uint32_t netns;
	char name[EVIDENCE_LABEL];
	uint64_t established, close_wait, time_wait, fin_wait2_minis;
	struct netlimits limits;	    /* without the set of reserved ports */
	uint64_t conntrack, conntrack_max;  /* 0: there is none */
	bool is_own;			    /* a command of the user's shell is in it */
	char enter[EVIDENCE_ENTER]; /* else what to put before one: "nsenter -t 812 -n "; "": not known */
};

/* A process that has connections in CLOSE_WAIT. */
struct evidence_leak {
	char comm[TWS_COMM_LEN];
	char label[EVIDENCE_LABEL];
	uint32_t pid, netns;
	uint64_t before, now; /* at the begin and at the end of the watch */
	uint64_t stayed;      /* that were there at both */
	uint64_t served;      /* of now: at a port that somebody listens on, so no client's */
	uint64_t made;	      /* connections of its that came in between, of any state */
	/* Of now, by how long they are in CLOSE_WAIT: */
	uint64_t aged;	      /* that it is known of */
	uint64_t calm;	      /* for ten seconds and more */
	uint64_t settled;     /* for a minute and more */
	uint64_t in_span;     /* since the events' span began */
	uint64_t came[EVIDENCE_LEAK_MINUTES]; /* in the last minute, in the one before, … */
	uint64_t closed;      /* that its like did close after the peer, in the span */
	uint64_t limit;	      /* of its descriptors; 0: not known */
};

/* A process's live connections to one remote end that outlived the watch. */
struct evidence_pool {
	char comm[TWS_COMM_LEN];
	uint32_t netns;
	uint8_t family;
	uint8_t peer_addr[16];
	uint16_t peer_port;
	uint64_t kept;
};

/* A local port that bind() could not have. */
struct evidence_listener {
	uint32_t netns;
	uint16_t port;
	bool listens;	     /* somebody listens on it now */
	uint64_t time_waits; /* that hold it */
};

struct evidence {
	uint64_t since_ns, until_ns;   /* CLOCK_MONOTONIC: what the events are of */
	bool looked_back;	       /* they were recorded before it was asked */
	bool is_past;		       /* of a recording: the worst of its span counts, not its end */
	bool all;		       /* every outcome was told, not only TIME_WAIT */
	bool calls;		       /* and connect() and bind() that fail at once */
	uint64_t events;	       /* records */
	uint64_t lost;		       /* and what is missing among them */
	uint64_t unattributed;	       /* time_waits by nobody known */
	uint64_t num_dropped;	       /* records of flows that found no room */

	size_t num_flows;
	struct evidence_flow **flows;  /* set by evidence__finish(): most time_waits first */
	struct table *flow_table;
	struct table *set_table;       /* of struct evidence_set */

	bool has_ports; /* the ports of the namespaces below are those of the span's end: a set that is
			 * not there is empty */
	size_t num_ports, num_netns, num_leaks, num_pools, num_listeners;
	struct evidence_ports *ports;  /* nearest to exhaustion first */
	struct table *port_table;      /* set by evidence__index_ports() */
	struct evidence_netns *netns;
	struct evidence_leak *leaks;   /* most first */
	struct evidence_pool *pools;
	struct evidence_listener *listeners;
};

/* evidence__init() - empty. 0 or -ENOMEM; to be emptied by evidence__free() in any case. */
int evidence__init(struct evidence *e);
void evidence__free(struct evidence *e);

/* evidence__add() - a record of the span. */
void evidence__add(struct evidence *e, const struct record *rec);

/* Records that are alike, of which a recording has the sum only. */
struct evidence_sum {
	uint64_t begin_ns, span_ns; /* evenly spread over these */
	uint64_t count;		    /* not 0 */
	uint64_t tx_bytes, rx_bytes;
	uint64_t lifetimes;	    /* how many have one that is known */
	const uint32_t *buckets;    /* HELD_BUCKETS: and how these are spread */
	bool some_peers;	    /* the record's peer stands for several */
};

/* evidence__add_sum() - so many as @rec, whose time and bytes do not count. It takes no longer for
 * many than for one. */
void evidence__add_sum(struct evidence *e, const struct record *rec,
		       const struct evidence_sum *sum);

/* evidence__finish() - after the last record: puts flows in order. Returns 0 or -ENOMEM. */
int evidence__finish(struct evidence *e);

/* What lifetimes a flow's closes had. */
struct evidence_lifetimes {
	uint64_t p10_ns, median_ns, p90_ns;
};

/* evidence__lifetimes() - false: none is known. */
bool evidence__lifetimes(const struct evidence_flow *flow, struct evidence_lifetimes *l);

/* evidence__is_brief() - whether no client's connection that is known has lived for @ns, nor was
 * left to the peer to close: then what lives for longer is kept. Before evidence__finish(), too. */
bool evidence__is_brief(const struct evidence *e, uint64_t ns);

/* evidence__period_ns() - the interval of a flow's last closes, if they come like a clock; else 0. */
uint64_t evidence__period_ns(const struct evidence_flow *flow);

/* evidence__tenths_per_s() - @count over the span, a second, times ten. */
uint64_t evidence__tenths_per_s(const struct evidence *e, uint64_t count);

/* evidence__recent_tenths_per_s() - a flow's time_waits a second, times ten, of the last five
 * seconds of the span: what was before may be over. */
uint64_t evidence__recent_tenths_per_s(const struct evidence *e, const struct evidence_flow *flow);

/* evidence__held_at_end() - a flow's time_waits of the span's last minute, which is how long they last. */
uint64_t evidence__held_at_end(const struct evidence *e, const struct evidence_flow *flow);

/* evidence__set_of() - what the clients together held that take their ports from the same set as @flow, or
 * NULL: nothing. */
const struct evidence_set *evidence__set_of(const struct evidence *e, const struct evidence_flow *flow);

/* Or NULL. */
struct evidence_netns *evidence__netns(const struct evidence *e, uint32_t netns);

/* evidence__index_ports() - once ports are all there: may be left out where they are few. Returns 0 or
 * -ENOMEM. */
int evidence__index_ports(struct evidence *e);

/* evidence__ports_of() - the port set that a client's flow takes its ports from, or NULL. */
const struct evidence_ports *evidence__ports_of(const struct evidence *e,
						const struct evidence_flow *flow);

/* evidence__kept() - how many connections outlived the watch beside a client's flow. */
uint64_t evidence__kept(const struct evidence *e, const struct evidence_flow *flow);

/* evidence__is_loopback() - both ends are on this host: of 127.0.0.0/8, ::1, or at one address. */
bool evidence__is_loopback(const struct evidence_flow *flow);

/* evidence__has_loopback_address() - of these the first two alone: so the kernel takes it where
 * tcp_tw_reuse is 2 (tcp_twsk_unique()). */
bool evidence__has_loopback_address(const struct evidence_flow *flow);

#endif
