// SPDX-License-Identifier: GPL-2.0
#include "base/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NS_PER_S 1000000000ULL

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits at the start of @s; 0 and how many, -EINVAL if none, -ERANGE. */
static int take_digits(const char *s, size_t len, uint64_t *value, size_t *taken)
{
	uint64_t v = 0;
	size_t n = 0;
	bool over = false;

	for (; n < len && is_digit(s[n]); n++) {
		over |= __builtin_mul_overflow(v, (uint64_t)10, &v);
		over |= __builtin_add_overflow(v, (uint64_t)(s[n] - '0'), &v);
	}
	*value = v;
	*taken = n;
	if (!n)
		return -EINVAL;
	return over ? -ERANGE : 0;
}

int parse__u64_n(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v;
	size_t n;
	int rc = take_digits(s, len, &v, &n);

	if (n != len)
		return -EINVAL;
	if (rc)
		return rc;
	if (v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

int parse__u64(const char *s, uint64_t min, uint64_t max, uint64_t *value)
{
	return parse__u64_n(s, strlen(s), min, max, value);
}

/* Nanoseconds of a unit's name, "" being a second; 0 if there is no such unit. */
static uint64_t unit_ns(const char *name)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "", NS_PER_S },	{ "s", NS_PER_S },	    { "ms", NS_PER_S / 1000 },
		{ "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S }, { "d", 86400 * NS_PER_S },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(name, units[i].name))
			return units[i].ns;
	}
	return 0;
}

int parse__duration(const char *s, uint64_t *ns)
{
	const char *fraction = "";
	size_t n, digits = 0;
	uint64_t v, unit, f;
	int rc = take_digits(s, strlen(s), &v, &n);

	if (!n)
		return -EINVAL;
	if (s[n] == '.') {
		fraction = s + n + 1;
		if (take_digits(fraction, strlen(fraction), &f, &digits) || digits > 9)
			return -EINVAL;
		n += 1 + digits;
	}
	unit = unit_ns(s + n);
	if (!unit)
		return -EINVAL;
	if (rc || __builtin_mul_overflow(v, unit, &v))
		return -ERANGE;
	for (size_t i = 0; i < digits; i++) {
		unit /= 10;
		if (__builtin_add_overflow(v, (uint64_t)(fraction[i] - '0') * unit, &v))
			return -ERANGE;
	}
	if (v > INT64_MAX)
		return -ERANGE;
	*ns = v;
	return 0;
}

int parse__size(const char *s, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *unit;
	uint64_t v;
	size_t n;
	int rc = take_digits(s, strlen(s), &v, &n);

	if (!n)
		return -EINVAL;
	if (s[n]) {
		unit = strchr(units, s[n] & ~0x20);
		if (!unit || !*unit || s[n + 1])
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (rc || (v << shift) >> shift != v)
		return -ERANGE;
	*bytes = v << shift;
	return 0;
}
