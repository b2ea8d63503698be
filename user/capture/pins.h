/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger that needs no running process: its programs and maps in bpffs, for
 * root alone. All of it appears and vanishes at once, by a rename of its folder:
 * "twsnoop-new" is one that is being filled, "twsnoop-old" one that is being
 * emptied. Whoever fills one holds a lock on it.
 */
#ifndef TWSNOOP_PINS_H
#define TWSNOOP_PINS_H

#include <stdint.h>

#include "bpf/event.h"
#include "capture/ledger.h"
#include "capture/tracer.h"

#define PINS_BPFFS LEDGER_BPFFS

enum pins_state {
	PINS_NONE = 0,
	PINS_ATTACHED,
	PINS_OTHER,   /* attached by a twsnoop of another layout: only meta is known */
	PINS_PARTIAL, /* an attach or detach was interrupted: detach cleans up */
	PINS_BUSY,    /* an attach is at work */
	PINS_FOREIGN, /* there is something that is not root's alone: never touched */
};

struct pins_status {
	enum pins_state state;
	struct tws_meta meta;	 /* with PINS_ATTACHED; with PINS_OTHER what is readable */
	struct tws_counters counters;
	uint64_t recursion;	/* of all programs but the two of tracer__is_of_state() */
	uint64_t state_recursion; /* of these: see kernel__skips_matter() */
	uint64_t written;	/* records so far; before Linux 5.12 not known: 0 */
	uint64_t oldest_ns;	/* CLOCK_MONOTONIC: how far back the records reach, if older
				 * ones were written over; else 0 */
	/* Records that were written in the newest @window_ns before now: ten seconds, or as long
	 * as it is attached, or reaches back. */
	uint64_t recent, window_ns;
	uint64_t memory_bytes;	/* of the maps */
};

/*
 * In all of these @bpffs is where a bpffs is mounted; -ENODEV: there is none.
 * -EACCES, -EPERM: the caller may not look there.
 *
 * pins__status() - what is attached there. Returns 0 or a negative errno. Without
 * CAP_SYS_ADMIN both recursions are 0 and memory_bytes that of the pinned maps alone.
 */
int pins__status(const char *bpffs, struct pins_status *status);

/* pins__since() - when it was attached, in the local time zone. Returns @to. */
#define PINS_SINCE_BYTES 32
const char *pins__since(const struct tws_meta *meta, char to[PINS_SINCE_BYTES]);

/*
 * pins__attach() - attaches @tracer, loaded with opts.attached, and pins it. What an
 * interrupted attach or detach has left is removed before. Once it returns 0 the
 * tracer may be freed. After an error nothing is left: -EEXIST: there is one
 * already; -EBUSY: another attach is at work; -EKEYREJECTED: see PINS_FOREIGN;
 * -EPERM: the caller is not root; -ENOSPC, …
 */
int pins__attach(const char *bpffs, struct tracer *tracer);

/*
 * pins__detach() - removes all of it, of whatever layout, and what an interrupted
 * attach or detach has left. Returns 0, or -ENOENT: nothing was there, -EBUSY and
 * -EKEYREJECTED as above, or another negative errno.
 */
int pins__detach(const char *bpffs);

#endif
