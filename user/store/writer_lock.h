/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who records into a file holds a lock on it: on a byte that SQLite never locks, far behind the
 * end, with the open file description (F_OFD_SETLK). Nothing of it is left when the
 * process is killed, and who reads may ask without taking it.
 *
 * When a process closes any descriptor of a file, all of its POSIX locks on that file are gone:
 * those of SQLite. So the descriptor is opened before the database and closed after it.
 */
#ifndef TWSNOOP_WRITER_LOCK_H
#define TWSNOOP_WRITER_LOCK_H

#include <stdbool.h>

/* writer_lock__take() - on @fd, which is open for writing. Returns 0, -EBUSY, or another
 * negative errno. Who asks for it at this moment does not matter. */
int writer_lock__take(int fd);

/* writer_lock__is_taken() - by another one than @fd, which may be open for reading only. */
bool writer_lock__is_taken(int fd);

#endif
