/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file system that BPF objects are pinned in, which most systems mount at boot, and a bare
 * one does not.
 */
#ifndef TWSNOOP_BPFFS_H
#define TWSNOOP_BPFFS_H

#define BPFFS_PLACE "/sys/fs/bpf" /* where everybody mounts it; the kernel makes the folder */

/*
 * bpffs__mount() - mounts one at BPFFS_PLACE, for root alone, as systemd and bpftool do. Returns
 * 0, -EEXIST: there is one already, -EPERM: it takes CAP_SYS_ADMIN, -ENOENT: no sysfs is mounted,
 * or this kernel has no BPF, or another negative errno.
 */
int bpffs__mount(void);

#endif
