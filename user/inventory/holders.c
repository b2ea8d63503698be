// SPDX-License-Identifier: GPL-2.0
#include "inventory/holders.h"

#include <errno.h>
#include <stdlib.h>

#include "host/procinfo.h"

struct file {
	uint32_t inode;
	uint32_t row;
	uint32_t tgid; /* the lowest; 0: none yet */
	bool shared;
};

struct files {
	struct file *files; /* by inode */
	size_t num;
};

static int compare_files(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static int gather(struct files *files, const struct listing *l)
{
	size_t num = 0;

	for (size_t i = 0; i < l->num; i++)
		num += l->rows[i].inode != 0;
	files->files = calloc(num ?: 1, sizeof(*files->files));
	if (!files->files)
		return -ENOMEM;
	for (size_t i = 0; i < l->num; i++)
		if (l->rows[i].inode)
			files->files[files->num++] = (struct file){
				.inode = l->rows[i].inode, .row = (uint32_t)i,
			};
	qsort(files->files, num, sizeof(*files->files), compare_files);
	return 0;
}

/* The place of the first with this inode, or of what follows it. */
static size_t first_of(const struct files *files, uint32_t inode)
{
	size_t low = 0, high = files->num;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (files->files[mid].inode < inode)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int add_holder(void *ctx, uint32_t pid, uint32_t inode)
{
	struct files *files = ctx;

	for (size_t i = first_of(files, inode);
	     i < files->num && files->files[i].inode == inode; i++) {
		struct file *file = &files->files[i];

		file->shared |= file->tgid && file->tgid != pid;
		if (!file->tgid || pid < file->tgid)
			file->tgid = pid;
	}
	return 0;
}

static int set_owners(const struct files *files, struct listing *l, const char *proc_root)
{
	int err = 0;

	for (size_t i = 0; !err && i < files->num; i++) {
		const struct file *file = &files->files[i];
		struct listing_row *row = &l->rows[file->row];
		uint32_t index = 0;

		if (!file->tgid)
			continue;
		err = listing__owner(l, proc_root, file->tgid, &index);
		if (!index)
			continue;
		row->owner = index;
		row->evidence = OWNER_HOLDS;
		row->shared = file->shared;
	}
	return err;
}

int holders__find(struct listing *l, const char *proc_root)
{
	struct files files = {};
	int err = gather(&files, l);

	if (!err && files.num)
		err = procinfo__each_socket(proc_root, 0, add_holder, &files, NULL);
	if (!err)
		err = set_owners(&files, l, proc_root);
	free(files.files);
	return err;
}
