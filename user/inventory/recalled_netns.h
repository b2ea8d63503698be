/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The network namespaces that there were at a recorded moment: names and settings, by samples and
 * by rows. Only for recalled*.c.
 */
#ifndef TWSNOOP_RECALLED_NETNS_H
#define TWSNOOP_RECALLED_NETNS_H

#include <stddef.h>
#include <stdint.h>

#include "inventory/listing.h"
#include "store/history.h"

struct recalled_netns {
	size_t num, room;
	struct recalled_netns_entry {
		uint32_t inode;
		char *name; /* NULL: not known */
		struct netlimits limits;
	} *entries; /* by inode */
};

/* recalled_netns__read() - those of the last sample of states before @at_ns, and their settings;
 * @netns is zeroed before, and to be freed in any case. Returns 0 or a negative errno. */
int recalled_netns__read(struct recalled_netns *netns, struct history *history, uint64_t at_ns);
void recalled_netns__free(struct recalled_netns *netns);

/* recalled_netns__add() - one that there was, too. @name: NULL: not known. */
int recalled_netns__add(struct recalled_netns *netns, uint32_t inode, const char *name);

/* recalled_netns__find() - NULL: there was none. */
const struct recalled_netns_entry *recalled_netns__find(const struct recalled_netns *netns,
							uint32_t inode);

/* recalled_netns__fin_timeout_ms() - 0: not known. */
uint64_t recalled_netns__fin_timeout_ms(const struct recalled_netns *netns, uint32_t inode);

/* recalled_netns__list() - as the namespaces of @l, which has none yet. */
int recalled_netns__list(const struct recalled_netns *netns, struct listing *l);

/*
 * recalled_netns__each_state() - calls @fn for each row of the last sample of states before @at_ns,
 * that of the whole host included. Returns 0 and *@taken_ns, -ENOENT (there is no sample), what @fn
 * returned, or another negative errno.
 */
int recalled_netns__each_state(struct history *history, uint64_t at_ns, history_states_fn fn,
			       void *ctx, uint64_t *taken_ns);

/* How far before a moment a sample may be: then the last one is @taken_ns. */
#define SAMPLE_LOOK_BACK_NS (3600ULL * 1000000000)
/* One sample is taken of one namespace after the other. */
#define SAMPLE_TAKES_NS (3ULL * 1000000000)

#endif
