// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/records.h"

struct pair {
	uint32_t number, twice;
};

static uint32_t num, stop_at;

static int take(void *ctx, const void *record)
{
	const struct pair *pair = record;

	assert_ptr_equal(ctx, &num);
	assert_int_equal(pair->number, num);
	assert_int_equal(pair->twice, 2 * num);
	return ++num == stop_at ? -ENOSPC : 0;
}

/* @len bytes of pairs, through a pipe. */
static int read_back(size_t len)
{
	static struct pair pairs[3000];
	int fds[2], err;

	for (uint32_t i = 0; i < 3000; i++)
		pairs[i] = (struct pair){ i, 2 * i };
	num = 0;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], pairs, len), len);
	close(fds[1]);
	err = records__read(fds[0], sizeof(pairs[0]), take, &num, NULL);
	close(fds[0]);
	return err;
}

static void test_all(void **state)
{
	(void)state;
	stop_at = 0;
	assert_int_equal(read_back(0), 0);
	assert_int_equal(num, 0);
	assert_int_equal(read_back(3000 * sizeof(struct pair)), 0); /* more than one read */
	assert_int_equal(num, 3000);
}

static void test_errors(void **state)
{
	(void)state;
	stop_at = 0;
	assert_int_equal(read_back(3 * sizeof(struct pair) + 1), -EPROTO);
	assert_int_equal(num, 3);
	stop_at = 2;
	assert_int_equal(read_back(3 * sizeof(struct pair)), -ENOSPC);
	assert_int_equal(num, 2);
	assert_int_equal(records__read(-1, sizeof(struct pair), take, &num, NULL), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
