// SPDX-License-Identifier: GPL-2.0
#include "tally/remotes.h"

#include <string.h>

struct port_set_key remotes__key(const struct tws_event *ev)
{
	struct port_set_key key = { .family = ev->family };

	memcpy(key.peer_addr, ev->peer_addr, sizeof(key.peer_addr));
	if (ev->conn.side != TWS_SIDE_CLIENT)
		return key;
	memcpy(key.local_addr, ev->local_addr, sizeof(key.local_addr));
	key.netns = ev->netns;
	key.peer_port = ev->peer_port;
	return key;
}

void remotes__add(struct remotes *remotes, const struct port_set_key *key, uint64_t hash,
		  uint64_t num)
{
	struct remote *least = remotes->kept;

	for (uint32_t i = 0; i < remotes->num; i++) {
		struct remote *r = &remotes->kept[i];

		if (r->hash == hash) {
			r->count += num;
			return;
		}
		if (r->count < least->count)
			least = r;
	}
	if (remotes->num < REMOTES_KEPT) {
		least = &remotes->kept[remotes->num++];
		*least = (struct remote){ 0 };
	}
	least->key = *key;
	least->hash = hash;
	least->error = least->count;
	least->count += num;
}

size_t remotes__order(const struct remotes *remotes, uint8_t order[REMOTES_KEPT])
{
	size_t num = remotes->num < REMOTES_KEPT ? remotes->num : REMOTES_KEPT;

	for (size_t i = 0; i < num; i++) {
		size_t at = i;

		for (; at && remotes->kept[order[at - 1]].count < remotes->kept[i].count; at--)
			order[at] = order[at - 1];
		order[at] = (uint8_t)i;
	}
	return num;
}
