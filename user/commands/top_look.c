// SPDX-License-Identifier: GPL-2.0
#include "commands/top_look.h"

#include <string.h>

#include "base/clock.h"
#include "host/netlimits.h"
#include "model/filter.h"

#define NS_PER_S 1000000000ULL
/* One part in this of the CPU time goes into looks; the first is free. */
#define LOOK_SHARE 250
#define LOOK_MIN_NS (NS_PER_S * 9 / 10)
#define LOOK_MAX_NS (60 * NS_PER_S)
#define BATCH 1024 /* sockets: some ten of these in MEANWHILE_NS */
#define MEANWHILE_NS (20 * NS_PER_S / 1000)

struct looking {
	struct tally *tally;
	const struct top_look *look;
	uint64_t last_ns; /* when something else was done */
	uint32_t num;
	int err; /* of meanwhile() */
	const struct tws_filter *filter;
	const char *proc_root;
	uint32_t inode;
	struct netlimits limits;
	/* The kernel tells of listening sockets first: who accepts takes no port. */
	struct port_set listening;
};

static int begin_netns(void *ctx, const struct netns_entry *ns)
{
	struct looking *l = ctx;
	struct tally_netns netns = { .inode = ns->inode };

	if (!filter__passes_netns(l->filter, ns->inode))
		return 1;
	netlimits__free(&l->limits);
	memset(&l->limits, 0, sizeof(l->limits));
	memset(&l->listening, 0, sizeof(l->listening));
	l->inode = ns->inode;
	if (!netlimits__read(&l->limits, ns->fd, l->proc_root, true)) {
		netns.usable_ports = l->limits.usable_ports;
		netns.max_tw_buckets = l->limits.max_tw_buckets;
	}
	tally__look_into(l->tally, &netns);
	return 0;
}

static bool takes_port(const struct looking *l, const struct sockdiag_socket *sk)
{
	if (sk->state == SOCKDIAG_LISTEN || sk->state == SOCKDIAG_CLOSE || !sk->peer_port)
		return false;
	return netlimits__is_usable(&l->limits, sk->local_port) &&
	       !port_set__has(&l->listening, sk->local_port);
}

/* So that no events are lost because sockets are many. */
static int see_to_others(struct looking *l)
{
	uint64_t now_ns;

	if (++l->num % BATCH || !l->look->meanwhile)
		return 0;
	now_ns = clock__now_ns(CLOCK_MONOTONIC);
	if (now_ns - l->last_ns < MEANWHILE_NS)
		return 0;
	l->err = l->look->meanwhile(l->look->ctx);
	l->last_ns = clock__now_ns(CLOCK_MONOTONIC);
	return l->err;
}

static int on_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct looking *l = ctx;
	const struct tally_socket told = {
		.key = sockdiag__key(sk, l->inode),
		.family = sk->family,
		.state = sk->state,
		.mini = sk->mini,
		.takes_port = takes_port(l, sk),
		.expires_ms = sk->expires_ms,
	};

	if (sk->state == SOCKDIAG_LISTEN)
		port_set__add(&l->listening, sk->local_port);
	tally__socket(l->tally, &told);
	return see_to_others(l);
}

bool top_look__is_due(const struct top_look *look, const struct tally *tally, uint64_t now_ns)
{
	return now_ns >= look->next_ns || tally__wants_look(tally);
}

static uint64_t next_after(uint64_t begin_ns, uint64_t spent_ns)
{
	uint64_t pause_ns = spent_ns * LOOK_SHARE;

	if (pause_ns < LOOK_MIN_NS)
		pause_ns = LOOK_MIN_NS;
	return begin_ns + (pause_ns < LOOK_MAX_NS ? pause_ns : LOOK_MAX_NS);
}

int top_look__take(struct top_look *look, struct tally *tally, bool *impossible)
{
	static const struct sockets_visitor visitor = {
		SOCKDIAG_MASK_ALL, begin_netns, on_socket, NULL,
	};
	struct looking l = { .tally = tally, .look = look, .filter = look->filter,
			     .proc_root = look->source->places->proc_root };
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC);
	uint64_t spent_ns = clock__now_ns(CLOCK_PROCESS_CPUTIME_ID);
	unsigned int flags = 0;
	int err;

	l.last_ns = begin_ns;
	tally__look(tally, begin_ns);
	err = sockets__each(look->source, &visitor, &l, &flags);
	*impossible = err && !l.err;
	tally__looked(tally, *impossible ? TALLY_SAW_NOTHING :
			     err || flags & (SOCKETS_DENIED | SOCKETS_FAILED) ? TALLY_SAW_SOME :
									       TALLY_SAW_ALL);
	netlimits__free(&l.limits);
	spent_ns = clock__now_ns(CLOCK_PROCESS_CPUTIME_ID) - spent_ns;
	look->next_ns = next_after(begin_ns, spent_ns);
	return err;
}
