/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rows to bytes and back: a block is a header, columns (each row's value beside the next
 * row's, as differences and places in small tables of the block) and a checksum, compressed by
 * zstd. Pure: it knows no file. A block is read without any other, but for the ids of who and
 * command; damaged or hostile bytes give -EBADMSG, and nothing of them is used.
 */
#ifndef TWSNOOP_BLOCK_H
#define TWSNOOP_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "store/held.h"

#define BLOCK_ROWS 65536 /* at most */
#define BLOCK_BYTES_MAX (32U << 20) /* once it is no longer compressed: more is refused */
#define BLOCK_NAME_MAX 255 /* bytes of a netns_name or an interface */

/*
 * Rows on their way into a block. It takes up to 20 MB for usual ones, and never more than
 * 60 MB: rows that have little in common fill it before there are BLOCK_ROWS of them. What it
 * has taken it keeps. One thread uses it.
 */
struct block_builder;

/* block_builder__new() - returns 0 or -ENOMEM. */
int block_builder__new(struct block_builder **builderp);
void block_builder__free(struct block_builder *builder); /* NULL is allowed */

/*
 * block_builder__add() - copies @row, in about 0.1 us. Returns 0 or, and then it is as before:
 * -ENOSPC: it is full, by BLOCK_ROWS or because they are too different; an empty one never is.
 * -EINVAL: no block may have it. The event is none of the outcomes that are printed,
 * decode__event() would refuse it, or a name is longer than BLOCK_NAME_MAX.
 * -ENOMEM.
 */
int block_builder__add(struct block_builder *builder, const struct held_row *row);

/* block_builder__count() - rows that were added. */
uint32_t block_builder__count(const struct block_builder *builder);

/*
 * block_builder__encode() - the rows from @from on (by their place in the builder), as a block
 * of their own, which lives until the next call with this builder. The rows stay: of the
 * rows of a minute first the new ones are written each second, and then all as one. About
 * 0.15 us a row. @level is zstd's: 1 is nearly as good as any, as what is left by then are
 * mostly times that nobody could guess. Returns 0 and *@data, *@size, or -ENOMEM.
 */
int block_builder__encode(struct block_builder *builder, uint32_t from, int level,
			  const uint8_t **data, size_t *size);

/* block_builder__clear() - no rows; keeps its memory. */
void block_builder__clear(struct block_builder *builder);

struct block;

/*
 * block__decode() - checks all of it. Returns 0 and *@blockp, to be freed, -EBADMSG (damaged),
 * -ENOTSUP (of a later format), or -ENOMEM. @data need not live on. It takes 64 bytes a row and
 * what its tables have, three times that while it works, and never more than 80 MB.
 */
int block__decode(struct block **blockp, const uint8_t *data, size_t size);
void block__free(struct block *block); /* NULL is allowed */

/* block__is_whole() - whether its sum is right, and it says that it has so many rows: a look that costs
 * next to nothing, after which only a block that was made to deceive cannot be decoded. */
bool block__is_whole(const uint8_t *data, size_t size, uint32_t rows);

/* block__count() - rows that are in it. */
uint32_t block__count(const struct block *block);

/* block__row() - fills @row; its strings live as long as the block. @index is below the count. */
void block__row(const struct block *block, uint32_t index, struct held_row *row);

#endif
