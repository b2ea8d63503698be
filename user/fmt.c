// SPDX-License-Identifier: GPL-2.0
#include "fmt.h"

#include <string.h>

#define NS_PER_S 1000000000ULL
#define DAY_S 86400ULL

static const char hex_digits[] = "0123456789abcdef";

/* Two digits a step halve the number of divisions. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* Decimal digits of @value: log10 from log2 (1233 / 4096 is log10 of 2), corrected. */
static size_t count_digits(uint64_t value)
{
	static const uint64_t power[] = {
		0ULL, /* not 1: zero has a digit, too */
		10ULL,
		100ULL,
		1000ULL,
		10000ULL,
		100000ULL,
		1000000ULL,
		10000000ULL,
		100000000ULL,
		1000000000ULL,
		10000000000ULL,
		100000000000ULL,
		1000000000000ULL,
		10000000000000ULL,
		100000000000000ULL,
		1000000000000000ULL,
		10000000000000000ULL,
		100000000000000000ULL,
		1000000000000000000ULL,
		10000000000000000000ULL,
	};
	unsigned int bits = 64 - (unsigned int)__builtin_clzll(value | 1);
	unsigned int guess = bits * 1233 >> 12;

	return guess + (value >= power[guess]);
}

size_t fmt__u64(char *to, uint64_t value)
{
	return fmt__padded(to, value, count_digits(value));
}

size_t fmt__padded(char *to, uint64_t value, size_t width)
{
	size_t at = width;

	while (at >= 2) {
		at -= 2;
		memcpy(to + at, pairs + 2 * (value % 100), 2);
		value /= 100;
	}
	if (at)
		to[0] = (char)('0' + value % 10);
	return width;
}

static char *put_octet(char *p, unsigned int octet)
{
	if (octet >= 100) {
		*p++ = (char)('0' + octet / 100);
		octet %= 100;
		memcpy(p, pairs + 2 * octet, 2);
		return p + 2;
	}
	if (octet >= 10) {
		memcpy(p, pairs + 2 * octet, 2);
		return p + 2;
	}
	*p = (char)('0' + octet);
	return p + 1;
}

size_t fmt__ipv4(char *to, const uint8_t addr[4])
{
	char *p = to;

	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_octet(p, addr[i]);
	}
	return (size_t)(p - to);
}

static char *put_group(char *p, unsigned int group)
{
	int shift = 12;

	while (shift && !(group >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = hex_digits[(group >> shift) & 15];
	return p;
}

/* The first of the longest runs of zero groups, of two at least; else len 0. */
static void longest_zeros(const uint16_t group[8], int *start, int *len)
{
	int run = 0;

	*start = -1;
	*len = 0;
	for (int i = 0; i < 8; i++) {
		run = group[i] ? 0 : run + 1;
		if (run > 1 && run > *len) {
			*len = run;
			*start = i - run + 1;
		}
	}
}

size_t fmt__ipv6(char *to, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint16_t group[8];
	int start, len;
	char *p = to;

	if (!memcmp(addr, mapped, sizeof(mapped))) {
		memcpy(to, "::ffff:", 7);
		return 7 + fmt__ipv4(to + 7, addr + 12);
	}
	for (int i = 0; i < 8; i++)
		group[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
	longest_zeros(group, &start, &len);
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			*p++ = ':';
			*p++ = ':';
			i += len - 1;
			continue;
		}
		if (i && i != start + len)
			*p++ = ':';
		p = put_group(p, group[i]);
	}
	return (size_t)(p - to);
}

/*
 * Days since 1970-01-01 to a date, counted in eras of 400 years from
 * 0000-03-01, so that the leap day is the last day of a year.
 */
static void civil_date(uint64_t days, unsigned int *year, unsigned int *month,
		       unsigned int *day)
{
	uint64_t z = days + 719468;
	uint64_t era = z / 146097;
	unsigned int doe = (unsigned int)(z % 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (unsigned int)(era * 400) + yoe + (*month <= 2);
}

size_t fmt__second(char *to, uint64_t seconds)
{
	unsigned int year, month, day, rest = (unsigned int)(seconds % DAY_S);

	civil_date(seconds / DAY_S, &year, &month, &day);
	fmt__padded(to, year, 4);
	to[4] = '-';
	fmt__padded(to + 5, month, 2);
	to[7] = '-';
	fmt__padded(to + 8, day, 2);
	to[10] = 'T';
	fmt__padded(to + 11, rest / 3600, 2);
	to[13] = ':';
	fmt__padded(to + 14, rest / 60 % 60, 2);
	to[16] = ':';
	fmt__padded(to + 17, rest % 60, 2);
	return FMT_SECOND_LEN;
}

/* Three digits of whole.thousandths: 3.12, 31.2, 312 or more. */
static char *put_three(char *p, uint64_t whole, unsigned int thousandths)
{
	p += fmt__u64(p, whole);
	if (whole >= 100)
		return p;
	*p++ = '.';
	if (whole >= 10)
		return p + fmt__padded(p, thousandths / 100, 1);
	return p + fmt__padded(p, thousandths / 10, 2);
}

static size_t put_two_units(char *to, uint64_t big, char big_unit, uint64_t small,
			    char small_unit)
{
	char *p = to;

	p += fmt__u64(p, big);
	*p++ = big_unit;
	if (big_unit == 'd' && big >= 100)
		return (size_t)(p - to);
	p += fmt__padded(p, small, 2);
	*p++ = small_unit;
	return (size_t)(p - to);
}

size_t fmt__lifetime(char *to, uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;
	char *p = to;

	if (s >= DAY_S)
		return put_two_units(to, s / DAY_S, 'd', s % DAY_S / 3600, 'h');
	if (s >= 3600)
		return put_two_units(to, s / 3600, 'h', s % 3600 / 60, 'm');
	if (s >= 60)
		return put_two_units(to, s / 60, 'm', s % 60, 's');
	if (s) {
		p = put_three(p, s, (unsigned int)(ns / 1000000 % 1000));
	} else if (ns >= 1000000) {
		p = put_three(p, ns / 1000000, (unsigned int)(ns / 1000 % 1000));
		*p++ = 'm';
	} else if (ns >= 1000) {
		p = put_three(p, ns / 1000, (unsigned int)(ns % 1000));
		*p++ = 'u';
	} else {
		p += fmt__u64(p, ns);
		*p++ = 'n';
	}
	*p++ = 's';
	return (size_t)(p - to);
}

size_t fmt__size(char *to, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	unsigned int shift = 10, unit = 0;
	uint64_t rest;
	char *p;

	if (bytes <= 99999)
		return fmt__u64(to, bytes);
	while (bytes >> shift >= 1000 && unit < sizeof(units) - 2) {
		shift += 10;
		unit++;
	}
	/* Ten bits below the point are enough for the thousandths. */
	rest = bytes >> (shift - 10) & 1023;
	p = put_three(to, bytes >> shift, (unsigned int)(rest * 1000 / 1024));
	*p++ = units[unit];
	return (size_t)(p - to);
}
