/* SPDX-License-Identifier: GPL-2.0 */
/* `record --status`: what a recording holds, and whether it is being recorded into. */
#ifndef TWSNOOP_RECORD_STATUS_H
#define TWSNOOP_RECORD_STATUS_H

#include <stdbool.h>

/* record_status__print() - onto stdout. Returns the exit status, and has said what went wrong. */
int record_status__print(const char *path, bool as_json, bool utc);

#endif
