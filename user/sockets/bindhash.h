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
 * what is bound now in all network namespaces; sorted. Loads a program, reads, and
 * lets go of it: needs CAP_BPF and CAP_PERFMON. Returns 0, -EPERM, -ENOMEM, -E2BIG,
 * -EPROTO, or -EOPNOTSUPP where the kernel cannot do it; on an error @binds is empty.
 */
int bindhash__read(struct binds *binds);

#endif
