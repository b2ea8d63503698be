// SPDX-License-Identifier: GPL-2.0
#include "commands/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/parse.h"
#include "commands/said.h"

#define MAX_OPTIONS 64
#define LONG_BASE 256 /* getopt's value of option N of all parts is LONG_BASE + N */
#define HELP_COLUMN 30
#define WHY_BYTES 256

static const struct option_spec help_table[] = {
	{ .short_name = 'h', .long_name = "help", .help = "show this help" },
	{ 0 },
};

/* The tables of all parts in getopt's form, and the way back. */
struct walk {
	const struct command_spec *cmd;
	const struct option_spec *specs[MAX_OPTIONS];
	void *into[MAX_OPTIONS];
	int count;
	struct option longs[MAX_OPTIONS + 1];
	char shorts[2 * MAX_OPTIONS + 2];
};

static void add_table(struct walk *w, const struct option_spec *table, void *into, size_t *shorts)
{
	for (; table->long_name && w->count < MAX_OPTIONS; table++) {
		w->longs[w->count] = (struct option){
			.name = table->long_name,
			.has_arg = table->arg_name ? required_argument : no_argument,
			.val = LONG_BASE + w->count,
		};
		w->specs[w->count] = table;
		w->into[w->count] = into;
		w->count++;
		if (!table->short_name)
			continue;
		w->shorts[(*shorts)++] = table->short_name;
		if (table->arg_name)
			w->shorts[(*shorts)++] = ':';
	}
}

static void build(struct walk *w, const struct command_spec *cmd)
{
	size_t shorts = 1;

	*w = (struct walk){ .cmd = cmd, .shorts = ":" };
	for (size_t i = 0; i < cmd->num_parts; i++)
		add_table(w, cmd->parts[i].table, cmd->parts[i].into, &shorts);
	add_table(w, help_table, NULL, &shorts);
}

/* The index in the walk of what getopt returned, or -1. */
static int find(const struct walk *w, int value)
{
	if (value >= LONG_BASE)
		return value - LONG_BASE < w->count ? value - LONG_BASE : -1;
	for (int i = 0; i < w->count; i++) {
		if (value && w->specs[i]->short_name == value)
			return i;
	}
	return -1;
}

static const char *separator(const struct command_spec *cmd)
{
	return cmd->name[0] ? " " : "";
}

enum options_result options__complain(const struct command_spec *cmd, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "twsnoop: %s%s", cmd->name, cmd->name[0] ? ": " : "");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, " (try 'twsnoop%s%s --help')\n", separator(cmd), cmd->name);
	return OPTIONS_WRONG_USAGE;
}

/* What getopt calls '?' or ':'; @word is the argument that it was looking at. */
static enum options_result complain_unknown(const struct walk *w, int what, const char *word)
{
	char name[96];
	int i = find(w, optopt);

	if (what == ':' && i >= 0)
		return options__complain(w->cmd, "--%s needs an argument: %s",
					 w->specs[i]->long_name, w->specs[i]->arg_name);
	if (i >= 0)
		return options__complain(w->cmd, "--%s takes no argument",
					 w->specs[i]->long_name);
	if (optopt) {
		char letter[2] = { (char)optopt, '\0' };

		return options__complain(w->cmd, "unknown option '-%s'",
					 escape__quote(name, sizeof(name), letter));
	}
	return options__complain(w->cmd, "unknown or ambiguous option '%s'",
				 escape__quote(name, sizeof(name), word));
}

static int help_option(FILE *out, const struct option_spec *o)
{
	const char *line = o->help;
	int used;

	if (o->short_name)
		used = fprintf(out, "  -%c, --%s", o->short_name, o->long_name);
	else
		used = fprintf(out, "      --%s", o->long_name);
	if (o->arg_name)
		used += fprintf(out, " %s", o->arg_name);
	if (used >= HELP_COLUMN) {
		fputc('\n', out);
		used = 0;
	}
	while (*line) {
		size_t len = strcspn(line, "\n");

		fprintf(out, "%*s%.*s\n", HELP_COLUMN - used, "", (int)len, line);
		used = 0;
		line += len + (line[len] == '\n');
	}
	return ferror(out);
}

static enum options_result print_help(const struct command_spec *cmd)
{
	FILE *out = stdout;
	const char *title = NULL;

	fprintf(out, "Usage: twsnoop%s%s %s\n%s\n", separator(cmd), cmd->name, cmd->usage,
		cmd->about);
	for (size_t i = 0; i < cmd->num_parts; i++) {
		title = cmd->parts[i].title ? cmd->parts[i].title : "Options";
		fprintf(out, "\n%s:\n", title);
		for (const struct option_spec *o = cmd->parts[i].table; o->long_name; o++)
			help_option(out, o);
	}
	fputs(title ? "\n" : "\nOptions:\n", out);
	help_option(out, help_table);
	return said__flush() ? OPTIONS_HELP_FAILED : OPTIONS_HELP;
}

static enum options_result take(const struct walk *w, int i, const char *arg)
{
	const struct option_spec *o = w->specs[i];
	char why[WHY_BYTES] = "";
	char *field;

	if (o == help_table)
		return print_help(w->cmd);
	/* An unset variable of a script, most often: never what was meant. */
	if (o->arg_name && !*arg)
		return options__complain(w->cmd, "--%s: '' is empty", o->long_name);
	field = w->into[i];
	if (o->handle(field + o->offset, arg, why, sizeof(why)))
		return options__complain(w->cmd, "--%s: %s", o->long_name, why);
	return OPTIONS_OK;
}

enum options_result options__parse(const struct command_spec *cmd, int argc, char **argv,
				   int *operand)
{
	enum options_result result;
	char name[96];
	struct walk w;

	build(&w, cmd);
	opterr = 0;
	optind = 0; /* glibc: start anew */
	for (;;) {
		int value = getopt_long(argc, argv, w.shorts, w.longs, NULL);
		int i = find(&w, value);

		if (value == -1)
			break;
		if (value == '?' || value == ':' || i < 0)
			return complain_unknown(&w, value, argv[optind - 1]);
		result = take(&w, i, optarg);
		if (result != OPTIONS_OK)
			return result;
	}
	if (operand)
		*operand = optind;
	else if (optind < argc)
		return options__complain(cmd, "unexpected argument '%s'",
					 escape__quote(name, sizeof(name), argv[optind]));
	return OPTIONS_OK;
}

int options__exit_status(enum options_result result)
{
	switch (result) {
	case OPTIONS_WRONG_USAGE:
		return 2;
	case OPTIONS_HELP_FAILED:
		return 1;
	default:
		return 0;
	}
}

/* ---- handlers ---- */

/* "'ARG' PROBLEM" */
static int complain_about(const char *arg, const char *problem, char *why, size_t why_len)
{
	char quoted[128];

	snprintf(why, why_len, "'%s' %s", escape__quote(quoted, sizeof(quoted), arg), problem);
	return -EINVAL;
}

int option__flag(void *field, const char *arg, char *why, size_t why_len)
{
	(void)arg, (void)why, (void)why_len;
	*(bool *)field = true;
	return 0;
}

int option__string(void *field, const char *arg, char *why, size_t why_len)
{
	if (!*arg)
		return complain_about(arg, "is empty", why, why_len);
	*(const char **)field = arg;
	return 0;
}

int option__count(void *field, const char *arg, char *why, size_t why_len)
{
	uint64_t value;

	if (parse__u64(arg, 1, UINT64_MAX, &value))
		return complain_about(arg, "is not a number from 1 on", why, why_len);
	*(uint64_t *)field = value;
	return 0;
}

int option__duration(void *field, const char *arg, char *why, size_t why_len)
{
	uint64_t ns;

	if (parse__duration(arg, &ns) || !ns)
		return complain_about(arg, "is not a length of time (10, 1.5s, 500ms, 5m, 1h)",
				      why, why_len);
	*(uint64_t *)field = ns;
	return 0;
}

int option__size(void *field, const char *arg, char *why, size_t why_len)
{
	uint64_t bytes;

	if (parse__size(arg, &bytes) || !bytes)
		return complain_about(arg, "is not a size (65536, 64K, 16M, 1G)", why,
				      why_len);
	*(uint64_t *)field = bytes;
	return 0;
}

int option__format(void *field, const char *arg, char *why, size_t why_len)
{
	enum sink_format *format = field;

	if (!strcmp(arg, "text"))
		*format = SINK_TEXT;
	else if (!strcmp(arg, "json"))
		*format = SINK_JSON;
	else if (!strcmp(arg, "csv"))
		*format = SINK_CSV;
	else
		return complain_about(arg, "is none of text, json, csv", why, why_len);
	return 0;
}

int option__json(void *field, const char *arg, char *why, size_t why_len)
{
	(void)arg, (void)why, (void)why_len;
	*(enum sink_format *)field = SINK_JSON;
	return 0;
}

const struct option_spec output_option_table[] = {
	{ 'o', "output", "text|json|csv", "the form of the output (default: text)",
	  option__format, offsetof(struct output_options, format) },
	{ 0, "json", NULL, "short for --output json", option__json,
	  offsetof(struct output_options, format) },
	{ 0 },
};
