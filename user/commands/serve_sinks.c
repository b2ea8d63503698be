// SPDX-License-Identifier: GPL-2.0
#include "commands/serve_sinks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "commands/state_dir.h"

static int fail(struct serve_sinks *sinks, const char *what)
{
	char line[600];

	snprintf(line, sizeof(line), "cannot send events: %s", what);
	sinks->say(sinks->ctx, line);
	return -1;
}

int serve_sinks__open(struct serve_sinks *sinks, const struct export_options *opts)
{
	struct exporter_failure failure = { "" };
	int num = export_words__open(opts, sinks->exporters, &failure);

	if (num < 0) {
		fail(sinks, failure.text);
		return num;
	}
	sinks->num = num;
	sinks->spool = opts->spool ?: STATE_DIR_SPOOL;
	return 0;
}

/* The first of them; each leaves out what is before its own. */
uint64_t serve_sinks__since_ns(const struct serve_sinks *sinks)
{
	uint64_t first_ns = 0;

	for (int i = 0; i < sinks->num; i++) {
		uint64_t since_ns = exporter__since_ns(sinks->exporters[i]);

		if (since_ns && (!first_ns || since_ns < first_ns))
			first_ns = since_ns;
	}
	return first_ns;
}

void serve_sinks__say_gap(const struct serve_sinks *sinks, uint64_t reach_ns, const struct when_zone *zone)
{
	uint64_t offset_ns = (uint64_t)clock__wall_offset_ns();
	char since[WHEN_BYTES], until[WHEN_BYTES], line[256];

	for (int i = 0; i < sinks->num; i++) {
		uint64_t end_ns = exporter__end_ns(sinks->exporters[i]);

		if (!end_ns || end_ns >= reach_ns)
			continue;
		snprintf(line, sizeof(line), "%s: what was closed from %s to %s is not sent: no recorder has it",
			 exporter__name(sinks->exporters[i]), when__format(since, end_ns + offset_ns, zone),
			 when__format(until, reach_ns + offset_ns, zone));
		sinks->say(sinks->ctx, line);
	}
}

/* Whether this may be written to with what is left: the folder may belong to somebody else. */
static bool can_write(const char *spool, const char *name)
{
	char path[4096];

	return snprintf(path, sizeof(path), "%s/%s", spool, name) < (int)sizeof(path) &&
	       !faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS);
}

uint64_t serve_sinks__privileges(const struct serve_sinks *sinks, uint64_t mask)
{
	bool can = true;

	if (!sinks->num || privileges__use(mask))
		return 0;
	for (int i = 0; i < sinks->num; i++)
		can &= can_write(sinks->spool, exporter__name(sinks->exporters[i]));
	return can ? 0 : PRIVILEGE(CAP_DAC_OVERRIDE);
}

static void tell(struct serve_sinks *sinks)
{
	char line[EXPORTER_LINE_BYTES];

	for (int i = 0; i < sinks->num; i++)
		while (exporter__say(sinks->exporters[i], line))
			sinks->say(sinks->ctx, line);
}

int serve_sinks__start(struct serve_sinks *sinks)
{
	int err = 0;

	tell(sinks); /* of the spools, as they were found */
	sinks->has_started = true;
	for (int i = 0; !err && i < sinks->num; i++)
		err = exporter__start(sinks->exporters[i]);
	if (err)
		fail(sinks, strerror(-err));
	return err;
}

void serve_sinks__put(struct serve_sinks *sinks, const struct record *rec)
{
	for (int i = 0; i < sinks->num; i++)
		exporter__put(sinks->exporters[i], rec);
}

void serve_sinks__turn(struct serve_sinks *sinks, struct board *board)
{
	struct metrics_sink rows[EXPORT_WORDS_MAX];
	struct exporter_account account;

	if (!sinks->num)
		return;
	tell(sinks);
	for (int i = 0; i < sinks->num; i++) {
		exporter__account(sinks->exporters[i], &account);
		rows[i] = (struct metrics_sink){
			.name = exporter__name(sinks->exporters[i]),
			.sent = account.sent,
			.queued_bytes = account.queued_bytes,
			.dropped = account.dropped,
			.failed = account.failed,
			.damaged = account.damaged,
		};
	}
	metrics__set_sinks(board__metrics(board), rows, (size_t)sinks->num);
	board__unlock(board);
}

void serve_sinks__end(struct serve_sinks *sinks, uint64_t deadline_ns)
{
	for (int i = 0; i < sinks->num; i++)
		exporter__end(sinks->exporters[i], deadline_ns);
}

bool serve_sinks__has_ended(const struct serve_sinks *sinks)
{
	for (int i = 0; i < sinks->num; i++)
		if (!exporter__has_ended(sinks->exporters[i]))
			return false;
	return true;
}

static void say_account(struct serve_sinks *sinks, struct exporter *exporter)
{
	struct exporter_account account;
	char line[200];

	exporter__account(exporter, &account);
	snprintf(line, sizeof(line), "%s: sent=%" PRIu64 " queued=%" PRIu64 " dropped=%" PRIu64
		 " failed=%" PRIu64 " damaged=%" PRIu64 "%s", exporter__name(exporter), account.sent,
		 account.queued, account.dropped, account.failed, account.damaged,
		 account.queued ? ": what is queued waits in the spool for the next run" : "");
	sinks->say(sinks->ctx, line);
}

void serve_sinks__close(struct serve_sinks *sinks)
{
	for (int i = 0; i < sinks->num; i++)
		exporter__finish(sinks->exporters[i], 0);
	tell(sinks);
	for (int i = 0; i < sinks->num; i++) {
		if (sinks->has_started)
			say_account(sinks, sinks->exporters[i]);
		exporter__free(sinks->exporters[i]);
	}
	sinks->num = 0;
}
