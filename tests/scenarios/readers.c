// SPDX-License-Identifier: GPL-2.0
/* Readers of one recorder: that begin in the midst, beside others, and that are too slow. */
#define _GNU_SOURCE
#include "recorder.h"
#include "scenarios.h"

static void read_late(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 4, .conns = 2000, .late = true };

	churn__run(st, twsnoop, &how);
}

static void read_late_all(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 4, .conns = 1000, .late = true, .all = true };

	churn__run(st, twsnoop, &how);
}

/* The other one, which is stopped, finds all in the ring afterwards. */
static void read_two(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 4, .conns = 1000, .second = true };

	churn__run(st, twsnoop, &how);
}

/* The ring comes round meanwhile: what the other one lacks is what it counts. */
static void read_lapped(struct stage *st, const char *twsnoop)
{
	const struct churn how = { .procs = 4, .conns = 6000, .second = true };

	if (recorder__attach_sized(twsnoop, "16384"))
		stage__fail(st, "no small recorder could be attached");
	churn__run(st, twsnoop, &how);
}

/* The last one leaves another recorder behind. */
const struct solo solo_readers[] = {
	{ "readers/late", read_late },
	{ "readers/late-all", read_late_all },
	{ "readers/two", read_two },
	{ "readers/lapped", read_lapped },
	{ NULL, NULL },
};
