// SPDX-License-Identifier: GPL-2.0
/*
 * The end of what `serve` writes to, where a disk hangs. The recorder and all that it is made with are
 * stand-ins: it is held up for as long as the test wants it to be.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "commands/recording_of.h"
#include "commands/serve_outputs.h"
#include "commands/serve_sinks.h"

static const char filter_words[] = "-p 7";

/* What a thread of the recorder goes on to use. */
static const char *used;
static bool hangs;

/* ---- stand-ins ---- */

int recording_of__open(struct recorder **recorderp, const struct recording_of_options *opts)
{
	used = opts->filter;
	*recorderp = (struct recorder *)&used;
	return 0;
}

uint64_t recording_of__privileges(const char *path, uint64_t mask)
{
	(void)path, (void)mask;
	return 0;
}

void recording_of__end(struct recorder *recorder, bool (*hurries)(void *ctx), void *ctx)
{
	(void)recorder, (void)hurries, (void)ctx;
}

int recorder__start(struct recorder *recorder)
{
	(void)recorder;
	return 0;
}

void recorder__put(struct recorder *recorder, const struct record *rec)
{
	(void)recorder, (void)rec;
}

int recorder__turn(struct recorder *recorder, const struct clock_moment *now)
{
	(void)recorder, (void)now;
	return 0;
}

void recorder__add_gap(struct recorder *recorder, const struct held_gap *gap)
{
	(void)recorder, (void)gap;
}

bool recorder__free(struct recorder *recorder)
{
	return !recorder || !hangs;
}

const struct calls_obstacle *origin__calls_obstacle(const struct origin *origin)
{
	(void)origin;
	return NULL;
}

int serve_sinks__open(struct serve_sinks *sinks, const struct export_options *opts)
{
	(void)sinks, (void)opts;
	return 0;
}

uint64_t serve_sinks__since_ns(const struct serve_sinks *sinks)
{
	(void)sinks;
	return 0;
}

void serve_sinks__say_gap(const struct serve_sinks *sinks, uint64_t reach_ns, const struct when_zone *zone)
{
	(void)sinks, (void)reach_ns, (void)zone;
}

uint64_t serve_sinks__privileges(const struct serve_sinks *sinks, uint64_t mask)
{
	(void)sinks, (void)mask;
	return 0;
}

int serve_sinks__start(struct serve_sinks *sinks)
{
	(void)sinks;
	return 0;
}

void serve_sinks__put(struct serve_sinks *sinks, const struct record *rec)
{
	(void)sinks, (void)rec;
}

void serve_sinks__turn(struct serve_sinks *sinks, struct board *board)
{
	(void)sinks, (void)board;
}

void serve_sinks__end(struct serve_sinks *sinks, uint64_t deadline_ns)
{
	(void)sinks, (void)deadline_ns;
}

bool serve_sinks__has_ended(const struct serve_sinks *sinks)
{
	(void)sinks;
	return true;
}

void serve_sinks__close(struct serve_sinks *sinks)
{
	(void)sinks;
}

/* ---- tests ---- */

static struct serve_outputs *make_outputs(void)
{
	const struct serve_outputs_options opts = {
		.record = { .path = "recording.db" },
		.filter_words = strdup(filter_words),
	};
	struct serve_outputs *outputs;
	struct live live = { 0 };
	uint64_t mask = 0;

	assert_int_equal(serve_outputs__open(&outputs, &opts), 0);
	assert_int_equal(serve_outputs__prepare(outputs, &live, &mask), 0);
	assert_int_equal(serve_outputs__start(outputs), 0);
	return outputs;
}

/* As long as it goes on, so does what it was given; the process ends then. */
static void test_hanging_disk(void **state)
{
	struct serve_outputs *outputs = make_outputs();

	(void)state;
	hangs = true;
	assert_false(serve_outputs__free(outputs));
	assert_string_equal(used, filter_words);
	hangs = false;
	assert_true(serve_outputs__free(outputs));
}

static void test_no_hanging_disk(void **state)
{
	(void)state;
	assert_true(serve_outputs__free(NULL));
	assert_true(serve_outputs__free(make_outputs()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hanging_disk),
		cmocka_unit_test(test_no_hanging_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
