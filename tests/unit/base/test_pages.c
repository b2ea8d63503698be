// SPDX-License-Identifier: GPL-2.0
/* Memory for much: zero, what was there after it has grown, and large tables where huge pages can be. */
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

#include "base/pages.h"

#define HUGE PAGES_HUGE

static void check_zero(const unsigned char *at, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(at[i], 0);
}

static void test_new(void **state)
{
	static const size_t sizes[] = { 1, 4096, HUGE - 1, HUGE, HUGE + 1, 3 * HUGE };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *at = pages__new(sizes[i]);

		assert_non_null(at);
		check_zero(at, 0, sizes[i]);
		memset(at, 0xa5, sizes[i]);
		if (sizes[i] >= HUGE)
			assert_int_equal((uintptr_t)at % HUGE, 0);
		pages__free(at, sizes[i]);
	}
	pages__free(NULL, 0);
	pages__free(NULL, HUGE);
}

/* From @from to @to bytes. */
static void grow(size_t from, size_t to)
{
	unsigned char *at = from ? pages__new(from) : NULL, *more;

	for (size_t i = 0; i < from; i++)
		at[i] = (unsigned char)(i * 7 + 1);
	more = pages__grow(at, from, to);
	assert_non_null(more);
	for (size_t i = 0; i < from; i++)
		assert_int_equal(more[i], (unsigned char)(i * 7 + 1));
	check_zero(more, from, to);
	pages__free(more, to);
}

static void test_grow(void **state)
{
	(void)state;
	grow(0, 10);
	grow(10, 1000);
	grow(HUGE - 4096, HUGE + 4096);
	grow(HUGE, 5 * HUGE);
	grow(3 * HUGE + 1, 4 * HUGE); /* as many pages */
}

static void test_too_much(void **state)
{
	unsigned char *at = pages__new(100);

	(void)state;
	at[0] = 1;
	assert_null(pages__new(SIZE_MAX));
	assert_null(pages__new(SIZE_MAX - HUGE));
	assert_null(pages__new(SIZE_MAX / 2));
	assert_null(pages__grow(at, 100, SIZE_MAX / 2));
	assert_int_equal(at[0], 1);
	pages__free(at, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
