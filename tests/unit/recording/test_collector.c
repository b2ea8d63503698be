// SPDX-License-Identifier: GPL-2.0
/*
 * From records to bundles: seconds, minutes, what finds no room, epochs and another file. The
 * bundles are written to a fake recording, which checks that rows name only who it knows.
 */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "recording/collector.h"
#include "tests/unit/recording/fake_recording.h"
#include "tests/unit/support.h"

#define S 1000000000ULL
#define BEGIN_S (1795329600ULL / 60 * 60) /* a minute's first second */

static struct {
	struct queue *queue;
	struct collector *collector;
	uint64_t second; /* since BEGIN_S */
	uint64_t cookie;
	struct recording *rec;
} t;

static void account(void *ctx, struct held_account *account)
{
	(void)ctx;
	account->told.delivered = t.cookie;
}

static void trouble(void *ctx, struct collector_trouble *trouble)
{
	(void)ctx;
	*trouble = (struct collector_trouble){ HELD_GAP_DISK, "No space left on device" };
}

static int set_up(size_t queue_bytes)
{
	struct collector_options opts = { .next = { 1, 1, 1, 1, 1 }, .account = account,
					  .trouble = trouble };
	struct store_failure failure;

	memset(&t, 0, sizeof(t));
	fake_reset();
	assert_int_equal(queue__new(&t.queue, queue_bytes), 0);
	opts.queue = t.queue;
	assert_int_equal(collector__new(&t.collector, &opts), 0);
	assert_int_equal(recording__open(&t.rec, "fake", NULL, NULL, &failure), 0);
	return 0;
}

static void tear_down(void)
{
	collector__free(t.collector);
	queue__free(t.queue);
}

static struct clock_moment now(void)
{
	return (struct clock_moment){ (BEGIN_S + t.second) * S, (100 + t.second) * S,
				      (100 + t.second) * S };
}

static void put_as(unsigned int num, const char *name, uint8_t action, uint32_t error)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "a command" };

	support__event(&ev);
	support__set_comm(ev.conn.comm, name);
	ev.action = action;
	ev.error = error;
	for (unsigned int i = 0; i < num; i++) {
		ev.cookie = ++t.cookie;
		ev.tx_bytes = ev.cookie * 0x9e3779b97f4a7c15ULL >> 20; /* takes room in a block */
		rec.wall_ns = (BEGIN_S + t.second) * S + i;
		collector__put(t.collector, &rec);
	}
}

static void put(unsigned int num)
{
	put_as(num, "nginx", TWS_TIME_WAIT, 0);
}

static void second(void)
{
	const struct clock_moment moment = now();

	collector__turn(t.collector, &moment);
	t.second++;
}

static bool write_one(void)
{
	struct bundle *bundle = queue__front(t.queue, 0);

	if (!bundle)
		return false;
	if (bundle__begins_epoch(bundle))
		recording__begin_epoch(t.rec);
	assert_int_equal(bundle__write(bundle, t.rec, 1), 0);
	queue__pop(t.queue);
	return true;
}

static void write_all(void)
{
	while (write_one())
		;
}

static uint64_t rows_there(uint64_t from, uint64_t to)
{
	uint64_t num = 0;

	for (uint64_t row = from; row < to; row++)
		num += fake_committed.row_of[row] != 0;
	return num;
}

/* Each second a tail, each minute all of it, its counts and the account beside it. */
static void test_seconds_and_minutes(void **state)
{
	(void)state;
	set_up(64 << 20);
	second();
	write_all();
	assert_int_equal(fake_committed.n.blocks + fake_committed.n.tails, 0);
	put(10);
	second();
	write_all();
	assert_int_equal(fake_committed.n.tails, 1);
	assert_int_equal(fake_committed.n.whos, 1);
	assert_int_equal(fake_committed.n.commands, 1);
	put(5);
	second();
	write_all();
	assert_int_equal(fake_committed.n.tails, 2);
	assert_int_equal(rows_there(1, 100), 15);
	assert_int_equal(fake_committed.row_of[11], 11);
	assert_int_equal(fake_committed.n.minutes, 0);
	/* A second in which nothing happens writes nothing. */
	second();
	assert_null(queue__front(t.queue, 0));
	while (t.second < 60)
		second();
	put(3);
	second();
	write_all();
	assert_int_equal(fake_committed.n.tails, 2);
	assert_int_equal(fake_committed.n.blocks, 1);
	assert_int_equal(fake_committed.n.minutes, 2); /* the last three are of the next minute */
	assert_int_equal(fake_committed.minute_count, 18);
	assert_int_equal(fake_committed.counted, 19);
	assert_int_equal(fake_committed.n.accounts, 1);
	assert_int_equal(fake_committed.account.told.delivered, 18);
	assert_int_equal(fake_committed.account.run, 1);
	assert_int_equal(fake_committed.n.whos, 1);
	assert_int_equal(collector__rows(t.collector), 18);
	assert_int_equal(collector__dropped(t.collector), 0);
	tear_down();
}

/* Many rows in a second are a block at once, and so are as many as a block takes. */
static void test_many(void **state)
{
	(void)state;
	set_up(64 << 20);
	second();
	put(20000);
	second();
	write_all();
	assert_int_equal(fake_committed.n.tails, 0);
	assert_int_equal(fake_committed.n.blocks, 1);
	put(BLOCK_ROWS + 10);
	second();
	write_all();
	assert_int_equal(fake_committed.n.blocks, 2);
	assert_int_equal(fake_committed.n.tails, 1);
	assert_int_equal(rows_there(1, FAKE_ROWS), 20000 + BLOCK_ROWS + 10);
	assert_int_equal(fake_committed.row_of[20000 + BLOCK_ROWS + 10], 20000 + BLOCK_ROWS + 10);
	tear_down();
}

/* Nothing is left behind at the end. */
static void test_finish(void **state)
{
	struct clock_moment moment;

	(void)state;
	set_up(64 << 20);
	second();
	put(7);
	moment = now();
	collector__finish(t.collector, &moment);
	write_all();
	assert_int_equal(rows_there(1, 100), 7);
	assert_int_equal(fake_committed.minute_count, 7);
	assert_int_equal(fake_committed.counted, 8);
	assert_int_equal(fake_committed.n.accounts, 1);
	tear_down();
}

/*
 * The disk takes nothing for an hour: rows are let go, minutes are kept, memory is bounded, and as
 * soon as there is room there is one gap, with all that is missing.
 */
static void test_no_room(void **state)
{
	uint64_t missing, kept;
	char name[16];

	(void)state;
	set_up(COLLECTOR_RESERVE_BYTES + (2 << 20));
	second();
	for (unsigned int i = 0; i < 3600; i++) {
		snprintf(name, sizeof(name), "n%u", i % 50);
		put_as(100, name, TWS_TIME_WAIT, 0);
		second();
	}
	missing = collector__dropped(t.collector);
	assert_true(missing > 100000);
	write_all();
	assert_int_equal(fake_committed.n.gaps, 0);
	for (int i = 0; i < 130; i++) {
		put(1);
		second();
		write_all();
	}
	kept = rows_there(1, FAKE_ROWS);
	missing = collector__dropped(t.collector);
	assert_int_equal(fake_committed.n.gaps, 1);
	assert_int_equal(fake_committed.gaps[0].events, missing);
	assert_int_equal(fake_committed.gaps[0].reason, HELD_GAP_DISK);
	assert_true(fake_committed.gaps[0].since_ns >= BEGIN_S * S);
	assert_true(fake_committed.gaps[0].until_ns < (BEGIN_S + 3602) * S);
	assert_true(fake_committed.gaps[0].until_ns > fake_committed.gaps[0].since_ns);
	/* Of the last minute's some are not in a block yet, but all in tails. */
	assert_int_equal(kept + missing, 360000 + 130);
	/* Minutes have even those whose rows are gone. */
	while (t.second % 60)
		second();
	second();
	write_all();
	assert_int_equal(fake_committed.minute_count, 360000 + 130);
	tear_down();
}

/* Names without end, and no room: the waiting bundle has a bound, and what is told after it
 * names only who is told after it. */
static void test_no_room_at_all(void **state)
{
	char name[16];

	(void)state;
	set_up(1); /* one bundle, whatever its size */
	second();
	put(1);
	second();
	for (unsigned int minute = 0; minute < 60; minute++) {
		for (unsigned int i = 0; i < 4000; i++) {
			snprintf(name, sizeof(name), "m%u.%u", minute % 10, i);
			put_as(1, name, TWS_TIME_WAIT, 0);
		}
		t.second += 58;
		second();
		second();
	}
	fake_committed.last_who = 0;
	assert_true(write_one());
	assert_null(queue__front(t.queue, 0));
	assert_true(collector__dropped(t.collector) >= 200000);
	tear_down();
}

/* Ids begin anew once a minute has ended, and not in its midst. */
static void test_epoch(void **state)
{
	(void)state;
	set_up(64 << 20);
	second();
	put(3);
	collector__end_epoch(t.collector);
	second();
	write_all();
	put(3);
	second();
	write_all();
	assert_int_equal(fake.epochs, 0);
	assert_int_equal(fake_committed.n.whos, 1);
	while (t.second <= 60)
		second();
	write_all();
	put(4);
	second();
	write_all();
	assert_int_equal(fake.epochs, 1);
	assert_int_equal(fake_committed.n.whos, 2);
	assert_int_equal(fake_committed.who_of[6], 1);
	assert_int_equal(fake_committed.who_of[7], 2);
	while (t.second <= 120)
		second();
	write_all();
	assert_int_equal(fake.epochs, 1);
	assert_int_equal(fake_committed.n.flows, 2);
	tear_down();
}

/* Somebody removed the file: what comes is for the new one, and marked so. */
static void test_another_file(void **state)
{
	const struct recording_next next = { .row = 500, .who = 70, .command = 80, .flow = 90,
					     .run = 5 };
	struct bundle *bundle;

	(void)state;
	set_up(64 << 20);
	second();
	put(3);
	second();
	put(4);
	assert_true(bundle__is_for(queue__front(t.queue, 0), 0));
	assert_false(bundle__is_for(queue__front(t.queue, 0), 1));
	assert_int_equal(collector__restart(t.collector, &next, 1, 3), 0);
	queue__pop(t.queue);
	put(5);
	second();
	bundle = queue__front(t.queue, 0);
	assert_non_null(bundle);
	assert_true(bundle__is_for(bundle, 1));
	write_all();
	assert_int_equal(rows_there(500, 505), 5);
	assert_int_equal(rows_there(1, FAKE_ROWS), 5);
	assert_int_equal(fake_committed.who_of[500], 70);
	assert_int_equal(fake_committed.n.gaps, 1);
	assert_int_equal(fake_committed.gaps[0].events, 4 + 3);
	assert_int_equal(fake_committed.gaps[0].run, 5);
	assert_int_equal(collector__dropped(t.collector), 4);
	tear_down();
}

static void test_clock_steps(void **state)
{
	struct clock_moment moment;

	(void)state;
	set_up(64 << 20);
	second();
	put(1);
	second();
	moment = now();
	moment.wall_ns -= 3600 * S;
	collector__turn(t.collector, &moment);
	write_all();
	assert_int_equal(fake_committed.n.gaps, 1);
	assert_int_equal(fake_committed.gaps[0].reason, HELD_GAP_CLOCK);
	assert_true(fake_committed.gaps[0].until_ns < fake_committed.gaps[0].since_ns);
	assert_int_equal(fake_committed.gaps[0].run, 1);
	moment.boot_ns += 60 * S;
	moment.wall_ns += 60 * S;
	moment.monotonic_ns += S;
	collector__turn(t.collector, &moment);
	write_all();
	assert_int_equal(fake_committed.gaps[1].reason, HELD_GAP_SUSPENDED);
	tear_down();
}

static void test_critical(void **state)
{
	(void)state;
	set_up(64 << 20);
	second();
	put_as(10, "checkout", TWS_CONNECT_FAILED, EADDRNOTAVAIL);
	second();
	write_all();
	assert_int_equal(fake_committed.n.findings, 1);
	assert_int_equal(fake_committed.n.keeps, 1);
	assert_int_equal(fake_committed.findings[0].who, 1);
	assert_int_equal(fake_committed.findings[0].count, 10);
	assert_non_null(strstr(fake_committed.texts[0], "checkout"));
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seconds_and_minutes),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_no_room_at_all),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_another_file),
		cmocka_unit_test(test_clock_steps),
		cmocka_unit_test(test_critical),
	};

	return cmocka_run_group_tests_name("recording_collector", tests, NULL, NULL);
}
