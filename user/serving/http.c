// SPDX-License-Identifier: GPL-2.0
#include "serving/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "export/accept.h"
#include "serving/libmicrohttpd.h"

#define MS_PER_S 1000
#define NS_PER_S 1000000000ULL
#define WAITING 16 /* for a page at once; who comes then is told to come again */
#define SPARE 8	   /* connections that stay free for who comes */
#define YOUNG_NS NS_PER_S /* so long nobody is turned out who has not asked yet */
#define TEXT_BYTES 65536
/* Whoever puts records in waits while metrics are written: that is for one part in so many. */
#define PAUSE_SHARE 10
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

#define TYPE_PLAIN "text/plain; charset=utf-8"
#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* What a connection is about, and since when. */
enum peer_state { PEER_NEW, PEER_ANSWERED, PEER_KEPT };

struct peer {
	struct peer *next, *prev; /* the oldest first */
	int fd;
	enum peer_state state;
	bool waits; /* for a page: it is suspended */
	bool waited;
	bool closed;
	uint64_t since_ns;
};

struct cached {
	struct MHD_Response *response; /* NULL: none */
	unsigned int status;
	uint64_t made_ns, fresh_ns;
};

struct http {
	struct http_options opts;
	struct MHD_Daemon *daemon;
	int epoll_fd, stop_fd;
	pthread_t thread;
	bool has_thread;
	atomic_bool stops;
	atomic_uint num_texts; /* that somebody still reads, or that are kept */
	struct cached metrics[2]; /* the thread's alone, as are the peers */
	struct peer *first, *last;
	unsigned int num_peers;
	pthread_mutex_t lock; /* of the rest */
	struct cached page;
	struct MHD_Connection *waiting[WAITING];
	unsigned int num_waiting;
};

/* ---- texts ---- */

struct shared_text {
	struct http *http;
	char *data;
};

static void free_text(void *cls)
{
	struct shared_text *text = cls;

	atomic_fetch_sub(&text->http->num_texts, 1);
	free(text->data);
	free(text);
}

static bool add_headers(struct MHD_Response *response, const char *type)
{
	return mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
	       mhd.add_response_header(response, "X-Content-Type-Options", "nosniff") &&
	       mhd.add_response_header(response, "X-Frame-Options", "DENY") &&
	       mhd.add_response_header(response, "Referrer-Policy", "no-referrer") &&
	       mhd.add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

/* @ob's memory goes over to it. NULL: no memory. */
static struct MHD_Response *make_response(struct http *http, struct outbuf *ob, const char *type)
{
	struct shared_text *text = malloc(sizeof(*text));
	struct MHD_Response *response = NULL;

	if (text && !ob->failed) {
		*text = (struct shared_text){ http, ob->data };
		response = mhd.create_response_from_buffer_with_free_callback_cls(
			ob->len, ob->data, free_text, text);
	}
	if (!response) {
		free(text);
		outbuf__free(ob);
		return NULL;
	}
	atomic_fetch_add(&http->num_texts, 1);
	memset(ob, 0, sizeof(*ob));
	if (add_headers(response, type))
		return response;
	mhd.destroy_response(response);
	return NULL;
}

static void set_cached(struct cached *cached, struct MHD_Response *response, unsigned int status,
		       uint64_t fresh_ns)
{
	if (cached->response)
		mhd.destroy_response(cached->response);
	cached->response = response;
	cached->status = status;
	cached->made_ns = clock__now_ns(CLOCK_MONOTONIC);
	cached->fresh_ns = fresh_ns;
}

static bool is_fresh(const struct cached *cached)
{
	return cached->response &&
	       clock__now_ns(CLOCK_MONOTONIC) - cached->made_ns < cached->fresh_ns;
}

/* ---- answers ---- */

static struct peer *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      struct MHD_Response *response)
{
	struct peer *peer = peer_of(connection);

	if (peer) {
		peer->state = PEER_ANSWERED;
		peer->since_ns = clock__now_ns(CLOCK_MONOTONIC);
	}
	return mhd.queue_response(connection, status, response);
}

/* @text is a constant. */
static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text)
{
	struct MHD_Response *response = mhd.create_response_from_buffer(
		strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (add_headers(response, TYPE_PLAIN) &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     mhd.add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD")) &&
	    (status != MHD_HTTP_SERVICE_UNAVAILABLE ||
	     mhd.add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1")))
		result = answer(connection, status, response);
	mhd.destroy_response(response);
	return result;
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	bool openmetrics = accept__openmetrics(mhd.lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	struct cached *cached = &http->metrics[openmetrics];
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC), fresh_ns;
	struct MHD_Response *response;
	struct outbuf ob;

	if (is_fresh(cached))
		return answer(connection, MHD_HTTP_OK, cached->response);
	if (atomic_load(&http->num_texts) >= HTTP_TEXTS)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "too many readers are slow\n");
	if (outbuf__init(&ob, TEXT_BYTES))
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	http->opts.metrics(http->opts.ctx, openmetrics, &ob);
	response = make_response(http, &ob, openmetrics ? TYPE_OPENMETRICS : TYPE_PROMETHEUS);
	if (!response)
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	fresh_ns = (clock__now_ns(CLOCK_MONOTONIC) - begin_ns) * PAUSE_SHARE;
	set_cached(cached, response, MHD_HTTP_OK,
		   fresh_ns > HTTP_FRESH_NS ? fresh_ns : HTTP_FRESH_NS);
	return answer(connection, MHD_HTTP_OK, response);
}

/* Who asks by an address, or by "localhost", cannot have been led here by somebody's name server. */
static bool is_asked_by_address(const char *host)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr addr;
	size_t len;

	if (!host || host[0] == '[')
		return true;
	len = strcspn(host, ":");
	if (len == strlen("localhost") && !strncasecmp(host, "localhost", len))
		return true;
	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &addr) == 1;
}

/* The lock is held. */
static enum MHD_Result wait_for_page(struct http *http, struct MHD_Connection *connection,
				     struct peer *peer)
{
	if (http->num_waiting == WAITING)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many wait\n");
	peer->waits = peer->waited = true;
	http->waiting[http->num_waiting++] = connection;
	mhd.suspend_connection(connection);
	return MHD_YES;
}

static enum MHD_Result answer_page(struct http *http, struct MHD_Connection *connection)
{
	const char *host = mhd.lookup_connection_value(connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_HOST);
	struct peer *peer = peer_of(connection);
	bool suspended = false;
	enum MHD_Result result;

	if (http->opts.is_local && !is_asked_by_address(host))
		return answer_text(connection, MHD_HTTP_FORBIDDEN,
				   "ask for this page by an address, or as localhost\n");
	pthread_mutex_lock(&http->lock);
	if (is_fresh(&http->page) || (peer && peer->waited && http->page.response)) {
		result = answer(connection, http->page.status, http->page.response);
	} else if (!peer || peer->waited) {
		result = answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no page yet\n");
	} else {
		result = wait_for_page(http, connection, peer);
		suspended = peer->waits;
	}
	pthread_mutex_unlock(&http->lock);
	if (suspended)
		http->opts.want_page(http->opts.ctx);
	return result;
}

static enum MHD_Result answer_state(struct MHD_Connection *connection, const char *why)
{
	if (why)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, why);
	return answer_text(connection, MHD_HTTP_OK, "ok\n");
}

/* Whether the request brings a body, which nothing here wants. */
static bool has_body(struct MHD_Connection *connection)
{
	const char *length = mhd.lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       mhd.lookup_connection_value(connection, MHD_HEADER_KIND,
					   MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Called once when the header is there, and again when all is. What is answered the first time
 * ends the connection. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **request)
{
	static char seen;
	struct http *http = cls;

	(void)version, (void)upload, (void)upload_len;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
	if (has_body(connection))
		return answer_text(connection, MHD_HTTP_BAD_REQUEST, "no body is expected\n");
	if (!*request) {
		*request = &seen;
		return MHD_YES;
	}
	if (!strcmp(url, "/metrics"))
		return answer_metrics(http, connection);
	if (!strcmp(url, "/"))
		return answer_page(http, connection);
	if (!strcmp(url, "/healthz"))
		return answer_state(connection, http->opts.unhealthy(http->opts.ctx));
	if (!strcmp(url, "/readyz"))
		return answer_state(connection, http->opts.unready(http->opts.ctx));
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "there are /, /metrics, /healthz, /readyz\n");
}

/* ---- connections ---- */

static void unlink_peer(struct http *http, struct peer *peer)
{
	*(peer->prev ? &peer->prev->next : &http->first) = peer->next;
	*(peer->next ? &peer->next->prev : &http->last) = peer->prev;
}

static void append_peer(struct http *http, struct peer *peer)
{
	peer->next = NULL;
	peer->prev = http->last;
	*(peer->prev ? &peer->prev->next : &http->first) = peer;
	http->last = peer;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct http *http = cls;
	struct peer *peer = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (peer) {
			unlink_peer(http, peer);
			http->num_peers--;
		}
		free(peer);
		*context = NULL;
		return;
	}
	info = mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	peer = info ? calloc(1, sizeof(*peer)) : NULL;
	if (!peer) /* libmicrohttpd's own time limit has to do */
		return;
	peer->fd = info->connect_fd;
	peer->since_ns = clock__now_ns(CLOCK_MONOTONIC);
	append_peer(http, peer);
	http->num_peers++;
	*context = peer;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct peer *peer = peer_of(connection);
	struct http *http = cls;

	(void)code;
	*request = NULL;
	if (!peer)
		return;
	peer->state = PEER_KEPT;
	peer->waited = false;
	peer->since_ns = clock__now_ns(CLOCK_MONOTONIC);
	unlink_peer(http, peer);
	append_peer(http, peer);
}

/* libmicrohttpd finds it ended, and lets it go. */
static void turn_out(struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR);
	peer->closed = true;
}

static bool waits(struct http *http, const struct peer *peer)
{
	bool waits;

	pthread_mutex_lock(&http->lock);
	waits = peer->waits;
	pthread_mutex_unlock(&http->lock);
	return waits;
}

static uint64_t since(const struct peer *peer, uint64_t now_ns)
{
	return now_ns > peer->since_ns ? now_ns - peer->since_ns : 0;
}

/* A byte now and then does not help: each state has its time. */
static void turn_out_late(struct http *http, uint64_t now_ns)
{
	for (struct peer *peer = http->first; peer; peer = peer->next) {
		uint64_t limit_ns = peer->state == PEER_KEPT ? HTTP_IDLE_NS : HTTP_REQUEST_NS;

		if (!peer->closed && !waits(http, peer) && since(peer, now_ns) > limit_ns)
			turn_out(peer);
	}
}

/* Who is kept open, and then who has not asked, gives way to who comes. */
static void make_room(struct http *http, uint64_t now_ns)
{
	static const enum peer_state order[] = { PEER_KEPT, PEER_NEW };
	unsigned int excess;

	if (http->num_peers <= HTTP_CONNECTIONS - SPARE)
		return;
	excess = http->num_peers - (HTTP_CONNECTIONS - SPARE);
	for (struct peer *peer = http->first; peer && excess; peer = peer->next)
		excess -= peer->closed;
	for (size_t i = 0; i < 2; i++)
		for (struct peer *peer = http->first; peer && excess; peer = peer->next) {
			if (peer->closed || peer->state != order[i] || waits(http, peer) ||
			    since(peer, now_ns) < YOUNG_NS)
				continue;
			turn_out(peer);
			excess--;
		}
}

/* ---- the thread ---- */

static int timeout_ms(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;
	int most_ms = http->num_peers ? MS_PER_S : -1;

	if (mhd.get_timeout(http->daemon, &ms) != MHD_YES)
		return most_ms;
	return most_ms < 0 || ms < (MHD_UNSIGNED_LONG_LONG)most_ms ?
		       (int)(ms < MS_PER_S ? ms : MS_PER_S) : most_ms;
}

static void *work(void *arg)
{
	struct http *http = arg;
	sigset_t set;

	/* It reads what strangers send, and needs nothing that others may not. */
	privileges__of_thread(0);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!atomic_load(&http->stops)) {
		struct pollfd fds[] = { { .fd = http->epoll_fd, .events = POLLIN },
					{ .fd = http->stop_fd, .events = POLLIN } };
		uint64_t now_ns;

		poll(fds, 2, timeout_ms(http));
		mhd.run(http->daemon);
		now_ns = clock__now_ns(CLOCK_MONOTONIC);
		turn_out_late(http, now_ns);
		make_room(http, now_ns);
	}
	return NULL;
}

/* ---- the page ---- */

void http__set_page(struct http *http, unsigned int status, struct outbuf *text)
{
	struct MHD_Response *response = make_response(http, text, TYPE_HTML);

	pthread_mutex_lock(&http->lock);
	if (response)
		set_cached(&http->page, response, status, HTTP_PAGE_NS);
	for (unsigned int i = 0; i < http->num_waiting; i++) {
		struct peer *peer = peer_of(http->waiting[i]);

		if (peer) {
			peer->waits = false;
			peer->since_ns = clock__now_ns(CLOCK_MONOTONIC);
		}
		mhd.resume_connection(http->waiting[i]);
	}
	http->num_waiting = 0;
	pthread_mutex_unlock(&http->lock);
}

/* ---- its life ---- */

const char *http__why_not(void)
{
	return libmicrohttpd__load();
}

bool http__has_tls(void)
{
#ifdef TWSNOOP_NO_TLS /* the library says that it has it */
	return false;
#else
	return !http__why_not() && mhd.is_feature_supported(MHD_FEATURE_TLS) == MHD_YES;
#endif
}

static int start_daemon(struct http *http)
{
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)http->opts.cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)http->opts.key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
			     (http->opts.cert ? MHD_USE_TLS : 0);
	const union MHD_DaemonInfo *info;

	errno = 0;
	http->daemon = mhd.start_daemon(
		flags, 0, NULL, NULL, handle, http,
		MHD_OPTION_LISTEN_SOCKET, http->opts.listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)(HTTP_IDLE_NS / NS_PER_S),
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
		MHD_OPTION_ARRAY, http->opts.cert ? tls : &tls[3], MHD_OPTION_END);
	if (!http->daemon)
		return http->opts.cert ? -EINVAL : errno ? -errno : -ENOMEM;
	info = mhd.get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	http->epoll_fd = info ? info->epoll_fd : -1;
	return http->epoll_fd < 0 ? -EOPNOTSUPP : 0;
}

static int start(struct http *http)
{
	int err;

	if (http__why_not() || (http->opts.cert && !http__has_tls()))
		return -EOPNOTSUPP;
	http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (http->stop_fd < 0)
		return -errno;
	err = start_daemon(http);
	if (err)
		return err;
	err = -pthread_create(&http->thread, NULL, work, http);
	http->has_thread = !err;
	return err;
}

int http__start(struct http **httpp, const struct http_options *opts)
{
	struct http *http = calloc(1, sizeof(*http));
	int err;

	if (!http) {
		close(opts->listen_fd);
		return -ENOMEM;
	}
	http->opts = *opts;
	http->stop_fd = -1;
	pthread_mutex_init(&http->lock, NULL);
	err = start(http);
	if (err) {
		if (!http->daemon)
			close(opts->listen_fd);
		http__free(http);
		return err;
	}
	*httpp = http;
	return 0;
}

void http__end(struct http *http)
{
	if (!http || !http->has_thread)
		return;
	atomic_store(&http->stops, true);
	if (eventfd_write(http->stop_fd, 1))
		abort(); /* nobody else writes there */
	pthread_join(http->thread, NULL);
	http->has_thread = false;
}

void http__free(struct http *http)
{
	struct outbuf nothing = { .failed = true };

	if (!http)
		return;
	http__end(http);
	http__set_page(http, 0, &nothing); /* nobody waits any more */
	if (http->daemon)
		mhd.stop_daemon(http->daemon);
	set_cached(&http->metrics[0], NULL, 0, 0);
	set_cached(&http->metrics[1], NULL, 0, 0);
	set_cached(&http->page, NULL, 0, 0);
	if (http->stop_fd >= 0)
		close(http->stop_fd);
	pthread_mutex_destroy(&http->lock);
	free(http);
}
