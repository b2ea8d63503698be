// SPDX-License-Identifier: GPL-2.0
/* The arithmetic of the table of connections, and the set of what was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "../../bpf/table.h"
#include "../../user/seen.h"

static void test_first_way(void **state)
{
	(void)state;
	for (uint32_t ways = 1; ways < 1U << TWS_WAYS; ways++)
		assert_int_equal(tws_first_way(ways), __builtin_ctz(ways));
}

/* Every set can be reached, by sockets' addresses as slabs hand them out and by
 * cookies; a mini-socket's first probe stays in the hot sets. */
static void test_sets(void **state)
{
	static uint8_t hit[1 << 12];
	uint32_t mask = sizeof(hit) - 1, reached = 0;

	(void)state;
	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t key = 0xffff888100000000ULL + i * 2432 - 0xffffc90000123000ULL;

		assert_false(tws_is_mini_key(key));
		hit[tws_set_of(key, i % TWS_PROBES, mask)] = 1;
		assert_true(tws_is_mini_key(tws_mini_key(i)));
		assert_in_range(tws_set_of(tws_mini_key(i), 0, mask), 0, TWS_HOT_SETS - 1);
		assert_int_equal(tws_mini_key(tws_mini_key(i)), i);
	}
	for (uint32_t i = 0; i <= mask; i++)
		reached += hit[i];
	assert_int_equal(reached, mask + 1);
}

static void test_seen(void **state)
{
	struct seen *seen;

	(void)state;
	assert_int_equal(seen__new(&seen, 5000), 0);
	for (uint64_t key = 1; key <= 5000; key++) {
		assert_false(seen__has(seen, key));
		assert_int_equal(seen__add(seen, key), 0);
		assert_int_equal(seen__add(seen, key), 0);
	}
	assert_int_equal(seen__count(seen), 5000);
	assert_int_equal(seen__add(seen, 5001), -ENOSPC);
	assert_int_equal(seen__add(seen, 1), 0);
	for (uint64_t key = 1; key <= 5000; key++)
		assert_true(seen__has(seen, key));
	assert_false(seen__has(seen, 5001));
	seen__clear(seen);
	assert_int_equal(seen__count(seen), 0);
	assert_false(seen__has(seen, 1));
	seen__free(seen);
	seen__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_way),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_seen),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
