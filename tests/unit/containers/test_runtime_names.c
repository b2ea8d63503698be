// SPDX-License-Identifier: GPL-2.0
/* The cache of names and its helper, which asks: nobody waits for it, and all is bounded. With -DHAVE_JANSSON
 * alone, or neither that nor -DHAVE_LIBCURL, only what is built then is tried. */
#include "tests/unit/containers/runtime_support.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "containers/runtime_json.h"
#include "containers/runtime_names.h"

#define SEC 1000000000ULL
#define DEADLINE_MS 30000 /* for what should come at once */

static const struct runtime_limits patient = {
	.connection_ms = 3600 * 1000,
	.pause_ms = 0,
	.answer_bytes = 65536,
	.file_bytes = 65536,
};

static const struct runtime_names_of *wait_for_name(struct runtime_names *names,
						    const struct cgroup_identity *identity,
						    uint64_t now_ns)
{
	struct pollfd p = { .fd = runtime_names__fd(names), .events = POLLIN };

	if (poll(&p, 1, DEADLINE_MS) != 1)
		fail_msg("no answer");
	runtime_names__collect(names, now_ns);
	assert_int_equal(poll(&p, 1, 0), 0);
	return runtime_names__get(names, identity, now_ns);
}

static void test_names(void **state)
{
	const struct runtime_names_of *found;
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct workload w;
	struct server server;
	int i;

	(void)state;
	NEED_SOCKETS();
	start(&server, ANSWER);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 0), 0);
	identify("/kubepods/pod" POD "/" A, &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	found = wait_for_name(names, &identity, 0);
	assert_non_null(found);
	assert_string_equal(found->name, "web1");
	/* it is kept */
	for (i = 0; i < 1000; i++)
		assert_ptr_equal(runtime_names__get(names, &identity, i * SEC), found);
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_string_equal(w.container_id, A);
	assert_string_equal(w.container_name, "web1");
	assert_string_equal(w.container_image, "example/web:1");
	assert_string_equal(w.pod_name, "web-0");
	assert_string_equal(w.pod_namespace, "shop");
	assert_string_equal(w.pod_container, "app");
	assert_string_equal(w.pod_uid, POD);
	/* a child cgroup is the same container */
	identify("/docker/" A "/init.scope", &identity);
	assert_ptr_equal(runtime_names__get(names, &identity, 0), found);
	stop(&server);
	assert_int_equal(atomic_load(&server.requests), 1);
	runtime_names__free(names);
}

/* What is within it has not the container's name, but its pod's. */
static void test_nested(void **state)
{
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct workload w;
	struct server server;

	(void)state;
	NEED_SOCKETS();
	start(&server, ANSWER);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 0), 0);
	identify("/kubepods/pod" POD "/" A "/docker/" B, &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	assert_non_null(wait_for_name(names, &identity, 0));
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_string_equal(w.container_id, B);
	assert_null(w.container_name);
	assert_null(w.container_image);
	assert_null(w.pod_container);
	assert_string_equal(w.pod_name, "web-0");
	/* no pod in the path, or another: then nothing */
	identify("/docker/" A "/docker/" B, &identity);
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_null(w.pod_name);
	identify("/kubepods/pod00000000-b29f-11e7-9350-020968147796/" A, &identity);
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(names, &identity, 0, &w);
	assert_null(w.pod_name);
	assert_null(w.pod_container);
	assert_string_equal(w.container_name, "web1");
	stop(&server);
	runtime_names__free(names);
}

/* Asked again, but ever less often. */
static void test_retries(void **state)
{
	static const unsigned int asked_at_s[] = { 0, 1, 5, 21, 81, 141 };
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct server server;
	unsigned int s;
	size_t i = 0;

	(void)state;
	NEED_SOCKETS();
	start(&server, UNKNOWN);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 0), 0);
	identify("/docker/" A, &identity);
	for (s = 0; s <= 141; s++) {
		assert_null(runtime_names__get(names, &identity, s * SEC));
		if (s != asked_at_s[i])
			continue;
		assert_null(wait_for_name(names, &identity, s * SEC));
		assert_int_equal(atomic_load(&server.requests), ++i);
	}
	stop(&server);
	assert_int_equal(atomic_load(&server.requests), COUNT(asked_at_s));
	runtime_names__free(names);
}

/* It ends although the answer never does. */
static void test_free_amid(void **state)
{
	static const enum mode modes[] = { HANG, HANG_AMID, ENDLESS_BODY, TOO_LONG };
	struct runtime_names *names;
	struct cgroup_identity identity;
	struct timespec before, after;
	struct server server;
	size_t i;

	(void)state;
	NEED_SOCKETS();
	identify("/docker/" A, &identity);
	for (i = 0; i < COUNT(modes); i++) {
		start(&server, modes[i]);
		assert_int_equal(runtime_names__new(&names, &places, &patient, 1), 0);
		assert_null(runtime_names__get(names, &identity, 0));
		while (atomic_load(&server.requests) == 0)
			sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &before);
		runtime_names__free(names);
		clock_gettime(CLOCK_MONOTONIC, &after);
		assert_true((after.tv_sec - before.tv_sec) * 1000 < DEADLINE_MS);
		stop(&server);
	}
	/* and at once, unused */
	assert_int_equal(runtime_names__new(&names, &places, &patient, 1), 0);
	runtime_names__free(names);
	runtime_names__free(NULL);
}

/* Many containers, few places, a server that hangs: nobody waits, all is bounded. */
static void test_flood(void **state)
{
	struct runtime_names *names = NULL;
	struct cgroup_identity identity;
	struct server server;
	char path[128];
	unsigned int i;

	(void)state;
	NEED_SOCKETS();
	start(&server, HANG);
	assert_int_equal(runtime_names__new(&names, &places, &patient, 16), 0);
	for (i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/docker/%064x", i % 3000);
		identify(path, &identity);
		assert_null(runtime_names__get(names, &identity, i));
	}
	runtime_names__free(names);
	stop(&server);

	/* answers for slots that have changed hands are nobody's */
	start(&server, ANSWER);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 2), 0);
	for (i = 0; i < 2000; i++) {
		identify(i % 3 ? "/docker/" B : "/docker/" A, &identity);
		if (i % 7 == 0)
			memcpy(identity.host_id, "0000", 4);
		runtime_names__get(names, &identity, i * SEC);
	}
	identify("/docker/" B, &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	runtime_names__free(names);
	stop(&server);
}

static void test_nobody(void **state)
{
	struct cgroup_identity identity;
	struct runtime_names *names = NULL;
	struct workload w;

	(void)state;
	NEED_JSON();
	identify("/docker/" A, &identity);
	assert_null(runtime_names__get(NULL, &identity, 0));
	cgroup_path__workload(&identity, &w);
	runtime_names__fill(NULL, &identity, 0, &w);
	assert_null(w.container_name);
	assert_int_equal(runtime_names__fd(NULL), -1);
	runtime_names__collect(NULL, 0);
	assert_int_equal(runtime_names__new(&names, &places, &quick, 4), 0);
	identify("/system.slice/a.service", &identity);
	assert_null(runtime_names__get(names, &identity, 0));
	runtime_names__free(names);
}

/* As it is built without libraries: like --no-names. */
static void test_built_without(void **state)
{
	struct runtime_names *names = NULL;
	struct runtime_names_of found;

	(void)state;
	assert_int_equal(runtime_names__new(&names, NULL, NULL, 0), -EOPNOTSUPP);
	assert_null(names);
	assert_int_equal(runtime_json__inspect("{}", 2, A, &found), -EOPNOTSUPP);
	assert_int_equal(runtime_json__bundle("{}", 2, A, &found), -EOPNOTSUPP);
	assert_int_equal(runtime_json__storage("[]", 2, A, &found), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_names),
		WITH_FOLDER(test_nested),
		WITH_FOLDER(test_retries),
		WITH_FOLDER(test_free_amid),
		WITH_FOLDER(test_flood),
		WITH_FOLDER(test_nobody),
	};
	const struct CMUnitTest without[] = { cmocka_unit_test(test_built_without) };

	if (BUILT_WITH == 0)
		return cmocka_run_group_tests(without, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
