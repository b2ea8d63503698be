// SPDX-License-Identifier: GPL-2.0
/* The tables of fields and keys are sound, and keys compare and hash alike. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/field.h"
#include "tests/unit/support.h"

/* Up to and with the dot after part @n; 0: there are not so many. */
static size_t parent_len(const char *name, int n)
{
	const char *at = name;

	for (int i = 0; i < n; i++) {
		at = strchr(at, '.');
		if (!at)
			return 0;
		at++;
	}
	return (size_t)(at - name);
}

/* JSON can write the table from top to bottom: what has a common beginning in its name
 * stands together, among the rows that one form has. */
static void check_together(unsigned int in, int depth)
{
	for (size_t i = 0; i < field__count; i++) {
		size_t len = parent_len(field__table[i].name, depth);
		bool left = false;

		if (!len || !(field__table[i].in & in))
			continue;
		for (size_t j = i + 1; j < field__count; j++) {
			bool same = !strncmp(field__table[i].name, field__table[j].name, len);

			if (!(field__table[j].in & in))
				continue;
			assert_false(left && same);
			left |= !same;
		}
	}
}

static void rows_are_sound(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < field__count; i++) {
		const struct field *f = &field__table[i];

		assert_non_null(f->read);
		assert_ptr_equal(field__find(f->name), f); /* no name comes twice */
		assert_true(f->in || f->column.heading);
		assert_true(!f->in || f->type != FIELD_ENDPOINT);
		assert_int_equal(!f->in, !strchr(f->name, '.') && strcmp(f->name, "timestamp"));
		if (!f->column.heading)
			continue;
		assert_true(f->column.keep > 0);
		assert_true(!f->column.trace || f->column.width || f->column.least);
		/* a number is never cut */
		assert_true(!f->column.least || f->type != FIELD_NUMBER);
		for (size_t j = 0; j < i; j++) {
			assert_true(!f->column.trace ||
				    f->column.trace != field__table[j].column.trace);
			assert_true(!f->column.list ||
				    f->column.list != field__table[j].column.list);
		}
	}
	assert_null(field__find("no.such"));
	for (int depth = 1; depth < 4; depth++) {
		check_together(FIELD_IN_EVENTS, depth);
		check_together(FIELD_IN_SOCKETS, depth);
	}
}

static void keys_are_sound(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < field__num_keys; i++) {
		const struct field_key *key = &field__keys[i];

		assert_ptr_equal(field__key(key->word, strlen(key->word)), key);
		assert_true(!key->then || field__key(key->then, strlen(key->then)));
		assert_int_equal(!key->text[0], key->sorts_only);
		for (int j = 0; j < FIELD_KEY_COLUMNS && key->text[j]; j++)
			assert_non_null(field__find(key->text[j])->column.heading);
		for (int j = 0; j < FIELD_KEY_COLUMNS && key->data[j]; j++)
			assert_true(field__find(key->data[j])->in & FIELD_IN_SOCKETS);
	}
	assert_null(field__key("pidx", 4));
	assert_non_null(field__key("pidx", 3));
	assert_null(field__key("", 0));
}

/* Where it is read from the root of the repository, each field is explained there. */
static void fields_are_documented(void **unused)
{
	FILE *file = fopen("docs/formats.md", "re");
	char *text, wanted[128];
	size_t len;

	(void)unused;
	if (!file)
		skip();
	text = malloc(1 << 20);
	len = fread(text, 1, (1 << 20) - 1, file);
	text[len] = '\0';
	fclose(file);
	for (size_t i = 0; i < field__count; i++) {
		const char *name = field__table[i].name;
		const char *last = strrchr(name, '.');

		/* "`a.b.c`, `.d`" explains a.b.d, too */
		snprintf(wanted, sizeof(wanted), "`%s`", name);
		if (!field__table[i].in || strstr(text, wanted))
			continue;
		snprintf(wanted, sizeof(wanted), "`%s`", last ? last : name);
		if (!strstr(text, wanted))
			fail_msg("docs/formats.md does not explain %s", name);
	}
	free(text);
}

/* Two records that differ, or not, in what @word is about. */
static void check_pair(const char *word, const struct record *a, const struct record *b, int order)
{
	const struct field_key *key = field__key(word, strlen(word));
	int got = field__compare(key, a, b);
	struct field_prefix x = field__prefix(key, a), y = field__prefix(key, b);

	assert_int_equal((got > 0) - (got < 0), order);
	got = field__compare(key, b, a);
	assert_int_equal((got > 0) - (got < 0), -order);
	assert_true(order <= 0 ? x.number <= y.number : x.number >= y.number);
	if (order && x.number == y.number)
		assert_false(x.whole && y.whole);
	if (!order)
		assert_true(field__hash(key, a, 7) == field__hash(key, b, 7));
	else
		assert_true(field__hash(key, a, 7) != field__hash(key, b, 7));
}

static void keys_compare(void **unused)
{
	struct tws_event one, two;
	struct record a = { .event = &one }, b = { .event = &two };

	(void)unused;
	support__event(&one);
	support__event(&two);
	for (size_t i = 0; i < field__num_keys; i++)
		check_pair(field__keys[i].word, &a, &b, 0);
	two.local_addr[3]++;
	check_pair("local", &a, &b, -1);
	two.family = AF_INET6;
	two.local_addr[0] = 0;
	check_pair("local", &a, &b, -1); /* IPv4 comes first */
	two.peer_port--;
	check_pair("remote-port", &a, &b, 1);
	a.age_ns = 5;
	check_pair("age", &a, &b, -1); /* the oldest first */
	two.conn.closer_start_ns = one.conn.closer_start_ns + 1000000000;
	check_pair("pid", &a, &b, -1); /* the number is used again */
	check_pair("process", &a, &b, 0);
	support__set_comm(two.conn.comm, "nginxx");
	check_pair("process", &a, &b, -1);
	support__set_comm(two.conn.comm, "\377");
	check_pair("process", &a, &b, -1);
	support__set_comm(one.conn.comm, "eight-letters-a");
	support__set_comm(two.conn.comm, "eight-letters-b");
	check_pair("process", &a, &b, -1);
	support__set_comm(one.conn.comm, "eight-le");
	check_pair("process", &a, &b, -1);
	two.conn.closer_start_ns = UINT64_MAX; /* no number has room for it */
	check_pair("pid", &a, &b, -1);
	one.conn.closer_start_ns = UINT64_MAX - 1000000000;
	check_pair("pid", &a, &b, -1);
	one.conn.tgid = UINT32_MAX;
	check_pair("pid", &a, &b, 1);
	two.conn.tgid = UINT32_MAX - 1;
	check_pair("pid", &a, &b, 1);
	two.conn.flags &= (__u16)~TWS_F_CLOSER; /* what is not known comes last */
	check_pair("process", &a, &b, -1);
	check_pair("uid", &a, &b, -1);
	two.conn.side = TWS_SIDE_UNKNOWN;
	check_pair("side", &a, &b, -1);
	a.state = 5; /* FIN_WAIT2 */
	b.state = 6;
	check_pair("state", &a, &b, -1);
	a.label = "web";
	check_pair("container", &a, &b, -1);
	b.workload.container_name = "web";
	check_pair("container", &a, &b, 0);
	b.workload.pod_name = "web-0";
	b.workload.pod_namespace = "prod";
	check_pair("container", &b, &a, -1);
}

/* A label that is longer than its room is cut, and nothing is written behind it. */
static void long_labels(void **unused)
{
	static const char digits[] = "6e9708ee97886e97";
	struct workload w = { .container_id = digits };
	char *name = malloc(2000), own[RECORD_LABEL_BYTES];
	size_t len;

	(void)unused;
	memset(name, 'x', 1999);
	name[1999] = '\0';
	assert_ptr_equal(record__label(&w, own, &len), digits);
	assert_int_equal(len, 12);
	w.container_name = name;
	assert_ptr_equal(record__label(&w, own, &len), name);
	assert_int_equal(len, 1999);
	w.pod_name = w.pod_namespace = w.pod_container = name;
	assert_ptr_equal(record__label(&w, own, &len), own);
	assert_int_equal(len, sizeof(own));
	w.pod_namespace = NULL;
	w.pod_name = "web-0";
	assert_ptr_equal(record__label(&w, own, &len), own);
	assert_memory_equal(own, "web-0/xxx", 9);
	w = (struct workload){ 0 };
	assert_null(record__label(&w, own, &len));
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sound), cmocka_unit_test(keys_are_sound),
		cmocka_unit_test(fields_are_documented),
		cmocka_unit_test(keys_compare),	  cmocka_unit_test(long_labels),
	};

	return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
