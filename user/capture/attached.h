/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The second kind of source: a recorder that `twsnoop attach` has pinned. It loads nothing, and
 * costs the connections nothing: its cursors, counts and filters are its reader's own.
 */
#ifndef TWSNOOP_ATTACHED_H
#define TWSNOOP_ATTACHED_H

#include <stdint.h>

#include "bpf/event.h"
#include "capture/pinned.h"
#include "capture/source.h"
#include "host/kernel.h"

struct attached;

/*
 * attached__open() - the recorder below @bpffs. Returns 0 and *@attachedp, to be freed by
 * attached__free(), as pinned__open() does, or -ENOMEM.
 */
int attached__open(struct attached **attachedp, const char *bpffs, char why[PINNED_WHY_BYTES]);
void attached__free(struct attached *attached); /* NULL is allowed */

/* What it is, as it said when it was opened. */
const struct tws_meta *attached__meta(const struct attached *attached);

/* attached__describe() - what @kernel, of which the files were read, has of programs and types:
 * nothing is loaded to find it out, because whoever attached the recorder did. */
void attached__describe(const struct attached *attached, struct kernel *kernel);

/* It gives the whole of what the rings hold, then what comes; its reader leaves out what it did
 * not ask for. It lives as long as @attached. */
struct source *attached__source(struct attached *attached);

/* attached__skipped() - how many calls of the programs the kernel skipped since it was attached,
 * and connections that found no room: an upper bound of what the rings lack. */
uint64_t attached__skipped(const struct attached *attached);

#endif
