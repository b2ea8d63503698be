// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "output/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fmt.h"
#include "output/fit.h"

#define FIRST_S 1
#define NEXT_US 250000

/* What the handler reads. */
static struct {
	int fd; /* -1: none */
	_Atomic(const char *) what;
	atomic_size_t count;
	atomic_bool shown;
} progress = { .fd = -1 };

static const char erase[] = "\r\033[K";

static size_t add(char *line, size_t len, size_t size, const char *text)
{
	size_t more = strlen(text);

	if (more > size - len)
		more = size - len;
	memcpy(line + len, text, more);
	return len + more;
}

/* Only what may be called in a signal handler. */
static void show(int sig)
{
	const char *what = atomic_load(&progress.what);
	size_t count = atomic_load(&progress.count), len = 0;
	int saved = errno;
	char line[160];

	(void)sig;
	if (!what)
		return;
	len = add(line, len, sizeof(line), erase);
	len = add(line, len, sizeof(line), "twsnoop: ");
	len = add(line, len, 100, what);
	if (count) {
		len = add(line, len, sizeof(line), " ");
		len += fmt__u64(line + len, count);
	}
	atomic_store(&progress.shown, true);
	if (write(progress.fd, line, len) < 0)
		errno = saved; /* nobody can be told */
	errno = saved;
}

void progress__begin(int fd)
{
	const struct itimerval timer = { { 0, NEXT_US }, { FIRST_S, 0 } };
	struct sigaction action = { .sa_handler = show, .sa_flags = SA_RESTART };

	if (!isatty(fd) || !fit__takes_escapes())
		return;
	progress.fd = fd;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

void progress__step(const char *what)
{
	atomic_store(&progress.count, 0);
	atomic_store(&progress.what, what);
}

void progress__count(size_t count)
{
	atomic_store_explicit(&progress.count, count, memory_order_relaxed);
}

void progress__end(void)
{
	const struct itimerval none = {};

	if (progress.fd < 0)
		return;
	setitimer(ITIMER_REAL, &none, NULL);
	atomic_store(&progress.what, NULL);
	if (atomic_exchange(&progress.shown, false) &&
	    write(progress.fd, erase, sizeof(erase) - 1) < 0)
		return;
	progress.fd = -1;
}
