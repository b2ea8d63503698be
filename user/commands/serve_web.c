// SPDX-License-Identifier: GPL-2.0
#include "commands/serve_web.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "commands/serve_tls.h"
#include "serving/http.h"
#include "serving/page.h"

#define DEFAULT_LISTEN "127.0.0.1:9810"

struct serve_web {
	struct serve_web_options opts;
	struct http_listen listen;
	int listen_fd;
	struct serve_tls tls;
	struct http *http;
	struct page *page;
};

/* ---- options ---- */

static int parse_listen(void *field, const char *arg, char *why, size_t why_len)
{
	return http_listen__parse(field, arg, why, why_len);
}

const struct option_spec serve_web_table[] = {
	{ 0, "listen", "ADDR:PORT", "where to answer HTTP (default " DEFAULT_LISTEN "); nobody is asked\n"
	  "for a password", parse_listen, offsetof(struct serve_web_words, listen) },
	{ 0, "tls-cert", "FILE", "answer HTTPS instead, with this certificate (PEM)", option__string,
	  offsetof(struct serve_web_words, tls_cert) },
	{ 0, "tls-key", "FILE", "and this key (PEM)", option__string,
	  offsetof(struct serve_web_words, tls_key) },
	{ 0 },
};

void serve_web__set_defaults(struct serve_web_words *words)
{
	char why[8];

	http_listen__parse(&words->listen, DEFAULT_LISTEN, why, sizeof(why));
}

enum options_result serve_web__check(const struct serve_web_words *words,
				     const struct command_spec *spec)
{
	if (!words->tls_cert != !words->tls_key)
		return options__complain(spec, "--tls-cert and --tls-key go together");
	return OPTIONS_OK;
}

/* ---- what is said ---- */

static void say(const struct serve_web *web, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct serve_web *web, const char *format, ...)
{
	char line[480];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	web->opts.say(web->opts.ctx, line);
}

/* ---- the begin ---- */

static int check_http(struct serve_web *web)
{
	const char *why = http__why_not();

	if (!why)
		return 0;
	say(web, "cannot answer HTTP: %s", why);
	return -EOPNOTSUPP;
}

static int read_tls(struct serve_web *web)
{
	const struct serve_web_words *words = &web->opts.words;
	const char *which = NULL, *why;
	char quoted[256];
	int err;

	if (!words->tls_cert)
		return 0;
	if (!http__has_tls()) {
		say(web, "cannot answer HTTPS: this build of twsnoop has no TLS; let a proxy do it");
		return -EOPNOTSUPP;
	}
	err = serve_tls__read(&web->tls, words->tls_cert, words->tls_key, &which);
	if (!err)
		return 0;
	why = err == -EINVAL ? "is no PEM file" : err == -EFBIG ? "is too large" : strerror(-err);
	say(web, "cannot answer HTTPS: %s: %s", escape__quote(quoted, sizeof(quoted), which), why);
	return err;
}

static int open_listener(struct serve_web *web)
{
	char text[HTTP_LISTEN_BYTES];

	web->listen_fd = http_listen__open(&web->listen);
	if (web->listen_fd >= 0)
		return 0;
	say(web, "cannot listen at %s: %s%s", http_listen__text(&web->listen, text),
	    strerror(-web->listen_fd),
	    web->listen_fd == -EADDRINUSE ? ": --listen takes another port" : "");
	return web->listen_fd;
}

int serve_web__open(struct serve_web **webp, const struct serve_web_options *opts)
{
	struct serve_web *web = calloc(1, sizeof(*web));
	int err;

	if (!web)
		return -ENOMEM;
	web->opts = *opts;
	web->listen = opts->words.listen;
	web->listen_fd = -1;
	err = check_http(web) ?: read_tls(web) ?: open_listener(web);
	if (err) {
		serve_web__close(web);
		return err;
	}
	*webp = web;
	return 0;
}

/* ---- what is asked for: in HTTP's thread, but put_page() ---- */

static void write_metrics(void *ctx, bool openmetrics, struct outbuf *to)
{
	const struct serve_web *web = ctx;

	board__write(web->opts.board, openmetrics, to);
}

static const char *why_unhealthy(void *ctx)
{
	const struct serve_web *web = ctx;

	return web->opts.unhealthy(web->opts.ctx);
}

static const char *why_unready(void *ctx)
{
	const struct serve_web *web = ctx;

	return web->opts.unready(web->opts.ctx);
}

static void want_page(void *ctx)
{
	const struct serve_web *web = ctx;

	page__want(web->page);
}

static void put_page(void *ctx, unsigned int status, struct outbuf *text)
{
	const struct serve_web *web = ctx;

	http__set_page(web->http, status, text);
}

/* ---- the threads ---- */

static int start_page(struct serve_web *web)
{
	const struct page_options opts = {
		.recording = web->opts.recording,
		.zone = web->opts.zone,
		.board = web->opts.board,
		.put = put_page,
		.ctx = web,
	};
	int err = page__start(&web->page, &opts);

	if (err)
		say(web, "cannot start: %s", strerror(-err));
	return err;
}

static int start_http(struct serve_web *web)
{
	const struct http_options opts = {
		.listen_fd = web->listen_fd,
		.cert = web->tls.cert,
		.key = web->tls.key,
		.is_local = serve_web__is_local(web),
		.metrics = write_metrics,
		.unhealthy = why_unhealthy,
		.unready = why_unready,
		.want_page = want_page,
		.ctx = web,
	};
	int err = http__start(&web->http, &opts);

	web->listen_fd = -1; /* it is that one's now */
	if (err == -EINVAL && web->tls.cert)
		say(web, "cannot answer HTTPS: the certificate and the key will not do, or do not belong "
			 "together");
	else if (err)
		say(web, "cannot answer HTTP: %s", strerror(-err));
	return err;
}

/* HTTP asks for the page, which is put there: so the page's thread is first to begin, and not the
 * first to end. */
int serve_web__start(struct serve_web *web)
{
	return start_page(web) ?: start_http(web);
}

const char *serve_web__url(const struct serve_web *web, char to[SERVE_WEB_URL])
{
	char text[HTTP_LISTEN_BYTES];

	snprintf(to, SERVE_WEB_URL, "%s://%s", web->tls.cert ? "https" : "http",
		 http_listen__text(&web->listen, text));
	return to;
}

bool serve_web__is_local(const struct serve_web *web)
{
	return http_listen__is_local(&web->listen);
}

bool serve_web__close(struct serve_web *web)
{
	if (!web)
		return true;
	http__end(web->http);
	if (!page__stop(web->page))
		return false;
	http__free(web->http);
	serve_tls__free(&web->tls);
	if (web->listen_fd >= 0)
		close(web->listen_fd);
	free(web);
	return true;
}
