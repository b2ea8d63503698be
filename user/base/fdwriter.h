/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one loop that writes to a file descriptor: partial writes, EINTR, EAGAIN and readers that
 * have gone, for whatever the descriptor is. With a descriptor to wake by, such as a signalfd,
 * a reader that takes nothing holds nobody: see fdwriter__wake_by().
 *
 * O_NONBLOCK belongs to the open file, which others share with us (a shell's terminal, the other
 * writers to a pipe), so it is never set there. Instead
 *
 *	a socket is asked for each message not to wait (MSG_DONTWAIT),
 *	a pipe or terminal is opened anew, by /proc/self/fd, with O_NONBLOCK,
 *	a file on a local file system, and /dev/null and its like, need no waiting,
 *	and all else (a file of FUSE or NFS, a device) is written to by a thread of its own.
 */
#ifndef TWSNOOP_FDWRITER_H
#define TWSNOOP_FDWRITER_H

#include <stdbool.h>
#include <stddef.h>

enum fdwriter_kind {
	FDWRITER_DIRECT,   /* write(2), which may block as long as the caller's signals let it */
	FDWRITER_NONBLOCK, /* on a descriptor of our own */
	FDWRITER_SOCKET,
	FDWRITER_THREAD,
};

struct fdwriter_thread;

/* Private, but for fd: to be polled for a reader that has gone (POLLERR, POLLHUP). */
struct fdwriter {
	int fd;
	int own_fd;  /* -1: none */
	int wake_fd; /* -1: none */
	int patience_ms; /* -1: for ever */
	enum fdwriter_kind kind;
	bool by_line; /* a socket of messages: one line in each */
	bool gave_up;
	struct fdwriter_thread *thread;
};

/* fdwriter__init() - for @fd, which stays the caller's. Nobody wakes it yet. */
void fdwriter__init(struct fdwriter *writer, int fd);

/* fdwriter__init_as() - the same of a chosen @kind (tests; FDWRITER_NONBLOCK: @fd is so). */
void fdwriter__init_as(struct fdwriter *writer, int fd, enum fdwriter_kind kind);

/*
 * fdwriter__wake_by() - from now on fdwriter__write() does not wait once @wake_fd is readable
 * (it stays the caller's). Before any write.
 */
void fdwriter__wake_by(struct fdwriter *writer, int wake_fd);

/*
 * fdwriter__hurry() - from now on nothing is waited for that takes no byte in @ms. What gave up
 * once does so at once from then on.
 */
void fdwriter__hurry(struct fdwriter *writer, int ms);

/*
 * fdwriter__write() - all @len bytes of @data. *@written (never NULL) is how many went out, also
 * after an error. Returns 0, or
 *	-EINTR: the descriptor to wake by is readable. Call it again with what is left.
 *	-ECANCELED: it gave up, see fdwriter__hurry()
 *	-EPIPE: the reader has gone (of a socket too)
 *	-EBADF: @fd is closed, or cannot be written to
 * or another negative errno. SIGPIPE is the caller's to ignore.
 */
int fdwriter__write(struct fdwriter *writer, const char *data, size_t len, size_t *written);

/* fdwriter__fini() - NULL or a zeroed one is not allowed; @fd stays open. */
void fdwriter__fini(struct fdwriter *writer);

/* fdwriter__write_all() - the same for callers that signals end: it waits for as long as it
 * takes. Returns 0, -EPIPE, or another negative errno. */
int fdwriter__write_all(int fd, const char *data, size_t len);

#endif
