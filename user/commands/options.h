/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Command lines from tables: a command lists its options, each with the handler
 * that fills a field of the command's struct, and this walks argv,
 * complains in one line, and prints --help. Tables are made of parts, so that
 * the filters and the output options are the same for every command.
 *
 *	struct trace_options { bool all; uint64_t duration_ns; };
 *	static const struct option_spec trace_table[] = {
 *		{ 'a', "all", NULL, "print every way …", option__flag,
 *		  offsetof(struct trace_options, all) },
 *		{ 0 },
 *	};
 *	struct trace_options opts = { 0 };
 *	struct filter_options filters = { 0 };
 *	const struct option_part parts[] = {
 *		{ NULL, trace_table, &opts },
 *		{ "Filters", filter_option_table, &filters },
 *	};
 *	const struct command_spec spec = { "trace", "[OPTION]...", "Print …", parts, 2 };
 *	int rc = options__parse(&spec, argc, argv, NULL);
 *	if (rc != OPTIONS_OK)
 *		return options__exit_status(rc);
 */
#ifndef TWSNOOP_OPTIONS_H
#define TWSNOOP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output/sink.h"

/*
 * Takes the option's argument (NULL if it has none; never an empty one) into @field. Returns 0 or a
 * negative errno with a few words for the user in @why; @field is then unchanged.
 */
typedef int option_handler(void *field, const char *arg, char *why, size_t why_len);

/* One option; a table ends with { 0 }. */
struct option_spec {
	char short_name;	/* 0: none */
	const char *long_name;	/* always there */
	const char *arg_name;	/* as --help shows it; NULL: takes no argument */
	const char *help;	/* newlines start a new, indented line */
	option_handler *handle;
	size_t offset;		/* of the field in what the part fills */
};

struct option_part {
	const char *title; /* in --help; NULL: "Options" */
	const struct option_spec *table;
	void *into;
};

struct command_spec {
	const char *name;  /* "trace"; "" for twsnoop itself */
	const char *usage; /* what follows the name in the usage line */
	const char *about; /* a sentence or more, without the last newline */
	const struct option_part *parts;
	size_t num_parts;
};

enum options_result {
	OPTIONS_OK = 0,	      /* go on */
	OPTIONS_HELP = 1,     /* --help was asked for and printed: exit 0 */
	OPTIONS_HELP_FAILED,  /* --help could not be written: exit 1 */
	OPTIONS_WRONG_USAGE,  /* the complaint is on stderr: exit 2 */
};

/*
 * options__parse() - walk @argv, where argv[0] is the command's name. -h and
 * --help are understood for every command. Arguments that are no options are
 * allowed only if @operand is not NULL: then argv[*operand] is the first.
 * Uses getopt's global state: not for threads.
 */
enum options_result options__parse(const struct command_spec *cmd, int argc, char **argv,
				   int *operand);

/* 0, 1 or 2. */
int options__exit_status(enum options_result result);

/* options__complain() - the same one line on stderr for what a command itself
 * finds wrong with its options; returns OPTIONS_WRONG_USAGE. */
enum options_result options__complain(const struct command_spec *cmd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- handlers: what @field is, and what they take ---- */

option_handler option__flag;	 /* bool *, no argument: true */
option_handler option__string;	 /* const char **, not empty; points into argv */
option_handler option__count;	 /* uint64_t *, from 1 on */
option_handler option__duration; /* uint64_t * in ns, more than 0 */
option_handler option__size;	 /* uint64_t * in bytes, more than 0 */
option_handler option__format;	 /* enum sink_format *: text, json or csv */
option_handler option__json;	 /* enum sink_format *, no argument: SINK_JSON */

/* ---- a part that commands share; the filters are in filter_words.h ---- */

/* -o --json */
struct output_options {
	enum sink_format format; /* SINK_TEXT if zeroed and never set */
};

extern const struct option_spec output_option_table[];

#endif
