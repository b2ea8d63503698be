// SPDX-License-Identifier: GPL-2.0
#include "model/key.h"

#include <string.h>

struct tws_key key__of_event(const struct tws_event *event)
{
	struct tws_key key = { .netns = event->netns, .ifindex = event->conn.ifindex,
			       .local_port = event->local_port,
			       .peer_port = event->peer_port };

	memcpy(key.local_addr, event->local_addr, sizeof(key.local_addr));
	memcpy(key.peer_addr, event->peer_addr, sizeof(key.peer_addr));
	return key;
}
