// SPDX-License-Identifier: GPL-2.0
/*
 * probe: holds the empty programs attached and the kernel's BPF run-time
 * counters on, and prints what every BPF program has cost so far. All of it
 * ends with the process: there is no setting to put back.
 *
 *   probe [--no-state] [--no-drop] [--no-stats]
 *
 * Prints "ready". Each line "snap PID..." on stdin is answered with one line of
 * JSON: every program of the kernel, and the programs and maps that those
 * processes hold open. End of input ends it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "empty.skel.h"
#include "load.h"

#define PR_U64 "%llu"

static unsigned long long u64(uint64_t v)
{
	return v;
}

static void prog__print(__u32 id, const struct bpf_prog_info *info, bool first)
{
	printf("%s{\"id\":%u,\"name\":\"%s\",\"run_cnt\":" PR_U64 ",\"run_time_ns\":" PR_U64
	       ",\"recursion_misses\":" PR_U64 ",\"verified_insns\":%u,\"xlated_bytes\":%u,"
	       "\"jited_bytes\":%u,\"attach_btf_id\":%u}",
	       first ? "" : ",", id, info->name, u64(info->run_cnt), u64(info->run_time_ns),
	       u64(info->recursion_misses), info->verified_insns, info->xlated_prog_len,
	       info->jited_prog_len, info->attach_btf_id);
}

static void progs__print(void)
{
	bool first = true;
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
			prog__print(id, &info, first);
			first = false;
		}
		close(fd);
	}
}

/* One fd of a process, as /proc/PID/fdinfo tells it. */
struct time_waits {
	bool is_prog, is_map;
	uint64_t prog_id, map_id, memlock, max_entries;
};

/* "key:\tvalue\n" */
static bool field__read(const char *line, const char *key, uint64_t *out)
{
	size_t len = strlen(key);
	char value[32];

	if (strncmp(line, key, len) || line[len] != ':')
		return false;
	line += len + 1;
	line += strspn(line, " \t");
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\n"), line);
	return !load__parse(value, UINT64_MAX, out);
}

static void time_waits__read(const char *path, struct time_waits *held)
{
	char line[256];
	FILE *f = fopen(path, "re");

	*held = (struct time_waits){ 0 };
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		held->is_prog |= field__read(line, "prog_id", &held->prog_id);
		held->is_map |= field__read(line, "map_id", &held->map_id);
		field__read(line, "memlock", &held->memlock);
		field__read(line, "max_entries", &held->max_entries);
	}
	fclose(f);
}

static void map__print(const struct time_waits *held, bool first)
{
	int fd = bpf_map_get_fd_by_id((__u32)held->map_id);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &info, &len))
			info.name[0] = '\0';
		close(fd);
	}
	printf("%s{\"id\":" PR_U64 ",\"name\":\"%s\",\"type\":%u,\"max_entries\":" PR_U64
	       ",\"memlock\":" PR_U64 "}",
	       first ? "" : ",", u64(held->map_id), info.name, info.type,
	       u64(held->max_entries), u64(held->memlock));
}

/* @maps: print the maps of process @pid, else the ids of its programs. */
static void process__print(const char *pid, bool maps)
{
	char path[300];
	struct dirent *entry;
	bool first = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		struct time_waits held;

		snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.200s", pid, entry->d_name);
		time_waits__read(path, &held);
		if (maps && held.is_map) {
			map__print(&held, first);
			first = false;
		} else if (!maps && held.is_prog) {
			printf("%s" PR_U64, first ? "" : ",", u64(held.prog_id));
			first = false;
		}
	}
	if (dir)
		closedir(dir);
}

static void snapshot__print(char *pids)
{
	const char *pid;
	bool first = true;

	printf("{\"progs\":[");
	progs__print();
	printf("],\"pids\":{");
	for (pid = strtok(pids, " \n"); pid; pid = strtok(NULL, " \n")) {
		if (strspn(pid, "0123456789") != strlen(pid))
			continue;
		printf("%s\"%s\":{\"progs\":[", first ? "" : ",", pid);
		process__print(pid, false);
		printf("],\"maps\":[");
		process__print(pid, true);
		printf("]}");
		first = false;
	}
	printf("}}\n");
	fflush(stdout);
}

static int probe__serve(void)
{
	char line[1024];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (strncmp(line, "snap", 4)) {
			fprintf(stderr, "probe: unknown command\n");
			return 2;
		}
		snapshot__print(line + 4);
	}
	return 0;
}

struct choice {
	bool state, drop, stats;
};

static int choice__parse(int argc, char **argv, struct choice *choice)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--no-state"))
			choice->state = false;
		else if (!strcmp(argv[i], "--no-drop"))
			choice->drop = false;
		else if (!strcmp(argv[i], "--no-stats"))
			choice->stats = false;
		else
			return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct choice choice = { true, true, true };
	struct empty_bpf *skel = NULL;
	int err, stats_fd = -1, status = 1;

	if (choice__parse(argc, argv, &choice)) {
		fprintf(stderr, "usage: probe [--no-state] [--no-drop] [--no-stats]\n");
		return 2;
	}
	skel = empty_bpf__open();
	if (!skel)
		goto out;
	bpf_program__set_autoload(skel->progs.empty_state, choice.state);
	bpf_program__set_autoload(skel->progs.empty_drop, choice.drop);
	err = empty_bpf__load(skel);
	if (!err)
		err = empty_bpf__attach(skel);
	if (err) {
		fprintf(stderr, "probe: BPF: %s (root and BTF are needed)\n", strerror(-err));
		goto out;
	}
	if (choice.stats) {
		stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
		if (stats_fd < 0) {
			fprintf(stderr, "probe: BPF statistics: %s\n", strerror(errno));
			goto out;
		}
	}
	status = probe__serve();
out:
	if (stats_fd >= 0)
		close(stats_fd);
	empty_bpf__destroy(skel);
	return status;
}
