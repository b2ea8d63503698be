// SPDX-License-Identifier: GPL-2.0
#include "recording/critical.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"

#define NS_PER_MINUTE 60000000000ULL

static void count(struct critical_count *c, const struct held_row *row)
{
	if (!c->count++)
		c->first_ns = row->wall_ns;
	c->last_ns = row->wall_ns;
	if (c->who_votes && row->who == c->who) {
		c->who_votes++;
	} else if (c->who_votes) {
		c->who_votes--;
	} else {
		c->who = row->who;
		c->who_votes = 1;
		c->example = row->event;
	}
}

bool critical__note(struct critical *critical, const struct held_row *row)
{
	const struct tws_event *ev = &row->event;

	if (ev->action == TWS_CONNECT_FAILED && ev->error == EADDRNOTAVAIL)
		count(&critical->kinds[CRITICAL_PORTS], row);
	else if (ev->action == TWS_OVERFLOW)
		count(&critical->kinds[CRITICAL_LIMIT], row);
	else
		return false;
	return true;
}

bool critical__note_limit(struct critical *critical, uint64_t wall_ns, uint32_t netns,
			  uint64_t used, uint64_t limit)
{
	struct critical_count *c = &critical->kinds[CRITICAL_LIMIT];

	if (!limit || used < limit / 100 * CRITICAL_LIMIT_PERCENT +
			      limit % 100 * CRITICAL_LIMIT_PERCENT / 100)
		return false;
	if (!c->count && !c->limit)
		c->first_ns = wall_ns;
	c->last_ns = wall_ns;
	c->used = used;
	c->limit = limit;
	if (!c->count)
		c->example = (struct tws_event){ .netns = netns };
	return true;
}

void critical__forget_who(struct critical *critical)
{
	for (int kind = 0; kind < CRITICAL_KINDS; kind++)
		critical->kinds[kind].who = 0;
}

/* ---- in words ---- */

static void say_end(char *to, size_t size, const struct tws_event *ev)
{
	char addr[FMT_IPV6_MAX + 1];
	size_t len = ev->family == AF_INET6 ? fmt__ipv6(addr, ev->peer_addr) :
					      fmt__ipv4(addr, ev->peer_addr);

	addr[len] = '\0';
	snprintf(to, size, ev->family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr, ev->peer_port);
}

static void say_ports(const struct critical_count *c, char text[CRITICAL_TEXT_BYTES])
{
	const struct tws_event *ev = &c->example;
	char name[4 * TWS_COMM_LEN + 1], peer[64];

	say_end(peer, sizeof(peer), ev);
	escape__quote_n(name, sizeof(name), ev->conn.comm,
			strnlen(ev->conn.comm, sizeof(ev->conn.comm)));
	snprintf(text, CRITICAL_TEXT_BYTES, "connect() failed %" PRIu64 " times with \"Cannot assign "
		 "requested address\", mostly of %s to %s: no local port was left", c->count,
		 name[0] ? name : "an unknown process", peer);
}

static void say_limit(const struct critical_count *c, char text[CRITICAL_TEXT_BYTES])
{
	char used[96] = "";

	if (c->limit)
		snprintf(used, sizeof(used), "%" PRIu64 " of %" PRIu64 " TIME_WAIT sockets that "
			 "tcp_max_tw_buckets allows are in use", c->used, c->limit);
	if (c->count)
		snprintf(text, CRITICAL_TEXT_BYTES, "%s%s%" PRIu64 " connections ended without "
			 "TIME_WAIT, because no more of them are allowed", used, used[0] ? "; " : "",
			 c->count);
	else
		snprintf(text, CRITICAL_TEXT_BYTES, "%s", used);
}

static bool is_due(const struct critical_count *c, uint64_t now_ns)
{
	if (!c->count && !c->limit)
		return false;
	/* A clock that was put back makes nobody wait. */
	return !c->told_ns || now_ns < c->told_ns || now_ns - c->told_ns >= NS_PER_MINUTE;
}

static void tell(struct critical_count *c, int kind, uint64_t now_ns, struct held_finding *finding,
		 char text[CRITICAL_TEXT_BYTES])
{
	bool ports = kind == CRITICAL_PORTS;

	(ports ? say_ports : say_limit)(c, text);
	*finding = (struct held_finding){
		.wall_ns = c->first_ns,
		.id = ports ? "ports-exhausted" : "limit-near",
		.severity = ports || c->count ? 3 : 2,
		.who = c->count ? c->who : 0,
		.count = c->count,
		.text = text,
	};
	*c = (struct critical_count){ .told_ns = now_ns };
}

bool critical__take(struct critical *critical, uint64_t now_ns, struct held_finding *finding,
		    char text[CRITICAL_TEXT_BYTES])
{
	for (int kind = 0; kind < CRITICAL_KINDS; kind++)
		if (is_due(&critical->kinds[kind], now_ns)) {
			tell(&critical->kinds[kind], kind, now_ns, finding, text);
			return true;
		}
	return false;
}
