/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listing's row as a record, so that the table of fields can be asked about it.
 */
#ifndef TWSNOOP_ROW_RECORD_H
#define TWSNOOP_ROW_RECORD_H

#include "inventory/group.h"
#include "model/record.h"

/*
 * row_record__fill() - all that the row and its workload tell, into @rec and @ev, to
 * which @rec points. Nothing else is asked, but for the names of devices
 * if @ctx has them: that is what list_records.h does.
 */
void row_record__fill(const struct group_context *ctx, const struct listing_row *row,
		      struct tws_event *ev, struct record *rec);

#endif
