// SPDX-License-Identifier: GPL-2.0
/* Programs that write to somebody who does not read. */
#include "clitool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* An end to write to, and where that comes out. */
struct ends {
	int in, out;
};

static void make_pipe(struct ends *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		die("pipe");
	e->in = fds[1];
	e->out = fds[0];
}

/* Whoever shares it with us has set it so. */
static void make_nonblocking_pipe(struct ends *e)
{
	make_pipe(e);
	if (fcntl(e->in, F_SETFL, O_NONBLOCK))
		die("pipe");
}

static void make_sockets(struct ends *e, int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds))
		die("socketpair");
	e->in = fds[1];
	e->out = fds[0];
}

static void make_stream(struct ends *e)
{
	make_sockets(e, SOCK_STREAM);
}

static void make_datagram(struct ends *e)
{
	make_sockets(e, SOCK_DGRAM);
}

static void make_seqpacket(struct ends *e)
{
	make_sockets(e, SOCK_SEQPACKET);
}

static void make_tcp(struct ends *e)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	e->in = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen(listener, 1) || getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(e->in, (struct sockaddr *)&addr, len))
		die("connect");
	e->out = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (e->out < 0)
		die("accept");
	close(listener);
}

/* On which somebody has pressed Ctrl-S, or will. */
static void make_terminal(struct ends *e)
{
	char name[64];

	e->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->out < 0 || grantpt(e->out) || unlockpt(e->out) ||
	    ptsname_r(e->out, name, sizeof(name)))
		die("pseudo-terminal");
	e->in = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->in < 0)
		die(name);
}

static const struct {
	const char *name;
	void (*make)(struct ends *e);
} kinds[] = {
	{ "pipe", make_pipe },	       { "nonblocking-pipe", make_nonblocking_pipe },
	{ "stream", make_stream },     { "datagram", make_datagram },
	{ "seqpacket", make_seqpacket }, { "tcp", make_tcp },
	{ "terminal", make_terminal },
};

static void make_ends(struct ends *e, const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(name, kinds[i].name)) {
			kinds[i].make(e);
			return;
		}
	errno = 0;
	die(name);
}

/* Up to the last byte. */
static void fill(const struct ends *e)
{
	static const char zeros[4096];
	int flags = fcntl(e->in, F_GETFL);
	size_t len = sizeof(zeros);

	if (isatty(e->in)) {
		if (tcflow(e->in, TCOOFF))
			die("tcflow");
		return;
	}
	fcntl(e->in, F_SETFL, flags | O_NONBLOCK);
	while (len) {
		/* What is on its way to a TCP socket makes room a little later. */
		struct pollfd room = { .fd = e->in, .events = POLLOUT };

		if (write(e->in, zeros, len) < 0 && poll(&room, 1, 100) <= 0)
			len /= 2;
	}
	fcntl(e->in, F_SETFL, flags);
}

static pid_t start(char **argv, int out, int err)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

static void say_pid(const char *path, pid_t pid)
{
	FILE *f = fopen(path, "we");

	if (!f || fprintf(f, "pid %d\n", (int)pid) < 0 || fclose(f))
		die(path);
}

static int end_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until @word came. */
static void await_word(int fd, const char *word)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char got[65536] = "";
	size_t len = 0;
	ssize_t num;

	do {
		errno = 0;
		if (len == sizeof(got) - 1 || poll(&pfd, 1, DEADLINE_S * 1000) <= 0)
			die("nothing is said before the deadline");
		num = read(fd, got + len, sizeof(got) - 1 - len);
		if (num <= 0)
			die("the program ended");
		len += (size_t)num;
		got[len] = '\0';
	} while (!strstr(got, word));
}

int tool__stuck(int argc, char **argv)
{
	bool both = argc > 0 && !strncmp(argv[0], "both-", 5);
	struct ends e;
	pid_t pid;

	if (argc < 3)
		die("stuck KIND FILE PROGRAM...");
	make_ends(&e, argv[0] + (both ? 5 : 0));
	if (!both)
		fill(&e);
	pid = start(argv + 2, e.in, both ? e.in : -1);
	if (both) {
		await_word(e.out, "twsnoop: ");
		fill(&e);
	}
	say_pid(argv[1], pid);
	return end_of(pid);
}

int tool__reader_gone(int argc, char **argv)
{
	struct ends e;
	pid_t pid;

	if (argc < 3)
		die("reader-gone KIND FILE PROGRAM...");
	make_ends(&e, argv[0]);
	pid = start(argv + 2, e.in, -1);
	close(e.in);
	await_word(e.out, "\n");
	close(e.out);
	say_pid(argv[1], pid);
	return end_of(pid);
}

/* With no standard descriptor at all. */
int tool__closed(int argc, char **argv)
{
	if (argc < 2)
		die("closed FILE PROGRAM...");
	say_pid(argv[0], getpid());
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	execvp(argv[1], argv + 1);
	return 127;
}

/* ---- a file of a file system whose server hangs ---- */

#define FILE_NODE 2

static void fill_attr(struct fuse_attr *attr, uint64_t node)
{
	attr->ino = node;
	attr->mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777;
	attr->nlink = 1;
}

/* A request's answer, of @len bytes at @body; or an error. */
static void answer(int fd, uint64_t unique, int error, const void *body, size_t len)
{
	struct {
		struct fuse_out_header header;
		char body[256];
	} out = { .header = { .unique = unique, .error = error } };

	out.header.len = (uint32_t)(sizeof(out.header) + len);
	memcpy(out.body, body ?: "", len);
	if (write(fd, &out, out.header.len) < 0 && errno != ENOENT)
		die("/dev/fuse");
}

static void serve(int fd)
{
	static char request[1 << 17];
	const struct fuse_in_header *in = (const void *)request;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096,
	};
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .attr_valid = 600 };
	struct fuse_attr_out attr = { .attr_valid = 600 };
	struct fuse_open_out opened = { .open_flags = FOPEN_DIRECT_IO };

	if (read(fd, request, sizeof(request)) < 0)
		die("/dev/fuse");
	fill_attr(&entry.attr, FILE_NODE);
	fill_attr(&attr.attr, in->nodeid);
	switch (in->opcode) {
	case FUSE_INIT:
		answer(fd, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer(fd, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(fd, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(fd, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_INTERRUPT:
	case FUSE_FORGET:
		break;
	default:
		answer(fd, in->unique, -ENOSYS, NULL, 0);
	}
}

/* Serves until @pid ends. Whoever wants it to hang stops us. */
static int serve_all(int fd, pid_t pid)
{
	int status;

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (poll(&pfd, 1, 10) > 0) {
			if (pfd.revents & POLLERR)
				die("the file system has gone");
			serve(fd);
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static int mount_fuse(const char *dir)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("clitool", dir, "fuse", MS_NOSUID | MS_NODEV, options))
		return -1;
	return fd;
}

int tool__hung_file(int argc, char **argv)
{
	char path[512];
	int fd, status;
	pid_t pid;

	if (argc < 3)
		die("hung-file DIR FILE PROGRAM...");
	fd = mount_fuse(argv[0]);
	if (fd < 0)
		return 77;
	snprintf(path, sizeof(path), "%s/file", argv[0]);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		int out = open(path, O_WRONLY);

		if (out < 0)
			die(path);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out, STDOUT_FILENO);
		close(out);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	say_pid(argv[1], pid);
	status = serve_all(fd, pid);
	umount2(argv[0], MNT_DETACH);
	return status;
}

/* Whether it has ended, also if nobody has waited for it yet. */
static bool has_ended(const char *pid)
{
	char path[64], line[512] = "";
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	state = strrchr(line, ')');
	return !state || state[2] == 'Z' || state[2] == 'X';
}

int tool__wait_end(int argc, char **argv)
{
	uint64_t end_ns = now_ns() + 20 * 1000000000ULL;

	if (argc < 1)
		die("wait-end PID");
	while (!has_ended(argv[0])) {
		if (now_ns() > end_ns)
			return 1;
		rest();
	}
	return 0;
}

/* In a write to a pipe: no other place in the kernel has such a name. */
int tool__wait_blocked(int argc, char **argv)
{
	uint64_t end_ns = now_ns() + DEADLINE_S * 1000000000ULL;
	char path[64];

	if (argc < 1)
		die("wait-blocked PID");
	snprintf(path, sizeof(path), "/proc/%s/wchan", argv[0]);
	while (!strstr(contents(path, NULL), "pipe_w")) {
		if (now_ns() > end_ns || has_ended(argv[0]))
			return 1;
		rest();
	}
	return 0;
}
