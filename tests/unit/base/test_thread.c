// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <semaphore.h>

#include "base/thread.h"

static sem_t go;

static void *wait_to_go(void *arg)
{
	sem_wait(&go);
	return arg;
}

static void test_join(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_to_go, NULL), 0);
	assert_false(thread__join(thread, 0));
	assert_false(thread__join(thread, 1));
	sem_post(&go);
	assert_true(thread__join(thread, 60999)); /* more than a second's nanoseconds */
	sem_destroy(&go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
