// SPDX-License-Identifier: GPL-2.0
/*
 * What comes and goes beside the soak's readers: lists, each held against the kernel's table before and after
 * it; and readers with a filter, which may let nothing pass but what it is for.
 */
#define _GNU_SOURCE
#include "referee.h"
#include "soak.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FILTERS 20	/* readers with one, in the whole time */
#define FILTER_MS 300	/* how long one stays after its first line */
#define LISTS 10	/* in the whole time */
#define LIST_S 50	/* one that takes longer may have what came and went between the two dumps */
#define SETTLE_MS 120000
#define FIN_WAIT2_MS 60000 /* tcp_fin_timeout, as the kernel sets it */
#define FIN_LATE_MS 10000 /* on a loopback interface */
#define LOOK_S 20 /* so often it is looked who waits for a FIN, but while a list is taken */
#define SAY_MS 3000 /* what is not settled then is said */

/* ---- lists ---- */

struct look {
	struct ends before, after;
	uint64_t begun_ns; /* of the first dump; CLOCK_MONOTONIC */
	uint64_t others; /* that are not in TIME_WAIT yet */
	struct diag other; /* one of them */
};

static struct look look;
static struct ends *looking;

static void on_diag(const struct diag *d, void *ctx)
{
	unsigned int pair, slot;
	bool is_server, is_known;

	(void)ctx;
	if (d->state == ST_CLOSE)
		return;
	is_known = d->mini && soak__find_end(d->t.laddr, d->t.lport, d->t.raddr, d->t.rport, &pair, &slot,
					     &is_server);
	if (!d->mini || d->state != ST_TIME_WAIT) {
		look.others++;
		look.other = *d;
		if (is_known && d->expires_ms < FIN_WAIT2_MS - FIN_LATE_MS)
			soak->fin_is_late[pair][slot] = 1;
	} else if (is_known) {
		looking->times[pair][slot] = 1;
	}
}

static int dump(struct ends *ends, int netns, int home)
{
	int err;

	looking = ends;
	look.others = 0;
	memset(ends, 0, sizeof(*ends));
	if (setns(netns, CLONE_NEWNET))
		return -errno;
	err = referee__dump(on_diag, NULL);
	return setns(home, CLONE_NEWNET) ? -errno : err;
}

/* The kernel's table before and after: what is in both has to be listed, once; and nothing is
 * that neither has, but for what came and one dump of a changing table has missed. */
static void judge_list(const char *account, unsigned int number,
		       uint64_t at_ms)
{
	const struct reader *l = &soak->list;
	uint64_t both = 0, absent = 0, twice = 0, in_none = 0;
	bool is_slow = net__mono_ns() - look.begun_ns > LIST_S * 1000000000ULL;

	for (int pair = 0; pair < GROUPS; pair++)
		for (size_t i = 0; i < SLOTS; i++) {
			bool before = look.before.times[pair][i], after = look.after.times[pair][i];
			uint16_t times = l->ends.times[pair][i];

			both += before && after;
			absent += before && after && !times;
			twice += times > 1;
			in_none += times && !before && !after;
		}
	printf("# list %u at %.0f s: %lu rows, %lu in both dumps, absent=%lu twice=%lu in_none=%lu "
	       "wrong_pid=%lu foreign=%lu; seen=%lu\n", number, (double)at_ms / 1000, l->lines, both,
	       absent, twice, in_none, l->wrong_pid, l->foreign, soak__number_after(account, "seen="));
	fflush(stdout);
	if (l->lines != soak__number_after(account, "listed="))
		soak__fail("list %u: %lu rows, but it says %.200s", number, l->lines, account);
	if (twice || l->foreign || l->wrong_pid)
		soak__fail("list %u: %lu sockets twice, %lu that nobody made%s, %lu wrong owners", number,
			   twice, l->foreign, l->example, l->wrong_pid);
	if (absent > both / 1000 || (!is_slow && in_none > both / 1000))
		soak__fail("list %u: of %lu sockets %lu are absent; %lu are in no dump", number, both, absent,
			   in_none);
}

static void take_list(const char *twsnoop, int netns, int home, unsigned int number,
		      uint64_t begun_ns)
{
	char inode[24], text[1024];
	const char *const args[] = { "list", "-o", "csv", "--no-names", "--netns", inode, NULL };
	struct program p;

	snprintf(inode, sizeof(inode), "%lu", soak->netns);
	memset(&soak->list, 0, sizeof(soak->list));
	look.begun_ns = net__mono_ns();
	if (dump(&look.before, netns, home) ||
	    !program__start(&p, twsnoop, args, &soak->list, true)) {
		soak__fail("list %u could not be taken", number);
		return;
	}
	if (program__end(&p, "list") && dump(&look.after, netns, home) == 0) {
		program__read_stderr(&p, text, sizeof(text));
		judge_list(text, number, (net__mono_ns() - begun_ns) / 1000000);
	}
	close(p.err);
}

static void look_for_late_fins(int netns, int home)
{
	static uint64_t last_ns;

	if (net__mono_ns() - last_ns > LOOK_S * 1000000000ULL) {
		dump(&look.before, netns, home);
		last_ns = net__mono_ns();
	}
}

/* One list after the other, in a process of its own: a long one is to delay nothing. */
pid_t soak__fork_lists(const char *twsnoop, uint64_t total_ms, int netns, int home)
{
	uint64_t begun_ns = net__mono_ns(), ms = 0;
	unsigned int lists = 0;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; ms < total_ms && !soak->enough; ms = (net__mono_ns() - begun_ns) / 1000000) {
		if (ms >= (lists + 1) * total_ms / (LISTS + 1))
			take_list(twsnoop, netns, home, ++lists, begun_ns);
		look_for_late_fins(netns, home);
		poll(NULL, 0, 100);
	}
	_exit(0);
}

static void say_other(uint64_t ns)
{
	const struct diag *d = &look.other;

	printf("# after %lu s %lu are not in TIME_WAIT yet, such as %s:%u to %s:%u: state %u%s, timer %u ms\n",
	       ns / 1000000000, look.others, d->t.laddr, d->t.lport, d->t.raddr, d->t.rport, d->state,
	       d->mini ? ", a mini-socket" : "", d->expires_ms);
	fflush(stdout);
}

bool soak__settle(int netns, int home)
{
	uint64_t begun_ns = net__mono_ns(), said_ns = begun_ns;

	while (dump(&look.before, netns, home) == 0 &&
	       net__mono_ns() < begun_ns + SETTLE_MS * 1000000ULL) {
		if (!look.others)
			return true;
		if (net__mono_ns() - said_ns > SAY_MS * 1000000ULL) {
			said_ns = net__mono_ns();
			say_other(said_ns - begun_ns);
		}
		poll(NULL, 0, 50);
	}
	return false;
}

/* ---- readers with a filter ---- */

/* One that lets pass what one server closes, by its process or by its address. */
static void filter_once(const char *twsnoop, unsigned int number)
{
	unsigned int pair = number % PAIRS;
	struct reader *r = &soak->filtered;
	char value[24];
	bool by_pid = number / PAIRS % 2;
	const char *const args[] = { "trace", "-o", "csv", "--no-names", by_pid ? "-p" : "-l", value,
				     NULL };
	uint64_t rest = 0, end_ns = net__mono_ns() + AWAIT_MS * 1000000ULL;
	struct program p;

	if (by_pid)
		snprintf(value, sizeof(value), "%d", (int)soak->server[pair]);
	else
		snprintf(value, sizeof(value), "127.1.%u.1", pair);
	memset(r, 0, sizeof(*r));
	if (!program__start(&p, twsnoop, args, r, false) || !program__await_words(&p, "tracing ")) {
		soak__fail("a reader with a filter cannot begin");
		return;
	}
	while (!__atomic_load_n(&r->ours, __ATOMIC_RELAXED) && net__mono_ns() < end_ns && !soak->enough)
		poll(NULL, 0, 10);
	poll(NULL, 0, FILTER_MS);
	kill(p.pid, SIGINT);
	if (program__end(&p, "a reader with a filter")) {
		for (unsigned int i = 0; i < GROUPS; i++)
			rest += r->of[i][0] + (i == pair ? 0 : r->of[i][1]);
		/* Others on this machine may have the same addresses. */
		rest += by_pid ? r->others : 0;
		if (rest || r->foreign || r->wrong_pid)
			soak__fail("%s %s: %lu ends of others, %lu that nobody made, %lu wrong processes",
				   args[4], value, rest, r->foreign, r->wrong_pid);
		if (!r->ours && !soak->enough)
			soak__fail("%s %s: nothing was told", args[4], value);
	}
	soak->filters++;
	close(p.err);
}

pid_t soak__fork_filters(const char *twsnoop, uint64_t total_ms)
{
	uint64_t begun_ns = net__mono_ns(), ms = 0;
	unsigned int filters = 0;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; ms < total_ms && !soak->enough; ms = (net__mono_ns() - begun_ns) / 1000000) {
		if (ms >= (filters + 1) * total_ms / (FILTERS + 1))
			filter_once(twsnoop, filters++);
		poll(NULL, 0, 100);
	}
	_exit(0);
}
