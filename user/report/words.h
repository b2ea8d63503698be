/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A story in sentences, for every writer: plain text in which the names that somebody chose are
 * already escaped (base/escape.h: no control bytes are left), each between WORDS_NAME and
 * WORDS_END. A writer drops these two or makes marks of them.
 */
#ifndef TWSNOOP_REPORT_WORDS_H
#define TWSNOOP_REPORT_WORDS_H

#include "base/outbuf.h"
#include "base/when.h"
#include "report/story.h"

#define WORDS_NAME '\x01'
#define WORDS_END '\x02'

struct words {
	const struct story *story;
	const struct when_zone *zone;
	bool with_day;	/* the span has more than one day */
	bool with_zone; /* clocks were put forward or back in it */
};

void words__init(struct words *words, const struct story *story, const struct when_zone *zone);

/* ---- small ones ---- */

/* "03:12", with what else is needed in this story: "2026-11-29 03:12:40 CET". */
void words__time(struct outbuf *to, const struct words *words, uint64_t ns);
/* "03:12 to 03:19" */
void words__times(struct outbuf *to, const struct words *words, uint64_t since_ns,
		  uint64_t until_ns);
/* The whole span, with its day and zone, on one line. */
void words__span(struct outbuf *to, const struct words *words);
void words__number(struct outbuf *to, uint64_t number); /* "28,232" */
void words__rate(struct outbuf *to, double per_s); /* "0.4", "612", "28,232" */
void words__percent(struct outbuf *to, unsigned int permille); /* "96 %", "0.4 %" */
void words__duration(struct outbuf *to, uint64_t ns); /* "7 min", "1 h 12 min" */
void words__name(struct outbuf *to, const char *name, size_t columns); /* escaped, marked */
/* "checkout in shop/checkout-7d9/app" */
void words__who(struct outbuf *to, const struct story *story, uint32_t who);
/* "10.0.0.9:8080", "port 80 of 10.0.0.5" */
void words__place(struct outbuf *to, const struct story_place *place);
void words__error(struct outbuf *to, uint32_t error); /* "EADDRNOTAVAIL", "error 7" */
/* "10.0.0.5 to 10.0.0.9:8080" */
void words__port_set(struct outbuf *to, const struct held_ports *ports);
const char *words__severity(enum story_severity severity); /* "critical" */

/* ---- sentences ---- */

/* words__headline() - the worst of all and what else there is; or that nothing stands out. */
void words__headline(struct outbuf *to, const struct words *words);

/* What is told of an incident, each with a heading. */
struct words_part {
	const char *heading; /* "Who" */
	const char *key;     /* "who": the member of JSON */
	/* Writes nothing if there is nothing to say. */
	void (*write)(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident);
};
extern const struct words_part words_parts[];
extern const size_t words_num_parts;

/* What the incident is, on a line: "03:12 to 03:19, 7 min: connects failed". */
void words__incident(struct outbuf *to, const struct words *words,
		     const struct story_incident *incident);

/* words__usual() - what is usual, a sentence. */
void words__usual(struct outbuf *to, const struct words *words);

/* words__unknown() - sentence number @index of what is not known; false: that were all. */
bool words__unknown(struct outbuf *to, const struct words *words, unsigned int index);

/* words__change() - of a setting. */
void words__change(struct outbuf *to, const struct words *words,
		   const struct slots_change *change);

#endif
