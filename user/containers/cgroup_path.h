/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a cgroup's path says: container, pod, or systemd unit. Pure: looks at
 * nothing but the string.
 *
 * The path is what the kernel's cgroup_path() gives, relative to the root of
 * its hierarchy, v1 or v2. The names in it were chosen by whoever made the
 * directories, so each form is matched whole or not at all: what does not fit
 * exactly is unknown, never guessed.
 *
 *	/docker/ID  /ecs/TASK/ID  /default/ID  /ANY/ID	(cgroupfs drivers)
 *	PREFIX-ID.scope		docker, cri-containerd, nerdctl, crio, libpod
 *	PREFIX-ID		crio, libpod, libpod-payload
 *	SLICE:PREFIX:ID		the same prefixes; a systemd path given to cgroupfs
 *	kubepods…-podUID.slice, kubepods/[QOS/]podUID	the pod around them
 *	lxc.payload.NAME, lxc.payload/NAME, /lxc/NAME	LXC, Incus, LXD
 *	machine.slice/machine-NAME.scope, machine.slice/systemd-nspawn@NAME.service
 *
 * ID is 64 lower-case hex digits; on AWS Fargate the task's 32 and a number.
 * conmon (crio-conmon-, libpod-conmon-) and lxc.monitor are the runtime's own
 * processes: no container. Nor are nspawn's and Podman's "supervisor" cgroups.
 *
 * Containers in one another: the innermost is named. Where a path leads on
 * below a container, whoever controls that container wrote the rest; so does a
 * user below their own systemd manager (user@UID.service). Inside either, a
 * bare ID needs a well-known parent (docker/, a pod), and whoever asks a
 * runtime for names must heed host_id and owner below.
 */
#ifndef TWSNOOP_CGROUP_PATH_H
#define TWSNOOP_CGROUP_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

#define CGROUP_PATH_MAX 4096 /* bytes of a path, with the NUL: PATH_MAX */
#define CGROUP_ID_SIZE 65
#define CGROUP_NAME_SIZE 65
#define CGROUP_POD_UID_SIZE 37
#define CGROUP_UNIT_SIZE 288

/* "" and NULL: unknown. */
struct cgroup_identity {
	char container_id[CGROUP_ID_SIZE];     /* of the innermost container */
	char host_id[CGROUP_ID_SIZE];	       /* of the outermost, which the host's runtime knows */
	char container_name[CGROUP_NAME_SIZE]; /* LXC, nspawn: they have names, no IDs */
	/*
	 * With dashes where it is a UUID; 32 hex digits for a static pod, whose
	 * UID is a hash of its manifest and not the API server's.
	 */
	char pod_uid[CGROUP_POD_UID_SIZE];
	/*
	 * The systemd unit, escaped as systemctl shows it, where there is no
	 * container. A unit of a user's manager has that in front, so that nobody
	 * can pass for a system service: "user@1000.service/app-foo.scope".
	 */
	char unit[CGROUP_UNIT_SIZE];
	/* docker, containerd, cri-o, podman, lxc or systemd-nspawn; static. NULL
	 * with a container: the path does not tell. */
	const char *runtime;
	const char *host_runtime; /* the same of the outermost container */
	uint8_t depth;	    /* containers around the process; 0: none. Stops at 255. */
	bool user_owned;    /* the outermost container lies below a user's manager */
	uint32_t owner_uid; /* that user, UINT32_MAX if not told; else 0 */
	/*
	 * LXC puts "-1", "-2", … behind the name where a cgroup of that name
	 * exists already. If not 0: container_name ends so, and the name is right
	 * only if no cgroup has the path's first lxc_sibling_len bytes.
	 */
	uint16_t lxc_sibling_len;
};

/*
 * cgroup_path__identify() - what @path leads to. "/" and plain directories are
 * understood, and lead to nothing. Returns 0 and *@identity, or -EINVAL and
 * *@identity untouched: not an absolute path of plain components (the kernel
 * allows any byte but '\n' and '/' in them), or longer than CGROUP_PATH_MAX - 1
 * bytes; also "/.." as a cgroup namespace shows what is outside it.
 */
int cgroup_path__identify(const char *path, struct cgroup_identity *identity);

/*
 * cgroup_path__workload() - @identity as a workload; what only a runtime knows
 * stays NULL. The pointers lead into @identity.
 */
void cgroup_path__workload(const struct cgroup_identity *identity, struct workload *workload);

#endif
