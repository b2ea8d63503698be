// SPDX-License-Identifier: GPL-2.0
/* The loop that commands share, around a feed that is made up. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "events/loop.h"

static char log_text[64]; /* what was called, a letter each */
static size_t log_len;
static int polls_to_completion, polls_to_end; /* 0: none is enough */
static int poll_answers[8], turn_answers[8];
static int polls, turns, pause_ms;
static int pipes[2];

static void note(char what)
{
	assert_true(log_len + 1 < sizeof(log_text));
	log_text[log_len++] = what;
	log_text[log_len] = '\0';
}

static int feed_poll(struct feed *feed)
{
	(void)feed;
	note('p');
	assert_true(polls < 8);
	return poll_answers[polls++];
}

static int feed_pause_ms(const struct feed *feed)
{
	(void)feed;
	return pause_ms;
}

static bool feed_is_complete(const struct feed *feed)
{
	(void)feed;
	return polls_to_completion && polls >= polls_to_completion;
}

static bool feed_has_ended(const struct feed *feed)
{
	(void)feed;
	return polls_to_end && polls >= polls_to_end;
}

static const struct feed_ops ops = {
	.poll = feed_poll,
	.pause_ms = feed_pause_ms,
	.is_complete = feed_is_complete,
	.has_ended = feed_has_ended,
};

static int turn(void *ctx)
{
	assert_ptr_equal(ctx, log_text);
	note('t');
	assert_true(turns < 8);
	return turn_answers[turns++];
}

/* Reads one byte, which is the answer. */
static int on_pipe(void *ctx, short revents)
{
	char byte;

	assert_ptr_equal(ctx, log_text);
	assert_int_equal(revents, POLLIN);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	note('r');
	return byte;
}

static const struct loop_fd fds[] = { { -1, POLLIN, NULL }, { 0, POLLIN, on_pipe } };

static int run(uint64_t duration_ns)
{
	struct loop_fd own[2] = { fds[0], fds[1] };
	struct feed feed = { &ops };
	const struct loop_options opts = {
		.feed = &feed, .fds = own, .num_fds = 2, .duration_ns = duration_ns, .turn = turn,
		.ctx = log_text,
	};

	own[1].fd = pipes[0];
	return loop__run(&opts);
}

static void send_byte(char byte)
{
	assert_int_equal(write(pipes[1], &byte, 1), 1);
}

static int setup(void **state)
{
	(void)state;
	log_len = 0;
	polls = turns = polls_to_completion = polls_to_end = pause_ms = 0;
	for (int i = 0; i < 8; i++)
		poll_answers[i] = turn_answers[i] = 0;
	return pipe(pipes);
}

static int teardown(void **state)
{
	(void)state;
	close(pipes[0]);
	close(pipes[1]);
	return 0;
}

static void test_until_complete(void **state)
{
	(void)state;
	polls_to_completion = 2;
	assert_int_equal(run(0), 0);
	assert_string_equal(log_text, "ptpt");
}

static void test_until_the_time_is_up(void **state)
{
	(void)state;
	pause_ms = 1 << 30; /* the time is the shorter one */
	assert_int_equal(run(1000000), 0);
	assert_string_equal(log_text, "ptpt"); /* the first does not wait */
}

static void test_until_it_has_ended(void **state)
{
	(void)state;
	polls_to_end = 3;
	assert_int_equal(run(0), 0);
	assert_string_equal(log_text, "ptptpt");
}

static void test_ends_by_a_descriptor(void **state)
{
	(void)state;
	send_byte(0);
	send_byte(LOOP_END);
	assert_int_equal(run(0), 0);
	assert_string_equal(log_text, "rptr");
	log_len = 0;
	send_byte(-5);
	assert_int_equal(run(0), -5);
}

static void test_errors(void **state)
{
	const struct loop_options many = { .num_fds = LOOP_MAX_FDS + 1 };

	(void)state;
	poll_answers[0] = -EIO;
	assert_int_equal(run(0), -EIO);
	turn_answers[0] = -ENOSPC;
	assert_int_equal(run(0), -ENOSPC);
	assert_string_equal(log_text, "ppt");
	assert_int_equal(loop__run(&many), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_until_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_until_the_time_is_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_until_it_has_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_by_a_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
