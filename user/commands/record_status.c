// SPDX-License-Identifier: GPL-2.0
#include "commands/record_status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdwriter.h"
#include "base/outbuf.h"
#include "commands/record_text.h"
#include "commands/said.h"
#include "store/history.h"

static int write_text(const char *path, const struct history_status *status, bool as_json, bool utc)
{
	struct outbuf text;
	int err = outbuf__init(&text, 4096);

	if (err)
		return said__status(err);
	if (as_json)
		record_text__json(&text, path, status);
	else
		record_text__status(&text, path, status, clock__now_ns(CLOCK_REALTIME),
				    utc ? &when_utc : &when_local);
	err = said__status(text.failed ? -ENOMEM :
					 fdwriter__write_all(STDOUT_FILENO, text.data, text.len));
	outbuf__free(&text);
	return err;
}

int record_status__print(const char *path, bool as_json, bool utc)
{
	struct history_status status = { 0 };
	struct store_failure failure = { "" };
	struct history *history;
	int err = history__open(&history, path, &failure);

	if (err) {
		fprintf(stderr, "twsnoop: %s\n", failure.text[0] ? failure.text : strerror(-err));
		return 1;
	}
	err = history__status(history, &status);
	if (err) {
		fprintf(stderr, "twsnoop: cannot read the recording: %s\n", strerror(-err));
		err = 1;
	} else {
		err = write_text(path, &status, as_json, utc);
	}
	history__close(history);
	return err;
}
