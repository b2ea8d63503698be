// SPDX-License-Identifier: GPL-2.0
/* Charts of the HTML report: a part of html_parts.h. */
#include "report/html_parts.h"

#include "report/chart.h"

static const char *const series_fills[STORY_SERIES] = { "url(#s0)", "url(#s1)", "url(#s2)",
							"url(#s3)", "url(#s4)", "url(#s5)" };

void html_parts__flush(struct html_parts *p)
{
	html__words(p->html, &p->line);
	p->html->to->failed |= p->line.failed;
	p->line.len = 0;
}

void html_parts__leaf(struct html_parts *p, const char *element, const char *class)
{
	if (!p->line.len)
		return;
	html__open_class(p->html, element, class);
	html_parts__flush(p);
	html__close(p->html);
}

/* ---- one chart ---- */

static void begin_chart(struct html_parts *p, const struct chart *chart)
{
	html__open(p->html, "figure");
	html__leaf(p->html, "figcaption", NULL, chart->title);
}

/* With what is in the line as its summary. */
static void end_chart(struct html_parts *p, struct chart *chart)
{
	chart->summary = &p->line;
	html__open_class(p->html, "p", "caption");
	html__words(p->html, &p->line);
	html__close(p->html);
	chart__draw(p->html, chart, &p->words);
	html__close(p->html);
	p->html->to->failed |= p->line.failed;
	p->line.len = 0;
}

static void write_key(struct html_parts *p, const char *fill)
{
	html__open(p->html, "li");
	chart__key(p->html, fill);
	html__open(p->html, "span");
	html_parts__flush(p);
	html__close(p->html);
	html__close(p->html);
}

/* ---- closes ---- */

/* The others are at the bottom, and who comes first, at the top: there it is seen best. */
static unsigned int series_of(const struct story *story, unsigned int layer)
{
	return story->num_series - 1 - layer;
}

static double closes_value(const struct story *story, const struct story_point *point,
			   unsigned int layer)
{
	return point->is_known ? point->per_s[series_of(story, layer)] : -1;
}

static const char *series_fill(const struct story *story, unsigned int series)
{
	return series_fills[series + 1 == story->num_series ? STORY_SERIES - 1 : series];
}

static bool has_others(const struct story *story)
{
	for (unsigned int i = 0; i < story->num_points; i++)
		if (story->points[i].per_s[story->num_series - 1] > 0)
			return true;
	return false;
}

static void write_series_keys(struct html_parts *p)
{
	const struct story *story = p->story;

	html__open_class(p->html, "ul", "keys");
	for (unsigned int i = 0; i + 1 < story->num_series; i++) {
		words__who(&p->line, story, story->series[i]);
		write_key(p, series_fill(story, i));
	}
	if (has_others(story)) {
		html_parts__put(p, "all others");
		write_key(p, series_fill(story, story->num_series - 1));
	}
	html__close(p->html);
}

static void chart_closes(struct html_parts *p)
{
	struct chart chart = {
		.id = "closes", .title = "Closes a second, by who closed",
		.layers = p->story->num_series, .value = closes_value,
	};

	for (unsigned int i = 0; i < chart.layers; i++)
		chart.fill[i] = series_fill(p->story, series_of(p->story, i));
	begin_chart(p, &chart);
	write_series_keys(p);
	html_parts__put(p, "At most ");
	words__rate(&p->line, p->story->peak_per_s);
	html_parts__put(p, "/s, at ");
	words__time(&p->line, &p->words, p->story->peak_ns);
	html_parts__put(p, ".");
	end_chart(p, &chart);
}

/* ---- TIME_WAITs ---- */

static double time_wait_value(const struct story *story, const struct story_point *point,
			      unsigned int layer)
{
	(void)story;
	(void)layer;
	return point->has_time_wait ? (double)point->time_wait : -1;
}

static void chart_time_wait(struct html_parts *p)
{
	const struct story *story = p->story;
	struct chart chart = {
		.id = "timewait", .title = "TIME_WAIT sockets on the host, beside their limit",
		.layers = 1, .fill = { "url(#level)" }, .value = time_wait_value,
		.line = (double)story->limit, .line_label = "tcp_max_tw_buckets",
	};

	if (!story->time_wait)
		return;
	begin_chart(p, &chart);
	html_parts__put(p, "At most ");
	words__number(&p->line, story->time_wait);
	html_parts__put(p, ", at ");
	words__time(&p->line, &p->words, story->time_wait_ns);
	html_parts__put(p, ".");
	if (story->limit) {
		html_parts__put(p, " The limit is ");
		words__number(&p->line, story->limit);
		html_parts__put(p, chart__shows_line(&chart, story) ? "." :
					   ", far above what this chart shows.");
	}
	end_chart(p, &chart);
}

/* ---- ports ---- */

static double ports_value(const struct story *story, const struct story_point *point,
			  unsigned int layer)
{
	(void)story;
	(void)layer;
	return point->has_ports ? (double)point->ports_permille : -1;
}

static void chart_ports(struct html_parts *p)
{
	const struct story *story = p->story;
	struct chart chart = {
		.id = "ports", .title = "Local ports in use, of the fullest set",
		.layers = 1, .fill = { "url(#level)" }, .value = ports_value, .is_percent = true,
		.line = 1000, .line_label = "none left",
	};

	if (!story->num_ports)
		return;
	begin_chart(p, &chart);
	html_parts__put(p, "At its fullest: ");
	words__percent(&p->line, (unsigned int)story->ports[0].permille);
	html_parts__put(p, " of the ports from ");
	words__port_set(&p->line, &story->ports[0].ports);
	html_parts__put(p, ", at ");
	words__time(&p->line, &p->words, story->ports[0].ports.wall_ns);
	html_parts__put(p, ".");
	end_chart(p, &chart);
}

/* ---- connects ---- */

static double failed_value(const struct story *story, const struct story_point *point,
			   unsigned int layer)
{
	double others = point->failed_per_s - point->failed_ports_per_s;

	(void)story;
	if (!point->is_known)
		return -1;
	return layer ? others > 0 ? others : 0 : point->failed_ports_per_s;
}

static void chart_failed(struct html_parts *p)
{
	const struct story *story = p->story;
	struct chart chart = {
		.id = "failed", .title = "Connects that failed, a second",
		.layers = 2, .fill = { "url(#bad)", "url(#less)" }, .value = failed_value,
	};

	if (!story->failed)
		return;
	begin_chart(p, &chart);
	html__open_class(p->html, "ul", "keys");
	html_parts__put(p, "for want of a local port (EADDRNOTAVAIL)");
	write_key(p, "url(#bad)");
	if (story->failed > story->failed_ports) {
		html_parts__put(p, "for other reasons");
		write_key(p, "url(#less)");
	}
	html__close(p->html);
	words__number(&p->line, story->failed);
	html_parts__put(p, " in all, ");
	words__number(&p->line, story->failed_ports);
	html_parts__put(p, " of them for want of a local port.");
	end_chart(p, &chart);
}

/* ---- all of them ---- */

static bool has_holes(const struct story *story)
{
	for (unsigned int i = 0; i < story->num_points; i++)
		if (!story->points[i].is_known || story->points[i].has_gap)
			return true;
	return false;
}

void html_parts__charts(struct html_parts *p)
{
	const struct story *story = p->story;

	if (!story->num_points || !story->recorded_ns)
		return;
	html__leaf(p->html, "h2", NULL, "Over time");
	if (story->num_incidents || has_holes(story)) {
		html__open_class(p->html, "ul", "keys");
		if (story->num_incidents) {
			html__open(p->html, "li");
			html__leaf(p->html, "span", "no", "1");
			html__leaf(p->html, "span", NULL, "what is told of above, by its number");
			html__close(p->html);
		}
		if (has_holes(story)) {
			html_parts__put(p, "not, or not all, recorded");
			write_key(p, "url(#gap)");
		}
		html__close(p->html);
	}
	chart_closes(p);
	chart_time_wait(p);
	chart_ports(p);
	chart_failed(p);
}
