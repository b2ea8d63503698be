/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The objects of a recorder that is pinned in a bpffs, opened and held against what this
 * twsnoop would have made: nothing else is mapped or read.
 */
#ifndef TWSNOOP_PINNED_H
#define TWSNOOP_PINNED_H

#include <stddef.h>

#include "bpf/event.h"

enum pinned_map {
	PINNED_META,
	PINNED_STATS,
	PINNED_HEADS,
	PINNED_CPUS,
	PINNED_EVENTS,
	PINNED_ENDS,
	PINNED_CGROUPS,
	PINNED_PROCS,
	PINNED_PATHS,
	PINNED_MAPS,
};

#define PINNED_PROGRAMS 11

struct pinned {
	int folder; /* bpffs/twsnoop */
	int maps[PINNED_MAPS];
	int programs[PINNED_PROGRAMS]; /* the attached ones, as far as they may be looked at */
	unsigned int is_state[PINNED_PROGRAMS]; /* as tracer__is_of_state() */
	size_t num_programs;
	struct tws_meta meta;
};

#define PINNED_WHY_BYTES 160

/*
 * pinned__open() - the recorder below @bpffs. Returns 0 and *@pinned, to be closed by
 * pinned__close(), or a negative errno: -ENOENT: none is attached, -ENODEV: no bpffs is there,
 * -EACCES or -EPERM: the caller may not look, -EKEYREJECTED: it is not root's alone, -EPROTO: it
 * is not one that can be read, -ESHUTDOWN: it is being detached. But for the first two @why says
 * in words what is wrong.
 */
int pinned__open(struct pinned *pinned, const char *bpffs, char why[PINNED_WHY_BYTES]);
void pinned__close(struct pinned *pinned);

/* pinned__let_go() - of the programs, which are unloaded then; what is left can be read. */
void pinned__let_go(struct pinned *pinned);

/* Reads the meta data anew. Returns 0 or a negative errno. */
int pinned__read_meta(const struct pinned *pinned, struct tws_meta *meta);

#endif
