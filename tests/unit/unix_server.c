// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include "tests/unit/unix_server.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool unix_server__is_stopped(const struct unix_server *server)
{
	struct pollfd p = { .fd = server->stop_fds[0], .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

void unix_server__wait_for_end(const struct unix_server *server, int fd)
{
	struct pollfd p[] = { { .fd = server->stop_fds[0], .events = POLLIN },
			      { .fd = fd, .events = POLLRDHUP } };

	poll(p, 2, -1);
}

bool unix_server__send(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;
	ssize_t n;

	for (; len > 0; at += n, len -= (size_t)n) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static void *serve(void *arg)
{
	const struct unix_server *server = arg;
	struct pollfd p[] = { { .fd = server->stop_fds[0], .events = POLLIN },
			      { .fd = server->listen_fd, .events = POLLIN } };
	int fd;

	while (poll(p, 2, -1) > 0 && !p[0].revents) {
		fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		server->answer(server->ctx, server, fd);
		close(fd);
	}
	return NULL;
}

void unix_server__start(struct unix_server *server, const char *path, unix_server_fn answer,
			void *ctx)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*server = (struct unix_server){ .path = path, .answer = answer, .ctx = ctx };
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	assert_int_equal(pipe2(server->stop_fds, O_CLOEXEC), 0);
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listen_fd, 8), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void unix_server__stop(struct unix_server *server)
{
	assert_int_equal(write(server->stop_fds[1], "", 1), 1);
	pthread_join(server->thread, NULL);
	close(server->listen_fd);
	close(server->stop_fds[0]);
	close(server->stop_fds[1]);
	unlink(server->path);
}
