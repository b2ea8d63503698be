/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the threads of `twsnoop serve` share: the registry of metrics, and the evidence of the span
 * that goes on. The stream's thread puts records in, which takes some hundred nanoseconds; whoever
 * samples replaces gauges; whoever is asked writes the text. The lock is held for no longer than one of
 * these takes, and while nothing is waited for.
 */
#ifndef TWSNOOP_BOARD_H
#define TWSNOOP_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnosis/evidence.h"
#include "export/metrics.h"
#include "model/feed.h"
#include "model/record.h"

struct board;

/* board__new() - returns 0 and *@boardp, or as metrics__new(). */
int board__new(struct board **boardp, const struct metrics_options *opts);
void board__free(struct board *board); /* NULL is allowed */

/* board__put() - a record, of any action. */
void board__put(struct board *board, const struct record *rec);

/* board__turn() - the stream's account at @now_ns, CLOCK_MONOTONIC, some times a second. */
void board__turn(struct board *board, const struct feed_account *account, uint64_t now_ns);

/* board__account() - as it was told last. */
void board__account(struct board *board, struct feed_account *account);

/* board__write() - the text of a scrape: metrics__write(). */
void board__write(struct board *board, bool openmetrics, struct outbuf *to);

/* board__metrics() - the registry, locked until board__unlock(). */
struct metrics *board__metrics(struct board *board);
void board__unlock(struct board *board);

/*
 * board__take_evidence() - what was put in since the last time, as not yet finished evidence, of which
 * the span, lost and unattributed are set; another one begins. Returns 0 and *@taken, to be
 * emptied by evidence__free(), or -ENOMEM, and nothing is taken.
 */
int board__take_evidence(struct board *board, struct evidence *taken);

#endif
