// SPDX-License-Identifier: GPL-2.0
/* Tests of the list: ledgers that come and go, are killed, or may not be had. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void listing__attach_twice(struct stage *st, const char *twsnoop)
{
	const char *const attach[] = { "attach", "--bpffs", listing__bpffs(), NULL };
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct tuple t;

	solo__command(st, twsnoop, "attach", NULL);
	t = scene__one_close(&x, x.c, FAM_V4);
	solo__refused(st, twsnoop, attach, "already attached since");
	scene__expect_row(&x, &t, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	t = scene__one_close(&x, x.c, FAM_V4);
	scene__expect_row(&x, &t, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	solo__command(st, twsnoop, "detach", NULL);
	solo__command(st, twsnoop, "detach", NULL);
}

/* Starts attach and kills it after so long, or finds that it has ended before. */
static void kill_attach(struct stage *st, const char *twsnoop, uint64_t after_ns)
{
	uint64_t end = net__mono_ns() + after_ns;
	pid_t pid = fork();
	int status;

	EXPECT(st, pid >= 0);
	if (pid == 0) {
		struct output o;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		_exit(listing__command(&o, twsnoop, "attach", NULL) || o.status);
	}
	setpgid(pid, pid);
	while (net__mono_ns() < end && waitpid(pid, &status, WNOHANG) == 0)
		usleep(200);
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static bool state_is_one_of(struct stage *st, const char *twsnoop, const char *words)
{
	const char *state;
	json_t *root;
	bool found;

	if (!solo__is_default_place())
		return true;
	state = json_string_value(json_object_get(solo__check(st, twsnoop, &root), "state"));
	found = state && strstr(words, state);
	json_decref(root);
	return found;
}

/* Whenever it dies, the next attach and detach find their way, and nothing stays. */
void listing__attach_killed(struct stage *st, const char *twsnoop)
{
	unsigned int others = solo__watchers();
	uint64_t begin, whole_ns;

	begin = net__mono_ns();
	solo__command(st, twsnoop, "attach", NULL);
	whole_ns = net__mono_ns() - begin;
	solo__command(st, twsnoop, "detach", NULL);
	srand48(getpid());
	for (int i = 0; i < 5; i++) {
		kill_attach(st, twsnoop, (uint64_t)(drand48() * 1.1 * (double)whole_ns));
		if (!state_is_one_of(st, twsnoop, "none attached interrupted busy"))
			stage__fail(st, "check tells another state after a killed attach");
		if (i % 2) /* Now and then without cleaning up in between. */
			solo__command(st, twsnoop, "detach", NULL);
	}
	solo__command(st, twsnoop, "detach", NULL);
	solo__command(st, twsnoop, "attach", NULL);
	solo__command(st, twsnoop, "detach", NULL);
	EXPECT(st, state_is_one_of(st, twsnoop, "none"));
	/* On a busy machine another's may have come or gone meanwhile. */
	if (others == 0 && !solo__watchers_become(0, DEADLINE_MS))
		stage__fail(st, "%u programs stay loaded", solo__watchers());
}

void listing__no_bpffs(struct stage *st, const char *twsnoop)
{
	static const char *const nowhere[] = { "attach", "--bpffs", "/proc", NULL };
	static const char *const missing[] = { "attach", "--bpffs", "/no/such/folder", NULL };
	static const char *const detach[] = { "detach", "--bpffs", "/proc", NULL };

	solo__refused(st, twsnoop, nowhere, "mount -t bpf bpf /proc");
	solo__refused(st, twsnoop, missing, "no bpffs is mounted");
	solo__refused(st, twsnoop, detach, "no bpffs is mounted");
}

/* As nobody: attach is refused, and list tells what it may. */
void listing__unprivileged(struct stage *st, const char *twsnoop)
{
	const char *const attach[] = { "attach", "--bpffs", listing__bpffs(), NULL };
	const char *const detach[] = { "detach", "--bpffs", listing__bpffs(), NULL };
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	struct tuple t;
	struct rows rows;
	struct row *row;
	char why[256];

	solo__command(st, twsnoop, "attach", NULL);
	t = scene__one_close(&x, x.c, FAM_V4);
	scene__expect_row(&x, &t, EVIDENCE_SEEN, x.c, SIDE_CLIENT);
	EXPECT(st, setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	solo__refused(st, twsnoop, attach, "twsnoop: ");
	solo__refused(st, twsnoop, detach, "run as root");
	if (rows__take(&rows, twsnoop, NULL, why, sizeof(why)))
		stage__fail(st, "%s", why);
	row = rows__find(&rows, &t);
	if (!row || row->evidence == EVIDENCE_SEEN || !strstr(rows.err, "missing CAP_SYS_ADMIN"))
		stage__fail(st, "%s; it said: %.150s",
			    row ? "seen without privilege" : "not listed", rows.err);
	rows__free(&rows);
}
