// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/store/disk.h"

#include <errno.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "tests/unit/store/store_support.h"

struct disk disk;

static sqlite3_vfs layer;
static sqlite3_vfs *base;
/* Of the database, and of all else: those are not locked. xWrite and so on are the same. */
static sqlite3_io_methods methods[2];
static const sqlite3_io_methods *real, *real_database;

static bool fails(void)
{
	uint64_t at = disk.writes++;

	if (at < disk.fail_from || at >= disk.fail_until)
		return false;
	errno = disk.fail_with == SQLITE_FULL ? ENOSPC : EIO;
	return true;
}

static void look(void)
{
	uint64_t bytes = disk.path ? store_support__bytes(disk.path) : 0;

	if (bytes > disk.most_bytes)
		disk.most_bytes = bytes;
}

static int on_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
	int rc;

	if (fails())
		return disk.fail_with;
	rc = real->xWrite(file, from, bytes, offset);
	look();
	return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
	return fails() ? disk.fail_with : real->xTruncate(file, bytes);
}

static int on_sync(sqlite3_file *file, int flags)
{
	disk.syncs++;
	if (disk.refuses_syncs)
		errno = EIO;
	return fails() || disk.refuses_syncs ? disk.fail_with : real->xSync(file, flags);
}

static int on_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **to)
{
	int rc = real_database->xShmMap(file, region, bytes, extend, to);

	look();
	return rc;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	sqlite3_io_methods *own;
	int rc = base->xOpen(vfs, name, file, flags, out_flags);

	if (rc != SQLITE_OK)
		return rc;
	own = &methods[(flags & SQLITE_OPEN_MAIN_DB) != 0];
	real = file->pMethods;
	*own = *real;
	own->xWrite = on_write;
	own->xTruncate = on_truncate;
	own->xSync = on_sync;
	if (flags & SQLITE_OPEN_MAIN_DB) {
		real_database = real;
		own->xShmMap = on_shm_map;
	}
	file->pMethods = own;
	return SQLITE_OK;
}

void disk__insert(void)
{
	base = sqlite3_vfs_find(NULL);
	layer = *base;
	layer.zName = "disk";
	layer.xOpen = on_open;
	if (sqlite3_vfs_register(&layer, 1) != SQLITE_OK)
		abort();
}
