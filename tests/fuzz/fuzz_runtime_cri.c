// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/runtime_cri.c, -DHAVE_JANSSON -ljansson. Any bytes as a runtime's answer
 * over CRI; the first byte says to which question, and whether the frame's length
 * is put right, without which little would get past it. */
#include <errno.h>
#include <stdbool.h>

#include "containers/runtime_cri.h"
#include "fuzz.h"

#define ID "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"

/* Whether it ends. */
static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void put_length(char *frame, size_t size)
{
	if (size < 5)
		return;
	frame[0] = 0;
	for (int i = 0; i < 4; i++)
		frame[1 + i] = (char)((size - 5) >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct runtime_names_of names, before;
	char sandbox[CGROUP_ID_SIZE] = "";
	char *answer;
	int err;

	if (size == 0)
		return 0;
	answer = fuzz__copy(data + 1, size - 1);
	if (data[0] & 2)
		put_length(answer, size - 1);
	memset(&before, 0, sizeof(before));
	memcpy(before.name, "before", 7);
	names = before;
	if (data[0] & 4)
		err = runtime_containerd__container(answer, size - 1, ID, &names);
	else if (data[0] & 1)
		err = runtime_cri__sandboxes(answer, size - 1, ID, &names);
	else
		err = runtime_cri__containers(answer, size - 1, ID, &names, sandbox);
	CHECK(err == 0 || err == -EBADMSG || err == -ENOENT);
	if (err) {
		CHECK(memcmp(&names, &before, sizeof(before)) == 0);
		CHECK(!sandbox[0]);
	}
	CHECK(ends(names.name, sizeof(names.name)));
	CHECK(ends(names.image, sizeof(names.image)));
	CHECK(ends(names.pod_name, sizeof(names.pod_name)));
	CHECK(ends(names.pod_namespace, sizeof(names.pod_namespace)));
	CHECK(ends(names.pod_container, sizeof(names.pod_container)));
	CHECK(ends(names.pod_uid, sizeof(names.pod_uid)));
	CHECK(ends(sandbox, sizeof(sandbox)));
	free(answer);
	return 0;
}
