/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sorting by a number's digits, the lowest first: in a time that grows as the numbers' spread has
 * digits, not with a comparison for each. Moments that lie within a minute have three or four.
 */
#ifndef TWSNOOP_DIGITS_H
#define TWSNOOP_DIGITS_H

#include <stddef.h>
#include <stdint.h>

struct digits_item {
	uint64_t number;
	uint32_t place; /* the caller's, as the mark is: of what has the number */
	uint32_t mark;
};

/*
 * digits__sort() - the @num *@items by their numbers; those with the same one stay in the order
 * in which they are. *@spare has room for as many; the two may have changed places then.
 */
void digits__sort(struct digits_item **items, struct digits_item **spare, size_t num);

#endif
