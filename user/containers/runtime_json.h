/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What container runtimes say about a container, in JSON: from answer to names.
 * Pure. An answer is untrusted: any bytes, of any length.
 *
 * Built without HAVE_JANSSON (and without HAVE_LIBCURL, which implies it), each
 * function returns -EOPNOTSUPP.
 */
#ifndef TWSNOOP_RUNTIME_JSON_H
#define TWSNOOP_RUNTIME_JSON_H

#include <stddef.h>
#include <stdint.h>

#define RUNTIME_NAME_SIZE 256
#define RUNTIME_IMAGE_SIZE 512

/*
 * "": unknown. Each is valid UTF-8, but chosen by whoever made the container;
 * what does not fit whole is left out, as a cut name would be another's.
 */
struct runtime_names_of {
	uint64_t number; /* by runtime_names__get(): what was answered another time has another */
	char name[RUNTIME_NAME_SIZE];
	char image[RUNTIME_IMAGE_SIZE];
	char pod_name[RUNTIME_NAME_SIZE];
	char pod_namespace[RUNTIME_NAME_SIZE];
	char pod_container[RUNTIME_NAME_SIZE];
	char pod_uid[RUNTIME_NAME_SIZE];
};

/*
 * Each function takes @len bytes of JSON about the container @id, all of its
 * characters. Returns 0 and *@names, or, *@names untouched: -EBADMSG (not JSON, or
 * not of that form), -ENOENT (about another container, or nothing is said).
 */

/*
 * Docker's API, GET /containers/ID/json, which Podman serves too; and Docker's
 * own /var/lib/docker/containers/ID/config.v2.json, which has the same members
 * but for the ID's capitals.
 */
int runtime_json__inspect(const char *json, size_t len, const char *id,
			  struct runtime_names_of *names);

/*
 * The config.json of an OCI bundle: what containerd's CRI plugin, CRI-O and
 * nerdctl write in its annotations. It does not say whose it is: @id is only
 * held against CRI-O's annotation.
 */
int runtime_json__bundle(const char *json, size_t len, const char *id,
			 struct runtime_names_of *names);

/* containers.json of containers/storage (Podman): an array of all containers. */
int runtime_json__storage(const char *json, size_t len, const char *id,
			  struct runtime_names_of *names);

#endif
