// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "capture/listens.h"

/* The ring has lost nothing: what is missing is on its way. */
static void nothing_was_written_over(void **state)
{
	struct listens l = { .taken = 3 };

	(void)state;
	assert_false(listens__suspects(&l, 5, 0, false));
}

/* It has lost records, and all of these were read. */
static void others_were_written_over(void **state)
{
	struct listens l = { .taken = 5 };

	(void)state;
	assert_true(listens__suspects(&l, 5, 16, false));
	assert_false(listens__lacks(&l, 5));
	assert_false(listens__suspects(&l, 5, 16, false));
}

/* One that was made after the first count stands for none that was lost before it. */
static void what_came_meanwhile_hides_nothing(void **state)
{
	struct listens l = { .taken = 5 };

	(void)state;
	assert_true(listens__suspects(&l, 5, 16, false));
	assert_true(listens__lacks(&l, 6));
}

/* What is surely lost is made up for by then, and hides no other loss. */
static void one_loss_after_the_other(void **state)
{
	struct listens l = { .taken = 3 };

	(void)state;
	assert_true(listens__suspects(&l, 5, 16, false));
	assert_true(listens__lacks(&l, 5));
	for (int i = 1; i < LOSS_SURE_POLLS; i++)
		assert_false(listens__suspects(&l, 5, 16, false));
	assert_true(listens__suspects(&l, 5, 32, false));
	assert_false(listens__lacks(&l, 5));
	assert_true(listens__suspects(&l, 6, 48, false));
	assert_true(listens__lacks(&l, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_was_written_over),
		cmocka_unit_test(others_were_written_over),
		cmocka_unit_test(what_came_meanwhile_hides_nothing),
		cmocka_unit_test(one_loss_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
