// SPDX-License-Identifier: GPL-2.0
#include "recording/clock_watch.h"

#include "base/clock.h"

struct clock_moment clock_moment__now(void)
{
	struct clock_moment now = { .monotonic_ns = clock__now_ns(CLOCK_MONOTONIC) };

	/* Read again where this process was kept from running between the two. */
	now.wall_ns = now.monotonic_ns + (uint64_t)clock__wall_offset_ns();
	now.boot_ns = clock__now_ns(CLOCK_BOOTTIME);
	return now;
}

static int64_t difference(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b);
}

bool clock_watch__look(struct clock_watch *watch, const struct clock_moment *now,
		       struct clock_change *change)
{
	const struct clock_moment last = watch->last;
	bool is_first = !watch->has_last;
	int64_t slept_ns, step_ns;

	watch->last = *now;
	watch->has_last = true;
	*change = (struct clock_change){ 0 };
	if (is_first)
		return false;
	/* CLOCK_BOOTTIME goes on while the machine sleeps, as the wall clock does. */
	slept_ns = difference(now->boot_ns, last.boot_ns) -
		   difference(now->monotonic_ns, last.monotonic_ns);
	if (slept_ns < CLOCK_WATCH_STEP_NS)
		slept_ns = 0;
	step_ns = difference(now->wall_ns, last.wall_ns) -
		  difference(now->monotonic_ns, last.monotonic_ns) - slept_ns;
	if (slept_ns) {
		change->suspended_since_ns = last.wall_ns;
		change->suspended_until_ns = last.wall_ns + (uint64_t)slept_ns;
	}
	if (step_ns >= CLOCK_WATCH_STEP_NS || step_ns <= -CLOCK_WATCH_STEP_NS) {
		change->put_from_ns = now->wall_ns - (uint64_t)step_ns;
		change->put_to_ns = now->wall_ns;
	}
	return slept_ns || change->put_to_ns;
}
