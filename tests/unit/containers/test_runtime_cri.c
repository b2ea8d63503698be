// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/runtime_cri.c, and for what asks user/containers/runtime_source.c,
 * user/containers/runtime_http.c, user/containers/runtime_json.c, user/containers/cgroup_path.c; -DHAVE_LIBCURL -lcurl
 * -ljansson -pthread, without which it skips. Answers itself, in HTTP/2, over a unix
 * socket. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/libcurl.h"
#include "containers/runtime_cri.h"
#include "containers/runtime_source.h"
#include "tests/unit/unix_server.h"

#define A "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"
#define B "b05c1f6a2d9e83704f5ac6b1e28d97034c1fb6a5d8e90273c4f16ab5e8d90f37"
#define POD "2c48913c-b29f-11e7-9350-020968147796"

#if defined(HAVE_LIBCURL) || defined(HAVE_JANSSON)

/* ---- messages ---- */

struct message {
	unsigned char bytes[4096];
	size_t len;
};

static void add_byte(struct message *m, unsigned int byte)
{
	assert_true(m->len < sizeof(m->bytes));
	m->bytes[m->len++] = (unsigned char)byte;
}

static void add_varint(struct message *m, uint64_t value)
{
	for (; value > 127; value >>= 7)
		add_byte(m, (value & 127) | 128);
	add_byte(m, (unsigned int)value);
}

static void add_bytes(struct message *m, unsigned int field, const void *bytes, size_t len)
{
	add_varint(m, field << 3 | 2);
	add_varint(m, len);
	for (size_t i = 0; i < len; i++)
		add_byte(m, ((const unsigned char *)bytes)[i]);
}

static void add_text(struct message *m, unsigned int field, const char *text)
{
	add_bytes(m, field, text, strlen(text));
}

static void add_message(struct message *m, unsigned int field, const struct message *inner)
{
	add_bytes(m, field, inner->bytes, inner->len);
}

static void add_label(struct message *m, unsigned int field, const char *key, const char *value)
{
	struct message entry = { .len = 0 };

	add_text(&entry, 1, key);
	add_text(&entry, 2, value);
	add_message(m, field, &entry);
}

/* With what is of no interest, and in every wire type. */
static void add_container(struct message *list, const char *id, bool labels)
{
	struct message item = { .len = 0 }, inner = { .len = 0 }, image = { .len = 0 };

	add_text(&item, 1, id);
	add_text(&item, 2, B);
	add_text(&inner, 1, "app");
	add_varint(&inner, 2 << 3);
	add_varint(&inner, 7);
	add_message(&item, 3, &inner);
	add_text(&image, 1, "example/web:1");
	add_message(&item, 4, &image);
	add_varint(&item, 6 << 3);
	add_varint(&item, UINT64_MAX);
	add_varint(&item, 200 << 3 | 1);
	for (int i = 0; i < 8; i++)
		add_byte(&item, 0xff);
	add_varint(&item, 201 << 3 | 5);
	for (int i = 0; i < 4; i++)
		add_byte(&item, 0xff);
	if (labels) {
		add_label(&item, 8, "io.kubernetes.pod.name", "web-0");
		add_label(&item, 8, "io.kubernetes.pod.namespace", "shop");
		add_label(&item, 8, "io.kubernetes.pod.uid", POD);
		add_label(&item, 8, "io.kubernetes.container.name", "app");
		add_label(&item, 8, "other", "\xff");
	}
	add_message(list, 1, &item);
}

static void add_sandbox(struct message *list, const char *id)
{
	struct message item = { .len = 0 }, inner = { .len = 0 };

	add_text(&inner, 1, "web-0");
	add_text(&inner, 2, POD);
	add_text(&inner, 3, "shop");
	add_message(&item, 2, &inner);
	add_text(&item, 1, id);
	add_message(list, 1, &item);
}

/* As gRPC sends it. */
static void frame(struct message *framed, const struct message *m)
{
	framed->len = 0;
	add_byte(framed, 0);
	for (int shift = 24; shift >= 0; shift -= 8)
		add_byte(framed, m->len >> shift & 255);
	for (size_t i = 0; i < m->len; i++)
		add_byte(framed, m->bytes[i]);
}

/* On the heap and no byte too long, so that ASan sees. */
static int containers_of(const struct message *m, struct runtime_names_of *names, char *sandbox)
{
	unsigned char *copy = malloc(m->len ? m->len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, m->bytes, m->len);
	err = runtime_cri__containers(copy, m->len, A, names, sandbox);
	free(copy);
	return err;
}

static void test_containers(void **state)
{
	struct message list = { .len = 0 }, framed;
	struct runtime_names_of names;
	char sandbox[CGROUP_ID_SIZE];

	(void)state;
	add_container(&list, B, false);
	add_container(&list, A, true);
	frame(&framed, &list);
	assert_int_equal(containers_of(&framed, &names, sandbox), 0);
	assert_string_equal(names.name, "app");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "web-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);
	assert_string_equal(names.pod_container, "app");
	assert_string_equal(sandbox, B);

	list.len = 0;
	add_container(&list, B, true);
	frame(&framed, &list);
	assert_int_equal(containers_of(&framed, &names, sandbox), -ENOENT);
	assert_int_equal(runtime_cri__containers("\0\0\0\0\0", 5, A, &names, sandbox), -ENOENT);
}

static void test_sandboxes(void **state)
{
	struct message list = { .len = 0 }, framed;
	struct runtime_names_of names = { .name = "app", .pod_name = "known" };

	(void)state;
	add_sandbox(&list, A);
	frame(&framed, &list);
	assert_int_equal(runtime_cri__sandboxes(framed.bytes, framed.len, A, &names), 0);
	assert_string_equal(names.name, "app");
	assert_string_equal(names.pod_name, "known");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);
	assert_int_equal(runtime_cri__sandboxes(framed.bytes, framed.len, B, &names), -ENOENT);
}

/* The user's name for it where the runtime knows it by another. */
static void test_image(void **state)
{
	struct message list = { .len = 0 }, item = { .len = 0 }, image = { .len = 0 }, framed;
	struct runtime_names_of names;
	char sandbox[CGROUP_ID_SIZE];

	(void)state;
	add_text(&image, 1, "sha256:" A);
	add_text(&image, 18, "example/web:1");
	add_message(&item, 4, &image);
	add_text(&item, 1, A);
	add_message(&list, 1, &item);
	frame(&framed, &list);
	assert_int_equal(containers_of(&framed, &names, sandbox), 0);
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.name, "");
	assert_string_equal(sandbox, "");
}

/* No way of cutting a good answer off makes another good one. */
static void test_cut(void **state)
{
	struct message list = { .len = 0 }, framed;
	struct runtime_names_of names, before;
	char sandbox[CGROUP_ID_SIZE];

	(void)state;
	memset(&before, 0x55, sizeof(before));
	add_container(&list, A, true);
	for (size_t len = 0; len < list.len; len++) {
		struct message cut = list;

		cut.len = len;
		frame(&framed, &cut);
		names = before;
		assert_int_equal(containers_of(&framed, &names, sandbox),
				 len ? -EBADMSG : -ENOENT);
		assert_memory_equal(&names, &before, sizeof(names));
	}
	frame(&framed, &list);
	while (framed.len--)
		assert_int_equal(containers_of(&framed, &names, sandbox), -EBADMSG);
}

static void expect_bad(const struct message *item)
{
	struct message list = { .len = 0 }, framed;
	struct runtime_names_of names;
	char sandbox[CGROUP_ID_SIZE];

	add_message(&list, 1, item);
	frame(&framed, &list);
	assert_int_equal(containers_of(&framed, &names, sandbox), -EBADMSG);
}

static void test_bad(void **state)
{
	static const char *const raw[] = {
		"\x0b",					     /* a group */
		"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* a number without end */
		"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* longer than there is */
		"\x0a\x05xy",
	};
	struct message item, list = { .len = 0 }, framed;
	struct runtime_names_of names;
	char sandbox[CGROUP_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(raw); i++) {
		item.len = strlen(raw[i]);
		memcpy(item.bytes, raw[i], item.len);
		expect_bad(&item);
	}
	/* texts that none can be: twice, not UTF-8, a NUL */
	item.len = 0;
	add_text(&item, 1, A);
	add_text(&item, 1, A);
	expect_bad(&item);
	item.len = 0;
	add_text(&item, 1, "\xff");
	expect_bad(&item);
	item.len = 0;
	add_bytes(&item, 1, A "\0", 65);
	expect_bad(&item);
	/* one container twice */
	add_container(&list, A, false);
	add_container(&list, A, true);
	frame(&framed, &list);
	assert_int_equal(containers_of(&framed, &names, sandbox), -EBADMSG);
	/* compressed; two frames */
	list.len = 0;
	add_container(&list, A, false);
	frame(&framed, &list);
	framed.bytes[0] = 1;
	assert_int_equal(containers_of(&framed, &names, sandbox), -EBADMSG);
	framed.bytes[0] = 0;
	add_byte(&framed, 0);
	assert_int_equal(containers_of(&framed, &names, sandbox), -EBADMSG);
}

/* What is too long is left out, not cut. */
static void test_long(void **state)
{
	struct message list = { .len = 0 }, item = { .len = 0 }, inner = { .len = 0 }, framed;
	char text[RUNTIME_NAME_SIZE + 1], sandbox[CGROUP_ID_SIZE];
	struct runtime_names_of names;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[RUNTIME_NAME_SIZE] = '\0';
	add_text(&inner, 1, text);
	add_text(&item, 1, A);
	add_text(&item, 2, text);
	add_message(&item, 3, &inner);
	add_message(&list, 1, &item);
	frame(&framed, &list);
	assert_int_equal(containers_of(&framed, &names, sandbox), 0);
	assert_string_equal(names.name, "");
	assert_string_equal(sandbox, "");
}

/* containerd's own answer, with labels that nobody asked about. */
static void test_own(void **state)
{
	struct message item = { .len = 0 }, answer = { .len = 0 }, framed;
	struct runtime_names_of names;

	(void)state;
	add_text(&item, 1, A);
	add_label(&item, 2, "nerdctl/name", "web");
	add_label(&item, 2, "other", "x");
	add_text(&item, 3, "example/web:1");
	add_message(&answer, 1, &item);
	frame(&framed, &answer);
	assert_int_equal(runtime_containerd__container(framed.bytes, framed.len, A, &names), 0);
	assert_string_equal(names.name, "web");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "");
	assert_int_equal(runtime_containerd__container(framed.bytes, framed.len, B, &names), -ENOENT);
	assert_int_equal(runtime_containerd__container(framed.bytes, framed.len - 1, A, &names),
			 -EBADMSG);
	/* which says nothing */
	item.len = answer.len = 0;
	add_text(&item, 1, A);
	add_message(&answer, 1, &item);
	frame(&framed, &answer);
	assert_int_equal(runtime_containerd__container(framed.bytes, framed.len, A, &names), -ENOENT);
}

static void test_request(void **state)
{
	unsigned char buf[RUNTIME_CRI_REQUEST_MAX];
	char long_id[128];

	(void)state;
	assert_int_equal(runtime_cri__request(A, buf), 9 + 64);
	assert_memory_equal(buf, "\0\0\0\0\x44\x0a\x42\x0a\x40" A, 9 + 64);
	memset(long_id, 'a', sizeof(long_id));
	long_id[RUNTIME_CRI_REQUEST_MAX - 6] = '\0';
	assert_int_equal(runtime_cri__request(long_id, buf), 0);
	assert_int_equal(runtime_cri__request("", buf), 0);
	assert_int_equal(runtime_containerd__request(A, buf), 7 + 64);
	assert_memory_equal(buf, "\0\0\0\0\x42\x0a\x40" A, 7 + 64);
	assert_int_equal(runtime_containerd__request(long_id, buf), 0);
	assert_int_equal(runtime_containerd__request("", buf), 0);
}

#ifdef HAVE_LIBCURL

static void add_own(struct message *answer)
{
	struct message item = { .len = 0 };

	answer->len = 0;
	add_text(&item, 1, A);
	add_label(&item, 2, "nerdctl/name", "web");
	add_text(&item, 3, "example/web:1");
	add_message(answer, 1, &item);
}

/* ---- a server: just enough of HTTP/2, on stream 1 ---- */

enum mode {
	ANSWER,
	UNKNOWN_METHOD, /* grpc-status 12 */
	NO_STATUS,
	TRUNCATED, /* the connection ends amid the answer */
	HTTP_1,
	DOCKER, /* what it says to HTTP/2 */
	HANG,
	SHUT,
	ENDLESS_BODY,
	ENDLESS_HEADERS,
};

struct server {
	struct unix_server unix_server;
	enum mode mode;
	struct message answers[3]; /* to the first connection, the second, others */
	atomic_uint connections;
};

static char folder[64];
static char socket_path[96];

static bool send_frame(int fd, int type, int flags, const void *payload, size_t len)
{
	const unsigned char head[] = { 0, (unsigned char)(len >> 8), (unsigned char)len,
				       (unsigned char)type, (unsigned char)flags, 0, 0, 0,
				       type == 4 ? 0 : 1 };

	return unix_server__send(fd, head, sizeof(head)) && unix_server__send(fd, payload, len);
}

/* The ID stands last in the request. false: the client has gone. */
static bool read_request(int fd)
{
	static const char end[] = "6a5d8e90273c4f16ab5e8d90f37", other_end[] = "92d3b5e8f07a194c6b";
	char got[4096];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(got)) {
		n = recv(fd, got + len, sizeof(got) - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
		if (memmem(got, len, end, sizeof(end) - 1) ||
		    memmem(got, len, other_end, sizeof(other_end) - 1))
			return true;
	}
	return false;
}

static void send_answer(const struct server *server, int fd, const struct message *m)
{
	static const char ok[] = "\0\x0bgrpc-status\x01" "0", bad[] = "\0\x0bgrpc-status\x02" "12";
	static const char header[] = "\0\x01x\x01y";
	static const char zeros[8192];

	send_frame(fd, 4, 0, "", 0);
	send_frame(fd, 1, 4, "\x88", 1);
	switch (server->mode) {
	case UNKNOWN_METHOD:
		send_frame(fd, 1, 5, bad, sizeof(bad) - 1);
		break;
	case NO_STATUS:
		send_frame(fd, 0, 1, m->bytes, m->len);
		break;
	case TRUNCATED:
		send_frame(fd, 0, 0, m->bytes, m->len);
		return;
	case ENDLESS_BODY:
		while (!unix_server__is_stopped(&server->unix_server) &&
		       send_frame(fd, 0, 0, zeros, sizeof(zeros)))
			;
		break;
	case ENDLESS_HEADERS:
		send_frame(fd, 1, 0, header, sizeof(header) - 1);
		while (!unix_server__is_stopped(&server->unix_server) &&
		       send_frame(fd, 9, 0, header, sizeof(header) - 1))
			;
		break;
	default:
		send_frame(fd, 0, 0, m->bytes, m->len);
		send_frame(fd, 1, 5, ok, sizeof(ok) - 1);
	}
	unix_server__wait_for_end(&server->unix_server, fd);
}

static void answer(void *ctx, const struct unix_server *unix_server, int fd)
{
	static const char http_1[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	static const char docker[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
	struct server *server = ctx;
	unsigned int n = atomic_fetch_add(&server->connections, 1);

	(void)unix_server;
	switch (server->mode) {
	case SHUT:
		return;
	case HANG:
		unix_server__wait_for_end(&server->unix_server, fd);
		return;
	case HTTP_1:
		unix_server__send(fd, http_1, sizeof(http_1) - 1);
		return;
	case DOCKER:
		unix_server__send(fd, docker, sizeof(docker) - 1);
		return;
	default:
		if (read_request(fd))
			send_answer(server, fd, &server->answers[n < 3 ? n : 2]);
	}
}

static void start(struct server *server, enum mode mode)
{
	server->mode = mode;
	atomic_init(&server->connections, 0);
	unix_server__start(&server->unix_server, socket_path, answer, server);
}

static void stop(struct server *server)
{
	unix_server__stop(&server->unix_server);
}

static int ask(const char *path, struct runtime_names_of *names)
{
	static const struct runtime_limits quick = { 1500, 3600 * 1000, 65536, 65536 };
	const char *const sockets[] = { socket_path, NULL };
	const struct runtime_places places = { .cri_sockets = sockets };
	struct runtime_source *source = NULL;
	struct cgroup_identity identity;
	int err;

	assert_int_equal(cgroup_path__identify(path, &identity), 0);
	assert_int_equal(runtime_source__new(&source, &places, &quick), 0);
	err = runtime_source__ask(source, &identity, names);
	runtime_source__free(source);
	return err;
}

#define CONTAINER "/kubepods.slice/cri-containerd-" A ".scope"

static void test_asked(void **state)
{
	struct message list = { .len = 0 };
	struct runtime_names_of names;
	struct server server;

	(void)state;
	/* kubelet's: one answer says all */
	add_container(&list, A, true);
	frame(&server.answers[0], &list);
	start(&server, ANSWER);
	assert_int_equal(ask(CONTAINER, &names), 0);
	stop(&server);
	assert_int_equal(atomic_load(&server.connections), 1);
	assert_string_equal(names.name, "app");
	assert_string_equal(names.pod_name, "web-0");
	/* another's: its pod is asked for */
	list.len = 0;
	add_container(&list, A, false);
	frame(&server.answers[0], &list);
	list.len = 0;
	add_sandbox(&list, B);
	frame(&server.answers[1], &list);
	start(&server, ANSWER);
	assert_int_equal(ask("/kubepods/pod" POD "/" A, &names), 0);
	stop(&server);
	assert_int_equal(atomic_load(&server.connections), 2);
	assert_string_equal(names.name, "app");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "web-0");
	assert_string_equal(names.pod_namespace, "shop");
	/* the sandbox itself is no container in CRI */
	list.len = 0;
	frame(&server.answers[0], &list);
	add_sandbox(&list, A);
	frame(&server.answers[1], &list);
	start(&server, ANSWER);
	assert_int_equal(ask(CONTAINER, &names), 0);
	stop(&server);
	assert_string_equal(names.name, "");
	assert_string_equal(names.pod_name, "web-0");
	/* one that is not Kubernetes' */
	list.len = 0;
	frame(&server.answers[0], &list);
	frame(&server.answers[1], &list);
	add_container(&list, A, false);
	frame(&server.answers[2], &list);
	start(&server, ANSWER);
	assert_int_equal(ask("/default/" A, &names), -ENOENT);
	stop(&server);
	assert_int_equal(atomic_load(&server.connections), 3);
	add_own(&list);
	frame(&server.answers[2], &list);
	start(&server, ANSWER);
	assert_int_equal(ask("/default/" A, &names), 0);
	stop(&server);
	assert_string_equal(names.name, "web");
	assert_string_equal(names.image, "example/web:1");
}

static void test_answers(void **state)
{
	static const struct {
		enum mode mode;
		int expected;
	} table[] = {
		{ ANSWER, 0 },		     { UNKNOWN_METHOD, -ENOENT }, { NO_STATUS, -ENOENT },
		{ TRUNCATED, -ENOENT },	     { HTTP_1, -ENOENT },	  { DOCKER, -ENOENT },
		{ HANG, -ETIMEDOUT },	     { SHUT, -ENOENT },		  { ENDLESS_BODY, -ENOENT },
		{ ENDLESS_HEADERS, -ENOENT },
	};
	struct message list = { .len = 0 };
	struct runtime_names_of names;
	struct server server;
	int err;

	(void)state;
	add_container(&list, A, true);
	frame(&server.answers[0], &list);
	frame(&server.answers[1], &list);
	frame(&server.answers[2], &list);
	for (size_t i = 0; i < COUNT(table); i++) {
		start(&server, table[i].mode);
		err = ask(CONTAINER, &names);
		/* a machine so busy that what is endless was not long in time */
		if (err == -ETIMEDOUT && server.mode >= ENDLESS_BODY)
			err = table[i].expected;
		assert_int_equal(err, table[i].expected);
		stop(&server);
		assert_in_range(atomic_load(&server.connections), 1, 3);
	}
}

/* Docker and Podman do not speak it, and no user has a kubelet. */
static void test_not_asked(void **state)
{
	struct runtime_names_of names;
	struct server server;
	char path[160];

	(void)state;
	start(&server, ANSWER);
	assert_int_equal(ask("/docker/" A, &names), -ENOENT);
	assert_int_equal(ask("/machine.slice/libpod-" A ".scope", &names), -ENOENT);
	snprintf(path, sizeof(path), "/user@%u.service/cri-containerd-" A ".scope", geteuid());
	assert_int_equal(ask(path, &names), -ENOENT);
	stop(&server);
	assert_int_equal(atomic_load(&server.connections), 0);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/twsnoop-cri-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/cri.sock", folder);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containers), cmocka_unit_test(test_sandboxes),
		cmocka_unit_test(test_image),	   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad),	   cmocka_unit_test(test_long),
		cmocka_unit_test(test_request),	   cmocka_unit_test(test_own),
	};
	int failed = cmocka_run_group_tests_name("runtime_cri", tests, NULL, NULL);

#ifdef HAVE_LIBCURL
	static const struct CMUnitTest asking[] = {
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_not_asked),
	};

	failed += cmocka_run_group_tests_name("runtime_cri asks", asking, make_folder,
					      drop_folder);
#endif
	return failed;
}

#else

static void test_built_without(void **state)
{
	(void)state;
	assert_non_null(libcurl__load());
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_built_without) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
