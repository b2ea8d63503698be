/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory for a table of millions. What malloc() gives for one comes in pages of 4 KiB, each with a fault when it
 * is first touched, and another one when realloc() has moved it: 22 and 16 us where a hypervisor shadows the
 * page tables, so that 100,000 rows cost more to store than to read. Here large tables stand in
 * huge pages, if the kernel has any (0.3 us for each 4 KiB, in the same place), and small ones as elsewhere.
 */
#ifndef TWSNOOP_PAGES_H
#define TWSNOOP_PAGES_H

#include <stddef.h>

#define PAGES_HUGE ((size_t)2 << 20) /* of x86_64, and of arm64 with pages of 4 KiB */

/* pages__new() - @bytes, all zero, for pages__free() with the same @bytes; NULL: there is no memory. */
void *pages__new(size_t bytes);
void pages__free(void *at, size_t bytes); /* NULL is allowed */

/* pages__grow() - moves the @from bytes at @at (NULL: there are none) to a place of @to bytes, which is more; the
 * rest of it is zero. NULL: there is no memory, and @at stays as it is. */
void *pages__grow(void *at, size_t from, size_t to);

#endif
