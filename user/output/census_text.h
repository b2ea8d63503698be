/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A census as a table: the host first, then each network namespace.
 */
#ifndef TWSNOOP_CENSUS_TEXT_H
#define TWSNOOP_CENSUS_TEXT_H

#include "inventory/census.h"
#include "inventory/group.h"
#include "output/list_text.h"

/* census_text__write() - text leaves out the states that nothing is in. Returns as
 * tabular__write(). */
int census_text__write(const struct census *census, const struct list_style *style, int fd);

/* census_text__groups() - the same of the groups that group__count() made by @keys. */
int census_text__groups(const struct group_context *ctx, const struct list_style *style,
			const struct group_keys *keys, const struct group *groups, size_t num,
			int fd);

#endif
