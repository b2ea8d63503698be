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

uint64_t key__hash(const struct tws_key *key)
{
	uint64_t words[6], hash = 0xcbf29ce484222325ULL;

	_Static_assert(sizeof(words) == sizeof(*key), "whole words, no padding");
	memcpy(words, key, sizeof(words));
	for (int i = 0; i < 6; i++) {
		hash ^= words[i];
		hash *= 0x100000001b3ULL;
		hash ^= hash >> 29;
	}
	return hash;
}
