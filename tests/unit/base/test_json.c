// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"

static void check(struct outbuf *ob, const char *want)
{
	assert_string_equal(outbuf__terminate(ob), want);
	ob->len = 0;
}

static void member_by_member(void **unused)
{
	struct outbuf ob;

	(void)unused;
	assert_int_equal(outbuf__init(&ob, 8), 0);
	for (int i = 0; i < 2; i++) {
		json__open(&ob, NULL, '{');
		json__string(&ob, "absent", NULL);
		json__string(&ob, "empty", "");
		json__string(&ob, "a\"b", "x\ny{");
		json__bool(&ob, "yes", true);
		json__bool(&ob, "no", false);
		json__open(&ob, "list", '[');
		json__open(&ob, NULL, '{');
		json__u64(&ob, "most", UINT64_MAX);
		json__close(&ob, '}');
		json__open(&ob, NULL, '{');
		json__close(&ob, '}');
		json__close(&ob, ']');
		json__u64(&ob, "none", 0);
		json__close(&ob, '}');
		outbuf__char(&ob, '\n');
	}
	check(&ob, "{\"a\\\"b\":\"x\\ny{\",\"yes\":true,\"no\":false,"
		   "\"list\":[{\"most\":18446744073709551615},{}],\"none\":0}\n"
		   "{\"a\\\"b\":\"x\\ny{\",\"yes\":true,\"no\":false,"
		   "\"list\":[{\"most\":18446744073709551615},{}],\"none\":0}\n");
	outbuf__free(&ob);
}

static void real_numbers(void **unused)
{
	struct outbuf ob;

	(void)unused;
	assert_int_equal(outbuf__init(&ob, 8), 0);
	json__open(&ob, NULL, '[');
	json__real(&ob, NULL, 0);
	json__real(&ob, NULL, 0.0004);
	json__real(&ob, NULL, 2.5);
	json__real(&ob, NULL, 17.0506);
	json__real(&ob, NULL, 0.9996);
	json__real(&ob, NULL, -1);
	json__real(&ob, NULL, 0.0 / 0.0);
	json__real(&ob, NULL, 1e300);
	json__close(&ob, ']');
	check(&ob, "[0,0,2.5,17.051,1,0,0,10000000000000000]");
	outbuf__free(&ob);
}

/* The names of the members, each with its number as its value. */
static void check_flat(struct outbuf *ob, const char *const *names, size_t num, const char *want)
{
	const char *before = NULL;

	for (size_t i = 0; i < num; i++) {
		json__member(ob, before, names[i]);
		outbuf__u64(ob, i);
		before = names[i];
	}
	json__finish(ob, before);
	check(ob, want);
}

static void flat_names(void **unused)
{
	static const char *const nested[] = { "a.b.c", "a.b.d", "a.e", "a.f.g.h", "i", "j.k" };
	static const char *const alike[] = { "ab.c", "abc.d", "ab" };
	struct outbuf ob;

	(void)unused;
	assert_int_equal(outbuf__init(&ob, 8), 0);
	check_flat(&ob, nested, 0, "{}");
	check_flat(&ob, nested, 1, "{\"a\":{\"b\":{\"c\":0}}}");
	check_flat(&ob, nested, COUNT(nested),
		   "{\"a\":{\"b\":{\"c\":0,\"d\":1},\"e\":2,\"f\":{\"g\":{\"h\":3}}},\"i\":4,"
		   "\"j\":{\"k\":5}}");
	check_flat(&ob, alike, COUNT(alike), "{\"ab\":{\"c\":0},\"abc\":{\"d\":1},\"ab\":2}");
	outbuf__free(&ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member_by_member),
		cmocka_unit_test(real_numbers),
		cmocka_unit_test(flat_names),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
