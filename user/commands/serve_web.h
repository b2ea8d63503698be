/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The HTTP side of `serve` as a command has it: options, the listening socket, certificate and key, and the
 * two threads that answer and make the page.
 *
 *	err = serve_web__open(&web, &opts);	while one may listen and read
 *	(privileges are given up)
 *	err = serve_web__start(web);
 *	serve_web__close(web);
 */
#ifndef TWSNOOP_SERVE_WEB_H
#define TWSNOOP_SERVE_WEB_H

#include <stdbool.h>

#include "base/when.h"
#include "commands/options.h"
#include "serving/board.h"
#include "serving/http_listen.h"

struct serve_web;

/* Filled by the command's options. */
struct serve_web_words {
	struct http_listen listen;
	const char *tls_cert, *tls_key;
};

extern const struct option_spec serve_web_table[]; /* into a struct serve_web_words */

/* serve_web__set_defaults() - before options are parsed. */
void serve_web__set_defaults(struct serve_web_words *words);

/* serve_web__check() - OPTIONS_OK, or OPTIONS_WRONG_USAGE once it has complained. */
enum options_result serve_web__check(const struct serve_web_words *words,
				     const struct command_spec *spec);

/* What is pointed to must outlive it. */
struct serve_web_options {
	struct serve_web_words words;
	struct board *board;
	const struct when_zone *zone;
	const char *recording; /* for the page; NULL: none */
	/* As struct http_options has them, of ctx; and lines for the user. */
	const char *(*unhealthy)(void *ctx);
	const char *(*unready)(void *ctx);
	void (*say)(void *ctx, const char *line);
	void *ctx;
};

/* Both return 0, or a negative errno once they have said why. */
int serve_web__open(struct serve_web **webp, const struct serve_web_options *opts);
int serve_web__start(struct serve_web *web);

/* serve_web__url() - "http://127.0.0.1:9810" */
#define SERVE_WEB_URL (HTTP_LISTEN_BYTES + 8)
const char *serve_web__url(const struct serve_web *web, char to[SERVE_WEB_URL]);

/* serve_web__is_local() - nobody but this host can ask. */
bool serve_web__is_local(const struct serve_web *web);

/* serve_web__close() - NULL is allowed. Returns false, as page__stop(), if a disk holds it up: then
 * nothing that it was given may be freed. */
bool serve_web__close(struct serve_web *web);

#endif
