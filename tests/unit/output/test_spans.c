// SPDX-License-Identifier: GPL-2.0
/* What is kept of lines: found by all of its key, and only if it came again. */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "output/spans.h"

static struct span_key key_of(uint64_t number)
{
	return (struct span_key){ .words = { number, 2, 3, [SPANS_KEY_WORDS - 1] = 9 } };
}

/* As a writer does; returns whether it was there. */
static bool put(struct spans *spans, uint64_t number, const char *text)
{
	struct span_key key = key_of(number);
	uint64_t wanted = 0;
	const struct span *span = spans__find(spans, &key, &wanted);
	struct span made = { text, (uint32_t)strlen(text), (uint32_t)number, (uint32_t)number / 2 };

	if (span) {
		assert_int_equal(span->len, strlen(text));
		assert_memory_equal(span->text, text, span->len);
		assert_int_equal(span->tail, (uint32_t)number);
		assert_int_equal(span->split, (uint32_t)number / 2);
		return true;
	}
	if (wanted)
		spans__keep(spans, wanted, &key, &made);
	return false;
}

static void kept_the_second_time(void **unused)
{
	struct spans *spans;

	(void)unused;
	assert_int_equal(spans__new(&spans, 64), 0);
	assert_false(put(spans, 7, "seven"));
	assert_false(put(spans, 7, "seven"));
	for (int i = 0; i < 3; i++)
		assert_true(put(spans, 7, "seven"));
	assert_false(put(spans, 8, ""));
	assert_false(put(spans, 8, ""));
	assert_true(put(spans, 8, ""));
	spans__free(spans);
	spans__free(NULL);
}

/* Each word of the key counts. */
static void told_apart(void **unused)
{
	struct spans *spans;
	struct span_key key;
	uint64_t wanted;

	(void)unused;
	assert_int_equal(spans__new(&spans, 64), 0);
	put(spans, 7, "seven");
	put(spans, 7, "seven");
	for (size_t i = 0; i < SPANS_KEY_WORDS; i++) {
		key = key_of(7);
		key.words[i] ^= 1ULL << 40;
		assert_null(spans__find(spans, &key, &wanted));
	}
	key = key_of(7);
	assert_non_null(spans__find(spans, &key, &wanted));
	spans__free(spans);
}

/* Far more than there is room for, of any length: what is there is right. */
static void many(void **unused)
{
	struct spans *spans;
	char text[5000];
	size_t found = 0;

	(void)unused;
	assert_int_equal(spans__new(&spans, 16), 0);
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t number = i / 3 % 7 ? i / 3 : 5;

		memset(text, (int)('a' + number % 26), sizeof(text));
		text[number * 37 % sizeof(text)] = '\0';
		found += put(spans, number, text);
	}
	assert_true(found > 1000);
	spans__free(spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_the_second_time),
		cmocka_unit_test(told_apart),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
