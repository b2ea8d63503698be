/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One HTTP request at a time, with libcurl, that nobody waits for: begun, then polled. It keeps its
 * connection. No redirects, no protocol but HTTP and HTTPS, an answer of bounded size, and a
 * bounded time for all.
 */
#ifndef TWSNOOP_SENDER_H
#define TWSNOOP_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDER_ANSWER_MAX 65536

struct sender;

struct sender_options {
	const char *user, *password; /* HTTP basic authentication, or NULL */
	const char *const *headers;  /* "Name: value", up to NULL; or NULL */
};

struct sender_request {
	const char *url;
	const char *content_type;
	const char *encoding; /* "gzip", or NULL */
	const char *body;     /* NULL: a GET */
	size_t len;
	const char *file; /* the body as a file of multipart/form-data of this name; NULL: as it is */
};

struct sender_answer {
	/* 0, or why there was no answer, or none to its end. What was asked for may have been done. */
	int error;
	char why[160]; /* then: for the user, without the URL */
	unsigned int status; /* 0: none */
	bool wants_pause;
	uint64_t pause_ms; /* Retry-After */
	unsigned int exception; /* X-ClickHouse-Exception-Code, or 0 */
	const char *text; /* of what was in it, the first SENDER_ANSWER_MAX bytes; until the next begin */
	size_t len;
};

/* sender__new() - returns 0 and *@senderp, to be freed by sender__free(), -ENOMEM, or -EOPNOTSUPP
 * where libcurl__load() fails. */
int sender__new(struct sender **senderp, const struct sender_options *opts);
void sender__free(struct sender *sender); /* NULL is allowed */

/* sender__begin() - @request, whose strings must live until its end. Returns 0 or -ENOMEM. */
int sender__begin(struct sender *sender, const struct sender_request *request);
bool sender__is_busy(const struct sender *sender);

/* sender__poll() - waits for so long at most, whether a request runs or not. Returns true and fills
 * @answer once the request has ended. */
bool sender__poll(struct sender *sender, int wait_ms, struct sender_answer *answer);

/* sender__cancel() - it ends now, without an answer. */
void sender__cancel(struct sender *sender);

/* sender__wake() - from another thread: sender__poll() ends, now or the next time. */
void sender__wake(struct sender *sender);

#endif
