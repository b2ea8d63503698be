// SPDX-License-Identifier: GPL-2.0
/*
 * The soak's readers: processes of twsnoop, what their lines say of the ends of connections, and whether that
 * is what was done.
 */
#define _GNU_SOURCE
#include "soak.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITED_MOST 2 /* connections of a soak that may have lost their FIN */

/* ---- what is said of the connections ---- */

bool soak__find_end(const char *laddr, unsigned int lport, const char *raddr, unsigned int rport,
		    unsigned int *pair, unsigned int *slot, bool *is_server)
{
	struct in_addr local, remote;
	uint32_t client, server;
	unsigned int port;

	if (inet_pton(AF_INET, laddr, &local) != 1 || inet_pton(AF_INET, raddr, &remote) != 1)
		return false;
	*is_server = ntohl(local.s_addr) < CLIENTS;
	client = ntohl(*is_server ? remote.s_addr : local.s_addr) - CLIENTS;
	server = ntohl(*is_server ? local.s_addr : remote.s_addr) - SERVERS;
	port = *is_server ? lport : rport;
	*pair = client >> SLOT_BITS;
	*slot = client & (SLOTS - 1);
	if (*pair >= GROUPS || *slot % 2 != *is_server)
		return false;
	if (*pair == PASSERS)
		return port == PASSER_PORT + (*slot >> 16) &&
		       server + SERVERS == PASSER_SERVERS + (*slot & 0xffff);
	return port == PORT + *pair && server == *pair << 8;
}

/* The first @num fields of a line of CSV. None of them has quotes but a name that we gave not. */
static bool split(char *line, char *fields[], int num)
{
	for (int i = 0; i < num; i++) {
		fields[i] = line;
		line = strchr(line, ',');
		if (!line)
			return false;
		*line++ = '\0';
	}
	return true;
}

/* See docs/formats.md; list has no event.action and event.source. */
enum { F_ACTION = 1, F_SOURCE, F_LADDR = 5, F_LPORT, F_RADDR, F_RPORT, F_NETNS, F_PID = 13, F_VPID,
       F_NAME, FIELDS };

static void note_line(struct reader *r, char *line, bool is_list)
{
	char *all[FIELDS], **f = is_list ? all - 2 : all;
	unsigned int pair, slot;
	char whole[sizeof(r->nobody_line)];
	bool is_server, is_known;
	uint64_t netns;
	pid_t pid, right;

	r->lines++;
	snprintf(whole, sizeof(whole), "%.390s", line);
	if (!split(line, all, is_list ? FIELDS - 2 : FIELDS)) {
		r->foreign++;
		return;
	}
	netns = strtoull(f[F_NETNS], NULL, 10);
	is_known = soak__find_end(f[F_LADDR], (unsigned int)strtoul(f[F_LPORT], NULL, 10), f[F_RADDR],
				  (unsigned int)strtoul(f[F_RPORT], NULL, 10), &pair, &slot, &is_server);
	if (netns != soak->netns && (!is_known || pair != PASSERS || slot % NETNS_EACH)) {
		r->others++;
		return;
	}
	if (is_known && pair == PASSERS)
		is_known = netns == soak->passer_netns[slot];
	if (!is_known) {
		r->foreign++;
		snprintf(r->example, sizeof(r->example), " (%s:%s to %s:%s)", f[F_LADDR], f[F_LPORT],
			 f[F_RADDR], f[F_RPORT]);
		return;
	}
	r->ours++;
	r->found += !is_list && f[F_SOURCE][0];
	r->ends.times[pair][slot]++;
	r->of[pair][is_server]++;
	pid = (pid_t)strtol(f[F_PID], NULL, 10);
	r->nobody += !pid;
	if (!pid && !is_list && !f[F_SOURCE][0])
		memcpy(r->nobody_line, whole, sizeof(whole));
	right = pair == PASSERS ? (pid_t)soak->passer_pid[slot] : is_server ? soak->server[pair] :
									      soak->client[pair];
	if (pid && pid != right) {
		r->wrong_pid++;
		memcpy(r->wrong_line, whole, sizeof(whole));
	}
}

/* Reads lines to the end, in a process of its own, so that nobody waits for another. */
static void drain(struct reader *r, int fd, bool is_list)
{
	static char buf[1 << 18];
	size_t have = 0;
	ssize_t len;
	bool heading = true;

	while ((len = read(fd, buf + have, sizeof(buf) - have)) > 0) {
		char *line = buf, *end;

		have += (size_t)len;
		for (; (end = memchr(line, '\n', have - (size_t)(line - buf))); line = end + 1) {
			*end = '\0';
			if (!heading)
				note_line(r, line, is_list);
			heading = false;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
	}
	_exit(0);
}

/* ---- processes of twsnoop ---- */

bool program__start(struct program *p, const char *twsnoop, const char *const args[],
		    struct reader *r, bool is_list)
{
	int out[2];

	p->err = memfd_create("stderr", MFD_CLOEXEC);
	if (p->err < 0 || pipe2(out, O_CLOEXEC))
		return false;
	fcntl(out[0], F_SETPIPE_SZ, 1 << 20);
	p->drain = fork();
	if (!p->drain) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(out[1]);
		drain(r, out[0], is_list);
	}
	close(out[0]);
	p->pid = tracer__fork(twsnoop, args, out[1], p->err);
	close(out[1]);
	return p->pid > 0 && p->drain > 0;
}

void program__read_stderr(const struct program *p, char *text, size_t size)
{
	ssize_t len = pread(p->err, text, size - 1, 0);

	text[len < 0 ? 0 : len] = '\0';
}

bool program__await_words(const struct program *p, const char *words)
{
	char text[4096];

	for (int ms = 0; ms < AWAIT_MS; ms += 10) {
		program__read_stderr(p, text, sizeof(text));
		if (strstr(text, words))
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

bool program__end(struct program *p, const char *what)
{
	int status = -1, drained = -1;

	waitpid(p->pid, &status, 0);
	waitpid(p->drain, &drained, 0);
	if (status || drained)
		soak__fail("%s ended with wait status %#x", what, (unsigned int)(status ?: drained));
	return !status && !drained;
}

unsigned long soak__number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtoul(at + strlen(word), NULL, 10) : ~0UL;
}

/* Whether a reader has told all that was made. */
static bool has_all(const struct reader *r, uint64_t sum)
{
	return __atomic_load_n(&r->ours, __ATOMIC_RELAXED) >= sum;
}

void soak__await_told(uint64_t sum)
{
	for (int ms = 0; ms < HEALED_MS; ms += 10) {
		bool all = true;

		for (int i = 0; i < READERS; i++)
			all &= has_all(&soak->reader[i], sum);
		if (all)
			return;
		poll(NULL, 0, 10);
	}
}

bool soak__start_readers(struct program *readers, const char *twsnoop)
{
	static const char *const args[] = { "trace", "-o", "csv", "--no-names", NULL };

	for (int i = 0; i < READERS; i++)
		if (!program__start(&readers[i], twsnoop, args, &soak->reader[i], false))
			return false;
	return program__await_words(&readers[0], "tracing ") && program__await_words(&readers[1], "tracing ");
}

/* ---- the judge ---- */

static uint64_t uses_of(int pair, size_t slot)
{
	uint64_t num = soak->made[pair];

	return num / SLOTS + (slot < num % SLOTS);
}

/* Of one of the lives of a client's address. */
static void say_missing(char *text, size_t size, int pair, size_t slot, unsigned int times, uint64_t uses)
{
	uint64_t ns = soak->before_ns[pair][slot];

	snprintf(text, size, "client %zu of %s %d%s, closed first by the %s, %u of %lu told, the last at "
		 "%lu.%06lu", slot, pair == PASSERS ? "passers" : "pair", pair,
		 pair == PASSERS && slot % NETNS_EACH == 0 ? " in a namespace of its own" : "",
		 slot % 2 ? "server" : "client", times, uses, ns / 1000000000, ns / 1000 % 1000000);
	printf("# missing: %s\n", text);
}

/* Whether it may never have entered TIME_WAIT: then no reader has told it. */
static bool may_have_waited(int pair, size_t slot, uint64_t uses)
{
	bool waited = soak->fin_is_late[pair][slot];

	for (int i = 0; i < READERS; i++)
		waited &= soak->reader[i].ends.times[pair][slot] + 1U == uses;
	return waited;
}

/* @example gets the last of the first ten that are missing; @waited: how many of these may have waited in vain. */
static void compare(const struct reader *r, uint64_t *missing, uint64_t *waited, uint64_t *twice, char *example,
		    size_t size)
{
	for (int pair = 0; pair < GROUPS; pair++)
		for (size_t slot = 0; slot < SLOTS; slot++) {
			uint64_t uses = uses_of(pair, slot);
			uint16_t times = r->ends.times[pair][slot];

			*waited += may_have_waited(pair, slot, uses);
			if (times < uses && *missing < 10)
				say_missing(example, size, pair, slot, times, uses);
			*missing += times < uses ? uses - times : 0;
			*twice += times > uses ? times - uses : 0;
		}
}

void soak__judge_reader(int i, const struct program *p, uint64_t sum)
{
	struct reader *r = &soak->reader[i];
	uint64_t missing = 0, waited = 0, twice = 0;
	unsigned long lost, delivered;
	char text[4096], example[256] = "", *account;

	compare(r, &missing, &waited, &twice, example, sizeof(example));
	program__read_stderr(p, text, sizeof(text));
	account = strstr(text, "delivered=") ?: text;
	lost = soak__number_after(account, "lost=");
	delivered = soak__number_after(account, "delivered=");
	r->lost = lost;
	printf("# reader %d%s: %lu told, %lu of them by snapshots, %lu without a process; missing=%lu "
	       "twice=%lu wrong_pid=%lu foreign=%lu others=%lu; %s", i, i == STOPPED ? ", stopped" : "",
	       r->ours, r->found, r->nobody, missing, twice, r->wrong_pid, r->foreign, r->others,
	       account);
	if (r->nobody_line[0])
		printf("# by nobody: %s\n", r->nobody_line);
	if (r->wrong_line[0])
		printf("# closed by another: %s\n", r->wrong_line);
	if (twice || r->foreign || r->wrong_pid)
		soak__fail("reader %d: %lu ends twice, %lu that nobody made%s, %lu wrong processes", i, twice,
			   r->foreign, r->example, r->wrong_pid);
	if (delivered != r->lines)
		soak__fail("reader %d: delivered=%lu, but %lu lines came", i, delivered, r->lines);
	/* Of others' on this machine it is not known which were lost. */
	if (waited)
		printf("# %lu of these were waiting for a FIN for long\n", waited);
	if (missing > lost + (waited < WAITED_MOST ? waited : WAITED_MOST) || lost > missing + soak->reader[!i].others)
		soak__fail("reader %d: %lu of %lu are missing (%s), but lost=%lu; %lu were found by "
			   "snapshots", i, missing, sum, example, lost, r->found);
}
