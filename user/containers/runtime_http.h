/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One question and its answer in HTTP over a unix socket: HTTP/1.1 for Docker's API, and
 * gRPC, which is a POST over HTTP/2. Knows nothing of containers. The other end is
 * untrusted: it may say anything, of any length, or never end. Waits for the answer, so
 * it belongs into a thread of its own.
 *
 * HAVE_LIBCURL (7.80 or newer) builds it; without it, or where libcurl__load() fails, every
 * question fails with -EOPNOTSUPP.
 */
#ifndef TWSNOOP_RUNTIME_HTTP_H
#define TWSNOOP_RUNTIME_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct runtime_http_limits {
	uint32_t connection_ms; /* one answer, all in all */
	uint32_t pause_ms;	/* how long a socket that gave no answer in time is left alone */
	uint32_t answer_bytes;	/* longest body of an answer */
};

struct runtime_http_request {
	const char *socket;	   /* its path */
	const char *path;	   /* of the URL, with its first slash */
	const unsigned char *call; /* the message of a gRPC call, framed; NULL: a GET */
	size_t call_len;
	uid_t uids[2]; /* one of them must have the other end (SO_PEERCRED) */
};

struct runtime_http;

/* runtime_http__new() - returns 0 and *@httpp, to be freed by runtime_http__free(), or
 * -ENOMEM. For one thread at a time, but for runtime_http__cancel(). */
int runtime_http__new(struct runtime_http **httpp, const struct runtime_http_limits *limits);
void runtime_http__free(struct runtime_http *http); /* NULL is allowed */

/*
 * runtime_http__ask() - returns 0 and the body of the answer in *@body, of *@len bytes
 * (NULL and 0 if it has none), which the caller frees; or, both untouched: -ENOENT (an
 * answer, but not 200, or not gRPC's 0), -ETIMEDOUT (not in time, or its socket is being
 * left alone because of that), -EIO (no connection, another's end, no HTTP, too long),
 * -EINVAL (the path is too long), -ECANCELED, -EOPNOTSUPP.
 */
int runtime_http__ask(struct runtime_http *http, const struct runtime_http_request *request,
		      char **body, size_t *len);

/* runtime_http__cancel() - from any thread: what is being asked, and all that will be,
 * returns -ECANCELED at once. */
void runtime_http__cancel(struct runtime_http *http);

#endif
