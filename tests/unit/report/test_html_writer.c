// SPDX-License-Identifier: GPL-2.0
/* HTML is escaped and nested, whatever is in it; lines are no longer than they may be. */
#include "tests/unit/unit.h"

#include <string.h>

#include "report/html_writer.h"
#include "report/words.h"
#include "report/wrap.h"

static struct outbuf ob, words;

static int set_up(void **state)
{
	(void)state;
	return outbuf__init(&ob, 64) || outbuf__init(&words, 64);
}

static int tear_down(void **state)
{
	(void)state;
	outbuf__free(&ob);
	outbuf__free(&words);
	return 0;
}

static void is(const char *want)
{
	assert_string_equal(outbuf__terminate(&ob), want);
	ob.len = 0;
}

static void test_escapes(void **state)
{
	struct html h;

	(void)state;
	html__init(&h, &ob);
	html__open(&h, "p");
	html__attribute(&h, "class", "a\"b'<>&\n\x01");
	html__text(&h, "</p><script>\"'&amp;\x1b[31m\xff\xe2\x80\xae");
	html__close(&h);
	is("<p class=\"a&quot;b&#39;&lt;&gt;&amp;\\n\\x01\">&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;amp;"
	   "\\x1b[31m\\xff\\u202e</p>");
	words.len = 0;
	words__name(&words, "<b>\x01\x02</b>", 80);
	html__open(&h, "p");
	html__words(&h, &words);
	html__close(&h);
	is("<p><b>&lt;b&gt;\\x01\\x02&lt;/b&gt;</b></p>");
	html__open(&h, "desc");
	html__plain(&h, &words);
	html__close(&h);
	is("<desc>&lt;b&gt;\\x01\\x02&lt;/b&gt;</desc>");
	assert_false(h.failed || h.depth);
}

static void test_elements(void **state)
{
	struct html h;

	(void)state;
	html__init(&h, &ob);
	html__open(&h, "meta");
	html__attribute(&h, "charset", "utf-8");
	html__close(&h);
	html__leaf(&h, "td", NULL, "");
	is("<meta charset=\"utf-8\" /><td></td>");
	html__open(&h, "rect");
	html__number(&h, "a", 1.5);
	html__number(&h, "b", -0.254);
	html__number(&h, "c", 12);
	html__number(&h, "d", 1.006);
	html__number(&h, "e", 0.0 / 0.0);
	html__number(&h, "f", 1e300);
	html__close(&h);
	is("<rect a=\"1.5\" b=\"-0.25\" c=\"12\" d=\"1.01\" e=\"0\" f=\"0\"></rect>");
	assert_false(h.failed);
	html__close(&h);
	assert_true(h.failed);
}

static void wraps(const char *text, const char *want)
{
	words.len = 0;
	outbuf__text(&words, text);
	wrap__words(&ob, "ab ", 3, 10, &words);
	is(want);
}

static void test_wrap(void **state)
{
	(void)state;
	wraps("", "ab \n");
	wraps("one two three", "ab one two\n   three\n");
	wraps("seven77 x", "ab seven77\n   x\n");
	wraps("a longerthanaline b", "ab a\n   longert\n   hanalin\n   e b\n");
	wraps("  blanks   between ", "ab blanks\n   between\n");
	/* Marks take no room; what is no ASCII may take two columns each. */
	wraps("\x01one\x02 two x", "ab one two\n   x\n");
	wraps("\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", "ab \xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\n   \xe4\xb8\xad\n");
}

static void number(uint64_t value, const char *want)
{
	words__number(&ob, value);
	is(want);
}

static void rate(double value, const char *want)
{
	words__rate(&ob, value);
	is(want);
}

static void percent(unsigned int permille, const char *want)
{
	words__percent(&ob, permille);
	is(want);
}

static void duration(uint64_t ns, const char *want)
{
	words__duration(&ob, ns);
	is(want);
}

static void test_small_words(void **state)
{
	(void)state;
	number(0, "0");
	number(999, "999");
	number(1000, "1,000");
	number(UINT64_MAX, "18,446,744,073,709,551,615");
	rate(0, "0");
	rate(0.01, "under 0.1");
	rate(0.44, "0.4");
	rate(9.96, "10");
	rate(28231.6, "28,232");
	rate(1e300, "1,000,000,000,000,000,000");
	percent(0, "0 %");
	percent(4, "0.4 %");
	percent(995, "99 %");
	percent(1000, "100 %");
	duration(3160000, "3.16ms");
	duration(59 * 1000000000ULL, "59 s");
	duration(432 * 1000000000ULL, "7 min 12 s");
	duration(4320 * 1000000000ULL, "1 h 12 min");
	duration(200000 * 1000000000ULL, "2 d 7 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_small_words),
	};

	return cmocka_run_group_tests_name("html_writer", tests, set_up, tear_down);
}
