// SPDX-License-Identifier: GPL-2.0
#include "events/asked.h"

#include <string.h>

#include "model/filter.h"

bool asked__for(const struct stream_options *opts, const struct tws_event *ev, bool owner_unknown)
{
	struct tws_event copy;

	if (ev->time_ns < opts->since_ns || (opts->until_ns && ev->time_ns > opts->until_ns))
		return false;
	if (opts->events->is_filtered)
		return true;
	if (!opts->all && ev->action != TWS_TIME_WAIT)
		return false;
	if (!owner_unknown)
		return filter__match(&opts->filter, ev);
	copy = *ev;
	memset(&copy.conn, 0, sizeof(copy.conn));
	return filter__match(&opts->filter, &copy);
}

bool asked__is_others(const struct stream_options *opts, const struct tws_event *ev)
{
	struct tws_filter of_socket = filter__of_socket(&opts->filter);

	if (opts->events->is_filtered)
		return false;
	return ev->conn.flags & TWS_F_CLOSER || !filter__match(&of_socket, ev);
}
