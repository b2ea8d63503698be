/* SPDX-License-Identifier: GPL-2.0 */
/* Arrays of evidence that grow by one element at a time; each has its number beside it. */
#ifndef TWSNOOP_DIAGNOSIS_APPEND_H
#define TWSNOOP_DIAGNOSIS_APPEND_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* One more element of @size bytes, zeroed, or NULL. */
static inline void *append(void **array, size_t *num, size_t size)
{
	char *more = *array;

	if (!(*num & (*num + 1)) || !*num) { /* at 0, 1, 3, 7, … it is full */
		more = realloc(*array, (2 * *num + 1) * size);
		if (!more)
			return NULL;
		*array = more;
	}
	memset(more + *num * size, 0, size);
	return more + (*num)++ * size;
}

#define APPEND(array, num) append((void **)&(array), &(num), sizeof(*(array)))

#endif
