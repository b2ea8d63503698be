// SPDX-License-Identifier: GPL-2.0
/* Any text as /proc/net/netstat: what is found in it stands in it. */
#include "fuzz.h"

#include <inttypes.h>
#include <stdio.h>

#include "recording/counters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct counters counters = { 0 };
	char *copy = fuzz__copy(data, size), digits[24];

	counters__parse(&counters, copy, size);
	for (size_t i = 0; i < counters__num; i++) {
		const char *name = strchr(counters__names[i], '.') + 1;

		CHECK(counters.known[i] || !counters.values[i]);
		if (!counters.known[i])
			continue;
		CHECK(memmem(copy, size, name, strlen(name)));
		/* Zeros may stand before it. */
		snprintf(digits, sizeof(digits), "%" PRIu64, counters.values[i]);
		CHECK(memmem(copy, size, digits, strlen(digits)));
	}
	free(copy);
	return 0;
}
