// SPDX-License-Identifier: GPL-2.0
/* Tables of the HTML report: a part of html_parts.h. */
#include "report/html_parts.h"

#include "model/names.h"

/* ---- cells ---- */

/* A heading; "#Closes": of numbers, which stand on the right; "-Cause": narrow screens have no room
 * for it. Both may stand before it. */
static void write_headings(struct html_parts *p, const char *const *headings)
{
	html__open(p->html, "thead");
	html__open(p->html, "tr");
	for (; *headings; headings++) {
		bool is_fine = **headings == '-', is_number = (*headings)[is_fine] == '#';

		html__open_class(p->html, "th", is_number ? is_fine ? "num fine" : "num" :
						is_fine ? "fine" : NULL);
		html__attribute(p->html, "scope", "col");
		html__text(p->html, *headings + is_fine + is_number);
		html__close(p->html);
	}
	html__close(p->html);
	html__close(p->html);
}

static void begin_table(struct html_parts *p, const char *caption, const char *const *headings)
{
	html__open_class(p->html, "div", "scroll");
	html__open(p->html, "table");
	if (caption)
		html__leaf(p->html, "caption", NULL, caption);
	write_headings(p, headings);
	html__open(p->html, "tbody");
}

static void end_table(struct html_parts *p)
{
	html__close(p->html);
	html__close(p->html);
	html__close(p->html);
}

/* Each writes what is in the line. */
static void head_cell(struct html_parts *p)
{
	html__open(p->html, "th");
	html__attribute(p->html, "scope", "row");
	html_parts__flush(p);
	html__close(p->html);
}

static void cell_of(struct html_parts *p, const char *class)
{
	html__open_class(p->html, "td", class);
	html_parts__flush(p);
	html__close(p->html);
}

static void cell(struct html_parts *p)
{
	cell_of(p, NULL);
}

static void number_cell(struct html_parts *p)
{
	cell_of(p, "num");
}

static void share(struct html_parts *p, uint64_t part, uint64_t whole)
{
	if (whole)
		words__percent(&p->line, (unsigned int)((double)part * 1000 / (double)whole + 0.5));
}

/* ---- who ---- */

static void table_closers(struct html_parts *p)
{
	static const char *const headings[] = { "Process", "#Closes", "#Share",
						"Container, pod or unit", "-#As client", NULL };
	const struct story *story = p->story;

	if (!story->num_closers)
		return;
	html__leaf(p->html, "h2", NULL, "Who closed");
	begin_table(p, NULL, headings);
	for (unsigned int i = 0; i < story->num_closers; i++) {
		const struct story_who *who = &story->who[story->closers[i]];

		html__open(p->html, "tr");
		if (story->closers[i] && who->comm[0])
			words__name(&p->line, who->comm, 60);
		else
			html_parts__put(p, story->closers[i] ? "not known" : "~other");
		head_cell(p);
		words__number(&p->line, who->closes);
		number_cell(p);
		share(p, who->closes, story->closes);
		number_cell(p);
		if (who->label)
			words__name(&p->line, who->label, 120);
		cell(p);
		share(p, who->as_client, who->closes);
		cell_of(p, "num fine");
		html__close(p->html);
	}
	end_table(p);
}

static void put_who(struct html_parts *p, uint32_t who)
{
	words__who(&p->line, p->story, who);
	head_cell(p);
}

static void table_places(struct html_parts *p)
{
	static const char *const headings[] = { "Process", "#Closes", "Side",
						"Remote end, or own port", "-Cause", NULL };
	const struct story *story = p->story;

	if (!story->num_places)
		return;
	html__leaf(p->html, "h2", NULL, "Towards where");
	begin_table(p, NULL, headings);
	for (unsigned int i = 0; i < story->num_places; i++) {
		const struct story_row *row = &story->places[i];

		html__open(p->html, "tr");
		put_who(p, row->who);
		words__number(&p->line, row->count);
		number_cell(p);
		html_parts__put(p, names__side(row->place.side)->text);
		cell(p);
		words__place(&p->line, &row->place);
		cell(p);
		html_parts__put(p, names__cause(row->place.cause)->text);
		cell_of(p, "fine");
		html__close(p->html);
	}
	end_table(p);
}

/* ---- connects and ports ---- */

static void table_failures(struct html_parts *p)
{
	static const char *const headings[] = { "Process", "#Times", "Error", "Remote end", NULL };
	const struct story *story = p->story;

	if (!story->num_failures)
		return;
	html__leaf(p->html, "h2", NULL, "Connects that failed");
	begin_table(p, NULL, headings);
	for (unsigned int i = 0; i < story->num_failures; i++) {
		const struct story_row *row = &story->failures[i];

		html__open(p->html, "tr");
		put_who(p, row->who);
		words__number(&p->line, row->count);
		number_cell(p);
		words__error(&p->line, row->place.error);
		cell(p);
		words__place(&p->line, &row->place);
		cell(p);
		html__close(p->html);
	}
	end_table(p);
}

static void table_ports(struct html_parts *p)
{
	static const char *const headings[] = { "From, to", "#Used", "At", "Most by", "-#Usable",
						"-#TIME_WAIT", "-#Live", NULL };
	const struct story *story = p->story;

	if (!story->num_ports)
		return;
	html__leaf(p->html, "h2", NULL, "Local ports, when they were fullest");
	begin_table(p, NULL, headings);
	for (unsigned int i = 0; i < story->num_ports; i++) {
		const struct held_ports *ports = &story->ports[i].ports;
		char comm[TWS_COMM_LEN + 1] = "";

		html__open(p->html, "tr");
		words__port_set(&p->line, ports);
		head_cell(p);
		words__percent(&p->line, (unsigned int)story->ports[i].permille);
		number_cell(p);
		words__time(&p->line, &p->words, ports->wall_ns);
		cell(p);
		memcpy(comm, ports->owners[0].comm, TWS_COMM_LEN);
		if (comm[0])
			words__name(&p->line, comm, 60);
		cell(p);
		words__number(&p->line, ports->usable);
		cell_of(p, "num fine");
		words__number(&p->line, ports->time_wait);
		cell_of(p, "num fine");
		words__number(&p->line, ports->live);
		cell_of(p, "num fine");
		html__close(p->html);
	}
	end_table(p);
}

/* ---- findings and all the numbers ---- */

static void table_findings(struct html_parts *p)
{
	static const char *const headings[] = { "At", "Severity", "Finding", NULL };
	const struct story *story = p->story;

	if (!story->num_findings)
		return;
	html__leaf(p->html, "h2", NULL, "Found while it was recorded");
	begin_table(p, NULL, headings);
	for (unsigned int i = 0; i < story->num_findings; i++) {
		const struct story_finding *finding = &story->findings[i];

		html__open(p->html, "tr");
		words__time(&p->line, &p->words, finding->wall_ns);
		head_cell(p);
		html_parts__put(p, words__severity((enum story_severity)finding->severity));
		cell(p);
		words__name(&p->line, finding->id ?: "", 60);
		html_parts__put(p, " ");
		html__open_class(p->html, "td", "text");
		html_parts__flush(p);
		html__text_n(p->html, finding->text ?: "", strnlen(finding->text ?: "", 400));
		html__close(p->html);
		html__close(p->html);
	}
	end_table(p);
}

static void point_row(struct html_parts *p, const struct story_point *point)
{
	double closes = 0;

	for (unsigned int i = 0; i < p->story->num_series; i++)
		closes += point->per_s[i];
	html__open(p->html, "tr");
	words__time(&p->line, &p->words, point->since_ns);
	head_cell(p);
	if (point->is_known)
		words__rate(&p->line, closes);
	else
		html_parts__put(p, "no data");
	number_cell(p);
	if (point->has_time_wait)
		words__number(&p->line, point->time_wait);
	number_cell(p);
	if (point->has_ports)
		words__percent(&p->line, point->ports_permille);
	number_cell(p);
	if (point->is_known && p->story->is_all)
		words__rate(&p->line, point->failed_per_s);
	number_cell(p);
	html__close(p->html);
}

static void table_points(struct html_parts *p)
{
	static const char *const headings[] = { "From", "#Closes a second", "#TIME_WAITs",
						"#Ports used", "#Connects failed a second", NULL };

	if (!p->story->num_points || !p->story->recorded_ns)
		return;
	html__open(p->html, "details");
	html__leaf(p->html, "summary", NULL, "The numbers of the charts");
	begin_table(p, NULL, headings);
	for (unsigned int i = 0; i < p->story->num_points; i++)
		point_row(p, &p->story->points[i]);
	end_table(p);
	html__close(p->html);
}

void html_parts__tables(struct html_parts *p)
{
	table_points(p);
	table_findings(p);
	table_closers(p);
	table_places(p);
	table_failures(p);
	table_ports(p);
}
