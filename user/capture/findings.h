/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this kernel and these privileges allow: which way a trace will take, what is lost by that,
 * and the ledger that is attached. The real programs are loaded for it, as for a trace, but
 * attached to nothing. Prints nothing.
 */
#ifndef TWSNOOP_FINDINGS_H
#define TWSNOOP_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "capture/pins.h"
#include "host/kernel.h"

#define FINDINGS_MAX_LOSSES 16

/* One thing that is lost, why, and what to do. All constant strings. */
struct findings_loss {
	const char *what;
	const char *because;
	const char *remedy;
};

struct findings {
	struct kernel kernel;
	struct feature programs; /* the real ones, loaded */
	struct feature iterator; /* of sockets: sockiter.h */
	struct feature calls;	 /* tracepoints of connect() and bind(): calls.h */
	int calls_error;
	const char *sockets;	 /* which way they are read: sock_diag, iterator or none */
	const char *why_not;	 /* NULL: tracing is possible */
	struct findings_loss losses[FINDINGS_MAX_LOSSES];
	size_t num_losses;
	const char *bpffs;
	struct pins_status ledger;
	int ledger_error; /* negative errno: why nothing is known of it */
};

/* What of struct kernel is worth telling. */
struct findings_feature {
	const char *key; /* in JSON */
	const char *title;
	size_t offset; /* in struct kernel */
	const char *purpose;
	struct findings_loss loss; /* without it; none where tracing is then impossible */
};

extern const struct findings_feature findings_features[];
extern const size_t findings_num_features;

struct findings_cap {
	int cap; /* CAP_* of linux/capability.h */
	const char *name;
	bool required;
	const char *purpose;
	struct findings_loss loss;
};

extern const struct findings_cap findings_caps[];
extern const size_t findings_num_caps;

/* findings__take() - all of it. @bpffs is where the ledger is looked for, and must outlive it. */
void findings__take(struct findings *f, const char *bpffs);

/* findings__feature() - that of @row, a part of @f. */
const struct feature *findings__feature(const struct findings *f,
					const struct findings_feature *row);

/* Whether the caller has it: CAP_SYS_ADMIN includes the two that are required. */
bool findings__hold(const struct findings *f, const struct findings_cap *row);

/* Whether a ledger is attached: of our layout, whose counters are known, or of another one. */
bool findings__has_ledger(const struct findings *f);
bool findings__has_other_ledger(const struct findings *f);

/* Whether the kernel's own table of sockets can be read in some way. */
bool findings__read_sockets(const struct findings *f);

/* Of which network namespaces what was missed is found again: none, own, named or all. */
const char *findings__healing(const struct findings *f);

#endif
