/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sink for events that is a store in the network: records become batches, batches go to a spool on
 * disk (spool.h), and a thread of its own sends them, the oldest first, and again until the store
 * has them. Who gives records never waits, for the disk no more than for the store.
 *
 *	err = exporter__new(&exporter, &opts, &failure);
 *	(a source that looks back is asked for what is since exporter__since_ns())
 *	err = exporter__start(exporter);
 *	... exporter__put(exporter, rec); while (exporter__say(exporter, line, sizeof(line))) ...
 *	exporter__finish(exporter, deadline_ns);
 *	exporter__account(exporter, &account);
 *	exporter__free(exporter);
 */
#ifndef TWSNOOP_EXPORTER_H
#define TWSNOOP_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/encoder.h"
#include "model/record.h"

#define EXPORTER_LINE_BYTES 1024

enum exporter_kind { EXPORTER_OTLP, EXPORTER_CLICKHOUSE };

struct exporter_options {
	enum exporter_kind kind;
	const char *url;
	/* A folder of folders, which is made if only that is missing: "otlp", "clickhouse". */
	const char *spool_dir;
	uint64_t spool_bytes;
	struct encoder_host host;
	/* NULL: not given. OTLP: OTEL_EXPORTER_OTLP_HEADERS, "name=value,name=value"; ClickHouse: a
	 * user and a password, before those of the URL. */
	const char *headers, *user, *password;
};

struct exporter_failure {
	char text[512]; /* for the user */
};

/* Of events, but failed and damaged. */
struct exporter_account {
	uint64_t sent;	       /* the store has them */
	uint64_t queued;       /* in the spool, or on the way to it */
	uint64_t queued_bytes; /* of the spool */
	uint64_t dropped;      /* gave way, were refused, or found no memory */
	uint64_t failed;       /* attempts to send that did not succeed */
	uint64_t damaged;      /* files of the spool: nobody knows how many events were in them */
	uint64_t repeated;     /* a look back gave them again: left out */
};

struct exporter;

/*
 * exporter__new() - opens the spool, and sends nothing yet. Returns 0 and *@exporterp, to be freed by
 * exporter__free(), or a negative errno and @failure: -EBUSY where another process has the spool,
 * -EINVAL for a URL that is none, -EOPNOTSUPP where libcurl is missing.
 */
int exporter__new(struct exporter **exporterp, const struct exporter_options *opts,
		  struct exporter_failure *failure);

/* exporter__name() - "otlp", "clickhouse". */
const char *exporter__name(const struct exporter *exporter);

/* exporter__since_ns() - see spool__since_ns(): of what is given again, only that is sent which was
 * not written before. 0: there is nothing to go on from. */
uint64_t exporter__since_ns(const struct exporter *exporter);

/* exporter__end_ns() - see spool__end_ns(): where the last run's events end. */
uint64_t exporter__end_ns(const struct exporter *exporter);

/* exporter__start() - its thread. Privileges are given up before. Returns 0 or a negative errno. */
int exporter__start(struct exporter *exporter);

/* exporter__put() - @rec is sent in its time, or counted as dropped. Not from several threads. */
void exporter__put(struct exporter *exporter, const struct record *rec);

/* exporter__say() - the next line for the user, if there is one. */
bool exporter__say(struct exporter *exporter, char line[EXPORTER_LINE_BYTES]);

/* exporter__account() - so far; from any thread. */
void exporter__account(struct exporter *exporter, struct exporter_account *account);

/*
 * exporter__end() - what was put goes to the spool, and from there to the store until all is sent, or
 * until @deadline_ns (CLOCK_MONOTONIC). Does not wait, and may be called again with another time.
 * exporter__has_ended() - it is so, or was never started. What is left is sent by the next run.
 */
void exporter__end(struct exporter *exporter, uint64_t deadline_ns);
bool exporter__has_ended(const struct exporter *exporter);

/* exporter__finish() - the same, and waits for it. */
void exporter__finish(struct exporter *exporter, uint64_t deadline_ns);

void exporter__free(struct exporter *exporter); /* NULL is allowed */

#endif
