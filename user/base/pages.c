// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "base/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What fills half of one gets a huge page. */
static bool is_large(size_t bytes)
{
	return bytes >= PAGES_HUGE / 2;
}

/* A huge page has to be whole. */
static size_t round_up(size_t bytes)
{
	return (bytes + PAGES_HUGE - 1) & ~(PAGES_HUGE - 1);
}

static void *map(size_t bytes)
{
	size_t whole = round_up(bytes), before;
	unsigned char *at;

	if (bytes > SIZE_MAX - 2 * PAGES_HUGE)
		return NULL;
	at = mmap(NULL, whole + PAGES_HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)at & (PAGES_HUGE - 1);
	if (before)
		munmap(at, before);
	munmap(at + before + whole, PAGES_HUGE - before);
	madvise(at + before, whole, MADV_HUGEPAGE); /* a kernel that has none goes on without */
	return at + before;
}

void *pages__new(size_t bytes)
{
	return is_large(bytes) ? map(bytes) : calloc(1, bytes);
}

void pages__free(void *at, size_t bytes)
{
	if (at && is_large(bytes))
		munmap(at, round_up(bytes));
	else
		free(at);
}

void *pages__grow(void *at, size_t from, size_t to)
{
	void *more = pages__new(to);

	if (!more || !at)
		return more;
	if (is_large(from)) { /* moved, not copied: there is never twice as much */
		if (mremap(at, round_up(from), round_up(from), MREMAP_MAYMOVE | MREMAP_FIXED, more) == more)
			return more;
		pages__free(more, to);
		return NULL;
	}
	memcpy(more, at, from);
	pages__free(at, from);
	return more;
}
