/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is told of an incident, and of the whole span, out of the slots and the shares.
 */
#ifndef TWSNOOP_REPORT_DETAILS_H
#define TWSNOOP_REPORT_DETAILS_H

#include "report/incidents.h"
#include "report/shares.h"

/* details__incident() - all of @story's incident number @index, but its severity and advice, and
 * its ports. */
void details__incident(struct story *story, unsigned int index, const struct interval *interval,
		       const struct slots *slots, const struct shares *shares);

/* details__span() - sums, peaks, and the tables of the whole span. */
void details__span(struct story *story, const struct slots *slots, const struct shares *shares);

/* details__points() - the rates over time; the series are those of @story. */
int details__points(struct story *story, const struct report_input *input,
		    const struct slots *slots, const struct shares *shares);

/* details__ports() - the fullest sets, of the span and of each incident. */
int details__ports(struct story *story, const struct report_input *input,
		   const struct slots *slots, const uint8_t *incident_of);

#endif
