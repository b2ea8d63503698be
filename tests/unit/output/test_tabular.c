// SPDX-License-Identifier: GPL-2.0
/* Tables in each format. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/tabular.h"
#include "tests/unit/support.h"

static const struct tabular_column columns[] = {
	{ "COUNT", "count", true, 0, 5, 0 },
	{ "NAME", "process.name", false, 6, 1, 0 },
	{ "UID", "process.user.id", true, 0, 6, 0 },
	{ "PEER", "network.peer.address", false, 0, 2, 0 },
	{ "PORT", "network.peer.port", true, 0, 3, 0 },
	{ "NOTE", "note", false, 0, 4, 12 },
};

static const uint8_t addr4[16] = { 10, 0, 0, 9 };
static const uint8_t addr6[16] = { 0xfd, [15] = 9 };

struct rows {
	size_t asked;
	const char *note;
};

static void fill(void *ctx, size_t index, struct tabular_cell *cells)
{
	struct rows *rows = ctx;

	rows->asked++;
	for (size_t i = 0; i < COUNT(columns); i++)
		assert_int_equal(cells[i].kind, TABULAR_NONE);
	tabular__number(&cells[0], index ? 7 : 12345);
	if (index == 1)
		return;
	tabular__name(&cells[1], index ? "a\033b" : "nginx");
	cells[1].guessed = index == 2;
	tabular__decimal(&cells[2], 995);
	tabular__address(&cells[3], index ? AF_INET6 : AF_INET, index ? addr6 : addr4, -1);
	tabular__number(&cells[4], 80);
	tabular__name(&cells[5], rows->note);
}

/* What it comes to, to be freed. */
static char *written(const struct tabular *table)
{
	int fd = support__memfd();
	char *text;

	assert_int_equal(tabular__write(table, fd), 0);
	text = support__contents(fd, NULL);
	close(fd);
	return text;
}

static void check_table(const struct tabular *table, const char *want)
{
	char *got = written(table);

	assert_string_equal(got, want);
	free(got);
}

static char *render(enum sink_format format, const char *note, unsigned int width)
{
	struct rows rows = { .note = note };
	struct tabular table = {
		.columns = columns, .num_columns = COUNT(columns), .num_rows = 3,
		.fill = fill, .ctx = &rows, .format = format, .width = width,
	};

	return written(&table);
}

static void check(enum sink_format format, const char *note, unsigned int width, const char *want)
{
	char *got = render(format, note, width);

	assert_string_equal(got, want);
	free(got);
}

static void test_text(void **state)
{
	(void)state;
	/* an escape is not cut in two */
	check(SINK_TEXT, "web", 0,
	      "COUNT NAME   UID PEER     PORT NOTE\n"
	      "12345 nginx 99.5 10.0.0.9   80 web\n"
	      "    7 -        - -           - -\n"
	      "    7 ~a+   99.5 fd00::9    80 web\n");
}

static void test_text_cut(void **state)
{
	(void)state;
	check(SINK_TEXT, "a-very-long-name-of-something", 45,
	      "COUNT NAME   UID PEER     PORT NOTE\n"
	      "12345 nginx 99.5 10.0.0.9   80 a-very-long-n+\n"
	      "    7 -        - -           - -\n"
	      "    7 ~a+   99.5 fd00::9    80 a-very-long-n+\n");
}

static void test_json(void **state)
{
	char *text = render(SINK_JSON, "line\nbreak", 0);
	const char *second = strchr(text, '\n') + 1;
	json_t *row = json_loads(text, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, NULL);

	(void)state;
	assert_true(!strncmp(text,
			     "{\"count\":12345,\"process\":{\"name\":\"nginx\","
			     "\"user\":{\"id\":99.5}},\"network\":{\"peer\":{\"address\":"
			     "\"10.0.0.9\",\"port\":80}},\"note\":\"line\\nbreak\"}\n",
			     (size_t)(second - text)));
	assert_true(!strncmp(second, "{\"count\":7}\n", 12));
	assert_true(json_is_object(row));
	json_decref(row);
	free(text);
}

static void test_csv(void **state)
{
	(void)state;
	check(SINK_CSV, "a,\"b\"\n", 0,
	      "count,process.name,process.user.id,network.peer.address,network.peer.port,note\n"
	      "12345,nginx,99.5,10.0.0.9,80,\"a,\"\"b\"\"\\n\"\n"
	      "7,,,,,\n"
	      "7,a\\x1bb,99.5,fd00::9,80,\"a,\"\"b\"\"\\n\"\n");
}

static void test_empty(void **state)
{
	struct rows rows = {};
	struct tabular table = { .columns = columns, .num_columns = COUNT(columns),
				 .fill = fill, .ctx = &rows };

	(void)state;
	check_table(&table, "COUNT NAME UID PEER PORT NOTE\n");
	table.format = SINK_JSON;
	check_table(&table, "");
	assert_int_equal(rows.asked, 0);
	table.num_columns = TABULAR_COLUMNS + 1;
	assert_int_equal(tabular__write(&table, STDOUT_FILENO), -EINVAL);
}

static void fill_total(void *ctx, size_t index, struct tabular_cell *cells)
{
	(void)ctx;
	tabular__number(&cells[0], index + 1);
	tabular__word(&cells[1], "total", 5);
	cells[1].color = FIELD_CYAN;
}

static void test_color(void **state)
{
	const struct tabular table = { .columns = columns, .num_columns = 2, .num_rows = 1,
				       .fill = fill_total, .color = true, .total = true };

	(void)state;
	check_table(&table, "\033[1mCOUNT NAME\033[0m\n"
			    "\033[1m    1 \033[36mtotal\033[0m\033[0m\n");
}

static void fill_many(void *ctx, size_t index, struct tabular_cell *cells)
{
	(void)ctx;
	tabular__number(&cells[0], index);
}

/* More than a buffer; and what writes that fail say. */
static void test_write(void **state)
{
	struct tabular table = { .columns = columns, .num_columns = 1, .num_rows = 100000,
				 .fill = fill_many, .format = SINK_CSV };
	char *text = written(&table);
	int fd, fds[2];

	(void)state;
	assert_int_equal(strlen(text), 6 + 488890 + 100000);
	free(text);

	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(tabular__write(&table, fd), -ENOSPC);
	close(fd);

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(tabular__write(&table, fds[1]), -EPIPE);
	close(fds[1]);
}

static void test_addresses(void **state)
{
	struct tabular_cell cell = {};

	(void)state;
	tabular__address(&cell, AF_INET6, addr6, 65535);
	assert_int_equal(cell.len, 15);
	assert_memory_equal(cell.text, "[fd00::9]:65535", 15);
	tabular__address(&cell, AF_INET, addr4, 0);
	assert_int_equal(cell.len, 10);
	assert_memory_equal(cell.text, "10.0.0.9:0", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),  cmocka_unit_test(test_text_cut),
		cmocka_unit_test(test_json),  cmocka_unit_test(test_csv),
		cmocka_unit_test(test_empty), cmocka_unit_test(test_color),
		cmocka_unit_test(test_write), cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
