// SPDX-License-Identifier: GPL-2.0
/* Sorting by digits: in order, and what is equal as it came. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/digits.h"

#define MANY 5000

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Numbers of so many bits above @base. */
static void check(size_t num, uint64_t base, unsigned int bits)
{
	struct digits_item *items = calloc(MANY, sizeof(*items));
	struct digits_item *spare = calloc(MANY, sizeof(*spare));
	uint64_t state = 88172645463325252ULL, sum = 0;

	for (uint32_t i = 0; i < num; i++) {
		items[i] = (struct digits_item){ base + (bits ? next(&state) >> (64 - bits) : 0), i,
						 i * 3 };
		sum += items[i].number;
	}
	digits__sort(&items, &spare, num);
	for (size_t i = 0; i < num; i++) {
		sum -= items[i].number;
		assert_int_equal(items[i].mark, items[i].place * 3);
		assert_true(!i || items[i - 1].number < items[i].number ||
			    (items[i - 1].number == items[i].number &&
			     items[i - 1].place < items[i].place));
	}
	assert_true(!sum);
	free(items);
	free(spare);
}

static void test_sort(void **unused)
{
	(void)unused;
	for (unsigned int bits = 0; bits <= 64; bits += 4)
		for (size_t num = 0; num <= MANY; num = num * 7 + 1)
			check(num, bits < 60 ? UINT64_MAX >> 1 : 0, bits);
	check(MANY, 0, 7);
	check(MANY, UINT64_MAX - 1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sort) };

	return cmocka_run_group_tests_name("digits", tests, NULL, NULL);
}
