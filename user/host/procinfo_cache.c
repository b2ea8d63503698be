// SPDX-License-Identifier: GPL-2.0
/* The cache of procinfo.h: what was read of a process, and of which there is none. */
#include "host/procinfo.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

/* What was asked; the key of an entry, without padding. */
struct question {
	uint64_t start_ns;
	uint32_t pid, unused;
	char comm[PROCINFO_COMM_LEN]; /* "" if none was asked for */
};

struct entry {
	struct question question;
	bool known; /* false: a negative answer; these are the table's dead */
	struct procinfo info;
};

struct procinfo_cache {
	char *proc_root;
	struct table *entries;
	size_t crowded; /* from so many entries on it matters which was asked for last */
};

static atomic_uint_fast64_t last_number; /* of all caches */

int procinfo__new(struct procinfo_cache **cachep, const char *proc_root, size_t entries)
{
	const struct table_options opts = {
		.key_bytes = sizeof(struct question), .entry_bytes = sizeof(struct entry),
		.max = entries, .fixed = true, .drop_living = true,
	};
	struct procinfo_cache *cache;
	int err = -ENOMEM;

	if (entries == 0 || entries > TABLE_MAX)
		return -EINVAL;
	cache = calloc(1, sizeof(*cache));
	if (!cache)
		return err;
	cache->crowded = entries / 2;
	cache->proc_root = strdup(proc_root);
	if (cache->proc_root)
		err = table__new(&cache->entries, &opts);
	if (err) {
		procinfo__free(cache);
		return err;
	}
	*cachep = cache;
	return 0;
}

void procinfo__free(struct procinfo_cache *cache)
{
	if (!cache)
		return;
	table__free(cache->entries);
	free(cache->proc_root);
	free(cache);
}

/* True if @info was filled, by the process that was asked for. */
static bool read_expected(const struct procinfo_cache *cache, uint32_t pid, uint64_t start_ns,
			  const char *comm, struct procinfo *info, bool *transient)
{
	int err = procinfo__read(cache->proc_root, pid, info);

	/* out of descriptors or memory says nothing about the process */
	*transient = err == -EMFILE || err == -ENFILE || err == -ENOMEM;
	return !err && info->start_ticks == procinfo__ticks_of_ns(start_ns) &&
	       (!*comm || strcmp(info->comm, comm) == 0);
}

const struct procinfo *procinfo__get(struct procinfo_cache *cache, uint32_t pid,
				     uint64_t start_ns, const char *comm)
{
	struct question question = { .start_ns = start_ns, .pid = pid };
	struct procinfo info;
	struct entry *entry;
	bool known, transient;
	void *place;

	if (pid == 0 || start_ns == 0)
		return NULL;
	if (comm)
		memcpy(question.comm, comm, strnlen(comm, sizeof(question.comm) - 1));
	entry = table__find(cache->entries, &question);
	if (entry && entry->known && table__count(cache->entries) >= cache->crowded)
		table__touch(cache->entries, entry);
	if (entry)
		return entry->known ? &entry->info : NULL;

	known = read_expected(cache, pid, start_ns, question.comm, &info, &transient);
	if (transient || table__get(cache->entries, &question, &place) < 0)
		return NULL;
	entry = place;
	entry->known = known;
	if (known) {
		entry->info = info;
		entry->info.number = ++last_number;
	} else {
		table__retire(cache->entries, entry);
	}
	return known ? &entry->info : NULL;
}

const char *procinfo__command_line(struct procinfo_cache *cache, uint32_t pid,
				   uint64_t start_ns, const char *comm)
{
	const struct procinfo *info = procinfo__get(cache, pid, start_ns, comm);

	return info && info->command_line[0] ? info->command_line : NULL;
}
