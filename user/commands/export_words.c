// SPDX-License-Identifier: GPL-2.0
#include "commands/export_words.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commands/state_dir.h"
#include "export/endpoint.h"
#include "export/identity.h"
#include "export/spool.h"
#include "host/first_line.h"

#define DEFAULT_BYTES (256ULL << 20)

const struct option_spec export_option_table[] = {
	{ 0, "otlp", "URL", "send events to what takes OTLP logs: http://HOST:4318\n"
	  "(its headers: OTEL_EXPORTER_OTLP_HEADERS)", option__string,
	  offsetof(struct export_options, otlp) },
	{ 0, "clickhouse", "URL", "send events to ClickHouse: http://HOST:8123/?database=NAME\n"
	  "(CLICKHOUSE_USER, CLICKHOUSE_PASSWORD)", option__string,
	  offsetof(struct export_options, clickhouse) },
	{ 0, "spool", "DIR", "where events wait for their store\n(default " STATE_DIR_SPOOL ")",
	  option__string, offsetof(struct export_options, spool) },
	{ 0, "spool-size", "SIZE", "at most, for each store; then the oldest give way\n"
	  "(default 256M)", option__size, offsetof(struct export_options, spool_bytes) },
	{ 0 },
};

enum options_result export_words__check(const struct export_options *opts,
					const struct command_spec *spec)
{
	bool sends = opts->otlp || opts->clickhouse;

	if (opts->spool && !sends)
		return options__complain(spec, "--spool is for --otlp and --clickhouse");
	if (opts->spool_bytes && !sends)
		return options__complain(spec, "--spool-size is for --otlp and --clickhouse");
	if (opts->spool_bytes && opts->spool_bytes < SPOOL_LEAST_BYTES)
		return options__complain(spec, "--spool-size: at least 1M");
	return OPTIONS_OK;
}

static int read_host(struct encoder_host *host)
{
	struct utsname kernel;
	char boot[64];

	*host = (struct encoder_host){ 0 };
	if (gethostname(host->name, sizeof(host->name) - 1))
		host->name[0] = '\0';
	first_line__read("/etc/machine-id", host->id, sizeof(host->id));
	if (!uname(&kernel))
		snprintf(host->kernel, sizeof(host->kernel), "%s", kernel.release);
	first_line__read("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	return identity__parse_boot(boot, host->boot);
}

/* Before anything is made. */
static int check_url(const char *url, const char *option, struct exporter_failure *failure)
{
	struct endpoint *endpoint;
	const char *why;
	int err = url ? endpoint__new(&endpoint, url, NULL, &why) : 0;

	if (err)
		snprintf(failure->text, sizeof(failure->text), "%s: %s", option, why);
	else if (url)
		endpoint__free(endpoint);
	return err;
}

/* The folder that was asked for has to have its parent; the default place is ours to make. */
static int make_folder(const char *dir, struct exporter_failure *failure)
{
	if (!strcmp(dir, STATE_DIR_SPOOL))
		mkdir(STATE_DIR, 0750);
	if (!mkdir(dir, 0750) || errno == EEXIST)
		return 0;
	snprintf(failure->text, sizeof(failure->text), "cannot make the folder of --spool: %s",
		 strerror(errno));
	return -errno;
}

/* NULL where it is empty, too. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

static int open_one(struct exporter_options *opts, enum exporter_kind kind, const char *url,
		    struct exporter **exporter, struct exporter_failure *failure)
{
	opts->kind = kind;
	opts->url = url;
	opts->headers = kind == EXPORTER_OTLP ? variable("OTEL_EXPORTER_OTLP_HEADERS") : NULL;
	opts->user = kind == EXPORTER_CLICKHOUSE ? variable("CLICKHOUSE_USER") : NULL;
	opts->password = kind == EXPORTER_CLICKHOUSE ? variable("CLICKHOUSE_PASSWORD") : NULL;
	return exporter__new(exporter, opts, failure);
}

int export_words__open(const struct export_options *words,
		       struct exporter *exporters[EXPORT_WORDS_MAX],
		       struct exporter_failure *failure)
{
	struct exporter_options opts = {
		.spool_dir = words->spool ?: STATE_DIR_SPOOL,
		.spool_bytes = words->spool_bytes ?: DEFAULT_BYTES,
	};
	int num = 0, err;

	if (!words->otlp && !words->clickhouse)
		return 0;
	err = check_url(words->otlp, "--otlp", failure) ?:
	      check_url(words->clickhouse, "--clickhouse", failure) ?:
	      make_folder(opts.spool_dir, failure);
	if (!err && read_host(&opts.host)) {
		snprintf(failure->text, sizeof(failure->text),
			 "cannot read /proc/sys/kernel/random/boot_id, by which events are told apart");
		err = -ENOENT;
	}
	if (!err && words->otlp)
		err = open_one(&opts, EXPORTER_OTLP, words->otlp, &exporters[num], failure);
	num += !err && words->otlp;
	if (!err && words->clickhouse)
		err = open_one(&opts, EXPORTER_CLICKHOUSE, words->clickhouse, &exporters[num],
			       failure);
	num += !err && words->clickhouse;
	while (err && num)
		exporter__free(exporters[--num]);
	return err ?: num;
}
