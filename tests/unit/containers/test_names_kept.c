// SPDX-License-Identifier: GPL-2.0
/* The names that are kept, and the end of the thread that asks for them, with a source of names
 * that does what the test wants. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "containers/runtime_names.h"

#define SECOND 1000000000ULL

/* ---- in the place of runtime_source.c ---- */

struct runtime_source {
	int unused;
};

static struct runtime_source only_source;
static atomic_bool hangs, is_asked, knows_nobody, is_free;

int runtime_source__new(struct runtime_source **sourcep, const struct runtime_places *places,
			const struct runtime_limits *limits)
{
	(void)places, (void)limits;
	*sourcep = &only_source;
	return 0;
}

void runtime_source__free(struct runtime_source *source)
{
	(void)source;
	is_free = true;
}

void runtime_source__cancel(struct runtime_source *source)
{
	(void)source;
}

int runtime_source__ask(struct runtime_source *source, const struct cgroup_identity *identity,
			struct runtime_names_of *names)
{
	(void)source;
	is_asked = true;
	while (hangs)
		poll(NULL, 0, 1);
	if (knows_nobody)
		return -ENOENT;
	*names = (struct runtime_names_of){ .name = "" };
	snprintf(names->name, sizeof(names->name), "name-%.4s", identity->host_id);
	return 0;
}

/* ---- the tests ---- */

static struct cgroup_identity container(int number)
{
	struct cgroup_identity who = { .depth = 1 };

	snprintf(who.host_id, sizeof(who.host_id), "%04d%060d", number, 0);
	return who;
}

static struct runtime_names *make(size_t entries)
{
	struct runtime_names *names;

	assert_int_equal(runtime_names__new(&names, NULL, NULL, entries), 0);
	return names;
}

static void await(struct runtime_names *names)
{
	struct pollfd p = { .fd = runtime_names__fd(names), .events = POLLIN };

	while (runtime_names__awaited(names)) {
		assert_int_equal(poll(&p, 1, 30000), 1);
		runtime_names__collect(names, SECOND);
	}
}

static void know(struct runtime_names *names, int number)
{
	const struct cgroup_identity who = container(number);

	runtime_names__get(names, &who, SECOND);
	await(names);
}

static bool is_known(struct runtime_names *names, int number)
{
	const struct cgroup_identity who = container(number);

	return runtime_names__peek(names, &who);
}

static void retire(struct runtime_names *names, int number)
{
	const struct cgroup_identity who = container(number);

	runtime_names__retire(names, &who);
}

/* Of those that are gone the first, then whoever was not asked for the longest. */
static void test_who_gives_way(void **state)
{
	struct runtime_names *names = make(4);

	(void)state;
	for (int i = 1; i <= 4; i++)
		know(names, i);
	retire(names, 4);
	retire(names, 2);
	know(names, 5);
	assert_false(is_known(names, 4));
	assert_true(is_known(names, 2));
	know(names, 6);
	assert_false(is_known(names, 2));
	know(names, 1);
	know(names, 7);
	assert_true(is_known(names, 1));
	assert_false(is_known(names, 3));
	assert_true(runtime_names__free(names));
}

/* One that was gone and is asked for again is like any other. */
static void test_back(void **state)
{
	struct runtime_names *names = make(2);

	(void)state;
	know(names, 1);
	know(names, 2);
	retire(names, 2);
	know(names, 2);
	know(names, 3);
	assert_true(is_known(names, 2));
	assert_false(is_known(names, 1));
	retire(names, 9);
	retire(NULL, 9);
	assert_true(runtime_names__free(names));
}

static void test_nobody_knows(void **state)
{
	const struct cgroup_identity one = container(1), two = container(2);
	struct runtime_names *names = make(4);

	(void)state;
	assert_false(runtime_names__nobody_knows(names, &one));
	knows_nobody = true;
	know(names, 1);
	assert_true(runtime_names__nobody_knows(names, &one));
	knows_nobody = false;
	know(names, 2);
	assert_false(runtime_names__nobody_knows(names, &two));
	assert_false(runtime_names__nobody_knows(NULL, &two));
	assert_true(runtime_names__free(names));
}

/* What nothing can end is not waited for. */
static void test_hangs(void **state)
{
	const struct cgroup_identity who = container(1);
	struct runtime_names *names = make(4);

	(void)state;
	hangs = true;
	is_asked = is_free = false;
	runtime_names__get(names, &who, SECOND);
	while (!is_asked)
		poll(NULL, 0, 1);
	assert_false(runtime_names__free(names));
	assert_false(is_free);
	hangs = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_gives_way),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_nobody_knows),
		cmocka_unit_test(test_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
