// SPDX-License-Identifier: GPL-2.0
#include "base/fdwriter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/privileges.h"

#define XFS_MAGIC 0x58465342 /* not in linux/magic.h of old systems */
#define ZFS_MAGIC 0x2fc12fc1
#define LITTLE_MS 10
#define MEM_MAJOR 1 /* /dev/null, /dev/full, … */

/*
 * What the thread and the writer share. The thread may be in a write() that never ends, so
 * whoever lets go last frees it, and the data is a copy.
 */
struct fdwriter_thread {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int users; /* of two */
	int fd;
	int done_fd; /* an eventfd, readable: busy has become false */
	bool quit, busy;
	char *data;
	size_t len, room;
	size_t written;
	int err; /* 0 or a negative errno, once it is not busy any more */
};

/* ---- one write ---- */

/* A reader that has gone has many names on a socket. */
static int error_of_socket(int error)
{
	return error == ECONNRESET || error == ECONNREFUSED || error == ENOTCONN ||
	       error == ESHUTDOWN ? -EPIPE : -error;
}

/* How much of @data a message takes: a line. */
static size_t message_bytes(const char *data, size_t len)
{
	const char *end = memchr(data, '\n', len);

	return end ? (size_t)(end - data) + 1 : len;
}

/* Bytes that were taken, at least one; -EAGAIN: none now; or another negative errno. */
static ssize_t write_some(const struct fdwriter *writer, const char *data, size_t len)
{
	ssize_t num;

	do {
		if (writer->kind == FDWRITER_SOCKET)
			num = send(writer->fd, data,
				   writer->by_line ? message_bytes(data, len) : len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			num = write(writer->fd, data, len);
	} while (num < 0 && errno == EINTR);
	if (num > 0)
		return num;
	if (num == 0)
		return -EIO; /* a device that takes nothing: no endless loop */
	if (errno == EWOULDBLOCK)
		return -EAGAIN;
	return writer->kind == FDWRITER_SOCKET ? error_of_socket(errno) : -errno;
}

/* ---- the thread ---- */

static void let_go(struct fdwriter_thread *thread)
{
	bool last;

	pthread_mutex_lock(&thread->lock);
	last = --thread->users == 0;
	pthread_mutex_unlock(&thread->lock);
	if (!last)
		return;
	close(thread->done_fd);
	close(thread->fd);
	free(thread->data);
	pthread_cond_destroy(&thread->changed);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
}

/* All that it was given, as it goes. Nobody but the thread changes data and len meanwhile. */
static int write_given(struct fdwriter_thread *thread)
{
	const struct fdwriter plain = { .fd = thread->fd, .kind = FDWRITER_DIRECT };
	size_t written = 0;

	while (written < thread->len) {
		ssize_t num = write_some(&plain, thread->data + written, thread->len - written);
		struct pollfd room = { .fd = thread->fd, .events = POLLOUT };

		if (num == -EAGAIN)
			poll(&room, 1, -1);
		else if (num < 0)
			return (int)num;
		else
			written += (size_t)num;
		__atomic_store_n(&thread->written, written, __ATOMIC_RELEASE);
	}
	return 0;
}

static void *run_thread(void *arg)
{
	struct fdwriter_thread *thread = arg;
	uint64_t one = 1;

	privileges__keep_only(0); /* what it writes to is open; where that may not be called it does no harm */
	pthread_mutex_lock(&thread->lock);
	for (;;) {
		int err;

		while (!thread->busy && !thread->quit)
			pthread_cond_wait(&thread->changed, &thread->lock);
		if (thread->quit)
			break;
		pthread_mutex_unlock(&thread->lock);
		err = write_given(thread);
		pthread_mutex_lock(&thread->lock);
		thread->err = err;
		thread->busy = false;
		if (write(thread->done_fd, &one, sizeof(one)) != sizeof(one))
			break; /* cannot be: it is read before it is given more */
	}
	pthread_mutex_unlock(&thread->lock);
	let_go(thread);
	return NULL;
}

/* Signals are for the others. */
static int create(struct fdwriter_thread *thread)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t id;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&id, &attr, run_thread, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static int start_thread(struct fdwriter *writer)
{
	struct fdwriter_thread *thread = calloc(1, sizeof(*thread));
	int err;

	if (!thread)
		return -ENOMEM;
	thread->users = 2;
	thread->fd = fcntl(writer->fd, F_DUPFD_CLOEXEC, 3);
	thread->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = thread->fd < 0 || thread->done_fd < 0 ? -errno : 0;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->changed, NULL);
	err = err ?: create(thread);
	if (err) {
		thread->users = 1;
		let_go(thread);
		return err;
	}
	writer->thread = thread;
	return 0;
}

static int give(struct fdwriter_thread *thread, const char *data, size_t len)
{
	if (len > thread->room) {
		char *more = realloc(thread->data, len);

		if (!more)
			return -ENOMEM;
		thread->data = more;
		thread->room = len;
	}
	memcpy(thread->data, data, len);
	thread->len = len;
	thread->written = 0;
	pthread_mutex_lock(&thread->lock);
	thread->busy = true;
	pthread_cond_signal(&thread->changed);
	pthread_mutex_unlock(&thread->lock);
	return 0;
}

/* ---- waiting ---- */

/* For @fd, or whatever ends that. What else goes wrong here, the next write tells. */
static int wait_for(struct fdwriter *writer, int fd, short events)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = events },
		{ .fd = writer->wake_fd, .events = POLLIN }, /* -1 is passed over */
	};
	int num = poll(fds, 2, writer->patience_ms);

	if (num > 0)
		return fds[1].revents ? -EINTR : 0;
	return num ? 0 : -ETIMEDOUT;
}

static int give_up(struct fdwriter *writer)
{
	writer->gave_up = true;
	return -ECANCELED;
}

/* What the thread was given before is @data, if it is still busy. */
static int write_by_thread(struct fdwriter *writer, const char *data, size_t len,
			   size_t *written)
{
	struct fdwriter_thread *thread = writer->thread;
	size_t before = __atomic_load_n(&thread->written, __ATOMIC_ACQUIRE);
	uint64_t done;
	int err;

	if (!thread->len) {
		err = give(thread, data, len);
		if (err)
			return err;
		before = 0;
	}
	while (read(thread->done_fd, &done, sizeof(done)) != sizeof(done)) {
		size_t now;

		err = wait_for(writer, thread->done_fd, POLLIN);
		now = __atomic_load_n(&thread->written, __ATOMIC_ACQUIRE);
		if (err == -ETIMEDOUT && now == before)
			return give_up(writer);
		if (err == -EINTR)
			return err;
		before = now;
	}
	*written = thread->written;
	thread->len = 0;
	return thread->err;
}

/* poll() said that there is room, and there was none, as on a terminal that needs two places for
 * a newline. Takes it from @left_ms. */
static int wait_a_little(struct fdwriter *writer, int *left_ms)
{
	struct pollfd wake = { .fd = writer->wake_fd, .events = POLLIN };

	if (writer->patience_ms >= 0 && (*left_ms -= LITTLE_MS) < 0)
		return -ETIMEDOUT;
	return poll(&wake, 1, LITTLE_MS) > 0 ? -EINTR : 0;
}

static int write_without_waiting(struct fdwriter *writer, const char *data, size_t len,
				 size_t *written)
{
	int left_ms = writer->patience_ms;
	bool waited = false;

	while (*written < len) {
		ssize_t num = write_some(writer, data + *written, len - *written);
		int err;

		if (num > 0) {
			*written += (size_t)num;
			left_ms = writer->patience_ms;
			waited = false;
			continue;
		}
		if (num != -EAGAIN)
			return (int)num;
		err = waited ? wait_a_little(writer, &left_ms) :
			       wait_for(writer, writer->fd, POLLOUT);
		if (err)
			return err == -ETIMEDOUT ? give_up(writer) : err;
		waited = !waited;
	}
	return 0;
}

static int write_all_by_thread(struct fdwriter *writer, const char *data, size_t len, size_t *done)
{
	int err = writer->thread ? 0 : start_thread(writer);

	while (!err && *done < len) {
		size_t more = 0;

		err = write_by_thread(writer, data + *done, len - *done, &more);
		*done += more;
	}
	return err;
}

int fdwriter__write(struct fdwriter *writer, const char *data, size_t len, size_t *written)
{
	size_t done = 0;
	int err;

	if (writer->gave_up)
		err = -ECANCELED;
	else if (writer->kind == FDWRITER_THREAD)
		err = write_all_by_thread(writer, data, len, &done);
	else
		err = write_without_waiting(writer, data, len, &done);
	*written = done;
	return err;
}

/* ---- its life ---- */

/* These answer without asking anybody else. */
static bool is_local(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return false;
	switch ((unsigned long)fs.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case ZFS_MAGIC:
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

static enum fdwriter_kind kind_of(int fd, const struct stat *st)
{
	if (S_ISSOCK(st->st_mode))
		return FDWRITER_SOCKET;
	if (S_ISFIFO(st->st_mode) || isatty(fd))
		return FDWRITER_NONBLOCK;
	if (S_ISREG(st->st_mode) ? is_local(fd) :
				   S_ISCHR(st->st_mode) && major(st->st_rdev) == MEM_MAJOR)
		return FDWRITER_DIRECT;
	return FDWRITER_THREAD;
}

static bool has_messages(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type != SOCK_STREAM;
}

/* May fail: of another user's terminal, or without /proc. */
static void open_anew(struct fdwriter *writer)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", writer->fd);
	writer->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (writer->own_fd >= 0)
		writer->fd = writer->own_fd;
	else
		writer->kind = FDWRITER_THREAD;
}

void fdwriter__init_as(struct fdwriter *writer, int fd, enum fdwriter_kind kind)
{
	*writer = (struct fdwriter){
		.fd = fd, .own_fd = -1, .wake_fd = -1, .patience_ms = -1, .kind = kind,
	};
	writer->by_line = kind == FDWRITER_SOCKET && has_messages(fd);
}

/* Whoever is not to be woken may wait in the write itself, if the descriptor lets it. */
void fdwriter__init(struct fdwriter *writer, int fd)
{
	struct stat st;

	fdwriter__init_as(writer, fd, !fstat(fd, &st) && S_ISSOCK(st.st_mode) ?
			  FDWRITER_SOCKET : FDWRITER_DIRECT);
}

void fdwriter__wake_by(struct fdwriter *writer, int wake_fd)
{
	struct stat st;

	writer->wake_fd = wake_fd;
	if (writer->kind != FDWRITER_DIRECT || fstat(writer->fd, &st))
		return;
	writer->kind = kind_of(writer->fd, &st);
	if (writer->kind == FDWRITER_NONBLOCK)
		open_anew(writer);
}

void fdwriter__hurry(struct fdwriter *writer, int ms)
{
	writer->patience_ms = ms;
}

void fdwriter__fini(struct fdwriter *writer)
{
	struct fdwriter_thread *thread = writer->thread;

	if (writer->own_fd >= 0)
		close(writer->own_fd);
	if (!thread)
		return;
	pthread_mutex_lock(&thread->lock);
	thread->quit = true;
	pthread_cond_signal(&thread->changed);
	pthread_mutex_unlock(&thread->lock);
	let_go(thread);
}

int fdwriter__write_all(int fd, const char *data, size_t len)
{
	struct fdwriter writer;
	size_t written;
	int err;

	fdwriter__init(&writer, fd);
	err = fdwriter__write(&writer, data, len, &written);
	fdwriter__fini(&writer);
	return err;
}
