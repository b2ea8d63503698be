// SPDX-License-Identifier: GPL-2.0
/* Which containers -C names, running or recorded. */
#include "tests/unit/unit.h"

#include <string.h>

#include "containers/wanted.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static bool recorded(const char *name, const char *path, const struct workload *workload)
{
	const struct wanted wanted = { &name, 1 };

	return wanted__matches_recorded(&wanted, path, workload);
}

static void test_ids(void **state)
{
	const struct workload none = {}, known = { .container_id = ID_A };

	(void)state;
	assert_true(recorded("aaaa", "/docker/" ID_A, &none));
	assert_true(recorded(ID_A, "/docker/" ID_A, &none));
	assert_false(recorded("aaa", "/docker/" ID_A, &none));
	assert_false(recorded("bbbb", "/docker/" ID_A, &none));
	assert_false(recorded("aaag", "/docker/" ID_A, &none));
	/* of two in one another each by its id */
	assert_true(recorded("bbbb", "/docker/" ID_B "/docker/" ID_A, &none));
	assert_true(recorded("aaaa", "/docker/" ID_B "/docker/" ID_A, &none));
	/* a path that is not known, or is none */
	assert_true(recorded("aaaa", NULL, &known));
	assert_true(recorded("aaaa", "no path\n", &known));
	assert_false(recorded("aaaa", NULL, &none));
}

static void test_names(void **state)
{
	const struct workload web = { .container_id = ID_A, .container_name = "web" };
	const struct workload pod = { .container_id = ID_A, .container_name = "k8s_api_1",
				      .pod_name = "api-0", .pod_namespace = "shop",
				      .pod_container = "api" };
	const struct workload none = {};

	(void)state;
	assert_true(recorded("web", "/docker/" ID_A, &web));
	assert_false(recorded("we", "/docker/" ID_A, &web));
	assert_false(recorded("web", "/docker/" ID_A, &none));
	assert_true(recorded("api", NULL, &pod));
	assert_true(recorded("api-0", NULL, &pod));
	assert_true(recorded("shop/api-0", NULL, &pod));
	assert_true(recorded("shop/api-0/api", NULL, &pod));
	assert_false(recorded("shop", NULL, &pod));
	assert_false(recorded("shop/api-0/", NULL, &pod));
	assert_false(recorded("shop/api-0/web", NULL, &pod));
	assert_false(recorded("shop/api-01", NULL, &pod));
	/* what has a name in its path */
	assert_true(recorded("guest", "/lxc.payload.guest", &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("wanted", tests, NULL, NULL);
}
