// SPDX-License-Identifier: GPL-2.0
#include "commands/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "commands/end_signals.h"
#include "events/loop.h"

#define PATIENCE_MS 300 /* with a reader that takes nothing, once it is to end */
#define LINE_BYTES 1200

/* ---- signals ---- */

int messages__open_signals(struct messages *m)
{
	const char *what;
	int fd = end_signals__open(m->more, &what);

	if (fd < 0)
		return messages__complain(m, what, fd, NULL);
	m->signals = fd;
	fdwriter__wake_by(&m->writer, fd);
	return 0;
}

int messages__hold_signals(struct messages *m)
{
	const char *what;
	int err = end_signals__hold(m->more, &what);

	return err ? messages__complain(m, what, err, NULL) : 0;
}

static bool is_further(const struct messages *m, uint32_t signal)
{
	for (const int *more = m->more; more && *more; more++)
		if ((uint32_t)*more == signal)
			return true;
	return false;
}

static void end(struct messages *m)
{
	int ms = m->stop ? 0 : PATIENCE_MS;

	fdwriter__hurry(&m->writer, ms);
	if (m->hurry)
		m->hurry(m->ctx, ms);
	m->hurries |= m->stop;
	m->stop = true;
}

void messages__read_signals(struct messages *m)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			m->wants_account = true;
		else if (is_further(m, info.ssi_signo))
			m->take(m->ctx, info.ssi_signo);
		else
			end(m);
	}
}

int messages__attend(struct messages *m)
{
	messages__read_signals(m);
	while (m->wants_account) {
		m->wants_account = false;
		if (m->account)
			m->account(m->ctx);
	}
	return m->stop ? LOOP_END : 0;
}

bool messages__hurries(struct messages *m)
{
	m->stop = true;
	messages__attend(m);
	return m->hurries;
}

/* ---- what is said ---- */

void messages__write(struct messages *m, const char *text, size_t len)
{
	size_t done = 0, written;

	while (fdwriter__write(&m->writer, text + done, len - done, &written) == -EINTR) {
		done += written;
		messages__read_signals(m);
	}
}

void messages__tell(struct messages *m, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list ap;
	int num;

	va_start(ap, format);
	num = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (m->erase)
		m->erase(m->ctx);
	if (num > 0)
		messages__write(m, line, (size_t)num < sizeof(line) ? (size_t)num : sizeof(line) - 1);
}

void messages__say(void *messages, const char *line)
{
	messages__tell(messages, "twsnoop: %s\n", line);
}

int messages__complain(struct messages *m, const char *what, int err, const char *todo)
{
	messages__tell(m, "twsnoop: %s: %s%s%s\n", what, strerror(-err), todo ? ": " : "", todo ?: "");
	return err;
}

void messages__tell_account(struct messages *m, const struct feed_account *a, const char *more)
{
	messages__tell(m, "twsnoop: delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
		       " recursion=%" PRIu64 " snapshot=%" PRIu64 " unattributed=%" PRIu64 "%s\n",
		       a->delivered, a->lost, a->map_full, a->recursion, a->snapshot, a->unattributed,
		       more);
}

/* ---- its life ---- */

void messages__init(struct messages *m)
{
	fdwriter__init(&m->writer, STDERR_FILENO);
	m->signals = -1;
}

void messages__fini(struct messages *m)
{
	fdwriter__fini(&m->writer);
	if (m->signals >= 0)
		close(m->signals);
}
