/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers that unit tests and fuzzers share: an event with everything in it,
 * the way back from the escaped forms, files that live in memory, the loopback device.
 */
#ifndef TWSNOOP_TESTS_SUPPORT_H
#define TWSNOOP_TESTS_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

/* An IPv4 TIME_WAIT with closer and opener, that decode__event() accepts. */
void support__event(struct tws_event *ev);

/* The same as IPv6, fd00::5 to fd00:1:2:3::9. */
void support__make_ipv6(struct tws_event *ev);

/* Of any bytes an event of @family that decode__event() accepts: what is out of bounds is changed. */
void support__mend_event(struct tws_event *ev, int family);

/* Fills a name field: the first 15 bytes of @name, zero-padded. */
void support__set_comm(char comm[TWS_COMM_LEN], const char *name);

/* Seconds from the epoch of 2026-11-22 06:40:00 UTC, in ns, plus 123456789. */
#define SUPPORT_WALL_NS 1795329600123456789ULL

/*
 * Undo escape__text(), or the \xNN that escape__json() leaves in the decoded
 * string. @to takes at least @len bytes; returns how many, or (size_t)-1 if the
 * text is not one that these functions write.
 */
size_t support__unescape_text(char *to, const char *s, size_t len);
size_t support__unescape_json(char *to, const char *s, size_t len);

/*
 * True if a terminal may see the @len bytes at @s: valid UTF-8 of nothing but
 * printable characters. Written apart from escape.c, by the C library's tables.
 */
int support__is_safe_text(const char *s, size_t len);

/* An empty file in memory; aborts if there is none to be had. */
int support__memfd(void);

/* All that @fd holds, as a string to be freed; aborts on an error. */
char *support__contents(int fd, size_t *len);

/* Of the network namespace that this thread is in, the loopback device. 0 or -1, with errno. */
int support__lo_up(void);

#endif
