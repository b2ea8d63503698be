// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 240000

const char *tracer__bpffs;

pid_t tracer__fork(const char *path, const char *const args[], int out, int err)
{
	char *argv[40] = { (char *)"twsnoop" };
	pid_t pid;
	int n = 1;

	for (; n < 37 && args[n - 1]; n++)
		argv[n] = (char *)args[n - 1];
	if (tracer__bpffs && args[0] && !strcmp(args[0], "trace")) {
		argv[n++] = (char *)"--bpffs";
		argv[n] = (char *)tracer__bpffs;
	}
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(path, argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

static void account__parse(struct tracer *t, const char *line)
{
	struct account a = { .seen = true };

	if (sscanf(line,
		   "twsnoop: delivered=%lu lost=%lu map_full=%lu recursion=%lu snapshot=%lu "
		   "unattributed=%lu",
		   &a.delivered, &a.lost, &a.map_full, &a.recursion, &a.snapshot,
		   &a.unattributed) != 6)
		return;
	t->account = a;
	t->naccounts++;
}

/* Takes new bytes of stderr and looks at each line that they finish. */
static void take_err(struct tracer *t, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t start = t->err_len;

		if (t->err_len + 2 > sizeof(t->err))
			t->err_len = start = 0;
		t->err[t->err_len++] = buf[i];
		t->err[t->err_len] = '\0';
		if (buf[i] != '\n')
			continue;
		for (start = t->err_len - 1; start > 0 && t->err[start - 1] != '\n';)
			start--;
		account__parse(t, t->err + start);
		if (t->echo)
			fprintf(stderr, "# %s", t->err + start);
	}
}

static int by_inode(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool wanted(const struct tracer *t, const struct event *ev)
{
	return !t->netns || bsearch(&ev->t.netns, t->netns, t->nnetns, sizeof(*t->netns), by_inode);
}

void tracer__keep(struct tracer *t, const uint64_t *netns, size_t n)
{
	size_t kept = 0;

	t->netns = netns;
	t->nnetns = n;
	for (size_t i = 0; i < t->nevents; i++)
		if (wanted(t, &t->events[i]))
			t->events[kept++] = t->events[i];
	t->nevents = kept;
}

static void take_line(struct tracer *t, const char *line, size_t len)
{
	const char *why;

	t->lines++;
	if (t->echo)
		fprintf(stderr, "# %.*s\n", (int)len, line);
	if (t->nevents == t->events_cap) {
		size_t cap = t->events_cap ? 2 * t->events_cap : 1024;
		struct event *more = realloc(t->events, cap * sizeof(*more));

		if (!more)
			abort();
		t->events = more;
		t->events_cap = cap;
	}
	if (event__parse(line, len, &t->events[t->nevents], &why) == 0) {
		t->events[t->nevents].seen_ns = net__real_ns();
		t->nevents += wanted(t, &t->events[t->nevents]);
		return;
	}
	if (t->bad_lines++ == 0)
		snprintf(t->bad, sizeof(t->bad), "%s: %.*s", why, (int)len, line);
}

static void take_lines(struct tracer *t)
{
	char *line = t->out, *nl;

	while ((nl = memchr(line, '\n', t->out_len - (size_t)(line - t->out)))) {
		take_line(t, line, (size_t)(nl - line));
		line = nl + 1;
	}
	t->out_len -= (size_t)(line - t->out);
	memmove(t->out, line, t->out_len);
}

static void count_lines(struct tracer *t, const char *new, size_t len)
{
	const char *nl;

	while ((nl = memchr(new, '\n', len))) {
		t->lines++;
		len -= (size_t)(nl + 1 - new);
		new = nl + 1;
	}
}

static int read_out(struct tracer *t)
{
	ssize_t n;

	if (t->out_cap - t->out_len < 65536) {
		size_t cap = 2 * t->out_cap + 262144;
		char *more = realloc(t->out, cap);

		if (!more)
			abort();
		t->out = more;
		t->out_cap = cap;
	}
	n = read(t->out_fd, t->out + t->out_len, t->out_cap - t->out_len);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	t->out_len += (size_t)n;
	if (t->defer)
		count_lines(t, t->out + t->out_len - n, (size_t)n);
	else
		take_lines(t);
	return 1;
}

static int read_err(struct tracer *t)
{
	char buf[4096];
	ssize_t n = read(t->err_fd, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	take_err(t, buf, (size_t)n);
	return 1;
}

int tracer__pump(struct tracer *t, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = t->out_fd, .events = POLLIN },
			       { .fd = t->err_fd, .events = POLLIN } };

	if (t->out_fd < 0 && t->err_fd < 0)
		return 0;
	if (poll(p, 2, timeout_ms) <= 0)
		return 1;
	if (p[0].revents && !read_out(t)) {
		close(t->out_fd);
		t->out_fd = -1;
	}
	if (p[1].revents && !read_err(t)) {
		close(t->err_fd);
		t->err_fd = -1;
	}
	return t->out_fd >= 0 || t->err_fd >= 0;
}

int tracer__spawn(struct tracer *t, const char *path, const char *const args[])
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	t->pid = tracer__fork(path, args, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	t->out_fd = out[0];
	t->err_fd = err[0];
	fcntl(t->out_fd, F_SETFL, O_NONBLOCK);
	fcntl(t->err_fd, F_SETFL, O_NONBLOCK);
	fcntl(t->out_fd, F_SETPIPE_SZ, 1 << 20);
	return t->pid < 0 ? -EAGAIN : 0;
}

int tracer__await_start(struct tracer *t)
{
	uint64_t end = net__mono_ns() + START_MS * 1000000ULL;

	while (!strstr(t->err, "twsnoop: tracing")) {
		if (!tracer__pump(t, 100))
			return -EIO;
		if (net__mono_ns() > end)
			return -ETIMEDOUT;
	}
	return 0;
}

int tracer__start(struct tracer *t, const char *path, const char *const args[])
{
	int err = tracer__spawn(t, path, args);

	return err ? err : tracer__await_start(t);
}

int tracer__stop(struct tracer *t, int sig)
{
	uint64_t end = net__mono_ns() + START_MS * 1000000ULL;
	int status = -1;

	if (t->pid <= 0)
		return -1;
	if (sig)
		kill(t->pid, sig);
	while (tracer__pump(t, 100))
		if (net__mono_ns() > end)
			kill(t->pid, SIGKILL);
	while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR)
		;
	t->pid = 0;
	if (t->defer) {
		t->lines = 0;
		take_lines(t);
	}
	return status;
}

int tracer__await_account(struct tracer *t, int n, int deadline_ms)
{
	uint64_t end = net__mono_ns() + (uint64_t)deadline_ms * 1000000ULL;

	while (t->naccounts < n)
		if (!tracer__pump(t, 20) || net__mono_ns() > end)
			return -ETIMEDOUT;
	return 0;
}

int tracer__await_events(struct tracer *t, size_t n, int deadline_ms)
{
	uint64_t end = net__mono_ns() + (uint64_t)deadline_ms * 1000000ULL;

	while (t->nevents < n)
		if (!tracer__pump(t, 20) || net__mono_ns() > end)
			return -ETIMEDOUT;
	return 0;
}

void tracer__free(struct tracer *t)
{
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		tracer__stop(t, 0);
	}
	if (t->out_fd > 0)
		close(t->out_fd);
	if (t->err_fd > 0)
		close(t->err_fd);
	free(t->out);
	free(t->events);
	memset(t, 0, sizeof(*t));
}
