/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a recording holds, as plain structs: the rows of its tables, shared by who writes them
 * (recording.h) and who reads them (history.h). docs/formats.md describes the tables.
 *
 * Wall-clock times are ns since the epoch, UTC; a recording's order is that of its row numbers,
 * not of the clock, which may be put back. Strings are owned by who fills the struct, and live
 * until the call it is given to returns. NULL or 0: not known.
 */
#ifndef TWSNOOP_HELD_H
#define TWSNOOP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "model/feed.h"
#include "model/record.h"

/*
 * Who closed, opened or held: a process by its name, not by its number, and where it ran. Ids
 * are given by who writes, rise, and are never used again; the same identity may have several.
 */
struct held_who {
	uint32_t id; /* from 1 */
	char comm[TWS_COMM_LEN]; /* zero-padded; "": not known */
	uint32_t uid;
	bool has_uid;
	const char *command_line; /* of the first process that was seen as this; an example */
	const char *cgroup_path;
	struct workload workload;
};

/* A command line of some process: raw rows name the one of their own process. */
struct held_command {
	uint32_t id; /* from 1 */
	const char *text;
};

/*
 * A way that connections go, as minutes count them. Of a client's end local_port is 0; of a
 * server's end peer_port is 0 and the peer is cut to its /24 or /48: peer_len. "~other" is
 * who 0 and flow 0.
 */
struct held_flow {
	uint32_t id; /* from 1 */
	uint32_t netns;
	uint8_t family;
	uint8_t peer_len; /* bits of the peer's address that count: 24, 32, 48, 128; 0: no peer */
	uint8_t side;	  /* enum tws_side */
	uint8_t cause;	  /* enum tws_cause */
	uint8_t action;	  /* enum tws_action: an outcome */
	uint8_t end;	  /* enum tws_end, with TWS_TIME_WAIT_END */
	uint32_t error;	  /* errno */
	uint16_t local_port, peer_port;
	uint8_t local_addr[16], peer_addr[16]; /* as in struct tws_event */
};

/* Lifetimes by powers of ten and half of them: see held__lifetime_bucket(). */
#define HELD_BUCKETS 16

/* What happened in one minute, of one who on one flow. */
struct held_minute {
	uint64_t wall_ns; /* the minute's begin */
	uint32_t who, flow; /* both 0: ~other */
	uint64_t count;
	uint64_t tx_bytes, rx_bytes;
	uint64_t lifetimes;    /* how many of them have a lifetime that is known */
	uint64_t lifetime_ns;  /* the sum of these */
	uint32_t buckets[HELD_BUCKETS]; /* and how they are spread */
};

/* One event of the raw part: what a record has, with ids for what repeats. */
struct held_row {
	struct tws_event event; /* time_ns: CLOCK_MONOTONIC of its run */
	uint64_t wall_ns;
	uint32_t who;	  /* of the closer; 0: not known */
	uint32_t command; /* of the closer's own process; 0: not known */
	const char *netns_name, *interface;
};

/* A stretch of recording by one process on one boot. */
struct held_run {
	uint32_t id; /* from 1 */
	uint64_t since_ns, until_ns; /* the second moves on with each commit */
	char boot_id[37];
	const char *version, *kernel, *host;
	const char *zone;  /* TZ's name or offset, for the reader of a report */
	bool all;	   /* every outcome was recorded, not only TIME_WAIT */
	bool calls;	   /* connect() and bind() that no transition shows were seen, too */
	const char *filter; /* in words; NULL: everything was recorded */
};

/* Events of a run that follow each other, encoded by block.h. */
struct held_block {
	uint64_t first_row; /* rows are numbered from 1 through the whole recording */
	uint32_t rows;
	uint32_t run;
	uint64_t since_ns, until_ns; /* the least and the greatest wall_ns in it */
	bool is_tail; /* of the last minute: a block with all of its rows takes its place soon */
	bool keep;    /* near something critical: goes last */
	const uint8_t *data;
	size_t size;
};

enum held_scope { HELD_PORTS_PEER, HELD_PORTS_ALL, HELD_PORTS_OWN }; /* as enum ports_scope */

/* ---- samples ---- */

#define HELD_STATES 12 /* SOCKDIAG_STATE_END */

/* How many sockets were in each state; netns 0: the whole host. */
struct held_states {
	uint64_t wall_ns;
	uint32_t netns;
	const char *netns_name;
	uint64_t states[HELD_STATES]; /* FIN_WAIT2: full sockets only */
	uint64_t fin_wait2_minis;
};

/* Settings of a network namespace; told when they were first seen, and when they changed. */
struct held_limits {
	uint64_t wall_ns;
	uint32_t netns;
	const char *netns_name;
	uint64_t max_tw_buckets; /* 0: not known */
	uint64_t fin_timeout_ms; /* 0: not known */
	uint64_t reuse_delay_ms;
	int32_t tw_reuse, timestamps; /* -1: not known */
	uint32_t first_port, last_port, usable_ports; /* 0: not known */
};

/* One of the fullest sets of ports: see inventory/ports.h. */
struct held_ports {
	uint64_t wall_ns;
	struct tws_key key;
	uint8_t family;
	uint8_t scope; /* enum held_scope */
	uint32_t usable, time_wait, live, close_wait, bound, reusable;
	uint32_t left;
	bool has_left;
	uint32_t first_port, last_port;
	uint32_t unknown, names;
	struct {
		char comm[TWS_COMM_LEN];
		uint32_t tgid, count, inferred;
	} owners[3];
};

/* A counter of /proc/net/netstat or snmp, "TcpExt.TW"; told when it has changed. */
struct held_counter {
	uint64_t wall_ns;
	uint32_t netns;
	const char *name;
	uint64_t value;
};

/* ---- what is said of the recording itself ---- */

/* What became of all that a run was to tell, so far. Gaps are told apart. */
struct held_account {
	uint64_t wall_ns;
	uint32_t run;
	struct feed_account told;
};

enum held_gap_reason {
	HELD_GAP_STOPPED = 1, /* no recorder ran, or it was killed */
	HELD_GAP_DISK,	      /* the disk was full, read-only, or failed */
	HELD_GAP_SIZE,	      /* a reader held the file, so that nothing could be removed */
	HELD_GAP_SLOW,	      /* the disk was too slow for what came */
	HELD_GAP_SUSPENDED,   /* the machine was */
	HELD_GAP_CLOCK,	      /* the wall clock was put forward (until > since) or back */
	HELD_GAP_DAMAGED,     /* what was there can no longer be read */
	HELD_GAP_REASON_END,
};

/* A span of which not everything is here. */
struct held_gap {
	uint64_t since_ns, until_ns;
	uint32_t run;
	uint8_t reason; /* enum held_gap_reason */
	uint64_t events; /* that are known to be missing; 0: not known how many, or none */
	const char *detail; /* "No space left on device" */
};

/* Something that who records found critical: ids as `diagnose` has them. */
struct held_finding {
	uint64_t wall_ns;
	const char *id;	  /* "ports-exhausted", "limit-near" */
	uint8_t severity; /* 1 notice, 2 warning, 3 critical */
	uint32_t who, flow; /* 0: not of one alone */
	uint64_t count;
	const char *text; /* one sentence */
};

/* held__lifetime_bucket() - 0: up to 100 us; each next one up to about three times as long
 * (316 us, 1 ms, 3.16 ms, …), the last one without end. */
unsigned int held__lifetime_bucket(uint64_t lifetime_ns);

/* held__bucket_end_ns() - up to how long lifetimes in @bucket are; UINT64_MAX for the last. */
uint64_t held__bucket_end_ns(unsigned int bucket);

#endif
