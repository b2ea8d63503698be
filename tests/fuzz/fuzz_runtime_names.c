// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/runtime_json.c, -DHAVE_JANSSON -ljansson. Any bytes as a runtime's
 * answer, or as a file of its state; the first byte says which. */
#include <errno.h>
#include <stdbool.h>

#include "containers/runtime_json.h"
#include "fuzz.h"

#define ID "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"

typedef int (*parse_fn)(const char *json, size_t len, const char *id,
			struct runtime_names_of *names);

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const parse_fn parsers[] = {
		runtime_json__inspect,
		runtime_json__bundle,
		runtime_json__storage,
	};
	struct runtime_names_of names, before;
	char *json;
	int err;

	if (size == 0)
		return 0;
	json = fuzz__copy(data + 1, size - 1);
	memset(&before, 0x55, sizeof(before));
	names = before;
	err = parsers[data[0] % 3](json, size - 1, ID, &names);
	CHECK(err == 0 || err == -EBADMSG || err == -ENOENT);
	if (err) {
		CHECK(memcmp(&names, &before, sizeof(before)) == 0);
	} else {
		CHECK(ends(names.name, sizeof(names.name)));
		CHECK(ends(names.image, sizeof(names.image)));
		CHECK(ends(names.pod_name, sizeof(names.pod_name)));
		CHECK(ends(names.pod_namespace, sizeof(names.pod_namespace)));
		CHECK(ends(names.pod_container, sizeof(names.pod_container)));
		CHECK(ends(names.pod_uid, sizeof(names.pod_uid)));
		CHECK(names.name[0] || names.image[0] || names.pod_name[0] ||
		      names.pod_namespace[0] || names.pod_container[0] || names.pod_uid[0]);
	}
	free(json);
	return 0;
}
