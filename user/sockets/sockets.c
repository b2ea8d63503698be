// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "sockets/sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

struct walk {
	const struct sockets_source *source;
	const struct sockets_visitor *visitor;
	void *ctx;
	unsigned int flags;
	bool any;    /* a namespace was read, or the visitor did not want it */
	int stopped; /* the visitor's value, apart from the kernel's errors */
	int error;   /* of the first namespace that could not be read */
};

static int on_socket(void *ctx, const struct sockdiag_socket *sk)
{
	struct walk *walk = ctx;

	walk->stopped = walk->visitor->socket(walk->ctx, sk);
	return walk->stopped ? -ECANCELED : 0;
}

static int note_failure(struct walk *walk, int err)
{
	if (err == -ENOMEM)
		return err;
	walk->flags |= err == -EPERM || err == -EACCES ? SOCKETS_DENIED : SOCKETS_FAILED;
	walk->error = walk->error ?: err;
	return 0;
}

static int on_netns(void *ctx, const struct netns_entry *ns)
{
	struct walk *walk = ctx;
	const struct sockets_visitor *v = walk->visitor;
	int err = v->begin ? v->begin(walk->ctx, ns) : 0;

	if (err < 0)
		return err;
	if (!err) {
		err = walk->source->dump(ns->fd, v->states, on_socket, walk, NULL);
		if (walk->stopped)
			return walk->stopped;
		if (err)
			return note_failure(walk, err);
	}
	walk->any = true;
	return !err && v->end ? v->end(walk->ctx, ns) : 0;
}

/* Without privilege not even one's own namespace need have come up. */
static int visit_own(struct walk *walk)
{
	struct netns_entry own = { .fd = -1, .pid = (uint32_t)getpid() };
	char name[32];
	int err = netns__inode(-1, &own.inode);

	if (err)
		return err;
	snprintf(name, sizeof(name), "pid:%u", own.pid);
	own.name = name;
	walk->error = 0;
	return on_netns(walk, &own);
}

int sockets__each(const struct sockets_source *source, const struct sockets_visitor *visitor,
		  void *ctx, unsigned int *flags)
{
	struct walk walk = { .source = source, .visitor = visitor, .ctx = ctx };
	unsigned int netns_flags = 0;
	int err = netns__each(source->places, on_netns, &walk, &netns_flags);

	if (!walk.any && !walk.stopped && err != -ENOMEM)
		err = visit_own(&walk);
	if (netns_flags & NETNS_DENIED)
		walk.flags |= SOCKETS_DENIED;
	if (flags)
		*flags |= walk.flags;
	if (!err && !walk.any)
		err = walk.error;
	return err;
}
