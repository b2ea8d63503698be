/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a report is made of: the calls of store/history.h that it needs, so that the story can be
 * told of a recording as well as of what a test has made up. Each span is asked for more than
 * once.
 */
#ifndef TWSNOOP_REPORT_INPUT_H
#define TWSNOOP_REPORT_INPUT_H

#include "store/history.h"

#define REPORT_EACH(name)                                                                          \
	int (*each_##name)(void *ctx, const struct history_span *span, history_##name##_fn fn,     \
			   void *fn_ctx)

/* Each as history__each_…() and the like: what they give lives as long as there. */
struct report_input {
	void *ctx;
	REPORT_EACH(run);
	REPORT_EACH(minute);
	REPORT_EACH(states);
	REPORT_EACH(limits);
	REPORT_EACH(ports);
	REPORT_EACH(counter);
	REPORT_EACH(account);
	REPORT_EACH(gap);
	REPORT_EACH(finding);
	const struct held_who *(*who)(void *ctx, uint32_t id);
	const struct held_flow *(*flow)(void *ctx, uint32_t id);
	struct history_span all, raw; /* of what there is; 0: nothing */
};

#undef REPORT_EACH

#endif
