// SPDX-License-Identifier: GPL-2.0
#include "report/advice.h"

#include <sys/socket.h>

#define MOST 800      /* permille */
#define HALF 500
#define FULL 950
#define NEARLY 900
#define SHORT_NS 1000000000ULL

static bool is_enough(const struct story_incident *incident)
{
	return incident->closes >= STORY_LITTLE && incident->num_culprits &&
	       incident->culprits[0].who && incident->culprits[0].permille >= HALF;
}

static bool ports_are(const struct story_incident *incident, int permille)
{
	return incident->num_ports && incident->ports[0].permille >= permille;
}

static bool ports_exhausted(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	return incident->failed_ports && ports_are(incident, FULL);
}

static bool no_port_found(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	return incident->failed_ports;
}

static bool ports_filling(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	return ports_are(incident, NEARLY);
}

static bool limit_reached(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	return incident->overflows;
}

static bool limit_near(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	return incident->signs & STORY_LIMIT;
}

static bool connects_failed(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	return incident->signs & STORY_FAILURES;
}

static bool exits(const struct story *story, const struct story_incident *incident)
{
	const struct story_culprit *culprit = &incident->culprits[0];

	(void)story;
	return is_enough(incident) && culprit->place.cause == TWS_CAUSE_EXIT &&
	       culprit->cause_permille >= MOST;
}

/* Each that did much of it closed as a server. */
static bool server_side(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	for (unsigned int i = 0; i < incident->num_culprits; i++)
		if (incident->culprits[i].server_permille < MOST)
			return false;
	return is_enough(incident);
}

static bool is_loopback(const struct story_place *place)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (place->family == AF_INET)
		return place->addr[0] == 127;
	for (unsigned int i = 0; i < sizeof(one); i++)
		if (place->addr[i] != one[i])
			return false;
	return true;
}

static bool client_without_pool(const struct story *story, const struct story_incident *incident)
{
	const struct story_culprit *culprit = &incident->culprits[0];

	(void)story;
	return is_enough(incident) && culprit->client_permille >= MOST &&
	       culprit->place_permille >= HALF && culprit->lifetime_ns &&
	       culprit->lifetime_ns <= SHORT_NS;
}

static bool loopback_pair(const struct story *story, const struct story_incident *incident)
{
	return client_without_pool(story, incident) &&
	       is_loopback(&incident->culprits[0].place);
}

static bool always(const struct story *story, const struct story_incident *incident)
{
	(void)story;
	(void)incident;
	return true;
}

#define KEEP_OPEN "Keep connections open: HTTP keep-alive, answers read to their end, one client " \
	"object or pool for the whole program. "

static const struct advice rules[] = {
	{ "ports-exhausted",
	  "Every local port towards that remote end was taken, so connect() had none left. Each "
	  "TIME_WAIT on the client's side holds its port for 60 seconds.",
	  KEEP_OPEN "Only then more ports (net.ipv4.ip_local_port_range) or more addresses.",
	  "tcp_fin_timeout does not shorten TIME_WAIT; a lower tcp_max_tw_buckets only throws "
	  "protection away.", ports_exhausted, STORY_CRITICAL },
	{ "no-local-port",
	  "connect() found no local port or address, but no set of ports was seen to be full: it "
	  "may have been full between two samples, ports may be taken by bind() before connect(), "
	  "or no address of this host leads there.",
	  "When it happens again, 'twsnoop list --ports' shows which of these it is.", NULL,
	  no_port_found, STORY_WARNING },
	{ "limit-reached",
	  "The kernel made no TIME_WAIT where it should have, because net.ipv4.tcp_max_tw_buckets "
	  "was reached or memory was short. That costs nothing but the protection against late "
	  "segments.",
	  "If so many closes are wanted, raise net.ipv4.tcp_max_tw_buckets.",
	  "Do not lower it.", limit_reached, STORY_WARNING },
	{ "limit-near",
	  "The number of TIME_WAITs came near to net.ipv4.tcp_max_tw_buckets. Beyond it the kernel "
	  "makes none, which costs nothing but the protection against late segments.",
	  "If so many closes are wanted, raise net.ipv4.tcp_max_tw_buckets.",
	  "Do not lower it.", limit_near, STORY_WARNING },
	{ "ports-filling",
	  "Nearly every local port towards that remote end was taken: a little more, and "
	  "connect() fails with EADDRNOTAVAIL.",
	  KEEP_OPEN "Only then more ports (net.ipv4.ip_local_port_range) or more addresses.",
	  "tcp_fin_timeout does not shorten TIME_WAIT.", ports_filling, STORY_WARNING },
	{ "connects-failed",
	  "More connects failed than usual, but not for want of local ports: TIME_WAIT is not the "
	  "reason.", NULL, NULL, connects_failed, STORY_WARNING },
	{ "exits",
	  "Programs ended with their connections open: restarts, crashes, or programs that live for "
	  "one request.", NULL, NULL, exits, STORY_NOTICE },
	{ "server-side-harmless",
	  "Harmless: they were closed on the server's side, where TIME_WAIT holds no port that "
	  "anybody else could want.", "Nothing, and no sysctl need be changed.", NULL, server_side,
	  STORY_NOTICE },
	{ "loopback-pair",
	  "Both ends are on this host. That is rarely harmful: on loopback the kernel reuses such "
	  "ports after a second, by default.", NULL, NULL, loopback_pair, STORY_NOTICE },
	{ "client-without-pool",
	  "A client opened many connections to one remote end, each for less than a second, and "
	  "closed them, as one without a connection pool does. No connect failed for want of a "
	  "port; each of them holds one for 60 seconds.",
	  KEEP_OPEN, "tcp_fin_timeout does not shorten TIME_WAIT.", client_without_pool,
	  STORY_NOTICE },
	{ "no-pattern",
	  "No pattern of which it is known for sure what it means. docs/time-wait.md says how to "
	  "tell whether it is harmful.", NULL, NULL, always, STORY_NOTICE },
};

const struct advice *advice__of(const struct story *story, const struct story_incident *incident)
{
	const struct advice *rule = rules;

	while (!rule->fits(story, incident))
		rule++;
	return rule;
}
