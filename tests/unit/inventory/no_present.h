/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In place of what the kernel tells of now, for what is of the past: nothing is asked. Included once,
 * by the test itself.
 */
#ifndef TWSNOOP_TESTS_NO_PRESENT_H
#define TWSNOOP_TESTS_NO_PRESENT_H

#include <stdlib.h>

#include "capture/ledger.h"
#include "sockets/bindhash.h"

int bindhash__read(struct binds *binds)
{
	(void)binds;
	abort();
}

int ledger__open(struct ledger **ledgerp, uint32_t hierarchy, unsigned int *flags)
{
	(void)ledgerp, (void)hierarchy, (void)flags;
	abort();
}

void ledger__free(struct ledger *ledger)
{
	if (ledger)
		abort();
}

bool ledger__find(const struct ledger *ledger, const struct tws_key *key, uint64_t cookie,
		  uint64_t since_ns, struct tws_event *event)
{
	(void)ledger, (void)key, (void)cookie, (void)since_ns, (void)event;
	abort();
}

const char *ledger__arguments(struct ledger *ledger, const struct tws_event *ev, size_t *len)
{
	(void)ledger, (void)ev, (void)len;
	abort();
}

bool ledger__cgroup(const struct ledger *ledger, uint64_t id, struct tws_cgroup *cgroup)
{
	(void)ledger, (void)id, (void)cgroup;
	abort();
}

#endif
