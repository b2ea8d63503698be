// SPDX-License-Identifier: GPL-2.0
#include "store/recording.h"

#include "store/db.h"
#include "store/recording_file.h"

static uint64_t ask(struct recording *rec, const char *sql)
{
	int64_t number = 0;

	return db__number(rec->db, sql, &number) || number < 0 ? 0 : (uint64_t)number;
}

void recording__reach(struct recording *rec, struct recording_reach *reach)
{
	reach->raw_since_ns = ask(rec, "SELECT since_ns FROM block ORDER BY first_row LIMIT 1");
	reach->minutes_since_ns = ask(rec, "SELECT min(minute) FROM minute") *
				  RECORDING_NS_PER_MINUTE;
}
