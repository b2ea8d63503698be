// SPDX-License-Identifier: GPL-2.0
#include "output/verdict.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fmt.h"
#include "base/json.h"
#include "output/account_json.h"

#define NS_PER_S 1000000000ULL
#define DETAILED 2 /* findings that are told whole at most, unless it is asked for all */
#define SCREEN 23  /* lines of a terminal, but the one in which the shell asks again */
#define USUAL_WIDTH 80
#define INDENT 11

/* ---- for people ---- */

static const char *color_of(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return "\033[1;31m";
	case SEVERITY_WARNING:
		return "\033[1;33m";
	case SEVERITY_NOTICE:
		return "\033[1;36m";
	default:
		return "\033[1;32m";
	}
}

/* Bytes that begin a character are columns: names are escaped, and the rest is ours. */
static size_t columns_of(const char *text, size_t len)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += (text[i] & 0xc0) != 0x80;
	return columns;
}

/* @text in lines that are @width long at most; the next ones begin below the first. */
static void wrap(struct outbuf *ob, const char *text, size_t indent, size_t width)
{
	size_t at = indent;

	while (*text) {
		size_t len = strcspn(text, " "), columns = columns_of(text, len);

		if (at > indent && at + 1 + columns > width) {
			outbuf__char(ob, '\n');
			outbuf__fill(ob, ' ', indent);
			at = indent;
		} else if (at > indent) {
			outbuf__char(ob, ' ');
			at++;
		}
		outbuf__bytes(ob, text, len);
		at += columns;
		text += len;
		text += strspn(text, " ");
	}
	outbuf__char(ob, '\n');
}

static void head(struct outbuf *ob, const char *word)
{
	outbuf__lit(ob, "  ");
	outbuf__text(ob, word);
	outbuf__fill(ob, ' ', INDENT - 2 - strlen(word));
}

/* "closes_per_second" as "closes per second" */
static void fact_text(const struct finding_fact *fact, char *to, size_t size)
{
	char name[48];

	snprintf(name, sizeof(name), "%s", fact->name);
	for (char *c = name; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	if (fact->text[0])
		snprintf(to, size, "%s: %s", name, fact->text);
	else if (fact->tenths)
		snprintf(to, size, "%s: %llu.%llu", name, (unsigned long long)(fact->number / 10),
			 (unsigned long long)(fact->number % 10));
	else
		snprintf(to, size, "%s: %llu", name, (unsigned long long)fact->number);
}

static void facts(struct outbuf *ob, const struct finding *f, size_t width)
{
	char line[FINDING_FACTS * 160] = "", one[160];
	size_t len = 0;

	for (size_t i = 0; i < f->num_facts; i++) {
		fact_text(&f->facts[i], one, sizeof(one));
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", i ? ", " : "", one);
	}
	head(ob, "Evidence");
	wrap(ob, line, INDENT, width);
}

static void whole(struct outbuf *ob, const struct finding *f, size_t width, size_t steps)
{
	char text[FINDING_TEXT + 8], name[FINDING_NAME];

	facts(ob, f, width);
	if (f->command[0]) {
		struct outbuf escaped;
		char command[400];

		outbuf__init_fixed(&escaped, command, sizeof(command));
		finding__command(&escaped, f);
		outbuf__terminate(&escaped);
		if (f->pid)
			snprintf(text, sizeof(text), "%s, PID %u: %s",
				 finding__name(name, f->comm, f->label), f->pid, command);
		else
			snprintf(text, sizeof(text), "%s%s, as: %s",
				 finding__name(name, f->comm, f->label),
				 f->several ? ", several processes" : "", command);
		head(ob, "Who");
		wrap(ob, text, INDENT, width);
	}
	for (size_t i = 0; i < f->num_steps && i < steps; i++) {
		snprintf(text, sizeof(text), "%zu. %s", i + 1, f->steps[i]);
		head(ob, i ? "" : "Do");
		wrap(ob, text, INDENT, width);
	}
	if (f->avoid[0]) {
		head(ob, "Not");
		wrap(ob, f->avoid, INDENT, width);
	}
}

static void severity_text(struct outbuf *ob, enum severity severity, bool color)
{
	if (color)
		outbuf__text(ob, color_of(severity));
	for (const char *c = finding__severity(severity); *c; c++)
		outbuf__char(ob, (char)(*c - 'a' + 'A'));
	if (color)
		outbuf__lit(ob, "\033[0m");
}

/* @steps: of what helps, 0: its sentence alone. */
static void finding_text(struct outbuf *ob, const struct finding *f,
			 const struct verdict_style *style, size_t width, size_t steps)
{
	char title[128];

	severity_text(ob, f->severity, style->color);
	snprintf(title, sizeof(title), " %s (%s)\n", f->id, finding__confidence(f->confidence));
	outbuf__text(ob, title);
	outbuf__lit(ob, "  ");
	wrap(ob, f->sentence, 2, width);
	if (f->more) {
		snprintf(title, sizeof(title), "  And %zu more like it.\n", f->more);
		outbuf__text(ob, title);
	}
	if (steps)
		whole(ob, f, width, steps);
}

static void window_text(struct outbuf *ob, const struct verdict_of *of, size_t width)
{
	const struct evidence *e = of->evidence;
	char span[FINDING_SPAN], line[256];
	uint64_t closes = 0;

	for (size_t i = 0; i < e->num_flows; i++)
		closes += e->flows[i]->time_waits;
	finding__span(span, e->until_ns > e->since_ns ? e->until_ns - e->since_ns : 0);
	snprintf(line, sizeof(line), "%s %s: %llu closes that end in TIME_WAIT, %llu.%llu a second; lost %llu",
		 e->is_past ? "In" : e->looked_back ? "The last" : "Watched for", span, (unsigned long long)closes,
		 (unsigned long long)(evidence__tenths_per_s(e, closes) / 10),
		 (unsigned long long)(evidence__tenths_per_s(e, closes) % 10),
		 (unsigned long long)e->lost);
	wrap(ob, line, 0, width);
}

/* How much is told. */
struct extent {
	size_t whole; /* findings with all that is known of them, */
	size_t steps; /* but for what helps: so many of it */
	size_t told;  /* with their sentence; the others by their names */
};

/* Less of it; false: there is no less. The worst one is told with what helps first, and it is told what
 * else there is. */
static bool reduce(struct extent *x)
{
	if (x->whole > 1)
		x->whole--;
	else if (x->told > 2)
		x->told--;
	else if (x->steps > 2)
		x->steps--;
	else if (x->told > 1)
		x->told--;
	else if (x->steps > 1)
		x->steps--;
	else
		return false;
	return true;
}

/* How many of its kind there are from it on; 0: it is not the first one of them. */
static size_t of_a_kind(const struct rules_verdict *v, size_t first, size_t which)
{
	size_t num = 0;

	for (size_t i = first; i < which; i++)
		if (!strcmp(v->findings[i].id, v->findings[which].id))
			return 0;
	for (size_t i = which; i < v->num; i++)
		num += !strcmp(v->findings[i].id, v->findings[which].id);
	return num;
}

static void rest_text(struct outbuf *ob, const struct rules_verdict *v, const struct extent *x,
		      size_t width)
{
	char line[RULES_FINDINGS * 48 + 80] = "", times[32];
	size_t len = 0, num;
	bool is_short = x->whole < v->num;

	for (size_t i = 0; i < x->whole && i < v->num; i++)
		is_short |= x->steps < v->findings[i].num_steps;
	for (size_t i = x->told; i < v->num && len < sizeof(line); i++) {
		num = of_a_kind(v, x->told, i);
		if (!num)
			continue;
		times[0] = '\0';
		if (num > 1)
			snprintf(times, sizeof(times), ", %zu times", num);
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s (%s%s)",
					len ? ", " : "Also: ", v->findings[i].id,
					finding__severity(v->findings[i].severity), times);
	}
	if (is_short && len < sizeof(line))
		snprintf(line + len, sizeof(line) - len, "%sTo read all of each: -v", len ? ". " : "");
	if (!line[0])
		return;
	outbuf__char(ob, '\n');
	wrap(ob, line, 0, width);
}

static void write_text(struct outbuf *ob, const struct verdict_of *of,
		       const struct verdict_style *style, size_t width, const struct extent *x)
{
	const struct rules_verdict *v = of->verdict;

	window_text(ob, of, width);
	for (size_t i = 0; i < v->num && i < x->told; i++) {
		outbuf__char(ob, '\n');
		finding_text(ob, &v->findings[i], style, width, i < x->whole ? x->steps : 0);
	}
	rest_text(ob, v, x, width);
	if (of->note) {
		outbuf__char(ob, '\n');
		wrap(ob, of->note, 0, width);
	}
}

/* How many lines a terminal makes of it: a word that is wider than that goes on in the next one. Escapes
 * for colour are counted as columns, in titles, which are short. */
static size_t lines_of(const char *text, size_t len, size_t width)
{
	size_t lines = 0;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t here = end ? (size_t)(end - text) : len, columns = columns_of(text, here);

		lines += columns ? (columns + width - 1) / width : 1;
		here += end != NULL;
		text += here;
		len -= here;
	}
	return lines;
}

void verdict__text(struct outbuf *ob, const struct verdict_of *of, const struct verdict_style *style)
{
	size_t width = style->width ? style->width : USUAL_WIDTH, begin = ob->len;
	struct extent x = { .whole = style->verbose ? RULES_FINDINGS : DETAILED,
			    .steps = FINDING_STEPS, .told = of->verdict->num };

	width = width > 100 ? 100 : width < 40 ? 40 : width;
	write_text(ob, of, style, width, &x);
	while (!style->verbose && !ob->failed &&
	       lines_of(ob->data + begin, ob->len - begin, width) > SCREEN && reduce(&x)) {
		ob->len = begin;
		write_text(ob, of, style, width, &x);
	}
}

/* ---- JSON ---- */

static bool is_zero(const uint8_t addr[16])
{
	static const uint8_t zero[16];

	return !memcmp(addr, zero, sizeof(zero));
}

static void end_json(struct outbuf *ob, const char *key, uint8_t family, const uint8_t addr[16],
		     uint16_t port)
{
	char text[FMT_IPV6_MAX + 1];

	if (is_zero(addr) && !port)
		return;
	json__open(ob, key, '{');
	if (!is_zero(addr)) {
		text[family == AF_INET ? fmt__ipv4(text, addr) : fmt__ipv6(text, addr)] = '\0';
		json__string(ob, "address", text);
	}
	if (port)
		json__u64(ob, "port", port);
	json__close(ob, '}');
}

static void who_json(struct outbuf *ob, const struct finding *f)
{
	char comm[TWS_COMM_LEN + 1] = "";

	memcpy(comm, f->comm, strnlen(f->comm, TWS_COMM_LEN));
	if (comm[0]) {
		json__open(ob, "process", '{');
		if (f->pid)
			json__u64(ob, "pid", f->pid);
		json__string(ob, "name", comm);
		json__string(ob, "command_line", f->command);
		json__close(ob, '}');
	}
	json__string(ob, "workload", f->label);
	if (!f->netns && !f->family)
		return;
	json__open(ob, "network", '{');
	end_json(ob, "local", f->family, f->local_addr, f->local_port);
	end_json(ob, "peer", f->family, f->peer_addr, f->peer_port);
	if (f->netns)
		json__u64(ob, "netns", f->netns);
	json__close(ob, '}');
}

static void facts_json(struct outbuf *ob, const struct finding *f)
{
	json__open(ob, "evidence", '{');
	for (size_t i = 0; i < f->num_facts; i++) {
		const struct finding_fact *fact = &f->facts[i];

		if (fact->text[0]) {
			json__string(ob, fact->name, fact->text);
		} else {
			json__u64(ob, fact->name, fact->tenths ? fact->number / 10 : fact->number);
			if (fact->tenths) {
				outbuf__char(ob, '.');
				outbuf__u64(ob, fact->number % 10);
			}
		}
	}
	json__close(ob, '}');
}

static void finding_json(struct outbuf *ob, const struct finding *f)
{
	json__open(ob, NULL, '{');
	json__string(ob, "id", f->id);
	json__string(ob, "severity", finding__severity(f->severity));
	json__string(ob, "confidence", finding__confidence(f->confidence));
	json__string(ob, "sentence", f->sentence);
	who_json(ob, f);
	facts_json(ob, f);
	json__open(ob, "remedy", '[');
	for (size_t i = 0; i < f->num_steps; i++)
		json__string(ob, NULL, f->steps[i]);
	json__close(ob, ']');
	json__string(ob, "avoid", f->avoid);
	if (f->more)
		json__u64(ob, "more", f->more);
	json__close(ob, '}');
}

/* To the second. */
static void time_json(struct outbuf *ob, const char *key, uint64_t wall_ns)
{
	char when[FMT_SECOND_LEN + 2];

	fmt__second(when, wall_ns / NS_PER_S);
	when[FMT_SECOND_LEN] = 'Z';
	when[FMT_SECOND_LEN + 1] = '\0';
	json__string(ob, key, when);
}

void verdict__json(struct outbuf *ob, const struct verdict_of *of)
{
	const struct evidence *e = of->evidence;

	json__open(ob, NULL, '{');
	time_json(ob, "timestamp", of->wall_ns);
	json__string(ob, "verdict", finding__severity(of->verdict->severity));
	json__open(ob, "window", '{');
	time_json(ob, "since", e->since_ns + of->shift_ns);
	time_json(ob, "until", e->until_ns + of->shift_ns);
	json__close(ob, '}');
	json__u64(ob, "window_ns", e->until_ns > e->since_ns ? e->until_ns - e->since_ns : 0);
	json__bool(ob, "looked_back", e->looked_back);
	json__string(ob, "severity", finding__severity(of->verdict->severity));
	json__open(ob, "findings", '[');
	for (size_t i = 0; i < of->verdict->num; i++)
		finding_json(ob, &of->verdict->findings[i]);
	json__close(ob, ']');
	json__string(ob, "note", of->note);
	account_json__write(ob, of->account);
	json__close(ob, '}');
	outbuf__char(ob, '\n');
}

/* ---- for monitoring ---- */

int verdict__plugin(struct outbuf *ob, const struct verdict_of *of)
{
	static const struct {
		const char *word;
		int status;
	} as[] = { { "OK", 0 }, { "OK", 0 }, { "WARNING", 1 }, { "CRITICAL", 2 } };
	const struct rules_verdict *v = of->verdict;
	uint64_t closes = 0, failed = 0, tenths;
	char line[128];

	for (size_t i = 0; i < of->evidence->num_flows; i++) {
		closes += of->evidence->flows[i]->time_waits;
		failed += of->evidence->flows[i]->no_ports;
	}
	tenths = evidence__tenths_per_s(of->evidence, closes);
	outbuf__lit(ob, "TWSNOOP ");
	outbuf__text(ob, as[v->severity].word);
	outbuf__lit(ob, " - ");
	for (const char *c = v->findings[0].sentence; *c; c++) /* a bar would begin the numbers */
		outbuf__char(ob, *c == '|' ? '/' : *c);
	snprintf(line, sizeof(line), " | closes_per_second=%llu.%llu connects_failed=%llu\n",
		 (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10),
		 (unsigned long long)failed);
	outbuf__text(ob, line);
	return as[v->severity].status;
}
