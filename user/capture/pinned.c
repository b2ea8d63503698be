// SPDX-License-Identifier: GPL-2.0
#include "capture/pinned.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/escape.h"
#include "capture/ledger.h"
#include "capture/tracer.h"

#define MIN_RECORDS (1U << 10)
#define MAX_RECORDS (1U << 25) /* of endings there are twice as many */

/* As they are made, but for the number of entries, which their meta data tell or which is
 * @entries. */
static const struct {
	const char *name;
	uint32_t type, key_size, value_size, entries;
	bool is_mapped;
} specs[PINNED_MAPS] = {
	[PINNED_META] = { "tws_meta", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_meta), 1, false },
	[PINNED_STATS] = { "tws_stats", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			   sizeof(struct tws_counters), 1, false },
	[PINNED_HEADS] = { "tws_heads", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_head),
			   TWS_HEADS, true },
	[PINNED_CPUS] = { "tws_cpus", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct tws_cpu), 1,
			  false },
	[PINNED_EVENTS] = { "tws_events", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_record), 0,
			    true },
	[PINNED_ENDS] = { "tws_ends", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tws_ending), 0, true },
	[PINNED_CGROUPS] = { "tws_cgroup_log", BPF_MAP_TYPE_ARRAY, 4,
			     sizeof(struct tws_cgroup_record), TWS_CGROUP_RECORDS, true },
	[PINNED_PROCS] = { "tws_procs", BPF_MAP_TYPE_LRU_HASH, sizeof(struct tws_proc_key),
			   sizeof(struct tws_proc), 0, false },
	[PINNED_PATHS] = { "tws_paths", BPF_MAP_TYPE_LRU_HASH, sizeof(__u64),
			   sizeof(struct tws_cgroup), 0, false },
};

/* ---- the folder ---- */

static int judge_folder(int fd, char *why)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 022))
		return 0;
	snprintf(why, PINNED_WHY_BYTES, "what is there is not root's alone");
	return -EKEYREJECTED;
}

static int open_folder(const char *bpffs, char *why)
{
	char path[PATH_MAX];
	struct statfs fs;
	int fd, err;

	if (snprintf(path, sizeof(path), "%s/" LEDGER_FOLDER, bpffs) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err = errno == ELOOP || errno == ENOTDIR ? -EKEYREJECTED : -errno;
		snprintf(why, PINNED_WHY_BYTES, "%s",
			 err == -EKEYREJECTED ? "what is there is not root's alone" :
						strerror(-err));
		return err;
	}
	err = fstatfs(fd, &fs) ? -errno : fs.f_type != BPF_FS_MAGIC ? -ENODEV : 0;
	err = err ?: judge_folder(fd, why);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* By the folder that was judged, whatever stands at its name by now. */
static int open_object(int folder, const char *prefix, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s%s", folder, prefix, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* ---- maps ---- */

static int refuse(char *why, const char *what, const char *name)
{
	snprintf(why, PINNED_WHY_BYTES, "%s%s%s", what, name ? " " : "", name ?: "");
	return -EPROTO;
}

/* What is there and cannot be opened, as below a bpffs that is mounted read-only, is not lacking. */
static int refuse_unopened(char *why, int err, const char *name)
{
	if (err == -ENOENT)
		return refuse(why, "it lacks", name);
	snprintf(why, PINNED_WHY_BYTES, "%s", strerror(-err));
	return err;
}

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* Whether the kernel's word on it is what is expected. */
static int judge_map(const struct pinned *pinned, enum pinned_map which, char *why)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	uint32_t entries = specs[which].entries;

	if (bpf_obj_get_info_by_fd(pinned->maps[which], &info, &len))
		return refuse(why, "it is no BPF map:", specs[which].name);
	if (which == PINNED_EVENTS)
		entries = (uint32_t)pinned->meta.entries;
	if (which == PINNED_ENDS)
		entries = (uint32_t)pinned->meta.endings;
	if (info.type != specs[which].type || info.key_size != specs[which].key_size ||
	    info.value_size != specs[which].value_size ||
	    (entries && info.max_entries != entries) ||
	    (specs[which].is_mapped && !(info.map_flags & BPF_F_MMAPABLE)))
		return refuse(why, "it has not the form that twsnoop gives it:", specs[which].name);
	return 0;
}

static int open_map(struct pinned *pinned, enum pinned_map which, char *why)
{
	int fd = open_object(pinned->folder, "", specs[which].name);

	if (fd < 0)
		return refuse_unopened(why, fd, specs[which].name);
	pinned->maps[which] = fd;
	return judge_map(pinned, which, why);
}

int pinned__read_meta(const struct pinned *pinned, struct tws_meta *meta)
{
	struct tws_meta found;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(pinned->maps[PINNED_META], &zero, &found))
		return -errno;
	found.version[sizeof(found.version) - 1] = '\0';
	*meta = found;
	return 0;
}

/* Another version's meta data begin as ours do, whatever size they have. */
static int judge_layout(struct pinned *pinned, char *why)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), zero = 0;
	union {
		struct tws_meta meta;
		char bytes[1024];
	} value = {};
	char version[64];
	int fd = open_object(pinned->folder, "", specs[PINNED_META].name);

	if (fd < 0)
		return refuse_unopened(why, fd, specs[PINNED_META].name);
	pinned->maps[PINNED_META] = fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.type != BPF_MAP_TYPE_ARRAY ||
	    info.key_size != sizeof(zero) || info.value_size > sizeof(value) ||
	    bpf_map_lookup_elem(fd, &zero, &value) || value.meta.magic != TWS_META_MAGIC)
		return refuse(why, "what is there was not made by twsnoop", NULL);
	value.meta.version[sizeof(value.meta.version) - 1] = '\0';
	if (value.meta.layout == TWS_LAYOUT)
		return judge_map(pinned, PINNED_META, why);
	snprintf(why, PINNED_WHY_BYTES, "it was made by twsnoop %s, which records in another form",
		 escape__quote(version, sizeof(version), value.meta.version));
	return -EPROTO;
}

static int judge_meta(struct pinned *pinned, char *why)
{
	struct tws_meta *meta = &pinned->meta;
	int err = pinned__read_meta(pinned, meta);

	if (err)
		return refuse(why, "what is there was not made by twsnoop", NULL);
	if (meta->flags & TWS_META_LEGACY)
		return refuse(why, "before Linux 5.12 what is attached cannot be read as it comes",
			      NULL);
	if (!(meta->flags & TWS_META_ATTACHED) || meta->flags & TWS_META_FILTER ||
	    !is_power_of_two(meta->entries) || meta->entries < MIN_RECORDS ||
	    meta->entries > MAX_RECORDS || !is_power_of_two(meta->endings) ||
	    meta->endings < MIN_RECORDS || meta->endings > MAX_RECORDS)
		return refuse(why, "its description makes no sense", NULL);
	if (!meta->ended_ns)
		return 0;
	refuse(why, "it is being detached", NULL);
	return -ESHUTDOWN;
}

static int open_maps(struct pinned *pinned, char *why)
{
	int err = judge_layout(pinned, why) ?: judge_meta(pinned, why);

	for (size_t i = PINNED_META + 1; !err && i < PINNED_MAPS; i++)
		err = open_map(pinned, i, why);
	return err;
}

/* ---- programs ---- */

static void open_program(struct pinned *pinned, const char *name)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int link = open_object(pinned->folder, "link_", name), prog = -1;

	if (link < 0)
		return;
	if (!bpf_obj_get_info_by_fd(link, &info, &len))
		prog = bpf_prog_get_fd_by_id(info.prog_id);
	close(link);
	if (prog < 0)
		return;
	pinned->is_state[pinned->num_programs] = tracer__is_of_state(name);
	pinned->programs[pinned->num_programs++] = prog;
}

static void open_programs(struct pinned *pinned)
{
	static const char *const names[] = {
		"tws_state", "tws_spare", "tws_drop", "tws_segment", "tws_cgroup_mkdir",
		"tws_cgroup_rename", "tws_cgroup_rmdir", "tws_connect_exit", "tws_bind_exit",
		"tws_connect_enter", "tws_bind_enter",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) <= PINNED_PROGRAMS, "room for all");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		open_program(pinned, names[i]);
}

void pinned__let_go(struct pinned *pinned)
{
	while (pinned->num_programs)
		close(pinned->programs[--pinned->num_programs]);
}

/* ---- the whole ---- */

int pinned__open(struct pinned *pinned, const char *bpffs, char why[PINNED_WHY_BYTES])
{
	struct pinned found = { .folder = open_folder(bpffs, why) };
	int err;

	if (found.folder < 0)
		return found.folder;
	for (size_t i = 0; i < PINNED_MAPS; i++)
		found.maps[i] = -1;
	err = open_maps(&found, why);
	if (err) {
		pinned__close(&found);
		return err;
	}
	open_programs(&found);
	*pinned = found;
	return 0;
}

void pinned__close(struct pinned *pinned)
{
	pinned__let_go(pinned);
	for (size_t i = 0; i < PINNED_MAPS; i++)
		if (pinned->maps[i] >= 0)
			close(pinned->maps[i]);
	close(pinned->folder);
}
