/* SPDX-License-Identifier: GPL-2.0 */
/* Where `serve` listens: from the words of a command line to a socket. */
#ifndef TWSNOOP_HTTP_LISTEN_H
#define TWSNOOP_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct http_listen {
	struct sockaddr_storage addr;
	socklen_t len;
};

/*
 * http_listen__parse() - "127.0.0.1:9810", "[::1]:9810", ":9810" (every address), "9810" (this host
 * alone); port 0: any that is free. No names: who may ask is not to depend on a resolver. Returns 0, or
 * -EINVAL and @why; @to is then unchanged.
 */
int http_listen__parse(struct http_listen *to, const char *arg, char *why, size_t why_len);

/* http_listen__is_local() - nobody but this host can come. */
bool http_listen__is_local(const struct http_listen *of);

/* http_listen__open() - returns the listening socket, and the port in @of, or a negative errno. */
int http_listen__open(struct http_listen *of);

/* "127.0.0.1:9810", "[::1]:9810" */
#define HTTP_LISTEN_BYTES 64
const char *http_listen__text(const struct http_listen *of, char to[HTTP_LISTEN_BYTES]);

#endif
