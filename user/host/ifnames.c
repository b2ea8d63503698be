// SPDX-License-Identifier: GPL-2.0
#include "host/ifnames.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define NS_PER_S 1000000000ULL
#define ENTRIES 256 /* a power of two; of two that share a place the newer one stays */
#define KEPT_NS (30 * NS_PER_S)
#define AGAIN_NS (5 * NS_PER_S) /* after it was not found */
#define SHARE 50 /* of the time one part in this goes into searches, */
#define CREDIT_NS (NS_PER_S / 5) /* and as much as this at once */

struct name {
	uint32_t netns, ifindex; /* ifindex 0: free */
	uint64_t until_ns;
	char text[IF_NAMESIZE]; /* "": not known */
};

struct ifnames {
	const struct netns_places *places;
	uint32_t own; /* the namespace that twsnoop is in, 0: not known */
	int64_t credit_ns; /* for searches, at @credited_ns */
	uint64_t credited_ns;
	struct name names[ENTRIES];
};

int ifnames__new(struct ifnames **ifnamesp, const struct netns_places *places)
{
	struct ifnames *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->places = places;
	n->credit_ns = CREDIT_NS;
	netns__inode(-1, &n->own);
	*ifnamesp = n;
	return 0;
}

/* @fd: of the namespace, -1: our own. False if it has no such device, or may not be entered. */
static bool ask(int fd, uint32_t ifindex, char text[IF_NAMESIZE])
{
	struct ifreq req = { .ifr_ifindex = (int)ifindex };
	int sock = netns__socket(fd, AF_INET, SOCK_DGRAM, 0);
	bool found;

	if (sock < 0)
		return false;
	found = !ioctl(sock, SIOCGIFNAME, &req);
	close(sock);
	if (found)
		snprintf(text, IF_NAMESIZE, "%s", req.ifr_name);
	return found;
}

static bool ask_by_process(const struct ifnames *n, struct name *name, uint32_t pid)
{
	char path[512];
	uint32_t inode;
	bool found;
	int fd;

	if (!pid || snprintf(path, sizeof(path), "%s/%u/ns/net", n->places->proc_root, pid) >=
			    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	found = !netns__inode(fd, &inode) && inode == name->netns &&
		ask(fd, name->ifindex, name->text);
	close(fd);
	return found;
}

/* Ends the walk at the namespace of @ctx, a struct name. */
static int ask_if_same(void *ctx, const struct netns_entry *ns)
{
	struct name *name = ctx;

	if (ns->inode != name->netns)
		return 0;
	ask(ns->fd, name->ifindex, name->text);
	return 1;
}

/* All of /proc may be read for that: not more than there is time for. */
static void search(struct ifnames *n, struct name *name, uint64_t now_ns)
{
	uint64_t spent_ns = clock__now_ns(CLOCK_THREAD_CPUTIME_ID);

	if (n->credited_ns && now_ns > n->credited_ns)
		n->credit_ns += (int64_t)((now_ns - n->credited_ns) / SHARE);
	if (n->credit_ns > (int64_t)CREDIT_NS)
		n->credit_ns = CREDIT_NS;
	n->credited_ns = now_ns;
	if (n->credit_ns <= 0)
		return;
	netns__each(n->places, ask_if_same, name, NULL);
	n->credit_ns -= (int64_t)(clock__now_ns(CLOCK_THREAD_CPUTIME_ID) - spent_ns);
}

const char *ifnames__of(struct ifnames *n, uint32_t netns, uint32_t ifindex, uint32_t pid,
			uint64_t now_ns)
{
	struct name *name = &n->names[(netns * 31 + ifindex) % ENTRIES];

	if (!ifindex)
		return NULL;
	if (name->ifindex != ifindex || name->netns != netns || now_ns >= name->until_ns) {
		*name = (struct name){ .netns = netns, .ifindex = ifindex };
		if (netns == n->own)
			ask(-1, ifindex, name->text);
		else if (!ask_by_process(n, name, pid))
			search(n, name, now_ns);
		name->until_ns = now_ns + (name->text[0] ? KEPT_NS : AGAIN_NS);
	}
	return name->text[0] ? name->text : NULL;
}

void ifnames__free(struct ifnames *n)
{
	free(n);
}
