/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording being read: read-only, while it is written too, in short transactions. Its
 * bytes are hostile: whatever cannot be read is counted and passed over, and told as a gap of
 * reason HELD_GAP_DAMAGED.
 */
#ifndef TWSNOOP_HISTORY_H
#define TWSNOOP_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/block.h"
#include "store/held.h"
#include "store/recording.h" /* struct store_failure */

struct history;

/* history__open() - returns 0 and *@historyp, -ENOENT, -EBADMSG (no recording, or damaged so that
 * nothing can be read), -ENOTSUP (of a newer format) or another negative errno, and @failure. */
int history__open(struct history **historyp, const char *path, struct store_failure *failure);
void history__close(struct history *history); /* NULL is allowed */

/* A span of wall-clock time; until_ns is not in it, 0: no end. What has a length of its own, as a
 * minute, is in it if some of it is. */
struct history_span {
	uint64_t since_ns, until_ns;
};

struct history_status {
	uint64_t file_bytes, size_bytes; /* with its WAL; and what it may have */
	struct history_span all, raw, minutes; /* of what there is; 0: nothing */
	uint64_t raw_rows, raw_bytes;	 /* in blocks, and their size on disk */
	uint64_t minute_rows, gaps, gap_events;
	uint64_t last_commit_ns;
	bool is_recording; /* a twsnoop has it open for writing */
	struct held_run last_run; /* its strings live as long as the history */
	struct held_account account; /* the newest */
};
int history__status(struct history *history, struct history_status *status);

/*
 * Each of these calls @fn for what is in the span, and ends with what it returns if that is not
 * 0. They return 0, that, or a negative errno. Minutes and samples come in the order of time,
 * runs, blocks, gaps and findings in that of the recording. No transaction is open while @fn
 * runs, which may take its time, and call history__who() and the like, but no other of these.
 */
#define HISTORY_EACH(name, type)                                                                   \
	typedef int (*history_##name##_fn)(void *ctx, const struct type *name);                    \
	int history__each_##name(struct history *history, const struct history_span *span,         \
				 history_##name##_fn fn, void *ctx)

HISTORY_EACH(run, held_run);
HISTORY_EACH(minute, held_minute);
HISTORY_EACH(states, held_states);
HISTORY_EACH(limits, held_limits); /* before these the last of each namespace before the span */
HISTORY_EACH(ports, held_ports);
HISTORY_EACH(counter, held_counter); /* likewise, if it was told in the three hours before */
HISTORY_EACH(account, held_account);
HISTORY_EACH(gap, held_gap); /* and then what has been found to be damaged so far */
HISTORY_EACH(finding, held_finding);
/* Raw blocks without their bytes (data is NULL, size theirs on disk), in the order of their rows,
 * each row once as with a cursor: row numbers that are missing were let go. */
HISTORY_EACH(block, held_block);

/* history__each_damaged_block() - of those in the span, each whose bytes are not as they were written:
 * all of them are read for it, some 4 ms each MB. */
int history__each_damaged_block(struct history *history, const struct history_span *span,
				history_block_fn fn, void *ctx);

/* history__block_is_told() - @block is one of these, but nothing of it is missing: the sums of its
 * minutes are there. */
void history__block_is_told(struct history *history, const struct held_block *block);

/*
 * Raw rows, by blocks: those that may have rows in the span, in order, one at each call. A
 * cursor holds no transaction between the calls, so that it may wait for a slow reader for
 * hours. Where row numbers are missing between two blocks, rows were let go.
 */
struct history_cursor;
int history_cursor__new(struct history_cursor **cursorp, struct history *history,
			const struct history_span *span);
void history_cursor__free(struct history_cursor *cursor);
/* Returns 1 and *@block, which lives until the next call, and @meta (without data); 0: no more
 * now; or a negative errno. No row is given twice: of a block that has replaced tails, of which
 * some were given, the rest is. */
int history_cursor__next(struct history_cursor *cursor, const struct block **block,
			 struct held_block *meta);

/* By id; NULL: it is not there. They live until the history is closed, or, as there are more of
 * them than are kept, for some thousand calls. */
const struct held_who *history__who(struct history *history, uint32_t id);
const char *history__command(struct history *history, uint32_t id);
const struct held_flow *history__flow(struct history *history, uint32_t id);

#endif
