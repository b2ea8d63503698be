/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk that a test can let fail: it stands below SQLite, in the place of its default layer, and
 * looks at the size of a recording's files after each write.
 */
#ifndef TWSNOOP_TESTS_DISK_H
#define TWSNOOP_TESTS_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct disk {
	const char *path; /* of the recording whose size is looked at */
	uint64_t most_bytes; /* that its files had together, ever */
	uint64_t writes; /* so far, with truncations and syncs */
	uint64_t syncs;
	bool refuses_syncs; /* each fails with fail_with, whatever the next two say */
	uint64_t fail_from, fail_until; /* which of them fail; equal: none */
	int fail_with; /* SQLite's code: SQLITE_FULL, SQLITE_IOERR_WRITE, … */
};

extern struct disk disk;

/* disk__insert() - for whatever is opened from now on. Once only. */
void disk__insert(void);

#endif
