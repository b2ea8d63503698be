// SPDX-License-Identifier: GPL-2.0
#include "export/retry.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

#define MS_PER_S 1000ULL
#define DATE_MAX 64

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* @count digits, at *@at, which is moved on. */
static bool take_digits(const char **at, unsigned int count, int *value)
{
	int sum = 0;

	while (count--) {
		if (**at < '0' || **at > '9')
			return false;
		sum = sum * 10 + (*(*at)++ - '0');
	}
	*value = sum;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_month(const char **at, int *month)
{
	for (int i = 0; i < 12; i++) {
		if (strncmp(*at, months + 3 * i, 3) != 0)
			continue;
		*month = i;
		*at += 3;
		return true;
	}
	return false;
}

/* The day's name says nothing that the date does not. */
static bool take_day_name(const char **at, bool *is_long)
{
	size_t len = strspn(*at, "MondayTuesWhrFiSt");

	if (len < 3)
		return false;
	*is_long = len > 3;
	*at += len;
	return true;
}

static bool take_time(const char **at, struct tm *tm)
{
	return take_digits(at, 2, &tm->tm_hour) && take_char(at, ':') &&
	       take_digits(at, 2, &tm->tm_min) && take_char(at, ':') &&
	       take_digits(at, 2, &tm->tm_sec);
}

/* Sun, 06 Nov 1994 08:49:37 GMT, behind the comma */
static bool take_imf(const char *at, struct tm *tm)
{
	bool ok = take_char(&at, ' ') && take_digits(&at, 2, &tm->tm_mday) && take_char(&at, ' ') &&
		  take_month(&at, &tm->tm_mon) && take_char(&at, ' ') &&
		  take_digits(&at, 4, &tm->tm_year) && take_char(&at, ' ') && take_time(&at, tm) &&
		  !strcmp(at, " GMT");

	tm->tm_year -= 1900;
	return ok;
}

/* Sunday, 06-Nov-94 08:49:37 GMT, likewise; more than 50 years ahead is of the century before */
static bool take_rfc850(const char *at, uint64_t now_s, struct tm *tm)
{
	time_t now = (time_t)now_s;
	struct tm today;
	int century;
	bool ok = take_char(&at, ' ') && take_digits(&at, 2, &tm->tm_mday) && take_char(&at, '-') &&
		  take_month(&at, &tm->tm_mon) && take_char(&at, '-') &&
		  take_digits(&at, 2, &tm->tm_year) && take_char(&at, ' ') && take_time(&at, tm) &&
		  !strcmp(at, " GMT");

	if (!ok || !gmtime_r(&now, &today))
		return false;
	century = today.tm_year / 100 * 100;
	tm->tm_year += century;
	if (tm->tm_year > today.tm_year + 50)
		tm->tm_year -= 100;
	return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool take_asctime(const char *at, struct tm *tm)
{
	bool ok = take_char(&at, ' ') && take_month(&at, &tm->tm_mon) && take_char(&at, ' ') &&
		  (take_char(&at, ' ') ? take_digits(&at, 1, &tm->tm_mday) :
					 take_digits(&at, 2, &tm->tm_mday)) &&
		  take_char(&at, ' ') && take_time(&at, tm) && take_char(&at, ' ') &&
		  take_digits(&at, 4, &tm->tm_year) && !*at;

	tm->tm_year -= 1900;
	return ok;
}

static bool take_date(const char *at, uint64_t now_s, struct tm *tm)
{
	bool is_long;

	if (!take_day_name(&at, &is_long))
		return false;
	if (!take_char(&at, ','))
		return !is_long && take_asctime(at, tm);
	return is_long ? take_rfc850(at, now_s, tm) : take_imf(at, tm);
}

static bool is_sound(const struct tm *tm)
{
	return tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour < 24 && tm->tm_min < 60 &&
	       tm->tm_sec <= 60;
}

int retry__after_ms(const char *value, size_t len, uint64_t now_s, uint64_t *ms)
{
	char text[DATE_MAX];
	struct tm tm = { 0 };
	uint64_t seconds;
	time_t at;
	int err;

	for (; len && (*value == ' ' || *value == '\t'); value++)
		len--;
	while (len && strchr(" \t\r\n", value[len - 1]))
		len--;
	if (!len || len >= sizeof(text) || memchr(value, 0, len))
		return -EINVAL;
	err = parse__u64_n(value, len, 0, UINT64_MAX, &seconds);
	if (err == -EINVAL) {
		memcpy(text, value, len);
		text[len] = '\0';
		if (!take_date(text, now_s, &tm) || !is_sound(&tm))
			return -EINVAL;
		at = timegm(&tm);
		seconds = at > (time_t)now_s ? (uint64_t)at - now_s : 0;
	} else if (err) {
		seconds = UINT64_MAX; /* digits, and too many */
	}
	if (seconds > RETRY_AFTER_MOST_MS / MS_PER_S)
		seconds = RETRY_AFTER_MOST_MS / MS_PER_S;
	*ms = seconds * MS_PER_S;
	return 0;
}

uint64_t retry__pause_ms(unsigned int failures, uint64_t random)
{
	uint64_t most = RETRY_FIRST_MS;

	while (--failures && most < RETRY_MOST_MS)
		most *= 2;
	if (most > RETRY_MOST_MS)
		most = RETRY_MOST_MS;
	return most / 2 + random % (most / 2 + 1);
}
