/* SPDX-License-Identifier: GPL-2.0 */
/* What `record` tells of a recording: a line while it grows, and --status. */
#ifndef TWSNOOP_RECORD_TEXT_H
#define TWSNOOP_RECORD_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outbuf.h"
#include "base/when.h"
#include "recording/recorder.h"
#include "store/history.h"

/*
 * record_text__line() - "1234/s  412M of 1.00G  raw 3h07m  minutes 12d03h  lost 0  gap 0" in at most
 * @width columns (0: any number): the last parts go first. @rate is of records a second.
 */
void record_text__line(struct outbuf *to, const struct recorder_status *status, uint64_t rate,
		       uint64_t lost, uint64_t size_bytes, uint64_t now_ns, unsigned int width);

/* record_text__status() - of the file @path, for people, with times of @zone. */
void record_text__status(struct outbuf *to, const char *path, const struct history_status *status,
			 uint64_t now_ns, const struct when_zone *zone);

/* record_text__json() - the same as one line of JSON. */
void record_text__json(struct outbuf *to, const char *path, const struct history_status *status);

#endif
