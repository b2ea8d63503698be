/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The HTTP side of `twsnoop serve`: /metrics, /healthz, /readyz and / for whoever asks by GET or
 * HEAD, and nothing else. A thread of its own, without any capability, which asks for texts by
 * callbacks and waits for none of them: the page of / is made by somebody else meanwhile.
 *
 * Bounded: HTTP_CONNECTIONS, each with HTTP_CONNECTION_BYTES for its request; a request has to be
 * there within HTTP_REQUEST_NS of the connection, and its answer taken in that time too; of
 * those that are kept open without a request the oldest are closed when others wait. Texts that slow
 * readers still hold are at most HTTP_TEXTS, then it is 503.
 */
#ifndef TWSNOOP_HTTP_H
#define TWSNOOP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"

struct http;

#define HTTP_CONNECTIONS 128
#define HTTP_CONNECTION_BYTES 16384 /* of a request's header, with what is kept of it */
#define HTTP_REQUEST_NS 10000000000ULL
#define HTTP_IDLE_NS 180000000000ULL /* between two requests; Prometheus asks each minute or sooner */
#define HTTP_TEXTS 16
#define HTTP_FRESH_NS 100000000ULL /* a text of metrics serves whoever asks so soon after */
#define HTTP_PAGE_NS 10000000000ULL /* and the page */

struct http_options {
	int listen_fd; /* of http_listen__open(): goes over to this, in any case */
	const char *cert, *key; /* PEM; NULL: no TLS. Must outlive this. */
	/* Nobody but this host can come: then / is not told to who asks by a name, which may be a
	 * stranger's that leads to loopback (DNS rebinding), in a browser on this host. */
	bool is_local;
	/* All of these are called in the thread of this. Appends the metrics. */
	void (*metrics)(void *ctx, bool openmetrics, struct outbuf *to);
	/* NULL: it is; else why it is not, a line that is a constant. */
	const char *(*unhealthy)(void *ctx);
	const char *(*unready)(void *ctx);
	/* Wants a page: http__set_page() is to be called soon, by whatever thread. */
	void (*want_page)(void *ctx);
	void *ctx;
};

/* http__start() - returns 0 and *@httpp, or a negative errno: -EOPNOTSUPP if TLS is asked for and
 * not built in, or for http__why_not(), -EINVAL if its certificate or key will not do. */
int http__start(struct http **httpp, const struct http_options *opts);

/* http__set_page() - the whole HTML of /, with its status: for all that wait for it and whoever asks
 * in the next HTTP_PAGE_NS. @text is taken over, and emptied. */
void http__set_page(struct http *http, unsigned int status, struct outbuf *text);

/* http__end() - ends the thread: none of the callbacks is called any more. NULL is allowed. */
void http__end(struct http *http);

/* http__free() - ends it, if that was not done, and frees it all: nobody calls http__set_page() any
 * more. NULL is allowed. */
void http__free(struct http *http);

/* http__why_not() - NULL, or why nothing can be answered: see libmicrohttpd__load(). */
const char *http__why_not(void);

/* http__has_tls() - whether this program can. */
bool http__has_tls(void);

#endif
