/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording being written: an SQLite file, by one connection, one transaction a second. It
 * keeps the file with its WAL below a size, to the byte, by letting the oldest go: raw blocks
 * before minutes. It does not know where rows come from. One thread uses it.
 */
#ifndef TWSNOOP_RECORDING_H
#define TWSNOOP_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/held.h"

struct recording;

#define RECORDING_SIZE_MIN (8ULL << 20)
#define RECORDING_SYNC_NS 10000000000ULL /* what was committed before is on the disk, if it commits on */

struct recording_options {
	uint64_t size_bytes; /* of the file, its WAL and its index of the WAL, at any moment */
	uint64_t keep_ns;    /* what is older goes, even if there is room; 0: no end */
	unsigned int raw_percent; /* of size_bytes for raw blocks; 0: only the last minute's */
};

/* Why a file cannot be recorded into, or read: a sentence for the user. */
struct store_failure {
	char text[512];
};

/*
 * recording__open() - makes the file (mode 0640), or goes on with one of this format, older ones
 * included. Before anything is added the last run is seen to: if it was killed, its last
 * transaction counts, minutes that were not counted yet are counted from its raw rows, and
 * the time until now is a gap. Returns 0 and *@recp, -EBUSY (another twsnoop records into
 * it), -EBADMSG (no recording, or damaged), -ENOTSUP (of a newer format), -EINVAL (the size is
 * too small) or another negative errno, and @failure in words.
 */
int recording__open(struct recording **recp, const char *path,
		    const struct recording_options *opts, const struct held_run *run,
		    struct store_failure *failure);

/* What goes on from the last run: the next free ids. */
struct recording_next {
	uint64_t row;
	uint32_t who, command, flow;
	uint32_t run; /* the id of this run */
};
void recording__next(const struct recording *rec, struct recording_next *next);

/*
 * Ids of who, command and flow are good for an epoch: rows and minutes name only ids that were
 * added in their own, so that all of them can go once nothing of the epoch is left. A run begins
 * one. recording__epoch_is_over(): it has lasted for hours, or has many ids; then, when all rows
 * are in blocks that are no tails and all minutes are flushed, recording__begin_epoch(): whatever
 * comes from then on has new ids, the next free ones, and whoever gives ids forgets the old ones
 * (minutes__forget_flows()). Not within a transaction.
 */
bool recording__epoch_is_over(const struct recording *rec);
void recording__begin_epoch(struct recording *rec);

/*
 * recording__begin() … recording__commit() - a transaction around what is added. The functions
 * in between only fail for good: what any of them returned is what commit returns. If commit
 * fails (-ENOSPC, -EROFS, -EIO, -ENOENT: the file has gone, -EFBIG: a reader holds so much that
 * nothing can be removed) nothing of the transaction is in the file, and it may be tried again.
 */
int recording__begin(struct recording *rec);
int recording__add_who(struct recording *rec, const struct held_who *who);
int recording__add_command(struct recording *rec, const struct held_command *command);
int recording__add_flow(struct recording *rec, const struct held_flow *flow);
/* A block that is no tail takes the place of all tails whose rows it has. */
int recording__add_block(struct recording *rec, const struct held_block *block);
/* Rows of the same minute, who and flow add up. */
int recording__add_minute(struct recording *rec, const struct held_minute *minute);
/* Minutes are counted up to the row before @row: from there on a next run counts. */
int recording__set_counted(struct recording *rec, uint64_t row);
int recording__add_states(struct recording *rec, const struct held_states *states);
int recording__add_limits(struct recording *rec, const struct held_limits *limits);
int recording__add_ports(struct recording *rec, const struct held_ports *ports);
int recording__add_counter(struct recording *rec, const struct held_counter *counter);
int recording__add_account(struct recording *rec, const struct held_account *account);
int recording__add_gap(struct recording *rec, const struct held_gap *gap);
int recording__add_finding(struct recording *rec, const struct held_finding *finding);
/* Raw blocks of this span go last: something critical is in it. */
int recording__keep_raw(struct recording *rec, uint64_t since_ns, uint64_t until_ns);
int recording__commit(struct recording *rec, uint64_t now_wall_ns);

/* How far it goes back, by the wall clock; 0: there is nothing. */
struct recording_reach {
	uint64_t raw_since_ns, minutes_since_ns;
};

/* recording__reach() - of what was committed. Quick; not within a transaction. */
void recording__reach(struct recording *rec, struct recording_reach *reach);

/* recording__is_gone() - the file is no longer at its path: someone removed or replaced it. */
bool recording__is_gone(const struct recording *rec);

/* recording__close() - ends the run in order. The WAL is gone after it, if the disk lets it. */
void recording__close(struct recording *rec); /* NULL is allowed */

#endif
