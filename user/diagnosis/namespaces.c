// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/namespaces.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "diagnosis/append.h"
#include "host/first_line.h"

struct conntrack {
	const char *proc_root;
	uint64_t count, max;
};

static uint64_t read_number(const char *proc_root, const char *name)
{
	char path[PATH_MAX], text[32];
	uint64_t value = 0;

	snprintf(path, sizeof(path), "%s/sys/net/netfilter/%s", proc_root, name);
	first_line__read(path, text, sizeof(text));
	return parse__u64(text, 0, UINT32_MAX, &value) ? 0 : value;
}

/* Each network namespace has its own count. */
static int read_conntrack(void *ctx)
{
	struct conntrack *c = ctx;

	c->count = read_number(c->proc_root, "nf_conntrack_count");
	c->max = read_number(c->proc_root, "nf_conntrack_max");
	return 0;
}

struct conntracks {
	struct evidence *e;
	const struct netns_places *places;
	uint32_t own;
};

/* Whether a shell takes it for one word, and so does a terminal. */
static bool is_plain(const char *name)
{
	return name[0] && name[0] != '-' &&
	       !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				  "./_-")];
}

static bool is_at(const char *path, uint32_t inode)
{
	struct stat st;

	return !stat(path, &st) && (uint32_t)st.st_ino == inode;
}

/* A file is better than a process, which may be gone when somebody reads of it. */
static void note_entrance(struct evidence_netns *to, const struct netns_places *places,
			  const struct netns_entry *ns)
{
	const char *const *dirs = places->run_dirs;
	char path[EVIDENCE_ENTER - 16];

	if (ns->pid) {
		snprintf(to->enter, sizeof(to->enter), "nsenter -t %u -n ", ns->pid);
		return;
	}
	for (size_t i = 0; dirs && dirs[i]; i++) {
		int len = ns->name[0] == '/' ?
				  snprintf(path, sizeof(path), "%s", ns->name) :
				  snprintf(path, sizeof(path), "%s/%s", dirs[i], ns->name);

		if (len < 0 || (size_t)len >= sizeof(path) || !is_plain(path) ||
		    !is_at(path, ns->inode))
			continue;
		snprintf(to->enter, sizeof(to->enter), "nsenter --net=%s ", path);
		return;
	}
}

static int visit_netns(void *ctx, const struct netns_entry *ns)
{
	struct conntracks *all = ctx;
	struct conntrack c = { .proc_root = all->places->proc_root };

	for (size_t i = 0; i < all->e->num_netns; i++) {
		struct evidence_netns *to = &all->e->netns[i];

		if (to->netns != ns->inode)
			continue;
		to->is_own = ns->inode == all->own;
		note_entrance(to, all->places, ns);
		if (netns__run(ns->fd, read_conntrack, &c))
			continue;
		to->conntrack = c.count;
		to->conntrack_max = c.max;
	}
	return 0;
}

static int add_limits(struct evidence *e, const struct listing *l)
{
	for (size_t i = 0; i < l->num_netns; i++) {
		struct evidence_netns *ns = APPEND(e->netns, e->num_netns);

		if (!ns)
			return -ENOMEM;
		ns->netns = l->netns[i].inode;
		snprintf(ns->name, sizeof(ns->name), "%s", l->netns[i].name ?: "");
		ns->limits = l->netns[i].limits;
		ns->limits.reserved = NULL; /* the listing's */
	}
	return 0;
}

static void count_states(struct evidence *e, const struct listing *l)
{
	struct evidence_netns *ns = NULL;

	for (size_t i = 0; i < l->num; i++) {
		const struct listing_row *row = &l->rows[i];

		if (!ns || ns->netns != row->key.netns)
			ns = evidence__netns(e, row->key.netns);
		if (!ns)
			continue;
		ns->established += row->state == SOCKDIAG_ESTABLISHED;
		ns->close_wait += row->state == SOCKDIAG_CLOSE_WAIT;
		ns->time_wait += row->state == SOCKDIAG_TIME_WAIT;
		ns->fin_wait2_minis += row->mini && row->state == SOCKDIAG_FIN_WAIT2;
	}
}

int namespaces__add(struct evidence *e, const struct listing *listing,
		    const struct netns_places *places)
{
	struct conntracks conntracks = { .e = e, .places = places };
	int err = add_limits(e, listing);

	if (err)
		return err;
	count_states(e, listing);
	if (netns__inode(-1, &conntracks.own))
		conntracks.own = 0;
	netns__each(places, visit_netns, &conntracks, NULL);
	return 0;
}

void namespaces__keep_theirs(struct evidence *e)
{
	size_t num = 0;

	for (size_t i = 0; i < e->num_netns; i++) {
		uint32_t netns = e->netns[i].netns;
		bool is_theirs = false;

		for (size_t f = 0; f < e->num_flows; f++)
			is_theirs |= e->flows[f]->key.netns == netns;
		for (size_t l = 0; l < e->num_leaks; l++)
			is_theirs |= e->leaks[l].netns == netns;
		if (is_theirs)
			e->netns[num++] = e->netns[i];
	}
	e->num_netns = num;
}
