// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "export/accept.h"

static void test_accept(void **unused)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ "application/openmetrics-text", true },
		{ "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
		{ "application/openmetrics-text;version=0.0.1", false },
		{ "application/openmetrics-text;version=2.0.0", false },
		/* Prometheus 2.42 */
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
		  "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true },
		/* Prometheus 2.5 */
		{ "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  false },
		{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", false },
		{ "text/plain, application/openmetrics-text;q=0.9", false },
		{ "text/plain;q=0.9, Application/OpenMetrics-Text;Q=0.95", true },
		{ "application/openmetrics-text;q=0", false },
		{ "application/openmetrics-text;q=0.0", false },
		{ "application/openmetrics-text;q=0.001", true },
		{ "application/openmetrics-text;q=1.001", false },
		{ "application/openmetrics-text;q=nan", false },
		{ "application/openmetrics-text;q=", false },
		{ "application/openmetrics-text;q=-1", false },
		{ ",,;;=,application/openmetrics-text,;", true },
		{ "application/openmetrics-textile", false },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (accept__openmetrics(cases[i].accept) != cases[i].openmetrics)
			fail_msg("%s", cases[i].accept);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_accept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
