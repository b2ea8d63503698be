// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A shell that is to write to it in the background may not have made the file yet. */
static unsigned long count_lines(const char *path, const char *prefix)
{
	unsigned long num = 0;
	size_t len = strlen(prefix);
	char *data, *end;

	if (access(path, F_OK))
		return 0;
	data = contents(path, NULL);
	for (char *s = data; (end = strchr(s, '\n')); s = end + 1)
		num += !strncmp(s, prefix, len);
	free(data);
	return num;
}

static int late(const char *path)
{
	if (access(path, F_OK))
		die(path);
	return 1;
}

int tool__wait_line(int argc, char **argv)
{
	uint64_t end_ns = now_ns() + DEADLINE_S * 1000000000ULL;
	unsigned long wanted;

	if (argc < 2)
		die("wait-line FILE PREFIX [N]");
	wanted = argc > 2 ? number(argv[2]) : 1;
	while (count_lines(argv[0], argv[1]) < wanted) {
		if (now_ns() > end_ns)
			return late(argv[0]);
		rest();
	}
	return 0;
}

int tool__wait_exit(int argc, char **argv)
{
	uint64_t end_ns = now_ns() + DEADLINE_S * 1000000000ULL;

	if (argc < 1)
		die("wait-exit FILE");
	while (!count_lines(argv[0], "")) {
		if (now_ns() > end_ns)
			return late(argv[0]);
		rest();
	}
	return 0;
}

/* ---- BPF objects ---- */

static const struct {
	const char *key; /* in /proc/PID/fdinfo/N */
	const char *name;
	enum bpf_cmd get_fd;
} kinds[] = {
	{ "prog_id:", "prog", BPF_PROG_GET_FD_BY_ID },
	{ "map_id:", "map", BPF_MAP_GET_FD_BY_ID },
	{ "link_id:", "link", BPF_LINK_GET_FD_BY_ID },
};

#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void print_ids(const char *pid, const char *fd)
{
	char path[512], line[256], key[64];
	unsigned int id;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < NUM_KINDS; i++)
			if (sscanf(line, "%63s %u", key, &id) == 2 && !strcmp(key, kinds[i].key))
				printf("%s %u\n", kinds[i].name, id);
	if (f)
		fclose(f);
}

int tool__bpf_held(int argc, char **argv)
{
	const struct dirent *entry;
	char path[512];
	DIR *dir;

	if (argc < 1)
		die("bpf-held PID");
	snprintf(path, sizeof(path), "/proc/%s/fdinfo", argv[0]);
	dir = opendir(path);
	if (!dir)
		die(path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			print_ids(argv[0], entry->d_name);
	closedir(dir);
	return 0;
}

static bool exists(enum bpf_cmd get_fd, unsigned int id)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id; /* map_id and link_id are at the same place */
	fd = syscall(SYS_bpf, get_fd, &attr, sizeof(attr));
	if (fd < 0)
		return errno != ENOENT;
	close((int)fd);
	return true;
}

/* The kernel frees them some time after the last descriptor was closed. */
static bool is_gone(const char *name, unsigned int id)
{
	uint64_t end_ns = now_ns() + DEADLINE_S * 1000000000ULL;

	for (size_t i = 0; i < NUM_KINDS; i++)
		while (!strcmp(name, kinds[i].name) && exists(kinds[i].get_fd, id)) {
			if (now_ns() > end_ns)
				return false;
			rest();
		}
	return true;
}

int tool__bpf_gone(int argc, char **argv)
{
	unsigned int id, num = 0;
	char name[16];
	FILE *f;

	f = argc > 0 ? fopen(argv[0], "re") : NULL;
	if (!f)
		die("bpf-gone FILE");
	while (fscanf(f, "%15s %u", name, &id) == 2) {
		num++;
		if (!is_gone(name, id)) {
			printf("%s %u is still there\n", name, id);
			return 1;
		}
	}
	fclose(f);
	printf("%u\n", num);
	return 0;
}
