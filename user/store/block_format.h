/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bytes of a block, for its writer and its reader; docs/formats.md describes them. What
 * repeats stands in tables of the block, which name each other's entries by their place; rows
 * name these, and what is left of a row is numbers, each told as how it differs from what
 * was to be expected. Both sides keep the same expectations: struct block_guess.
 */
#ifndef TWSNOOP_BLOCK_FORMAT_H
#define TWSNOOP_BLOCK_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/block.h"

/* The header, little-endian. It stays as it is in later versions. */
#define BLOCK_MAGIC 0x42535754U /* "TWSB" */
#define BLOCK_VERSION 1
enum block_header {
	BLOCK_AT_MAGIC = 0,
	BLOCK_AT_VERSION = 4,
	BLOCK_AT_ROWS = 8,
	BLOCK_AT_PLAIN = 12, /* bytes, once they are no longer compressed */
	BLOCK_AT_PACKED = 16,
	BLOCK_AT_CRC = 20, /* CRC-32 as zlib's, of all other bytes of the block */
	BLOCK_HEADER = 24,
};

enum block_table {
	BLOCK_NAMES, /* no columns but their lengths: see below */
	BLOCK_ADDRESSES,
	BLOCK_PLACES, /* network namespaces, and devices in them */
	BLOCK_TALKS, /* between two addresses, at one port */
	BLOCK_FLOWS, /* one end of a talk */
	BLOCK_OPENERS,
	BLOCK_ACTORS, /* the closers */
	BLOCK_KINDS, /* what happens to flows */
	BLOCK_BATCHES, /* of cookies */
	BLOCK_TABLES,
};

enum block_address { ADDRESS_HIGH, ADDRESS_LOW, ADDRESS_COLUMNS };
enum block_place { PLACE_NETNS, PLACE_NAME, PLACE_IFINDEX, PLACE_INTERFACE, PLACE_COLUMNS };
enum block_talk { TALK_FAMILY, TALK_CLIENT, TALK_SERVICE, TALK_PORT, TALK_COLUMNS };
enum block_flow { FLOW_PLACE, FLOW_TALK, FLOW_IS_SERVICE, FLOW_COLUMNS };
enum block_opener { OPENER_TGID, OPENER_COMM, OPENER_COLUMNS };
enum block_actor {
	ACTOR_WHO,
	ACTOR_COMMAND,
	ACTOR_COMM,
	ACTOR_THREAD,
	ACTOR_TGID,
	ACTOR_TID, /* less tgid */
	ACTOR_UID,
	ACTOR_NS_TGID, /* less tgid */
	ACTOR_PID_NS,
	ACTOR_CGROUP,
	ACTOR_START,
	ACTOR_COLUMNS,
};
enum block_kind {
	KIND_ACTION,
	KIND_END,
	KIND_SIDE,
	KIND_CAUSE,
	KIND_FLAGS,
	KIND_ERROR,
	KIND_HAS, /* BLOCK_HAS_* */
	KIND_FLOW,
	KIND_OPENER,
	KIND_COLUMNS,
};
#define BLOCK_HAS_OPEN 1U   /* open_ns */
#define BLOCK_HAS_SELF 2U   /* the opener is the closer: the same number and name */
enum block_batch { BATCH_NUMBER, BATCH_COLUMNS };

#define BLOCK_COLUMNS_MAX 11

/* A column of a table. */
struct block_column {
	uint8_t bits;	  /* of its values, at most; 0: they are places in... */
	uint8_t of;	  /* enum block_table */
	bool optional;	  /* ... that table, plus one; 0: none */
	bool steps;	  /* each as its difference to the entry's before */
};

struct block_layout {
	unsigned int columns;
	struct block_column column[BLOCK_COLUMNS_MAX];
};

extern const struct block_layout block_layouts[BLOCK_TABLES];

/* At most: rows have five names each, two addresses, and one of all others. */
#define BLOCK_NAMES_MAX (5 * BLOCK_ROWS)
#define BLOCK_ADDRESSES_MAX (2 * BLOCK_ROWS)

/* And of all together, and of the bytes of names. More only a hostile one would need. */
#define BLOCK_ENTRIES_MAX (3 * BLOCK_ROWS)
#define BLOCK_NAMES_BYTES (1U << 20)
#define BLOCK_ROW_ENTRIES 14 /* that a row may need */

/* block_format__max() - how many entries @table may have. */
uint32_t block_format__max(enum block_table table);

/*
 * The columns of the rows. All but the first are in the order of kinds, and of the rows in each:
 * what is alike stands together.
 */
enum block_row_column {
	ROW_KIND,   /* 0: the first of the next kind; else its place plus one */
	ROW_ACTOR,  /* see BLOCK_ACTOR_* */
	ROW_TIME,   /* time_ns: the step from the row before of its class */
	ROW_WALL,   /* wall_ns less time_ns: the step from the row before */
	ROW_OPEN,   /* the step from what block_guess__expect() says; else how long it was open */
	ROW_BATCH,  /* see BLOCK_BATCH_* */
	ROW_COOKIE, /* the step from the one before of its batch */
	ROW_PORT,   /* the client's: the step from the one before of its talk and class */
	ROW_TX,	    /* bytes: the step from what block_guess__expect() says */
	ROW_RX,
	ROW_COLUMNS,
};

#define BLOCK_ACTOR_SAME 0U /* as that of the row before of its kind */
#define BLOCK_ACTOR_NEXT 1U /* the first row of the next actor */
#define BLOCK_ACTOR_PLACE 2U /* and its place */

/* The kernel gives each CPU cookies by the batch: net/core/sock_diag.c, <linux/cookie.h>. */
#define BLOCK_BATCH_BITS 12
#define BLOCK_RECENT 250U     /* batches that were used last */
#define BLOCK_BATCH_NEXT 0U   /* the first row of the next batch */
#define BLOCK_BATCH_RECENT 1U /* and how many others were used since it was */
#define BLOCK_BATCH_PLACE (BLOCK_BATCH_RECENT + BLOCK_RECENT) /* and its place */

/* Differences are signed: small ones of either sign become small numbers. */
static inline uint64_t block_format__zigzag(uint64_t difference)
{
	return difference << 1 ^ (0 - (difference >> 63));
}

static inline uint64_t block_format__unzigzag(uint64_t number)
{
	return number >> 1 ^ (0 - (number & 1));
}

static inline void block_format__put32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static inline uint32_t block_format__get32(const uint8_t *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	       (uint32_t)from[3] << 24;
}

/* block_format__crc() - of a block of @size bytes, at least BLOCK_HEADER. */
uint32_t block_format__crc(const uint8_t *data, size_t size);

/* block_format__is_sound() - whether a block may have this event. */
bool block_format__is_sound(const struct tws_event *ev);

/* ---- what is to be expected ---- */

/* Of a kind: the row before, and the next one. */
struct block_kind_guess {
	uint64_t tx, rx;
	uint32_t actor; /* place plus one; 0: there was none */
	uint32_t at;	/* where in the columns the next row of this kind stands */
};

/*
 * What rows tell of one connection: both of its ends, if these are on this host, opened at about
 * the same time, and what one has sent the other has received; and the next one with its
 * addresses was opened when this one's TIME_WAIT gave way.
 */
struct block_tuple {
	uint64_t open_ns;
	uint64_t time_ns; /* of the row that told it */
	uint64_t tx_bytes, rx_bytes;
	uint32_t talk;
	uint16_t port;	    /* the client's */
	uint8_t is_service; /* the row was of this end */
	uint8_t told;	    /* enum block_told */
};

enum block_told {
	BLOCK_TOLD_NOTHING,
	BLOCK_TOLD_ONE_END,
	BLOCK_TOLD_BOTH_ENDS,
	BLOCK_TOLD_NEXT, /* open_ns is that of the next one */
};

#define BLOCK_TUPLES 1024U
#define BLOCK_PAIR_NS (1ULL << 28) /* from one end's row to the other's, at most */

/* The row before of a talk. Ends of TIME_WAIT are a class of their own. */
struct block_talk_guess {
	uint16_t port[2];
};

struct block_guess {
	uint64_t time_ns[2]; /* by class */
	uint64_t end_open_ns;
	uint64_t wall_offset_ns;
	uint32_t next_kind, next_actor, next_batch;
	struct block_kind_guess *kinds;
	struct block_talk_guess *talks;
	uint16_t *batches;	       /* the low bits of the cookie */
	struct block_tuple *tuples;    /* by talk and port: the last one of each place */
	uint32_t recent[BLOCK_RECENT]; /* batches, the last one first */
	uint32_t num_recent;
};

/* block_guess__init() - for a block with so many of them. Returns 0 or -ENOMEM. */
int block_guess__init(struct block_guess *guess, uint32_t kinds, uint32_t talks, uint32_t batches);
void block_guess__fini(struct block_guess *guess);

/* block_guess__begin() - the other columns come next; the first one has counted its rows into
 * each kind's @at. */
void block_guess__begin(struct block_guess *guess, uint32_t num_kinds);

/* What is known of a row before it is told how long it was open and what it has sent. */
struct block_known {
	uint64_t time_ns;
	uint32_t kind, talk;
	uint16_t port;
	bool is_end, is_service;
	bool has_open;
};

/* And this is what is told: before as it is to be expected, then as it is. */
struct block_rest {
	bool has_open; /* open_ns is expected */
	uint64_t open_ns;
	uint64_t tx_bytes, rx_bytes;
};

/* block_guess__expect() - what the row is likely to tell, by those before it; block_guess__learn(): what it
 * did tell. Both sides, who writes and who reads, call them row by row. */
void block_guess__expect(const struct block_guess *guess, const struct block_known *known,
			 struct block_rest *expected);
void block_guess__learn(struct block_guess *guess, const struct block_known *known,
			const struct block_rest *told);

/* block_guess__use() - @batch, which is at @rank of the recent (num_recent: at none), was used. */
void block_guess__use(struct block_guess *guess, uint32_t rank, uint32_t batch);

#endif
