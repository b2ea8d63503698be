/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the keys of `twsnoop top` do: from bytes that a terminal sends to what is shown. Pure.
 */
#ifndef TWSNOOP_TOP_KEYS_H
#define TWSNOOP_TOP_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "output/top_frame.h"
#include "output/top_layout.h"

/* What is to be done; of several the greatest. */
enum top_action {
	TOP_NOTHING,
	TOP_REDRAW,  /* the same frame */
	TOP_REORDER, /* the frame anew: other rows, or in another order */
	TOP_REGROUP, /* and of another view */
	TOP_LATER, TOP_EARLIER, /* of a recording: another moment */
	TOP_QUIT,
};

struct top_keys {
	size_t num_views;
	size_t view; /* that is wanted: '1' is number 0, and '0' the last one */
	bool has_recording; /* there is something to step through */
};

/*
 * top_keys__read() - the @len @bytes that came. A sequence of bytes that one key makes must come
 * in one piece; what is not known is passed over.
 */
enum top_action top_keys__read(struct top_keys *keys, struct top_view *view,
			       const struct top_frame *frame, const char *bytes, size_t len);

#endif
