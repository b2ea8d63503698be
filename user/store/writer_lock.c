// SPDX-License-Identifier: GPL-2.0
#include "store/writer_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_AT (1LL << 61)

/* A descriptor of a file that this process records into, which waits for its end. */
struct waiting {
	struct waiting *next;
	int fd;
};

/* POSIX locks are the process's, so this is, too. */
struct own {
	struct own *next;
	dev_t dev;
	ino_t ino;
	struct waiting *waiting;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct own *owns;

static struct own **find(dev_t dev, ino_t ino)
{
	struct own **at = &owns;

	while (*at && ((*at)->dev != dev || (*at)->ino != ino))
		at = &(*at)->next;
	return at;
}

static struct flock lock_of(short type)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = 1,
	};
}

static int set_lock(int fd)
{
	struct flock lock = lock_of(F_WRLCK);

	if (!fcntl(fd, F_OFD_SETLK, &lock))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* Within the mutex: whether this process has @path's file already is seen before it is opened. */
static int open_file(const char *path, int flags, int *fd, struct stat *st, bool *is_own)
{
	*fd = -1;
	*is_own = !stat(path, st) && *find(st->st_dev, st->st_ino);
	if (*is_own)
		return 0;
	*fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (*fd < 0 || fstat(*fd, st))
		return -errno;
	return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

static int take(struct writer_lock *lock, const char *path)
{
	struct own *own = calloc(1, sizeof(*own));
	struct stat st;
	bool is_own;
	int fd, err;

	if (!own)
		return -ENOMEM;
	err = open_file(path, O_RDWR | O_CREAT, &fd, &st, &is_own);
	if (!err)
		err = is_own ? -EBUSY : set_lock(fd);
	if (err) {
		if (fd >= 0)
			close(fd);
		free(own);
		return err;
	}
	own->dev = st.st_dev;
	own->ino = st.st_ino;
	own->next = owns;
	owns = own;
	*lock = (struct writer_lock){ fd, st.st_dev, st.st_ino };
	return 0;
}

int writer_lock__open(struct writer_lock *lock, const char *path)
{
	int err;

	pthread_mutex_lock(&mutex);
	err = take(lock, path);
	pthread_mutex_unlock(&mutex);
	return err;
}

void writer_lock__close(struct writer_lock *lock)
{
	struct own **at, *own;

	if (lock->fd < 0)
		return;
	pthread_mutex_lock(&mutex);
	at = find(lock->dev, lock->ino);
	own = *at;
	*at = own->next;
	while (own->waiting) {
		struct waiting *waiting = own->waiting;

		own->waiting = waiting->next;
		close(waiting->fd);
		free(waiting);
	}
	free(own);
	close(lock->fd);
	lock->fd = -1;
	pthread_mutex_unlock(&mutex);
}

int writer_look__open(struct writer_look *look, const char *path)
{
	struct stat st;
	bool is_own;
	int fd, err;

	pthread_mutex_lock(&mutex);
	err = open_file(path, O_RDONLY, &fd, &st, &is_own);
	pthread_mutex_unlock(&mutex);
	if (!err)
		*look = (struct writer_look){ fd, st.st_dev, st.st_ino };
	else if (fd >= 0)
		close(fd);
	return err;
}

void writer_look__close(struct writer_look *look)
{
	struct own *own;
	struct waiting *waiting = NULL;

	if (look->fd < 0)
		return;
	pthread_mutex_lock(&mutex);
	own = *find(look->dev, look->ino);
	if (own)
		waiting = malloc(sizeof(*waiting));
	if (waiting) {
		*waiting = (struct waiting){ own->waiting, look->fd };
		own->waiting = waiting;
	} else if (!own) {
		close(look->fd);
	} /* else it stays open: better than that the locks go */
	look->fd = -1;
	pthread_mutex_unlock(&mutex);
}

bool writer_look__is_taken(const struct writer_look *look)
{
	struct flock lock = lock_of(F_WRLCK);
	bool is_own;

	pthread_mutex_lock(&mutex);
	is_own = *find(look->dev, look->ino);
	pthread_mutex_unlock(&mutex);
	if (is_own || look->fd < 0)
		return is_own;
	return !fcntl(look->fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}
