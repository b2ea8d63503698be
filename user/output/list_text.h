/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's rows and groups as tables.
 */
#ifndef TWSNOOP_LIST_TEXT_H
#define TWSNOOP_LIST_TEXT_H

#include "inventory/group.h"
#include "inventory/list_records.h"
#include "output/tabular.h"

/* How all of a listing's tables look. */
struct list_style {
	enum sink_format format;
	bool color;
	unsigned int width; /* of the terminal, 0: none */
};

/*
 * list_text__rows() - the rows in @order, one for each of the listing, in any format;
 * @sources are asked for JSON and CSV only. Returns as tabular__write(), or as
 * sink__flush().
 */
int list_text__rows(const struct group_context *ctx, const struct list_style *style,
		    const struct list_records_sources *sources, const uint32_t *order, int fd);

/* list_text__groups() - the counts, in any format; text with their sum. */
int list_text__groups(const struct group_context *ctx, const struct list_style *style,
		      const struct group_keys *keys, const struct group *groups, size_t num,
		      int fd);

/* list_text__key_fields() - the fields that --by @keys shows, into @fields of FIELD_MAX.
 * Returns how many. */
size_t list_text__key_fields(const struct group_keys *keys, enum sink_format format,
			     const struct field **fields);

/* list_text__fill_netns() - how a namespace is named in the text of a listing: by its
 * name, without a path's beginning. */
void list_text__fill_netns(const struct listing *l, uint32_t inode, struct tabular_cell *cell);

#endif
