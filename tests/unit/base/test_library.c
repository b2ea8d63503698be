// SPDX-License-Identifier: GPL-2.0
/* A library that is loaded when it is needed, one that is not there, and one without what is wanted. */
#include "tests/unit/unit.h"

#include <stddef.h>
#include <string.h>

#include "base/library.h"

static double (*cosine)(double);
static double (*second)(double);
static void (*none)(void);

static const struct library_function of_libm[] = {
	{ "cos", &cosine }, { "sin", &second }, { NULL, NULL },
};
static const struct library_function not_of_libm[] = { { "twsnoop_none", &none }, { NULL, NULL } };

static void test_loaded(void **state)
{
	static struct library libm = { .name = "libm", .soname = "libm.so.6", .functions = of_libm };

	(void)state;
	assert_null(library__load(&libm));
	assert_true(cosine(0) == 1.0);
	assert_true(second(0) == 0.0);
	assert_null(library__load(&libm));
}

static void test_missing(void **state)
{
	static struct library missing = {
		.name = "libnone", .soname = "libtwsnoop-none.so.1", .functions = of_libm,
	};
	const char *why = library__load(&missing);

	(void)state;
	assert_non_null(why);
	assert_non_null(strstr(why, "install libnone: libtwsnoop-none.so.1: "));
	assert_null(strchr(why, '\n'));
	/* it is tried again, and says the same */
	assert_ptr_equal(library__load(&missing), why);
}

static void test_older(void **state)
{
	static struct library older = {
		.name = "libm", .soname = "libm.so.6", .functions = not_of_libm,
	};
	const char *why = library__load(&older);

	(void)state;
	assert_non_null(why);
	assert_non_null(strstr(why, "twsnoop_none"));
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loaded),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
