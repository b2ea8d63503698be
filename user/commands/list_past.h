/* SPDX-License-Identifier: GPL-2.0 */
/*
 * twsnoop list --from: what a recording says that there was at a moment, in list's own forms.
 */
#ifndef TWSNOOP_LIST_PAST_H
#define TWSNOOP_LIST_PAST_H

#include <stdbool.h>

#include "commands/filter_words.h"
#include "commands/options.h"
#include "commands/past.h"
#include "inventory/group.h"
#include "output/list_text.h"

/* As list's own options have it. */
struct list_past_options {
	const struct past_options *past;
	bool utc;
	const struct filter_options *filters;
	const struct list_style *style;
	bool states, ports, reverse;
	const struct group_keys *sort, *by;
};

/* list_past__print() - all of it. Returns the exit status. */
int list_past__print(const struct list_past_options *opts, const struct command_spec *spec);

#endif
