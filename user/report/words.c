// SPDX-License-Identifier: GPL-2.0
/* The small ones of words.h. */
#include "report/words_put.h"

#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "model/names.h"

#define NS_PER_S 1000000000ULL
#define NAME_COLUMNS 60

/* ---- times ---- */

static bool break_down(const struct words *words, uint64_t ns, struct tm *tm)
{
	return words->zone->break_down((int64_t)(ns / NS_PER_S), tm);
}

void words__init(struct words *words, const struct story *story, const struct when_zone *zone)
{
	struct tm since, until;
	uint64_t last_ns = story->span.until_ns - 1;

	*words = (struct words){ .story = story, .zone = zone };
	if (!break_down(words, story->span.since_ns, &since) ||
	    !break_down(words, last_ns, &until))
		return;
	words->with_day = since.tm_yday != until.tm_yday || since.tm_year != until.tm_year;
	words->with_zone = since.tm_gmtoff != until.tm_gmtoff;
}

static void put_time(struct outbuf *to, const struct words *words, uint64_t ns, bool with_day,
		     bool with_zone)
{
	struct tm tm, first;
	char text[WHEN_BYTES];
	bool is_minute = !(ns / NS_PER_S % 60);

	if (!break_down(words, ns, &tm)) {
		outbuf__text(to, "?");
		return;
	}
	/* Of another day than all the others. */
	if (!with_day && break_down(words, words->story->span.since_ns, &first))
		with_day = first.tm_yday != tm.tm_yday || first.tm_year != tm.tm_year;
	if (with_day && strftime(text, sizeof(text), "%Y-%m-%d ", &tm))
		outbuf__text(to, text);
	if (strftime(text, sizeof(text), is_minute ? "%H:%M" : "%H:%M:%S", &tm))
		outbuf__text(to, text);
	if (!with_zone)
		return;
	if (words->zone == &when_utc) {
		outbuf__text(to, " UTC"); /* which gmtime() calls GMT */
		return;
	}
	if (!strftime(text, sizeof(text), "%Z", &tm))
		return;
	/* TZ's name is the user's. */
	outbuf__char(to, ' ');
	escape__text(to, text, strlen(text));
}

void words__time(struct outbuf *to, const struct words *words, uint64_t ns)
{
	put_time(to, words, ns, words->with_day, words->with_zone);
}

void words__times(struct outbuf *to, const struct words *words, uint64_t since_ns,
		  uint64_t until_ns)
{
	words__time(to, words, since_ns);
	outbuf__text(to, " to ");
	words__time(to, words, until_ns);
}

void words__span(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	bool with_day = words->with_day;

	put_time(to, words, story->span.since_ns, true, words->with_zone);
	outbuf__text(to, " to ");
	put_time(to, words, story->span.until_ns, with_day, true);
}

/* ---- numbers ---- */

void words__number(struct outbuf *to, uint64_t number)
{
	char digits[FMT_U64_MAX];
	size_t len = fmt__u64(digits, number);

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			outbuf__char(to, ',');
		outbuf__char(to, digits[i]);
	}
}

void words__rate(struct outbuf *to, double per_s)
{
	uint64_t tenths;

	if (!(per_s < 1e18))
		per_s = 1e18;
	if (per_s >= 10) {
		words__number(to, (uint64_t)(per_s + 0.5));
		return;
	}
	tenths = (uint64_t)(per_s * 10 + 0.5);
	if (!tenths && per_s > 0) {
		outbuf__text(to, "under 0.1");
		return;
	}
	words__number(to, tenths / 10);
	if (tenths % 10) {
		outbuf__char(to, '.');
		outbuf__u64(to, tenths % 10);
	}
}

void words__percent(struct outbuf *to, unsigned int permille)
{
	if (permille && permille < 10) {
		outbuf__text(to, "0.");
		outbuf__u64(to, permille);
	} else {
		/* All is all, and not nearly all. */
		outbuf__u64(to, permille >= 995 && permille < 1000 ? 99 : (permille + 5) / 10);
	}
	outbuf__text(to, " %");
}

static void put_units(struct outbuf *to, uint64_t large, const char *large_unit, uint64_t small,
		      const char *small_unit)
{
	words__number(to, large);
	outbuf__text(to, large_unit);
	if (!small)
		return;
	outbuf__char(to, ' ');
	outbuf__u64(to, small);
	outbuf__text(to, small_unit);
}

void words__duration(struct outbuf *to, uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;
	char text[FMT_SHORT_MAX];

	if (!s)
		outbuf__bytes(to, text, fmt__lifetime(text, ns));
	else if (s < 60)
		put_units(to, s, " s", 0, "");
	else if (s < 3600)
		put_units(to, s / 60, " min", s % 60, " s");
	else if (s < 86400)
		put_units(to, s / 3600, " h", s % 3600 / 60, " min");
	else
		put_units(to, s / 86400, " d", s % 86400 / 3600, " h");
}

/* ---- names ---- */

void words__name(struct outbuf *to, const char *name, size_t columns)
{
	outbuf__char(to, WORDS_NAME);
	if (name[0])
		escape__text_columns(to, name, strlen(name), columns);
	else
		outbuf__text(to, "\"\"");
	outbuf__char(to, WORDS_END);
}

void words__who(struct outbuf *to, const struct story *story, uint32_t who)
{
	const struct story_who *w = &story->who[who];

	if (!who) {
		outbuf__text(to, "many that no minute had room for (~other)");
		return;
	}
	if (w->comm[0])
		words__name(to, w->comm, NAME_COLUMNS);
	else
		outbuf__text(to, "an unknown process");
	if (!w->label)
		return;
	outbuf__text(to, " in ");
	words__name(to, w->label, NAME_COLUMNS);
}

static void put_address(struct outbuf *to, uint8_t family, const uint8_t addr[16], int port)
{
	char text[FMT_IPV6_MAX];
	bool brackets = family != AF_INET && port >= 0;
	size_t len = family == AF_INET ? fmt__ipv4(text, addr) : fmt__ipv6(text, addr);

	if (brackets)
		outbuf__char(to, '[');
	outbuf__bytes(to, text, len);
	if (brackets)
		outbuf__char(to, ']');
	if (port < 0)
		return;
	outbuf__char(to, ':');
	outbuf__u64(to, (uint64_t)port);
}

void words__place(struct outbuf *to, const struct story_place *place)
{
	put_address(to, place->family, place->addr, place->port);
}

void words__error(struct outbuf *to, uint32_t error)
{
	const char *name = names__errno(error);

	if (name) {
		outbuf__text(to, name);
	} else if (error) {
		outbuf__text(to, "error ");
		outbuf__u64(to, error);
	} else {
		outbuf__text(to, "no answer yet");
	}
}

void words__port_set(struct outbuf *to, const struct held_ports *ports)
{
	put_address(to, ports->family, ports->key.local_addr, -1);
	outbuf__text(to, " to ");
	if (ports->scope == HELD_PORTS_ALL)
		outbuf__text(to, "anywhere");
	else
		put_address(to, ports->family, ports->key.peer_addr, ports->key.peer_port);
}

const char *words__severity(enum story_severity severity)
{
	static const char *const words[] = { "ok", "notice", "warning", "critical" };

	return words[severity];
}
