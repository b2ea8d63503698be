// SPDX-License-Identifier: GPL-2.0
#include "capture/pin_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

int pin_files__map(struct bpf_map *map, const char *dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map)) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_map__pin(map, path);
}

int pin_files__link(struct bpf_link *link, const char *program, const char *dir)
{
	char path[PATH_MAX];

	if (!link)
		return 0;
	if (snprintf(path, sizeof(path), "%s/link_%s", dir, program) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_link__pin(link, path);
}

int pin_files__links(const struct bpf_object_skeleton *skel, const char *dir)
{
	int err = 0;

	for (int i = 0; !err && i < skel->prog_cnt; i++)
		err = pin_files__link(*skel->progs[i].link, skel->progs[i].name, dir);
	return err;
}
