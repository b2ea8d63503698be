// SPDX-License-Identifier: GPL-2.0
#include "report/report_html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "report/chart.h"
#include "report/html_parts.h"
#include "report/html_writer.h"
#include "report/style.h"
#include "report/words.h"

/* ---- the head ---- */

static void write_meta(struct html *h, const char *name, const char *content)
{
	html__open(h, "meta");
	html__attribute(h, "name", name);
	html__attribute(h, "content", content);
	html__close(h);
}

/* Before anything that it is to forbid. */
static void write_policy(struct html *h)
{
	uint8_t digest[SHA256_BYTES];
	char hash[SHA256_BASE64_LEN + 1], policy[192];

	sha256__of(report_style, strlen(report_style), digest);
	sha256__base64(digest, hash);
	snprintf(policy, sizeof(policy), "default-src 'none'; style-src 'sha256-%s'; "
		 "base-uri 'none'; form-action 'none'", hash);
	html__open(h, "meta");
	html__attribute(h, "http-equiv", "Content-Security-Policy");
	html__attribute(h, "content", policy);
	html__close(h);
}

static void write_title(struct html_parts *p)
{
	html__open(p->html, "title");
	outbuf__lit(&p->line, "twsnoop: ");
	if (p->story->host)
		words__name(&p->line, p->story->host, 40);
	outbuf__lit(&p->line, " ");
	words__span(&p->line, &p->words);
	html__plain(p->html, &p->line);
	p->line.len = 0;
	html__close(p->html);
}

static void write_head(struct html_parts *p)
{
	struct html *h = p->html;

	html__open(h, "head");
	html__open(h, "meta");
	html__attribute(h, "charset", "utf-8");
	html__close(h);
	write_policy(h);
	write_meta(h, "viewport", "width=device-width, initial-scale=1");
	write_meta(h, "color-scheme", "light dark");
	write_meta(h, "referrer", "no-referrer");
	write_meta(h, "robots", "noindex");
	write_title(p);
	html__open(h, "style");
	html__verbatim(h, report_style);
	html__close(h);
	html__close(h);
}

/* ---- the verdict ---- */

/* Each severity has a shape of its own. */
static void write_badge(struct html *h, enum story_severity severity)
{
	static const char *const shapes[] = {
		"M8,0 A8,8 0 1 1 7.99,0 Z", "M2,0 H14 Q16,0 16,2 V14 Q16,16 14,16 H2 Q0,16 0,14 V2 Q0,0 2,0 Z",
		"M8,0 L16,15 H0 Z", "M5,0 H11 L16,5 V11 L11,16 H5 L0,11 V5 Z",
	};
	static const char *const marks[] = {
		"M4.5,8.5 L7,11 L11.5,5.5", "M8,7.5 V12 M8,4.2 V4.6", "M8,5.5 V9.5 M8,12.2 V12.4",
		"M8,4 V9 M8,11.8 V12",
	};

	html__open_class(h, "span", "badge");
	html__open(h, "svg");
	html__attribute(h, "viewBox", "0 0 16 16");
	html__attribute(h, "aria-hidden", "true");
	html__open(h, "path");
	html__attribute(h, "d", shapes[severity]);
	html__close(h);
	html__open_class(h, "path", "mark");
	html__attribute(h, "d", marks[severity]);
	html__close(h);
	html__close(h);
	html__text(h, words__severity(severity));
	html__close(h);
}

static void write_verdict(struct html_parts *p)
{
	char class[32];

	if (p->story->host)
		words__name(&p->line, p->story->host, 100);
	else
		html_parts__put(p, "A host whose name is not known");
	html_parts__put(p, ", ");
	words__span(&p->line, &p->words);
	html_parts__leaf(p, "p", "over1");
	snprintf(class, sizeof(class), "verdict %s", words__severity(p->story->severity));
	html__open_class(p->html, "div", class);
	write_badge(p->html, p->story->severity);
	words__headline(&p->line, &p->words);
	html_parts__leaf(p, "h1", NULL);
	html__close(p->html);
}

/* ---- the facts ---- */

/* Begins with what is in the line; what is put there then is the small print. */
static void begin_fact(struct html_parts *p, const char *name)
{
	html__open(p->html, "div");
	html__leaf(p->html, "dt", NULL, name);
	html__open(p->html, "dd");
	html_parts__flush(p);
}

static void end_fact(struct html_parts *p)
{
	html_parts__leaf(p, "span", "sub");
	html__close(p->html);
	html__close(p->html);
}

static void fact_closes(struct html_parts *p)
{
	words__rate(&p->line, p->story->peak_per_s);
	html_parts__put(p, "/s");
	begin_fact(p, "Closes, at most");
	if (p->story->usual_rate.is_known) {
		html_parts__put(p, "usually ");
		words__rate(&p->line, p->story->usual_rate.median);
		html_parts__put(p, "/s; ");
	}
	words__number(&p->line, p->story->closes);
	html_parts__put(p, " in all");
	end_fact(p);
}

static void fact_time_wait(struct html_parts *p)
{
	const struct story *story = p->story;

	if (!story->time_wait)
		return;
	words__number(&p->line, story->time_wait);
	begin_fact(p, "TIME_WAITs, at most");
	if (story->limit) {
		double used = (double)story->limited * 1000 / (double)story->limit;

		words__percent(&p->line, used < 9999 ? (unsigned int)used : 9999);
		html_parts__put(p, " of the limit of ");
		words__number(&p->line, story->limit);
	}
	end_fact(p);
}

static void fact_ports(struct html_parts *p)
{
	const struct story_port_set *set = &p->story->ports[0];

	if (!p->story->num_ports)
		return;
	if (set->ports.has_left) {
		words__number(&p->line, set->ports.left);
		html_parts__put(p, " left");
	} else {
		words__percent(&p->line, (unsigned int)set->permille);
		html_parts__put(p, " used");
	}
	begin_fact(p, "Local ports, fullest set");
	html_parts__put(p, "of ");
	words__number(&p->line, set->ports.usable);
	html_parts__put(p, ", ");
	words__port_set(&p->line, &set->ports);
	end_fact(p);
}

static void fact_connects(struct html_parts *p)
{
	if (!p->story->is_all)
		return;
	words__number(&p->line, p->story->failed);
	begin_fact(p, "Connects that failed");
	if (p->story->failed) {
		words__number(&p->line, p->story->failed_ports);
		html_parts__put(p, " for want of a local port");
	}
	end_fact(p);
}

static void write_facts(struct html_parts *p)
{
	html__open_class(p->html, "dl", "facts");
	fact_closes(p);
	fact_time_wait(p);
	fact_ports(p);
	fact_connects(p);
	html__close(p->html);
}

/* ---- incidents ---- */

static void write_incident(struct html_parts *p, unsigned int index)
{
	const struct story_incident *incident = &p->story->incidents[index];
	char class[32], number[12];

	snprintf(class, sizeof(class), "case %s", words__severity(incident->severity));
	snprintf(number, sizeof(number), "%u", index + 1);
	html__open_class(p->html, "section", class);
	html__open(p->html, "header");
	html__leaf(p->html, "span", "no", number);
	words__incident(&p->line, &p->words, incident);
	html_parts__leaf(p, "h3", NULL);
	write_badge(p->html, incident->severity);
	html__close(p->html);
	html__open_class(p->html, "dl", "parts");
	for (size_t i = 0; i < words_num_parts; i++) {
		words_parts[i].write(&p->line, &p->words, incident);
		if (!p->line.len)
			continue;
		html__leaf(p->html, "dt", NULL, words_parts[i].heading);
		html_parts__leaf(p, "dd", words_parts[i].key);
	}
	html__close(p->html);
	html__close(p->html);
}

static void write_incidents(struct html_parts *p)
{
	if (!p->story->num_incidents)
		return;
	html__leaf(p->html, "h2", NULL, "What happened");
	for (unsigned int i = 0; i < p->story->num_incidents; i++)
		write_incident(p, i);
}

/* ---- what is not known, and the end ---- */

static void write_unknown(struct html_parts *p)
{
	html__leaf(p->html, "h2", NULL, "What is usual, and what is not known");
	words__usual(&p->line, &p->words);
	html_parts__leaf(p, "p", NULL);
	html__open_class(p->html, "ul", "unknown");
	for (unsigned int i = 0; words__unknown(&p->line, &p->words, i); i++)
		html_parts__leaf(p, "li", NULL);
	for (unsigned int i = 0; i < p->story->num_changes; i++) {
		words__change(&p->line, &p->words, &p->story->changes[i]);
		html_parts__leaf(p, "li", NULL);
	}
	html__close(p->html);
}

static void write_footer(struct html_parts *p)
{
	const struct feed_account *a = &p->story->account;
	char line[256];

	html__open(p->html, "footer");
	html_parts__put(p, "Made by twsnoop " TWSNOOP_VERSION);
	if (p->story->version) {
		html_parts__put(p, " from a recording by twsnoop ");
		words__name(&p->line, p->story->version, 40);
	}
	if (p->story->kernel) {
		html_parts__put(p, " on Linux ");
		words__name(&p->line, p->story->kernel, 60);
	}
	html_parts__put(p, ".");
	if (p->story->has_account) {
		snprintf(line, sizeof(line), " The account of this time: delivered=%" PRIu64
			 " lost=%" PRIu64 " map_full=%" PRIu64 " recursion=%" PRIu64
			 " snapshot=%" PRIu64 " unattributed=%" PRIu64 ".", a->delivered, a->lost,
			 a->map_full, a->recursion, a->snapshot, a->unattributed);
		html_parts__put(p, line);
	}
	html_parts__flush(p);
	html__close(p->html);
}

/* ---- all of it ---- */

static void write_body(struct html_parts *p)
{
	html__open(p->html, "body");
	chart__fills(p->html);
	html__open(p->html, "main");
	write_verdict(p);
	write_facts(p);
	write_incidents(p);
	html_parts__charts(p);
	html_parts__tables(p);
	write_unknown(p);
	write_footer(p);
	html__close(p->html);
	html__close(p->html);
}

void report_html__write(struct outbuf *to, const struct story *story,
			const struct when_zone *zone)
{
	struct html html;
	struct html_parts p = { .html = &html, .story = story };

	html__init(&html, to);
	words__init(&p.words, story, zone);
	if (outbuf__init(&p.line, 4096)) {
		to->failed = true;
		return;
	}
	html__verbatim(&html, "<!DOCTYPE html>\n");
	html__open(&html, "html");
	html__attribute(&html, "lang", "en");
	write_head(&p);
	write_body(&p);
	html__close(&html);
	outbuf__char(to, '\n');
	to->failed |= p.line.failed || html.failed || html.depth;
	outbuf__free(&p.line);
}
