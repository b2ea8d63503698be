// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "containers/runtime_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "containers/runtime_cri.h"
#include "containers/runtime_http.h"

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

struct runtime_source {
	const struct runtime_places *places;
	struct runtime_limits limits;
	atomic_bool cancelled;
	struct runtime_http *http;
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

/* @request is whole but for the socket's owner. */
static int ask_socket(struct runtime_source *source, struct runtime_http_request *request,
		      const struct cgroup_identity *identity, char **body, size_t *len)
{
	request->uids[0] = identity->user_owned ? identity->owner_uid : 0;
	request->uids[1] = identity->user_owned ? identity->owner_uid : geteuid();
	return runtime_http__ask(source->http, request, body, len);
}

static int ask_docker(struct runtime_source *source, const char *path,
		      const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	char url_path[128], *body;
	struct runtime_http_request request = { .socket = path, .path = url_path };
	size_t len;
	int err;

	if (!join(url_path, sizeof(url_path), "/containers/%s/json", identity->host_id))
		return -EINVAL;
	err = ask_socket(source, &request, identity, &body, &len);
	if (err)
		return err;
	err = runtime_json__inspect(body, len, identity->host_id, names);
	free(body);
	return err;
}

/* @sandbox NULL: the pod's sandbox @id is asked for. */
static int ask_cri_list(struct runtime_source *source, const char *path,
			const struct cgroup_identity *identity, const char *id,
			struct runtime_names_of *names, char *sandbox)
{
	unsigned char call[RUNTIME_CRI_REQUEST_MAX];
	struct runtime_http_request request = {
		.socket = path,
		.path = sandbox ? RUNTIME_CRI_CONTAINERS : RUNTIME_CRI_SANDBOXES,
		.call = call,
		.call_len = runtime_cri__request(id, call),
	};
	char *body;
	size_t len;
	int err;

	if (!request.call_len)
		return -EINVAL;
	err = ask_socket(source, &request, identity, &body, &len);
	if (err)
		return err;
	err = sandbox ? runtime_cri__containers(body, len, id, names, sandbox) :
			runtime_cri__sandboxes(body, len, id, names);
	free(body);
	return err;
}

/* ctr's and nerdctl's, in the namespace that is theirs by default. CRI-O, and others
 * in the place of containerd, do not know this call. */
static int ask_containerd_itself(struct runtime_source *source, const char *path,
				 const struct cgroup_identity *identity,
				 struct runtime_names_of *names)
{
	unsigned char call[RUNTIME_CRI_REQUEST_MAX];
	struct runtime_http_request request = {
		.socket = path,
		.path = RUNTIME_CONTAINERD_GET,
		.call = call,
		.call_len = runtime_containerd__request(identity->host_id, call),
	};
	char *body;
	size_t len;
	int err;

	if (!request.call_len)
		return -EINVAL;
	err = ask_socket(source, &request, identity, &body, &len);
	if (err)
		return err;
	err = runtime_containerd__container(body, len, identity->host_id, names);
	free(body);
	return err;
}

/* A container's pod stands in its labels, if it was kubelet that made it; always in
 * its sandbox's answer. The sandbox is a container too. */
static int ask_cri(struct runtime_source *source, const char *path,
		   const struct cgroup_identity *identity, struct runtime_names_of *names)
{
	struct runtime_names_of found = {};
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
	struct runtime_names_of more = {};

	if (names->image[0] || names->pod_name[0] || !identity->host_runtime ||
	    strcmp(identity->host_runtime, "containerd") != 0)
		return;
	if (!ask_sockets(source, identity, &more))
		memcpy(names->image, more.image, sizeof(names->image));
}

int runtime_source__ask(struct runtime_source *source, const struct cgroup_identity *identity,
			struct runtime_names_of *names)
{
	struct runtime_names_of found = {};
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
	runtime_http__cancel(source->http);
}

int runtime_source__new(struct runtime_source **sourcep, const struct runtime_places *places,
			const struct runtime_limits *limits)
{
	struct runtime_source *source;
	struct runtime_http_limits http_limits;
	int err;

	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->places = places ? places : &runtime_default_places;
	source->limits = limits ? *limits : runtime_default_limits;
	atomic_init(&source->cancelled, false);
	http_limits = (struct runtime_http_limits){
		.connection_ms = source->limits.connection_ms,
		.pause_ms = source->limits.pause_ms,
		.answer_bytes = source->limits.answer_bytes,
	};
	err = runtime_http__new(&source->http, &http_limits);
	if (err) {
		free(source);
		return err;
	}
	*sourcep = source;
	return 0;
}

void runtime_source__free(struct runtime_source *source)
{
	if (!source)
		return;
	runtime_http__free(source->http);
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
