// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/containers/runtime_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "containers/cgroup_path.h"

char folder[64];
char socket_path[96];
const char *socket_list[2];

/* ---- a server ---- */

static bool send_text(int fd, const char *text)
{
	return unix_server__send(fd, text, strlen(text));
}

static void answer(const struct server *server, int fd)
{
	static const char body[] = INSPECT(A, "web1"), other[] = INSPECT(B, "other");
	char head[256];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		 sizeof(body) - 1);
	switch (server->mode) {
	case ANSWER:
		send_text(fd, head);
		send_text(fd, body);
		break;
	case UNKNOWN:
		send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
		break;
	case OTHER_CONTAINER:
		send_text(fd, "HTTP/1.0 200 OK\r\n\r\n");
		send_text(fd, other);
		break;
	case RUBBISH:
		send_text(fd, "SSH-2.0-OpenSSH_9.2\r\n\x01\x02\xff");
		break;
	case HALF:
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
		send_text(fd, body);
		break;
	case HANG_AMID:
		send_text(fd, head);
		send_text(fd, "{\"Id\":");
		unix_server__wait_for_end(&server->unix_server, fd);
		break;
	case HANG:
		unix_server__wait_for_end(&server->unix_server, fd);
		break;
	case SHUT:
		break;
	case ENDLESS_BODY:
		send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
		while (!unix_server__is_stopped(&server->unix_server) &&
		       send_text(fd, "[\"x\",\"x\",\"x\",\"x\",\"x\"],"))
			;
		break;
	case ENDLESS_HEADERS:
		send_text(fd, "HTTP/1.1 200 OK\r\n");
		while (!unix_server__is_stopped(&server->unix_server) &&
		       send_text(fd, "X-Header: value value value\r\n"))
			;
		break;
	case REDIRECT:
		send_text(fd, "HTTP/1.1 301 Moved\r\nLocation: http://localhost/x\r\n\r\n");
		send_text(fd, body);
		break;
	case TOO_LONG:
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
		unix_server__wait_for_end(&server->unix_server, fd);
		break;
	}
}

static void serve(void *ctx, const struct unix_server *unix_server, int fd)
{
	struct server *server = ctx;
	ssize_t n = 0;

	(void)unix_server;
	if (server->mode != SHUT)
		n = recv(fd, server->request, sizeof(server->request) - 1, 0);
	if (n > 0)
		server->request[n] = '\0';
	if (n <= 0 && server->mode != SHUT)
		return;
	atomic_fetch_add(&server->requests, 1);
	answer(server, fd);
}

void start(struct server *server, enum mode mode)
{
	memset(server, 0, sizeof(*server));
	server->mode = mode;
	unix_server__start(&server->unix_server, socket_path, serve, server);
}

void stop(struct server *server)
{
	unix_server__stop(&server->unix_server);
}

/* ---- one question ---- */

const struct runtime_limits quick = {
	.connection_ms = 1500, /* short for who hangs, long enough on a busy machine */
	.pause_ms = 3600 * 1000,
	.answer_bytes = 65536,
	.file_bytes = 65536,
};

const struct runtime_places places = { .sockets = socket_list };

void identify(const char *path, struct cgroup_identity *identity)
{
	assert_int_equal(cgroup_path__identify(path, identity), 0);
}

int ask_of(const struct runtime_places *where, const char *path, struct runtime_names_of *names)
{
	struct runtime_source *source = NULL;
	struct cgroup_identity identity;
	int err;

	identify(path, &identity);
	assert_int_equal(runtime_source__new(&source, where, &quick), 0);
	err = runtime_source__ask(source, &identity, names);
	runtime_source__free(source);
	return err;
}

int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/twsnoop-names-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/runtime.sock", folder);
	socket_list[0] = socket_path;
	return 0;
}

static void drop_tree(int dir_fd, const char *name)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(fd, entry->d_name, 0) && errno == EISDIR)
			drop_tree(fd, entry->d_name);
	if (dir)
		closedir(dir);
	unlinkat(dir_fd, name, AT_REMOVEDIR);
}

int drop_folder(void **state)
{
	(void)state;
	drop_tree(AT_FDCWD, folder);
	return access(folder, F_OK) == 0;
}
