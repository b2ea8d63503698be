// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop check: what capture/findings.h finds, as text or JSON.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fdwriter.h"
#include "base/outbuf.h"
#include "capture/findings.h"
#include "commands/check_words.h"
#include "commands/command.h"
#include "commands/options.h"
#include "commands/said.h"

struct check_options {
	const char *bpffs;
};

static const struct option_spec check_table[] = {
	{ 0, "bpffs", "DIR", "where 'twsnoop attach' has its bpffs (default " PINS_BPFFS ")",
	  option__string, offsetof(struct check_options, bpffs) },
	{ 0 },
};

static int print(const struct findings *f, enum sink_format format)
{
	struct outbuf ob;
	int err = outbuf__init(&ob, 8192);

	if (err)
		return err;
	if (format == SINK_JSON)
		check_json__put(&ob, f);
	else
		check_text__put(&ob, f);
	err = ob.failed ? -ENOMEM : fdwriter__write_all(STDOUT_FILENO, ob.data, ob.len);
	outbuf__free(&ob);
	return err;
}

int cmd_check(int argc, char **argv)
{
	struct check_options opts = { .bpffs = PINS_BPFFS };
	static struct findings findings;
	struct output_options output = {};
	const struct option_part parts[] = {
		{ NULL, check_table, &opts },
		{ "Output", output_option_table, &output },
	};
	const struct command_spec spec = {
		"check", "[OPTION]...",
		"Tell what this kernel and these privileges allow: which way twsnoop will trace,\n"
		"what is lost by that, and what to do about it. Exits 1 if it cannot trace.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int rc = options__parse(&spec, argc, argv, NULL), err;

	if (rc != OPTIONS_OK)
		return options__exit_status(rc);
	if (output.format == SINK_CSV)
		return options__exit_status(
			options__complain(&spec, "--output: it has text and json only"));
	findings__take(&findings, opts.bpffs);
	err = print(&findings, output.format);
	if (said__status(err))
		return 1;
	if (findings.why_not)
		fprintf(stderr, "twsnoop: cannot trace: %s\n", findings.why_not);
	return findings.why_not != NULL;
}
