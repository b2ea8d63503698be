/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of runtimes' names share: two containers, a runtime that answers in every way over a unix
 * socket, and a folder of the test's own.
 */
#ifndef TWSNOOP_TESTS_RUNTIME_SUPPORT_H
#define TWSNOOP_TESTS_RUNTIME_SUPPORT_H

#include "tests/unit/unit.h"

#include <stdatomic.h>

#include "containers/runtime_source.h"
#include "tests/unit/unix_server.h"

#define A "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"
#define B "b05c1f6a2d9e83704f5ac6b1e28d97034c1fb6a5d8e90273c4f16ab5e8d90f37"
#define POD "2c48913c-b29f-11e7-9350-020968147796"

/* What Docker says of one. */
#define INSPECT(id, name)                                                                   \
	"{\"Id\":\"" id "\",\"Name\":\"/" name "\",\"Config\":{\"Image\":\"example/web:1\"," \
	"\"Labels\":{\"io.kubernetes.pod.name\":\"web-0\",\"io.kubernetes.pod.namespace\":" \
	"\"shop\",\"io.kubernetes.pod.uid\":\"" POD "\",\"io.kubernetes.container.name\":" \
	"\"app\",\"other\":\"x\"}},\"State\":{\"Pid\":7}}"

/* What this was built with: see runtime_source.h. */
#ifdef HAVE_LIBCURL
#define BUILT_WITH 2
#elif defined(HAVE_JANSSON)
#define BUILT_WITH 1
#else
#define BUILT_WITH 0
#endif

#define NEED_JSON()                 \
	do {                        \
		if (BUILT_WITH < 1) \
			skip();     \
	} while (0)
#define NEED_SOCKETS()              \
	do {                        \
		if (BUILT_WITH < 2) \
			skip();     \
	} while (0)

/* ---- a folder ---- */

extern char folder[64];
extern char socket_path[96]; /* in it, for the runtime */
extern const char *socket_list[2]; /* of that one, and NULL */

int make_folder(void **state);
int drop_folder(void **state);
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

/* ---- a runtime ---- */

enum mode {
	ANSWER,
	UNKNOWN,	/* 404 */
	OTHER_CONTAINER,
	RUBBISH,
	HALF,		/* less than Content-Length says */
	HANG,		/* takes the request, says nothing */
	HANG_AMID,	/* stops in the middle of the answer */
	SHUT,		/* closes at once */
	ENDLESS_BODY,
	ENDLESS_HEADERS,
	REDIRECT,
	TOO_LONG,
};

struct server {
	struct unix_server unix_server;
	enum mode mode;
	atomic_uint requests;
	char request[1024]; /* the last one; read once the server has stopped */
};

/* It listens at socket_path when start() returns. */
void start(struct server *server, enum mode mode);
void stop(struct server *server);

/* ---- questions ---- */

extern const struct runtime_limits quick;
extern const struct runtime_places places; /* socket_list alone */

void identify(const char *path, struct cgroup_identity *identity);

/* One question of a source of its own, within the limits of "quick". */
int ask_of(const struct runtime_places *where, const char *path, struct runtime_names_of *names);

#endif
