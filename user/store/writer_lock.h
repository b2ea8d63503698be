/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who records into a file holds a lock on it: on a byte that SQLite never locks, far behind the
 * end, with the open file description (F_OFD_SETLK). Nothing of it is left when the
 * process is killed, and who reads may ask without taking it.
 *
 * When a process closes any descriptor of a file, all of its POSIX locks on that file are gone:
 * those of SQLite. Then another program could take the WAL away from under a recorder. So what
 * this process records into is known here, and no descriptor of it is closed before the last.
 */
#ifndef TWSNOOP_WRITER_LOCK_H
#define TWSNOOP_WRITER_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* The right to record into a file. */
struct writer_lock {
	int fd; /* for reading and writing */
	dev_t dev;
	ino_t ino;
};

/*
 * writer_lock__open() - makes the file, mode 0640, if there is none. To be done before SQLite opens
 * it. Returns 0 and @lock, -EBUSY (somebody has it, perhaps this process), -EINVAL (no regular
 * file), or another negative errno. Who looks at it at this moment does not matter.
 */
int writer_lock__open(struct writer_lock *lock, const char *path);

/* writer_lock__close() - after SQLite has closed it. One that is all zero but fd -1 is allowed. */
void writer_lock__close(struct writer_lock *lock);

/* A look at whether somebody records into a file. */
struct writer_look {
	int fd; /* -1: this process does */
	dev_t dev;
	ino_t ino;
};

/* writer_look__open() - returns 0 and @look, -EINVAL (no regular file) or another negative
 * errno. */
int writer_look__open(struct writer_look *look, const char *path);
void writer_look__close(struct writer_look *look);

/* writer_look__is_taken() - now; false where it cannot be told. */
bool writer_look__is_taken(const struct writer_look *look);

#endif
