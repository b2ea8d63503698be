// SPDX-License-Identifier: GPL-2.0
#include "capture/arguments.h"

#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>

/* Only as what it was called when it closed: exec() changes both. */
static bool is_of(const struct tws_proc *proc, const struct tws_event *event)
{
	return proc->len && proc->len <= TWS_ARGS_LEN &&
	       !memcmp(proc->comm, event->conn.comm, TWS_COMM_LEN);
}

const char *arguments__find(int fd, const struct tws_event *event, struct tws_proc *proc,
			    size_t *len)
{
	const struct tws_proc_key key = {
		.start_ns = event->conn.closer_start_ns,
		.tgid = event->conn.tgid,
	};

	if (fd < 0 || !(event->conn.flags & TWS_F_CLOSER) ||
	    bpf_map_lookup_elem(fd, &key, proc) || !is_of(proc, event))
		return NULL;
	*len = proc->len;
	return proc->args;
}
