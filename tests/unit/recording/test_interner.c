// SPDX-License-Identifier: GPL-2.0
/* Identities and command lines become ids: the same ones once, others never the same. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "recording/interner.h"
#include "tests/unit/support.h"

static struct {
	uint32_t num_whos, num_commands;
	struct held_who last_who;
	char command_line[1100], cgroup_path[600], container[100], command[1100];
	int error;
} told;

static int add_who(void *ctx, const struct held_who *who)
{
	(void)ctx;
	if (told.error)
		return told.error;
	told.num_whos++;
	told.last_who = *who;
	snprintf(told.command_line, sizeof(told.command_line), "%s", who->command_line ?: "");
	snprintf(told.cgroup_path, sizeof(told.cgroup_path), "%s", who->cgroup_path ?: "");
	snprintf(told.container, sizeof(told.container), "%s", who->workload.container_name ?: "");
	return 0;
}

static int add_command(void *ctx, const struct held_command *command)
{
	(void)ctx;
	if (told.error)
		return told.error;
	told.num_commands++;
	snprintf(told.command, sizeof(told.command), "%s", command->text);
	return 0;
}

static const struct interner_sink sink = { add_who, add_command, NULL };

static struct interner *make(void)
{
	struct interner *in;

	memset(&told, 0, sizeof(told));
	assert_int_equal(interner__new(&in, &sink, 100, 200), 0);
	return in;
}

static struct held_row get(struct interner *in, const struct record *rec)
{
	struct held_row row = { 0 };

	assert_int_equal(interner__get(in, rec, &row), 0);
	return row;
}

static void test_the_same_once(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "nginx: worker", .cgroup_path = "/web" };
	struct held_row row;

	(void)state;
	support__event(&ev);
	row = get(in, &rec);
	assert_int_equal(row.who, 100);
	assert_int_equal(row.command, 200);
	assert_string_equal(told.last_who.comm, "nginx");
	assert_int_equal(told.last_who.uid, 33);
	assert_true(told.last_who.has_uid);
	assert_string_equal(told.command_line, "nginx: worker");
	assert_string_equal(told.cgroup_path, "/web");
	/* Another process of it, of another command line. */
	ev.conn.tgid++;
	rec.command_line = "nginx: other";
	row = get(in, &rec);
	assert_int_equal(row.who, 100);
	assert_int_equal(row.command, 201);
	assert_string_equal(told.command, "nginx: other");
	assert_int_equal(told.num_whos, 1);
	/* What stands behind the name's end is nobody's. */
	ev.conn.comm[7] = 'x';
	rec.command_line = NULL;
	row = get(in, &rec);
	assert_int_equal(row.who, 100);
	assert_int_equal(row.command, 0);
	interner__free(in);
	interner__free(NULL);
}

static void test_what_tells_apart(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	struct record rec = { .event = &ev, .cgroup_path = "/web" };
	uint32_t id = 100;

	(void)state;
	support__event(&ev);
	assert_int_equal(get(in, &rec).who, id++);
	ev.conn.uid++;
	assert_int_equal(get(in, &rec).who, id++);
	support__set_comm(ev.conn.comm, "nginy");
	assert_int_equal(get(in, &rec).who, id++);
	rec.cgroup_path = "/we";
	assert_int_equal(get(in, &rec).who, id++);
	rec.cgroup_path = "/web/more";
	assert_int_equal(get(in, &rec).who, id++);
	/* Its name comes later than its first close. */
	rec.workload.container_id = "6e97";
	assert_int_equal(get(in, &rec).who, id++);
	rec.workload.container_name = "web1";
	assert_int_equal(get(in, &rec).who, id);
	assert_int_equal(get(in, &rec).who, id++);
	assert_string_equal(told.container, "web1");
	/* The same text as another member is not the same. */
	rec.workload.container_name = NULL;
	rec.workload.container_image = "web1";
	assert_int_equal(get(in, &rec).who, id++);
	assert_int_equal(told.num_whos, id - 100);
	interner__free(in);
}

/* Nobody is known: of the kernel's closes there is the socket's cgroup, or nothing. */
static void test_unknown(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	struct record rec = { .event = &ev };

	(void)state;
	support__event(&ev);
	ev.conn.flags &= (uint16_t)~TWS_F_CLOSER;
	assert_int_equal(get(in, &rec).who, 0);
	assert_int_equal(told.num_whos, 0);
	rec.cgroup_path = "/pod";
	assert_int_equal(get(in, &rec).who, 100);
	assert_string_equal(told.last_who.comm, "");
	assert_false(told.last_who.has_uid);
	interner__free(in);
}

/* Who takes a name for each connection gets no more than so many, and a new minute more. */
static void test_flood(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	char name[TWS_COMM_LEN], line[64];
	struct record rec = { .event = &ev, .command_line = line };
	unsigned int whos = 0, commands = 0;

	(void)state;
	support__event(&ev);
	for (unsigned int i = 0; i < 2 * INTERNER_WHOS_A_MINUTE; i++) {
		struct held_row row;

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(line, sizeof(line), "n --all %u", i);
		support__set_comm(ev.conn.comm, name);
		row = get(in, &rec);
		whos += row.who != 0;
		commands += row.command != 0;
	}
	assert_int_equal(whos, INTERNER_WHOS_A_MINUTE);
	assert_int_equal(commands, INTERNER_COMMANDS_A_MINUTE);
	assert_true(interner__refused(in) > 0);
	assert_int_equal(get(in, &rec).who, 0);
	interner__minute(in);
	assert_true(get(in, &rec).who != 0);
	interner__free(in);
}

/* The least recently used goes; the ids rise, and come never again. */
static void test_bound(void **state)
{
	struct interner *in = make();
	struct tws_event ev, first;
	char name[TWS_COMM_LEN];
	struct record rec = { .event = &ev }, of_first = { .event = &first };

	(void)state;
	support__event(&ev);
	first = ev;
	for (unsigned int i = 0; i < 2 * INTERNER_WHOS; i++) {
		if (i % 1000 == 0)
			interner__minute(in);
		snprintf(name, sizeof(name), "n%u", i);
		support__set_comm(ev.conn.comm, name);
		assert_true(get(in, &rec).who >= 100);
		assert_int_equal(get(in, &of_first).who, 101);
	}
	support__set_comm(ev.conn.comm, "n0");
	assert_int_equal(get(in, &rec).who, 100 + 2 * INTERNER_WHOS + 1);
	interner__free(in);
}

static void test_epochs(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "a" };
	struct held_row row;

	(void)state;
	support__event(&ev);
	get(in, &rec);
	interner__forget(in);
	row = get(in, &rec);
	assert_int_equal(row.who, 101);
	assert_int_equal(row.command, 201);
	interner__restart(in, 7, 8);
	row = get(in, &rec);
	assert_int_equal(row.who, 7);
	assert_int_equal(row.command, 8);
	interner__free(in);
}

/* The numbers of strings stand for them, but not for what else tells apart; not beyond an epoch. */
static void test_numbers(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "a", .command_number = 5,
			      .cgroup_path = "/a", .workload_number = 9 };
	struct held_row row;

	(void)state;
	support__event(&ev);
	for (int i = 0; i < 2; i++) {
		row = get(in, &rec);
		assert_int_equal(row.who, 100);
		assert_int_equal(row.command, 200);
	}
	/* In the same places of what closed last. */
	rec.command_line = "b";
	rec.command_number += 256;
	assert_int_equal(get(in, &rec).command, 201);
	rec.command_line = "a";
	rec.command_number -= 256;
	assert_int_equal(get(in, &rec).command, 200);
	rec.command_line = NULL;
	rec.command_number = 0;
	assert_int_equal(get(in, &rec).command, 0);
	ev.conn.uid++;
	assert_int_equal(get(in, &rec).who, 101);
	ev.conn.cgroup_id++;
	assert_int_equal(get(in, &rec).who, 102);
	rec.cgroup_path = "/b";
	rec.workload_number++;
	assert_int_equal(get(in, &rec).who, 103);
	assert_string_equal(told.cgroup_path, "/b");
	/* Nobody's, in a cgroup that is known. */
	ev.conn.flags &= ~TWS_F_CLOSER;
	assert_int_equal(get(in, &rec).who, 104);
	assert_false(told.last_who.has_uid);
	/* Strings without a number are read. */
	rec.workload_number = 0;
	rec.cgroup_path = "/c";
	assert_int_equal(get(in, &rec).who, 105);
	rec.cgroup_path = NULL;
	assert_int_equal(get(in, &rec).who, 0);
	/* Whom there was no room for is asked for anew. */
	rec.workload_number = 77;
	rec.cgroup_path = "/d";
	told.error = -ENOMEM;
	assert_int_equal(interner__get(in, &rec, &row), -ENOMEM);
	told.error = 0;
	assert_int_equal(get(in, &rec).who, 106);
	interner__forget(in);
	assert_int_equal(get(in, &rec).who, 107);
	assert_int_equal(told.num_whos, 8);
	interner__free(in);
}

/* What could not be told has no id: it is told the next time. */
static void test_no_memory(void **state)
{
	struct interner *in = make();
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "a" };
	struct held_row row = { 0 };

	(void)state;
	support__event(&ev);
	told.error = -ENOMEM;
	assert_int_equal(interner__get(in, &rec, &row), -ENOMEM);
	assert_int_equal(row.who, 0);
	told.error = 0;
	assert_int_equal(get(in, &rec).who, 100);
	assert_int_equal(told.num_whos, 1);
	interner__free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_once),
		cmocka_unit_test(test_what_tells_apart),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("recording_interner", tests, NULL, NULL);
}
