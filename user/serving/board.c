// SPDX-License-Identifier: GPL-2.0
#include "serving/board.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct board {
	pthread_mutex_t lock;
	struct metrics *metrics;
	struct evidence evidence;
	struct feed_account account;
	uint64_t lost_before; /* when the evidence began */
};

int board__new(struct board **boardp, const struct metrics_options *opts)
{
	struct board *board = calloc(1, sizeof(*board));
	int err;

	if (!board)
		return -ENOMEM;
	pthread_mutex_init(&board->lock, NULL);
	err = evidence__init(&board->evidence);
	err = err ?: metrics__new(&board->metrics, opts);
	if (err) {
		board__free(board);
		return err;
	}
	board->evidence.since_ns = clock__now_ns(CLOCK_MONOTONIC);
	*boardp = board;
	return 0;
}

void board__free(struct board *board)
{
	if (!board)
		return;
	metrics__free(board->metrics);
	evidence__free(&board->evidence);
	pthread_mutex_destroy(&board->lock);
	free(board);
}

void board__put(struct board *board, const struct record *rec)
{
	pthread_mutex_lock(&board->lock);
	metrics__add(board->metrics, rec);
	evidence__add(&board->evidence, rec);
	pthread_mutex_unlock(&board->lock);
}

void board__turn(struct board *board, const struct feed_account *account, uint64_t now_ns)
{
	pthread_mutex_lock(&board->lock);
	board->account = *account;
	metrics__tick(board->metrics, now_ns);
	metrics__set_account(board->metrics, account);
	pthread_mutex_unlock(&board->lock);
}

void board__account(struct board *board, struct feed_account *account)
{
	pthread_mutex_lock(&board->lock);
	*account = board->account;
	pthread_mutex_unlock(&board->lock);
}

void board__write(struct board *board, bool openmetrics, struct outbuf *to)
{
	pthread_mutex_lock(&board->lock);
	metrics__write(board->metrics, openmetrics, to);
	pthread_mutex_unlock(&board->lock);
}

struct metrics *board__metrics(struct board *board)
{
	pthread_mutex_lock(&board->lock);
	return board->metrics;
}

void board__unlock(struct board *board)
{
	pthread_mutex_unlock(&board->lock);
}

int board__take_evidence(struct board *board, struct evidence *taken)
{
	struct evidence next = { 0 };
	int err = evidence__init(&next);

	if (err) {
		evidence__free(&next);
		return err;
	}
	next.since_ns = clock__now_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&board->lock);
	*taken = board->evidence;
	board->evidence = next;
	taken->until_ns = next.since_ns;
	taken->lost = board->account.lost > board->lost_before ?
		board->account.lost - board->lost_before : 0;
	board->lost_before = board->account.lost;
	pthread_mutex_unlock(&board->lock);
	return 0;
}
