// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "capture/batch.h"

struct taken {
	uint64_t times[4096], ids[4096];
	bool endings[4096];
	size_t num, stop_at; /* an error is the answer to this one, if not 0 */
};

static int take(void *ctx, const void *data, size_t len)
{
	struct taken *taken = ctx;
	bool is_ending = len == sizeof(struct tws_ending);
	const struct tws_ending *ending = data;
	const struct tws_event *event = data;

	assert_true(is_ending || len == sizeof(struct tws_event));
	taken->times[taken->num] = is_ending ? ending->time_ns : event->time_ns;
	taken->ids[taken->num] = is_ending ? ending->id : event->cookie;
	taken->endings[taken->num++] = is_ending;
	return taken->num == taken->stop_at ? -EPIPE : 0;
}

static void add(struct batch *batch, bool is_ending, uint64_t time_ns, uint64_t id)
{
	struct tws_ending ending = { .time_ns = time_ns, .id = id };
	struct tws_event event = { .time_ns = time_ns, .cookie = id };

	assert_int_equal(is_ending ? batch__add_ending(batch, &ending) :
				     batch__add_event(batch, &event), 0);
}

static void gives_by_time(void **state)
{
	static struct taken taken;
	struct batch *batch;

	(void)state;
	assert_int_equal(batch__new(&batch), 0);
	assert_int_equal(batch__give(batch, UINT64_MAX, take, &taken), 0);
	add(batch, true, 30, 1);
	add(batch, true, 10, 2);
	add(batch, false, 20, 3);
	add(batch, false, 10, 4);
	add(batch, true, 10, 5);
	assert_int_equal(batch__count(batch), 5);
	assert_int_equal(batch__give(batch, 20, take, &taken), 4);
	/* Of one moment events first, and else as they came. */
	assert_int_equal(taken.ids[0], 4);
	assert_int_equal(taken.ids[1], 2);
	assert_int_equal(taken.ids[2], 5);
	assert_int_equal(taken.ids[3], 3);
	assert_true(taken.endings[1] && !taken.endings[3]);
	assert_int_equal(batch__count(batch), 1);
	add(batch, false, 25, 6);
	assert_int_equal(batch__give(batch, 30, take, &taken), 2);
	assert_int_equal(taken.ids[4], 6);
	assert_int_equal(taken.ids[5], 1);
	assert_int_equal(batch__count(batch), 0);
	batch__free(batch);
	batch__free(NULL);
}

static void keeps_what_follows_an_error(void **state)
{
	static struct taken taken = { .stop_at = 2 };
	struct batch *batch;

	(void)state;
	assert_int_equal(batch__new(&batch), 0);
	for (uint64_t i = 1; i <= 5; i++)
		add(batch, i % 2, 100 - i, i);
	assert_int_equal(batch__give(batch, 1000, take, &taken), -EPIPE);
	assert_int_equal(batch__count(batch), 3);
	taken.stop_at = 0;
	assert_int_equal(batch__give(batch, 1000, take, &taken), 3);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(taken.ids[i], 5 - i);
	batch__free(batch);
}

static uint64_t roll(void)
{
	static uint64_t state = 0x2545f4914f6cdd1dULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Moments that lie close together, far apart, and anywhere; twice the first room. */
static void sorts_any_times(void **state)
{
	static struct taken taken;
	struct batch *batch;

	(void)state;
	assert_int_equal(batch__new(&batch), 0);
	for (unsigned int shift = 0; shift < 64; shift += 7) {
		taken.num = 0;
		for (uint64_t i = 0; i < 4000; i++)
			add(batch, roll() % 3, roll() >> shift, i);
		assert_int_equal(batch__give(batch, UINT64_MAX, take, &taken), 4000);
		for (size_t i = 1; i < 4000; i++) {
			assert_true(taken.times[i - 1] <= taken.times[i]);
			if (taken.times[i - 1] == taken.times[i] &&
			    taken.endings[i - 1] == taken.endings[i])
				assert_true(taken.ids[i - 1] < taken.ids[i]);
		}
	}
	batch__free(batch);
}

/* All are looked at, none is taken away. */
static void each_gives_none_away(void **state)
{
	static struct taken taken;
	struct batch *batch;

	(void)state;
	assert_int_equal(batch__new(&batch), 0);
	assert_int_equal(batch__each(batch, take, &taken), 0);
	add(batch, true, 30, 1);
	add(batch, false, 20, 2);
	assert_int_equal(batch__each(batch, take, &taken), 0);
	assert_int_equal(taken.num, 2);
	assert_int_equal(taken.ids[0] + taken.ids[1], 3);
	taken.num = 0;
	taken.stop_at = 1;
	assert_int_equal(batch__each(batch, take, &taken), -EPIPE);
	assert_int_equal(taken.num, 1);
	taken.stop_at = 0;
	assert_int_equal(batch__give(batch, UINT64_MAX, take, &taken), 2);
	batch__free(batch);
}

/* After one that was large it is as new. */
static void trims(void **state)
{
	static struct taken taken;
	struct batch *batch;

	(void)state;
	assert_int_equal(batch__new(&batch), 0);
	for (uint64_t i = 0; i < 70000; i++)
		add(batch, i % 2, i, i);
	batch__trim(batch);
	assert_int_equal(batch__count(batch), 70000);
	taken.stop_at = 2;
	assert_int_equal(batch__give(batch, 1, take, &taken), -EPIPE);
	batch__trim(batch);
	assert_int_equal(batch__count(batch), 69998);
	batch__free(batch);
	assert_int_equal(batch__new(&batch), 0);
	for (uint64_t i = 0; i < 140000; i++)
		add(batch, false, i, i);
	while (batch__count(batch)) {
		taken.num = taken.stop_at = 0;
		batch__give(batch, 140000 - batch__count(batch) + 2000, take, &taken);
	}
	batch__trim(batch);
	add(batch, true, 30, 1);
	add(batch, false, 20, 2);
	taken.num = 0;
	assert_int_equal(batch__give(batch, UINT64_MAX, take, &taken), 2);
	assert_int_equal(taken.ids[0], 2);
	assert_int_equal(taken.ids[1], 1);
	batch__free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_by_time),
		cmocka_unit_test(each_gives_none_away), cmocka_unit_test(trims),
		cmocka_unit_test(keeps_what_follows_an_error),
		cmocka_unit_test(sorts_any_times),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
