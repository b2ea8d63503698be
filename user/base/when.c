// SPDX-License-Identifier: GPL-2.0
#include "base/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define NS_PER_S 1000000000ULL
#define MAX_EPOCH_S 253402300799ULL /* the end of the year 9999 */

/* ---- zones ---- */

static bool break_down_local(int64_t epoch_s, struct tm *tm)
{
	time_t t = (time_t)epoch_s;

	tzset(); /* localtime_r() need not */
	return localtime_r(&t, tm);
}

static int64_t make_local(struct tm *tm)
{
	time_t t;

	tm->tm_wday = -1; /* stays so if mktime() fails: -1 is a moment too */
	t = mktime(tm);
	return tm->tm_wday < 0 ? INT64_MIN : (int64_t)t;
}

static bool break_down_utc(int64_t epoch_s, struct tm *tm)
{
	time_t t = (time_t)epoch_s;

	return gmtime_r(&t, tm);
}

static int64_t make_utc(struct tm *tm)
{
	return timegm(tm);
}

const struct when_zone when_local = { break_down_local, make_local };
const struct when_zone when_utc = { break_down_utc, make_utc };

/* ---- digits ---- */

/* Takes exactly @num digits off *@s. */
static bool take_number(const char **s, size_t num, int *value)
{
	uint64_t number;

	if (strnlen(*s, num) < num || parse__u64_n(*s, num, 0, UINT32_MAX >> 1, &number))
		return false;
	*s += num;
	*value = (int)number;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* ".5": up to nine digits, as ns; none is 0. */
static bool take_fraction(const char **s, uint64_t *ns)
{
	uint64_t scale = NS_PER_S;

	*ns = 0;
	if (!take_char(s, '.'))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		if (scale == 1)
			return false;
		scale /= 10;
		*ns += (uint64_t)(**s - '0') * scale;
	}
	return true;
}

/* ---- the parts ---- */

struct moment {
	struct tm tm; /* the day, if there is one, and the time */
	uint64_t fraction_ns;
	bool has_day;
	int days_ago; /* without a day */
	bool has_offset;
	int offset_s; /* east of UTC */
};

/* HH:MM[:SS[.FRACTION]] */
static bool take_time(const char **s, struct moment *m)
{
	if (!take_number(s, 2, &m->tm.tm_hour) || !take_char(s, ':') ||
	    !take_number(s, 2, &m->tm.tm_min))
		return false;
	if (take_char(s, ':') &&
	    (!take_number(s, 2, &m->tm.tm_sec) || !take_fraction(s, &m->fraction_ns)))
		return false;
	return m->tm.tm_hour < 24 && m->tm.tm_min < 60 && m->tm.tm_sec < 60;
}

/* YYYY-MM-DD */
static bool take_day(const char **s, struct moment *m)
{
	if (!take_number(s, 4, &m->tm.tm_year) || !take_char(s, '-') ||
	    !take_number(s, 2, &m->tm.tm_mon) || !take_char(s, '-') ||
	    !take_number(s, 2, &m->tm.tm_mday))
		return false;
	m->tm.tm_year -= 1900;
	m->tm.tm_mon -= 1;
	m->has_day = true;
	return m->tm.tm_year >= 70 && m->tm.tm_mon >= 0 && m->tm.tm_mon < 12 &&
	       m->tm.tm_mday >= 1 && m->tm.tm_mday <= 31;
}

/* Z, or +HH:MM; none is no error. */
static bool take_offset(const char **s, struct moment *m)
{
	bool east = **s == '+';
	int hours, minutes;

	if (!**s)
		return true;
	m->has_offset = true;
	if (take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	if ((!take_char(s, '+') && !take_char(s, '-')) || !take_number(s, 2, &hours) ||
	    !take_char(s, ':') || !take_number(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	m->offset_s = (hours * 60 + minutes) * (east ? 60 : -60);
	return true;
}

static bool take_word(const char **s, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*s, word, len))
		return false;
	*s += len;
	return true;
}

/* All forms but "2m" and "@epoch". */
static bool read_moment(const char *s, struct moment *m)
{
	*m = (struct moment){ .days_ago = -1 };
	if (take_word(&s, "yesterday "))
		m->days_ago = 1;
	else if (take_word(&s, "today "))
		m->days_ago = 0;
	else if (strlen(s) > 4 && s[4] == '-') {
		if (!take_day(&s, m))
			return false;
		if (!*s)
			return true;
		if (!take_char(&s, ' ') && !take_char(&s, 'T') && !take_char(&s, 't'))
			return false;
	}
	return take_time(&s, m) && (!m->has_day || take_offset(&s, m)) && !*s;
}

/* ---- to the epoch ---- */

static bool same_clock(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
	       a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

/* The moment when clocks show @want, as summer time or not; INT64_MIN: they never do. */
static int64_t moment_as(const struct tm *want, int is_dst, const struct when_zone *zone)
{
	struct tm tm = *want, shown;
	int64_t epoch_s;

	tm.tm_isdst = is_dst;
	epoch_s = zone->make(&tm);
	if (epoch_s == INT64_MIN || !zone->break_down(epoch_s, &shown) ||
	    !same_clock(want, &shown))
		return INT64_MIN;
	return epoch_s;
}

static int64_t moment_of(const struct tm *want, enum when_edge edge, const struct when_zone *zone)
{
	int64_t a = moment_as(want, 0, zone), b = moment_as(want, 1, zone);

	if (a == INT64_MIN || b == INT64_MIN)
		return a == INT64_MIN ? b : a;
	return (edge == WHEN_SINCE) == (a < b) ? a : b;
}

/* The day that is @days after the one of @epoch_s, at the time of day in @tm. */
static bool set_day(struct tm *tm, int64_t epoch_s, int days, const struct when_zone *zone)
{
	struct tm day, noon;

	if (!zone->break_down(epoch_s, &day))
		return false;
	/* By the calendar alone: a day may have 23 hours, and noon is never left out. */
	noon = (struct tm){ .tm_year = day.tm_year, .tm_mon = day.tm_mon,
			    .tm_mday = day.tm_mday + days, .tm_hour = 12 };
	if (!when_utc.break_down(timegm(&noon), &day))
		return false;
	tm->tm_year = day.tm_year;
	tm->tm_mon = day.tm_mon;
	tm->tm_mday = day.tm_mday;
	return true;
}

/*
 * Of today, or the day before; or for an end the first after @since_ns. A day on which clocks were
 * put forward past it has none.
 */
static int64_t time_of_day(struct moment *m, enum when_edge edge, uint64_t now_ns,
			   uint64_t since_ns, const struct when_zone *zone)
{
	bool is_until = edge == WHEN_UNTIL;
	uint64_t from_ns = is_until ? since_ns : now_ns, at_ns;

	for (int days = 0; days <= 2; days++) {
		int64_t at;

		if (!set_day(&m->tm, (int64_t)(from_ns / NS_PER_S), is_until ? days : -days, zone))
			return INT64_MIN;
		at = moment_of(&m->tm, edge, zone);
		if (at < 0)
			continue;
		at_ns = (uint64_t)at * NS_PER_S + m->fraction_ns;
		if (is_until ? at_ns > since_ns : at_ns <= now_ns)
			return at;
	}
	return INT64_MIN;
}

static int to_epoch(struct moment *m, enum when_edge edge, uint64_t now_ns, uint64_t since_ns,
		    const struct when_zone *zone, uint64_t *ns, const char **why)
{
	int64_t now_s = (int64_t)(now_ns / NS_PER_S), at;

	if (m->has_offset) {
		at = moment_of(&m->tm, edge, &when_utc);
		at = at == INT64_MIN ? at : at - m->offset_s;
	} else if (m->has_day) {
		at = moment_of(&m->tm, edge, zone);
	} else if (m->days_ago >= 0) {
		at = set_day(&m->tm, now_s, -m->days_ago, zone) ?
			     moment_of(&m->tm, edge, zone) : INT64_MIN;
	} else {
		at = time_of_day(m, edge, now_ns, since_ns, zone);
	}
	if (at < 0 || (uint64_t)at > MAX_EPOCH_S) {
		*why = at == INT64_MIN ?
			       "is no moment: there is no such day, or clocks were put forward" :
			       "is too far away";
		return -ERANGE;
	}
	*ns = (uint64_t)at * NS_PER_S + m->fraction_ns;
	return 0;
}

/* "@1764385920.5" */
static int read_epoch(const char *s, uint64_t *ns)
{
	size_t len = strspn(s, "0123456789");
	uint64_t seconds, fraction;

	if (parse__u64_n(s, len, 0, MAX_EPOCH_S, &seconds))
		return -EINVAL;
	s += len;
	if (!take_fraction(&s, &fraction) || *s)
		return -EINVAL;
	*ns = seconds * NS_PER_S + fraction;
	return 0;
}

int when__parse(const char *arg, enum when_edge edge, uint64_t now_ns, uint64_t since_ns,
		const struct when_zone *zone, uint64_t *ns, const char **why)
{
	struct moment m;
	uint64_t ago_ns;

	*why = "is no moment: 2m (ago), 03:12, 03:12:40, yesterday 03:12, 2026-11-29 03:12, "
	       "2026-11-29T03:12:00Z or @EPOCH";
	if (arg[0] == '@')
		return read_epoch(arg + 1, ns);
	if (!parse__duration(arg, &ago_ns)) {
		*ns = ago_ns < now_ns ? now_ns - ago_ns : 0;
		return 0;
	}
	if (!read_moment(arg, &m))
		return -EINVAL;
	return to_epoch(&m, edge, now_ns, since_ns, zone, ns, why);
}

uint64_t when__width_ns(const char *arg)
{
	const char *minute = strchr(arg, ':');

	/* "HH:MM" is the first that has a colon, and what follows may be an offset's. */
	return minute && strnlen(minute, 4) >= 3 && minute[3] != ':' ? 60 * NS_PER_S : NS_PER_S;
}

/* ---- as text ---- */

char *when__format(char to[WHEN_BYTES], uint64_t ns, const struct when_zone *zone)
{
	struct tm tm;
	size_t len;

	if (!zone->break_down((int64_t)(ns / NS_PER_S), &tm) ||
	    !(len = strftime(to, WHEN_BYTES, "%Y-%m-%d %H:%M:%S ", &tm)) ||
	    (zone == &when_utc ? snprintf(to + len, WHEN_BYTES - len, "UTC") <= 0 :
				 !strftime(to + len, WHEN_BYTES - len, "%Z", &tm)))
		snprintf(to, WHEN_BYTES, "?");
	return to;
}
