// SPDX-License-Identifier: GPL-2.0
#include "report/chart.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define LINE_AT_MOST 3 /* times the highest value: else it would press the others flat */
#define GAP_LABEL 60 /* is written into gaps that are as wide */

/* What is drawn for a width of screen; numbers are units of its view box. */
struct size {
	const char *class;
	double width, height, left, right, top, bottom;
	unsigned int ticks; /* of time, at most */
};

static const struct size sizes[] = {
	{ "wide", 920, 230, 52, 8, 20, 26, 8 },
	{ "narrow", 340, 190, 46, 4, 18, 24, 4 },
};

struct drawing {
	struct html *html;
	const struct chart *chart;
	const struct words *words;
	const struct story *story;
	const struct size *size;
	double top_value; /* at the top of the axis */
	double step;
};

/* ---- coordinates ---- */

static double x_of(const struct drawing *d, uint64_t ns)
{
	const struct history_span *span = &d->story->span;
	double inner = d->size->width - d->size->left - d->size->right;

	if (ns <= span->since_ns)
		return d->size->left;
	if (ns >= span->until_ns)
		return d->size->width - d->size->right;
	return d->size->left + inner * ((double)(ns - span->since_ns) /
					(double)(span->until_ns - span->since_ns));
}

static double y_of(const struct drawing *d, double value)
{
	double inner = d->size->height - d->size->top - d->size->bottom;

	if (value > d->top_value)
		value = d->top_value;
	return d->size->height - d->size->bottom - inner * (value / d->top_value);
}

static double bottom_of(const struct drawing *d)
{
	return d->size->height - d->size->bottom;
}

/* ---- elements ---- */

static void rect(struct html *html, const char *class, double x, double y, double width,
		 double height)
{
	html__open_class(html, "rect", class);
	html__number(html, "x", x);
	html__number(html, "y", y);
	html__number(html, "width", width > 0 ? width : 0);
	html__number(html, "height", height > 0 ? height : 0);
}

static void line(struct drawing *d, const char *class, double x1, double y1, double x2, double y2)
{
	html__open_class(d->html, "line", class);
	html__number(d->html, "x1", x1);
	html__number(d->html, "y1", y1);
	html__number(d->html, "x2", x2);
	html__number(d->html, "y2", y2);
	html__close(d->html);
}

static void text(struct drawing *d, const char *class, double x, double y, const char *s)
{
	html__open_class(d->html, "text", class);
	html__number(d->html, "x", x);
	html__number(d->html, "y", y);
	html__text(d->html, s);
	html__close(d->html);
}

/* ---- fills ---- */

static void begin_pattern(struct html *html, const char *id, const char *class, double size)
{
	html__open(html, "pattern");
	html__attribute(html, "id", id);
	html__attribute(html, "patternUnits", "userSpaceOnUse");
	html__number(html, "width", size);
	html__number(html, "height", size);
	rect(html, class, 0, 0, size, size);
	html__close(html);
}

static void pattern(struct html *html, const char *id, const char *class, double size,
		    const char *path)
{
	begin_pattern(html, id, class, size);
	if (path) {
		html__open_class(html, "path", "over");
		html__attribute(html, "d", path);
		html__close(html);
	}
	html__close(html);
}

void chart__fills(struct html *html)
{
	html__open_class(html, "svg", "fills");
	html__attribute(html, "aria-hidden", "true");
	html__number(html, "width", 0);
	html__number(html, "height", 0);
	html__open(html, "defs");
	pattern(html, "s0", "s0", 8, NULL);
	pattern(html, "s1", "s1", 8, "M-2,2 L2,-2 M0,8 L8,0 M6,10 L10,6");
	pattern(html, "s2", "s2", 6, "M2,3 H4 M3,2 V4");
	pattern(html, "s3", "s3", 6, "M0,1.5 H6 M0,4.5 H6");
	pattern(html, "s4", "s4", 7, "M1.5,0 V7 M5,0 V7");
	pattern(html, "s5", "s5", 8, NULL);
	pattern(html, "level", "level", 8, NULL);
	pattern(html, "bad", "bad", 8, NULL);
	pattern(html, "less", "less", 8, "M-2,2 L2,-2 M0,8 L8,0 M6,10 L10,6");
	pattern(html, "gap", "gap", 8, "M-2,6 L2,10 M0,0 L8,8 M6,-2 L10,2");
	html__close(html);
	html__close(html);
}

void chart__key(struct html *html, const char *fill)
{
	html__open_class(html, "svg", "key");
	html__attribute(html, "viewBox", "0 0 14 14");
	html__attribute(html, "aria-hidden", "true");
	rect(html, NULL, 0, 0, 14, 14);
	html__attribute(html, "fill", fill);
	html__close(html);
	html__close(html);
}

/* ---- the axes ---- */

/* 1, 2 or 5 times a power of ten. */
static double nice_step(double value)
{
	double power = 0.01, part;

	while (power * 10 <= value)
		power *= 10;
	part = value / power;
	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static double sum_of(const struct drawing *d, const struct story_point *point)
{
	double sum = 0, value;

	for (unsigned int i = 0; i < d->chart->layers; i++) {
		value = d->chart->value(d->story, point, i);
		if (value < 0)
			return -1;
		sum += value;
	}
	return sum;
}

static double most_of(const struct drawing *d)
{
	double most = 0;

	for (unsigned int i = 0; i < d->story->num_points; i++) {
		double sum = sum_of(d, &d->story->points[i]);

		most = sum > most ? sum : most;
	}
	return most;
}

static bool line_fits(const struct drawing *d, double most)
{
	return d->chart->line > 0 && d->chart->line <= LINE_AT_MOST * most;
}

static void set_scale(struct drawing *d)
{
	double most = most_of(d);

	if (line_fits(d, most) && d->chart->line > most)
		most = d->chart->line;
	if (d->chart->is_percent) {
		d->top_value = 1000;
		d->step = 250;
		return;
	}
	if (most < 1)
		most = 1;
	d->step = nice_step(most / 4);
	while (d->top_value < most * 1.02)
		d->top_value += d->step;
}

/* "28k", "1.5M" */
static void format_short(char *to, size_t size, double value)
{
	static const char units[] = " kMGTPE";
	unsigned int unit = 0;
	size_t len;

	while (value >= 1000 && unit < sizeof(units) - 2) {
		value /= 1000;
		unit++;
	}
	snprintf(to, size, "%.1f", value);
	len = strlen(to);
	if (len > 3 || (len == 3 && to[2] == '0')) /* 10 and above, and whole numbers */
		to[len -= 2] = '\0';
	if (unit)
		snprintf(to + len, size - len, "%c", units[unit]);
}

static void draw_values(struct drawing *d)
{
	char label[48];

	for (unsigned int i = 0; i <= 10 && i * d->step <= d->top_value * 1.001; i++) {
		double y = y_of(d, i * d->step);

		if (d->chart->is_percent)
			snprintf(label, sizeof(label), "%u %%", i * 25);
		else
			format_short(label, sizeof(label), i * d->step);
		line(d, i ? "grid" : "base", d->size->left, y, d->size->width - d->size->right, y);
		text(d, "value", d->size->left - 6, y + 4, label);
	}
}

/* The clock's own time, so that ticks are at round hours of it. */
static int64_t offset_of(const struct drawing *d, uint64_t ns)
{
	struct tm tm;

	return d->words->zone->break_down((int64_t)(ns / NS_PER_S), &tm) ? tm.tm_gmtoff : 0;
}

static uint64_t tick_step_s(const struct drawing *d)
{
	static const uint64_t steps[] = { 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600,
					  43200, 86400, 172800, 604800, 2592000, 31536000 };
	uint64_t seconds = (d->story->span.until_ns - d->story->span.since_ns) / NS_PER_S;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (seconds / steps[i] <= d->size->ticks)
			return steps[i];
	return seconds;
}

static void label_tick(struct drawing *d, uint64_t ns, uint64_t step_s)
{
	struct tm tm;
	char label[32];
	double x = x_of(d, ns);
	const char *class = "time";

	if (!d->words->zone->break_down((int64_t)(ns / NS_PER_S), &tm) ||
	    !strftime(label, sizeof(label), step_s >= 86400 ? "%d %b" : "%H:%M", &tm))
		return;
	if (x < d->size->left + 16)
		class = "time first";
	else if (x > d->size->width - d->size->right - 18)
		class = "time last";
	line(d, "tick", x, bottom_of(d), x, bottom_of(d) + 4);
	text(d, class, x, bottom_of(d) + 17, label);
}

static void draw_times(struct drawing *d)
{
	const struct history_span *span = &d->story->span;
	uint64_t step_s = tick_step_s(d), since_s = span->since_ns / NS_PER_S;
	int64_t local = (int64_t)since_s + offset_of(d, span->since_ns);
	uint64_t behind, ns;

	if (!step_s || local < 0)
		return;
	behind = (uint64_t)local % step_s;
	ns = (since_s + (behind ? step_s - behind : 0)) * NS_PER_S;
	for (; ns <= span->until_ns; ns += step_s * NS_PER_S)
		label_tick(d, ns, step_s);
}

/* ---- what is behind the values ---- */

static void draw_incidents(struct drawing *d)
{
	char number[12];

	for (unsigned int i = 0; i < d->story->num_incidents; i++) {
		const struct story_incident *incident = &d->story->incidents[i];
		double from = x_of(d, incident->since_ns), to = x_of(d, incident->until_ns);

		rect(d->html, "incident", from, d->size->top - 16, to - from,
		     bottom_of(d) - d->size->top + 16);
		html__close(d->html);
		snprintf(number, sizeof(number), "%u", i + 1);
		text(d, "number", (from + to) / 2, d->size->top - 4, number);
	}
}

static void draw_gap(struct drawing *d, uint64_t since_ns, uint64_t until_ns)
{
	double from = x_of(d, since_ns), to = x_of(d, until_ns);

	if (to - from < 2)
		to = from + 2;
	rect(d->html, "hole", from, d->size->top, to - from, bottom_of(d) - d->size->top);
	html__attribute(d->html, "fill", "url(#gap)");
	html__close(d->html);
	if (to - from >= GAP_LABEL)
		text(d, "gaplabel", (from + to) / 2, d->size->top + 16, "no data");
}

static void draw_gaps(struct drawing *d)
{
	const struct story_point *points = d->story->points;
	unsigned int first;

	for (unsigned int i = 0; i < d->story->num_points; i++) {
		if (points[i].is_known && !points[i].has_gap)
			continue;
		first = i;
		while (i + 1 < d->story->num_points &&
		       (!points[i + 1].is_known || points[i + 1].has_gap))
			i++;
		draw_gap(d, points[first].since_ns, points[i].until_ns);
	}
}

/* ---- the values ---- */

/* Up to @layer, with it. */
static double stacked(const struct drawing *d, unsigned int index, unsigned int layers)
{
	double sum = 0;

	for (unsigned int i = 0; i < layers; i++)
		sum += d->chart->value(d->story, &d->story->points[index], i);
	return sum;
}

static bool is_known(const struct drawing *d, unsigned int index)
{
	return sum_of(d, &d->story->points[index]) >= 0;
}

static void put_number(struct outbuf *to, char command, double value)
{
	char number[32];
	int len = snprintf(number, sizeof(number), "%c%.1f", command, value);

	outbuf__bytes(to, number, (size_t)len);
}

/* The outline of @layer from point @first to before @last, there and back. */
static void outline(struct drawing *d, struct outbuf *path, unsigned int layer, unsigned int first,
		    unsigned int last)
{
	const struct story_point *points = d->story->points;

	put_number(path, 'M', x_of(d, points[first].since_ns));
	put_number(path, ',', y_of(d, stacked(d, first, layer)));
	for (unsigned int i = first; i < last; i++) {
		put_number(path, 'V', y_of(d, stacked(d, i, layer + 1)));
		put_number(path, 'H', x_of(d, points[i].until_ns));
	}
	for (unsigned int i = last; i-- > first;) {
		put_number(path, 'V', y_of(d, stacked(d, i, layer)));
		put_number(path, 'H', x_of(d, points[i].since_ns));
	}
	outbuf__char(path, 'Z');
}

static void draw_layer(struct drawing *d, unsigned int layer)
{
	unsigned int num = d->story->num_points, last;
	struct outbuf path;

	if (outbuf__init(&path, 4096)) {
		d->html->to->failed = true;
		return;
	}
	for (unsigned int i = 0; i < num; i = last + 1) {
		last = i;
		while (last < num && is_known(d, last))
			last++;
		if (last > i)
			outline(d, &path, layer, i, last);
	}
	if (path.len) {
		html__open_class(d->html, "path", "area");
		html__attribute(d->html, "fill", d->chart->fill[layer]);
		html__attribute(d->html, "d", outbuf__terminate(&path));
		html__close(d->html);
	}
	d->html->to->failed |= path.failed;
	outbuf__free(&path);
}

static void draw_line(struct drawing *d)
{
	double y = y_of(d, d->chart->line);

	if (!line_fits(d, most_of(d)) && !d->chart->is_percent)
		return;
	line(d, "limit", d->size->left, y, d->size->width - d->size->right, y);
	text(d, "limitlabel", d->size->width - d->size->right - 4, y + 14, d->chart->line_label);
}

bool chart__shows_line(const struct chart *chart, const struct story *story)
{
	struct drawing d = { .chart = chart, .story = story };

	return chart->is_percent || line_fits(&d, most_of(&d));
}

/* ---- all of it ---- */

static void begin_svg(struct drawing *d)
{
	char box[64], title[64], summary[64], both[136];

	snprintf(box, sizeof(box), "0 0 %.0f %.0f", d->size->width, d->size->height);
	snprintf(title, sizeof(title), "%s-%s-t", d->chart->id, d->size->class);
	snprintf(summary, sizeof(summary), "%s-%s-d", d->chart->id, d->size->class);
	snprintf(both, sizeof(both), "%s %s", title, summary);
	html__open_class(d->html, "svg", d->size->class);
	html__attribute(d->html, "viewBox", box);
	html__attribute(d->html, "role", "img");
	html__attribute(d->html, "aria-labelledby", both);
	html__open(d->html, "title");
	html__attribute(d->html, "id", title);
	html__text(d->html, d->chart->title);
	html__close(d->html);
	html__open(d->html, "desc");
	html__attribute(d->html, "id", summary);
	html__plain(d->html, d->chart->summary);
	html__close(d->html);
}

void chart__draw(struct html *html, const struct chart *chart, const struct words *words)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct drawing d = { .html = html, .chart = chart, .words = words,
				     .story = words->story, .size = &sizes[i] };

		set_scale(&d);
		begin_svg(&d);
		draw_incidents(&d);
		draw_values(&d);
		for (unsigned int layer = 0; layer < chart->layers; layer++)
			draw_layer(&d, layer);
		draw_gaps(&d);
		draw_line(&d);
		draw_times(&d);
		html__close(html);
	}
}
