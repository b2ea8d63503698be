// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "bpf/event.h"
#include "capture/ring_size.h"

/* However many CPUs, all their chunks fit into half of the ring, and more than once. */
static void test_least(void **state)
{
	(void)state;
	assert_int_equal(ring_size__least(1), 1024);
	assert_int_equal(ring_size__least(2), 1024);
	for (unsigned int cpus = 1; cpus <= 8192; cpus++) {
		uint32_t n = ring_size__least(cpus);

		assert_int_equal(n & (n - 1), 0);
		assert_true(n / 2 >= 3 * cpus * TWS_WRITERS * TWS_CHUNK);
	}
	assert_int_equal(ring_size__least(UINT32_MAX), 1 << 24);
}

static void test_records(void **state)
{
	(void)state;
	assert_int_equal(ring_size__records(0, 2), 1024);
	assert_int_equal(ring_size__records(1365, 2), 1024);
	assert_int_equal(ring_size__records(174762, 2), 131072);
	assert_int_equal(ring_size__records(1 << 20, 2), 1 << 20);
	assert_int_equal(ring_size__records(UINT64_MAX, 2), 1 << 24);
	assert_int_equal(ring_size__records(1365, 64), 32768);
	assert_int_equal(ring_size__records(174762, 64), 131072);
	assert_int_equal(ring_size__records(174762, 512), 262144);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests_name("ring_size", tests, NULL, NULL);
}
