/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a runtime says about a container over gRPC: over CRI, Kubernetes' interface to
 * containerd and CRI-O, and over containerd's own, for containers that are not
 * Kubernetes'. Protocol Buffers, of which a few fields of three messages are of
 * interest here. Pure: from bytes to names, and how to ask. An answer
 * is untrusted: any bytes, of any length.
 *
 * The numbers of the fields are those of runtime.v1 (cri-api, api.proto), which
 * containerd has from 1.6 on.
 *
 * Built without HAVE_JANSSON (and without HAVE_LIBCURL, which implies it) there is
 * nothing here.
 */
#ifndef TWSNOOP_RUNTIME_CRI_H
#define TWSNOOP_RUNTIME_CRI_H

#include <stddef.h>

#include "containers/cgroup_path.h"
#include "containers/runtime_json.h"

/* Both are asked for all of which the ID is @id, which is none or one. */
#define RUNTIME_CRI_CONTAINERS "/runtime.v1.RuntimeService/ListContainers"
#define RUNTIME_CRI_SANDBOXES "/runtime.v1.RuntimeService/ListPodSandbox"

#define RUNTIME_CRI_REQUEST_MAX 80 /* bytes */

/* runtime_cri__request() - the body of either request into @buf. Returns its
 * length, or 0: no such ID can be asked for. */
size_t runtime_cri__request(const char *id, unsigned char buf[RUNTIME_CRI_REQUEST_MAX]);

/* containerd's own, asked for a container of the namespace that a header says. The
 * request is made likewise, and the answer about @id is its image and, from
 * nerdctl's label, its name. */
#define RUNTIME_CONTAINERD_GET "/containerd.services.containers.v1.Containers/Get"
size_t runtime_containerd__request(const char *id, unsigned char buf[RUNTIME_CRI_REQUEST_MAX]);
int runtime_containerd__container(const void *answer, size_t len, const char *id,
				  struct runtime_names_of *names);

/*
 * runtime_cri__containers() - the body of the answer about the container @id: its
 * name, its image, what Kubernetes calls it, and in @sandbox the ID of its pod's
 * sandbox ("": not said). runtime_cri__sandboxes() is the answer about a pod's sandbox,
 * which has no name but the pod's; it adds to *@names what is not known there.
 * Return 0, or, nothing touched: -EBADMSG (not of that form), -ENOENT (about another,
 * or nothing is said).
 */
int runtime_cri__containers(const void *answer, size_t len, const char *id,
			    struct runtime_names_of *names, char sandbox[CGROUP_ID_SIZE]);
int runtime_cri__sandboxes(const void *answer, size_t len, const char *id,
			   struct runtime_names_of *names);

#endif
