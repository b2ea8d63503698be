// SPDX-License-Identifier: GPL-2.0
#include "host/bpffs.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

int bpffs__mount(void)
{
	struct statfs fs;

	if (statfs(BPFFS_PLACE, &fs))
		return -errno;
	/* A second one would hide what is pinned in the first. */
	if (fs.f_type == BPF_FS_MAGIC)
		return -EEXIST;
	return mount("bpf", BPFFS_PLACE, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ?
		       -errno : 0;
}
