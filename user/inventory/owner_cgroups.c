// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inventory/owner_cgroups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/procinfo.h"

#define NS_PER_S 1000000000ULL
/* The kernel's are inode numbers, which it counts up from 1. */
#define FIRST_ID (1ULL << 63)

struct owner_cgroups {
	char **paths; /* ordered, each once */
	size_t num;
};

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Where @path stands among those, of which it is one. */
static size_t place_of(const struct owner_cgroups *c, const char *path)
{
	char **found = bsearch(&path, c->paths, c->num, sizeof(*c->paths), compare_paths);

	return (size_t)(found - c->paths);
}

static void sort_paths(struct owner_cgroups *c)
{
	size_t kept = 0;

	qsort(c->paths, c->num, sizeof(*c->paths), compare_paths);
	for (size_t i = 0; i < c->num; i++) {
		if (kept && !strcmp(c->paths[kept - 1], c->paths[i]))
			free(c->paths[i]);
		else
			c->paths[kept++] = c->paths[i];
	}
	c->num = kept;
}

/* *@path, to be freed, or NULL: not known. */
static int read_path(const struct listing_owner *owner, const char *proc_root,
		     const char *controller, char **path)
{
	char text[TWS_CGROUP_PATH_LEN];
	uint64_t ticks = owner->start_ns / (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));

	*path = NULL;
	if (!owner->start_ns || procinfo__cgroup(proc_root, owner->tgid, ticks, controller,
						 text, sizeof(text)))
		return 0;
	*path = strdup(text);
	return *path ? 0 : -ENOMEM;
}

static int read_all(struct owner_cgroups *c, char **of_owner, struct listing *l,
		    const char *proc_root, const char *controller)
{
	int err = 0;

	for (size_t i = 0; !err && i < l->num_owners; i++) {
		err = read_path(&l->owners[i], proc_root, controller, &of_owner[i]);
		if (err || !of_owner[i])
			continue;
		c->paths[c->num] = strdup(of_owner[i]);
		err = c->paths[c->num] ? 0 : -ENOMEM;
		c->num += !err;
	}
	if (err)
		return err;
	sort_paths(c);
	for (size_t i = 0; i < l->num_owners; i++)
		l->owners[i].cgroup = of_owner[i] ? FIRST_ID + place_of(c, of_owner[i]) : 0;
	return 0;
}

int owner_cgroups__read(struct owner_cgroups **cgroupsp, struct listing *l,
			const char *proc_root, const char *controller)
{
	struct owner_cgroups *c = calloc(1, sizeof(*c));
	char **of_owner = calloc(l->num_owners ?: 1, sizeof(*of_owner));
	int err = -ENOMEM;

	if (c)
		c->paths = calloc(l->num_owners ?: 1, sizeof(*c->paths));
	if (c && c->paths && of_owner)
		err = read_all(c, of_owner, l, proc_root, controller);
	for (size_t i = 0; of_owner && i < l->num_owners; i++)
		free(of_owner[i]);
	free(of_owner);
	if (err)
		owner_cgroups__free(c);
	else
		*cgroupsp = c;
	return err;
}

void owner_cgroups__free(struct owner_cgroups *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->num; i++)
		free(c->paths[i]);
	free(c->paths);
	free(c);
}

bool owner_cgroups__find(const struct owner_cgroups *c, uint64_t id, struct tws_cgroup *cgroup)
{
	if (!c || id < FIRST_ID || id - FIRST_ID >= c->num)
		return false;
	*cgroup = (struct tws_cgroup){ .action = TWS_CGROUP_ADDED, .id = id };
	memcpy(cgroup->path, c->paths[id - FIRST_ID], strlen(c->paths[id - FIRST_ID]) + 1);
	return true;
}
