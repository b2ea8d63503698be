/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzers share: a check that does not vanish, and exact copies. */
#ifndef TWSNOOP_TESTS_FUZZ_H
#define TWSNOOP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                          \
	do {                                                                      \
		if (!(condition)) {                                               \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                  \
		}                                                                 \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* On the heap and of the exact size, so that ASan sees a step past its end. */
static inline char *fuzz__copy(const void *data, size_t size)
{
	char *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The same as a C string: it ends at the first NUL of the input, if there is one. */
static inline char *fuzz__string(const void *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

#endif
