// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/runtime_names.c user/containers/runtime_source.c user/containers/runtime_http.c
 * user/containers/runtime_json.c user/containers/cgroup_path.c, -DHAVE_LIBCURL -lcurl -ljansson -pthread; with
 * -DHAVE_JANSSON alone, or neither, only what is built then is tried. Serves answers of
 * every kind itself, over unix sockets in a folder of its own. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "containers/runtime_names.h"
#include "tests/unit/unix_server.h"

#define A "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"
#define B "b05c1f6a2d9e83704f5ac6b1e28d97034c1fb6a5d8e90273c4f16ab5e8d90f37"
#define POD "2c48913c-b29f-11e7-9350-020968147796"
#define SEC 1000000000ULL
#define DEADLINE_MS 30000 /* for what should come at once */

#define INSPECT(id, name)                                                                   \
	"{\"Id\":\"" id "\",\"Name\":\"/" name "\",\"Config\":{\"Image\":\"example/web:1\"," \
	"\"Labels\":{\"io.kubernetes.pod.name\":\"web-0\",\"io.kubernetes.pod.namespace\":" \
	"\"shop\",\"io.kubernetes.pod.uid\":\"" POD "\",\"io.kubernetes.container.name\":" \
	"\"app\",\"other\":\"x\"}},\"State\":{\"Pid\":7}}"

/* What this was built with: see runtime_source.h. */
#ifdef HAVE_LIBCURL
#define BUILT_WITH 2
#elif defined(HAVE_JANSSON)
#define BUILT_WITH 1
#else
#define BUILT_WITH 0
#endif

#define NEED_JSON()                 \
	do {                        \
		if (BUILT_WITH < 1) \
			skip();     \
	} while (0)
#define NEED_SOCKETS()              \
	do {                        \
		if (BUILT_WITH < 2) \
			skip();     \
	} while (0)

static char folder[64];
static char socket_path[96];
static const char *socket_list[2];

/* ---- what is parsed ---- */

static int inspect(const char *json, struct runtime_names_of *names)
{
	return runtime_json__inspect(json, strlen(json), A, names);
}

static void test_inspect(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "null", "7", "\"" A "\"", "{}", "{\"Id\":7}", "{\"Id\":null}",
		"{\"Id\":\"" A "\"", "{\"Id\":\"" A "\"}x",
		"{\"Id\":\"" A "\",\"Name\":\"\xff\"}", "{\"Id\":\"" A "\",\"Name\":\"a\\u0000b\"}",
		"{\"Id\":\"" A "\",\"Name\":\"/a\",\"Name\":\"/b\"}",
	};
	static const char *const none[] = {
		"{\"Id\":\"" B "\",\"Name\":\"/web\"}", "{\"Id\":\"6e9708ee9788\",\"Name\":\"/web\"}",
		"{\"Id\":\"" A "\"}", "{\"Id\":\"" A "\",\"Name\":7,\"Config\":[]}",
		"{\"Id\":\"" A "\",\"Name\":\"\",\"Config\":{\"Labels\":null}}",
	};
	struct runtime_names_of names, before;
	size_t i;

	(void)state;
	NEED_JSON();
	memset(&before, 0x55, sizeof(before));
	for (i = 0; i < COUNT(bad); i++) {
		names = before;
		assert_int_equal(inspect(bad[i], &names), -EBADMSG);
		assert_memory_equal(&names, &before, sizeof(names));
	}
	for (i = 0; i < COUNT(none); i++) {
		names = before;
		assert_int_equal(inspect(none[i], &names), -ENOENT);
		assert_memory_equal(&names, &before, sizeof(names));
	}
	assert_int_equal(inspect(INSPECT(A, "web1"), &names), 0);
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "web-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);
	assert_string_equal(names.pod_container, "app");
	/* Docker's file */
	assert_int_equal(inspect("{\"ID\":\"" A "\",\"Name\":\"/web1\"}", &names), 0);
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.image, "");
	/* hostile names stay what they are: the sinks escape */
	assert_int_equal(inspect("{\"Id\":\"" A "\",\"Name\":\"/a\\u001b[31m\\n\\\"\"}", &names), 0);
	assert_string_equal(names.name, "a\x1b[31m\n\"");
}

/* What is too long is left out, not cut. */
static void test_long_names(void **state)
{
	char json[1024], name[RUNTIME_NAME_SIZE + 1];
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	memset(name, 'n', sizeof(name));
	name[RUNTIME_NAME_SIZE - 1] = '\0';
	snprintf(json, sizeof(json), "{\"Id\":\"" A "\",\"Name\":\"%s\"}", name);
	assert_int_equal(inspect(json, &names), 0);
	assert_string_equal(names.name, name);
	name[RUNTIME_NAME_SIZE - 1] = 'n';
	name[RUNTIME_NAME_SIZE] = '\0';
	snprintf(json, sizeof(json), "{\"Id\":\"" A "\",\"Name\":\"%s\"}", name);
	assert_int_equal(inspect(json, &names), -ENOENT);
}

static void test_deep_json(void **state)
{
	struct runtime_names_of names;
	char *json;

	(void)state;
	NEED_JSON();
	json = malloc(200000);
	assert_non_null(json);
	memset(json, '[', 200000);
	assert_int_equal(runtime_json__inspect(json, 200000, A, &names), -EBADMSG);
	free(json);
}

static int bundle(const char *json, struct runtime_names_of *names)
{
	return runtime_json__bundle(json, strlen(json), A, names);
}

static void test_bundle(void **state)
{
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	assert_int_equal(bundle("{\"ociVersion\":\"1.0.2\",\"annotations\":{"
				"\"io.kubernetes.cri.container-name\":\"app\","
				"\"io.kubernetes.cri.container-type\":\"container\","
				"\"io.kubernetes.cri.image-name\":\"example/web:1\","
				"\"io.kubernetes.cri.sandbox-name\":\"web-0\","
				"\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
				"\"io.kubernetes.cri.sandbox-uid\":\"" POD "\"}}",
				&names),
			 0);
	assert_string_equal(names.name, "app");
	assert_string_equal(names.pod_container, "app");
	assert_string_equal(names.pod_name, "web-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);
	assert_string_equal(names.image, "example/web:1");

	assert_int_equal(bundle("{\"annotations\":{"
				"\"io.kubernetes.cri-o.ContainerID\":\"" A "\","
				"\"io.kubernetes.cri-o.ImageName\":\"example/db:2\","
				"\"io.kubernetes.container.name\":\"db\","
				"\"io.kubernetes.pod.name\":\"db-0\","
				"\"io.kubernetes.pod.namespace\":\"shop\"}}",
				&names),
			 0);
	assert_string_equal(names.name, "db");
	assert_string_equal(names.pod_name, "db-0");
	assert_string_equal(names.image, "example/db:2");
	assert_string_equal(names.pod_uid, "");

	/* the pod's pause container, as CRI-O writes it */
	assert_int_equal(bundle("{\"annotations\":{"
				"\"io.kubernetes.cri-o.ContainerID\":\"" A "\","
				"\"io.kubernetes.cri-o.ContainerName\":"
				"\"k8s_POD_db-0_shop_" POD "_0\","
				"\"io.kubernetes.cri-o.ContainerType\":\"sandbox\","
				"\"io.kubernetes.cri-o.KubeName\":\"db-0\","
				"\"io.kubernetes.cri-o.Labels\":"
				"\"{\\\"io.kubernetes.container.name\\\":\\\"POD\\\"}\","
				"\"io.kubernetes.cri-o.Namespace\":\"shop\","
				"\"io.kubernetes.cri-o.SandboxID\":\"" A "\","
				"\"io.kubernetes.container.name\":\"POD\","
				"\"io.kubernetes.pod.name\":\"db-0\","
				"\"io.kubernetes.pod.namespace\":\"shop\","
				"\"io.kubernetes.pod.uid\":\"" POD "\"}}",
				&names),
			 0);
	assert_string_equal(names.name, "");
	assert_string_equal(names.pod_container, "");
	assert_string_equal(names.pod_name, "db-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);

	assert_int_equal(bundle("{\"annotations\":{\"nerdctl/name\":\"web\"}}", &names), 0);
	assert_string_equal(names.name, "web");

	assert_int_equal(bundle("{\"annotations\":{\"io.kubernetes.cri-o.ContainerID\":\"" B
				"\",\"io.kubernetes.container.name\":\"db\"}}",
				&names),
			 -ENOENT);
	assert_int_equal(bundle("{\"annotations\":{}}", &names), -ENOENT);
	assert_int_equal(bundle("{\"hostname\":\"x\"}", &names), -ENOENT);
	assert_int_equal(bundle("[]", &names), -EBADMSG);
	assert_string_equal(names.name, "web");
}

static int storage(const char *json, struct runtime_names_of *names)
{
	return runtime_json__storage(json, strlen(json), A, names);
}

static void test_storage(void **state)
{
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	assert_int_equal(storage("[7,{},{\"id\":\"" B "\",\"names\":[\"other\"]},{\"id\":\"" A
				 "\",\"names\":[\"web1\",\"alias\"],\"metadata\":\"{\\\"image-name\\\":"
				 "\\\"example/web:1\\\",\\\"name\\\":\\\"web1\\\"}\"}]",
				 &names),
			 0);
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "");
	assert_int_equal(storage("[{\"id\":\"" A "\",\"names\":[\"w\"],\"metadata\":\"{\"}]", &names),
			 0);
	assert_string_equal(names.name, "w");
	assert_int_equal(storage("[{\"id\":\"" A "\",\"names\":[]}]", &names), -ENOENT);
	assert_int_equal(storage("[{\"id\":\"" A "\",\"names\":7,\"metadata\":7}]", &names), -ENOENT);
	assert_int_equal(storage("[]", &names), -ENOENT);
	assert_int_equal(storage("{}", &names), -EBADMSG);
}

/* ---- a server ---- */

enum mode {
	ANSWER,
	UNKNOWN,	/* 404 */
	OTHER_CONTAINER,
	RUBBISH,
	HALF,		/* less than Content-Length says */
	HANG,		/* takes the request, says nothing */
	HANG_AMID,	/* stops in the middle of the answer */
	SHUT,		/* closes at once */
	ENDLESS_BODY,
	ENDLESS_HEADERS,
	REDIRECT,
	TOO_LONG,
};

struct server {
	struct unix_server unix_server;
	enum mode mode;
	atomic_uint requests;
	char request[1024]; /* the last one; read once the server has stopped */
};

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

static void start(struct server *server, enum mode mode)
{
	memset(server, 0, sizeof(*server));
	server->mode = mode;
	unix_server__start(&server->unix_server, socket_path, serve, server);
}

static void stop(struct server *server)
{
	unix_server__stop(&server->unix_server);
}

/* ---- one question ---- */

static const struct runtime_limits quick = {
	.connection_ms = 1500, /* short for who hangs, long enough on a busy machine */
	.pause_ms = 3600 * 1000,
	.answer_bytes = 65536,
	.file_bytes = 65536,
};

static const struct runtime_limits patient = {
	.connection_ms = 3600 * 1000,
	.pause_ms = 0,
	.answer_bytes = 65536,
	.file_bytes = 65536,
};

static const struct runtime_places places = { .sockets = socket_list };

static void identify(const char *path, struct cgroup_identity *identity)
{
	assert_int_equal(cgroup_path__identify(path, identity), 0);
}

static int ask_of(const struct runtime_places *where, const char *path,
		  struct runtime_names_of *names)
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

/* ---- the cache and its helper ---- */

static const struct runtime_names_of *wait_for_name(struct runtime_names *names,
						    const struct cgroup_identity *identity,
						    uint64_t now_ns)
{
	struct pollfd p = { .fd = runtime_names__fd(names), .events = POLLIN };

	if (poll(&p, 1, DEADLINE_MS) != 1)
		fail_msg("no answer");
	runtime_names__collect(names, now_ns);
	assert_int_equal(poll(&p, 1, 0), 0);
	return runtime_names__get(names, identity, now_ns);
}

static void test_names(void **state)
{
	const struct runtime_names_of *found;
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct workload w;
	struct server server;
	int i;

	(void)state;
	NEED_SOCKETS();
	start(&server, ANSWER);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 0), 0);
	identify("/kubepods/pod" POD "/" A, &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	found = wait_for_name(names, &identity, 0);
	assert_non_null(found);
	assert_string_equal(found->name, "web1");
	/* it is kept */
	for (i = 0; i < 1000; i++)
		assert_ptr_equal(runtime_names__get(names, &identity, i * SEC), found);
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_string_equal(w.container_id, A);
	assert_string_equal(w.container_name, "web1");
	assert_string_equal(w.container_image, "example/web:1");
	assert_string_equal(w.pod_name, "web-0");
	assert_string_equal(w.pod_namespace, "shop");
	assert_string_equal(w.pod_container, "app");
	assert_string_equal(w.pod_uid, POD);
	/* a child cgroup is the same container */
	identify("/docker/" A "/init.scope", &identity);
	assert_ptr_equal(runtime_names__get(names, &identity, 0), found);
	stop(&server);
	assert_int_equal(atomic_load(&server.requests), 1);
	runtime_names__free(names);
}

/* What is within it has not the container's name, but its pod's. */
static void test_nested(void **state)
{
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct workload w;
	struct server server;

	(void)state;
	NEED_SOCKETS();
	start(&server, ANSWER);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 0), 0);
	identify("/kubepods/pod" POD "/" A "/docker/" B, &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	assert_non_null(wait_for_name(names, &identity, 0));
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_string_equal(w.container_id, B);
	assert_null(w.container_name);
	assert_null(w.container_image);
	assert_null(w.pod_container);
	assert_string_equal(w.pod_name, "web-0");
	/* no pod in the path, or another: then nothing */
	identify("/docker/" A "/docker/" B, &identity);
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_null(w.pod_name);
	identify("/kubepods/pod00000000-b29f-11e7-9350-020968147796/" A, &identity);
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_null(w.pod_name);
	assert_null(w.pod_container);
	assert_string_equal(w.container_name, "web1");
	stop(&server);
	runtime_names__free(names);
}

/* Asked again, but ever less often. */
static void test_retries(void **state)
{
	static const unsigned int asked_at_s[] = { 0, 1, 5, 21, 81, 141 };
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct server server;
	unsigned int s;
	size_t i = 0;

	(void)state;
	NEED_SOCKETS();
	start(&server, UNKNOWN);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 0), 0);
	identify("/docker/" A, &identity);
	for (s = 0; s <= 141; s++) {
		assert_null(runtime_names__get(names, &identity, s * SEC));
		if (s != asked_at_s[i])
			continue;
		assert_null(wait_for_name(names, &identity, s * SEC));
		assert_int_equal(atomic_load(&server.requests), ++i);
	}
	stop(&server);
	assert_int_equal(atomic_load(&server.requests), COUNT(asked_at_s));
	runtime_names__free(names);
}

/* It ends although the answer never does. */
static void test_free_amid(void **state)
{
	static const enum mode modes[] = { HANG, HANG_AMID, ENDLESS_BODY, TOO_LONG };
	struct runtime_names *names;
	struct cgroup_identity identity;
	struct timespec before, after;
	struct server server;
	size_t i;

	(void)state;
	NEED_SOCKETS();
	identify("/docker/" A, &identity);
	for (i = 0; i < COUNT(modes); i++) {
		start(&server, modes[i]);
		assert_int_equal(runtime_names__new(&names, &places, &patient, 1), 0);
		assert_null(runtime_names__get(names, &identity, 0));
		while (atomic_load(&server.requests) == 0)
			sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &before);
		runtime_names__free(names);
		clock_gettime(CLOCK_MONOTONIC, &after);
		assert_true((after.tv_sec - before.tv_sec) * 1000 < DEADLINE_MS);
		stop(&server);
	}
	/* and at once, unused */
	assert_int_equal(runtime_names__new(&names, &places, &patient, 1), 0);
	runtime_names__free(names);
	runtime_names__free(NULL);
}

/* Many containers, few places, a server that hangs: nobody waits, all is bounded. */
static void test_flood(void **state)
{
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct server server;
	char path[128];
	unsigned int i;

	(void)state;
	NEED_SOCKETS();
	start(&server, HANG);
	assert_int_equal(runtime_names__new(&names, &places, &patient, 16), 0);
	for (i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/docker/%064x", i % 3000);
		identify(path, &identity);
		assert_null(runtime_names__get(names, &identity, i));
	}
	runtime_names__free(names);
	stop(&server);

	/* answers for slots that have changed hands are nobody's */
	start(&server, ANSWER);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 2), 0);
	for (i = 0; i < 2000; i++) {
		identify(i % 3 ? "/docker/" B : "/docker/" A, &identity);
		if (i % 7 == 0)
			memcpy(identity.host_id, "0000", 4);
		runtime_names__get(names, &identity, i * SEC);
	}
	identify("/docker/" B, &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	runtime_names__free(names);
	stop(&server);
}

static void test_nobody(void **state)
{
	struct cgroup_identity identity;
	struct runtime_names *names = NULL;
	struct workload w;

	(void)state;
	NEED_JSON();
	identify("/docker/" A, &identity);
	assert_null(runtime_names__get(NULL, &identity, 0));
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(NULL, &identity, 0, &w);
	assert_null(w.container_name);
	assert_int_equal(runtime_names__fd(NULL), -1);
	runtime_names__collect(NULL, 0);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 4), 0);
	identify("/system.slice/a.service", &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	runtime_names__free(names);
}

/* As it is built without libraries: like --no-names. */
static void test_built_without(void **state)
{
	struct runtime_names *names = NULL;
	struct runtime_names_of found;

	(void)state;
	assert_int_equal(runtime_names__new(&names, NULL, NULL, 0), -EOPNOTSUPP);
	assert_null(names);
	assert_int_equal(inspect(INSPECT(A, "web1"), &found), -EOPNOTSUPP);
	assert_int_equal(bundle("{}", &found), -EOPNOTSUPP);
	assert_int_equal(storage("[]", &found), -EOPNOTSUPP);
}

static int make_folder(void **state)
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

static int drop_folder(void **state)
{
	(void)state;
	drop_tree(AT_FDCWD, folder);
	return access(folder, F_OK) == 0;
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_deep_json),
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_storage),
		WITH_FOLDER(test_answers),
		WITH_FOLDER(test_request),
		WITH_FOLDER(test_no_server),
		WITH_FOLDER(test_not_asked),
		WITH_FOLDER(test_user_socket),
		WITH_FOLDER(test_pause),
		WITH_FOLDER(test_disk),
		WITH_FOLDER(test_names),
		WITH_FOLDER(test_nested),
		WITH_FOLDER(test_retries),
		WITH_FOLDER(test_free_amid),
		WITH_FOLDER(test_flood),
		WITH_FOLDER(test_nobody),
	};
	const struct CMUnitTest without[] = { cmocka_unit_test(test_built_without) };

	if (BUILT_WITH == 0)
		return cmocka_run_group_tests(without, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
