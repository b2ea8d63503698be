// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/cgroup_path.c. Any path: whatever is told stands in it. */
#include <errno.h>
#include <stdbool.h>

#include "containers/cgroup_path.h"
#include "fuzz.h"

static void check_id(const char *path, const char *id)
{
	size_t hex = strspn(id, "0123456789abcdef");

	if (!id[0])
		return;
	CHECK(strstr(path, id) != NULL);
	if (hex == 64 && id[64] == '\0')
		return;
	/* Fargate's */
	CHECK(hex == 32 && id[32] == '-' && strspn(id + 33, "0123456789") == strlen(id + 33));
	CHECK(strlen(id) > 33);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static void check_unit(const char *path, const char *unit)
{
	const char *below = strchr(unit, '/');

	if (below) {
		CHECK(strncmp(unit, "user@", 5) == 0 && !strchr(below + 1, '/'));
		unit = below + 1;
	}
	CHECK(strstr(path, unit) != NULL);
}

/* What cgroups.c makes of a path must fit: see lxc_sibling_len. */
static void check_sibling(const char *path, const struct cgroup_identity *identity)
{
	size_t len = identity->lxc_sibling_len;

	if (!len)
		return;
	CHECK(len < strlen(path) && path[len] == '-' && identity->container_name[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cgroup_identity identity, before;
	char *path = fuzz__string(data, size);
	struct workload workload;
	int err;

	memset(&before, 0x55, sizeof(before));
	identity = before;
	err = cgroup_path__identify(path, &identity);
	CHECK(err == 0 || err == -EINVAL);
	if (err) {
		CHECK(memcmp(&identity, &before, sizeof(before)) == 0);
		free(path);
		return 0;
	}
	CHECK(path[0] == '/' && !strchr(path, '\n') && !strstr(path, "/../"));
	check_id(path, identity.container_id);
	check_id(path, identity.host_id);
	check_unit(path, identity.unit);
	check_sibling(path, &identity);
	CHECK(is_printable(identity.unit) && is_printable(identity.container_name));
	CHECK(is_printable(identity.pod_uid));
	CHECK((identity.depth == 0) == !(identity.container_id[0] || identity.container_name[0]));
	CHECK(!identity.depth || !identity.unit[0]);
	CHECK(identity.depth || (!identity.runtime && !identity.host_id[0] && !identity.user_owned));
	CHECK(identity.depth != 1 || strcmp(identity.host_id, identity.container_id) == 0);
	CHECK(!identity.pod_uid[0] || strlen(identity.pod_uid) == 32 ||
	      strlen(identity.pod_uid) == 36);
	cgroup_path__workload(&identity, &workload);
	free(path);
	return 0;
}
