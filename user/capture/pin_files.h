/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pinning maps and links as files of a bpffs: a map by its own name, a link as link_PROGRAM.
 * All return 0 or a negative errno; what was pinned before an error stays.
 */
#ifndef TWSNOOP_PIN_FILES_H
#define TWSNOOP_PIN_FILES_H

#include <bpf/libbpf.h>

/* pin_files__map() - pins @map below @dir, by its name. Returns 0 or a negative errno. */
int pin_files__map(struct bpf_map *map, const char *dir);

/* NULL: there is nothing to do. */
int pin_files__link(struct bpf_link *link, const char *program, const char *dir);

/* Those of all attached programs. */
int pin_files__links(const struct bpf_object_skeleton *skel, const char *dir);

#endif
