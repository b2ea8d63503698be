// SPDX-License-Identifier: GPL-2.0
/* What twsnoop attach leaves in bpffs, without asking twsnoop. */
#include "clitool.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VALUE_BYTES 4096
#define MAX_CPUS 8192 /* that a kernel may be made for */
#define LAYOUT_OFFSET 8 /* of tws_meta.layout, in every layout */

int tool__mount_bpffs(int argc, char **argv)
{
	if (argc < 1)
		die("mount-bpffs DIR");
	if (mount("bpf", argv[0], "bpf", 0, NULL))
		die(argv[0]);
	return 0;
}

static int open_pin(const char *path)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)path;
	fd = syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0)
		die(path);
	return (int)fd;
}

/* Each as long as this program holds it: tool__bpf_held() finds it. */
int tool__bpf_pinned(int argc, char **argv)
{
	char path[512], pid[32];
	const struct dirent *entry;
	char *self[] = { pid, NULL };
	DIR *dir;

	dir = argc > 0 ? opendir(argv[0]) : NULL;
	if (!dir)
		die("bpf-pinned DIR");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[0], entry->d_name);
		open_pin(path);
	}
	closedir(dir);
	snprintf(pid, sizeof(pid), "%d", getpid());
	return tool__bpf_held(1, self);
}

static void meta_call(enum bpf_cmd cmd, int fd, void *value)
{
	uint32_t zero = 0;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&zero;
	attr.value = (uintptr_t)value;
	if (syscall(SYS_bpf, cmd, &attr, sizeof(attr)))
		die("tws_meta");
}

int tool__bpf_layout(int argc, char **argv)
{
	unsigned char value[VALUE_BYTES];
	uint32_t layout;
	int fd;

	if (argc < 2)
		die("bpf-layout FILE N");
	fd = open_pin(argv[0]);
	meta_call(BPF_MAP_LOOKUP_ELEM, fd, value);
	layout = (uint32_t)number(argv[1]);
	memcpy(value + LAYOUT_OFFSET, &layout, sizeof(layout));
	meta_call(BPF_MAP_UPDATE_ELEM, fd, value);
	return 0;
}

/* Every byte of every value that the kernel would copy is set: who has no room for them falls over. */
static void fill_percpu(int fd, uint32_t value_bytes)
{
	size_t bytes = (size_t)value_bytes * MAX_CPUS;
	void *values = malloc(bytes);

	if (!values)
		die("memory");
	memset(values, 0xff, bytes);
	meta_call(BPF_MAP_UPDATE_ELEM, fd, values);
	free(values);
}

static enum bpf_map_type map_type(const char *word)
{
	return !strcmp(word, "hash")   ? BPF_MAP_TYPE_HASH :
	       !strcmp(word, "percpu") ? BPF_MAP_TYPE_PERCPU_ARRAY :
					 BPF_MAP_TYPE_ARRAY;
}

int tool__bpf_map(int argc, char **argv)
{
	enum bpf_map_type type;
	union bpf_attr attr;
	long fd;

	if (argc < 4)
		die("bpf-map FILE hash|array|percpu VALUE-BYTES ENTRIES");
	type = map_type(argv[1]);
	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.map_flags = type == BPF_MAP_TYPE_ARRAY ? BPF_F_MMAPABLE : 0;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = (uint32_t)number(argv[2]);
	attr.max_entries = (uint32_t)number(argv[3]);
	fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		die("a map");
	if (type == BPF_MAP_TYPE_PERCPU_ARRAY)
		fill_percpu((int)fd, (uint32_t)number(argv[2]));
	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)argv[0];
	attr.bpf_fd = (uint32_t)fd;
	if (syscall(SYS_bpf, BPF_OBJ_PIN, &attr, sizeof(attr)))
		die(argv[0]);
	return 0;
}
