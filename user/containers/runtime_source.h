/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the container runtimes about one container: in the state they keep on
 * disk (containerd, CRI-O, Docker, Podman), and over their unix sockets (Docker's
 * API, which Podman speaks too; CRI, which containerd and CRI-O do). The disk comes
 * first: a daemon may have its container locked until it has started, and a container
 * that lives for a tenth of a second is gone by then. Waits for the answer, so it belongs
 * into a thread of its own: see runtime_names.h.
 *
 * HAVE_LIBCURL (see base/libcurl.h) builds both; HAVE_JANSSON alone only the state on disk
 * (for a static binary, where libcurl would bring some twenty libraries along);
 * neither: every answer is -EOPNOTSUPP.
 */
#ifndef TWSNOOP_RUNTIME_SOURCE_H
#define TWSNOOP_RUNTIME_SOURCE_H

#include <stdint.h>

#include "containers/cgroup_path.h"
#include "containers/runtime_json.h"

/* Where to ask; NULL: not there. Nothing is copied: all must outlive the source. */
struct runtime_places {
	const char *const *sockets; /* of the system's Docker and Podman; NULL at the end */
	const char *const *cri_sockets; /* containerd's, CRI-O's; likewise */
	const char *user_dir;	    /* "/run/user": UID/docker.sock, UID/podman/podman.sock */
	const char *docker_dir;	    /* "/var/lib/docker/containers": ID/config.v2.json */
	/* lists with NULL at the end: */
	const char *const *containerd_dirs; /* …/io.containerd.runtime.v2.task */
	const char *const *storage_dirs;    /* root and run root of containers/storage */
};

extern const struct runtime_places runtime_default_places;

struct runtime_limits {
	uint32_t connection_ms; /* one answer over a socket, all in all */
	uint32_t pause_ms;	/* how long a socket that gave no answer in time is left alone */
	uint32_t answer_bytes;	/* longest body of an answer */
	uint32_t file_bytes;	/* longest file read */
};

/* 2000 ms, 10000 ms, 1 MiB, 16 MiB */
extern const struct runtime_limits runtime_default_limits;

struct runtime_source;

/* runtime_source__new() - @places and @limits may be NULL for the default ones.
 * Returns 0 and *@sourcep, or -ENOMEM. */
int runtime_source__new(struct runtime_source **sourcep, const struct runtime_places *places,
			const struct runtime_limits *limits);
void runtime_source__free(struct runtime_source *source); /* NULL is allowed */

/*
 * runtime_source__ask() - about the container whose ID is @identity's host_id.
 * A runtime, and a file, is asked about containers of its own user only (root's or
 * ours for the system's; SO_PEERCRED): a user may give a cgroup any name, also a
 * system's container's ID. Where a runtime's name stands in @identity, the others
 * are not asked.
 * Returns 0 and *@names, or, *@names untouched: -ENOENT (nobody knows it),
 * -ETIMEDOUT (nobody does, but some socket did not answer: ask again later),
 * -EINVAL (no ID that may be asked for), -ECANCELED, -EOPNOTSUPP.
 */
int runtime_source__ask(struct runtime_source *source, const struct cgroup_identity *identity,
			struct runtime_names_of *names);

/* runtime_source__cancel() - from any thread: what is being asked, and all that
 * will be, returns -ECANCELED at once. */
void runtime_source__cancel(struct runtime_source *source);

#endif
