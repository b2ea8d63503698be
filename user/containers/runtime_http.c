// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "containers/runtime_http.h"

#include <errno.h>

#ifdef HAVE_LIBCURL

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/libcurl.h"

#define HEADERS_MAX_BYTES 65536
#define MAX_PAUSES 8
#define NS_PER_MS 1000000ULL

/* A socket that gave no answer in time. */
struct pause {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint64_t until_ns;
};

struct runtime_http {
	struct runtime_http_limits limits;
	atomic_bool cancelled;
	/* Made for the first question, as most runs have none: NULL before. */
	CURLM *_Atomic multi;
	CURL *easy;
	struct curl_slist *grpc_headers;
	struct pause pauses[MAX_PAUSES];
	size_t next_pause;
};

/* One answer over a socket. */
struct exchange {
	const struct runtime_http_request *request;
	char url[128];
	int fd; /* curl's */
	bool is_grpc_ok; /* its status came last, and was 0 */
	size_t header_bytes;
	char *body;
	size_t body_len, body_size, body_max;
};

/* ---- what curl calls ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = ctx;

	(void)purpose;
	exchange->fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return exchange->fd < 0 ? CURL_SOCKET_BAD : exchange->fd;
}

/* Once connected: whose end is it? A look at the path before could be fooled. */
static int check_peer(void *ctx, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
	const struct exchange *exchange = ctx;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	(void)peer_ip;
	(void)local_ip;
	(void)peer_port;
	(void)local_port;
	if (getsockopt(exchange->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return CURL_PREREQFUNC_ABORT;
	return peer.uid == exchange->request->uids[0] || peer.uid == exchange->request->uids[1] ?
		       CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Taking less than was given makes curl give up. */
static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;
	size_t len = size * count, wanted = exchange->body_len + len;
	char *body;

	if (wanted > exchange->body_max)
		return 0;
	if (wanted > exchange->body_size) {
		wanted = wanted * 2 < exchange->body_max ? wanted * 2 : exchange->body_max;
		body = realloc(exchange->body, wanted);
		if (!body)
			return 0;
		exchange->body = body;
		exchange->body_size = wanted;
	}
	memcpy(exchange->body + exchange->body_len, data, len);
	exchange->body_len += len;
	return len;
}

/* "grpc-status: 0", in what follows the body; it is written so and no other way. */
static bool is_grpc_ok(const char *header, size_t len)
{
	static const char status[] = "grpc-status: 0";

	return len >= sizeof(status) && strncasecmp(header, status, sizeof(status) - 1) == 0 &&
	       (header[sizeof(status) - 1] == '\r' || header[sizeof(status) - 1] == '\n');
}

static size_t read_header(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;
	size_t len = size * count;

	exchange->header_bytes += len;
	exchange->is_grpc_ok |= is_grpc_ok(data, len);
	return exchange->header_bytes <= HEADERS_MAX_BYTES ? len : 0;
}

/* ---- a question ---- */

#define SET(option, value) (code = code ? code : curl.easy_setopt(easy, (option), (value)))

/* gRPC is a POST over HTTP/2; over a unix socket nobody negotiates that. */
static CURLcode prepare_grpc(struct runtime_http *http, const struct exchange *exchange)
{
	CURL *easy = http->easy;
	CURLcode code = CURLE_OK;

	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	SET(CURLOPT_HTTPHEADER, http->grpc_headers);
	SET(CURLOPT_POSTFIELDSIZE, (long)exchange->request->call_len);
	SET(CURLOPT_POSTFIELDS, exchange->request->call);
	return code;
}

/* One request, one answer, no detours: no proxy, redirect, other protocol or reuse. */
static int prepare(struct runtime_http *http, struct exchange *exchange)
{
	CURL *easy = http->easy;
	CURLcode code = CURLE_OK;

	curl.easy_reset(easy);
	if (exchange->request->call)
		code = prepare_grpc(http, exchange);
	SET(CURLOPT_URL, exchange->url);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http");
#else
	SET(CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
	SET(CURLOPT_UNIX_SOCKET_PATH, exchange->request->socket);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, exchange);
	SET(CURLOPT_PREREQFUNCTION, check_peer);
	SET(CURLOPT_PREREQDATA, exchange);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)http->limits.connection_ms);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, read_header);
	SET(CURLOPT_HEADERDATA, exchange);
	return code ? -EIO : 0;
}

#undef SET

/* Until the answer is there, the time is up, or somebody cancels. */
static int perform(struct runtime_http *http)
{
	CURLM *multi = atomic_load(&http->multi);
	CURLcode result = CURLE_OPERATION_TIMEDOUT;
	int running = 0, left, err = 0;
	uint64_t end_ns = clock__now_ns(CLOCK_MONOTONIC) + http->limits.connection_ms * NS_PER_MS;
	CURLMsg *message;

	if (curl.multi_add_handle(multi, http->easy))
		return -EIO;
	while (!curl.multi_perform(multi, &running) && running) {
		if (atomic_load(&http->cancelled))
			err = -ECANCELED;
		else if (clock__now_ns(CLOCK_MONOTONIC) > end_ns)
			err = -ETIMEDOUT;
		if (err || curl.multi_poll(multi, NULL, 0, 1000, NULL))
			break;
	}
	while ((message = curl.multi_info_read(multi, &left)))
		if (message->msg == CURLMSG_DONE)
			result = message->data.result;
	curl.multi_remove_handle(multi, http->easy);
	if (err)
		return err;
	if (result == CURLE_OPERATION_TIMEDOUT)
		return -ETIMEDOUT;
	return result ? -EIO : 0;
}

/* ---- pauses ---- */

static bool is_paused(const struct runtime_http *http, const char *path)
{
	size_t i;

	for (i = 0; i < MAX_PAUSES; i++)
		if (strcmp(http->pauses[i].path, path) == 0)
			return clock__now_ns(CLOCK_MONOTONIC) < http->pauses[i].until_ns;
	return false;
}

static void pause_socket(struct runtime_http *http, const char *path)
{
	struct pause *pause = NULL;
	size_t i;

	for (i = 0; i < MAX_PAUSES && !pause; i++)
		if (strcmp(http->pauses[i].path, path) == 0)
			pause = &http->pauses[i];
	if (!pause) {
		pause = &http->pauses[http->next_pause];
		http->next_pause = (http->next_pause + 1) % MAX_PAUSES;
	}
	memcpy(pause->path, path, strlen(path) + 1);
	pause->until_ns = clock__now_ns(CLOCK_MONOTONIC) + http->limits.pause_ms * NS_PER_MS;
}

/* ---- what it asks with ---- */

/* slist_append() returns the list that it was given. */
static int make_headers(struct runtime_http *http)
{
	http->grpc_headers = curl.slist_append(NULL, "Content-Type: application/grpc");
	if (!http->grpc_headers || !curl.slist_append(http->grpc_headers, "TE: trailers") ||
	    !curl.slist_append(http->grpc_headers, "containerd-namespace: default"))
		return -ENOMEM;
	return 0;
}

static void free_tools(struct runtime_http *http, CURLM *multi)
{
	curl.easy_cleanup(http->easy);
	curl.slist_free_all(http->grpc_headers);
	curl.multi_cleanup(multi);
}

/* The last of them is seen by who cancels. */
static int make_tools(struct runtime_http *http)
{
	CURLM *multi = NULL;

	if (libcurl__load())
		return -EOPNOTSUPP;
	http->easy = curl.easy_init();
	if (http->easy && !make_headers(http))
		multi = curl.multi_init();
	if (!multi) {
		free_tools(http, NULL);
		http->easy = NULL;
		http->grpc_headers = NULL;
		return -ENOMEM;
	}
	atomic_store(&http->multi, multi);
	return 0;
}

/* ---- all of it ---- */

static int run(struct runtime_http *http, struct exchange *exchange)
{
	const struct runtime_http_request *request = exchange->request;
	long status = 0;
	int err;

	if (atomic_load(&http->cancelled))
		return -ECANCELED;
	if (is_paused(http, request->socket))
		return -ETIMEDOUT;
	err = prepare(http, exchange);
	if (!err)
		err = perform(http);
	if (err == -ETIMEDOUT)
		pause_socket(http, request->socket);
	if (err)
		return err;
	curl.easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 && (!request->call || exchange->is_grpc_ok) ? 0 : -ENOENT;
}

int runtime_http__ask(struct runtime_http *http, const struct runtime_http_request *request,
		      char **body, size_t *len)
{
	struct exchange exchange = {
		.request = request, .fd = -1, .body_max = http->limits.answer_bytes,
	};
	int n = snprintf(exchange.url, sizeof(exchange.url), "http://localhost%s", request->path);
	int err = 0;

	if (n < 0 || (size_t)n >= sizeof(exchange.url) ||
	    strlen(request->socket) >= sizeof(http->pauses[0].path))
		return -EINVAL;
	if (!http->multi)
		err = make_tools(http);
	if (!err)
		err = run(http, &exchange);
	if (err) {
		free(exchange.body);
		return err;
	}
	*body = exchange.body;
	*len = exchange.body_len;
	return 0;
}

void runtime_http__cancel(struct runtime_http *http)
{
	CURLM *multi;

	atomic_store(&http->cancelled, true);
	multi = atomic_load(&http->multi);
	if (multi)
		curl.multi_wakeup(multi);
}

int runtime_http__new(struct runtime_http **httpp, const struct runtime_http_limits *limits)
{
	struct runtime_http *http = calloc(1, sizeof(*http));

	if (!http)
		return -ENOMEM;
	http->limits = *limits;
	atomic_init(&http->cancelled, false);
	atomic_init(&http->multi, NULL);
	*httpp = http;
	return 0;
}

void runtime_http__free(struct runtime_http *http)
{
	if (!http)
		return;
	if (http->multi)
		free_tools(http, http->multi);
	free(http);
}

#else

int runtime_http__new(struct runtime_http **httpp, const struct runtime_http_limits *limits)
{
	(void)limits;
	*httpp = NULL;
	return 0;
}

void runtime_http__free(struct runtime_http *http)
{
	(void)http;
}

int runtime_http__ask(struct runtime_http *http, const struct runtime_http_request *request,
		      char **body, size_t *len)
{
	(void)http;
	(void)request;
	(void)body;
	(void)len;
	return -EOPNOTSUPP;
}

void runtime_http__cancel(struct runtime_http *http)
{
	(void)http;
}

#endif
