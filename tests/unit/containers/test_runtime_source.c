// SPDX-License-Identifier: GPL-2.0
/* One question to a runtime: answers of every kind, who is asked and who is not, and what is read from disk.
 * Without -DHAVE_LIBCURL what takes a socket is skipped, without -DHAVE_JANSSON all. */
#include "tests/unit/containers/runtime_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int ask(const char *path, struct runtime_names_of *names)
{
	return ask_of(&places, path, names);
}

static void test_answers(void **state)
{
	static const struct {
		enum mode mode;
		int expected;
	} table[] = {
		{ ANSWER, 0 },		  { UNKNOWN, -ENOENT },
		{ OTHER_CONTAINER, -ENOENT }, { RUBBISH, -ENOENT },
		{ HALF, -ENOENT },	  { HANG, -ETIMEDOUT },
		{ HANG_AMID, -ETIMEDOUT }, { SHUT, -ENOENT },
		{ ENDLESS_BODY, -ENOENT }, { ENDLESS_HEADERS, -ENOENT },
		{ REDIRECT, -ENOENT },	  { TOO_LONG, -ETIMEDOUT },
	};
	struct runtime_names_of names;
	struct server server;
	size_t i;
	int err;

	(void)state;
	NEED_SOCKETS();
	for (i = 0; i < COUNT(table); i++) {
		start(&server, table[i].mode);
		err = ask("/docker/" A, &names);
		/* a machine so busy that what is endless was not long in time */
		if (err == -ETIMEDOUT && server.mode >= ENDLESS_BODY)
			err = table[i].expected;
		assert_int_equal(err, table[i].expected);
		stop(&server);
		assert_int_equal(atomic_load(&server.requests), 1);
	}
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.pod_namespace, "shop");
}

static void test_request(void **state)
{
	struct runtime_names_of names;
	struct server server;

	(void)state;
	NEED_SOCKETS();
	setenv("http_proxy", "http://192.0.2.1:3128", 1);
	setenv("ALL_PROXY", "http://192.0.2.1:3128", 1);
	start(&server, ANSWER);
	assert_int_equal(ask("/docker/" A, &names), 0);
	stop(&server);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_non_null(strstr(server.request, "GET /containers/" A "/json HTTP/1."));
}

static void test_no_server(void **state)
{
	struct runtime_names_of names;
	struct server server;
	char path[96];
	int fd;

	(void)state;
	NEED_SOCKETS();
	/* nothing there; a file; a socket that nobody serves any more */
	assert_int_equal(ask("/docker/" A, &names), -ENOENT);
	fd = open(socket_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ask("/docker/" A, &names), -ENOENT);
	start(&server, ANSWER);
	snprintf(path, sizeof(path), "%s/kept", folder);
	assert_int_equal(rename(socket_path, path), 0);
	stop(&server);
	assert_int_equal(rename(path, socket_path), 0);
	assert_int_equal(ask("/docker/" A, &names), -ENOENT);
	assert_int_equal(unlink(socket_path), 0);
	/* a path that no socket can have */
	socket_list[0] = "/a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/path/"
			 "a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/path";
	assert_int_equal(ask("/docker/" A, &names), -ENOENT);
	socket_list[0] = socket_path;
}

/* Nobody is asked what is not theirs to know. */
static void test_not_asked(void **state)
{
	struct runtime_names_of names;
	struct server server;
	char user[160];

	(void)state;
	NEED_SOCKETS();
	start(&server, ANSWER);
	assert_int_equal(ask("/system.slice/a.service", &names), -EINVAL);
	assert_int_equal(ask("/lxc.payload.web", &names), -EINVAL);
	assert_int_equal(ask("/user@joe.service/libpod-" A ".scope", &names), -EINVAL);
	assert_int_equal(ask("/system.slice/crio-" A ".scope", &names), -ENOENT);
	/* another user's container: this server is not that user's */
	snprintf(user, sizeof(user), "/user@%u.service/libpod-" A ".scope", geteuid() + 1);
	assert_int_equal(ask(user, &names), -ENOENT);
	stop(&server);
	assert_int_equal(atomic_load(&server.requests), 0);
}

static void test_user_socket(void **state)
{
	const struct runtime_places where = { .user_dir = folder };
	char dir[96], kept[sizeof(socket_path)], path[160];
	struct runtime_names_of names;
	struct server server;

	(void)state;
	NEED_SOCKETS();
	snprintf(dir, sizeof(dir), "%s/%u", folder, geteuid());
	assert_int_equal(mkdir(dir, 0755), 0);
	memcpy(kept, socket_path, sizeof(kept));
	snprintf(socket_path, sizeof(socket_path), "%s/%u/docker.sock", folder, geteuid());
	start(&server, ANSWER);
	snprintf(path, sizeof(path), "/user@%u.service/libpod-" A ".scope", geteuid());
	assert_int_equal(ask_of(&where, path, &names), 0);
	assert_string_equal(names.name, "web1");
	/* the system's container is not the user's */
	assert_int_equal(ask_of(&where, "/docker/" A, &names), -ENOENT);
	stop(&server);
	memcpy(socket_path, kept, sizeof(kept));
	assert_int_equal(rmdir(dir), 0);
}

/* One that hung once is left alone for a while. */
static void test_pause(void **state)
{
	struct runtime_source *source = NULL;
	struct cgroup_identity identity;
	struct runtime_names_of names;
	struct server server;

	(void)state;
	NEED_SOCKETS();
	identify("/docker/" A, &identity);
	start(&server, HANG);
	assert_int_equal(runtime_source__new(&source, &places, &quick), 0);
	assert_int_equal(runtime_source__ask(source, &identity, &names), -ETIMEDOUT);
	assert_int_equal(runtime_source__ask(source, &identity, &names), -ETIMEDOUT);
	stop(&server);
	assert_int_equal(atomic_load(&server.requests), 1);
	runtime_source__free(source);
}

/* ---- on disk ---- */

static void put_file(const char *dirs, const char *name, const char *text)
{
	char path[512], *slash;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/", folder, dirs);
	for (slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(path, 0755))
			assert_int_equal(errno, EEXIST);
		*slash = '/';
	}
	snprintf(path, sizeof(path), "%s/%s/%s", folder, dirs, name);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_disk(void **state)
{
	char containerd[96], docker[96], store[96], link[256];
	const char *const containerds[] = { "/nowhere", containerd, NULL };
	const char *const stores[] = { store, NULL };
	const struct runtime_places where = { .docker_dir = docker,
					      .containerd_dirs = containerds,
					      .storage_dirs = stores };
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	snprintf(containerd, sizeof(containerd), "%s/task", folder);
	snprintf(docker, sizeof(docker), "%s/docker", folder);
	snprintf(store, sizeof(store), "%s/storage", folder);
	assert_int_equal(ask_of(&where, "/docker/" A, &names), -ENOENT);

	put_file("docker/" A, "config.v2.json", "{\"ID\":\"" A "\",\"Name\":\"/web1\"}");
	assert_int_equal(ask_of(&where, "/docker/" A, &names), 0);
	assert_string_equal(names.name, "web1");
	assert_int_equal(ask_of(&where, "/docker/" B, &names), -ENOENT);
	assert_int_equal(ask_of(&where, "/system.slice/libpod-" A ".scope", &names), -ENOENT);
	/* whose a bare ID is, nobody says: any may know */
	assert_int_equal(ask_of(&where, "/kubepods/pod" POD "/" A, &names), 0);
	/* a user's is not looked for among the system's */
	assert_int_equal(ask_of(&where, "/user@0.service/docker-" A ".scope", &names), -ENOENT);

	put_file("task/k8s.io/" B, "config.json",
		 "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"app\"}}");
	put_file("task/moby/" A, "config.json", "{}");
	assert_int_equal(ask_of(&where, "/x.slice/cri-containerd-" B ".scope", &names), 0);
	assert_string_equal(names.name, "app");
	assert_int_equal(ask_of(&where, "/x.slice/cri-containerd-" A ".scope", &names), -ENOENT);

	put_file("storage/overlay-containers", "containers.json",
		 "[{\"id\":\"" A "\",\"names\":[\"pod1\"]}]");
	put_file("storage/vfs-containers/" B "/userdata", "config.json",
		 "{\"annotations\":{\"io.kubernetes.container.name\":\"db\"}}");
	assert_int_equal(ask_of(&where, "/machine.slice/libpod-" A ".scope", &names), 0);
	assert_string_equal(names.name, "pod1");
	assert_int_equal(ask_of(&where, "/x.slice/crio-" B ".scope", &names), 0);
	assert_string_equal(names.name, "db");

	/* no plain file; one that is too long */
	snprintf(link, sizeof(link), "%s/docker/" A "/config.v2.json", folder);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(ask_of(&where, "/docker/" A, &names), -ENOENT);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_int_equal(ask_of(&where, "/docker/" A, &names), -ENOENT);
	assert_int_equal(unlink(link), 0);
	put_file("docker/" A, "config.v2.json", "{\"ID\":\"" A "\",\"Name\":\"/web1\"}");
	assert_int_equal(truncate(link, quick.file_bytes + 1), 0);
	assert_int_equal(ask_of(&where, "/docker/" A, &names), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_answers),
		WITH_FOLDER(test_request),
		WITH_FOLDER(test_no_server),
		WITH_FOLDER(test_not_asked),
		WITH_FOLDER(test_user_socket),
		WITH_FOLDER(test_pause),
		WITH_FOLDER(test_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
