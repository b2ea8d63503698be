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
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime_cri.h"

#if defined(HAVE_LIBCURL) && !defined(HAVE_JANSSON)
#define HAVE_JANSSON
#endif

static const char *const default_sockets[] = {
	"/run/docker.sock", "/run/podman/podman.sock", NULL,
};

static const char *const default_cri_sockets[] = {
	"/run/containerd/containerd.sock",
	"/run/crio/crio.sock",
	"/run/k3s/containerd/containerd.sock",
	"/var/snap/microk8s/common/run/containerd.sock",
	NULL,
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
	.cri_sockets = default_cri_sockets,
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

bool runtime_source__has_sockets(void)
{
#ifdef HAVE_LIBCURL
	return true;
#else
	return false;
#endif
}

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
	char url[128];
	const unsigned char *request; /* gRPC's; NULL: a GET */
	size_t request_len;
	uid_t uid; /* whose runtime it must be */
	bool is_system;
	int fd; /* curl's */
	bool is_grpc_ok; /* its status came last, and was 0 */
	size_t header_bytes;
	char *body;
	size_t body_len, body_size, body_max;
};

struct client {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *grpc_headers;
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

/* It becomes part of paths and of a URL. */
static bool is_id(const char *id)
{
	return strspn(id, "0123456789abcdef") == HEX_ID_LEN && id[HEX_ID_LEN] == '\0';
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

/* "grpc-status: 0", in what follows the body; it is written so and no other way. */
static bool is_grpc_ok(const char *header, size_t len)
{
	static const char status[] = "grpc-status: 0";

	return len >= sizeof(status) && strncasecmp(header, status, sizeof(status) - 1) == 0 &&
	       (header[sizeof(status) - 1] == '\r' || header[sizeof(status) - 1] == '\n');
}

static size_t read_header(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;
	size_t len = size * count;

	exchange->header_bytes += len;
	exchange->is_grpc_ok |= is_grpc_ok(data, len);
	return exchange->header_bytes <= HEADERS_MAX_BYTES ? len : 0;
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(easy, (option), (value)))

/* gRPC is a POST over HTTP/2; over a unix socket nobody negotiates that. */
static CURLcode prepare_grpc(struct client *client, const struct exchange *exchange)
{
	CURL *easy = client->easy;
	CURLcode code = CURLE_OK;

	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	SET(CURLOPT_HTTPHEADER, client->grpc_headers);
	SET(CURLOPT_POSTFIELDSIZE, (long)exchange->request_len);
	SET(CURLOPT_POSTFIELDS, exchange->request);
	return code;
}

/* One request, one answer, no detours: no proxy, redirect, other protocol or reuse. */
static int prepare(struct runtime_source *source, struct exchange *exchange)
{
	CURL *easy = source->client.easy;
	CURLcode code = CURLE_OK;

	curl_easy_reset(easy);
	if (exchange->request)
		code = prepare_grpc(&source->client, exchange);
	SET(CURLOPT_URL, exchange->url);
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
	SET(CURLOPT_HEADERFUNCTION, read_header);
	SET(CURLOPT_HEADERDATA, exchange);
	return code ? -EIO : 0;
}

#undef SET

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

/* @exchange->body is the answer, to be freed also after an error. */
static int exchange__run(struct runtime_source *source, struct exchange *exchange,
			 const struct cgroup_identity *identity)
{
	long status = 0;
	int err;

	exchange->uid = identity->owner_uid;
	exchange->is_system = !identity->user_owned;
	exchange->fd = -1;
	exchange->body_max = source->limits.answer_bytes;
	if (is_paused(&source->client, exchange->path))
		return -ETIMEDOUT;
	err = prepare(source, exchange);
	if (!err)
		err = perform(source);
	if (err == -ETIMEDOUT)
		pause_socket(source, exchange->path);
	if (err)
		return err;
	curl_easy_getinfo(source->client.easy, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 && (!exchange->request || exchange->is_grpc_ok) ? 0 : -ENOENT;
}

static int ask_docker(struct runtime_source *source, const char *path,
		      const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	struct exchange exchange = { .path = path };
	int err;

	if (!join(exchange.url, sizeof(exchange.url), "http://localhost/containers/%s/json",
		  identity->host_id))
		return -EINVAL;
	err = exchange__run(source, &exchange, identity);
	if (!err)
		err = runtime_json__inspect(exchange.body, exchange.body_len, identity->host_id,
					    names);
	free(exchange.body);
	return err;
}

/* One call of gRPC. @exchange->body is to be freed also after an error. */
static int call(struct runtime_source *source, struct exchange *exchange, const char *path,
		const char *method, const struct cgroup_identity *identity)
{
	exchange->path = path;
	if (!exchange->request_len ||
	    !join(exchange->url, sizeof(exchange->url), "http://localhost%s", method))
		return -EINVAL;
	return exchange__run(source, exchange, identity);
}

/* @sandbox NULL: the pod's sandbox @id is asked for. */
static int ask_cri_list(struct runtime_source *source, const char *path,
			const struct cgroup_identity *identity, const char *id,
			struct runtime_names_of *names, char *sandbox)
{
	unsigned char request[RUNTIME_CRI_REQUEST_MAX];
	struct exchange exchange = { .request = request };
	int err;

	exchange.request_len = runtime_cri__request(id, request);
	err = call(source, &exchange, path,
		   sandbox ? RUNTIME_CRI_CONTAINERS : RUNTIME_CRI_SANDBOXES, identity);
	if (!err && sandbox)
		err = runtime_cri__containers(exchange.body, exchange.body_len, id, names,
					      sandbox);
	else if (!err)
		err = runtime_cri__sandboxes(exchange.body, exchange.body_len, id, names);
	free(exchange.body);
	return err;
}

/* ctr's and nerdctl's, in the namespace that is theirs by default. CRI-O, and others
 * in the place of containerd, do not know this call. */
static int ask_containerd_itself(struct runtime_source *source, const char *path,
				 const struct cgroup_identity *identity,
				 struct runtime_names_of *names)
{
	unsigned char request[RUNTIME_CRI_REQUEST_MAX];
	struct exchange exchange = { .request = request };
	int err;

	exchange.request_len = runtime_containerd__request(identity->host_id, request);
	err = call(source, &exchange, path, RUNTIME_CONTAINERD_GET, identity);
	if (!err)
		err = runtime_containerd__container(exchange.body, exchange.body_len,
						    identity->host_id, names);
	free(exchange.body);
	return err;
}

/* A container's pod stands in its labels, if it was kubelet that made it; always in
 * its sandbox's answer. The sandbox is a container too. */
static int ask_cri(struct runtime_source *source, const char *path,
		   const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	struct runtime_names_of found = { "", "", "", "", "", "" };
	char sandbox[CGROUP_ID_SIZE] = "";
	int err, pod_err = 0;

	err = ask_cri_list(source, path, identity, identity->host_id, &found, sandbox);
	if (err == -ENOENT)
		err = ask_cri_list(source, path, identity, identity->host_id, &found, NULL);
	else if (!err && !found.pod_name[0] && is_id(sandbox))
		pod_err = ask_cri_list(source, path, identity, sandbox, &found, NULL);
	/* then ask again; what has the wrong form stays so */
	if (pod_err == -ECANCELED || pod_err == -ETIMEDOUT)
		err = pod_err;
	if (err == -ENOENT)
		err = ask_containerd_itself(source, path, identity, &found);
	if (!err)
		*names = found;
	return err;
}

static int client__init(struct client *client)
{
	/* no TLS: that would take its time, and memory */
	if (curl_global_init(CURL_GLOBAL_NOTHING))
		return -ENOMEM;
	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	client->grpc_headers = curl_slist_append(NULL, "Content-Type: application/grpc");
	/* curl_slist_append() returns the list that it was given */
	if (!client->multi || !client->easy || !client->grpc_headers ||
	    !curl_slist_append(client->grpc_headers, "TE: trailers") ||
	    !curl_slist_append(client->grpc_headers, "containerd-namespace: default"))
		return -ENOMEM;
	return 0;
}

static void client__destroy(struct client *client)
{
	curl_easy_cleanup(client->easy);
	curl_slist_free_all(client->grpc_headers);
	curl_multi_cleanup(client->multi);
	curl_global_cleanup();
}

static void client__wake(struct client *client)
{
	curl_multi_wakeup(client->multi);
}

#else

static int ask_docker(struct runtime_source *source, const char *path,
		      const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	(void)source;
	(void)path;
	(void)identity;
	(void)names;
	return -ENOENT;
}

static int ask_cri(struct runtime_source *source, const char *path,
		   const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	return ask_docker(source, path, identity, names);
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

typedef int (*ask_fn)(struct runtime_source *source, const char *path,
		      const struct cgroup_identity *identity, struct runtime_names_of *names);

static int ask_each(struct runtime_source *source, const char *const *sockets, ask_fn ask,
		    const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	bool timed_out = false;
	int err;

	for (; sockets && *sockets; sockets++) {
		err = ask(source, *sockets, identity, names);
		if (is_final(err))
			return err;
		timed_out |= err == -ETIMEDOUT;
	}
	return timed_out ? -ETIMEDOUT : -ENOENT;
}

static int ask_users_sockets(struct runtime_source *source,
			     const struct cgroup_identity *identity,
			     struct runtime_names_of *names)
{
	char docker[PATH_MAX], podman[PATH_MAX];
	const char *const sockets[] = {
		join(docker, sizeof(docker), "%s/%u/docker.sock", source->places->user_dir,
		     identity->owner_uid),
		join(podman, sizeof(podman), "%s/%u/podman/podman.sock",
		     source->places->user_dir, identity->owner_uid),
		NULL,
	};

	return ask_each(source, sockets, ask_docker, identity, names);
}

static bool may_be(const struct cgroup_identity *identity, const char *runtime)
{
	return !identity->host_runtime || strcmp(identity->host_runtime, runtime) == 0;
}

static int ask_sockets(struct runtime_source *source, const struct cgroup_identity *identity,
		       struct runtime_names_of *names)
{
	const struct runtime_places *places = source->places;
	bool timed_out = false;
	int err = -ENOENT;

	if (may_be(identity, "docker") || may_be(identity, "podman")) {
		err = ask_each(source, places->sockets, ask_docker, identity, names);
		timed_out = err == -ETIMEDOUT;
		if (!is_final(err) && identity->user_owned && places->user_dir)
			err = ask_users_sockets(source, identity, names);
		timed_out |= err == -ETIMEDOUT;
	}
	/* a system service only */
	if (!is_final(err) && !identity->user_owned &&
	    (may_be(identity, "containerd") || may_be(identity, "cri-o")))
		err = ask_each(source, places->cri_sockets, ask_cri, identity, names);
	return is_final(err) || !timed_out ? err : -ETIMEDOUT;
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

/* What nerdctl writes on disk has no image. */
static void add_image(struct runtime_source *source, const struct cgroup_identity *identity,
		      struct runtime_names_of *names)
{
	struct runtime_names_of more = { "", "", "", "", "", "" };

	if (names->image[0] || names->pod_name[0] || !identity->host_runtime ||
	    strcmp(identity->host_runtime, "containerd") != 0)
		return;
	if (!ask_sockets(source, identity, &more))
		memcpy(names->image, more.image, sizeof(names->image));
}

int runtime_source__ask(struct runtime_source *source, const struct cgroup_identity *identity,
			struct runtime_names_of *names)
{
	struct runtime_names_of found = { "", "", "", "", "", "" };
	int err;

	if (!is_id(identity->host_id) ||
	    (identity->user_owned && identity->owner_uid == UINT32_MAX))
		return -EINVAL;
	err = ask_disk(source, identity, &found);
	if (!err)
		add_image(source, identity, &found);
	else if (!is_final(err))
		err = ask_sockets(source, identity, &found);
	if (atomic_load(&source->cancelled))
		return -ECANCELED;
	if (!err)
		*names = found;
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
