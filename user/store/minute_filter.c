// SPDX-License-Identifier: GPL-2.0
#include "store/minute_filter.h"

#include <string.h>
#include <sys/socket.h>

void minute_filter__event(const struct held_who *who, const struct held_flow *flow,
			  struct tws_event *ev)
{
	*ev = (struct tws_event){
		.action = flow->action, .family = flow->family, .end = flow->end,
		.error = flow->error, .netns = flow->netns, .local_port = flow->local_port,
		.peer_port = flow->peer_port,
		.conn = { .side = flow->side, .cause = flow->cause },
	};
	memcpy(ev->local_addr, flow->local_addr, sizeof(ev->local_addr));
	memcpy(ev->peer_addr, flow->peer_addr, sizeof(ev->peer_addr));
	if (!who || !who->comm[0])
		return;
	ev->conn.flags = TWS_F_CLOSER;
	memcpy(ev->conn.comm, who->comm, sizeof(ev->conn.comm));
	memcpy(ev->conn.thread_comm, who->comm, sizeof(ev->conn.thread_comm));
	if (who->has_uid)
		ev->conn.uid = who->uid;
}

bool minute_filter__has_peers(const struct held_flow *flow)
{
	return flow->peer_len < (flow->family == AF_INET ? 32 : 128);
}

enum answer { NO, PERHAPS, YES };

/* What is known of one end of a flow. */
struct end {
	uint8_t family;
	const uint8_t *addr;
	unsigned int len; /* bits of it that are known */
	uint16_t port;	  /* 0: not known */
};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int bytes = len / 8, bits = len % 8;

	return !memcmp(a, b, bytes) &&
	       (!bits || !((a[bytes] ^ b[bytes]) & (0xff00 >> bits) & 0xff));
}

static enum answer matches(const struct tws_prefix *p, const struct end *end)
{
	unsigned int len = p->len < end->len ? p->len : end->len;

	if (p->port && end->port && (end->port < p->port || end->port > p->last_port))
		return NO;
	if (p->family && (p->family != end->family || !same_bits(p->addr, end->addr, len)))
		return NO;
	if (p->ifindex || (p->port && !end->port) || (p->family && p->len > end->len))
		return PERHAPS;
	return YES;
}

/* As filters have it, the first @excluded exclude; what may be one of those does not pass. */
static bool pass_prefixes(const struct tws_prefix *list, uint32_t num, uint32_t excluded,
			  const struct end *end)
{
	for (uint32_t i = 0; i < num; i++) {
		enum answer answer = matches(&list[i], end);

		if (answer == YES || (answer == PERHAPS && i < excluded))
			return i >= excluded;
	}
	return num == excluded;
}

bool minute_filter__match(const struct tws_filter *filter, const struct held_who *who,
			  const struct held_flow *flow)
{
	struct tws_filter rest;
	struct tws_event ev;
	struct end local, peer;

	if (!flow)
		return filter__is_empty(filter);
	local = (struct end){ flow->family, flow->local_addr, 128, flow->local_port };
	peer = (struct end){ flow->family, flow->peer_addr, flow->peer_len ?: 128,
			     flow->peer_port };
	if (filter->num_pids ||
	    !pass_prefixes(filter->locals, filter->num_locals, filter->not_locals, &local) ||
	    !pass_prefixes(filter->peers, filter->num_peers, filter->not_peers, &peer))
		return false;
	rest = *filter;
	rest.num_locals = rest.not_locals = rest.num_peers = rest.not_peers = 0;
	minute_filter__event(who, flow, &ev);
	return filter__match(&rest, &ev);
}
