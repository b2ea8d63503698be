/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A chart over the time of a story, as inline SVG: layers that stand on each other, in steps as wide
 * as a point. Incidents are shaded and numbered, what was not recorded is hatched. It is drawn
 * twice, for wide and for narrow screens, of which the style shows one.
 */
#ifndef TWSNOOP_REPORT_CHART_H
#define TWSNOOP_REPORT_CHART_H

#include "report/html_writer.h"
#include "report/words.h"

#define CHART_LAYERS STORY_SERIES

struct chart {
	const char *id;	   /* of the document; a word */
	const char *title; /* for who hears it */
	const struct outbuf *summary; /* likewise: of words.h */
	unsigned int layers;
	const char *fill[CHART_LAYERS]; /* "url(#s0)": see chart__fills() */
	/* Of layer @layer; negative: not known. */
	double (*value)(const struct story *story, const struct story_point *point,
			unsigned int layer);
	bool is_percent;  /* values are permille, and the axis ends at 100 % */
	double line;	  /* is drawn across, if it is not 0 and not too high */
	const char *line_label;
};

/* chart__fills() - colours and patterns that charts and their keys fill with: once, in the body. */
void chart__fills(struct html *html);

/* chart__key() - a small square of @fill. */
void chart__key(struct html *html, const char *fill);

void chart__draw(struct html *html, const struct chart *chart, const struct words *words);

/* chart__shows_line() - whether the line is low enough to be drawn. */
bool chart__shows_line(const struct chart *chart, const struct story *story);

#endif
