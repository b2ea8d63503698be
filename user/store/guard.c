// SPDX-License-Identifier: GPL-2.0
#include "store/guard.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

/* SHM is no file to SQLite, but a part of the database. */
enum kind { DATABASE, WAL, OTHER, SHM, KINDS };

struct guard {
	sqlite3_vfs vfs; /* what SQLite sees */
	sqlite3_vfs *base;
	char name[32];
	uint64_t bytes[KINDS];
	uint64_t limit_bytes, wal_limit_bytes;
	bool refused, disk_full;
};

/* The one of the layer below stands behind it. */
struct guarded_file {
	sqlite3_file file;
	struct guard *guard;
	enum kind kind;
};

static sqlite3_file *below(sqlite3_file *file)
{
	return (sqlite3_file *)((struct guarded_file *)file + 1);
}

static uint64_t total(const struct guard *guard)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < KINDS; i++)
		bytes += guard->bytes[i];
	return bytes;
}

static bool may_grow(struct guard *guard, enum kind kind, uint64_t bytes)
{
	bool fits = total(guard) - guard->bytes[kind] + bytes <= guard->limit_bytes;
	bool shrinks = guard->bytes[DATABASE] + guard->wal_limit_bytes > guard->limit_bytes;

	if (bytes <= guard->bytes[kind])
		return true;
	if (kind == WAL)
		fits = (fits || shrinks) && bytes <= guard->wal_limit_bytes;
	else if (kind == SHM)
		fits |= shrinks;
	guard->refused |= !fits;
	return fits;
}

static void has_grown(struct guard *guard, enum kind kind, uint64_t bytes)
{
	if (bytes > guard->bytes[kind])
		guard->bytes[kind] = bytes;
}

static int heed(struct guard *guard, int rc)
{
	guard->disk_full |= (rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_SHMSIZE;
	return rc;
}

/* ---- the methods of a file ---- */

static int on_close(sqlite3_file *file)
{
	struct guarded_file *own = (struct guarded_file *)file;

	if (own->kind == DATABASE)
		own->guard->bytes[SHM] = 0;
	return below(file)->pMethods->xClose(below(file));
}

static int on_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset)
{
	return below(file)->pMethods->xRead(below(file), to, bytes, offset);
}

static int on_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
	struct guarded_file *own = (struct guarded_file *)file;
	uint64_t end = (uint64_t)offset + (uint64_t)bytes;
	int rc;

	if (!may_grow(own->guard, own->kind, end))
		return SQLITE_FULL;
	rc = heed(own->guard, below(file)->pMethods->xWrite(below(file), from, bytes, offset));
	/* If it failed, some of it may be there. */
	has_grown(own->guard, own->kind, end);
	return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
	struct guarded_file *own = (struct guarded_file *)file;
	int rc;

	if (!may_grow(own->guard, own->kind, (uint64_t)bytes))
		return SQLITE_FULL;
	rc = heed(own->guard, below(file)->pMethods->xTruncate(below(file), bytes));
	if (rc == SQLITE_OK)
		own->guard->bytes[own->kind] = (uint64_t)bytes;
	return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
	return heed(((struct guarded_file *)file)->guard,
		    below(file)->pMethods->xSync(below(file), flags));
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
	return below(file)->pMethods->xFileSize(below(file), bytes);
}

static int on_lock(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xLock(below(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xUnlock(below(file), level);
}

static int on_check_lock(sqlite3_file *file, int *result)
{
	return below(file)->pMethods->xCheckReservedLock(below(file), result);
}

static int on_control(sqlite3_file *file, int what, void *arg)
{
	return below(file)->pMethods->xFileControl(below(file), what, arg);
}

static int on_sector_size(sqlite3_file *file)
{
	return below(file)->pMethods->xSectorSize(below(file));
}

static int on_characteristics(sqlite3_file *file)
{
	return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

/* SQLite maps regions in their order; where @extend is 0 it wants only what is there. */
static int on_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **to)
{
	struct guarded_file *own = (struct guarded_file *)file;
	uint64_t end = ((uint64_t)region + 1) * (uint64_t)bytes;
	int rc;

	if (extend && !may_grow(own->guard, SHM, end))
		return SQLITE_FULL;
	rc = heed(own->guard,
		  below(file)->pMethods->xShmMap(below(file), region, bytes, extend, to));
	if (rc == SQLITE_OK && *to)
		has_grown(own->guard, SHM, end);
	return rc;
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	return below(file)->pMethods->xShmLock(below(file), offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
	below(file)->pMethods->xShmBarrier(below(file));
}

static int on_shm_unmap(sqlite3_file *file, int remove)
{
	struct guarded_file *own = (struct guarded_file *)file;

	own->guard->bytes[SHM] = 0;
	return below(file)->pMethods->xShmUnmap(below(file), remove);
}

/* Version 2: without memory-mapped pages, which nobody asks for. */
static const sqlite3_io_methods methods = {
	.iVersion = 2, .xClose = on_close, .xRead = on_read, .xWrite = on_write,
	.xTruncate = on_truncate, .xSync = on_sync, .xFileSize = on_file_size, .xLock = on_lock,
	.xUnlock = on_unlock, .xCheckReservedLock = on_check_lock, .xFileControl = on_control,
	.xSectorSize = on_sector_size, .xDeviceCharacteristics = on_characteristics,
	.xShmMap = on_shm_map, .xShmLock = on_shm_lock, .xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

/* ---- the methods of the layer ---- */

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		   int *out_flags)
{
	struct guard *guard = vfs->pAppData;
	struct guarded_file *own = (struct guarded_file *)file;
	sqlite3_int64 bytes = 0;
	int rc;

	own->file.pMethods = NULL;
	own->guard = guard;
	own->kind = flags & SQLITE_OPEN_MAIN_DB ? DATABASE : flags & SQLITE_OPEN_WAL ? WAL : OTHER;
	rc = guard->base->xOpen(guard->base, name, below(file), flags, out_flags);
	if (rc != SQLITE_OK)
		return heed(guard, rc);
	rc = below(file)->pMethods->xFileSize(below(file), &bytes);
	if (rc != SQLITE_OK) {
		below(file)->pMethods->xClose(below(file));
		return rc;
	}
	guard->bytes[own->kind] = (uint64_t)bytes;
	own->file.pMethods = &methods;
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	struct guard *guard = vfs->pAppData;
	size_t len = strlen(name);
	bool is_wal = len > 4 && !strcmp(name + len - 4, "-wal");
	int rc = guard->base->xDelete(guard->base, name, sync_dir);

	if (rc == SQLITE_OK)
		guard->bytes[is_wal ? WAL : OTHER] = 0;
	return rc;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	struct guard *guard = vfs->pAppData;

	return guard->base->xAccess(guard->base, name, flags, result);
}

static int on_full_path(sqlite3_vfs *vfs, const char *name, int bytes, char *to)
{
	struct guard *guard = vfs->pAppData;

	return guard->base->xFullPathname(guard->base, name, bytes, to);
}

static int on_last_error(sqlite3_vfs *vfs, int bytes, char *to)
{
	struct guard *guard = vfs->pAppData;

	return guard->base->xGetLastError(guard->base, bytes, to);
}

static int on_randomness(sqlite3_vfs *vfs, int bytes, char *to)
{
	struct guard *guard = vfs->pAppData;

	return guard->base->xRandomness(guard->base, bytes, to);
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
	struct guard *guard = vfs->pAppData;

	return guard->base->xSleep(guard->base, us);
}

static int on_time(sqlite3_vfs *vfs, double *julian_day)
{
	struct guard *guard = vfs->pAppData;

	return guard->base->xCurrentTime(guard->base, julian_day);
}

int guard__new(struct guard **guardp)
{
	sqlite3_vfs *base = sqlite3_vfs_find(NULL);
	struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard || !base) {
		free(guard);
		return -ENOMEM;
	}
	/* What opens libraries is left out. */
	guard->vfs = (sqlite3_vfs){
		.iVersion = 1, .mxPathname = base->mxPathname, .zName = guard->name,
		.szOsFile = (int)sizeof(struct guarded_file) + base->szOsFile, .pAppData = guard,
		.xOpen = on_open, .xDelete = on_delete, .xAccess = on_access,
		.xFullPathname = on_full_path, .xGetLastError = on_last_error,
		.xRandomness = on_randomness, .xSleep = on_sleep, .xCurrentTime = on_time,
	};
	guard->base = base;
	guard->limit_bytes = guard->wal_limit_bytes = UINT64_MAX;
	snprintf(guard->name, sizeof(guard->name), "twsnoop-%p", (void *)guard);
	if (sqlite3_vfs_register(&guard->vfs, 0) != SQLITE_OK) {
		free(guard);
		return -ENOMEM;
	}
	*guardp = guard;
	return 0;
}

void guard__free(struct guard *guard)
{
	if (!guard)
		return;
	sqlite3_vfs_unregister(&guard->vfs);
	free(guard);
}

const char *guard__name(const struct guard *guard)
{
	return guard->name;
}

void guard__limit(struct guard *guard, uint64_t bytes, uint64_t wal_bytes)
{
	guard->limit_bytes = bytes;
	guard->wal_limit_bytes = wal_bytes;
}

uint64_t guard__bytes(const struct guard *guard)
{
	return total(guard);
}

bool guard__was_refused(struct guard *guard)
{
	bool refused = guard->refused;

	guard->refused = false;
	return refused;
}

bool guard__disk_was_full(struct guard *guard)
{
	bool full = guard->disk_full;

	guard->disk_full = false;
	return full;
}
