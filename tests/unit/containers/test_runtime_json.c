// SPDX-License-Identifier: GPL-2.0
/* What is read of the JSON of runtimes: their answers, and what they keep on disk. Without -DHAVE_JANSSON all is
 * skipped. */
#include "tests/unit/containers/runtime_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "containers/runtime_json.h"

static int inspect(const char *json, struct runtime_names_of *names)
{
	return runtime_json__inspect(json, strlen(json), A, names);
}

static void test_inspect(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "null", "7", "\"" A "\"", "{}", "{\"Id\":7}", "{\"Id\":null}",
		"{\"Id\":\"" A "\"", "{\"Id\":\"" A "\"}x",
		"{\"Id\":\"" A "\",\"Name\":\"\xff\"}", "{\"Id\":\"" A "\",\"Name\":\"a\\u0000b\"}",
		"{\"Id\":\"" A "\",\"Name\":\"/a\",\"Name\":\"/b\"}",
	};
	static const char *const none[] = {
		"{\"Id\":\"" B "\",\"Name\":\"/web\"}", "{\"Id\":\"6e9708ee9788\",\"Name\":\"/web\"}",
		"{\"Id\":\"" A "\"}", "{\"Id\":\"" A "\",\"Name\":7,\"Config\":[]}",
		"{\"Id\":\"" A "\",\"Name\":\"\",\"Config\":{\"Labels\":null}}",
	};
	struct runtime_names_of names, before;
	size_t i;

	(void)state;
	NEED_JSON();
	memset(&before, 0x55, sizeof(before));
	for (i = 0; i < COUNT(bad); i++) {
		names = before;
		assert_int_equal(inspect(bad[i], &names), -EBADMSG);
		assert_memory_equal(&names, &before, sizeof(names));
	}
	for (i = 0; i < COUNT(none); i++) {
		names = before;
		assert_int_equal(inspect(none[i], &names), -ENOENT);
		assert_memory_equal(&names, &before, sizeof(names));
	}
	assert_int_equal(inspect(INSPECT(A, "web1"), &names), 0);
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "web-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);
	assert_string_equal(names.pod_container, "app");
	/* Docker's file */
	assert_int_equal(inspect("{\"ID\":\"" A "\",\"Name\":\"/web1\"}", &names), 0);
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.image, "");
	/* hostile names stay what they are: the sinks escape */
	assert_int_equal(inspect("{\"Id\":\"" A "\",\"Name\":\"/a\\u001b[31m\\n\\\"\"}", &names), 0);
	assert_string_equal(names.name, "a\x1b[31m\n\"");
}

/* What is too long is left out, not cut. */
static void test_long_names(void **state)
{
	char json[1024], name[RUNTIME_NAME_SIZE + 1];
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	memset(name, 'n', sizeof(name));
	name[RUNTIME_NAME_SIZE - 1] = '\0';
	snprintf(json, sizeof(json), "{\"Id\":\"" A "\",\"Name\":\"%s\"}", name);
	assert_int_equal(inspect(json, &names), 0);
	assert_string_equal(names.name, name);
	name[RUNTIME_NAME_SIZE - 1] = 'n';
	name[RUNTIME_NAME_SIZE] = '\0';
	snprintf(json, sizeof(json), "{\"Id\":\"" A "\",\"Name\":\"%s\"}", name);
	assert_int_equal(inspect(json, &names), -ENOENT);
}

static void test_deep_json(void **state)
{
	struct runtime_names_of names;
	char *json;

	(void)state;
	NEED_JSON();
	json = malloc(200000);
	assert_non_null(json);
	memset(json, '[', 200000);
	assert_int_equal(runtime_json__inspect(json, 200000, A, &names), -EBADMSG);
	free(json);
}

static int bundle(const char *json, struct runtime_names_of *names)
{
	return runtime_json__bundle(json, strlen(json), A, names);
}

static void test_bundle(void **state)
{
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	assert_int_equal(bundle("{\"ociVersion\":\"1.0.2\",\"annotations\":{"
				"\"io.kubernetes.cri.container-name\":\"app\","
				"\"io.kubernetes.cri.container-type\":\"container\","
				"\"io.kubernetes.cri.image-name\":\"example/web:1\","
				"\"io.kubernetes.cri.sandbox-name\":\"web-0\","
				"\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
				"\"io.kubernetes.cri.sandbox-uid\":\"" POD "\"}}",
				&names),
			 0);
	assert_string_equal(names.name, "app");
	assert_string_equal(names.pod_container, "app");
	assert_string_equal(names.pod_name, "web-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);
	assert_string_equal(names.image, "example/web:1");

	assert_int_equal(bundle("{\"annotations\":{"
				"\"io.kubernetes.cri-o.ContainerID\":\"" A "\","
				"\"io.kubernetes.cri-o.ImageName\":\"example/db:2\","
				"\"io.kubernetes.container.name\":\"db\","
				"\"io.kubernetes.pod.name\":\"db-0\","
				"\"io.kubernetes.pod.namespace\":\"shop\"}}",
				&names),
			 0);
	assert_string_equal(names.name, "db");
	assert_string_equal(names.pod_name, "db-0");
	assert_string_equal(names.image, "example/db:2");
	assert_string_equal(names.pod_uid, "");

	/* the pod's pause container, as CRI-O writes it */
	assert_int_equal(bundle("{\"annotations\":{"
				"\"io.kubernetes.cri-o.ContainerID\":\"" A "\","
				"\"io.kubernetes.cri-o.ContainerName\":"
				"\"k8s_POD_db-0_shop_" POD "_0\","
				"\"io.kubernetes.cri-o.ContainerType\":\"sandbox\","
				"\"io.kubernetes.cri-o.KubeName\":\"db-0\","
				"\"io.kubernetes.cri-o.Labels\":"
				"\"{\\\"io.kubernetes.container.name\\\":\\\"POD\\\"}\","
				"\"io.kubernetes.cri-o.Namespace\":\"shop\","
				"\"io.kubernetes.cri-o.SandboxID\":\"" A "\","
				"\"io.kubernetes.container.name\":\"POD\","
				"\"io.kubernetes.pod.name\":\"db-0\","
				"\"io.kubernetes.pod.namespace\":\"shop\","
				"\"io.kubernetes.pod.uid\":\"" POD "\"}}",
				&names),
			 0);
	assert_string_equal(names.name, "");
	assert_string_equal(names.pod_container, "");
	assert_string_equal(names.pod_name, "db-0");
	assert_string_equal(names.pod_namespace, "shop");
	assert_string_equal(names.pod_uid, POD);

	assert_int_equal(bundle("{\"annotations\":{\"nerdctl/name\":\"web\"}}", &names), 0);
	assert_string_equal(names.name, "web");

	assert_int_equal(bundle("{\"annotations\":{\"io.kubernetes.cri-o.ContainerID\":\"" B
				"\",\"io.kubernetes.container.name\":\"db\"}}",
				&names),
			 -ENOENT);
	assert_int_equal(bundle("{\"annotations\":{}}", &names), -ENOENT);
	assert_int_equal(bundle("{\"hostname\":\"x\"}", &names), -ENOENT);
	assert_int_equal(bundle("[]", &names), -EBADMSG);
	assert_string_equal(names.name, "web");
}

static int storage(const char *json, struct runtime_names_of *names)
{
	return runtime_json__storage(json, strlen(json), A, names);
}

static void test_storage(void **state)
{
	struct runtime_names_of names;

	(void)state;
	NEED_JSON();
	assert_int_equal(storage("[7,{},{\"id\":\"" B "\",\"names\":[\"other\"]},{\"id\":\"" A
				 "\",\"names\":[\"web1\",\"alias\"],\"metadata\":\"{\\\"image-name\\\":"
				 "\\\"example/web:1\\\",\\\"name\\\":\\\"web1\\\"}\"}]",
				 &names),
			 0);
	assert_string_equal(names.name, "web1");
	assert_string_equal(names.image, "example/web:1");
	assert_string_equal(names.pod_name, "");
	assert_int_equal(storage("[{\"id\":\"" A "\",\"names\":[\"w\"],\"metadata\":\"{\"}]", &names),
			 0);
	assert_string_equal(names.name, "w");
	assert_int_equal(storage("[{\"id\":\"" A "\",\"names\":[]}]", &names), -ENOENT);
	assert_int_equal(storage("[{\"id\":\"" A "\",\"names\":7,\"metadata\":7}]", &names), -ENOENT);
	assert_int_equal(storage("[]", &names), -ENOENT);
	assert_int_equal(storage("{}", &names), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_deep_json),
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_storage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
