// SPDX-License-Identifier: GPL-2.0
/* What is usual: noise, wild values, growth, too little. */
#include "tests/unit/unit.h"

#include "report/usual.h"

#define FLOOR 2.0

static double values[400];

static void test_noise(void **state)
{
	struct usual usual;

	(void)state;
	for (size_t i = 0; i < 60; i++)
		values[i] = 40 + (double)(i * 7 % 11) - 5;
	for (size_t i = 20; i < 30; i++)
		values[i] = 5000; /* a sixth is wild, and moves nothing */
	usual__of(&usual, values, 60, FLOOR);
	assert_true(usual.is_known);
	assert_true(usual.median > 38 && usual.median < 43);
	assert_true(usual.leave > 50 && usual.leave < 80);
	assert_true(usual.back < usual.leave && usual.back > usual.median);
	assert_true(usual.low <= usual.median && usual.high <= usual.leave);
	assert_false(usual.grew);
}

static void test_constant(void **state)
{
	struct usual usual;

	(void)state;
	for (size_t i = 0; i < 60; i++)
		values[i] = 0;
	usual__of(&usual, values, 60, FLOOR);
	assert_true(usual.is_known && usual.median == 0 && usual.leave == FLOOR);
}

static void test_growth(void **state)
{
	struct usual usual;

	(void)state;
	for (size_t i = 0; i < 240; i++)
		values[i] = 10 + (double)i;
	usual__of(&usual, values, 240, FLOOR);
	assert_true(usual.grew && usual.median < 50 && usual.leave < 100);
	/* Twice as much is no growth yet. */
	for (size_t i = 0; i < 240; i++)
		values[i] = 100 + (double)i / 2;
	usual__of(&usual, values, 240, FLOOR);
	assert_false(usual.grew);
}

static void test_little(void **state)
{
	struct usual usual;

	(void)state;
	values[0] = 7;
	for (size_t count = 0; count < USUAL_LEAST; count++) {
		usual__of(&usual, values, count, FLOOR);
		assert_false(usual.is_known);
		assert_int_equal(usual.count, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_constant),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_little),
	};

	return cmocka_run_group_tests_name("usual", tests, NULL, NULL);
}
