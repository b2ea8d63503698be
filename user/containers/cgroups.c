// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "containers/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "containers/cgroup_mount.h"

#define NSEC_PER_SEC 1000000000ULL
#define MAX_DEPTH 64

const struct cgroups_limits cgroups_default_limits = {
	.max_live = 32768,
	.max_removed = 8192,
	.removed_ns = 300 * NSEC_PER_SEC,
};

enum state {
	LIVE,
	REMOVED,
	ABSENT, /* the kernel knows none of that id */
};

/* What entries are found by. A chain can be long where many have the same key; so
 * each entry leaves it without a search. */
enum key {
	KEY_ID,
	KEY_PATH,
	KEY_CLAIM, /* the outermost container's ID, where no user could have made it up */
	NUM_KEYS,
};

struct link {
	struct entry *next;
	struct entry **at; /* what points to this entry; NULL: it is in no chain */
};

struct entry {
	struct cgroup cgroup; /* cgroup.path is path below */
	struct link links[NUM_KEYS];
	struct entry *prev, *next; /* in the list of its state */
	uint64_t removed_ns;
	enum state state;
	bool used; /* since eviction last passed */
	bool has_below; /* there has been an entry whose parent it is */
	char path[];
};

struct list { /* first: the oldest */
	struct entry *first, *last;
	size_t count;
};

/*
 * Not base/table.h: an entry is found by three keys, two of which are texts of any length, and is
 * allocated with its path.
 */
struct cgroups {
	struct cgroups_limits limits;
	struct cgroup_mount mount;
	size_t num_chains; /* a power of two */
	struct entry **chains[NUM_KEYS];
	/* Whoever may make cgroups chooses paths, and to some extent ids: without
	 * this they could make all of them meet in one chain. */
	uint64_t seed;
	bool has_orphans; /* there has been an entry without its parent's */
	struct list live, removed; /* removed: the absent too */
	uint64_t changes;
};

static atomic_uint_fast64_t last_number; /* of struct cgroup, in all tables */

/* ---- the table ---- */

static struct entry **chain_of(const struct cgroups *cgroups, enum key key, uint64_t hash)
{
	return &cgroups->chains[key][hash >> 32 & (cgroups->num_chains - 1)];
}

static uint64_t hash_id(const struct cgroups *cgroups, uint64_t id)
{
	return (id ^ cgroups->seed) * 0x9e3779b97f4a7c15ULL;
}

/* FNV-1a from a secret start, stirred: its low bits alone reach few chains. */
static uint64_t hash_text(const struct cgroups *cgroups, const char *text, size_t len)
{
	uint64_t hash = cgroups->seed;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ULL;
}

static void entry__link(struct entry *entry, enum key key, struct entry **chain)
{
	struct link *link = &entry->links[key];

	link->next = *chain;
	link->at = chain;
	if (link->next)
		link->next->links[key].at = &link->next;
	*chain = entry;
}

static void entry__unlink(struct entry *entry, enum key key)
{
	struct link *link = &entry->links[key];

	if (!link->at)
		return;
	*link->at = link->next;
	if (link->next)
		link->next->links[key].at = link->at;
	*link = (struct link){ NULL, NULL };
}

static struct entry *find(const struct cgroups *cgroups, uint64_t id)
{
	struct entry *entry = *chain_of(cgroups, KEY_ID, hash_id(cgroups, id));

	while (entry && entry->cgroup.id != id)
		entry = entry->links[KEY_ID].next;
	return entry;
}

/* One whose path is the first @len bytes of @path. */
static struct entry *find_path(const struct cgroups *cgroups, const char *path, size_t len)
{
	struct entry *entry = *chain_of(cgroups, KEY_PATH, hash_text(cgroups, path, len));

	while (entry && (strncmp(entry->path, path, len) != 0 || entry->path[len] != '\0'))
		entry = entry->links[KEY_PATH].next;
	return entry;
}

static struct list *list_of(struct cgroups *cgroups, const struct entry *entry)
{
	return entry->state == LIVE ? &cgroups->live : &cgroups->removed;
}

static void list__append(struct list *list, struct entry *entry)
{
	entry->prev = list->last;
	entry->next = NULL;
	if (list->last)
		list->last->next = entry;
	else
		list->first = entry;
	list->last = entry;
	list->count++;
}

static void list__take(struct list *list, struct entry *entry)
{
	if (entry->prev)
		entry->prev->next = entry->next;
	else
		list->first = entry->next;
	if (entry->next)
		entry->next->prev = entry->prev;
	else
		list->last = entry->prev;
	list->count--;
}

static void forget(struct cgroups *cgroups, struct entry *entry)
{
	cgroups->changes++;
	for (enum key key = 0; key < NUM_KEYS; key++)
		entry__unlink(entry, key);
	list__take(list_of(cgroups, entry), entry);
	free(entry);
}

/* Of the live ones the oldest that was not used since its last turn goes: it can
 * be asked for again. */
static void make_room(struct cgroups *cgroups, enum state state)
{
	struct list *live = &cgroups->live, *removed = &cgroups->removed;
	struct entry *entry;

	if (state != LIVE) {
		if (removed->count >= cgroups->limits.max_removed)
			forget(cgroups, removed->first);
		return;
	}
	if (live->count < cgroups->limits.max_live)
		return;
	while (live->first->used) {
		entry = live->first;
		entry->used = false;
		list__take(live, entry);
		list__append(live, entry);
	}
	cgroups->has_orphans |= live->first->has_below;
	forget(cgroups, live->first);
}

static void expire(struct cgroups *cgroups, uint64_t now_ns)
{
	struct entry *entry;

	while ((entry = cgroups->removed.first) && now_ns > entry->removed_ns &&
	       now_ns - entry->removed_ns > cgroups->limits.removed_ns)
		forget(cgroups, entry);
}

/* ---- who a cgroup is ---- */

static struct entry **claims_of(const struct cgroups *cgroups, const char *id)
{
	return chain_of(cgroups, KEY_CLAIM, hash_text(cgroups, id, strlen(id)));
}

static bool is_claimed(const struct cgroups *cgroups, const char *id)
{
	const struct entry *entry = *claims_of(cgroups, id);

	while (entry && strcmp(entry->cgroup.identity.host_id, id) != 0)
		entry = entry->links[KEY_CLAIM].next;
	return entry;
}

static bool is_delegated(const struct cgroup_identity *identity)
{
	return identity->user_owned || identity->depth > 1;
}

static bool leans_on_others(const struct cgroup_identity *identity)
{
	return is_delegated(identity) || identity->lxc_sibling_len;
}

/*
 * A container's ID is random: who takes another's took it from one that runs,
 * so it is known by now.
 */
static bool is_false_claim(const struct cgroups *cgroups, const struct cgroup_identity *identity)
{
	return is_delegated(identity) && identity->container_id[0] &&
	       is_claimed(cgroups, identity->container_id);
}

static void decide_identity(const struct cgroups *cgroups, struct entry *entry)
{
	struct cgroup_identity *identity = &entry->cgroup.identity;

	*identity = (struct cgroup_identity){ .runtime = NULL };
	if (entry->state == ABSENT || cgroup_path__identify(entry->path, identity))
		return;
	if (is_false_claim(cgroups, identity)) {
		if (identity->user_owned)
			identity->host_id[0] = '\0';
		identity->runtime = identity->host_id[0] ? identity->host_runtime : NULL;
		memcpy(identity->container_id, identity->host_id,
		       sizeof(identity->container_id));
	}
	if (identity->lxc_sibling_len &&
	    find_path(cgroups, entry->path, identity->lxc_sibling_len))
		identity->container_name[0] = '\0';
}

static void identify(struct cgroups *cgroups, struct entry *entry)
{
	const struct cgroup_identity *identity = &entry->cgroup.identity;

	cgroups->changes++;
	entry__unlink(entry, KEY_CLAIM);
	decide_identity(cgroups, entry);
	entry->cgroup.number = ++last_number;
	if (identity->host_id[0] && !identity->user_owned)
		entry__link(entry, KEY_CLAIM, claims_of(cgroups, identity->host_id));
}

static void tell_parent(struct cgroups *cgroups, const char *path)
{
	const char *end = strrchr(path, '/');
	struct entry *parent;

	if (!end || end == path) /* the root, which keeps its name, or no path */
		return;
	parent = find_path(cgroups, path, (size_t)(end - path));
	if (parent)
		parent->has_below = true;
	else
		cgroups->has_orphans = true;
}

static struct entry *insert(struct cgroups *cgroups, uint64_t id, const char *path,
			    enum state state, uint64_t now_ns)
{
	size_t size = strlen(path) + 1;
	struct entry *entry;

	if (size > CGROUP_PATH_MAX)
		return NULL;
	entry = calloc(1, sizeof(*entry) + size);
	if (!entry)
		return NULL;
	memcpy(entry->path, path, size);
	entry->cgroup.id = id;
	entry->cgroup.path = entry->path;
	entry->cgroup.removed = state != LIVE;
	entry->state = state;
	entry->removed_ns = now_ns;
	make_room(cgroups, state);
	identify(cgroups, entry);
	if (state == LIVE)
		tell_parent(cgroups, path);
	entry__link(entry, KEY_ID, chain_of(cgroups, KEY_ID, hash_id(cgroups, id)));
	if (size > 1)
		entry__link(entry, KEY_PATH,
			    chain_of(cgroups, KEY_PATH, hash_text(cgroups, path, size - 1)));
	list__append(list_of(cgroups, entry), entry);
	return entry;
}

/* A renamed cgroup (v1 only) takes all below it along. The search is for those that
 * have something below; who renames the others, again and again, costs nothing. */
static void forget_below(struct cgroups *cgroups, const struct entry *renamed)
{
	const char *path = renamed->path;
	struct entry *entry, *next;
	size_t len = strlen(path);

	if (!renamed->has_below && !cgroups->has_orphans)
		return;
	for (entry = cgroups->live.first; entry; entry = next) {
		next = entry->next;
		if (strncmp(entry->path, path, len) == 0 && entry->path[len] == '/')
			forget(cgroups, entry);
	}
}

/* ---- asking the kernel ---- */

/* NULL: there is none, or it cannot be told; remembered if that will not change. */
static struct entry *ask(struct cgroups *cgroups, uint64_t id, uint64_t now_ns)
{
	char buf[CGROUP_PATH_MAX];
	const char *path = NULL;
	int err = cgroup_mount__path_of(&cgroups->mount, id, buf, sizeof(buf), &path);

	if (err == -ESTALE)
		insert(cgroups, id, "", ABSENT, now_ns);
	return err ? NULL : insert(cgroups, id, path, LIVE, 0);
}

/* ---- events ---- */

static bool is_cut(const char *path)
{
	return !path || strnlen(path, CGROUPS_EVENT_PATH_MAX) == CGROUPS_EVENT_PATH_MAX;
}

const struct cgroup *cgroups__added(struct cgroups *cgroups, uint64_t id, const char *path)
{
	struct entry *entry = find(cgroups, id);

	if (entry && entry->state == REMOVED)
		return &entry->cgroup;
	if (entry && entry->state == LIVE) {
		if (is_cut(path) || strcmp(entry->path, path) == 0)
			return &entry->cgroup;
		forget_below(cgroups, entry);
	}
	if (entry)
		forget(cgroups, entry);
	entry = is_cut(path) ? ask(cgroups, id, 0) : insert(cgroups, id, path, LIVE, 0);
	return entry ? &entry->cgroup : NULL;
}

void cgroups__removed(struct cgroups *cgroups, uint64_t id, const char *path, uint64_t now_ns)
{
	struct entry *entry;

	expire(cgroups, now_ns);
	entry = find(cgroups, id);
	if (entry && entry->state == REMOVED)
		return;
	if (entry && entry->state == LIVE) {
		list__take(&cgroups->live, entry);
		entry->state = REMOVED;
		entry->cgroup.removed = true;
		entry->removed_ns = now_ns;
		make_room(cgroups, REMOVED);
		list__append(&cgroups->removed, entry);
		return;
	}
	if (is_cut(path))
		return;
	if (entry)
		forget(cgroups, entry);
	insert(cgroups, id, path, REMOVED, now_ns);
}

/* ---- the walk ---- */

static int walk_dir(struct cgroups *cgroups, int fd, char *path, size_t len, unsigned int depth);

static int walk_child(struct cgroups *cgroups, int parent_fd, const char *name, char *path,
		      size_t len, unsigned int depth)
{
	size_t name_len = strlen(name);
	int fd;

	if (depth == MAX_DEPTH || len + 1 + name_len >= CGROUP_PATH_MAX)
		return -ELOOP;
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
	path[len] = '/';
	memcpy(path + len + 1, name, name_len + 1);
	return walk_dir(cgroups, fd, path, len + 1 + name_len, depth + 1);
}

/* @fd is closed. @path, of @len bytes, is "" for the root. */
static int walk_dir(struct cgroups *cgroups, int fd, char *path, size_t len, unsigned int depth)
{
	struct dirent *entry;
	int err = 0, child;
	struct stat st;
	DIR *dir;

	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	/* something else may be mounted on a cgroup's directory */
	if (fstat(fd, &st) || st.st_dev != cgroups->mount.dev)
		goto out;
	path[len] = '\0';
	cgroups__added(cgroups, st.st_ino, len ? path : "/");
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		child = walk_child(cgroups, fd, entry->d_name, path, len, depth);
		if (child)
			err = child;
		if (child && child != -ELOOP)
			break;
	}
out:
	closedir(dir);
	return err;
}

int cgroups__walk(struct cgroups *cgroups)
{
	char path[CGROUP_PATH_MAX];
	struct entry *entry;
	int fd, err;

	if (cgroups->mount.fd < 0)
		return -ENODEV;
	fd = openat(cgroups->mount.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = walk_dir(cgroups, fd, path, 0, 0);
	/* some answers lean on others, which may have come later */
	for (entry = cgroups->live.first; entry; entry = entry->next)
		if (leans_on_others(&entry->cgroup.identity))
			identify(cgroups, entry);
	return err;
}

/* ---- asking the table ---- */

const struct cgroup *cgroups__get(struct cgroups *cgroups, uint64_t id, uint64_t now_ns)
{
	struct entry *entry;

	if (id == 0)
		return NULL;
	expire(cgroups, now_ns);
	entry = find(cgroups, id);
	if (!entry)
		entry = ask(cgroups, id, now_ns);
	if (!entry || entry->state == ABSENT)
		return NULL;
	entry->used = true;
	return &entry->cgroup;
}

uint64_t cgroups__changes(const struct cgroups *cgroups)
{
	return cgroups->changes;
}

int cgroups__each(const struct cgroups *cgroups, cgroups_fn fn, void *ctx)
{
	const struct entry *entry;
	int ret = 0;

	for (entry = cgroups->live.first; entry && !ret; entry = entry->next)
		ret = fn(ctx, &entry->cgroup);
	return ret;
}

/* ---- its life ---- */

int cgroups__new(struct cgroups **cgroupsp, const char *mount,
		 const struct cgroups_limits *limits)
{
	struct cgroups *cgroups;
	int err = 0;

	if (!limits)
		limits = &cgroups_default_limits;
	if (limits->max_live == 0 || limits->max_removed == 0 ||
	    limits->max_live > UINT32_MAX || limits->max_removed > UINT32_MAX)
		return -EINVAL;
	cgroups = calloc(1, sizeof(*cgroups));
	if (!cgroups)
		return -ENOMEM;
	cgroups->limits = *limits;
	cgroups->mount = CGROUP_MOUNT_NONE;
	cgroups->num_chains = 1;
	while (cgroups->num_chains < limits->max_live + limits->max_removed)
		cgroups->num_chains *= 2;
	/* Early in the boot there is no better one. */
	if (getrandom(&cgroups->seed, sizeof(cgroups->seed), GRND_NONBLOCK) < 0)
		cgroups->seed = (uintptr_t)cgroups;
	for (enum key key = 0; key < NUM_KEYS && !err; key++) {
		cgroups->chains[key] = calloc(cgroups->num_chains, sizeof(struct entry *));
		err = cgroups->chains[key] ? 0 : -ENOMEM;
	}
	if (!err && mount)
		err = cgroup_mount__open(&cgroups->mount, mount);
	if (err) {
		cgroups__free(cgroups);
		return err;
	}
	*cgroupsp = cgroups;
	return 0;
}

void cgroups__free(struct cgroups *cgroups)
{
	if (!cgroups)
		return;
	while (cgroups->live.first)
		forget(cgroups, cgroups->live.first);
	while (cgroups->removed.first)
		forget(cgroups, cgroups->removed.first);
	cgroup_mount__close(&cgroups->mount);
	for (enum key key = 0; key < NUM_KEYS; key++)
		free(cgroups->chains[key]);
	free(cgroups);
}
