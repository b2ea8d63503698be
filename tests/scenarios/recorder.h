/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recorder that `twsnoop attach` leaves in a bpffs of this program's own mount namespace: with
 * --attached every `twsnoop trace` reads it, instead of loading programs.
 */
#ifndef SCENARIOS_RECORDER_H
#define SCENARIOS_RECORDER_H

#include <stdbool.h>

/* Whether there is one. */
bool recorder__is_attached(void);

/* Enters the namespace, and mounts the bpffs. 0 or -errno. */
int recorder__begin(void);

/* Attaches it, one that is there already is detached before. 0, or -errno once it has said why. */
int recorder__attach(const char *twsnoop, bool all);
/* One of so many closes, and without --all, in the place of what is there. */
int recorder__attach_sized(const char *twsnoop, const char *size);
int recorder__detach(const char *twsnoop);

const char *recorder__bpffs(void);

#endif
