/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What flows from attribution to a sink: a checked event, and what user space
 * knows beside it.
 */
#ifndef TWSNOOP_RECORD_H
#define TWSNOOP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/* How the owner of a socket is known (twsnoop list). */
enum owner_evidence {
	OWNER_UNKNOWN = 0,
	OWNER_SEEN,	/* we saw the close */
	OWNER_INFERRED, /* by a listening port or by live connections */
	OWNER_HOLDS,	/* a process has it open still: that is who, not who closed */
};

/* Where a cgroup leads: a container, a pod, a unit. */
struct workload {
	const char *container_id; /* 64 hex digits where the runtime has them */
	const char *container_name;
	const char *container_image;
	const char *container_runtime; /* docker, containerd, cri-o, podman, … */
	const char *unit;	       /* systemd unit where there is no container */
	const char *pod_name;
	const char *pod_uid;
	const char *pod_namespace;
	const char *pod_container;
};

/*
 * A NULL pointer or a zero means unknown: the field is left out. No string is
 * owned; all live until the sink returns. Strings may hold any byte but NUL.
 */
struct record {
	const struct tws_event *event;
	uint64_t wall_ns;	  /* since the epoch, UTC */
	const char *command_line; /* arguments joined by spaces */
	const char *cgroup_path;
	/*
	 * Where these are not 0: records with the same number have the same command line, and
	 * those with the other one cgroup_path and workload. So what is made of them need be
	 * made once. No two processes' or cgroups' have ever been the same in this program's run.
	 */
	uint64_t command_number, workload_number;
	const char *netns_name;
	const char *interface; /* name of conn.ifindex in its namespace */
	struct workload workload;
	const char *label; /* record__label() of it, where somebody keeps it; else NULL */
	/* twsnoop list only: a socket that exists now */
	enum owner_evidence evidence;
	uint8_t state;	     /* as the kernel and sock_diag number it; 0: see event.action */
	bool is_open;	     /* no mini-socket: it has no timer, and nobody has closed it */
	bool shared;	     /* OWNER_HOLDS: by other processes too */
	uint64_t expires_ns; /* until its timer runs out */
	uint64_t age_ns;     /* since the close, or since it entered its state */
};

#define RECORD_LABEL_BYTES 1024

/*
 * record__label() - what people call it: namespace/pod/container, else the container's
 * name or short id, else the unit; of *len bytes, in @own or in @workload. NULL if it
 * has none. A pod's is cut at the size of @own.
 */
const char *record__label(const struct workload *workload, char own[RECORD_LABEL_BYTES],
			  size_t *len);

#endif
