// SPDX-License-Identifier: GPL-2.0
#include "base/fmt.h"

#include <endian.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define DAY_S 86400ULL

/* Two digits at once. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

#define TEN_8 100000000U

/*
 * The eight digits of @value, less than 10^8, as bytes of 0 to 9, the first in the
 * lowest byte. All groups of digits are parted at once, in lanes of a word: a
 * multiplication and a shift divide exactly where the numbers are this small.
 */
static inline uint64_t eight_digits(uint32_t value)
{
	uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t high = (fours * 10486 >> 20) & 0x0000007f0000007fULL; /* by 100 */
	uint64_t twos = high | (fours - high * 100) << 16;

	high = (twos * 103 >> 10) & 0x000f000f000f000fULL; /* by 10 */
	return high | (twos - high * 10) << 8;
}

static inline void store_ascii(char *to, uint64_t digits)
{
	digits = htole64(digits | 0x3030303030303030ULL);
	memcpy(to, &digits, sizeof(digits));
}

/* Up to eight digits, but eight bytes are written. */
static inline size_t put_short(char *to, uint32_t value)
{
	uint64_t digits = eight_digits(value);
	/* Zeros in front; the last digit stays in any case. */
	unsigned int zeros = (unsigned int)__builtin_ctzll(digits | 1ULL << 56) / 8;

	store_ascii(to, digits >> 8 * zeros);
	return 8 - zeros;
}

size_t fmt__u64(char *to, uint64_t value)
{
	size_t len;

	if (value < TEN_8)
		return put_short(to, (uint32_t)value);
	len = fmt__u64(to, value / TEN_8);
	store_ascii(to + len, eight_digits((uint32_t)(value % TEN_8)));
	return len + 8;
}

size_t fmt__u64_len(uint64_t value)
{
	size_t len = 1;

	for (; value >= 10000; value /= 10000)
		len += 4;
	return len + (value >= 10) + (value >= 100) + (value >= 1000);
}

size_t fmt__hex(char *to, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
	return 2 * len;
}

size_t fmt__padded(char *to, uint64_t value, size_t width)
{
	size_t at = width;

	for (; at >= 8; value /= TEN_8) {
		at -= 8;
		store_ascii(to + at, eight_digits((uint32_t)(value % TEN_8)));
	}
	for (; at >= 2; value /= 100) {
		at -= 2;
		memcpy(to + at, pairs + 2 * (value % 100), 2);
	}
	if (at)
		to[0] = (char)('0' + value % 10);
	return width;
}

/* An octet's digits from the lowest byte on, and then a dot. */
#define DIGIT(n) ('0' + (n) % 10)
#define BYTES(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define OCTET(n)                                                                                   \
	((n) < 10  ? BYTES(DIGIT(n), '.', 0, 0) :                                                  \
	 (n) < 100 ? BYTES(DIGIT((n) / 10), DIGIT(n), '.', 0) :                                    \
		     BYTES(DIGIT((n) / 100), DIGIT((n) / 10), DIGIT(n), '.'))
#define OCTETS_4(n) OCTET(n), OCTET((n) + 1), OCTET((n) + 2), OCTET((n) + 3)
#define OCTETS_16(n) OCTETS_4(n), OCTETS_4((n) + 4), OCTETS_4((n) + 8), OCTETS_4((n) + 12)
#define OCTETS_64(n) OCTETS_16(n), OCTETS_16((n) + 16), OCTETS_16((n) + 32), OCTETS_16((n) + 48)

static const uint32_t octets[] = { OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192) };

static inline size_t octet_len(unsigned int octet)
{
	return 1 + (octet >= 10) + (octet >= 100);
}

size_t fmt__ipv4(char *to, const uint8_t addr[4])
{
	uint32_t digits;
	char *p = to;

	for (int i = 0; i < 3; i++) {
		digits = htole32(octets[addr[i]]);
		memcpy(p, &digits, 4);
		p += octet_len(addr[i]) + 1;
	}
	digits = htole32(octets[addr[3]]);
	memcpy(p, &digits, 3); /* the dot would be one byte too many */
	return (size_t)(p - to) + octet_len(addr[3]);
}

size_t fmt__ipv4_len(const uint8_t addr[4])
{
	size_t len = 7;

	for (int i = 0; i < 4; i++)
		len += (size_t)(addr[i] >= 10) + (addr[i] >= 100);
	return len;
}

/* One to four digits, but four bytes are written. */
static char *put_group(char *p, unsigned int group)
{
	/* Each digit to a byte, the first to the lowest. */
	uint32_t digits = (group & 0xf) << 24 | (group & 0xf0) << 12 | (group & 0xf00) |
			  group >> 12;
	uint32_t letters = (digits + 0x06060606) >> 4 & 0x01010101;
	unsigned int zeros = (unsigned int)__builtin_clz(group | 1) / 4 - 4;

	digits += 0x30303030 + letters * ('a' - '0' - 10);
	digits = htole32(digits >> 8 * zeros);
	memcpy(p, &digits, 4);
	return p + 4 - zeros;
}

/* The first of the longest runs of zero groups, of two at least; else len 0. */
static void longest_zeros(const uint16_t group[8], int *start, int *len)
{
	unsigned int runs = 0, longest = 0;
	int n = 0;

	for (unsigned int i = 0; i < 8; i++)
		runs |= (unsigned int)!group[i] << i;
	/* After n steps a bit says that n + 1 zero groups begin there. */
	for (; runs; runs &= runs >> 1, n++)
		longest = runs;
	*start = n > 1 ? __builtin_ctz(longest) : -1;
	*len = n > 1 ? n : 0;
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
