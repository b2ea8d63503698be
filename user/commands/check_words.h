/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words that the text and the JSON of check have in common.
 */
#ifndef TWSNOOP_CHECK_WORDS_H
#define TWSNOOP_CHECK_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "capture/findings.h"

extern const char *const check_state_words[];  /* by enum feature_state */
extern const char *const check_cgroup_words[]; /* by enum cgroup_mode */

/* Which of the two tables of connections, and which way FIN_WAIT2 is followed. */
bool check_words__is_atomic(const struct findings *f);
bool check_words__follows_sockets(const struct findings *f);

/* Sentences, each with the end of its line. */
const char *check_words__healing(const struct findings *f);
const char *check_words__sockets(const struct findings *f);

/* The state in the kernel's word, or "unknown". */
const char *check_words__lockdown(const struct kernel *k);
/* What stands beside it: why it is not known, or no more than likely; NULL: nothing. */
const char *check_words__lockdown_note(const struct kernel *k);

/* The ledger's state: in JSON, as text, and what there is to be said of it. */
struct check_ledger {
	const char *key, *title, *note;
};

const struct check_ledger *check_words__ledger(const struct findings *f);

/* How far the records reach back, 0: to the beginning. */
uint64_t check_words__reach_ns(const struct pins_status *ledger);

/* Records a second, lately, and how far back the ring reaches if it goes on so; 0: nothing was
 * recorded lately. */
uint64_t check_words__rate(const struct pins_status *ledger);
uint64_t check_words__reach_at_rate_ns(const struct pins_status *ledger);

/* The two forms of it. */
void check_text__put(struct outbuf *ob, const struct findings *f);
void check_json__put(struct outbuf *ob, const struct findings *f);

#endif
