/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options that say where events are sent, and the exporters that they ask for.
 */
#ifndef TWSNOOP_EXPORT_WORDS_H
#define TWSNOOP_EXPORT_WORDS_H

#include <stdint.h>

#include "commands/options.h"
#include "export/exporter.h"

#define EXPORT_WORDS_MAX 2

/* --otlp --clickhouse --spool --spool-size: a part of a command's options. */
struct export_options {
	const char *otlp, *clickhouse; /* NULL: not asked for */
	const char *spool;	       /* NULL: STATE_DIR_SPOOL */
	uint64_t spool_bytes;	       /* 0: 256 MiB */
};

extern const struct option_spec export_option_table[];

/* export_words__check() - OPTIONS_OK, or OPTIONS_WRONG_USAGE once it has complained. */
enum options_result export_words__check(const struct export_options *opts,
					const struct command_spec *spec);

/*
 * export_words__open() - those that are asked for, with what this host and the environment say of
 * them, not started yet. Returns how many, to be freed by the caller each, or a negative errno and
 * @failure: then there are none.
 */
int export_words__open(const struct export_options *opts,
		       struct exporter *exporters[EXPORT_WORDS_MAX],
		       struct exporter_failure *failure);

#endif
