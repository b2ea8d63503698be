// SPDX-License-Identifier: GPL-2.0
/* Signals that end a command: the first one, and the one that says not to wait. */
#include "tests/unit/unit.h"

#include <signal.h>

#include "commands/messages.h"
#include "events/loop.h"

static void begin(struct messages *m)
{
	messages__init(m);
	assert_int_equal(messages__open_signals(m), 0);
	assert_int_equal(messages__hold_signals(m), 0);
}

static void test_a_second_signal_hurries_whoever_reads_it(void **state)
{
	struct messages m = {};

	(void)state;
	begin(&m);
	assert_int_equal(messages__attend(&m), 0);
	raise(SIGTERM);
	assert_int_equal(messages__attend(&m), LOOP_END);
	assert_false(m.hurries);
	/* What is still delivered reads it, before anybody asks whether to wait. */
	raise(SIGTERM);
	messages__read_signals(&m);
	assert_true(messages__hurries(&m));
	messages__fini(&m);
}

static void test_one_signal_is_waited_for(void **state)
{
	struct messages m = {};

	(void)state;
	begin(&m);
	raise(SIGINT);
	assert_int_equal(messages__attend(&m), LOOP_END);
	assert_false(messages__hurries(&m));
	assert_false(messages__hurries(&m));
	raise(SIGUSR1);
	assert_false(messages__hurries(&m));
	raise(SIGINT);
	assert_true(messages__hurries(&m));
	messages__fini(&m);
}

/* A recorder was detached, say. */
static void test_what_ends_by_itself_is_hurried_by_the_first(void **state)
{
	struct messages m = {};

	(void)state;
	begin(&m);
	assert_false(messages__hurries(&m));
	raise(SIGTERM);
	assert_true(messages__hurries(&m));
	messages__fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second_signal_hurries_whoever_reads_it),
		cmocka_unit_test(test_one_signal_is_waited_for),
		cmocka_unit_test(test_what_ends_by_itself_is_hurried_by_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
