// SPDX-License-Identifier: GPL-2.0
#include "report/report_json.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fmt.h"
#include "base/json.h"
#include "model/names.h"
#include "output/account_json.h"
#include "report/advice.h"
#include "report/words.h"

#define NS_PER_S 1000000000ULL

struct writing {
	struct outbuf *to;
	struct outbuf line; /* a sentence */
	struct words words;
};

static void put_time(struct outbuf *to, const char *key, uint64_t ns)
{
	char text[FMT_SECOND_LEN + 2];

	if (!ns || ns / NS_PER_S > 253402300799ULL)
		return;
	fmt__second(text, ns / NS_PER_S);
	memcpy(text + FMT_SECOND_LEN, "Z", 2);
	json__string(to, key, text);
}

/* What was written to @w->line, without the marks of names. */
static void put_line(struct writing *w, const char *key)
{
	size_t len = 0;

	for (size_t i = 0; i < w->line.len; i++)
		if (w->line.data[i] != WORDS_NAME && w->line.data[i] != WORDS_END)
			w->line.data[len++] = w->line.data[i];
	w->line.len = len;
	json__string(w->to, key, outbuf__terminate(&w->line));
	w->to->failed |= w->line.failed;
	w->line.len = 0;
}

static void put_usual(struct outbuf *to, const char *key, const struct usual *usual)
{
	if (!usual->is_known)
		return;
	json__open(to, key, '{');
	json__real(to, "median", usual->median);
	json__real(to, "low", usual->low);
	json__real(to, "high", usual->high);
	json__real(to, "limit", usual->leave);
	json__u64(to, "samples", usual->count);
	json__bool(to, "grew", usual->grew);
	json__close(to, '}');
}

static void put_who(struct writing *w, uint32_t number)
{
	const struct story_who *who = &w->words.story->who[number];

	if (!number) {
		json__bool(w->to, "other", true);
		return;
	}
	json__string(w->to, "process", who->comm);
	json__string(w->to, "container", who->label);
	json__string(w->to, "command_line", who->command_line);
}

static void put_address(struct outbuf *to, const char *key, uint8_t family, const uint8_t *addr)
{
	char text[FMT_IPV6_MAX + 1];
	size_t len = family == AF_INET ? fmt__ipv4(text, addr) : fmt__ipv6(text, addr);

	text[len] = '\0';
	json__string(to, key, text);
}

static void put_place(struct outbuf *to, const struct story_place *place)
{
	bool here = place->side == TWS_SIDE_SERVER;

	if (!place->family)
		return;
	put_address(to, here ? "local_address" : "peer_address", place->family, place->addr);
	json__u64(to, here ? "local_port" : "peer_port", place->port);
	json__string(to, "side", names__side(place->side)->text);
	if (place->action == TWS_TIME_WAIT)
		json__string(to, "cause", names__cause(place->cause)->text);
	if (place->error)
		json__u64(to, "errno", place->error);
}

static void put_culprit(struct writing *w, const struct story_culprit *culprit)
{
	struct outbuf *to = w->to;

	json__open(to, NULL, '{');
	put_who(w, culprit->who);
	json__u64(to, "closes", culprit->closes);
	json__real(to, "closes_per_s", culprit->per_s);
	json__real(to, "usual_per_s", culprit->usual_per_s);
	json__real(to, "share", culprit->permille / 1000.0);
	put_place(to, &culprit->place);
	json__real(to, "place_share", culprit->place_permille / 1000.0);
	json__real(to, "client_share", culprit->client_permille / 1000.0);
	json__real(to, "server_share", culprit->server_permille / 1000.0);
	if (culprit->lifetime_ns) {
		json__u64(to, "median_lifetime_above_ns", culprit->lifetime_above_ns);
		if (culprit->lifetime_ns != UINT64_MAX)
			json__u64(to, "median_lifetime_ns", culprit->lifetime_ns);
	}
	json__close(to, '}');
}

static void put_rows(struct writing *w, const char *key, const struct story_row *rows,
		     unsigned int num)
{
	json__open(w->to, key, '[');
	for (unsigned int i = 0; i < num; i++) {
		json__open(w->to, NULL, '{');
		put_who(w, rows[i].who);
		put_place(w->to, &rows[i].place);
		json__u64(w->to, "count", rows[i].count);
		json__close(w->to, '}');
	}
	json__close(w->to, ']');
}

static void put_port_sets(struct outbuf *to, const struct story_port_set *sets, unsigned int num)
{
	static const char *const scopes[] = { "peer", "all", "own" };

	json__open(to, "ports", '[');
	for (unsigned int i = 0; i < num; i++) {
		const struct held_ports *p = &sets[i].ports;

		json__open(to, NULL, '{');
		put_time(to, "timestamp", p->wall_ns);
		json__string(to, "scope", p->scope < 3 ? scopes[p->scope] : NULL);
		put_address(to, "local_address", p->family, p->key.local_addr);
		if (p->scope != HELD_PORTS_ALL) {
			put_address(to, "peer_address", p->family, p->key.peer_addr);
			json__u64(to, "peer_port", p->key.peer_port);
		}
		json__u64(to, "usable", p->usable);
		json__u64(to, "time_wait", p->time_wait);
		json__u64(to, "live", p->live);
		json__u64(to, "bound", p->bound);
		if (p->has_left)
			json__u64(to, "left", p->left);
		json__u64(to, "reusable", p->reusable);
		json__real(to, "used_ratio", sets[i].permille / 1000.0);
		json__close(to, '}');
	}
	json__close(to, ']');
}

static void put_signs(struct outbuf *to, unsigned int signs)
{
	static const struct {
		unsigned int sign;
		const char *word;
	} words[] = {
		{ STORY_RATE, "rate" }, { STORY_TIME_WAIT, "time_wait" }, { STORY_PORTS, "ports" },
		{ STORY_LIMIT, "limit" }, { STORY_NO_PORTS, "no_ports" },
		{ STORY_FAILURES, "connect_failed" },
	};

	json__open(to, "signs", '[');
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (signs & words[i].sign)
			json__string(to, NULL, words[i].word);
	json__close(to, ']');
}

static void put_numbers(struct outbuf *to, const struct story_incident *incident)
{
	json__u64(to, "closes", incident->closes);
	json__real(to, "closes_per_s", incident->per_s);
	json__real(to, "peak_per_s", incident->peak_per_s);
	put_time(to, "peak", incident->peak_ns);
	if (incident->time_wait) {
		json__u64(to, "time_wait", incident->time_wait);
		put_time(to, "time_wait_at", incident->time_wait_ns);
	}
	if (incident->limit) {
		json__u64(to, "limit", incident->limit);
		json__u64(to, "limit_used", incident->limited);
	}
	json__u64(to, "overflows", incident->overflows);
	json__u64(to, "connect_failed", incident->failed);
	json__u64(to, "connect_failed_no_port", incident->failed_ports);
}

static void put_incident(struct writing *w, const struct story_incident *incident)
{
	struct outbuf *to = w->to;

	json__open(to, NULL, '{');
	json__string(to, "id", incident->advice->id);
	json__string(to, "severity", words__severity(incident->severity));
	put_time(to, "since", incident->since_ns);
	put_time(to, "until", incident->until_ns);
	json__bool(to, "began_before", incident->began_before);
	json__bool(to, "goes_on", incident->goes_on);
	json__bool(to, "has_gap", incident->has_gap);
	put_signs(to, incident->signs);
	put_numbers(to, incident);
	json__open(to, "culprits", '[');
	for (unsigned int i = 0; i < incident->num_culprits; i++)
		put_culprit(w, &incident->culprits[i]);
	json__close(to, ']');
	json__bool(to, "culprits_take_ports", incident->takes_ports);
	put_rows(w, "failures", incident->failures, incident->num_failures);
	put_port_sets(to, incident->ports, incident->num_ports);
	json__open(to, "words", '{');
	words__incident(&w->line, &w->words, incident);
	put_line(w, "title");
	for (size_t i = 0; i < words_num_parts; i++) {
		words_parts[i].write(&w->line, &w->words, incident);
		put_line(w, words_parts[i].key);
	}
	json__close(to, '}');
	json__close(to, '}');
}

static void put_closers(struct writing *w)
{
	const struct story *story = w->words.story;

	json__open(w->to, "closers", '[');
	for (unsigned int i = 0; i < story->num_closers; i++) {
		const struct story_who *who = &story->who[story->closers[i]];

		json__open(w->to, NULL, '{');
		put_who(w, story->closers[i]);
		json__u64(w->to, "closes", who->closes);
		json__u64(w->to, "as_client", who->as_client);
		json__u64(w->to, "as_server", who->as_server);
		json__u64(w->to, "connect_failed", who->failed);
		json__close(w->to, '}');
	}
	json__close(w->to, ']');
}

static void put_gaps(struct writing *w)
{
	static const char *const reasons[HELD_GAP_REASON_END] = {
		"unknown", "stopped", "disk", "size", "slow", "suspended", "clock", "damaged",
	};
	const struct story *story = w->words.story;

	json__open(w->to, "gaps", '[');
	for (unsigned int i = 0; i < story->num_gaps; i++) {
		const struct story_gap *gap = &story->gaps[i];

		json__open(w->to, NULL, '{');
		put_time(w->to, "since", gap->since_ns);
		put_time(w->to, "until", gap->until_ns);
		json__string(w->to, "reason",
			     reasons[gap->reason < HELD_GAP_REASON_END ? gap->reason : 0]);
		json__u64(w->to, "events", gap->events);
		json__string(w->to, "detail", gap->detail);
		json__close(w->to, '}');
	}
	json__close(w->to, ']');
	json__open(w->to, "unknown", '[');
	for (unsigned int i = 0; words__unknown(&w->line, &w->words, i); i++)
		put_line(w, NULL);
	json__close(w->to, ']');
}

static void put_findings(struct writing *w)
{
	const struct story *story = w->words.story;

	json__open(w->to, "findings", '[');
	for (unsigned int i = 0; i < story->num_findings; i++) {
		const struct story_finding *finding = &story->findings[i];

		json__open(w->to, NULL, '{');
		put_time(w->to, "timestamp", finding->wall_ns);
		json__string(w->to, "id", finding->id);
		json__string(w->to, "severity",
			     words__severity((enum story_severity)finding->severity));
		json__string(w->to, "sentence", finding->text);
		json__u64(w->to, "count", finding->count);
		json__close(w->to, '}');
	}
	json__close(w->to, ']');
	json__open(w->to, "changes", '[');
	for (unsigned int i = 0; i < story->num_changes; i++) {
		json__open(w->to, NULL, '{');
		put_time(w->to, "until", story->changes[i].wall_ns);
		json__string(w->to, "setting", story->changes[i].name);
		json__u64(w->to, "from", story->changes[i].from);
		json__u64(w->to, "to", story->changes[i].to);
		json__close(w->to, '}');
	}
	json__close(w->to, ']');
}

static void put_account(struct outbuf *to, const struct story *story)
{
	if (story->has_account)
		account_json__write(to, &story->account);
}

static void put_point(struct outbuf *to, const struct story *story,
		      const struct story_point *point)
{
	double sum = 0;

	for (unsigned int i = 0; i < story->num_series; i++)
		sum += point->per_s[i];
	json__open(to, NULL, '{');
	put_time(to, "since", point->since_ns);
	json__bool(to, "recorded", point->is_known);
	if (point->is_known) {
		json__real(to, "closes_per_s", sum);
		json__real(to, "connect_failed_per_s", point->failed_per_s);
	}
	if (point->has_time_wait)
		json__u64(to, "time_wait", point->time_wait);
	if (point->has_ports)
		json__real(to, "ports_used_ratio", point->ports_permille / 1000.0);
	json__close(to, '}');
}

static void put_head(struct writing *w)
{
	const struct story *story = w->words.story;
	struct outbuf *to = w->to;

	json__string(to, "severity", words__severity(story->severity));
	words__headline(&w->line, &w->words);
	put_line(w, "headline");
	json__string(to, "host", story->host);
	json__string(to, "kernel", story->kernel);
	json__string(to, "version", story->version);
	json__open(to, "span", '{');
	put_time(to, "since", story->span.since_ns);
	put_time(to, "until", story->span.until_ns);
	json__string(to, "recorded_zone", story->zone);
	json__u64(to, "recorded_ns", story->recorded_ns);
	put_time(to, "recording_since", story->all.since_ns);
	put_time(to, "recording_until", story->all.until_ns);
	json__close(to, '}');
	json__open(to, "usual", '{');
	put_time(to, "since", story->past_ns);
	put_usual(to, "closes_per_s", &story->usual_rate);
	put_usual(to, "time_wait", &story->usual_time_wait);
	put_usual(to, "connect_failed_per_s", &story->usual_failed);
	json__close(to, '}');
	json__u64(to, "closes", story->closes);
	json__u64(to, "other", story->other);
	json__real(to, "peak_per_s", story->peak_per_s);
	json__u64(to, "time_wait", story->time_wait);
	json__u64(to, "connect_failed", story->failed);
	json__u64(to, "overflows", story->overflows);
}

void report_json__write(struct outbuf *to, const struct story *story,
			const struct when_zone *zone)
{
	struct writing w = { .to = to };

	words__init(&w.words, story, zone);
	if (outbuf__init(&w.line, 4096)) {
		to->failed = true;
		return;
	}
	json__open(to, NULL, '{');
	put_head(&w);
	json__open(to, "incidents", '[');
	for (unsigned int i = 0; i < story->num_incidents; i++)
		put_incident(&w, &story->incidents[i]);
	json__close(to, ']');
	json__u64(to, "more_incidents", story->more_incidents);
	put_closers(&w);
	put_rows(&w, "places", story->places, story->num_places);
	put_rows(&w, "failures", story->failures, story->num_failures);
	put_port_sets(to, story->ports, story->num_ports);
	put_findings(&w);
	put_gaps(&w);
	put_account(to, story);
	json__open(to, "points", '[');
	for (unsigned int i = 0; i < story->num_points; i++)
		put_point(to, story, &story->points[i]);
	json__close(to, ']');
	json__close(to, '}');
	outbuf__char(to, '\n');
	outbuf__free(&w.line);
}
