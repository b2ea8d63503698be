// SPDX-License-Identifier: GPL-2.0
#include "base/digits.h"

#include <stdbool.h>

#define DIGIT_BITS 11 /* 2,048 counters: half of a CPU's nearest cache */
#define DIGITS (1U << DIGIT_BITS)

static bool is_sorted(const struct digits_item *items, size_t num)
{
	for (size_t i = 1; i < num; i++)
		if (items[i - 1].number > items[i].number)
			return false;
	return true;
}

static unsigned int digit_of(const struct digits_item *item, uint64_t base, unsigned int shift)
{
	return (unsigned int)((item->number - base) >> shift) & (DIGITS - 1);
}

static void sort_by_digit(const struct digits_item *from, struct digits_item *to, size_t num,
			  uint64_t base, unsigned int shift)
{
	size_t place[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < num; i++)
		place[digit_of(&from[i], base, shift)]++;
	for (unsigned int digit = 0; digit < DIGITS; digit++) {
		size_t count = place[digit];

		place[digit] = sum;
		sum += count;
	}
	for (size_t i = 0; i < num; i++)
		to[place[digit_of(&from[i], base, shift)]++] = from[i];
}

void digits__sort(struct digits_item **items, struct digits_item **spare, size_t num)
{
	uint64_t min = UINT64_MAX, max = 0;

	if (is_sorted(*items, num))
		return;
	for (size_t i = 0; i < num; i++) {
		uint64_t number = (*items)[i].number;

		min = number < min ? number : min;
		max = number > max ? number : max;
	}
	for (unsigned int shift = 0; shift < 64 && (max - min) >> shift; shift += DIGIT_BITS) {
		struct digits_item *sorted = *spare;

		sort_by_digit(*items, sorted, num, min, shift);
		*spare = *items;
		*items = sorted;
	}
}
