// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "output/top_frame.h"
#include "output/top_json.h"
#include "output/top_keys.h"
#include "output/top_layout.h"
#include "tests/unit/support.h"

#define S 1000000000ULL
#define START (1000 * S)

/* ---- a tally, and what is made of it ---- */

struct fixture {
	struct tally *tally;
	struct tally_options opts;
	struct top_frame frame;
	struct top_want want;
	struct top_view view;
	struct top_cells cells;
	uint64_t now_ns;
};

static struct tally_keys keys_of(const char *first, const char *second)
{
	struct tally_keys keys = { 1, { field__key(first, strlen(first)) } };

	if (second)
		keys.keys[keys.num++] = field__key(second, strlen(second));
	return keys;
}

static void setup(struct fixture *f, const char *first, const char *second)
{
	*f = (struct fixture){ .now_ns = START };
	f->opts = (struct tally_options){ .num_views = 1, .start_ns = START };
	f->opts.views[0] = keys_of(first, second);
	f->want.sort = f->view.sort = TOP_CLOSES;
	assert_int_equal(tally__new(&f->tally, &f->opts), 0);
}

static void teardown(struct fixture *f)
{
	top_layout__free(&f->cells);
	top_frame__free(&f->frame);
	tally__free(f->tally);
}

static void add(struct fixture *f, const char *name, uint16_t first, int num)
{
	struct tws_event ev;
	const struct record rec = { .event = &ev, .command_line = "/usr/bin/something --long" };

	support__event(&ev);
	ev.action = TWS_TIME_WAIT;
	ev.conn.side = TWS_SIDE_CLIENT;
	ev.conn.cause = TWS_CAUSE_CLOSE;
	support__set_comm(ev.conn.comm, name);
	for (int i = 0; i < num; i++) {
		ev.local_port = (uint16_t)(first + i);
		ev.time_ns = f->now_ns;
		ev.conn.open_ns = f->now_ns - S / 1000;
		tally__add(f->tally, &rec);
	}
}

static void make(struct fixture *f)
{
	struct tally_frame frame;

	tally__frame(f->tally, 0, f->now_ns, &frame);
	assert_int_equal(top_frame__fill(&f->frame, f->tally, &frame, &f->opts.views[0]), 0);
	top_frame__arrange(&f->frame, &f->want);
}

static const char *name_at(const struct fixture *f, size_t line)
{
	assert_in_range(line, 0, f->frame.num - 1);
	return f->frame.lines[line].row->sample.event->conn.comm;
}

/* Checks that everything is where it can be, and returns the text; to be freed. */
static char *lay_out(struct fixture *f)
{
	const struct top_cells *cells = &f->cells;
	struct outbuf ob;
	uint32_t line = 0, column = 0;

	assert_int_equal(top_layout__make(&f->cells, &f->frame, &f->view), 0);
	if (f->view.height)
		assert_int_equal(cells->lines, f->view.height);
	for (size_t i = 0; i < cells->num; i++) {
		const struct top_piece *p = &cells->pieces[i];

		assert_true(p->line > line || (p->line == line && p->column >= column));
		assert_in_range(p->line, 0, cells->lines - 1);
		if (f->view.width)
			assert_in_range(p->column + p->columns, 0, f->view.width);
		assert_true(p->from + p->len <= cells->text.len);
		line = p->line;
		column = p->column + p->columns;
	}
	assert_int_equal(outbuf__init(&ob, 64), 0);
	top_layout__plain(cells, &ob);
	assert_false(ob.failed);
	for (char *at = ob.data, *end; at < ob.data + ob.len; at = end + 1) {
		end = memchr(at, '\n', (size_t)(ob.data + ob.len - at));
		assert_non_null(end);
		assert_true(support__is_safe_text(at, (size_t)(end - at)));
	}
	outbuf__terminate(&ob);
	return ob.data;
}

static void check_says(struct fixture *f, const char *what, bool is_there)
{
	char *text = lay_out(f);

	if (!strstr(text, what) != !is_there)
		fail_msg("'%s' is%s in:\n%s", what, is_there ? " not" : "", text);
	free(text);
}

/* ---- order ---- */

static void order_by_column(void **unused)
{
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	add(&f, "few", 1, 2);
	add(&f, "many", 100, 20);
	add(&f, "some", 200, 10);
	make(&f);
	assert_string_equal(name_at(&f, 0), "many");
	assert_string_equal(name_at(&f, 2), "few");
	f.want.reverse = true;
	top_frame__arrange(&f.frame, &f.want);
	assert_string_equal(name_at(&f, 0), "few");
	f.want.reverse = false;
	f.want.sort = TOP_NAME;
	top_frame__arrange(&f.frame, &f.want);
	assert_string_equal(name_at(&f, 0), "few");
	assert_string_equal(name_at(&f, 2), "some");
	teardown(&f);
}

/* What differs by little does not change places; what differs by much does. */
static void order_is_steady(void **unused)
{
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	f.want.steady = true;
	f.want.sort = TOP_TOTAL;
	add(&f, "a", 1, 105);
	add(&f, "b", 200, 100);
	make(&f);
	assert_string_equal(name_at(&f, 0), "a");
	add(&f, "b", 400, 10);
	make(&f);
	assert_string_equal(name_at(&f, 0), "a");
	f.want.steady = false;
	top_frame__arrange(&f.frame, &f.want);
	assert_string_equal(name_at(&f, 0), "b");
	f.want.steady = true;
	add(&f, "a", 600, 300);
	make(&f);
	assert_string_equal(name_at(&f, 0), "a");
	/* Frozen: whatever comes. */
	f.want.frozen = true;
	add(&f, "b", 2000, 5000);
	add(&f, "c", 10000, 10000);
	make(&f);
	assert_string_equal(name_at(&f, 0), "a");
	assert_string_equal(name_at(&f, 2), "c");
	teardown(&f);
}

static uint64_t all_closes(const struct top_frame *frame)
{
	uint64_t sum = frame->others.total.closes;

	for (size_t i = 0; i < frame->num; i++)
		sum += frame->lines[i].total.closes;
	return sum;
}

/* Whatever is left out is among the others. */
static void others_make_it_whole(void **unused)
{
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	for (uint16_t i = 0; i < 30; i++) {
		char name[TWS_COMM_LEN];

		snprintf(name, sizeof(name), "p%u", i);
		add(&f, name, (uint16_t)(i * 100), i + 1);
	}
	make(&f);
	assert_false(top_frame__has_others(&f.frame));
	f.want.max_rows = 5;
	top_frame__arrange(&f.frame, &f.want);
	assert_int_equal(f.frame.num, 5);
	assert_int_equal(f.frame.num_others, 25);
	assert_int_equal(all_closes(&f.frame), 30 * 31 / 2);
	f.want.filter = "P2"; /* 2, 20 to 29 */
	f.want.max_rows = 0;
	top_frame__arrange(&f.frame, &f.want);
	assert_int_equal(f.frame.num, 11);
	assert_int_equal(all_closes(&f.frame), 30 * 31 / 2);
	f.want.filter = "something"; /* of the command line */
	top_frame__arrange(&f.frame, &f.want);
	assert_int_equal(f.frame.num, 30);
	f.want.filter = "no such thing";
	top_frame__arrange(&f.frame, &f.want);
	assert_int_equal(f.frame.num, 0);
	assert_int_equal(all_closes(&f.frame), 30 * 31 / 2);
	assert_int_equal(f.frame.others.held, f.frame.sum.held);
	teardown(&f);
}

/* What has ended stays for a minute, and is then shown by its total alone. */
static void ended_rows(void **unused)
{
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	f.view.width = 80;
	f.view.height = 24;
	add(&f, "gone", 1, 3);
	f.now_ns += 50 * S;
	make(&f);
	assert_int_equal(f.frame.num, 1);
	assert_true(f.frame.lines[0].is_quiet);
	check_says(&f, "gone                    - ", true);
	f.now_ns += 20 * S;
	make(&f);
	assert_int_equal(f.frame.num, 0);
	assert_int_equal(all_closes(&f.frame), 3);
	f.want.sort = TOP_TOTAL;
	top_frame__arrange(&f.frame, &f.want);
	assert_int_equal(f.frame.num, 1);
	teardown(&f);
}

/* ---- layout ---- */

static void fits_any_width(void **unused)
{
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	add(&f, "a-name-of-fiftn", 1, 30);
	add(&f, "\xe4\xb8\xad\xe6\x96\x87\xe5\x90\x8d", 100, 20);
	make(&f);
	f.view.has_account = true;
	for (unsigned int width = 1; width <= 250; width++)
		for (int page = TOP_ROWS; page <= TOP_HELP; page++)
			for (unsigned int height = 3; height < 40; height += 3) {
				f.view.width = width;
				f.view.height = height;
				f.view.page = (enum top_page)page;
				f.view.chosen = width & 1;
				free(lay_out(&f));
			}
	f.view.page = TOP_ROWS;
	f.view.height = 10;
	f.view.width = 40;
	check_says(&f, "a-name-of-fiftn", true); /* from 40 on never the name */
	check_says(&f, "CLOSES/s", true);
	check_says(&f, "CAUSES", false);
	f.view.width = 120;
	check_says(&f, "CAUSES", true);
	check_says(&f, "close", true);
	teardown(&f);
}

static void ipv6_is_whole(void **unused)
{
	struct fixture f;
	struct tws_event ev;
	const struct record rec = { .event = &ev };

	(void)unused;
	setup(&f, "remote", "remote-port");
	support__event(&ev);
	support__make_ipv6(&ev);
	memset(ev.peer_addr, 0xfd, sizeof(ev.peer_addr));
	ev.peer_port = 65535;
	ev.action = TWS_TIME_WAIT;
	ev.time_ns = f.now_ns;
	tally__add(f.tally, &rec);
	make(&f);
	f.view.height = 24;
	f.view.width = 80;
	check_says(&f, "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:65535 ", true);
	f.view.width = 40; /* its end, and the port, are what is kept */
	check_says(&f, "+]:65535", true);
	teardown(&f);
}

static void hostile_names(void **unused)
{
	static const char *const names[] = {
		"\033[2J\033[H", "a\nb\rc\td", "\xff\xfe\x80", "\xe2\x80\xae" "evil", "\x9b" "31m", "\\x41",
	};
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	for (size_t i = 0; i < COUNT(names); i++)
		add(&f, names[i], (uint16_t)(i * 100), (int)i + 1);
	make(&f);
	f.view.height = 24;
	f.view.width = 80;
	check_says(&f, "\\x1b[2J\\x1b[H", true);
	check_says(&f, "a\\nb\\rc\\td", true);
	for (size_t i = 0; i < COUNT(names); i++) {
		f.view.page = TOP_DETAILS;
		f.view.selected = i;
		free(lay_out(&f));
	}
	teardown(&f);
}

/* Of what is not ASCII nothing gets to a terminal that does not know it. */
static void ascii_alone(void **unused)
{
	struct fixture f;
	char *text;

	(void)unused;
	setup(&f, "process", NULL);
	add(&f, "caf\xc3\xa9", 1, 30);
	add(&f, "\xe4\xb8\xad\xe6\x96\x87", 100, 20);
	f.now_ns += S;
	make(&f);
	f.view.ascii = true;
	f.view.height = 24;
	f.view.width = 120;
	text = lay_out(&f);
	for (const char *c = text; *c; c++)
		assert_in_range((unsigned char)*c, 1, 0x7e);
	assert_non_null(strstr(text, "caf?"));
	assert_non_null(strstr(text, "????"));
	assert_non_null(strstr(text, "@"));
	free(text);
	f.view.ascii = false;
	check_says(&f, "█", true);
	teardown(&f);
}

static void says_what_matters(void **unused)
{
	struct fixture f;

	(void)unused;
	setup(&f, "process", NULL);
	add(&f, "a", 1, 30);
	make(&f);
	f.view.width = 120;
	f.view.height = 30;
	f.frame.host.limit = 1000;
	f.frame.host.minis_there = 900;
	check_says(&f, "TIME_WAIT 30, 90.0%! of the limit 1000", true);
	f.frame.host.failed_rate_milli = 12300;
	f.frame.host.error = 99;
	f.frame.sum.total.failed = 50;
	check_says(&f, "connects  12/s failing!, 50 in all, last with EADDRNOTAVAIL", true);
	check_says(&f, "FAILED", true);
	f.view.blind = "for a reason";
	check_says(&f, "connects  failing: not seen, for a reason", true);
	f.frame.host.fullest = &f.frame.fullest;
	f.frame.host.fullest_in_s = 12;
	f.frame.fullest = (struct port_set_use){ .live = 900, .usable = 1000,
						 .key = { .family = AF_INET, .peer_port = 80 } };
	check_says(&f, "ports     90.0% taken, full in 12 s! (900 of 1000) from 0.0.0.0 to 0.0.0.0:80",
		   true);
	f.frame.host.fullest_in_s = PORT_SET_NEVER;
	check_says(&f, "not full at this rate", true);
	f.view.has_account = true;
	f.view.account.lost = 7;
	check_says(&f, "lost=7!", true);
	f.view.paused = f.view.frozen = true;
	check_says(&f, "[paused] [order frozen]", true);
	teardown(&f);
}

/* ---- keys ---- */

struct keyboard {
	struct fixture f;
	struct top_keys keys;
};

static enum top_action type(struct keyboard *k, const char *bytes)
{
	return top_keys__read(&k->keys, &k->f.view, &k->f.frame, bytes, strlen(bytes));
}

static void keys_do(void **unused)
{
	struct keyboard k = { .keys = { .num_views = 6 } };
	struct top_view *v = &k.f.view;

	(void)unused;
	setup(&k.f, "process", NULL);
	for (uint16_t i = 0; i < 30; i++) {
		char name[TWS_COMM_LEN];

		snprintf(name, sizeof(name), "p%u", i);
		add(&k.f, name, (uint16_t)(i * 100), 30 - i);
	}
	make(&k.f);
	v->width = 80;
	v->height = 20;
	assert_int_equal(type(&k, "x"), TOP_NOTHING);
	assert_int_equal(type(&k, "q"), TOP_QUIT);
	assert_int_equal(type(&k, "."), TOP_REORDER);
	assert_int_equal(v->sort, TOP_HELD);
	assert_int_equal(type(&k, ",,"), TOP_REORDER);
	assert_int_equal(v->sort, TOP_NAME);
	assert_int_equal(type(&k, ","), TOP_REORDER);
	assert_int_equal(v->sort, TOP_LIFETIME);
	assert_int_equal(type(&k, ","), TOP_REORDER);
	assert_int_equal(v->sort, TOP_PORTS); /* nothing has failed */
	assert_int_equal(type(&k, "r"), TOP_REORDER);
	assert_true(v->reverse);
	assert_int_equal(type(&k, " "), TOP_REDRAW);
	assert_true(v->paused);
	assert_int_equal(type(&k, "f"), TOP_REORDER);
	assert_true(v->frozen);
	assert_int_equal(type(&k, "3"), TOP_REGROUP);
	assert_int_equal(k.keys.view, 2);
	assert_int_equal(type(&k, "3"), TOP_NOTHING);
	assert_int_equal(type(&k, "0"), TOP_REGROUP);
	assert_int_equal(k.keys.view, 5);
	assert_int_equal(type(&k, "t"), TOP_REDRAW);
	assert_non_null(v->message);
	assert_int_equal(type(&k, "x"), TOP_REDRAW);
	assert_null(v->message);
	k.keys.has_recording = true;
	assert_int_equal(type(&k, "t"), TOP_LATER);
	assert_int_equal(type(&k, "T"), TOP_EARLIER);
	teardown(&k.f);
}

static void keys_move(void **unused)
{
	struct keyboard k = { .keys = { .num_views = 1 } };
	struct top_view *v = &k.f.view;

	(void)unused;
	setup(&k.f, "process", NULL);
	for (uint16_t i = 0; i < 30; i++) {
		char name[TWS_COMM_LEN];

		snprintf(name, sizeof(name), "p%u", i);
		add(&k.f, name, (uint16_t)(i * 100), 30 - i);
	}
	make(&k.f);
	v->width = 80;
	v->height = 20;
	free(lay_out(&k.f));
	assert_int_equal(type(&k, "\033[B"), TOP_REDRAW);
	assert_true(v->chosen);
	assert_int_equal(v->selected, 0);
	type(&k, "\033OB\033[Bj");
	assert_int_equal(v->selected, 3);
	type(&k, "k\033[A");
	assert_int_equal(v->selected, 1);
	type(&k, "\033[6~");
	assert_int_equal(v->selected, 1 + top_layout__page(&k.f.frame, v));
	type(&k, "\033[F");
	assert_int_equal(v->selected, 29);
	check_says(&k.f, "p29 ", true);
	type(&k, "\033[5~\033[H");
	assert_int_equal(v->selected, 0);
	assert_false(v->chosen);
	assert_int_equal(type(&k, "\033[B\r"), TOP_REDRAW);
	assert_int_equal(v->page, TOP_DETAILS);
	check_says(&k.f, "/usr/bin/something --long", true);
	type(&k, "q");
	assert_int_equal(v->page, TOP_ROWS);
	type(&k, "?\033");
	assert_int_equal(v->page, TOP_ROWS);
	/* What nobody knows does nothing. */
	assert_int_equal(type(&k, "\033[1;5Q\033[99~\033x\033["), TOP_NOTHING);
	teardown(&k.f);
}

static void keys_filter(void **unused)
{
	struct keyboard k = { .keys = { .num_views = 1 } };
	struct top_view *v = &k.f.view;
	char much[200];

	(void)unused;
	setup(&k.f, "process", NULL);
	add(&k.f, "a", 1, 1);
	make(&k.f);
	v->width = 80;
	v->height = 20;
	assert_int_equal(type(&k, "/qx"), TOP_REORDER);
	assert_true(v->typing);
	assert_string_equal(v->filter, "qx");
	check_says(&k.f, "/qx", true);
	assert_true(k.f.cells.has_cursor);
	assert_int_equal(k.f.cells.cursor_column, 3);
	type(&k, "\xc3\xa9\x7f\x7f");
	assert_string_equal(v->filter, "q");
	assert_int_equal(type(&k, "\r"), TOP_REORDER);
	assert_false(v->typing);
	check_says(&k.f, "[with q]", true);
	assert_int_equal(type(&k, "\033"), TOP_REORDER);
	assert_string_equal(v->filter, "");
	memset(much, 'a', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	type(&k, "/");
	type(&k, much);
	assert_int_equal(strlen(v->filter), sizeof(v->filter) - 1);
	type(&k, "\025");
	assert_string_equal(v->filter, "");
	teardown(&k.f);
}

/* ---- JSON ---- */

static void json_of_a_frame(void **unused)
{
	const struct feed_account account = { .delivered = 35, .lost = 2 };
	struct fixture f;
	struct outbuf ob;
	json_t *root, *row, *key;

	(void)unused;
	setup(&f, "process", "remote");
	add(&f, "\033\"a", 1, 30);
	add(&f, "b", 100, 5);
	f.now_ns += S;
	f.want.max_rows = 1;
	make(&f);
	assert_int_equal(outbuf__init(&ob, 64), 0);
	top_json__write(&ob, &f.frame, SUPPORT_WALL_NS, &account);
	assert_int_equal(ob.data[ob.len - 1], '\n');
	root = json_loadb(ob.data, ob.len, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "timestamp")),
			    "2026-11-22T06:40:00.123456789Z");
	assert_int_equal(json_integer_value(json_object_get(root, "interval_ns")), S);
	assert_int_equal(json_integer_value(json_object_get(root, "closes")), 35);
	assert_int_equal(json_integer_value(json_object_get(root, "time_wait")), 35);
	assert_int_equal(json_array_size(json_object_get(root, "rows")), 1);
	row = json_array_get(json_object_get(root, "rows"), 0);
	assert_int_equal(json_integer_value(json_object_get(row, "closes")), 30);
	assert_int_equal(json_integer_value(json_object_get(row, "held")), 30);
	assert_true(json_real_value(json_object_get(row, "closes_per_second")) > 29.9);
	key = json_object_get(row, "key");
	assert_string_equal(json_string_value(json_object_get(json_object_get(key, "process"),
							      "name")), "\033\"a");
	assert_non_null(json_object_get(json_object_get(json_object_get(key, "network"), "peer"),
					"address"));
	row = json_object_get(root, "other");
	assert_int_equal(json_integer_value(json_object_get(row, "total")), 5);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "account"),
							    "lost")), 2);
	json_decref(root);
	outbuf__free(&ob);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_by_column),
		cmocka_unit_test(order_is_steady),
		cmocka_unit_test(others_make_it_whole),
		cmocka_unit_test(ended_rows),
		cmocka_unit_test(fits_any_width),
		cmocka_unit_test(ipv6_is_whole),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(ascii_alone),
		cmocka_unit_test(says_what_matters),
		cmocka_unit_test(keys_do),
		cmocka_unit_test(keys_move),
		cmocka_unit_test(keys_filter),
		cmocka_unit_test(json_of_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
