// SPDX-License-Identifier: GPL-2.0
#include "capture/calls.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "host/tracefs.h"

/* What ends a call comes first: then nothing begins that cannot end. */
const char *const calls_programs[CALLS_PROGRAMS] = {
	"tws_connect_exit", "tws_bind_exit", "tws_connect_enter", "tws_bind_enter",
};

static const char *const tracepoints[CALLS_PROGRAMS] = {
	"syscalls/sys_exit_connect", "syscalls/sys_exit_bind", "syscalls/sys_enter_connect",
	"syscalls/sys_enter_bind",
};

void calls__init(struct calls *calls)
{
	for (int i = 0; i < CALLS_PROGRAMS; i++) {
		calls->events[i] = -1;
		calls->links[i] = NULL;
	}
}

/* One CPU's event is enough: programs run on all (perf_syscall_enter()). */
static int open_event(uint64_t id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = id,
		.sample_period = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int calls__open(struct calls *calls)
{
	int dir = tracefs__open(TRACEFS_PLACE), err = 0;
	uint64_t id;

	calls__init(calls);
	if (dir < 0)
		return dir;
	for (int i = 0; !err && i < CALLS_PROGRAMS; i++) {
		err = tracefs__event_id(dir, tracepoints[i], &id);
		if (!err)
			calls->events[i] = open_event(id);
		if (!err && calls->events[i] < 0)
			err = calls->events[i];
	}
	close(dir);
	if (err)
		calls__close(calls);
	return err;
}

int calls__attach(struct calls *calls, struct bpf_object *obj)
{
	for (int i = 0; i < CALLS_PROGRAMS; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(obj, calls_programs[i]);

		calls->links[i] = bpf_program__attach_perf_event(prog, calls->events[i]);
		/* EACCES is of the program: who may not has met EPERM, or opened no event */
		if (!calls->links[i])
			return errno == EACCES ? -ENOEXEC : -errno;
		calls->events[i] = -1; /* the link closes it */
	}
	return 0;
}

const struct calls_obstacle *calls__obstacle(int err)
{
	static const struct calls_obstacle denied = {
		"tracefs may not be read", "run as root, or grant cap_sys_admin"
	};
	static const struct calls_obstacle no_tracefs = {
		"the kernel has no tracefs", "a kernel with CONFIG_FTRACE_SYSCALLS"
	};
	static const struct calls_obstacle no_tracepoints = {
		"the kernel has no tracepoints of system calls",
		"a kernel with CONFIG_FTRACE_SYSCALLS"
	};
	static const struct calls_obstacle no_pin = {
		"what is attached to them cannot stay", "Linux 5.15, which lets it be pinned"
	};
	static const struct calls_obstacle other = {
		"the tracepoints of system calls cannot be attached", "see perf_event_open(2)"
	};

	switch (err) {
	case -EPERM:
	case -EACCES:
		return &denied;
	case -ENODEV:
	case -ENOSYS:
		return &no_tracefs;
	case -ENOENT:
		return &no_tracepoints;
	case CALLS_NO_PIN:
		return &no_pin;
	default:
		return &other;
	}
}

void calls__close(struct calls *calls)
{
	for (int i = CALLS_PROGRAMS - 1; i >= 0; i--) {
		bpf_link__destroy(calls->links[i]);
		if (calls->events[i] >= 0)
			close(calls->events[i]);
	}
	calls__init(calls);
}
