// SPDX-License-Identifier: GPL-2.0
#include "capture/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/hash.h"
#include "model/decode.h"
#include "capture/arguments.h"
#include "capture/owners.h"

#define MAX_SOURCES 16
#define MAX_MAP_IDS 64
#define META_MAX_BYTES 1024 /* of another layout's meta data */
#define ONE_CLOSE_NS 100000000ULL /* several programs that are told of it take turns */

enum map_name { META, EVENTS, HEADS, OWNERS, PROCS, PATHS, NUM_MAPS };

static const struct {
	const char *name;
	uint32_t type, key_size, value_size;
} map_specs[NUM_MAPS] = {
	[META] = { "tws_meta", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_meta) },
	[EVENTS] = { "tws_events", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_record) },
	[HEADS] = { "tws_heads", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_head) },
	[OWNERS] = { "tws_owners", BPF_MAP_TYPE_LRU_HASH, sizeof(struct tws_key),
		     sizeof(struct tws_event) },
	[PROCS] = { "tws_procs", BPF_MAP_TYPE_LRU_HASH, sizeof(struct tws_proc_key),
		    sizeof(struct tws_proc) },
	[PATHS] = { "tws_paths", BPF_MAP_TYPE_LRU_HASH, sizeof(__u64),
		    sizeof(struct tws_cgroup) },
};

/* The maps of one loader, as far as they are there. */
struct maps {
	int fds[NUM_MAPS]; /* -1: none */
	uint32_t entries[NUM_MAPS];
	uint32_t meta_bytes;
};

struct source {
	struct tws_meta meta;
	struct maps maps;
	const struct tws_record *records; /* mapped */
	size_t bytes;
	struct owners *owners;
};

struct ledger {
	struct source sources[MAX_SOURCES];
	size_t num_sources;
	uint64_t seed;
	uint32_t hierarchy;
	bool has_hierarchy; /* some source has cgroups of it */
	unsigned int flags;
	struct tws_proc proc;
};

/* ---- the maps of one loader ---- */

static void no_maps(struct maps *maps)
{
	for (size_t i = 0; i < NUM_MAPS; i++)
		maps->fds[i] = -1;
}

static void close_maps(struct maps *maps)
{
	for (size_t i = 0; i < NUM_MAPS; i++)
		if (maps->fds[i] >= 0)
			close(maps->fds[i]);
	no_maps(maps);
}

/* The meta data of another layout may have another size. */
static bool has_form(const struct bpf_map_info *info, enum map_name name)
{
	return info->type == map_specs[name].type && info->key_size == map_specs[name].key_size &&
	       (info->value_size == map_specs[name].value_size ||
		(name == META && info->value_size <= META_MAX_BYTES));
}

/* Takes @fd over if it is one that is looked for. */
static void take_map(struct maps *maps, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		goto out;
	for (size_t i = 0; i < NUM_MAPS; i++) {
		if (strncmp(info.name, map_specs[i].name, sizeof(info.name)))
			continue;
		if (maps->fds[i] >= 0 || !has_form(&info, i))
			break;
		maps->fds[i] = fd;
		maps->entries[i] = info.max_entries;
		if (i == META)
			maps->meta_bytes = info.value_size;
		return;
	}
out:
	close(fd);
}

static void maps_of_program(struct maps *maps, const __u32 *ids, __u32 num)
{
	for (__u32 i = 0; i < num; i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd >= 0)
			take_map(maps, fd);
	}
}

static void maps_of_folder(struct maps *maps, const char *folder)
{
	char path[256];

	for (size_t i = 0; i < NUM_MAPS; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", folder, map_specs[i].name);
		fd = bpf_obj_get(path);
		if (fd >= 0)
			take_map(maps, fd);
	}
}

/* ---- one of them in memory ---- */

static void close_source(struct source *source)
{
	owners__free(source->owners);
	if (source->records)
		munmap((void *)source->records, source->bytes);
	close_maps(&source->maps);
}

static int map_records(struct source *source)
{
	size_t bytes = (size_t)source->maps.entries[EVENTS] * sizeof(struct tws_record);
	void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, source->maps.fds[EVENTS], 0);

	if (at == MAP_FAILED)
		return -errno;
	source->records = at;
	source->bytes = bytes;
	return 0;
}

/* A ring that is none is left alone. */
static int index_source(struct source *source, uint64_t seed)
{
	const struct maps *maps = &source->maps;
	__u32 ring = TWS_RING_EVENTS;
	struct tws_head head;
	int err;

	if (maps->fds[EVENTS] < 0 || maps->fds[HEADS] < 0 ||
	    bpf_map_lookup_elem(maps->fds[HEADS], &ring, &head))
		return 0;
	err = map_records(source) ?:
	      owners__new(&source->owners, source->records, maps->entries[EVENTS], head.next,
			  seed);
	return err == -ENOMEM ? err : 0;
}

/* Of another layout no more is sure than what every layout begins with. */
static bool read_meta(const struct maps *maps, struct tws_meta *meta)
{
	uint64_t value[META_MAX_BYTES / sizeof(uint64_t)] = {};
	__u32 zero = 0;

	if (maps->fds[META] < 0 || bpf_map_lookup_elem(maps->fds[META], &zero, value))
		return false;
	memcpy(meta, value, sizeof(*meta));
	meta->version[sizeof(meta->version) - 1] = '\0';
	return meta->magic == TWS_META_MAGIC;
}

/* Takes over what is in @maps. */
static int add_source(struct ledger *ledger, struct maps *maps)
{
	struct source *source = &ledger->sources[ledger->num_sources];
	int err;

	*source = (struct source){ .maps = *maps };
	no_maps(maps);
	/* Without a time it is not attached: 'twsnoop check', or one that is about to be. */
	if (!read_meta(&source->maps, &source->meta) || !source->meta.time_ns) {
		close_source(source);
		return 0;
	}
	if (source->meta.layout != TWS_LAYOUT ||
	    source->maps.meta_bytes != sizeof(source->meta)) {
		ledger->flags |= LEDGER_OTHER;
		close_source(source);
		return 0;
	}
	err = index_source(source, ledger->seed);
	if (err) {
		close_source(source);
		return err;
	}
	ledger->has_hierarchy |= source->meta.cgroup_hierarchy == ledger->hierarchy;
	ledger->num_sources++;
	return 0;
}

/* ---- finding them ---- */

static bool is_ours(const struct bpf_prog_info *info)
{
	return info->type == BPF_PROG_TYPE_TRACING && !strcmp(info->name, "tws_state");
}

static int look_at_program(struct ledger *ledger, int fd)
{
	__u32 ids[MAX_MAP_IDS];
	struct bpf_prog_info info = { .nr_map_ids = MAX_MAP_IDS, .map_ids = (uintptr_t)ids };
	__u32 len = sizeof(info);
	struct maps maps;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) || !is_ours(&info))
		return 0;
	no_maps(&maps);
	maps_of_program(&maps, ids, info.nr_map_ids < MAX_MAP_IDS ? info.nr_map_ids :
								   MAX_MAP_IDS);
	return add_source(ledger, &maps);
}

static int add_programs(struct ledger *ledger)
{
	__u32 id = 0;
	int err = 0;

	while (!err && ledger->num_sources < MAX_SOURCES) {
		int fd;

		if (bpf_prog_get_next_id(id, &id)) {
			if (errno != ENOENT) /* EPERM; no others are documented */
				ledger->flags |= LEDGER_DENIED;
			break;
		}
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0) { /* it has gone, or may not be looked at */
			if (errno == EPERM)
				ledger->flags |= LEDGER_DENIED;
			continue;
		}
		err = look_at_program(ledger, fd);
		close(fd);
	}
	return err;
}

static int add_pinned(struct ledger *ledger, const char *folder)
{
	struct maps maps;
	struct stat st;
	int err;

	if (lstat(folder, &st) || !S_ISDIR(st.st_mode) || st.st_uid || st.st_mode & 022)
		return 0;
	no_maps(&maps);
	maps_of_folder(&maps, folder);
	err = add_source(ledger, &maps);
	if (ledger->num_sources)
		ledger->flags &= ~LEDGER_DENIED;
	return err;
}

int ledger__open(struct ledger **ledgerp, uint32_t hierarchy, unsigned int *flags)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int err = -ENOMEM;

	if (!ledger)
		return err;
	ledger->seed = hash__random_seed();
	ledger->hierarchy = hierarchy;
	err = add_programs(ledger);
	if (!err && ledger->flags & LEDGER_DENIED && !ledger->num_sources)
		err = add_pinned(ledger, LEDGER_BPFFS "/" LEDGER_FOLDER);
	if (err)
		goto out;
	if (flags)
		*flags |= ledger->flags;
	*ledgerp = ledger;
	return 0;
out:
	ledger__free(ledger);
	return err;
}

void ledger__free(struct ledger *ledger)
{
	if (!ledger)
		return;
	for (size_t i = 0; i < ledger->num_sources; i++)
		close_source(&ledger->sources[i]);
	free(ledger);
}

size_t ledger__count(const struct ledger *ledger)
{
	return ledger->num_sources;
}

/* ---- looking up ---- */

/* Before Linux 5.12: what stands there for a cookie is a number of our own. */
static bool find_owner(const struct source *source, const struct tws_key *key, uint64_t cookie,
		       uint64_t entered_ns, struct tws_event *event)
{
	struct tws_event found;

	if (source->maps.fds[OWNERS] < 0 ||
	    bpf_map_lookup_elem(source->maps.fds[OWNERS], key, &found))
		return false;
	found.cookie = 0;
	if (!owners__accept(&found, key, cookie, entered_ns))
		return false;
	*event = found;
	return true;
}

static bool find_in(const struct source *source, const struct tws_key *key, uint64_t cookie,
		    uint64_t entered_ns, struct tws_event *event)
{
	if (!(source->owners &&
	      owners__find(source->owners, key, cookie, entered_ns, event)) &&
	    !find_owner(source, key, cookie, entered_ns, event))
		return false;
	/* As tracer__attach() says. */
	if (!decode__opening_is_sure(event, source->meta.time_ns))
		decode__forget_opening(event);
	return true;
}

/* Whose cgroups say nothing here: a number of another hierarchy may be anybody's in this one. */
static bool is_foreign(const struct ledger *ledger, const struct source *source)
{
	return ledger->has_hierarchy && source->meta.cgroup_hierarchy != ledger->hierarchy;
}

static void forget_cgroup(struct tws_event *event)
{
	event->conn.cgroup_id = 0;
	event->conn.flags &= ~(TWS_F_CGROUP_V1 | TWS_F_SOCK_CGROUP);
}

static bool is_one_close(const struct tws_event *a, const struct tws_event *b)
{
	uint64_t apart_ns = a->time_ns > b->time_ns ? a->time_ns - b->time_ns :
						      b->time_ns - a->time_ns;

	return (a->conn.flags & TWS_F_CLOSER) == (b->conn.flags & TWS_F_CLOSER) &&
	       a->conn.tgid == b->conn.tgid && apart_ns < ONE_CLOSE_NS;
}

/* One that has a cgroup that says something is better than one of the same close without. */
static bool is_better(const struct tws_event *event, const struct tws_event *than)
{
	bool has_cgroup = event->conn.cgroup_id;

	return has_cgroup != (than->conn.cgroup_id != 0) && is_one_close(event, than) ?
		       has_cgroup : owners__is_better(event, than);
}

bool ledger__find(const struct ledger *ledger, const struct tws_key *key, uint64_t cookie,
		  uint64_t entered_ns, struct tws_event *event)
{
	struct tws_event other;
	bool found = false;

	for (size_t i = 0; i < ledger->num_sources; i++) {
		struct tws_event *to = found ? &other : event;

		if (!find_in(&ledger->sources[i], key, cookie, entered_ns, to))
			continue;
		if (is_foreign(ledger, &ledger->sources[i]))
			forget_cgroup(to);
		if (found && is_better(&other, event))
			*event = other;
		found = true;
	}
	return found;
}

bool ledger__cgroup(const struct ledger *ledger, uint64_t id, struct tws_cgroup *cgroup)
{
	const struct tws_cgroup *checked;
	struct tws_cgroup found;

	for (size_t i = 0; i < ledger->num_sources; i++) {
		int fd = ledger->sources[i].maps.fds[PATHS];

		if (is_foreign(ledger, &ledger->sources[i]) || fd < 0 ||
		    bpf_map_lookup_elem(fd, &id, &found) ||
		    decode__cgroup(&found, sizeof(found), &checked) || found.id != id)
			continue;
		*cgroup = found;
		return true;
	}
	return false;
}

const char *ledger__arguments(struct ledger *ledger, const struct tws_event *event, size_t *len)
{
	for (size_t i = 0; i < ledger->num_sources; i++) {
		const char *args = arguments__find(ledger->sources[i].maps.fds[PROCS], event,
						   &ledger->proc, len);

		if (args)
			return args;
	}
	return NULL;
}

/* The earliest of all: each records everything. */
static uint64_t find_earliest(const struct ledger *ledger, bool whole)
{
	uint64_t since_ns = 0;

	for (size_t i = 0; i < ledger->num_sources; i++) {
		const struct source *source = &ledger->sources[i];
		uint64_t own_ns = source->meta.time_ns;
		uint64_t oldest_ns = source->owners ? owners__oldest_ns(source->owners) : 0;

		if (source->meta.flags & TWS_META_FILTER)
			continue;
		if (whole && oldest_ns > own_ns)
			own_ns = oldest_ns;
		if (own_ns && (!since_ns || own_ns < since_ns))
			since_ns = own_ns;
	}
	return since_ns;
}

uint64_t ledger__recorded_since(const struct ledger *ledger)
{
	return find_earliest(ledger, false);
}

uint64_t ledger__complete_since(const struct ledger *ledger)
{
	return find_earliest(ledger, true);
}
