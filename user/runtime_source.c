// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#if defined(HAVE_LIBCURL) && !defined(HAVE_JANSSON)
#define HAVE_JANSSON
#endif

static const char *const default_sockets[] = {
	"/run/docker.sock", "/run/podman/podman.sock", NULL,
};

static const char *const default_containerd_dirs[] = {
	"/run/containerd/io.containerd.runtime.v2.task",
	"/run/k3s/containerd/io.containerd.runtime.v2.task",
	"/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
	NULL,
};

static const char *const default_storage_dirs[] = {
	"/var/lib/containers/storage", "/run/containers/storage", NULL,
};

const struct runtime_places runtime_default_places = {
	.sockets = default_sockets,
	.user_dir = "/run/user",
	.docker_dir = "/var/lib/docker/containers",
	.containerd_dirs = default_containerd_dirs,
	.storage_dirs = default_storage_dirs,
};

const struct runtime_limits runtime_default_limits = {
	.connection_ms = 2000,
	.pause_ms = 10000,
	.answer_bytes = 1 << 20,
	.file_bytes = 16 << 20,
};

#ifdef HAVE_JANSSON

#define HEX_ID_LEN 64
#define MAX_NAMESPACES 64 /* of containerd, looked through */

/* The rest of a path below some folder, or NULL if it became too long. */
__attribute__((format(printf, 3, 4))) static const char *
join(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(buf, size, format, args);
	va_end(args);
	return n < 0 || (size_t)n >= size ? NULL : buf;
}

#ifdef HAVE_LIBCURL

#include <curl/curl.h>

#define HEADERS_MAX_BYTES 65536
#define MAX_PAUSES 8

/* A socket that gave no answer in time. */
struct pause {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint64_t until_ns;
};

/* One answer over a socket. */
struct exchange {
	const char *path;
	uid_t uid; /* whose runtime it must be */
	bool is_system;
	int fd; /* curl's */
	size_t header_bytes;
	char *body;
	size_t body_len, body_size, body_max;
};

struct client {
	CURLM *multi;
	CURL *easy;
	struct pause pauses[MAX_PAUSES];
	size_t next_pause;
};

#else

struct client {
	char unused;
};

#endif

struct runtime_source {
	const struct runtime_places *places;
	struct runtime_limits limits;
	atomic_bool cancelled;
	struct client client;
};

typedef int (*parse_fn)(const char *json, size_t len, const char *id,
			struct runtime_names_of *names);

static bool is_system_uid(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* ---- sockets ---- */

#ifdef HAVE_LIBCURL

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = ctx;

	(void)purpose;
	exchange->fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return exchange->fd < 0 ? CURL_SOCKET_BAD : exchange->fd;
}

/* Once connected: whose end is it? A look at the path before could be fooled. */
static int check_peer(void *ctx, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
	const struct exchange *exchange = ctx;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	bool is_right;

	(void)peer_ip;
	(void)local_ip;
	(void)peer_port;
	(void)local_port;
	if (getsockopt(exchange->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return CURL_PREREQFUNC_ABORT;
	is_right = exchange->is_system ? is_system_uid(peer.uid) : peer.uid == exchange->uid;
	return is_right ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Taking less than was given makes curl give up. */
static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;
	size_t len = size * count, wanted = exchange->body_len + len;
	char *body;

	if (wanted > exchange->body_max)
		return 0;
	if (wanted > exchange->body_size) {
		wanted = wanted * 2 < exchange->body_max ? wanted * 2 : exchange->body_max;
		body = realloc(exchange->body, wanted);
		if (!body)
			return 0;
		exchange->body = body;
		exchange->body_size = wanted;
	}
	memcpy(exchange->body + exchange->body_len, data, len);
	exchange->body_len += len;
	return len;
}

static size_t count_headers(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;

	(void)data;
	exchange->header_bytes += size * count;
	return exchange->header_bytes <= HEADERS_MAX_BYTES ? size * count : 0;
}

/* One GET, one answer, no detours: no proxy, redirect, other protocol or reuse. */
static int prepare(struct runtime_source *source, struct exchange *exchange, const char *id)
{
	char url[sizeof("http://localhost/containers//json") + CGROUP_ID_SIZE];
	CURL *easy = source->client.easy;
	CURLcode code = CURLE_OK;

#define SET(option, value) (code = code ? code : curl_easy_setopt(easy, (option), (value)))
	if (!join(url, sizeof(url), "http://localhost/containers/%s/json", id))
		return -EINVAL;
	curl_easy_reset(easy);
	SET(CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http");
#else
	SET(CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
	SET(CURLOPT_UNIX_SOCKET_PATH, exchange->path);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, exchange);
	SET(CURLOPT_PREREQFUNCTION, check_peer);
	SET(CURLOPT_PREREQDATA, exchange);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)source->limits.connection_ms);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, count_headers);
	SET(CURLOPT_HEADERDATA, exchange);
#undef SET
	return code ? -EIO : 0;
}

/* Until the answer is there, the time is up, or somebody cancels. */
static int perform(struct runtime_source *source)
{
	CURLM *multi = source->client.multi;
	CURLcode result = CURLE_OPERATION_TIMEDOUT;
	int running = 0, left, err = 0;
	uint64_t end_ns;
	CURLMsg *message;

	end_ns = now_ns() + source->limits.connection_ms * 1000000ULL;
	if (curl_multi_add_handle(multi, source->client.easy))
		return -EIO;
	while (!curl_multi_perform(multi, &running) && running) {
		if (atomic_load(&source->cancelled))
			err = -ECANCELED;
		else if (now_ns() > end_ns)
			err = -ETIMEDOUT;
		if (err || curl_multi_poll(multi, NULL, 0, 1000, NULL))
			break;
	}
	while ((message = curl_multi_info_read(multi, &left)))
		if (message->msg == CURLMSG_DONE)
			result = message->data.result;
	curl_multi_remove_handle(multi, source->client.easy);
	if (err)
		return err;
	if (result == CURLE_OPERATION_TIMEDOUT)
		return -ETIMEDOUT;
	return result ? -EIO : 0;
}

static bool is_paused(const struct client *client, const char *path)
{
	size_t i;

	for (i = 0; i < MAX_PAUSES; i++)
		if (strcmp(client->pauses[i].path, path) == 0)
			return now_ns() < client->pauses[i].until_ns;
	return false;
}

static void pause_socket(struct runtime_source *source, const char *path)
{
	struct client *client = &source->client;
	struct pause *pause = NULL;
	size_t i;

	for (i = 0; i < MAX_PAUSES && !pause; i++)
		if (strcmp(client->pauses[i].path, path) == 0)
			pause = &client->pauses[i];
	if (!pause) {
		pause = &client->pauses[client->next_pause];
		client->next_pause = (client->next_pause + 1) % MAX_PAUSES;
	}
	memcpy(pause->path, path, strlen(path) + 1); /* it fitted when connecting */
	pause->until_ns = now_ns() + source->limits.pause_ms * 1000000ULL;
}

static int ask_socket(struct runtime_source *source, const char *path,
		      const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	struct exchange exchange = { .path = path,
				     .uid = identity->owner_uid,
				     .is_system = !identity->user_owned,
				     .fd = -1,
				     .body_max = source->limits.answer_bytes };
	long status = 0;
	int err;

	if (is_paused(&source->client, path))
		return -ETIMEDOUT;
	err = prepare(source, &exchange, identity->host_id);
	if (!err)
		err = perform(source);
	if (err == -ETIMEDOUT)
		pause_socket(source, path);
	if (!err)
		curl_easy_getinfo(source->client.easy, CURLINFO_RESPONSE_CODE, &status);
	if (!err)
		err = status == 200 ? runtime_json__inspect(exchange.body, exchange.body_len,
							    identity->host_id, names) :
				      -ENOENT;
	free(exchange.body);
	return err;
}

static int client__init(struct client *client)
{
	/* no TLS: that would take its time, and memory */
	if (curl_global_init(CURL_GLOBAL_NOTHING))
		return -ENOMEM;
	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	return client->multi && client->easy ? 0 : -ENOMEM;
}

static void client__destroy(struct client *client)
{
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	curl_global_cleanup();
}

static void client__wake(struct client *client)
{
	curl_multi_wakeup(client->multi);
}

#else

static int ask_socket(struct runtime_source *source, const char *path,
		      const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	(void)source;
	(void)path;
	(void)identity;
	(void)names;
	return -ENOENT;
}

static int client__init(struct client *client)
{
	(void)client;
	return 0;
}

static void client__destroy(struct client *client)
{
	(void)client;
}

static void client__wake(struct client *client)
{
	(void)client;
}

#endif

/* Goes on after a socket that does not know, or does not answer. */
static bool is_final(int err)
{
	return err == 0 || err == -ECANCELED;
}

static int ask_sockets(struct runtime_source *source, const struct cgroup_identity *identity,
		       struct runtime_names_of *names)
{
	static const char *const of_user[] = { "docker.sock", "podman/podman.sock" };
	const char *const *socket;
	char path[PATH_MAX];
	bool timed_out = false;
	size_t i;
	int err;

	for (socket = source->places->sockets; socket && *socket; socket++) {
		err = ask_socket(source, *socket, identity, names);
		if (is_final(err))
			return err;
		timed_out |= err == -ETIMEDOUT;
	}
	for (i = 0; identity->user_owned && source->places->user_dir && i < 2; i++) {
		if (!join(path, sizeof(path), "%s/%u/%s", source->places->user_dir,
			  identity->owner_uid, of_user[i]))
			continue;
		err = ask_socket(source, path, identity, names);
		if (is_final(err))
			return err;
		timed_out |= err == -ETIMEDOUT;
	}
	return timed_out ? -ETIMEDOUT : -ENOENT;
}

/* ---- state on disk ---- */

static int read_all(int fd, char *data, size_t size, size_t *lenp)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, data + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*lenp = len;
	return 0;
}

/* A plain file of the system's, not too long. O_NONBLOCK: whatever it is, opening
 * it must not wait. */
static int open_state(const char *path, size_t max_bytes, size_t *size)
{
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !is_system_uid(st.st_uid) ||
	    st.st_size <= 0 || (uint64_t)st.st_size > max_bytes) {
		close(fd);
		return -ENOENT;
	}
	*size = (size_t)st.st_size;
	return fd;
}

static int ask_file(struct runtime_source *source, const char *path, const char *id,
		    parse_fn parse, struct runtime_names_of *names)
{
	size_t size = 0, len = 0;
	char *data;
	int fd, err;

	if (!path)
		return -ENOENT;
	if (atomic_load(&source->cancelled))
		return -ECANCELED;
	fd = open_state(path, source->limits.file_bytes, &size);
	if (fd < 0)
		return fd;
	data = malloc(size);
	err = data ? read_all(fd, data, size, &len) : -ENOMEM;
	if (!err)
		err = parse(data, len, id, names);
	free(data);
	close(fd);
	return err;
}

static int ask_docker_dir(struct runtime_source *source, const char *id,
			  struct runtime_names_of *names)
{
	const char *dir = source->places->docker_dir;
	char buf[PATH_MAX];

	if (!dir)
		return -ENOENT;
	return ask_file(source, join(buf, sizeof(buf), "%s/%s/config.v2.json", dir, id), id,
			runtime_json__inspect, names);
}

/* DIR/NAMESPACE/ID/config.json */
static int ask_containerd_dir(struct runtime_source *source, const char *dir_path, const char *id,
			      struct runtime_names_of *names)
{
	struct dirent *entry;
	char buf[PATH_MAX];
	int err = -ENOENT, i;
	DIR *dir;

	dir = opendir(dir_path);
	if (!dir)
		return -errno;
	for (i = 0; !is_final(err) && i < MAX_NAMESPACES && (entry = readdir(dir)); i++) {
		if (entry->d_name[0] == '.')
			continue;
		err = ask_file(source,
			       join(buf, sizeof(buf), "%s/%s/%s/config.json", dir_path,
				    entry->d_name, id),
			       id, runtime_json__bundle, names);
	}
	closedir(dir);
	return err;
}

static int ask_containerd(struct runtime_source *source, const char *id,
			  struct runtime_names_of *names)
{
	const char *const *dir;
	int err = -ENOENT;

	for (dir = source->places->containerd_dirs; dir && *dir && !is_final(err); dir++)
		err = ask_containerd_dir(source, *dir, id, names);
	return err;
}

/* CRI-O keeps each container's bundle, Podman a list of all. */
static int ask_storage_dir(struct runtime_source *source, const char *dir, const char *id,
			   struct runtime_names_of *names)
{
	static const char *const drivers[] = { "overlay", "vfs", "btrfs", "zfs" };
	static const char *const lists[] = { "volatile-containers", "containers" };
	char buf[PATH_MAX];
	int err = -ENOENT;
	size_t i, j;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]) && !is_final(err); i++) {
		err = ask_file(source,
			       join(buf, sizeof(buf), "%s/%s-containers/%s/userdata/config.json",
				    dir, drivers[i], id),
			       id, runtime_json__bundle, names);
		for (j = 0; j < 2 && !is_final(err); j++)
			err = ask_file(source,
				       join(buf, sizeof(buf), "%s/%s-containers/%s.json", dir,
					    drivers[i], lists[j]),
				       id, runtime_json__storage, names);
	}
	return err;
}

static int ask_storage(struct runtime_source *source, const char *id,
		       struct runtime_names_of *names)
{
	const char *const *dir;
	int err = -ENOENT;

	for (dir = source->places->storage_dirs; dir && *dir && !is_final(err); dir++)
		err = ask_storage_dir(source, *dir, id, names);
	return err;
}

/* ---- all of them ---- */

static bool may_be(const struct cgroup_identity *identity, const char *runtime)
{
	return !identity->host_runtime || strcmp(identity->host_runtime, runtime) == 0;
}

static int ask_disk(struct runtime_source *source, const struct cgroup_identity *identity,
		    struct runtime_names_of *names)
{
	const char *id = identity->host_id;
	int err = -ENOENT;

	if (identity->user_owned)
		return -ENOENT;
	if (may_be(identity, "docker"))
		err = ask_docker_dir(source, id, names);
	if (!is_final(err) && may_be(identity, "containerd"))
		err = ask_containerd(source, id, names);
	if (!is_final(err) && (may_be(identity, "cri-o") || may_be(identity, "podman")))
		err = ask_storage(source, id, names);
	return err;
}

/* It becomes part of paths and of a URL. */
static bool is_id(const char *id)
{
	return strspn(id, "0123456789abcdef") == HEX_ID_LEN && id[HEX_ID_LEN] == '\0';
}

int runtime_source__ask(struct runtime_source *source, const struct cgroup_identity *identity,
			struct runtime_names_of *names)
{
	int err;

	if (!is_id(identity->host_id) ||
	    (identity->user_owned && identity->owner_uid == UINT32_MAX))
		return -EINVAL;
	err = ask_disk(source, identity, names);
	if (!is_final(err) && (may_be(identity, "docker") || may_be(identity, "podman")))
		err = ask_sockets(source, identity, names);
	if (atomic_load(&source->cancelled))
		return -ECANCELED;
	return err == 0 || err == -ETIMEDOUT ? err : -ENOENT;
}

void runtime_source__cancel(struct runtime_source *source)
{
	atomic_store(&source->cancelled, true);
	client__wake(&source->client);
}

int runtime_source__new(struct runtime_source **sourcep, const struct runtime_places *places,
			const struct runtime_limits *limits)
{
	struct runtime_source *source;
	int err;

	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->places = places ? places : &runtime_default_places;
	source->limits = limits ? *limits : runtime_default_limits;
	atomic_init(&source->cancelled, false);
	err = client__init(&source->client);
	if (err) {
		runtime_source__free(source);
		return err;
	}
	*sourcep = source;
	return 0;
}

void runtime_source__free(struct runtime_source *source)
{
	if (!source)
		return;
	client__destroy(&source->client);
	free(source);
}

#else

int runtime_source__new(struct runtime_source **sourcep, const struct runtime_places *places,
			const struct runtime_limits *limits)
{
	(void)sourcep;
	(void)places;
	(void)limits;
	return -EOPNOTSUPP;
}

void runtime_source__free(struct runtime_source *source)
{
	(void)source;
}

int runtime_source__ask(struct runtime_source *source, const struct cgroup_identity *identity,
			struct runtime_names_of *names)
{
	(void)source;
	(void)identity;
	(void)names;
	return -EOPNOTSUPP;
}

void runtime_source__cancel(struct runtime_source *source)
{
	(void)source;
}

#endif
