// SPDX-License-Identifier: GPL-2.0
#include "report/report_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/words.h"
#include "report/wrap.h"

#define HEADING 13 /* columns of a heading, its indentation included */

struct writing {
	struct outbuf *to;
	struct outbuf line; /* a sentence, until it is wrapped */
	struct words words;
};

/* Writes the sentence behind @heading, and begins a new one. Nothing, if it is empty. */
static void end_sentence(struct writing *w, const char *heading)
{
	char first[HEADING + 1];

	snprintf(first, sizeof(first), "%-*s", HEADING, heading);
	if (w->line.len)
		wrap__words(w->to, first, HEADING, REPORT_TEXT_COLUMNS, &w->line);
	w->to->failed |= w->line.failed;
	w->line.len = 0;
}

static void write_head(struct writing *w)
{
	const struct story *story = w->words.story;
	char severity[16] = "";
	const char *word = words__severity(story->severity);

	if (story->host)
		words__name(&w->line, story->host, REPORT_TEXT_COLUMNS);
	else
		outbuf__text(&w->line, "a host whose name is not known");
	outbuf__text(&w->line, ", ");
	words__span(&w->line, &w->words);
	end_sentence(w, "twsnoop");
	for (size_t i = 0; i < sizeof(severity) - 1 && word[i]; i++)
		severity[i] = (char)toupper((unsigned char)word[i]);
	words__headline(&w->line, &w->words);
	end_sentence(w, severity);
}

static void write_incident(struct writing *w, unsigned int index)
{
	const struct story *story = w->words.story;
	const struct story_incident *incident = &story->incidents[index];
	char heading[HEADING + 1];

	outbuf__char(w->to, '\n');
	words__incident(&w->line, &w->words, incident);
	outbuf__text(&w->line, " [");
	outbuf__text(&w->line, words__severity(incident->severity));
	outbuf__text(&w->line, "]");
	wrap__words(w->to, "", 0, REPORT_TEXT_COLUMNS, &w->line);
	w->line.len = 0;
	for (size_t i = 0; i < words_num_parts; i++) {
		words_parts[i].write(&w->line, &w->words, incident);
		snprintf(heading, sizeof(heading), "  %s", words_parts[i].heading);
		end_sentence(w, heading);
	}
}

/* Of a span in which nothing stands out: who closed most, all the same. */
static void write_most(struct writing *w)
{
	const struct story *story = w->words.story;

	for (unsigned int i = 0; i < story->num_closers && i < STORY_NAMES; i++) {
		uint64_t closes = story->who[story->closers[i]].closes;

		words__who(&w->line, story, story->closers[i]);
		outbuf__text(&w->line, " ");
		words__percent(&w->line, (unsigned int)((double)closes * 1000 /
							(double)story->closes));
		outbuf__text(&w->line, i + 1 < story->num_closers && i + 1 < STORY_NAMES ? "; " : ".");
	}
	end_sentence(w, "Most closes");
}

static void write_findings(struct writing *w)
{
	const struct story *story = w->words.story;

	for (unsigned int i = 0; i < story->num_findings; i++) {
		const struct story_finding *finding = &story->findings[i];

		words__time(&w->line, &w->words, finding->wall_ns);
		outbuf__text(&w->line, " ");
		words__name(&w->line, finding->id ?: "", 40);
		outbuf__text(&w->line, ": ");
		words__name(&w->line, finding->text ?: "", 300);
		end_sentence(w, i ? "" : "Found");
	}
	for (unsigned int i = 0; i < story->num_changes; i++) {
		words__change(&w->line, &w->words, &story->changes[i]);
		end_sentence(w, i ? "" : "Changed");
	}
}

static void write_unknown(struct writing *w)
{
	for (unsigned int i = 0; words__unknown(&w->line, &w->words, i); i++)
		end_sentence(w, i ? "" : "Not known");
}

static void write_account(struct writing *w)
{
	const struct feed_account *a = &w->words.story->account;
	char line[256];

	if (!w->words.story->has_account)
		return;
	snprintf(line, sizeof(line), "delivered=%" PRIu64 " lost=%" PRIu64 " map_full=%" PRIu64
		 " recursion=%" PRIu64 " snapshot=%" PRIu64 " unattributed=%" PRIu64,
		 a->delivered, a->lost, a->map_full, a->recursion, a->snapshot, a->unattributed);
	outbuf__text(&w->line, line);
	end_sentence(w, "Account");
}

void report_text__write(struct outbuf *to, const struct story *story,
			const struct when_zone *zone)
{
	struct writing w = { .to = to };

	words__init(&w.words, story, zone);
	if (outbuf__init(&w.line, 4096)) {
		to->failed = true;
		return;
	}
	write_head(&w);
	for (unsigned int i = 0; i < story->num_incidents; i++)
		write_incident(&w, i);
	outbuf__char(to, '\n');
	if (!story->num_incidents)
		write_most(&w);
	words__usual(&w.line, &w.words);
	end_sentence(&w, "Usual");
	write_findings(&w);
	write_unknown(&w);
	write_account(&w);
	outbuf__free(&w.line);
}
