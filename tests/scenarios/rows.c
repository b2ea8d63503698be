// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- running the program to its end ---- */

/* Takes what there is; false at the end. */
static bool take(int fd, char **text, size_t *len, size_t *cap)
{
	ssize_t n;

	if (*cap - *len < 65537) {
		*cap = 2 * *cap + 131072;
		*text = realloc(*text, *cap);
		if (!*text)
			abort();
	}
	n = read(fd, *text + *len, 65536);
	*len += n > 0 ? (size_t)n : 0;
	(*text)[*len] = '\0';
	return n > 0 || (n < 0 && errno == EINTR);
}

static void take_both(struct output *o, struct pollfd p[2])
{
	size_t caps[2] = { 0 };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			abort();
		if (p[0].fd >= 0 && p[0].revents && !take(p[0].fd, &o->out, &o->out_len, &caps[0]))
			p[0].fd = -1;
		if (p[1].fd >= 0 && p[1].revents && !take(p[1].fd, &o->err, &o->err_len, &caps[1]))
			p[1].fd = -1;
	}
}

int output__run(struct output *o, const char *path, const char *const args[])
{
	int out[2], err[2];
	pid_t pid;

	memset(o, 0, sizeof(*o));
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	pid = tracer__fork(path, args, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (pid > 0)
		take_both(o, (struct pollfd[2]){ { .fd = out[0], .events = POLLIN },
						 { .fd = err[0], .events = POLLIN } });
	close(out[0]);
	close(err[0]);
	while (pid > 0 && waitpid(pid, &o->status, 0) < 0 && errno == EINTR)
		;
	return pid < 0 ? -EAGAIN : 0;
}

void output__free(struct output *o)
{
	free(o->out);
	free(o->err);
	memset(o, 0, sizeof(*o));
}

/* ---- order ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Both structs begin with their tuple. */
static int by_tuple(const void *a, const void *b)
{
	const struct tuple *x = a, *y = b;
	int c = compare_numbers(x->netns, y->netns);

	c = c ? c : compare_numbers(x->lport, y->lport);
	c = c ? c : compare_numbers(x->rport, y->rport);
	c = c ? c : strcmp(x->laddr, y->laddr);
	return c ? c : strcmp(x->raddr, y->raddr);
}

static void *more(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? 2 * *cap : 256;
	array = realloc(array, *cap * size);
	if (!array)
		abort();
	return array;
}

/* ---- the list ---- */

static const char *read_account(struct rows *rows, const struct output *o)
{
	const char *line = o->err ? strstr(o->err, "twsnoop: listed=") : NULL;

	if (!line || sscanf(line, "twsnoop: listed=%lu seen=%lu inferred=%lu unknown=%lu missed=%lu",
			    &rows->listed, &rows->seen, &rows->inferred, &rows->unknown,
			    &rows->missed) != 5)
		return "no account";
	if (rows->listed != rows->n)
		return "listed= is not the number of rows";
	if (rows->listed != rows->seen + rows->inferred + rows->unknown)
		return "the account does not add up";
	return rows->missed > rows->inferred + rows->unknown ? "too much is missed" : NULL;
}

static const char *read_rows(struct rows *rows, const struct output *o)
{
	const char *line = o->out ? o->out : "", *nl, *why = NULL;
	size_t cap = 0;

	for (; !why && (nl = strchr(line, '\n')); line = nl + 1) {
		rows->r = more(rows->r, rows->n, &cap, sizeof(*rows->r));
		row__parse(line, (size_t)(nl - line), &rows->r[rows->n], &why);
		rows->n += !why;
	}
	if (!why && *line)
		why = "the last line has no end";
	if (rows->n)
		qsort(rows->r, rows->n, sizeof(*rows->r), by_tuple);
	for (size_t i = 1; !why && i < rows->n; i++)
		if (by_tuple(&rows->r[i - 1], &rows->r[i]) == 0)
			why = "a socket is listed twice";
	return why;
}

int rows__take(struct rows *rows, const char *twsnoop, const char *const more_args[], char *why,
	       size_t size)
{
	const char *args[16] = { "list", "--json" }, *fault;
	struct output o;

	memset(rows, 0, sizeof(*rows));
	for (int i = 0; more_args && more_args[i] && i < 13; i++)
		args[i + 2] = more_args[i];
	if (output__run(&o, twsnoop, args)) {
		snprintf(why, size, "list: cannot be run");
		return -1;
	}
	snprintf(rows->err, sizeof(rows->err), "%s", o.err ? o.err : "");
	fault = o.status ? "it failed" : read_rows(rows, &o);
	if (!fault)
		fault = read_account(rows, &o);
	if (fault)
		snprintf(why, size, "list: %s (wait status %#x, %zu rows); it said: %.200s", fault,
			 (unsigned int)o.status, rows->n, rows->err);
	output__free(&o);
	return fault ? -1 : 0;
}

void rows__free(struct rows *rows)
{
	free(rows->r);
	memset(rows, 0, sizeof(*rows));
}

struct row *rows__find(const struct rows *rows, const struct tuple *t)
{
	return rows->n ? bsearch(t, rows->r, rows->n, sizeof(*rows->r), by_tuple) : NULL;
}

/* ---- the kernel's table ---- */

static void add_mini(const struct diag *d, void *ctx)
{
	struct minis *ms = ctx;

	if (!d->mini)
		return;
	ms->m = more(ms->m, ms->n, &ms->cap, sizeof(*ms->m));
	ms->m[ms->n] = (struct mini){ d->t, d->cookie, d->state };
	ms->m[ms->n++].t.netns = ms->netns;
}

int minis__add(struct minis *ms, int netns_fd)
{
	int home = -1, err;

	if (netns_fd >= 0) {
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home < 0 || setns(netns_fd, CLONE_NEWNET)) {
			err = -errno;
			close(home);
			return err;
		}
	}
	ms->netns = net__netns_inode();
	err = referee__dump(add_mini, ms);
	if (home >= 0) {
		if (setns(home, CLONE_NEWNET))
			abort();
		close(home);
	}
	return err;
}

void minis__sort(struct minis *ms)
{
	if (ms->n)
		qsort(ms->m, ms->n, sizeof(*ms->m), by_tuple);
}

const struct mini *minis__find(const struct minis *ms, const struct tuple *t)
{
	return ms->n ? bsearch(t, ms->m, ms->n, sizeof(*ms->m), by_tuple) : NULL;
}

void minis__free(struct minis *ms)
{
	free(ms->m);
	memset(ms, 0, sizeof(*ms));
}
