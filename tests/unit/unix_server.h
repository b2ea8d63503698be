/* SPDX-License-Identifier: GPL-2.0 */
/* A server on a unix socket, in a thread of its own, for tests of what asks one. */
#ifndef TWSNOOP_TESTS_UNIX_SERVER_H
#define TWSNOOP_TESTS_UNIX_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct unix_server;

/* One connection at a time; @fd is closed after it. */
typedef void (*unix_server_fn)(void *ctx, const struct unix_server *server, int fd);

struct unix_server {
	const char *path;
	unix_server_fn answer;
	void *ctx;
	int listen_fd, stop_fds[2];
	pthread_t thread;
};

/* unix_server__start() - what is at @path gives way. It listens when this returns. Both
 * fail the test on an error. */
void unix_server__start(struct unix_server *server, const char *path, unix_server_fn answer,
			void *ctx);
void unix_server__stop(struct unix_server *server);

/* For who answers: whether to stop, waiting until then or until the client has gone, and
 * sending everything (false: the client has gone). */
bool unix_server__is_stopped(const struct unix_server *server);
void unix_server__wait_for_end(const struct unix_server *server, int fd);
bool unix_server__send(int fd, const void *bytes, size_t len);

#endif
