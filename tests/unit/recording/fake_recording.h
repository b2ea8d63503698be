/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording that lives in memory, in the place of store/recording.c: what was committed, and how
 * it is told to fail. Included once in a test, which then links none other.
 */
#ifndef TWSNOOP_TESTS_FAKE_RECORDING_H
#define TWSNOOP_TESTS_FAKE_RECORDING_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/block.h"
#include "store/recording.h"

#define FAKE_ROWS 400000
#define FAKE_ITEMS 4096

struct fake_numbers {
	uint64_t whos, commands, flows, minutes, blocks, tails, gaps, findings, accounts, counted,
		states, limits, ports, counters, keeps;
};

/* What is in the file. */
static struct fake_file {
	struct fake_numbers n;
	uint64_t row_of[FAKE_ROWS]; /* by row number: its event's cookie, 0: not there */
	uint32_t who_of[FAKE_ROWS];
	bool has_who[FAKE_ITEMS];
	uint64_t minute_count; /* the sum of all */
	struct held_gap gaps[64];
	struct held_finding findings[64];
	char texts[64][400];
	struct held_account account;
	uint64_t counted;
	uint32_t last_who; /* ids rise */
	struct held_states states[64];
	struct held_counter counters[256];
	struct held_limits limits[64];
} fake_committed, fake_open;

static struct {
	pthread_mutex_t lock;
	int open_error, begin_error, commit_error; /* what the next ones return; 0: they succeed */
	bool is_gone, epoch_is_over, is_open;
	unsigned int opens, closes, commits, failed_commits, epochs;
	int begun;
	struct recording_next next;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .next = { 1, 1, 1, 1, 1 } };

struct recording {
	int error;
};

static struct recording fake_recording;

/* Of what another thread may change. */
#define FAKE_LOCKED(expression)                                                                    \
	({                                                                                         \
		pthread_mutex_lock(&fake.lock);                                                    \
		__typeof__(expression) locked_value = (expression);                                \
		pthread_mutex_unlock(&fake.lock);                                                  \
		locked_value;                                                                      \
	})

int recording__open(struct recording **recp, const char *path,
		    const struct recording_options *opts, const struct held_run *run,
		    struct store_failure *failure)
{
	int err;

	(void)opts;
	(void)run;
	pthread_mutex_lock(&fake.lock);
	err = fake.open_error;
	fake.opens++;
	if (!err) {
		fake.is_open = true;
		fake.is_gone = false;
	}
	pthread_mutex_unlock(&fake.lock);
	if (err)
		snprintf(failure->text, sizeof(failure->text), "%s: it is a fake", path);
	else
		*recp = &fake_recording;
	return err;
}

void recording__next(const struct recording *rec, struct recording_next *next)
{
	(void)rec;
	*next = FAKE_LOCKED(fake.next);
}

bool recording__epoch_is_over(const struct recording *rec)
{
	(void)rec;
	return FAKE_LOCKED(fake.epoch_is_over);
}

void recording__begin_epoch(struct recording *rec)
{
	(void)rec;
	pthread_mutex_lock(&fake.lock);
	fake.epochs++;
	fake.epoch_is_over = false;
	pthread_mutex_unlock(&fake.lock);
}

int recording__begin(struct recording *rec)
{
	if (fake.begun++)
		return -EALREADY;
	rec->error = FAKE_LOCKED(fake.begin_error);
	fake_open = fake_committed;
	return rec->error;
}

int recording__add_who(struct recording *rec, const struct held_who *who)
{
	if (who->id <= fake_open.last_who || who->id >= FAKE_ITEMS)
		rec->error = -EDOM;
	else
		fake_open.has_who[who->id] = true;
	fake_open.last_who = who->id;
	fake_open.n.whos++;
	return rec->error;
}

int recording__add_command(struct recording *rec, const struct held_command *command)
{
	(void)command;
	fake_open.n.commands++;
	return rec->error;
}

int recording__add_flow(struct recording *rec, const struct held_flow *flow)
{
	(void)flow;
	fake_open.n.flows++;
	return rec->error;
}

static int fake_take_rows(const struct held_block *held)
{
	struct block *block;
	struct held_row row;
	int err = block__decode(&block, held->data, held->size);

	if (err)
		return err;
	if (block__count(block) != held->rows)
		err = -EBADMSG;
	for (uint32_t i = 0; !err && i < held->rows; i++) {
		uint64_t number = held->first_row + i;

		block__row(block, i, &row);
		if (number >= FAKE_ROWS ||
		    (fake_open.row_of[number] && fake_open.row_of[number] != row.event.cookie) ||
		    (row.who && (row.who >= FAKE_ITEMS || !fake_open.has_who[row.who])))
			err = -EDOM;
		else
			fake_open.row_of[number] = row.event.cookie;
		if (!err)
			fake_open.who_of[number] = row.who;
	}
	block__free(block);
	return err;
}

int recording__add_block(struct recording *rec, const struct held_block *block)
{
	int err = fake_take_rows(block);

	if (err)
		rec->error = err;
	if (block->is_tail)
		fake_open.n.tails++;
	else
		fake_open.n.blocks++;
	return rec->error;
}

int recording__add_minute(struct recording *rec, const struct held_minute *minute)
{
	fake_open.n.minutes++;
	fake_open.minute_count += minute->count;
	return rec->error;
}

int recording__set_counted(struct recording *rec, uint64_t row)
{
	fake_open.n.counted++;
	fake_open.counted = row;
	return rec->error;
}

#define FAKE_KEEP(list, held) \
	(fake_open.list[fake_open.n.list++ % (sizeof(fake_open.list) / sizeof(fake_open.list[0]))] = *(held))

int recording__add_states(struct recording *rec, const struct held_states *states)
{
	FAKE_KEEP(states, states);
	return rec->error;
}

int recording__add_limits(struct recording *rec, const struct held_limits *limits)
{
	FAKE_KEEP(limits, limits);
	return rec->error;
}

int recording__add_ports(struct recording *rec, const struct held_ports *ports)
{
	(void)ports;
	fake_open.n.ports++;
	return rec->error;
}

int recording__add_counter(struct recording *rec, const struct held_counter *counter)
{
	FAKE_KEEP(counters, counter);
	return rec->error;
}

int recording__add_account(struct recording *rec, const struct held_account *account)
{
	fake_open.n.accounts++;
	fake_open.account = *account;
	return rec->error;
}

int recording__add_gap(struct recording *rec, const struct held_gap *gap)
{
	FAKE_KEEP(gaps, gap);
	return rec->error;
}

int recording__add_finding(struct recording *rec, const struct held_finding *finding)
{
	snprintf(fake_open.texts[fake_open.n.findings % 64], 400, "%s: %s", finding->id,
		 finding->text);
	FAKE_KEEP(findings, finding);
	return rec->error;
}

int recording__keep_raw(struct recording *rec, uint64_t since_ns, uint64_t until_ns)
{
	fake_open.n.keeps++;
	if (since_ns > until_ns)
		rec->error = -EINVAL;
	return rec->error;
}

int recording__commit(struct recording *rec, uint64_t now_wall_ns)
{
	int err;

	(void)now_wall_ns;
	pthread_mutex_lock(&fake.lock);
	err = rec->error ? rec->error : fake.commit_error;
	if (err)
		fake.failed_commits++;
	else
		fake.commits++;
	if (!err)
		fake_committed = fake_open;
	fake.begun = 0;
	pthread_mutex_unlock(&fake.lock);
	return err;
}

void recording__reach(struct recording *rec, struct recording_reach *reach)
{
	(void)rec;
	*reach = (struct recording_reach){ 0 };
}

bool recording__is_gone(const struct recording *rec)
{
	(void)rec;
	return FAKE_LOCKED(fake.is_gone);
}

void recording__close(struct recording *rec)
{
	if (!rec)
		return;
	pthread_mutex_lock(&fake.lock);
	fake.closes++;
	fake.is_open = false;
	pthread_mutex_unlock(&fake.lock);
}

__attribute__((unused)) static void fake_reset(void)
{
	pthread_mutex_lock(&fake.lock);
	fake.open_error = fake.begin_error = fake.commit_error = 0;
	fake.is_gone = fake.epoch_is_over = fake.is_open = false;
	fake.opens = fake.closes = fake.commits = fake.failed_commits = fake.epochs = 0;
	fake.begun = 0;
	fake.next = (struct recording_next){ 1, 1, 1, 1, 1 };
	memset(&fake_committed, 0, sizeof(fake_committed));
	pthread_mutex_unlock(&fake.lock);
}

#endif
