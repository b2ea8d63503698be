// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/owners/listeners_support.h"

#include <string.h>

const uint8_t any[16];
const uint8_t ten[16] = { 10, 0, 0, 1 };
const uint8_t six[16] = { 0xfd, [15] = 1 };

struct listener socket_at(uint8_t family, const uint8_t *addr, uint16_t port, uint32_t tgid)
{
	struct listener socket = { .netns = 1, .family = family, .port = port, .tgid = tgid };

	memcpy(socket.addr, addr, 16);
	memcpy(socket.comm, "srv", 4);
	return socket;
}

struct listeners *new_table(size_t entries)
{
	struct listeners *table;

	assert_int_equal(listeners__new(&table, entries), 0);
	return table;
}

struct listeners_place place_at(uint32_t netns, uint8_t family, const uint8_t *addr, uint16_t port,
				uint64_t opened_ns)
{
	struct listeners_place place = {
		.opened_ns = opened_ns,
		.netns = netns,
		.port = port,
		.family = family,
	};

	memcpy(place.addr, addr, 16);
	return place;
}

/* Of a connection that was opened at @opened_ns. */
enum listeners_owner owner_then(const struct listeners *table, uint32_t netns, uint8_t family,
				const uint8_t *addr, uint16_t port, uint64_t opened_ns,
				uint32_t tgid)
{
	struct listeners_place place = place_at(netns, family, addr, port, opened_ns);
	struct listeners_match match;
	bool found;

	memset(&match, 0xff, sizeof(match));
	found = listeners__lookup(table, &place, &match);
	assert_int_equal(found, match.owner != LISTENERS_NONE);
	assert_int_equal(match.tgid, tgid);
	if (!tgid)
		assert_string_equal(match.comm, "");
	return match.owner;
}

enum listeners_owner owner_at(const struct listeners *table, uint32_t netns, uint8_t family,
			      const uint8_t *addr, uint16_t port, uint32_t tgid)
{
	return owner_then(table, netns, family, addr, port, 0, tgid);
}

void add(struct listeners *table, struct listener socket)
{
	assert_int_equal(listeners__add(table, &socket), 0);
}
