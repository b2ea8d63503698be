// SPDX-License-Identifier: GPL-2.0
/* Any list of ports, as the kernel's ip_local_reserved_ports: against a slow reader. */
#include "fuzz.h"

#include <stdbool.h>

#include "host/netlimits.h"

/* One number at *@p, up to 65535 and not behind @end; false: there is none. */
static bool number(const char **p, const char *end, unsigned long *value)
{
	const char *start = *p;

	*value = 0;
	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		*value = *value * 10 + (unsigned long)(**p - '0');
		if (*value > 65535)
			return false;
	}
	return *p > start;
}

static bool slow(struct port_set *set, const char *p, size_t len)
{
	const char *end = p + len;

	while (end > p && (end[-1] == '\n' || end[-1] == '\0'))
		end--;
	while (p < end) {
		unsigned long first, last;

		if (!number(&p, end, &first))
			return false;
		last = first;
		if (p < end && *p == '-') {
			p++;
			if (!number(&p, end, &last) || last < first)
				return false;
		}
		if (p < end && *p++ != ',')
			return false;
		for (unsigned long port = first; port <= last; port++)
			set->bits[port / 64] |= 1ULL << (port % 64);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct port_set got, want;
	char *copy = fuzz__copy(data, size);
	bool good;

	memset(&got, 0, sizeof(got));
	memset(&want, 0, sizeof(want));
	good = slow(&want, copy, size);
	CHECK(good == (netlimits__parse_ports(&got, copy, size) == 0));
	CHECK(!good || !memcmp(&got, &want, sizeof(got)));
	free(copy);
	return 0;
}
