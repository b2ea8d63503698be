// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/runtime_http.c, -DHAVE_LIBCURL -lcurl -pthread, without which there is
 * little to try. What a runtime does with it, and gRPC, is in test_runtime_names.c and
 * test_runtime_cri.c. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/libcurl.h"
#include "containers/runtime_http.h"
#include "tests/unit/unix_server.h"

#define PATIENT_MS 60000 /* longer than any test takes */

static char folder[64];
static char socket_path[96];
static char got_request[1024]; /* read once the server has stopped */

static const struct answer {
	const char *text;
	int expected;
	const char *body;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, "hello" },
	{ "HTTP/1.0 200 OK\r\n\r\nuntil the end", 0, "until the end" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "" },
	{ "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", -ENOENT, NULL },
	{ "HTTP/1.1 204 No Content\r\n\r\n", -ENOENT, NULL },
	{ "HTTP/1.1 301 Moved\r\nLocation: http://localhost/x\r\n\r\n", -ENOENT, NULL },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", -EIO, NULL },
	{ "SSH-2.0-OpenSSH_9.2\r\n", -EIO, NULL },
	{ "", -EIO, NULL },
};

static void give(void *ctx, const struct unix_server *server, int fd)
{
	const struct answer *answer = ctx;
	ssize_t n = recv(fd, got_request, sizeof(got_request) - 1, 0);

	(void)server;
	got_request[n > 0 ? n : 0] = '\0';
	if (n > 0)
		unix_server__send(fd, answer->text, strlen(answer->text));
}

static void hang(void *ctx, const struct unix_server *server, int fd)
{
	(void)ctx;
	unix_server__wait_for_end(server, fd);
}

static struct runtime_http *new_http(uint32_t connection_ms)
{
	const struct runtime_http_limits limits = {
		.connection_ms = connection_ms, .pause_ms = 3600 * 1000, .answer_bytes = 1000,
	};
	struct runtime_http *http = NULL;

	assert_int_equal(runtime_http__new(&http, &limits), 0);
	return http;
}

static struct runtime_http_request request(void)
{
	return (struct runtime_http_request){
		.socket = socket_path, .path = "/a/path", .uids = { geteuid(), geteuid() },
	};
}

static void test_answers(void **state)
{
	const struct runtime_http_request question = request();
	struct runtime_http *http = new_http(PATIENT_MS);
	struct unix_server server;
	char *body;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		body = socket_path;
		len = 77;
		unix_server__start(&server, socket_path, give, (void *)&answers[i]);
		assert_int_equal(runtime_http__ask(http, &question, &body, &len),
				 answers[i].expected);
		unix_server__stop(&server);
		assert_int_equal(strncmp(got_request, "GET /a/path HTTP/1.", 19), 0);
		if (answers[i].expected) {
			assert_ptr_equal(body, socket_path);
			assert_int_equal(len, 77);
			continue;
		}
		assert_int_equal(len, strlen(answers[i].body));
		if (len)
			assert_memory_equal(body, answers[i].body, len);
		free(body);
	}
	runtime_http__free(http);
}

/* As long as may be, and a byte more. */
static void test_longest(void **state)
{
	const struct runtime_http_request question = request();
	struct runtime_http *http = new_http(PATIENT_MS);
	struct unix_server server;
	char text[1100], *body;
	struct answer answer = { .text = text };
	size_t len;

	(void)state;
	for (int more = 0; more <= 1; more++) {
		snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n\r\n%0*d", 1000 + more, 7);
		unix_server__start(&server, socket_path, give, &answer);
		assert_int_equal(runtime_http__ask(http, &question, &body, &len),
				 more ? -EIO : 0);
		unix_server__stop(&server);
		if (more)
			continue;
		assert_int_equal(len, 1000);
		free(body);
	}
	runtime_http__free(http);
}

/* Who is another's is told nothing. */
static void test_foreign(void **state)
{
	struct runtime_http_request question = request();
	struct runtime_http *http = new_http(PATIENT_MS);
	struct unix_server server;
	char *body;
	size_t len;

	(void)state;
	question.uids[0] = question.uids[1] = geteuid() + 1;
	got_request[0] = '\0';
	unix_server__start(&server, socket_path, give, (void *)&answers[0]);
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -EIO);
	unix_server__stop(&server);
	assert_string_equal(got_request, "");
	question.uids[1] = geteuid(); /* one of the two is enough */
	unix_server__start(&server, socket_path, give, (void *)&answers[0]);
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), 0);
	unix_server__stop(&server);
	free(body);
	runtime_http__free(http);
}

static void test_paths(void **state)
{
	struct runtime_http_request question = request();
	struct runtime_http *http = new_http(PATIENT_MS);
	char long_path[200], *body;
	size_t len;

	(void)state;
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -EIO); /* nobody */
	memset(long_path, '/', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	question.path = long_path;
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -EINVAL);
	question = request();
	question.socket = long_path;
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -EINVAL);
	runtime_http__free(http);
}

/* A socket that gave no answer in time is left alone; others are not. */
static void test_pause(void **state)
{
	struct runtime_http_request question = request();
	struct runtime_http *http = new_http(100);
	struct unix_server server;
	char *body;
	size_t len;

	(void)state;
	unix_server__start(&server, socket_path, hang, NULL);
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -ETIMEDOUT);
	unix_server__stop(&server);
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -ETIMEDOUT);
	question.socket = folder;
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -EIO);
	runtime_http__cancel(http);
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -ECANCELED);
	runtime_http__free(http);
	runtime_http__free(NULL);
}

static void test_built_without(void **state)
{
	const struct runtime_http_request question = request();
	struct runtime_http *http = new_http(PATIENT_MS);
	char *body;
	size_t len;

	(void)state;
	assert_int_equal(runtime_http__ask(http, &question, &body, &len), -EOPNOTSUPP);
	runtime_http__cancel(http);
	runtime_http__free(http);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/twsnoop-http-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/a.sock", folder);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_longest),
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_pause),
	};
	static const struct CMUnitTest without[] = { cmocka_unit_test(test_built_without) };

	if (libcurl__load())
		return cmocka_run_group_tests(without, make_folder, drop_folder);
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
