/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers, addresses and times as text, without printf and without locale: the
 * event writer spends much of its time here. Each function needs room for the
 * stated number of bytes at @to, writes its text there, no NUL, and returns its
 * length. What is behind the text, in that room, may be overwritten too.
 */
#ifndef TWSNOOP_FMT_H
#define TWSNOOP_FMT_H

#include <stddef.h>
#include <stdint.h>

#define FMT_U64_MAX 20
#define FMT_IPV4_MAX 15
#define FMT_IPV6_MAX 39
#define FMT_SHORT_MAX 8 /* fmt__lifetime() and fmt__size() */
#define FMT_SECOND_LEN 19

/* Decimal digits; FMT_U64_MAX bytes of room. */
size_t fmt__u64(char *to, uint64_t value);

/* How long that is. */
size_t fmt__u64_len(uint64_t value);

/* Exactly @width digits (at most FMT_U64_MAX), zeros in front; higher ones are cut.
 * Nothing behind them is written. */
size_t fmt__padded(char *to, uint64_t value, size_t width);

/* Two lower-case digits for each of @len bytes. */
size_t fmt__hex(char *to, const uint8_t *bytes, size_t len);

/* Dotted quad of four bytes in network order. */
size_t fmt__ipv4(char *to, const uint8_t addr[4]);

/* How long that is. */
size_t fmt__ipv4_len(const uint8_t addr[4]);

/* As RFC 5952 says, a v4-mapped address with its dotted quad. */
size_t fmt__ipv6(char *to, const uint8_t addr[16]);

/* FMT_SECOND_LEN bytes, 2026-11-22T06:40:00, of seconds since the epoch. */
size_t fmt__second(char *to, uint64_t seconds);

/*
 * For people, cut off (not rounded) at three digits: 912ns, 3.12us, 31.2ms,
 * 59.9s, then 5m12s, 3h07m, 12d03h, 1234d.
 */
size_t fmt__lifetime(char *to, uint64_t ns);

/* Bytes for people: up to 99999 as they are, then 97.6K, 1.00M, … (powers of 1024). */
size_t fmt__size(char *to, uint64_t bytes);

#endif
