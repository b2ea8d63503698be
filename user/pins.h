/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger that needs no running process: its programs and maps in bpffs, for
 * root alone. All of it appears and vanishes at once, by a rename.
 * Layer: above tracer.
 */
#ifndef TWSNOOP_PINS_H
#define TWSNOOP_PINS_H

#include "../bpf/event.h"
#include "tracer.h"

#define PINS_BPFFS "/sys/fs/bpf" /* where bpffs is mounted by default */

enum pins_state {
	PINS_NONE = 0,
	PINS_ATTACHED,
	PINS_OTHER,   /* attached by a twsnoop of another layout: only meta is known */
	PINS_PARTIAL, /* an attach or detach was interrupted: detach cleans up */
};

struct pins_status {
	enum pins_state state;
	struct tws_meta meta;	 /* with PINS_ATTACHED; with PINS_OTHER what is readable */
	struct tws_counters counters;
	uint64_t recursion;
	uint64_t written;	/* records so far */
	uint64_t overwritten;	/* of these, before their minute was over: see event.h */
	uint64_t memory_bytes;	/* of the maps */
};

/*
 * pins__status() - what is attached below @bpffs. Returns 0, -ENOENT (no bpffs is
 * mounted there), -EACCES, -EPERM, or another negative errno.
 */
int pins__status(const char *bpffs, struct pins_status *status);

/*
 * pins__attach() - pins @tracer, loaded and unattached with opts.ledger, below
 * @bpffs, and attaches it. Once it returns 0 the tracer may be freed. -EEXIST:
 * there is one already; -ENOENT: no bpffs there; -ENOSPC, …: nothing is left.
 */
int pins__attach(const char *bpffs, struct tracer *tracer);

/* pins__detach() - removes all of it, of whatever layout, and what an interrupted
 * attach or detach has left. Returns 0, -ENOENT: nothing was there, or another
 * negative errno. */
int pins__detach(const char *bpffs);

#endif
