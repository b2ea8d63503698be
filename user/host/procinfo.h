/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What /proc tells about processes: a bounded cache of command lines that is
 * safe against reused PIDs, and the two walks that other modules build on.
 */
#ifndef TWSNOOP_PROCINFO_H
#define TWSNOOP_PROCINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCINFO_COMM_LEN 16 /* TASK_COMM_LEN, with the NUL */
#define PROCINFO_CACHE_DEFAULT 4096 /* processes */
#define PROCINFO_COMMAND_MAX 1024 /* bytes kept of a command line, with the NUL */

struct pid_numbers;

/*
 * procinfo__use_numbers() - /proc is that of a PID namespace: from now on, for the whole
 * process, its numbers are turned into the host's and back, so that every @pid below but
 * procinfo__each_pid()'s is the host's. A process of which that cannot be told is as one that
 * is not there. @numbers stay the caller's; NULL: the numbers are the host's, as at first.
 */
void procinfo__use_numbers(struct pid_numbers *numbers);

struct procinfo {
	uint32_t pid;
	uint32_t uid;		/* effective */
	/* By procinfo__get(): what was read another time has another number. 0: by somebody else */
	uint64_t number;
	uint64_t start_ticks;	/* CLOCK_BOOTTIME, in sysconf(_SC_CLK_TCK) ticks */
	char comm[PROCINFO_COMM_LEN];
	/* Arguments joined by single spaces, cut at PROCINFO_COMMAND_MAX - 1
	 * bytes; any byte but NUL may occur. "" for kernel threads and zombies. */
	char command_line[PROCINFO_COMMAND_MAX];
};

/*
 * procinfo__read() - read one process now. All of it is of one and the same
 * process even if @pid is reused meanwhile: everything is opened relative to
 * one descriptor of /proc/PID, which the kernel ties to the process.
 * Returns 0 and fills *@info, or -ESRCH (no such process), -EACCES (hidepid),
 * -EPROTO (not understood), or another negative errno; then *@info is as before.
 */
int procinfo__read(const char *proc_root, uint32_t pid, struct procinfo *info);

/* Numbers as /proc shows them. */
struct procinfo_kin {
	uint32_t pid, parent;
	bool had_children; /* that it has waited for; of those that live nothing is said */
};

/* procinfo__kin() - whose child a process is. Returns as procinfo__read(). */
int procinfo__kin(const char *proc_root, uint32_t pid, struct procinfo_kin *kin);

/*
 * procinfo__cgroup() - where the process @pid that began at @start_ticks is in the hierarchy of
 * the v1 @controller, or of v2 if that is "" or NULL: into @path, as the reader's cgroup
 * namespace has it. Returns 0, -ESRCH (another process by now, or none), -ENOENT (not in
 * that hierarchy), -ENAMETOOLONG, or another negative errno; then @path is as before.
 */
int procinfo__cgroup(const char *proc_root, uint32_t pid, uint64_t start_ticks,
		     const char *controller, char *path, size_t size);

/*
 * procinfo__ticks_of_ns() - a start time as the kernel's task_struct holds it
 * (start_boottime, in ns since boot; before 5.5 it was real_start_time) in the
 * unit of /proc/PID/stat's field 22, rounded as the kernel's nsec_to_clock_t()
 * does: down. As a reader in this time namespace sees it.
 */
uint64_t procinfo__ticks_of_ns(uint64_t start_ns);

/* procinfo__start_ns() - the other way: when @info began, in the kernel's CLOCK_BOOTTIME, up to
 * a tick too early. */
uint64_t procinfo__start_ns(const struct procinfo *info);

struct procinfo_cache;

/*
 * procinfo__new() - a cache of @entries processes. In a full one the oldest negative
 * answer gives way, else the process that was not asked for the longest, of which is kept account
 * from the half of @entries on: in constant time.
 * Whether it lives does not count: that one can be read again, and one that has
 * exited cannot. All memory is taken here: about 1.1 KiB an entry. @proc_root is
 * copied. Returns 0 and *@cachep (to be freed by procinfo__free()), or -EINVAL
 * (no entries), -ENOMEM.
 */
int procinfo__new(struct procinfo_cache **cachep, const char *proc_root, size_t entries);
void procinfo__free(struct procinfo_cache *cache); /* NULL is allowed */

/*
 * procinfo__get() - the process that has @pid and began at @start_ns (ns,
 * CLOCK_BOOTTIME, tws_conn.closer_start_ns), or NULL if it has gone without
 * being known, or @pid is another one's by now, or @start_ns is 0.
 *
 * @comm, if not NULL or empty, is the process's name as the kernel reported it
 * with the event. exec() keeps PID and start time but changes the name; where
 * the name is another by now, the command line would be too: NULL.
 *
 * Each process is read once, and its answer, NULL too, is kept: an exited
 * process stays known until its entry gives way. The pointer is good until the
 * next call on @cache.
 */
const struct procinfo *procinfo__get(struct procinfo_cache *cache, uint32_t pid,
				     uint64_t start_ns, const char *comm);

/*
 * procinfo__join_arguments() - makes of a process's arguments, @len bytes at @line in which each ends in a NUL, as in
 * /proc/PID/cmdline, one string: a blank between them, none at the end. Writes up to line[@len].
 */
void procinfo__join_arguments(char *line, size_t len);

/*
 * procinfo__command_line() - as procinfo__get(), the command line alone; NULL
 * where it is empty too. Lifetime as there.
 */
const char *procinfo__command_line(struct procinfo_cache *cache, uint32_t pid,
				   uint64_t start_ns, const char *comm);

/*
 * procinfo__each_pid() - call @fn for each process (not thread) under
 * @proc_root, by the number that it has there. A non-zero return of @fn ends the walk. Returns
 * 0, that, or a negative errno if @proc_root cannot be read.
 */
typedef int (*procinfo_pid_fn)(void *ctx, uint32_t pid);
int procinfo__each_pid(const char *proc_root, procinfo_pid_fn fn, void *ctx);

/* Why procinfo__each_socket() may have missed holders. */
#define PROCINFO_DENIED 0x1  /* some process's descriptors may not be read */
#define PROCINFO_LIMITED 0x2 /* @max_fds was reached */

/*
 * procinfo__each_socket() - call @fn for each descriptor of each process that
 * is a socket, with the socket's inode (as in sock_diag); the same pair comes
 * again for a duplicated descriptor. At most @max_fds descriptors are looked
 * at (0: no bound). Processes that exit meanwhile are skipped. Needs
 * CAP_SYS_PTRACE to see others' descriptors. @flags (may be NULL) gets
 * PROCINFO_* bits added.
 *
 * Not seen, and so never proof that nobody else holds a socket: descriptors in
 * flight (SCM_RIGHTS), io_uring's registered files, threads that do not share
 * their leader's descriptors while that one still has some.
 *
 * Returns as procinfo__each_pid().
 */
typedef int (*procinfo_socket_fn)(void *ctx, uint32_t pid, uint32_t inode);
int procinfo__each_socket(const char *proc_root, size_t max_fds, procinfo_socket_fn fn,
			  void *ctx, unsigned int *flags);

#endif
