// SPDX-License-Identifier: GPL-2.0
/* The queue between who makes bundles and who writes them: its bound, its order, its end. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "recording/queue.h"

static struct bundle *bundle_of(uint64_t rows, size_t data)
{
	static uint8_t bytes[1 << 20];
	const struct held_block block = { .rows = (uint32_t)rows, .data = bytes, .size = data };
	struct bundle *bundle;

	assert_int_equal(bundle__new(&bundle), 0);
	assert_int_equal(bundle__add_block(bundle, &block), 0);
	bundle__count_rows(bundle, rows);
	return bundle;
}

static void test_order_and_bound(void **state)
{
	struct bundle *first = bundle_of(1, 1000), *second = bundle_of(2, 1000);
	struct bundle *third = bundle_of(4, 1 << 20);
	struct queue *queue;

	(void)state;
	assert_int_equal(queue__new(&queue, 3 * bundle__bytes(first)), 0);
	assert_null(queue__front(queue, 0));
	assert_int_equal(queue__put(queue, first), 0);
	assert_int_equal(queue__put(queue, second), 0);
	assert_int_equal(queue__room(queue), bundle__bytes(first));
	assert_int_equal(queue__put(queue, third), -ENOSPC);
	assert_int_equal(queue__rows(queue), 3);
	assert_ptr_equal(queue__front(queue, 0), first);
	assert_ptr_equal(queue__front(queue, 0), first);
	queue__pop(queue);
	assert_ptr_equal(queue__front(queue, 0), second);
	queue__pop(queue);
	queue__pop(queue);
	assert_null(queue__front(queue, 0));
	/* Whatever comes, something must be able to. */
	assert_int_equal(queue__put(queue, third), 0);
	assert_int_equal(queue__room(queue), 0);
	queue__pop(queue);
	queue__free(queue);
	queue__free(NULL);
}

static void test_end(void **state)
{
	struct bundle *bundle = bundle_of(1, 10), *late = bundle_of(1, 10);
	struct queue *queue;

	(void)state;
	assert_int_equal(queue__new(&queue, 1 << 20), 0);
	assert_int_equal(queue__put(queue, bundle), 0);
	assert_false(queue__is_closed(queue));
	queue__close(queue);
	assert_true(queue__is_closed(queue));
	assert_int_equal(queue__put(queue, late), -ESHUTDOWN);
	bundle__free(late);
	/* What is in it is still to be written. */
	assert_ptr_equal(queue__front(queue, 60000), bundle);
	queue__pop(queue);
	assert_null(queue__front(queue, 60000));
	queue__free(queue);
}

static void *wake_it(void *queue)
{
	queue__wake(queue);
	return NULL;
}

static void *put_it(void *queue)
{
	assert_int_equal(queue__put(queue, bundle_of(7, 1)), 0);
	return NULL;
}

/* Who waits is woken by what comes; a test that hangs has failed. */
static void test_waits(void **state)
{
	struct queue *queue;
	pthread_t thread;

	(void)state;
	assert_int_equal(queue__new(&queue, 1 << 20), 0);
	assert_int_equal(pthread_create(&thread, NULL, put_it, queue), 0);
	assert_non_null(queue__front(queue, 600000));
	pthread_join(thread, NULL);
	queue__wait(queue, 1);
	queue__pop(queue);
	assert_null(queue__front(queue, 1));
	assert_int_equal(pthread_create(&thread, NULL, wake_it, queue), 0);
	pthread_join(thread, NULL);
	queue__free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_bound),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests_name("recording_queue", tests, NULL, NULL);
}
