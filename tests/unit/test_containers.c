// SPDX-License-Identifier: GPL-2.0
/* The container filter and attribution, with records in place of a kernel. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "../../user/containers.h"
#include "support.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SECOND 1000000000ULL
/* Far from those of the cgroups that this machine has. */
#define CGROUP_A (1ULL << 60 | 1)
#define CGROUP_B (1ULL << 60 | 2)

struct passes { /* what the kernel side was told of the two */
	int a, b;
};

static int pass(void *ctx, uint64_t id, bool yes)
{
	struct passes *told = ctx;

	if (id == CGROUP_A)
		told->a = yes;
	if (id == CGROUP_B)
		told->b = yes;
	return 0;
}

static struct containers *make(struct passes *told, const char *const *wanted, unsigned int num)
{
	struct containers_options opts = {
		.no_names = true,
		.wanted = wanted,
		.num_wanted = num,
		.pass = pass,
		.ctx = told,
	};
	struct containers *c = NULL;

	*told = (struct passes){ -1, -1 };
	assert_int_equal(containers__new(&c, &opts), 0);
	containers__tick(c, SECOND);
	return c;
}

static void note(struct containers *c, uint8_t action, uint64_t id, const char *path)
{
	struct tws_cgroup record = { .action = action, .id = id };

	snprintf(record.path, sizeof(record.path), "%s", path);
	containers__note(c, &record);
}

static enum containers_verdict judge(struct containers *c, uint64_t cgroup)
{
	struct tws_event ev;

	support__event(&ev);
	ev.conn.cgroup_id = cgroup;
	return containers__judge(c, &ev);
}

static void by_id(void **unused)
{
	static const char *const wanted[] = { "aaaaaaaaaaaa" };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);

	(void)unused;
	assert_false(containers__any(c));
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	assert_true(containers__any(c));
	assert_int_equal(told.a, 1);
	assert_int_equal(told.b, 0);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	assert_int_equal(judge(c, CGROUP_B), CONTAINERS_DROP);
	assert_int_equal(judge(c, 0), CONTAINERS_DROP);
	containers__free(c);
}

/* Its last connections may still be on their way, for a while. */
static void after_removal(void **unused)
{
	static const char *const wanted[] = { ID_A };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);

	(void)unused;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	note(c, TWS_CGROUP_REMOVED, CGROUP_A, "/docker/" ID_A);
	assert_int_equal(told.a, 1);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	containers__tick(c, 200 * SECOND);
	assert_int_equal(told.a, 1);
	containers__tick(c, 400 * SECOND);
	assert_int_equal(told.a, 0);
	containers__free(c);
}

static void by_name(void **unused)
{
	static const char *const wanted[] = { "web", "bbb", "BBBB" };
	struct passes told;
	struct containers *c = make(&told, wanted, 3);

	(void)unused;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/lxc.payload.web");
	/* three digits are a name, and capitals are no digits of an id */
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	assert_int_equal(judge(c, CGROUP_B), CONTAINERS_DROP);
	containers__free(c);
}

static void attribution(void **unused)
{
	struct passes told;
	struct containers *c = make(&told, NULL, 0);
	struct tws_event ev;
	struct record rec = { .event = &ev };

	(void)unused;
	support__event(&ev);
	ev.conn.cgroup_id = CGROUP_A;
	assert_int_equal(containers__judge(c, &ev), CONTAINERS_KEEP);
	containers__fill(c, &rec);
	assert_null(rec.cgroup_path);
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	ev.conn.cgroup_id = CGROUP_B;
	containers__fill(c, &rec);
	assert_string_equal(rec.cgroup_path, "/docker/" ID_B);
	assert_string_equal(rec.workload.container_id, ID_B);
	assert_string_equal(rec.workload.container_runtime, "docker");
	assert_null(rec.workload.container_name);
	assert_int_equal(told.b, -1);
	containers__free(c);
}

static int count(void *ctx, const struct tws_event *ev)
{
	(void)ev;
	(*(int *)ctx)++;
	return 0;
}

/* Nothing is kept for ever, and what became clear meanwhile is given. */
static void held_events(void **unused)
{
	static const char *const wanted[] = { ID_A };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);
	struct tws_event ev;
	int given = 0;

	(void)unused;
	support__event(&ev);
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	ev.conn.cgroup_id = CGROUP_A;
	for (int i = 0; i < 2000; i++)
		containers__hold(c, &ev);
	ev.conn.cgroup_id = CGROUP_B;
	containers__hold(c, &ev);
	assert_int_equal(containers__release(c, false, count, &given), 0);
	assert_int_equal(given, 1023);
	assert_int_equal(containers__release(c, true, count, &given), 0);
	assert_int_equal(given, 1023);
	containers__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_id),	 cmocka_unit_test(after_removal),
		cmocka_unit_test(by_name),	 cmocka_unit_test(attribution),
		cmocka_unit_test(held_events),
	};

	return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}
