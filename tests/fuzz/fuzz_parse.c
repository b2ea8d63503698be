// SPDX-License-Identifier: GPL-2.0
/* Any string as a number, against the C library's readers behind a strict gate. */
#include "fuzz.h"

#include <errno.h>
#include <math.h>

#include "base/parse.h"

#define UNTOUCHED 0xdeadbeefULL

static void check_u64(const char *s)
{
	uint64_t value = UNTOUCHED, want;
	size_t digits = strspn(s, "0123456789");
	int rc = parse__u64(s, 5, UINT64_MAX - 5, &value);

	if (!digits || s[digits]) {
		CHECK(rc == -EINVAL && value == UNTOUCHED);
		return;
	}
	errno = 0;
	want = strtoull(s, NULL, 10);
	if (errno || want < 5 || want > UINT64_MAX - 5)
		CHECK(rc == -ERANGE && value == UNTOUCHED);
	else
		CHECK(rc == 0 && value == want);
}

static void check_duration(const char *s)
{
	static const struct {
		const char *name;
		long double ns;
	} units[] = {
		{ "", 1e9L }, { "s", 1e9L }, { "ms", 1e6L }, { "m", 60e9L }, { "h", 3600e9L },
		{ "d", 86400e9L },
	};
	uint64_t ns = UNTOUCHED;
	int rc = parse__duration(s, &ns);
	long double want;
	char *end;

	if (rc) {
		CHECK((rc == -EINVAL || rc == -ERANGE) && ns == UNTOUCHED);
		return;
	}
	CHECK(strspn(s, "0123456789") > 0 && ns <= INT64_MAX);
	want = strtold(s, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		want *= units[i].ns;
		/* cut off below a nanosecond; long double has 64 bits */
		CHECK(fabsl((long double)ns - want) <= 1.5L + want * 1e-18L);
		return;
	}
	CHECK(!"a unit that parse__duration() takes and this test does not know");
}

static void check_size(const char *s)
{
	static const char units[] = "KkMmGgTt";
	size_t digits = strspn(s, "0123456789");
	uint64_t bytes = UNTOUCHED;
	int rc = parse__size(s, &bytes);
	const char *unit;
	long double want;

	if (rc) {
		CHECK((rc == -EINVAL || rc == -ERANGE) && bytes == UNTOUCHED);
		return;
	}
	CHECK(digits > 0);
	want = strtold(s, NULL);
	if (s[digits]) {
		unit = strchr(units, s[digits]);
		CHECK(unit && !s[digits + 1]);
		want *= powl(1024, (long double)((unit - units) / 2 + 1));
	}
	CHECK((long double)bytes == want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz__string(data, size), *bytes = fuzz__copy(data, size);
	uint64_t value;

	check_u64(s);
	parse__u64_n(bytes, size, 0, UINT64_MAX, &value);
	check_duration(s);
	if (!strpbrk(s, ".xXeEpP"))
		check_size(s);
	free(bytes);
	free(s);
	return 0;
}
