/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the kernel's table of bound local ports, which no system call shows, by a BPF
 * program that is run for it (bpf/bindhash.bpf.c).
 */
#ifndef TWSNOOP_BINDHASH_H
#define TWSNOOP_BINDHASH_H

#include "sockets/binds.h"

/*
 * bindhash__read() - fills @binds, zeroed before, to be emptied by binds__free(), with
 * what is bound now in all network namespaces; sorted. The first one loads a program, which
 * needs CAP_BPF and CAP_PERFMON and takes longer than to read; it stays, for the next one, until
 * there is an error or the process ends. Any thread may call it, at any time. Returns 0, -EPERM,
 * -ENOMEM, -E2BIG, -EPROTO, or -EOPNOTSUPP where the kernel cannot do it; on an error @binds is
 * empty.
 */
int bindhash__read(struct binds *binds);

#endif
