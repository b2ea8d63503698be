// SPDX-License-Identifier: GPL-2.0
/*
 * What the soak's readers take: their memory, and their processor time for a connection. Both have to stay
 * as they are.
 */
#define _GNU_SOURCE
#include "soak.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a reader remembers, for some minutes, of a close, at most, and of one that a snapshot has
 * found; and what tables grow by at once. */
#define BYTES_A_CLOSE 4
#define BYTES_A_FIND 64
#define SLACK_KB 16384
/* What a connection costs a reader may differ so much from one quarter of the time to the next, where a
 * quarter is long enough for a table full of TIME_WAIT. */
#define COST_RATIO 1.5
#define COST_MIN_S 480
/* A reader that was lapped has FINs whose ends were lost: they wait in a table of fixed size, of
 * which what was once used stays (JOIN_DEFAULT). */
#define LAPPED_KB 65536

static unsigned long anon_kb(pid_t pid)
{
	unsigned long kb = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static unsigned long ticks_of(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64], line[512];
	const char *rest;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f) && (rest = strrchr(line, ')')))
		sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	if (f)
		fclose(f);
	return user + system;
}

static void note_cost(struct memory *m, const struct program *readers, uint64_t ms, uint64_t total_ms)
{
	for (int i = 0; i < 3; i++) {
		if (m->made[i] || ms < total_ms / 4 * (2 + (uint64_t)i))
			continue;
		m->made[i] = soak__made();
		for (int r = 0; r < READERS; r++)
			m->ticks[r][i] = ticks_of(readers[r].pid);
	}
}

void soak__judge_cost(const struct memory *m, unsigned int seconds)
{
	long hz = sysconf(_SC_CLK_TCK);

	for (int i = 0; i < READERS; i++) {
		double us[2];

		for (int q = 0; q < 2; q++)
			us[q] = (double)(m->ticks[i][q + 1] - m->ticks[i][q]) * 1e6 / (double)hz /
				((double)(m->made[q + 1] - m->made[q]) + 1);
		printf("# reader %d: %.2f us of processor time a connection in the third quarter of the "
		       "time, %.2f in the last\n", i, us[0], us[1]);
		if (seconds >= COST_MIN_S && us[1] > us[0] * COST_RATIO)
			soak__fail("reader %d: a connection costs %.2f us, and did cost %.2f", i, us[1],
				   us[0]);
	}
}

void soak__note_memory(struct memory *m, const struct program *readers, uint64_t ms,
		       uint64_t total_ms)
{
	note_cost(m, readers, ms, total_ms);
	if (ms >= total_ms / 2 && !m->made_at_half)
		m->made_at_half = soak__made();
	for (int i = 0; i < READERS; i++) {
		unsigned long kb = anon_kb(readers[i].pid);
		unsigned long *least = ms >= total_ms / 4 * 3 ? &m->last[i] : &m->third[i];

		m->most[i] = kb > m->most[i] ? kb : m->most[i];
		if (ms >= total_ms / 2 && (!*least || kb < *least))
			*least = kb;
	}
}

void soak__judge_memory(const struct memory *m, uint64_t sum)
{
	uint64_t later = sum - m->made_at_half;

	for (int i = 0; i < READERS; i++) {
		uint64_t bound_kb = (later * BYTES_A_CLOSE +
				     soak->reader[i].found * BYTES_A_FIND) / 1024 + SLACK_KB +
				    (soak->reader[i].lost ? LAPPED_KB : 0);

		printf("# reader %d: %lu KiB of its own in the third quarter of the time, %lu in the "
		       "last, %lu at most\n", i, m->third[i], m->last[i], m->most[i]);
		if (m->last[i] > m->third[i] + bound_kb)
			soak__fail("reader %d has grown from %lu to %lu KiB in the second half", i,
				   m->third[i], m->last[i]);
	}
}

void soak__say_progress(uint64_t ms, const struct program *readers)
{
	static uint64_t said;

	if (ms / 30000 == said)
		return;
	said = ms / 30000;
	printf("# %lu s: %lu made; the readers have %lu and %lu KiB\n", ms / 1000, soak__made(),
	       anon_kb(readers[0].pid), anon_kb(readers[1].pid));
	fflush(stdout);
}
