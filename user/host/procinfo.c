// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "host/procinfo.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/pid_numbers.h"

#define NSEC_PER_SEC 1000000000ULL

/* ---- small parts ---- */

/* Digits only, up to UINT32_MAX; *end is the first character after them. */
static bool parse_u32(const char *text, char stop, uint32_t *value, const char **end)
{
	uint64_t v = 0;
	const char *p = text;

	for (; isdigit((unsigned char)*p); p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return false;
	}
	if (p == text || *p != stop)
		return false;
	*value = (uint32_t)v;
	if (end)
		*end = p;
	return true;
}

static bool parse_u64(const char *text, uint64_t *value)
{
	uint64_t v = 0;
	const char *p = text;

	for (; isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (p == text)
		return false;
	*value = v;
	return true;
}

/* Up to @size bytes of the file; -errno on failure. */
static ssize_t read_at(int dir_fd, const char *name, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t n;
	int fd, err = 0;

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (used < size) {
		n = read(fd, buf + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	return err ? err : (ssize_t)used;
}

/*
 * One descriptor for all reads: procfs ties it to the process it was opened
 * for, so once that is gone every read below it fails, reused PID or not.
 */
static int open_process(const char *proc_root, uint32_t pid)
{
	char path[PATH_MAX];
	int fd, n;

	n = snprintf(path, sizeof(path), "%s/%u", proc_root, pid);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

/* ---- the host's numbers and those of /proc ---- */

/* NULL: they are the same. Whoever asks them may change what they know: one at a time. */
static struct pid_numbers *pid_numbers;
static pthread_mutex_t pid_numbers_lock = PTHREAD_MUTEX_INITIALIZER;

void procinfo__use_numbers(struct pid_numbers *numbers)
{
	pid_numbers = numbers;
}

static int parse_stat(const char *text, struct procinfo *info);

static bool has_started_at(int dir_fd, uint64_t start_ns)
{
	struct procinfo info = { 0 };
	char text[4096];
	ssize_t n = read_at(dir_fd, "stat", text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return !parse_stat(text, &info) && info.start_ticks == procinfo__ticks_of_ns(start_ns);
}

/* A number that is not known is asked for again by those who look, and one that is another
 * process's by now once more here. */
static int open_by_numbers(const char *proc_root, uint32_t pid)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		const struct tws_process *found = pid_numbers__find_host(pid_numbers, pid);
		int dir_fd = found ? open_process(proc_root, found->pid) : -ESRCH;

		if (dir_fd >= 0 && has_started_at(dir_fd, found->start_ns))
			return dir_fd;
		if (dir_fd >= 0)
			close(dir_fd);
		if (!found || pid_numbers__refresh(pid_numbers))
			break;
	}
	return -ESRCH;
}

/* As open_process(), of the host's @pid. */
static int open_host_process(const char *proc_root, uint32_t pid)
{
	int dir_fd;

	if (!pid_numbers)
		return open_process(proc_root, pid);
	pthread_mutex_lock(&pid_numbers_lock);
	dir_fd = open_by_numbers(proc_root, pid);
	pthread_mutex_unlock(&pid_numbers_lock);
	return dir_fd;
}

/* The host's number of the process that has @pid in /proc; 0: not known. */
static uint32_t host_pid_of(const char *proc_root, uint32_t pid)
{
	const struct tws_process *found;
	struct tws_process process;
	bool same;
	int dir_fd;

	if (!pid_numbers)
		return pid;
	pthread_mutex_lock(&pid_numbers_lock);
	found = pid_numbers__find(pid_numbers, pid);
	if (found)
		process = *found;
	pthread_mutex_unlock(&pid_numbers_lock);
	dir_fd = found ? open_process(proc_root, pid) : -ESRCH;
	if (dir_fd < 0)
		return 0;
	same = has_started_at(dir_fd, process.start_ns);
	close(dir_fd);
	return same ? process.host_pid : 0;
}

/* ---- one process ---- */

/* "pid (comm) S ppid …": comm may hold parentheses and blanks, so the last one
 * counts. Field 22 is the start time. */
static int parse_stat(const char *text, struct procinfo *info)
{
	const char *p = strrchr(text, ')');
	int field;

	if (!p)
		return -EPROTO;
	for (field = 3; field <= 22; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return -EPROTO;
	}
	return parse_u64(p + 1, &info->start_ticks) ? 0 : -EPROTO;
}

/* "Uid:\treal\teffective\t…" */
static int parse_status(const char *text, struct procinfo *info)
{
	const char *p = strstr(text, "\nUid:\t");
	uint32_t real;

	if (!p || !parse_u32(p + 6, '\t', &real, &p) ||
	    !parse_u32(p + 1, '\t', &info->uid, NULL))
		return -EPROTO;
	return 0;
}

void procinfo__join_arguments(char *line, size_t len)
{
	size_t i;

	/* setproctitle() pads with NULs or blanks */
	while (len > 0 && (line[len - 1] == '\0' || line[len - 1] == ' '))
		len--;
	line[len] = '\0';
	for (i = 0; i < len; i++)
		if (line[i] == '\0')
			line[i] = ' ';
}

/* stat and status hold the name too, but escape what is special in it. */
static void keep_comm(struct procinfo *info, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len >= sizeof(info->comm))
		len = sizeof(info->comm) - 1;
	memcpy(info->comm, text, len);
	info->comm[len] = '\0';
}

static int read_process(int dir_fd, struct procinfo *info)
{
	char text[4096];
	ssize_t n;
	int err;

	n = read_at(dir_fd, "stat", text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	err = parse_stat(text, info);
	if (err)
		return err;

	n = read_at(dir_fd, "status", text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	err = parse_status(text, info);
	if (err)
		return err;

	n = read_at(dir_fd, "comm", text, sizeof(text));
	if (n < 0)
		return (int)n;
	keep_comm(info, text, (size_t)n);

	n = read_at(dir_fd, "cmdline", info->command_line, sizeof(info->command_line) - 1);
	if (n < 0)
		return (int)n;
	procinfo__join_arguments(info->command_line, (size_t)n);
	return 0;
}

int procinfo__read(const char *proc_root, uint32_t pid, struct procinfo *info)
{
	struct procinfo now = { .pid = pid };
	int dir_fd, err;

	dir_fd = open_host_process(proc_root, pid);
	if (dir_fd < 0)
		return dir_fd;
	err = read_process(dir_fd, &now);
	close(dir_fd);
	if (err == -ENOENT)
		err = -ESRCH;
	if (!err)
		*info = now;
	return err;
}

/* "4:cpu,cpuacct:/path", "0::/path": the path, or NULL if it is of another hierarchy. */
static char *path_in(char *line, const char *controller)
{
	char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
	char *name;

	if (!path)
		return NULL;
	*path++ = '\0';
	names++;
	if (!controller || !*controller)
		return *names ? NULL : path;
	while ((name = strsep(&names, ",")))
		if (!strcmp(name, controller))
			return path;
	return NULL;
}

static int find_cgroup(char *text, const char *controller, char *path, size_t size)
{
	static const char gone[] = " (deleted)";
	char *line, *found = NULL;
	size_t len;

	while (!found && (line = strsep(&text, "\n")))
		found = path_in(line, controller);
	if (!found)
		return -ENOENT;
	len = strlen(found);
	if (len >= sizeof(gone) && !strcmp(found + len - (sizeof(gone) - 1), gone))
		len -= sizeof(gone) - 1;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(path, found, len);
	path[len] = '\0';
	return 0;
}

/* A line is as long as a path may be; there are some fifteen hierarchies. */
#define CGROUP_FILE_BYTES (64 * 1024)

int procinfo__cgroup(const char *proc_root, uint32_t pid, uint64_t start_ticks,
		     const char *controller, char *path, size_t size)
{
	int dir_fd = open_host_process(proc_root, pid), err;
	struct procinfo info = {};
	char *text;
	ssize_t n;

	if (dir_fd < 0)
		return dir_fd == -ENOENT ? -ESRCH : dir_fd;
	text = malloc(CGROUP_FILE_BYTES);
	err = text ? read_process(dir_fd, &info) : -ENOMEM;
	if (!err && info.start_ticks != start_ticks)
		err = -ESRCH;
	if (!err) {
		n = read_at(dir_fd, "cgroup", text, CGROUP_FILE_BYTES - 1);
		err = n < 0 ? (int)n : 0;
	}
	if (!err) {
		text[n] = '\0';
		err = find_cgroup(text, controller, path, size);
	}
	free(text);
	close(dir_fd);
	return err;
}

/* Field 1 is the number, 4 the parent's, 11 and 13 the page faults of the children that were
 * waited for: none begins without one. */
static int parse_kin(const char *text, struct procinfo_kin *kin)
{
	uint64_t value, fields[14] = { 0 };
	const char *p = strrchr(text, ')');

	if (!p || !parse_u32(text, ' ', &kin->pid, NULL))
		return -EPROTO;
	for (int field = 3; field <= 13; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return -EPROTO;
		if ((field == 4 || field == 11 || field == 13) && !parse_u64(p + 1, &value))
			return -EPROTO;
		fields[field] = field == 4 || field == 11 || field == 13 ? value : 0;
	}
	if (fields[4] > UINT32_MAX)
		return -EPROTO;
	kin->parent = (uint32_t)fields[4];
	kin->had_children = fields[11] || fields[13];
	return 0;
}

int procinfo__kin(const char *proc_root, uint32_t pid, struct procinfo_kin *kin)
{
	struct procinfo_kin now = { 0 };
	char text[4096];
	int dir_fd = open_host_process(proc_root, pid), err;
	ssize_t n;

	if (dir_fd < 0)
		return dir_fd;
	n = read_at(dir_fd, "stat", text, sizeof(text) - 1);
	close(dir_fd);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	text[n] = '\0';
	err = parse_kin(text, &now);
	if (!err)
		*kin = now;
	return err;
}

static uint64_t ticks_to_ns(void)
{
	long hz = sysconf(_SC_CLK_TCK);

	return hz > 0 ? NSEC_PER_SEC / (uint64_t)hz : 0;
}

uint64_t procinfo__ticks_of_ns(uint64_t start_ns)
{
	uint64_t tick_ns = ticks_to_ns();

	return tick_ns ? (start_ns + (uint64_t)clock__shift_ns(CLOCK_BOOTTIME)) / tick_ns : 0;
}

uint64_t procinfo__start_ns(const struct procinfo *info)
{
	return info->start_ticks * ticks_to_ns() - (uint64_t)clock__shift_ns(CLOCK_BOOTTIME);
}

/* ---- walks ---- */

int procinfo__each_pid(const char *proc_root, procinfo_pid_fn fn, void *ctx)
{
	struct dirent *entry;
	uint32_t pid;
	DIR *dir;
	int err = 0;

	dir = opendir(proc_root);
	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (parse_u32(entry->d_name, '\0', &pid, NULL))
			err = fn(ctx, pid);
	closedir(dir);
	return err;
}

struct socket_walk {
	const char *proc_root;
	procinfo_socket_fn fn;
	void *ctx;
	size_t max_fds;
	size_t num_fds;
	unsigned int flags;
	bool stopped; /* by max_fds */
	uint32_t host_pid; /* of the process that is looked at */
};

static int look_at_fd(struct socket_walk *walk, int dir_fd, const char *name)
{
	static const char prefix[] = "socket:[";
	char target[64];
	uint32_t inode;
	ssize_t n;

	n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
	if (n < 0) {
		if (errno == EACCES || errno == EPERM)
			walk->flags |= PROCINFO_DENIED;
		return 0;
	}
	target[n] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0 ||
	    !parse_u32(target + sizeof(prefix) - 1, ']', &inode, NULL))
		return 0;
	return walk->fn(walk->ctx, walk->host_pid, inode);
}

/* *@found (may be NULL) tells whether there was any descriptor. */
static int each_fd(struct socket_walk *walk, const char *path, bool *found)
{
	struct dirent *entry;
	DIR *dir;
	int err = 0;

	dir = opendir(path);
	if (!dir) {
		if (errno != ENOENT && errno != ESRCH)
			walk->flags |= PROCINFO_DENIED;
		return 0;
	}
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (found)
			*found = true;
		if (walk->max_fds && walk->num_fds >= walk->max_fds) {
			walk->flags |= PROCINFO_LIMITED;
			walk->stopped = true;
			break;
		}
		walk->num_fds++;
		err = look_at_fd(walk, dirfd(dir), entry->d_name);
	}
	closedir(dir);
	return err;
}

/* A leader that has exited shows no descriptors, but its threads do. */
static int each_thread_fd(struct socket_walk *walk, uint32_t pid)
{
	struct dirent *entry;
	char path[PATH_MAX];
	uint32_t tid;
	DIR *dir;
	int err = 0, n;

	n = snprintf(path, sizeof(path), "%s/%u/task", walk->proc_root, pid);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!err && !walk->stopped && (entry = readdir(dir))) {
		if (!parse_u32(entry->d_name, '\0', &tid, NULL) || tid == pid)
			continue;
		n = snprintf(path, sizeof(path), "%s/%u/task/%u/fd", walk->proc_root, pid, tid);
		if (n < 0 || (size_t)n >= sizeof(path))
			err = -ENAMETOOLONG;
		else
			err = each_fd(walk, path, NULL);
	}
	closedir(dir);
	return err;
}

static int each_process_socket(void *ctx, uint32_t pid)
{
	struct socket_walk *walk = ctx;
	char path[PATH_MAX];
	bool found = false;
	int err, n;

	if (walk->stopped)
		return 0;
	walk->host_pid = host_pid_of(walk->proc_root, pid);
	if (!walk->host_pid) {
		walk->flags |= PROCINFO_DENIED;
		return 0;
	}
	n = snprintf(path, sizeof(path), "%s/%u/fd", walk->proc_root, pid);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	err = each_fd(walk, path, &found);
	if (!err && !found && !walk->stopped)
		err = each_thread_fd(walk, pid);
	return err;
}

int procinfo__each_socket(const char *proc_root, size_t max_fds, procinfo_socket_fn fn,
			  void *ctx, unsigned int *flags)
{
	struct socket_walk walk = {
		.proc_root = proc_root, .fn = fn, .ctx = ctx, .max_fds = max_fds,
	};
	int err;

	if (pid_numbers) {
		pthread_mutex_lock(&pid_numbers_lock);
		pid_numbers__refresh(pid_numbers);
		pthread_mutex_unlock(&pid_numbers_lock);
	}
	err = procinfo__each_pid(proc_root, each_process_socket, &walk);
	if (flags)
		*flags |= walk.flags;
	return err;
}
