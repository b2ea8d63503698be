/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a sum of events says of each field, and the members that only sums have. Only for the
 * sink*.c files: sums are few, so that nothing here is made for speed.
 */
#ifndef TWSNOOP_SINK_SUM_H
#define TWSNOOP_SINK_SUM_H

#include "model/field.h"
#include "output/sink.h"

/* sink_sum__read() - row @place of the table of fields, as field__read(). */
bool sink_sum__read(const struct sink_sum *sum, size_t place, struct field_value *v);

/* What only sums have, beside the fields; name and type as in struct field. */
struct sink_sum_member {
	const char *name;
	enum field_type type;
	size_t behind; /* JSON: the row of the table of fields that it follows */
	bool (*read)(const struct sink_sum *sum, struct field_value *v);
};

extern const struct sink_sum_member sink_sum__members[];
#define SINK_SUM_MEMBERS 4

#endif
