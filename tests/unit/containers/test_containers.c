// SPDX-License-Identifier: GPL-2.0
/* The container filter and attribution, with records in place of a kernel, and a
 * runtime of our own where names are needed (built with libcurl). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/libcurl.h"
#include "containers/containers.h"
#include "containers/runtime_source.h"
#include "tests/unit/support.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SECOND 1000000000ULL
/* Far from those of the cgroups that this machine has. */
#define CGROUP_A (1ULL << 60 | 1)
#define CGROUP_B (1ULL << 60 | 2)

struct passes { /* what the kernel side was told of the two */
	int a, b;
};

static int pass(void *ctx, uint64_t id, bool yes)
{
	struct passes *told = ctx;

	if (id == CGROUP_A)
		told->a = yes;
	if (id == CGROUP_B)
		told->b = yes;
	return 0;
}

static struct containers *make(struct passes *told, const char *const *wanted, unsigned int num)
{
	struct containers_options opts = {
		.no_names = true,
		.wanted = wanted,
		.num_wanted = num,
		.pass = pass,
		.ctx = told,
	};
	struct containers *c = NULL;

	*told = (struct passes){ -1, -1 };
	assert_int_equal(containers__new(&c, &opts), 0);
	containers__tick(c, SECOND);
	return c;
}

static void note(struct containers *c, uint8_t action, uint64_t id, const char *path)
{
	struct tws_cgroup record = { .action = action, .id = id };

	snprintf(record.path, sizeof(record.path), "%s", path);
	containers__note(c, &record);
}

static enum containers_verdict judge(struct containers *c, uint64_t cgroup)
{
	struct tws_event ev;

	support__event(&ev);
	ev.conn.cgroup_id = cgroup;
	return containers__judge(c, &ev);
}

static void by_id(void **unused)
{
	static const char *const wanted[] = { "aaaaaaaaaaaa" };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);

	(void)unused;
	assert_false(containers__any(c));
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	assert_true(containers__any(c));
	assert_int_equal(told.a, 1);
	assert_int_equal(told.b, 0);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	assert_int_equal(judge(c, CGROUP_B), CONTAINERS_DROP);
	assert_int_equal(judge(c, 0), CONTAINERS_DROP);
	containers__free(c);
}

/* Its last connections may still be on their way, for a while. */
static void after_removal(void **unused)
{
	static const char *const wanted[] = { ID_A };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);

	(void)unused;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	note(c, TWS_CGROUP_REMOVED, CGROUP_A, "/docker/" ID_A);
	assert_int_equal(told.a, 1);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	containers__tick(c, 200 * SECOND);
	assert_int_equal(told.a, 1);
	containers__tick(c, 400 * SECOND);
	assert_int_equal(told.a, 0);
	containers__free(c);
}

static void by_name(void **unused)
{
	static const char *const wanted[] = { "web", "bbb", "BBBB" };
	struct passes told;
	struct containers *c = make(&told, wanted, 3);

	(void)unused;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/lxc.payload.web");
	/* three digits are a name, and capitals are no digits of an id */
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	assert_int_equal(judge(c, CGROUP_B), CONTAINERS_DROP);
	containers__free(c);
}

/* ---- with a runtime ---- */

struct runtime {
	char folder[64], path[96];
	int listen_fd, stop_fds[2];
	pthread_t thread;
};

static atomic_bool keeps_silent;

/* Knows ID_A alone, as Docker knows a container that kubelet has made. */
static void answer(int fd)
{
	static const char json[] =
		"{\"Id\":\"" ID_A "\",\"Name\":\"/k8s_app_web-0\",\"Config\":{\"Labels\":{"
		"\"io.kubernetes.pod.name\":\"web-0\",\"io.kubernetes.pod.namespace\":\"shop\","
		"\"io.kubernetes.container.name\":\"app\"}}}";
	char request[1024], head[128];
	ssize_t n = recv(fd, request, sizeof(request) - 1, 0);
	int len;

	if (n <= 0)
		return;
	request[n] = '\0';
	while (keeps_silent)
		poll(NULL, 0, 1);
	if (strstr(request, "GET /containers/" ID_A "/json")) {
		len = snprintf(head, sizeof(head),
			       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", sizeof(json) - 1);
		send(fd, head, (size_t)len, MSG_NOSIGNAL);
		send(fd, json, sizeof(json) - 1, MSG_NOSIGNAL);
	} else {
		len = snprintf(head, sizeof(head),
			       "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
		send(fd, head, (size_t)len, MSG_NOSIGNAL);
	}
}

static void *serve(void *arg)
{
	struct runtime *runtime = arg;
	struct pollfd p[] = { { .fd = runtime->stop_fds[0], .events = POLLIN },
			      { .fd = runtime->listen_fd, .events = POLLIN } };
	int fd;

	while (poll(p, 2, -1) > 0 && !p[0].revents) {
		fd = accept(runtime->listen_fd, NULL, NULL);
		if (fd < 0)
			continue;
		answer(fd);
		close(fd);
	}
	return NULL;
}

static void start(struct runtime *runtime)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(runtime->folder, sizeof(runtime->folder), "/tmp/twsnoop-containers-XXXXXX");
	assert_non_null(mkdtemp(runtime->folder));
	snprintf(runtime->path, sizeof(runtime->path), "%s/sock", runtime->folder);
	memcpy(address.sun_path, runtime->path, sizeof(runtime->path));
	assert_int_equal(pipe(runtime->stop_fds), 0);
	runtime->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(runtime->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(runtime->listen_fd, 8), 0);
	assert_int_equal(pthread_create(&runtime->thread, NULL, serve, runtime), 0);
}

static void stop(struct runtime *runtime)
{
	assert_int_equal(write(runtime->stop_fds[1], "", 1), 1);
	pthread_join(runtime->thread, NULL);
	close(runtime->listen_fd);
	close(runtime->stop_fds[0]);
	close(runtime->stop_fds[1]);
	unlink(runtime->path);
	rmdir(runtime->folder);
}

static int count_one(void *ctx, const struct tws_event *ev)
{
	(void)ev;
	(*(int *)ctx)++;
	return 0;
}

/* Whether an event of that container, which waits for its names, passes once they
 * have come. */
static bool passes(struct runtime *runtime, const char *path, const char *wanted)
{
	struct passes told = { -1, -1 };
	struct containers_options opts = {
		.socket = runtime->path, .wanted = &wanted, .num_wanted = 1, .pass = pass,
		.ctx = &told,
	};
	enum containers_verdict verdict;
	struct containers *c = NULL;
	struct tws_event ev;
	int given = 0;

	assert_int_equal(containers__new(&c, &opts), 0);
	assert_int_equal(containers__begin(c, SECOND), 0);
	note(c, TWS_CGROUP_ADDED, CGROUP_A, path);
	assert_int_equal(told.a, 1);
	support__event(&ev);
	ev.conn.cgroup_id = CGROUP_A;
	verdict = containers__judge(c, &ev);
	if (verdict == CONTAINERS_WAIT) {
		containers__hold(c, &ev);
		/* the clock stands still: only the answer, yes or no, ends the waiting */
		for (int i = 0; i < 30000 && !given && told.a; i++) {
			poll(NULL, 0, 1);
			assert_int_equal(containers__release(c, false, count_one, &given), 0);
			if (containers__judge(c, &ev) == CONTAINERS_DROP)
				break;
		}
	}
	containers__free(c);
	return verdict == CONTAINERS_KEEP || given;
}

static void by_pod(void **unused)
{
	static const char *const right[] = { "k8s_app_web-0", "web-0", "shop/web-0",
					     "shop/web-0/app", "app", "aaaa" };
	static const char *const wrong[] = { "shop", "shop/", "/web-0", "other/web-0", "web-0/app",
					     "shop/web-0/", "shop/web-0/db", "shop/web-01",
					     "shop/web", "hop/web-0", "shop/web-0/app/", "/" };
	struct runtime runtime;

	(void)unused;
	if (libcurl__load())
		skip();
	start(&runtime);
	for (size_t i = 0; i < COUNT(right); i++)
		assert_true(passes(&runtime, "/docker/" ID_A, right[i]));
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_false(passes(&runtime, "/docker/" ID_A, wrong[i]));
	/* within the pod's container; its name is not the pod's, nor its container's */
	assert_true(passes(&runtime, "/docker/" ID_A "/docker/" ID_B, "k8s_app_web-0"));
	assert_false(passes(&runtime, "/docker/" ID_A "/docker/" ID_B, "shop/web-0"));
	assert_false(passes(&runtime, "/docker/" ID_A "/docker/" ID_B, "app"));
	stop(&runtime);
}

static void hold(struct containers *c, uint64_t cgroup, int times)
{
	struct tws_event ev;

	support__event(&ev);
	ev.conn.cgroup_id = cgroup;
	while (times--) {
		assert_int_equal(containers__judge(c, &ev), CONTAINERS_WAIT);
		containers__hold(c, &ev);
	}
}

static struct containers *begin(struct runtime *runtime, const char *const *wanted,
				struct passes *told)
{
	struct containers_options opts = {
		.socket = runtime->path, .wanted = wanted, .num_wanted = 1, .pass = pass,
		.ctx = told,
	};
	struct containers *c = NULL;

	assert_int_equal(containers__new(&c, &opts), 0);
	assert_int_equal(containers__begin(c, SECOND), 0);
	return c;
}

/* Until nothing that was asked for is on its way. */
static void await_answers(struct containers *c)
{
	struct tws_event ev;

	support__event(&ev);
	ev.conn.cgroup_id = CGROUP_B;
	while (containers__await(c, 30 * SECOND))
		containers__judge(c, &ev);
}

/* Who tells what was before has the names from the first event on; and waits for no runtime that is dead. */
static void awaits_all(void **unused)
{
	static const char *const wanted[] = { "shop/web-0" };
	struct passes told = { -1, -1 };
	struct runtime runtime;
	struct containers *c;

	(void)unused;
	if (libcurl__load())
		skip();
	start(&runtime);
	keeps_silent = true;
	c = begin(&runtime, wanted, &told);
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_WAIT);
	containers__await_all(c, SECOND / 50);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_WAIT);
	keeps_silent = false;
	containers__await_all(c, 30 * SECOND);
	assert_int_equal(judge(c, CGROUP_A), CONTAINERS_KEEP);
	containers__free(c);
	stop(&runtime);
}

/* Nobody knows the one: what it does is not missed, and pushes out nothing of the other, whose
 * name is still to come. */
static void nobodys(void **unused)
{
	static const char *const wanted[] = { "shop/web-0" };
	struct passes told = { -1, -1 };
	struct runtime runtime;
	struct containers *c;
	int given = 0;

	(void)unused;
	if (libcurl__load())
		skip();
	start(&runtime);
	c = begin(&runtime, wanted, &told);
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	await_answers(c);
	keeps_silent = true;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	hold(c, CGROUP_A, 1);
	hold(c, CGROUP_B, 3000);
	assert_int_equal(containers__dropped(c), 0);
	keeps_silent = false;
	for (int i = 0; i < 30000 && !given; i++) {
		poll(NULL, 0, 1);
		assert_int_equal(containers__release(c, false, count_one, &given), 0);
	}
	assert_int_equal(given, 1);
	containers__tick(c, 10 * SECOND);
	assert_int_equal(containers__release(c, true, count_one, &given), 0);
	assert_int_equal(given, 1);
	assert_int_equal(containers__dropped(c), 0);
	containers__free(c);
	stop(&runtime);
}

/* Whether it was wanted nobody has said: it counts as lost. */
static void no_answer(void **unused)
{
	static const char *const wanted[] = { "shop/web-0" };
	struct passes told = { -1, -1 };
	struct runtime runtime;
	struct containers *c;
	int given = 0;

	(void)unused;
	if (libcurl__load())
		skip();
	start(&runtime);
	c = begin(&runtime, wanted, &told);
	keeps_silent = true;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	hold(c, CGROUP_A, 2);
	containers__tick(c, 2 * SECOND);
	assert_int_equal(containers__release(c, false, count_one, &given), 0);
	assert_int_equal(containers__dropped(c), 0);
	containers__tick(c, 4 * SECOND);
	assert_int_equal(containers__release(c, false, count_one, &given), 0);
	assert_int_equal(containers__dropped(c), 2);
	assert_int_equal(given, 0);
	keeps_silent = false;
	containers__free(c);
	stop(&runtime);
}

/* Records that were lost do not make it walk through all cgroups over and over. */
static void refresh(void **unused)
{
	static const char *const wanted[] = { ID_A };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);

	(void)unused;
	containers__refresh(c);
	told.a = -1;
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	for (int i = 0; i < 100000; i++)
		containers__refresh(c);
	containers__tick(c, 1000 * SECOND);
	assert_int_equal(told.a, 1);
	containers__free(c);
}

/* A socket at a path of its own, into @path; listening, if it is told to. Returns its fd. */
static int make_socket(char *path, size_t size, bool listens)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(path, size, "/tmp/test_containers.%d.sock", (int)getpid());
	memcpy(name.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listens ? listen(fd, 1) : 0, 0);
	return fd;
}

static void socket_option(void **unused)
{
	const char *path = NULL;
	char why[128] = "", longest[200], own[100];
	bool has_sockets = !libcurl__load();
	int fd;

	(void)unused;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_true(containers__parse_socket(&path, longest, why, sizeof(why)) < 0);
	assert_true(why[0]);
	assert_true(containers__parse_socket(&path, "", why, sizeof(why)) < 0);
	assert_null(path);
	fd = make_socket(own, sizeof(own), true);
	assert_int_equal(containers__parse_socket(&path, own, why, sizeof(why)) == 0, has_sockets);
	assert_int_equal(path != NULL, has_sockets);
	close(fd);
	unlink(own);
}

/* Nothing is there, nobody listens, no socket: in words, and not as if it had not been said. */
static void dead_socket(void **unused)
{
	const char *path = NULL;
	char why[128], own[100];
	int fd = make_socket(own, sizeof(own), false);

	(void)unused;
	why[0] = '\0';
	assert_int_equal(containers__parse_socket(&path, own, why, sizeof(why)), -EINVAL);
	assert_true(why[0]);
	close(fd);
	unlink(own);
	assert_int_equal(containers__parse_socket(&path, own, why, sizeof(why)), -EINVAL);
	assert_int_equal(containers__parse_socket(&path, "/dev/null", why, sizeof(why)), -EINVAL);
	assert_null(path);
}

static void attribution(void **unused)
{
	struct passes told;
	struct containers *c = make(&told, NULL, 0);
	struct tws_event ev;
	struct record rec = { .event = &ev };

	(void)unused;
	support__event(&ev);
	ev.conn.cgroup_id = CGROUP_A;
	assert_int_equal(containers__judge(c, &ev), CONTAINERS_KEEP);
	containers__fill(c, &rec);
	assert_null(rec.cgroup_path);
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	ev.conn.cgroup_id = CGROUP_B;
	containers__fill(c, &rec);
	assert_string_equal(rec.cgroup_path, "/docker/" ID_B);
	assert_string_equal(rec.workload.container_id, ID_B);
	assert_string_equal(rec.workload.container_runtime, "docker");
	assert_null(rec.workload.container_name);
	assert_int_equal(told.b, -1);
	containers__free(c);
}

static void check_told(struct containers *c, uint64_t cgroup, const char *path)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };

	support__event(&ev);
	ev.conn.cgroup_id = cgroup;
	containers__fill(c, &rec);
	if (!path)
		assert_null(rec.cgroup_path);
	else
		assert_string_equal(rec.cgroup_path, path);
	assert_int_equal(!!rec.workload.container_id, path && strstr(path, "docker"));
}

/* What was told a moment ago holds only until something comes, goes or is renamed. */
static void told_anew(void **unused)
{
	struct passes told;
	struct containers *c = make(&told, NULL, 0);

	(void)unused;
	check_told(c, CGROUP_A, NULL);
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	for (int i = 0; i < 3; i++)
		check_told(c, CGROUP_A, "/docker/" ID_A);
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/elsewhere");
	for (int i = 0; i < 3; i++)
		check_told(c, CGROUP_A, "/elsewhere");
	check_told(c, CGROUP_B, NULL);
	note(c, TWS_CGROUP_ADDED, CGROUP_B, "/docker/" ID_B);
	note(c, TWS_CGROUP_REMOVED, CGROUP_A, "/elsewhere");
	check_told(c, CGROUP_A, "/elsewhere"); /* its last connections */
	check_told(c, CGROUP_B, "/docker/" ID_B);
	containers__tick(c, 10000 * SECOND);
	check_told(c, CGROUP_A, NULL);
	check_told(c, CGROUP_B, "/docker/" ID_B);
	containers__free(c);
}

static int count(void *ctx, const struct tws_event *ev)
{
	(void)ev;
	(*(int *)ctx)++;
	return 0;
}

/* Nothing is kept for ever, and what became clear meanwhile is given. */
static void held_events(void **unused)
{
	static const char *const wanted[] = { ID_A };
	struct passes told;
	struct containers *c = make(&told, wanted, 1);
	struct tws_event ev;
	int given = 0;

	(void)unused;
	support__event(&ev);
	note(c, TWS_CGROUP_ADDED, CGROUP_A, "/docker/" ID_A);
	ev.conn.cgroup_id = CGROUP_A;
	for (int i = 0; i < 2000; i++)
		containers__hold(c, &ev);
	ev.conn.cgroup_id = CGROUP_B;
	containers__hold(c, &ev);
	assert_int_equal(containers__release(c, false, count, &given), 0);
	assert_int_equal(given, 1023);
	assert_int_equal(containers__release(c, true, count, &given), 0);
	assert_int_equal(given, 1023);
	containers__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_id),	 cmocka_unit_test(after_removal),
		cmocka_unit_test(by_name),	 cmocka_unit_test(attribution),
		cmocka_unit_test(told_anew),
		cmocka_unit_test(held_events),	 cmocka_unit_test(by_pod), cmocka_unit_test(nobodys),
		cmocka_unit_test(awaits_all),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(refresh),	 cmocka_unit_test(socket_option),
		cmocka_unit_test(dead_socket),
	};

	return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}
