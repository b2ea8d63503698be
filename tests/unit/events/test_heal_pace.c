// SPDX-License-Identifier: GPL-2.0
/* When the kernel's table is listed for what was missed: by what seems to be missing, and the time. */
#include "tests/unit/unit.h"

#include "events/heal_pace.h"

#define SEC 1000000000ULL
#define START (1000 * SEC)

static const struct heal_signs nothing;

static struct heal_pace started(void)
{
	struct heal_pace pace = {};

	heal_pace__start(&pace, START);
	return pace;
}

/* One that was begun at START + 5 s, and took no time. */
static struct heal_pace healed(const struct heal_signs *signs)
{
	struct heal_pace pace = started();

	assert_true(heal_pace__is_due(&pace, signs, START + 5 * SEC));
	heal_pace__done(&pace, START + 5 * SEC, START + 5 * SEC, 0);
	return pace;
}

static void test_each_sign(void **state)
{
	const struct heal_signs signs[] = {
		{ .event_lost = 1 }, { .walk_failed = 1 }, { .recursion = 1 }, { .skipped = true },
		{ .crowded = true }, { .ends = true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(signs); i++) {
		struct heal_pace pace = started();

		assert_false(heal_pace__is_due(&pace, &nothing, START + 5 * SEC));
		assert_false(heal_pace__is_due(&pace, &signs[i], START + 5 * SEC - 1));
		assert_true(heal_pace__is_due(&pace, &signs[i], START + 5 * SEC));
	}
}

/* What a snapshot has looked for is no sign any more. */
static void test_once(void **state)
{
	struct heal_signs signs = { .event_lost = 3, .walk_failed = 4, .recursion = 5 };
	struct heal_pace pace = healed(&signs);

	(void)state;
	assert_false(heal_pace__is_due(&pace, &signs, START + 20 * SEC));
	signs.event_lost = 4;
	assert_true(heal_pace__is_due(&pace, &signs, START + 20 * SEC));
	heal_pace__done(&pace, START + 20 * SEC, START + 20 * SEC, 0);
	signs.walk_failed = 5;
	assert_false(heal_pace__is_due(&pace, &signs, START + 25 * SEC - 1));
	assert_true(heal_pace__is_due(&pace, &signs, START + 25 * SEC));
	heal_pace__done(&pace, START + 25 * SEC, START + 25 * SEC, 0);
	signs.recursion = 6;
	assert_true(heal_pace__is_due(&pace, &signs, START + 30 * SEC));
}

/* What comes too soon is not forgotten. */
static void test_too_soon(void **state)
{
	const struct heal_signs signs = { .event_lost = 1 };
	struct heal_pace pace = started();

	(void)state;
	assert_false(heal_pace__is_due(&pace, &signs, START + SEC));
	assert_true(heal_pace__is_due(&pace, &signs, START + 6 * SEC));
}

/* Ends without an owner take four seconds off each time; a machine may be younger than that. */
static void test_orphans(void **state)
{
	const struct heal_signs signs = { .orphans = true };
	struct heal_pace pace = started(), young = {};

	(void)state;
	assert_false(heal_pace__is_due(&pace, &signs, START + SEC - 1));
	assert_true(heal_pace__is_due(&pace, &signs, START + SEC - 1));
	pace = started();
	assert_true(heal_pace__is_due(&pace, &signs, START + SEC));
	assert_true(heal_pace__is_due(&young, &signs, 1));
	heal_pace__done(&pace, START + SEC, START + SEC, 1 * SEC); /* not before 46 s */
	for (int i = 1; i < 10; i++)
		assert_false(heal_pace__is_due(&pace, &signs, START + 6 * SEC));
	assert_true(heal_pace__is_due(&pace, &signs, START + 6 * SEC));
}

/* Also if nothing seems to be missing: before a socket's minute is over. */
static void test_idle(void **state)
{
	struct heal_pace pace = started();

	(void)state;
	assert_false(heal_pace__is_due(&pace, &nothing, START + 45 * SEC));
	assert_true(heal_pace__is_due(&pace, &nothing, START + 45 * SEC + 1));
	/* It is counted from its begin on, however long it takes by the clock. */
	heal_pace__done(&pace, START + 50 * SEC, START + 60 * SEC, 0);
	assert_false(heal_pace__is_due(&pace, &nothing, START + 95 * SEC));
	assert_true(heal_pace__is_due(&pace, &nothing, START + 95 * SEC + 1));
}

/* A hundredth of the time goes into it, but at most 45 s pass from begin to begin, nor less than
 * five from end to begin. */
static void test_share(void **state)
{
	static const struct {
		uint64_t took_ns, spent_ns, next_ns; /* from its begin on */
	} cases[] = {
		{ 0, 0, 5 * SEC },
		{ 2 * SEC, 0, 7 * SEC }, /* it was stopped */
		{ SEC / 10, SEC / 10, SEC / 10 + 15 * SEC },
		{ SEC, SEC, 45 * SEC },
		{ 60 * SEC, 60 * SEC, 65 * SEC },
	};
	const struct heal_signs signs = { .crowded = true };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct heal_pace pace = started();

		heal_pace__done(&pace, START, START + cases[i].took_ns, cases[i].spent_ns);
		assert_false(heal_pace__is_due(&pace, &signs, START + cases[i].next_ns - 1));
		assert_true(heal_pace__is_due(&pace, &signs, START + cases[i].next_ns));
	}
}

/* A kernel that cannot list its sockets is asked again, not all the time. */
static void test_failed(void **state)
{
	const struct heal_signs signs = { .event_lost = 1 };
	struct heal_signs more = { .event_lost = 2 };
	struct heal_pace pace = started();

	(void)state;
	assert_true(heal_pace__is_due(&pace, &signs, START + 5 * SEC));
	heal_pace__failed(&pace, START + 5 * SEC);
	assert_false(heal_pace__is_due(&pace, &more, START + 10 * SEC - 1));
	assert_true(heal_pace__is_due(&pace, &more, START + 10 * SEC));
	heal_pace__failed(&pace, START + 10 * SEC);
	assert_false(heal_pace__is_due(&pace, &more, START + 45 * SEC));
	assert_true(heal_pace__is_due(&pace, &more, START + 46 * SEC)); /* none since the start */
}

/* How TIME_WAITs ended may wait: 20 s, or where snapshots are dear a thousandth of the time. */
static void test_ends(void **state)
{
	const struct heal_signs now = { .ends = true }, later = { .ends = true, .ends_wait = true };
	struct heal_pace pace = healed(&now), dear;

	(void)state;
	assert_false(heal_pace__is_due(&pace, &later, START + 25 * SEC - 1));
	assert_true(heal_pace__is_due(&pace, &now, START + 25 * SEC - 1));
	assert_true(heal_pace__is_due(&pace, &later, START + 25 * SEC));
	dear = started();
	heal_pace__done(&dear, START, START, 30 * SEC / 1000);
	assert_false(heal_pace__is_due(&dear, &later, START + 30 * SEC - 1));
	assert_true(heal_pace__is_due(&dear, &later, START + 30 * SEC));
	heal_pace__done(&dear, START, START, SEC);
	assert_false(heal_pace__is_due(&dear, &later, START + 45 * SEC));
	assert_true(heal_pace__is_due(&dear, &later, START + 45 * SEC + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sign), cmocka_unit_test(test_once),
		cmocka_unit_test(test_too_soon), cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_idle), cmocka_unit_test(test_share),
		cmocka_unit_test(test_failed), cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests_name("heal_pace", tests, NULL, NULL);
}
