/* SPDX-License-Identifier: GPL-2.0 */
/* One end of a TCP connection, as the table, the events and the truth name it. */
#ifndef REAL_END_H
#define REAL_END_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* IPv4 addresses are kept v4-mapped, so that `::ffff:127.0.0.1` and
 * `127.0.0.1` are one. Ports in host byte order. */
struct end {
	struct in6_addr local;
	struct in6_addr peer;
	uint16_t local_port;
	uint16_t peer_port;
};

/* "[ADDRESS]:PORT [ADDRESS]:PORT" and the final 0 */
#define END_TEXT_LEN (2 * (INET6_ADDRSTRLEN + 9))

/* An address in text to *out. 0, or -EINVAL. */
int end__parse_address(const char *text, struct in6_addr *out);

/* A port in text to *out. 0, or -EINVAL. */
int end__parse_port(const char *text, uint16_t *out);

/* An order as memcmp() gives it. */
int end__compare(const struct end *a, const struct end *b);

/* Returns text, filled in. */
const char *end__format(const struct end *end, char text[END_TEXT_LEN]);

/* "ADDRESS PORT ADDRESS PORT", for files. */
const char *end__columns(const struct end *end, char text[END_TEXT_LEN]);

#endif
