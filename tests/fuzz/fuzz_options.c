// SPDX-License-Identifier: GPL-2.0
/* Any words as a command line: each result is one of the four, complaints in one line. */
#include "fuzz.h"

#include <stdbool.h>

#include "commands/filter_words.h"
#include "commands/options.h"
#include "tests/unit/support.h"

#define MAX_WORDS 40

struct own_options {
	bool all, no_names;
	uint64_t count, duration_ns, ring_bytes;
	const char *file;
};

static const struct option_spec own_table[] = {
	{ 'a', "all", NULL, "flag", option__flag, offsetof(struct own_options, all) },
	{ 0, "no-names", NULL, "flag", option__flag, offsetof(struct own_options, no_names) },
	{ 'n', "count", "N", "count", option__count, offsetof(struct own_options, count) },
	{ 0, "duration", "S", "time", option__duration, offsetof(struct own_options, duration_ns) },
	{ 0, "ring", "BYTES", "size", option__size, offsetof(struct own_options, ring_bytes) },
	{ 'f', "file", "PATH", "string", option__string, offsetof(struct own_options, file) },
	{ 0 },
};

/* A run of options__parse() with what it says on stderr, of which it keeps the start. */
static enum options_result parse(const struct command_spec *spec, int argc, char **argv,
				 int *operand, char *said, size_t size)
{
	FILE *real_err = stderr, *real_out = stdout;
	FILE *err = fmemopen(said, size, "w"), *out = fopen("/dev/null", "w");
	enum options_result result;

	CHECK(err && out);
	stderr = err;
	stdout = out;
	result = options__parse(spec, argc, argv, operand);
	stderr = real_err;
	stdout = real_out;
	fclose(err);
	fclose(out);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct own_options own = { 0 };
	struct filter_options filters = { 0 };
	struct output_options output = { 0 };
	const struct option_part parts[] = {
		{ NULL, own_table, &own },
		{ "Filters", filter_option_table, &filters },
		{ "Output", output_option_table, &output },
	};
	const struct command_spec spec = { "fuzz", "", "", parts, 3 };
	char *words = fuzz__string(data, size), *argv[MAX_WORDS + 2] = { "fuzz" };
	char said[2048] = "";
	enum options_result result;
	int argc = 1, operand = -1;

	for (char *word = words; word < words + size && argc <= MAX_WORDS;
	     word += strlen(word) + 1)
		argv[argc++] = word;
	result = parse(&spec, argc, argv, size & 1 ? &operand : NULL, said, sizeof(said));
	if (result == OPTIONS_WRONG_USAGE) {
		size_t len = strlen(said);

		CHECK(strchr(said, '\n') == said + len - 1);
		CHECK(support__is_safe_text(said, len - 1));
	} else {
		CHECK(result == OPTIONS_OK || result == OPTIONS_HELP);
		CHECK(!said[0]);
	}
	CHECK(output.format <= SINK_CSV && filters.num_containers <= TWS_MAX_FILTER);
	free(words);
	return 0;
}
