// SPDX-License-Identifier: GPL-2.0
/* Any string as a moment, in a zone with summer time and in UTC: refused without a trace, or a
 * moment that is written the same way again. */
#include "fuzz.h"

#include <errno.h>

#include "base/when.h"

#define UNTOUCHED 0xdeadbeefULL
#define NOW_NS 1764385920000000000ULL /* 2025-11-29 03:12:00 UTC */
#define LAST_NS 253402300800000000000.0L

static void check(const char *s, enum when_edge edge, const struct when_zone *zone)
{
	uint64_t ns = UNTOUCHED, again = UNTOUCHED;
	const char *why = NULL, *end;
	char text[WHEN_BYTES], day[20];
	int rc = when__parse(s, edge, NOW_NS, NOW_NS - 3600000000000ULL, zone, &ns, &why);

	if (rc) {
		CHECK((rc == -EINVAL || rc == -ERANGE) && ns == UNTOUCHED && why && why[0]);
		return;
	}
	CHECK((long double)ns <= LAST_NS);
	when__format(text, ns, zone);
	end = strrchr(text, ' ');
	CHECK(end && end - text == 19);
	memcpy(day, text, 19);
	day[19] = '\0';
	/* Of an hour that clocks show twice it may be the other one. */
	CHECK(!when__parse(day, edge, NOW_NS, 0, zone, &again, &why));
	CHECK(again == ns / 1000000000 * 1000000000 || zone == &when_local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz__string(data, size);

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	for (int edge = WHEN_SINCE; edge <= WHEN_UNTIL; edge++) {
		check(s, edge, &when_utc);
		check(s, edge, &when_local);
	}
	free(s);
	return 0;
}
