// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "export/identity.h"
#include "export/intake.h"
#include "tests/unit/support.h"

static unsigned int num_ready;

static void count_ready(void *ctx)
{
	(void)ctx;
	num_ready++;
}

static struct intake *new_intake(uint64_t since_ns, uint64_t until_ns)
{
	const struct intake_options opts = {
		.encoder = &encoder_clickhouse, .seed = 5, .since_ns = since_ns,
		.until_ns = until_ns, .ready = count_ready,
	};
	struct intake *intake = NULL;

	num_ready = 0;
	assert_int_equal(intake__new(&intake, &opts), 0);
	return intake;
}

static void put(struct intake *intake, uint64_t cookie, uint64_t time_ns, const char *command_line)
{
	struct tws_event ev;
	const struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS + time_ns,
				    .command_line = command_line };

	support__event(&ev);
	ev.cookie = cookie;
	ev.time_ns = time_ns;
	intake__put(intake, &rec);
}

static void check_account(struct intake *intake, uint64_t pending, uint64_t dropped,
			  uint64_t repeated)
{
	struct intake_account account;

	intake__account(intake, &account);
	assert_int_equal(account.pending, pending);
	assert_int_equal(account.dropped, dropped);
	assert_int_equal(account.repeated, repeated);
}

static void test_batches(void **state)
{
	struct intake *intake = new_intake(0, 0);
	struct intake_batch *batch;
	uint64_t puts = 0;

	(void)state;
	assert_null(intake__take(intake, true));
	while (!num_ready) {
		puts++;
		put(intake, puts, puts * 1000000, NULL);
	}
	assert_in_range(puts, 1000, BATCH_MAX_EVENTS);
	for (unsigned int i = 1; i <= 5; i++)
		put(intake, puts + i, (puts + i) * 1000000, NULL);
	check_account(intake, puts + 5, 0, 0);
	batch = intake__take(intake, false);
	assert_int_equal(batch->info.num_events, puts);
	assert_in_range(batch->info.last_s - batch->info.first_s, puts / 1000, puts / 1000 + 1);
	assert_true(batch->info.begin_ns <= batch->info.end_ns);
	assert_true(batch->raw.len >= INTAKE_FULL_BYTES);
	assert_int_equal(batch->raw.data[batch->raw.len - 1], '\n');
	intake_batch__free(batch);
	batch = intake__take(intake, true);
	assert_int_equal(batch->info.num_events, 5);
	intake_batch__free(batch);
	check_account(intake, puts + 5, 0, 0);
	intake__taken(intake, puts + 5);
	check_account(intake, 0, 0, 0);
	intake__free(intake);
}

/* Nobody takes them: memory is bounded, and what is too much is counted. */
static void test_bound(void **state)
{
	struct intake *intake = new_intake(0, 0);
	struct intake_account account;
	char *line = malloc(60001);
	uint64_t puts = 0;

	(void)state;
	memset(line, 'x', 60000);
	line[60000] = '\0';
	do {
		puts++;
		put(intake, puts, puts, line);
		intake__account(intake, &account);
	} while (account.dropped < 3 && puts < 10000);
	assert_int_equal(account.dropped, 3);
	assert_int_equal(num_ready, INTAKE_READY_MAX);
	assert_true(puts * 60000 > INTAKE_READY_MAX * (uint64_t)INTAKE_FULL_BYTES);
	assert_true(puts * 60000 < (INTAKE_READY_MAX + 1) * (uint64_t)INTAKE_FULL_BYTES);
	intake_batch__free(intake__take(intake, false));
	puts++;
	put(intake, puts, puts, line);
	intake__account(intake, &account);
	assert_int_equal(account.dropped, 3);
	intake__free(intake);
	free(line);
}

static void test_repeated(void **state)
{
	struct intake *intake = new_intake(100, 200);
	struct tws_event ev;

	(void)state;
	support__event(&ev);
	for (uint64_t cookie = 20; cookie > 10; cookie--) {
		ev.cookie = cookie;
		assert_int_equal(intake__know(intake, identity__key(5, &ev)), 0);
	}
	put(intake, 11, 150, NULL);
	check_account(intake, 0, 0, 1);
	put(intake, 20, 200, NULL);
	check_account(intake, 0, 0, 2);
	put(intake, 21, 150, NULL);
	check_account(intake, 1, 0, 2);
	put(intake, 11, 201, NULL); /* it happened after the other run had ended */
	check_account(intake, 2, 0, 2);
	put(intake, 30, 99, NULL); /* it is not ours at all */
	check_account(intake, 2, 0, 2);
	intake__free(intake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
