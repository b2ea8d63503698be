/* SPDX-License-Identifier: GPL-2.0 */
/* How many connections the kernel side's table of open ones has room for. */
#ifndef TWSNOOP_CONNECTIONS_H
#define TWSNOOP_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS_DEFAULT (1U << 18) /* at the least */
#define CONNECTIONS_MAX (1U << 22)

/* connections__default() - for this host. @has_hash: the table is a hash map (before 5.12). */
size_t connections__default(bool has_hash);

/* connections__round_up() - a power of two, as large as such a table may be at the most. */
uint32_t connections__round_up(size_t wanted);

#endif
