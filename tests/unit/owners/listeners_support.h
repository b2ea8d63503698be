/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the table of listeners share: sockets that are made up, and who is said to listen. */
#ifndef TWSNOOP_TESTS_LISTENERS_SUPPORT_H
#define TWSNOOP_TESTS_LISTENERS_SUPPORT_H

#include "tests/unit/unit.h"

#include "owners/listeners.h"

#define MS 1000000ULL

extern const uint8_t any[16], ten[16], six[16]; /* 0.0.0.0 and ::, 10.0.0.1, fd00::1 */

/* One of a process called "srv", in namespace 1, without a cookie. */
struct listener socket_at(uint8_t family, const uint8_t *addr, uint16_t port, uint32_t tgid);
void add(struct listeners *table, struct listener socket);

/* With room for so many; to be freed. */
struct listeners *new_table(size_t entries);

/* Who is said to have listened there for a connection that was opened at @opened_ns (owner_at(): nobody knows
 * when); it has to be @tgid, 0: nobody is named. */
struct listeners_place place_at(uint32_t netns, uint8_t family, const uint8_t *addr, uint16_t port,
				uint64_t opened_ns);
enum listeners_owner owner_then(const struct listeners *table, uint32_t netns, uint8_t family,
				const uint8_t *addr, uint16_t port, uint64_t opened_ns, uint32_t tgid);
enum listeners_owner owner_at(const struct listeners *table, uint32_t netns, uint8_t family,
			      const uint8_t *addr, uint16_t port, uint32_t tgid);

#endif
