// SPDX-License-Identifier: GPL-2.0
/* The two clocks as one pair, though the processor is taken away between the readings. */
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

#define NS_PER_S 1000000000LL
#define OFFSET_NS (1700000000 * NS_PER_S)

static int64_t now_ns; /* CLOCK_MONOTONIC */
static int64_t pauses_ns[32]; /* after each reading */
static unsigned int num_readings;

/* The C library's. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int64_t shown_ns = clock == CLOCK_REALTIME ? now_ns + OFFSET_NS : now_ns;

	*ts = (struct timespec){ .tv_sec = shown_ns / NS_PER_S, .tv_nsec = shown_ns % NS_PER_S };
	now_ns += 30;
	if (num_readings < sizeof(pauses_ns) / sizeof(pauses_ns[0]))
		now_ns += pauses_ns[num_readings];
	num_readings++;
	return 0;
}

static void begin(void)
{
	now_ns = 5 * NS_PER_S;
	num_readings = 0;
	memset(pauses_ns, 0, sizeof(pauses_ns));
}

static void assert_good(void)
{
	int64_t error_ns = clock__wall_offset_ns() - OFFSET_NS;

	assert_in_range(error_ns + 1000, 0, 2000);
}

static void test_undisturbed(void **state)
{
	(void)state;
	begin();
	assert_good();
	assert_int_equal(num_readings, 3);
}

/* Before the second reading, and before the third. */
static void test_interrupted(void **state)
{
	(void)state;
	for (unsigned int at = 0; at < 2; at++) {
		begin();
		pauses_ns[at] = 30000000;
		assert_good();
	}
}

/* A slow clock: the best of what was tried. */
static void test_always_slow(void **state)
{
	int64_t error_ns;

	(void)state;
	begin();
	for (unsigned int i = 0; i < 32; i++)
		pauses_ns[i] = i / 3 == 2 ? 2000 : 50000;
	error_ns = clock__wall_offset_ns() - OFFSET_NS;
	assert_in_range(error_ns + 4000, 0, 8000);
	assert_true(num_readings <= 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undisturbed),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_always_slow),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
