// SPDX-License-Identifier: GPL-2.0
#include "host/pid_iter.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/records.h"
#include "host/quiet.h"
#include "processes.skel.h"

#define HOST_PID_NS 0xEFFFFFFCU /* PROC_PID_INIT_INO */

static struct {
	struct processes_bpf *skel;
	struct bpf_link *link;
} iter;

/* Its inode; 0: not known. */
static uint32_t pid_namespace(const char *proc_root)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/self/ns/pid", proc_root);

	if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st))
		return 0;
	return (uint32_t)st.st_ino;
}

bool pid_iter__is_needed(const char *proc_root)
{
	uint32_t inode = pid_namespace(proc_root);

	return inode && inode != HOST_PID_NS;
}

static int load_and_attach(uint32_t inode)
{
	int err;

	iter.skel = processes_bpf__open();
	if (!iter.skel)
		return -errno;
	iter.skel->rodata->tws_pid_ns = inode;
	err = processes_bpf__load(iter.skel);
	if (err)
		return err;
	iter.link = bpf_program__attach_iter(iter.skel->progs.tws_processes, NULL);
	return iter.link ? 0 : -errno;
}

int pid_iter__open(const char *proc_root)
{
	libbpf_print_fn_t print;
	int err;

	if (iter.link)
		return 0;
	print = quiet__begin();
	err = load_and_attach(pid_namespace(proc_root));
	libbpf_set_print(print);
	if (err)
		pid_iter__close();
	return err;
}

bool pid_iter__is_open(void)
{
	return iter.link != NULL;
}

void pid_iter__close(void)
{
	bpf_link__destroy(iter.link);
	processes_bpf__destroy(iter.skel);
	iter.link = NULL;
	iter.skel = NULL;
}

struct reader {
	pid_numbers_put_fn put;
	void *to;
};

static int put_process(void *ctx, const void *record)
{
	const struct reader *reader = ctx;

	return reader->put(reader->to, record);
}

int pid_iter__list(void *ctx, pid_numbers_put_fn put, void *to)
{
	struct reader reader = { .put = put, .to = to };
	int fd, err;

	(void)ctx;
	if (!iter.link)
		return -EOPNOTSUPP;
	fd = bpf_iter_create(bpf_link__fd(iter.link));
	if (fd < 0)
		return -errno;
	err = records__read(fd, sizeof(struct tws_process), put_process, &reader, NULL);
	close(fd);
	return err;
}
