// SPDX-License-Identifier: GPL-2.0
#include "capture/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"

/* bpffs forbids dots in names. */
#define WHOLE LEDGER_FOLDER
#define FILLING LEDGER_FOLDER "-new"
#define EMPTYING LEDGER_FOLDER "-old"

#define MAX_DEPTH 4 /* of folders in folders; ours have none */
#define MAX_IDS 64
#define RING_MAX_RECORDS (1U << 24)
#define END_TRIES 500
#define END_MS 5
#define META_MAX_BYTES 1024 /* of another layout */
#define RECENT_NS 10000000000ULL

/* ---- folders ---- */

static int open_bpffs(const char *path)
{
	struct statfs fs;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
	if (fstatfs(fd, &fs) || fs.f_type != BPF_FS_MAGIC) {
		err = -ENODEV;
		close(fd);
		return err;
	}
	return fd;
}

/* 0: it is there, a folder that root alone may write to. */
static int judge(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == 0 && !(st->st_mode & 022) ? 0 :
									 -EKEYREJECTED;
}

/* Opens the folder @name, if it is root's alone. */
static int open_folder(int root, const char *name)
{
	struct stat st;
	int fd, err;

	if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	err = judge(&st);
	if (err)
		return err;
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : judge(&st);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int empty_folder(int fd, int depth);

/* What another removes meanwhile is no error. */
static int remove_entry(int at, const char *name, int depth)
{
	int fd, err;

	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = depth < MAX_DEPTH ? empty_folder(fd, depth + 1) : -ELOOP;
	close(fd);
	if (!err && unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT)
		err = -errno;
	return err;
}

static int empty_folder(int fd, int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	const struct dirent *entry;
	DIR *dir;

	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		err = -errno;
		close(copy);
		return err;
	}
	while (!err && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = remove_entry(fd, entry->d_name, depth);
	closedir(dir);
	return err;
}

static int remove_folder(int root, const char *name)
{
	int fd = open_folder(root, name), err;

	if (fd < 0)
		return fd;
	err = empty_folder(fd, 0);
	close(fd);
	if (!err && unlinkat(root, name, AT_REMOVEDIR) && errno != ENOENT)
		err = -errno;
	return err;
}

/* 0 once it is removed, -ENOENT: it was not there, -EBUSY: somebody fills it. */
static int remove_filling(int root)
{
	int fd = open_folder(root, FILLING), err;

	if (fd < 0)
		return fd;
	err = flock(fd, LOCK_EX | LOCK_NB) ? -EBUSY : remove_folder(root, FILLING);
	close(fd);
	return err;
}

/* ---- what is pinned ---- */

static int open_pin(const char *bpffs, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s/%s", bpffs, WHOLE, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_obj_get(path);
}

/* Of any layout: no more of it is sure than what every layout begins with. */
union any_meta {
	struct tws_meta meta;
	char bytes[META_MAX_BYTES];
};

/* Returns how many bytes it has; 0: it is none, and @value may be anything. Of another type of
 * map more would be copied than its values have bytes. */
static __u32 look_up_meta(int fd, union any_meta *value)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), zero = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.type != BPF_MAP_TYPE_ARRAY ||
	    info.value_size > sizeof(*value) || info.key_size != sizeof(zero) ||
	    bpf_map_lookup_elem(fd, &zero, value) || value->meta.magic != TWS_META_MAGIC)
		return 0;
	return info.value_size;
}

static enum pins_state read_meta(const char *bpffs, struct tws_meta *meta)
{
	union any_meta value = {};
	int fd = open_pin(bpffs, "tws_meta");
	__u32 bytes;

	if (fd < 0)
		return PINS_PARTIAL;
	bytes = look_up_meta(fd, &value);
	close(fd);
	if (!bytes)
		return PINS_PARTIAL;
	*meta = value.meta;
	meta->version[sizeof(meta->version) - 1] = '\0';
	if (meta->layout != TWS_LAYOUT || bytes != sizeof(*meta))
		return PINS_OTHER;
	return meta->ended_ns ? PINS_PARTIAL : PINS_ATTACHED;
}

/* ---- attaching ---- */

/* A lock is worth something only on what the name still leads to. */
static bool is_same_folder(int root, const char *name, int fd)
{
	struct stat by_name, by_fd;

	return !fstatat(root, name, &by_name, AT_SYMLINK_NOFOLLOW) && !fstat(fd, &by_fd) &&
	       by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

/* An empty folder to be filled, locked. */
static int make_filling(int root)
{
	int fd;

	if (mkdirat(root, FILLING, 0700))
		return errno == EEXIST ? -EBUSY : -errno;
	fd = open_folder(root, FILLING);
	if (fd < 0) {
		unlinkat(root, FILLING, AT_REMOVEDIR);
		return fd == -EKEYREJECTED ? -EPERM : fd;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB) && is_same_folder(root, FILLING, fd))
		return fd;
	close(fd);
	return -EBUSY;
}

/* Removes what was interrupted. */
static int clear(int root)
{
	int err = remove_folder(root, EMPTYING);

	if (err && err != -ENOENT)
		return err;
	err = remove_filling(root);
	return err == -ENOENT ? 0 : err;
}

/* A detach that was interrupted after it had told the readers. */
static int remove_ended(int root, const char *bpffs)
{
	struct tws_meta meta = {}; /* there may be none yet */
	int fd = open_folder(root, WHOLE);

	if (fd < 0)
		return 0;
	close(fd);
	if (read_meta(bpffs, &meta) != PINS_PARTIAL || !meta.ended_ns)
		return 0;
	return renameat2(root, WHOLE, root, EMPTYING, RENAME_NOREPLACE) ?
		       -errno : remove_folder(root, EMPTYING);
}

static int find_none(int root)
{
	struct stat st;

	if (fstatat(root, WHOLE, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return judge(&st) ?: -EEXIST;
}

static int fill(int root, const char *bpffs, struct tracer *tracer)
{
	char path[PATH_MAX];
	int err;

	if (snprintf(path, sizeof(path), "%s/%s", bpffs, FILLING) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	err = tracer__attach(tracer) ?: tracer__pin(tracer, path);
	if (err)
		return err;
	return renameat2(root, FILLING, root, WHOLE, RENAME_NOREPLACE) ? -errno : 0;
}

int pins__attach(const char *bpffs, struct tracer *tracer)
{
	int root = open_bpffs(bpffs), folder, err;

	if (root < 0)
		return root;
	err = clear(root) ?: remove_ended(root, bpffs) ?: find_none(root);
	if (err)
		goto out;
	folder = make_filling(root);
	if (folder < 0) {
		err = folder;
		goto out;
	}
	err = fill(root, bpffs, tracer);
	if (err) {
		tracer__detach(tracer);
		remove_folder(root, FILLING);
	}
	close(folder);
out:
	close(root);
	return err;
}

/* ---- the programs, and all of their maps ---- */

struct id_list {
	__u32 ids[MAX_IDS];
	size_t num;
};

struct objects {
	struct id_list maps, progs;
	uint64_t recursion, state_recursion;
	uint64_t pinned_bytes; /* of the maps that are pinned themselves */
};

static void add_id(struct id_list *list, __u32 id)
{
	for (size_t i = 0; i < list->num; i++)
		if (list->ids[i] == id)
			return;
	if (list->num < MAX_IDS)
		list->ids[list->num++] = id;
}

/* What the kernel itself says that a map takes. */
static uint64_t memory_of(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

static void look_at_link(int fd, struct objects *objects)
{
	struct bpf_link_info link = {};
	__u32 len = sizeof(link), ids[MAX_IDS];
	struct bpf_prog_info info = { .nr_map_ids = MAX_IDS, .map_ids = (uintptr_t)ids };
	int prog;

	if (bpf_obj_get_info_by_fd(fd, &link, &len))
		return;
	prog = bpf_prog_get_fd_by_id(link.prog_id);
	if (prog < 0)
		return;
	add_id(&objects->progs, link.prog_id);
	len = sizeof(info);
	if (!bpf_obj_get_info_by_fd(prog, &info, &len)) {
		if (tracer__is_of_state(info.name))
			objects->state_recursion += info.recursion_misses;
		else
			objects->recursion += info.recursion_misses;
		for (__u32 i = 0; i < info.nr_map_ids && i < MAX_IDS; i++)
			add_id(&objects->maps, ids[i]);
	}
	close(prog);
}

static void look_at_pin(const char *bpffs, const char *name, struct objects *objects)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = open_pin(bpffs, name);

	if (fd < 0)
		return;
	if (!strncmp(name, "link_", 5)) {
		look_at_link(fd, objects);
	} else if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
		add_id(&objects->maps, info.id);
		objects->pinned_bytes += memory_of(fd);
	}
	close(fd);
}

/* Of what is pinned in the open @folder, as far as the caller may look. */
static void look_at_pins(const char *bpffs, int folder, struct objects *objects)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			look_at_pin(bpffs, entry->d_name, objects);
	closedir(dir);
}

static bool exists(int (*get_fd)(__u32 id), __u32 id)
{
	int fd = get_fd(id);

	if (fd < 0)
		return errno != ENOENT;
	close(fd);
	return true;
}

/* The kernel frees them some time after the last pin has gone; and whoever else
 * holds one is not waited for. */
static void await_end(const struct objects *objects)
{
	int tries = END_TRIES;

	for (size_t i = 0; i < objects->progs.num; i++)
		while (exists(bpf_prog_get_fd_by_id, objects->progs.ids[i]) && tries-- > 0)
			poll(NULL, 0, END_MS);
	for (size_t i = 0; i < objects->maps.num; i++)
		while (exists(bpf_map_get_fd_by_id, objects->maps.ids[i]) && tries-- > 0)
			poll(NULL, 0, END_MS);
}

/* ---- detaching ---- */

/* Its readers are told before anything is removed; @ended_ns 0 takes that back. So are those of
 * another layout, or they would take for theirs what is closed until they miss it. */
static void mark_ended(const char *bpffs, uint64_t ended_ns)
{
	union any_meta value = {};
	int fd = open_pin(bpffs, "tws_meta");
	__u32 zero = 0;

	if (fd < 0)
		return;
	if (look_up_meta(fd, &value) >= offsetof(struct tws_meta, endings) &&
	    value.meta.layout >= TWS_LAYOUT_ENDED) {
		value.meta.ended_ns = ended_ns;
		bpf_map_update_elem(fd, &zero, &value, BPF_EXIST);
	}
	close(fd);
}

/* Renamed first: half of it is never there by its name. */
static int detach_whole(int root, const char *bpffs)
{
	struct objects objects = { .recursion = 0 };
	int fd = open_folder(root, WHOLE), err;

	if (fd < 0)
		return fd;
	look_at_pins(bpffs, fd, &objects);
	close(fd);
	mark_ended(bpffs, clock__now_ns(CLOCK_MONOTONIC));
	if (renameat2(root, WHOLE, root, EMPTYING, RENAME_NOREPLACE)) {
		err = -errno;
		mark_ended(bpffs, 0);
		return err;
	}
	err = remove_folder(root, EMPTYING);
	if (!err)
		await_end(&objects);
	return err;
}

int pins__detach(const char *bpffs)
{
	int root = open_bpffs(bpffs), err, old, new;

	if (root < 0)
		return root;
	old = remove_folder(root, EMPTYING);
	err = old && old != -ENOENT ? old : detach_whole(root, bpffs);
	if (!err || err == -ENOENT) {
		new = remove_filling(root);
		if (new != -ENOENT)
			err = new;
		else if (!old)
			err = 0;
	}
	close(root);
	return err;
}

/* ---- status ---- */

/* A map of @type that is pinned as @name with values of @bytes; -1: there is none. */
static int open_map(const char *bpffs, const char *name, uint32_t type, uint32_t bytes)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = open_pin(bpffs, name);

	if (fd < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == type &&
	    info.key_size == sizeof(__u32) && info.value_size == bytes)
		return fd;
	close(fd);
	return -1;
}

static bool look_up(const char *bpffs, const char *name, uint32_t type, uint32_t key, void *value,
		    uint32_t bytes)
{
	int fd = open_map(bpffs, name, type, bytes);
	bool found;

	if (fd < 0)
		return false;
	found = !bpf_map_lookup_elem(fd, &key, value);
	close(fd);
	return found;
}

/* The sum over all CPUs of a value that consists of nothing but counters. */
static bool sum_up(const char *bpffs, const char *name, uint64_t *sum, uint32_t bytes)
{
	size_t words = bytes / sizeof(*sum);
	int cpus = libbpf_num_possible_cpus();
	uint64_t *each = cpus > 0 ? calloc(cpus, bytes) : NULL;
	bool found = each && look_up(bpffs, name, BPF_MAP_TYPE_PERCPU_ARRAY, 0, each, bytes);

	for (size_t i = 0; found && i < cpus * words; i++)
		sum[i % words] += each[i];
	free(each);
	return found;
}

static void read_counters(const char *bpffs, struct tws_counters *counters)
{
	uint64_t sum[sizeof(*counters) / sizeof(uint64_t)] = {};

	_Static_assert(sizeof(sum) == sizeof(*counters), "nothing but counters");
	if (sum_up(bpffs, "tws_stats", sum, sizeof(sum)))
		memcpy(counters, sum, sizeof(sum));
}

/* How many records have been written, also lately, and when the oldest that is still there was.
 * Programs hold some positions that they have not written to yet. */
static void count_records(const struct tws_record *records, uint64_t entries, uint64_t next,
			  struct pins_status *status)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC), time_ns;
	uint64_t from = next > entries ? next - entries : 0, oldest_ns = status->meta.time_ns;

	status->written = from;
	status->window_ns = now_ns > oldest_ns ? now_ns - oldest_ns : 0;
	if (status->window_ns > RECENT_NS)
		status->window_ns = RECENT_NS;
	for (uint64_t n = from; n < next; n++) {
		const struct tws_record *record = &records[n & (entries - 1)];

		if (__atomic_load_n(&record->seq, __ATOMIC_ACQUIRE) != n + 1)
			continue;
		time_ns = record->event.time_ns;
		status->written++;
		status->recent += time_ns + status->window_ns >= now_ns;
		if (from && !status->oldest_ns) {
			status->oldest_ns = time_ns;
			if (time_ns + status->window_ns > now_ns && time_ns < now_ns)
				status->window_ns = now_ns - time_ns;
		}
	}
}

static void read_ring(const char *bpffs, struct pins_status *status)
{
	uint64_t entries = status->meta.entries;
	struct tws_head head;
	int fd;
	void *at;

	/* Mapping less than there is, or more, is refused or harmless. */
	if (entries > RING_MAX_RECORDS || !entries || entries & (entries - 1) ||
	    !look_up(bpffs, "tws_heads", BPF_MAP_TYPE_ARRAY, TWS_RING_EVENTS, &head, sizeof(head)))
		return;
	fd = open_map(bpffs, "tws_events", BPF_MAP_TYPE_ARRAY, sizeof(struct tws_record));
	if (fd < 0)
		return;
	at = mmap(NULL, entries * sizeof(struct tws_record), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	count_records(at, entries, head.next & INT64_MAX, status);
	munmap(at, entries * sizeof(struct tws_record));
}

static void read_objects(const char *bpffs, int folder, struct pins_status *status)
{
	struct objects objects = { .recursion = 0 };

	look_at_pins(bpffs, folder, &objects);
	status->recursion = objects.recursion;
	status->state_recursion = objects.state_recursion;
	for (size_t i = 0; i < objects.maps.num; i++) {
		int fd = bpf_map_get_fd_by_id(objects.maps.ids[i]);

		if (fd < 0)
			continue;
		status->memory_bytes += memory_of(fd);
		close(fd);
	}
	if (!status->memory_bytes)
		status->memory_bytes = objects.pinned_bytes;
}

/* With nothing that is whole. */
static int read_rest(int root, struct pins_status *status)
{
	int filling = open_folder(root, FILLING), emptying = open_folder(root, EMPTYING);

	if (filling == -EKEYREJECTED || emptying == -EKEYREJECTED)
		status->state = PINS_FOREIGN;
	else if (filling >= 0 && flock(filling, LOCK_SH | LOCK_NB))
		status->state = PINS_BUSY;
	else if (filling >= 0 || emptying >= 0)
		status->state = PINS_PARTIAL;
	if (filling >= 0)
		close(filling);
	if (emptying >= 0)
		close(emptying);
	return 0;
}

static int read_status(int root, const char *bpffs, struct pins_status *status)
{
	int folder = open_folder(root, WHOLE);

	if (folder == -ENOENT)
		return read_rest(root, status);
	if (folder == -EKEYREJECTED)
		status->state = PINS_FOREIGN;
	if (folder < 0)
		return folder == -EKEYREJECTED ? 0 : folder;
	status->state = read_meta(bpffs, &status->meta);
	if (status->state == PINS_ATTACHED) {
		read_counters(bpffs, &status->counters);
		read_ring(bpffs, status);
	}
	read_objects(bpffs, folder, status);
	close(folder);
	return 0;
}

const char *pins__since(const struct tws_meta *meta, char to[PINS_SINCE_BYTES])
{
	time_t seconds = (time_t)(meta->wall_ns / 1000000000);
	struct tm tm;

	if (!localtime_r(&seconds, &tm) ||
	    !strftime(to, PINS_SINCE_BYTES, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(to, PINS_SINCE_BYTES, "?");
	return to;
}

int pins__status(const char *bpffs, struct pins_status *status)
{
	struct pins_status now = { .state = PINS_NONE };
	int root = open_bpffs(bpffs), err;

	if (root < 0)
		return root;
	err = read_status(root, bpffs, &now);
	close(root);
	if (!err)
		*status = now;
	return err;
}
