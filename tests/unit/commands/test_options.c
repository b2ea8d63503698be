// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands/filter_words.h"
#include "commands/options.h"
#include "tests/unit/support.h"

struct own_options {
	bool all, no_names;
	uint64_t count, duration_ns, ring_bytes;
	const char *file;
};

static const struct option_spec own_table[] = {
	{ 'a', "all", NULL, "everything", option__flag, offsetof(struct own_options, all) },
	{ 0, "no-names", NULL, "ask nobody", option__flag,
	  offsetof(struct own_options, no_names) },
	{ 'n', "count", "N", "stop after N", option__count, offsetof(struct own_options, count) },
	{ 0, "duration", "S", "stop after S", option__duration,
	  offsetof(struct own_options, duration_ns) },
	{ 0, "ring-with-a-very-long-name", "BYTES", "how large\n(a power of two)", option__size,
	  offsetof(struct own_options, ring_bytes) },
	{ 'f', "file", "PATH", "a file", option__string, offsetof(struct own_options, file) },
	{ 0 },
};

struct fixture {
	struct own_options own;
	struct filter_options filters;
	struct output_options output;
	struct option_part parts[3];
	struct command_spec spec;
};

static void prepare(struct fixture *f)
{
	*f = (struct fixture){};
	f->parts[0] = (struct option_part){ NULL, own_table, &f->own };
	f->parts[1] = (struct option_part){ "Filters", filter_option_table, &f->filters };
	f->parts[2] = (struct option_part){ "Output", output_option_table, &f->output };
	f->spec = (struct command_spec){ "trace", "[OPTION]...", "Print things.", f->parts, 3 };
}

/* Splits @line at blanks into an argv after "trace"; '_' stands for an empty one. */
static enum options_result parse(struct fixture *f, const char *line, int *operand)
{
	static char words[512];
	char *argv[64] = { "trace" }, *rest = words;
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word; (word = strsep(&rest, " "));) {
		if (*word)
			argv[argc++] = !strcmp(word, "_") ? "" : word;
	}
	return options__parse(&f->spec, argc, argv, operand);
}

/* The same, with what it writes to @fd (1 or 2) in *said, to be freed. */
static enum options_result parse_said(struct fixture *f, const char *line, int fd, char **said)
{
	int memory = support__memfd(), saved = dup(fd);
	enum options_result result;

	fflush(NULL);
	assert_true(saved >= 0 && dup2(memory, fd) == fd);
	result = parse(f, line, NULL);
	fflush(NULL);
	assert_int_equal(dup2(saved, fd), fd);
	close(saved);
	*said = support__contents(memory, NULL);
	close(memory);
	return result;
}

static void all_kinds(void **unused)
{
	struct fixture f;

	(void)unused;
	prepare(&f);
	assert_int_equal(parse(&f, "", NULL), OPTIONS_OK);
	assert_false(f.own.no_names);
	assert_true(filter__is_empty(&f.filters.filter));
	assert_int_equal(f.output.format, SINK_TEXT);
	assert_int_equal(parse(&f,
			       "-a --no-names -n 5 --duration=1.5s --ring-with 16M -f /x --json "
			       "-p 1,2 --pid 3 -c nginx -C web -C db -4 -l :80 -r 10.0.0.0/8 "
			       "--side server --netns 4026531840",
			       NULL),
			 OPTIONS_OK);
	assert_true(f.own.all);
	assert_true(f.own.no_names);
	assert_int_equal(f.own.count, 5);
	assert_int_equal(f.own.duration_ns, 1500000000);
	assert_int_equal(f.own.ring_bytes, 16 << 20);
	assert_string_equal(f.own.file, "/x");
	assert_int_equal(f.output.format, SINK_JSON);
	assert_int_equal(f.filters.filter.num_pids, 3);
	assert_int_equal(f.filters.filter.num_comms, 1);
	assert_int_equal(f.filters.filter.num_locals, 1);
	assert_int_equal(f.filters.filter.num_peers, 1);
	assert_int_equal(f.filters.filter.num_netns, 1);
	assert_int_equal(f.filters.filter.family, AF_INET);
	assert_int_equal(f.filters.filter.side, TWS_SIDE_SERVER);
	assert_int_equal(f.filters.num_containers, 2);
	assert_string_equal(f.filters.containers[1], "db");
}

static void families(void **unused)
{
	struct fixture f;

	(void)unused;
	prepare(&f);
	assert_int_equal(parse(&f, "-n1 -6", NULL), OPTIONS_OK);
	assert_int_equal(f.own.count, 1);
	assert_int_equal(f.filters.filter.family, AF_INET6);
	assert_int_equal(parse(&f, "-4", NULL), OPTIONS_OK);
	assert_int_equal(f.filters.filter.family, 0);
	prepare(&f);
	assert_int_equal(parse(&f, "-46 -4", NULL), OPTIONS_OK);
	assert_int_equal(f.filters.filter.family, 0);
}

static void formats(void **unused)
{
	struct fixture f;

	(void)unused;
	prepare(&f);
	assert_int_equal(parse(&f, "-ocsv", NULL), OPTIONS_OK);
	assert_int_equal(f.output.format, SINK_CSV);
	assert_int_equal(parse(&f, "--output json", NULL), OPTIONS_OK);
	assert_int_equal(f.output.format, SINK_JSON);
	assert_int_equal(parse(&f, "-o text", NULL), OPTIONS_OK);
	assert_int_equal(f.output.format, SINK_TEXT);
}

static void operands(void **unused)
{
	struct fixture f;
	int operand = 0;

	(void)unused;
	prepare(&f);
	assert_int_equal(parse(&f, "-a one two", &operand), OPTIONS_OK);
	assert_int_equal(operand, 2);
	assert_int_equal(parse(&f, "-a -- -n", &operand), OPTIONS_OK);
	assert_int_equal(operand, 3);
	assert_int_equal(parse(&f, "", &operand), OPTIONS_OK);
	assert_int_equal(operand, 1);
}

static void complaints(void **unused)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "--pid 1x", "--pid: '1x' is not a PID" },
		{ "-p -1", "--pid: '-1' is not a PID" },
		{ "-p _", "--pid: '' is empty" },
		{ "-l :70000", "--local: '70000' is not a port" },
		{ "-r 1.2.3", "--remote: '1.2.3' is not an IP address" },
		{ "-c _", "--comm: '' is empty" },
		{ "-C _", "--container: '' is empty" },
		{ "--side both", "--side: 'both' is neither client nor server" },
		{ "--netns /dev/null", "--netns: '/dev/null' is no network namespace" },
		{ "-n 0", "--count: '0' is not a number from 1 on" },
		{ "-n -1", "--count: '-1' is not a number from 1 on" },
		{ "-n 18446744073709551616",
		  "--count: '18446744073709551616' is not a number from 1 on" },
		{ "--duration 0",
		  "--duration: '0' is not a length of time (10, 1.5s, 500ms, 5m, 1h)" },
		{ "--duration x",
		  "--duration: 'x' is not a length of time (10, 1.5s, 500ms, 5m, 1h)" },
		{ "--ring-with 1X", "--ring-with-a-very-long-name: '1X' is not a size (65536, "
				    "64K, 16M, 1G)" },
		{ "-f _", "--file: '' is empty" },
		{ "-o xml", "--output: 'xml' is none of text, json, csv" },
		{ "--nope", "unknown or ambiguous option '--nope'" },
		{ "--nope\33[2J", "unknown or ambiguous option '--nope\\x1b[2J'" },
		{ "--no", "" }, /* an unambiguous start of --no-names is fine */
		{ "-z", "unknown option '-z'" },
		{ "-az", "unknown option '-z'" },
		{ "-\33", "unknown option '-\\x1b'" },
		{ "-n", "--count needs an argument: N" },
		{ "--count", "--count needs an argument: N" },
		{ "--all=1", "--all takes no argument" },
		{ "extra", "unexpected argument 'extra'" },
		{ "-a -- -n", "unexpected argument '-n'" },
		{ "_", "unexpected argument ''" },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum options_result result;
		char want[256] = "", *said;
		struct fixture f;

		prepare(&f);
		if (*cases[i].want)
			snprintf(want, sizeof(want),
				 "twsnoop: trace: %s (try 'twsnoop trace --help')\n",
				 cases[i].want);
		result = parse_said(&f, cases[i].line, STDERR_FILENO, &said);
		assert_string_equal(said, want);
		assert_int_equal(options__exit_status(result), *want ? 2 : 0);
		free(said);
	}
}

static void too_many(void **unused)
{
	struct fixture f;
	char *said;

	(void)unused;
	prepare(&f);
	assert_int_equal(parse_said(&f,
				    "-C1 -C2 -C3 -C4 -C5 -C6 -C7 -C8 -C9 -C10 -C11 -C12 -C13 "
				    "-C14 -C15 -C16 -C17",
				    STDERR_FILENO, &said),
			 OPTIONS_WRONG_USAGE);
	assert_int_equal(f.filters.num_containers, TWS_MAX_FILTER);
	assert_non_null(strstr(said, "--container: more than 16 of them"));
	free(said);
}

/* Each line of the help fits a terminal; each option is there with its argument. */
static void help(void **unused)
{
	struct fixture f;
	char *said;

	(void)unused;
	prepare(&f);
	assert_int_equal(parse_said(&f, "-a --help --nope", STDOUT_FILENO, &said), OPTIONS_HELP);
	assert_int_equal(options__exit_status(OPTIONS_HELP), 0);
	assert_ptr_equal(strstr(said, "Usage: twsnoop trace [OPTION]...\nPrint things.\n\n"
				      "Options:\n"),
			 said);
	assert_non_null(strstr(said, "\n  -a, --all                   everything\n"));
	assert_non_null(strstr(said, "\n      --ring-with-a-very-long-name BYTES\n"
				     "                              how large\n"
				     "                              (a power of two)\n"));
	assert_non_null(strstr(said, "\nFilters:\n  -p, --pid [!]PID[,...]"));
	assert_non_null(strstr(said, "\n      --side client|server "));
	assert_non_null(strstr(said, "\n  -h, --help                  show this help\n"));
	for (char *line = said, *end; (end = strchr(line, '\n')); line = end + 1)
		assert_in_range(end - line, 0, 99);
	free(said);
	assert_int_equal(parse_said(&f, "-h", STDOUT_FILENO, &said), OPTIONS_HELP);
	free(said);
}

static void help_to_a_full_disk(void **unused)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDOUT_FILENO);
	enum options_result result;
	struct fixture f;

	(void)unused;
	prepare(&f);
	fflush(stdout);
	assert_int_equal(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
	result = parse(&f, "--help", NULL);
	fflush(stdout);
	clearerr(stdout);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close(saved);
	close(full);
	assert_int_equal(result, OPTIONS_HELP_FAILED);
	assert_int_equal(options__exit_status(result), 1);
}

static void the_program_itself(void **unused)
{
	struct fixture f;
	char *said;

	(void)unused;
	prepare(&f);
	f.spec.name = "";
	f.spec.num_parts = 0;
	parse_said(&f, "--nope", STDERR_FILENO, &said);
	assert_string_equal(said, "twsnoop: unknown or ambiguous option '--nope' "
				  "(try 'twsnoop --help')\n");
	free(said);
	parse_said(&f, "--help", STDOUT_FILENO, &said);
	assert_ptr_equal(strstr(said, "Usage: twsnoop [OPTION]...\n"), said);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds),
		cmocka_unit_test(families),
		cmocka_unit_test(formats),
		cmocka_unit_test(operands),
		cmocka_unit_test(complaints),
		cmocka_unit_test(too_many),
		cmocka_unit_test(help),
		cmocka_unit_test(help_to_a_full_disk),
		cmocka_unit_test(the_program_itself),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
