// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sockets/binds.h"

static int add(struct binds *binds, uint32_t netns, uint16_t port, uint32_t inode)
{
	const struct tws_bind record = { .netns = netns, .port = port, .inode = inode,
					 .family = inode ? AF_INET : 0 };

	return binds__add(binds, &record);
}

static void test_order(void **state)
{
	struct binds binds = { .complete = true };

	(void)state;
	assert_int_equal(binds__first(&binds, 1), 0);
	binds__sort(&binds);
	assert_int_equal(add(&binds, 7, 90, 0), 0);
	assert_int_equal(add(&binds, 7, 80, 0), 0);
	assert_int_equal(add(&binds, 5, 80, 0), 0);
	assert_int_equal(add(&binds, 7, 80, 4), 0);
	binds__sort(&binds);
	assert_int_equal(binds.num, 3);
	assert_int_equal(binds.binds[1].inode, 4); /* of two the one that says more */
	assert_int_equal(binds__first(&binds, 4), 0);
	assert_int_equal(binds__first(&binds, 6), 1);
	assert_int_equal(binds__first(&binds, 7), 1);
	assert_int_equal(binds__first(&binds, 8), 3);
	assert_true(binds.complete);
	binds__free(&binds);
}

static void test_records(void **state)
{
	struct tws_bind record = { .netns = 7, .port = 80, .l3mdev = 4 };
	struct binds binds = { .complete = true };

	(void)state;
	assert_int_equal(binds__add(&binds, &record), 0);
	assert_int_equal(binds.num, 0); /* a VRF's */
	record = (struct tws_bind){ .netns = 7 };
	assert_int_equal(binds__add(&binds, &record), -EPROTO);
	record = (struct tws_bind){ .port = 7 };
	assert_int_equal(binds__add(&binds, &record), -EPROTO);
	record = (struct tws_bind){ .netns = 7, .port = 80, .zero = 1 };
	assert_int_equal(binds__add(&binds, &record), -EPROTO);
	record = (struct tws_bind){ .netns = 7, .port = 80, .family = 3 };
	assert_int_equal(binds__add(&binds, &record), -EPROTO);
	record = (struct tws_bind){ .netns = 7, .port = 80, .inode = 3 };
	assert_int_equal(binds__add(&binds, &record), -EPROTO);
	record = (struct tws_bind){ .netns = 7, .port = 80, .family = AF_INET,
				    .addr = { [4] = 1 } };
	assert_int_equal(binds__add(&binds, &record), -EPROTO);
	assert_true(binds.complete);
	record = (struct tws_bind){};
	assert_int_equal(binds__add(&binds, &record), 0);
	assert_false(binds.complete); /* a chain was torn */
	binds__free(&binds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
