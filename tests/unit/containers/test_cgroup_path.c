// SPDX-License-Identifier: GPL-2.0
/* Needs: user/containers/cgroup_path.c */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "containers/cgroup_path.h"

/* IDs of containers, a pod's UID as it stands, and as systemd's driver writes it. */
#define A "6e9708ee97881c2a5f4b0d33a1e7c9f25b8d0e4471c6fa92d3b5e8f07a194c6b"
#define B "b05c1f6a2d9e83704f5ac6b1e28d97034c1fb6a5d8e90273c4f16ab5e8d90f37"
#define POD "2c48913c-b29f-11e7-9350-020968147796"
#define POD_ "2c48913c_b29f_11e7_9350_020968147796"
#define HASH "7e5d3c1b9f8a6e4d2c0b8a6f4e2d0c1b"
#define USER "/user.slice/user-1000.slice/user@1000.service"
#define HEX62 "11223344556677889900aabbccddeeff11223344556677889900aabbccddee"

/* Each test's answer; NULL and 0: nothing. */
struct expected {
	const char *path;
	const char *id;
	const char *runtime;
	const char *name;
	const char *pod_uid;
	const char *unit;
	unsigned int depth; /* 0 with an ID or a name stands for 1 */
	const char *host_id; /* NULL with an ID at depth 1: the same */
	long owner;	    /* 0: none */
};

static void same(const char *path, const char *got, const char *want)
{
	if (strcmp(got, want ? want : "") != 0)
		fail_msg("%s: got '%s', not '%s'", path, got, want ? want : "");
}

static void check(const struct expected *e)
{
	struct cgroup_identity identity;
	unsigned int depth = e->depth ? e->depth : (e->id || e->name);
	const char *host_id = e->host_id ? e->host_id : depth == 1 ? e->id : NULL;

	memset(&identity, 0x55, sizeof(identity));
	assert_int_equal(cgroup_path__identify(e->path, &identity), 0);
	same(e->path, identity.container_id, e->id);
	same(e->path, identity.runtime ? identity.runtime : "", e->runtime);
	same(e->path, identity.container_name, e->name);
	same(e->path, identity.pod_uid, e->pod_uid);
	same(e->path, identity.unit, e->unit);
	same(e->path, identity.host_id, host_id);
	if (identity.depth != depth)
		fail_msg("%s: depth %u, not %u", e->path, identity.depth, depth);
	assert_int_equal(identity.user_owned, e->owner != 0);
	assert_int_equal(identity.owner_uid, (uint32_t)e->owner);
}

static void check_all(const struct expected *table, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		check(&table[i]);
}

#define CHECK_ALL(table) check_all(table, COUNT(table))

/* ---- containers ---- */

static void test_docker(void **state)
{
	static const struct expected table[] = {
		{ .path = "/docker/" A, .id = A, .runtime = "docker" },
		{ .path = "/system.slice/docker-" A ".scope", .id = A, .runtime = "docker" },
		{ .path = "/actions_job/" A, .id = A },
		{ .path = "/" A, .id = A },
		{ .path = "/my/own/parent/" A, .id = A },
		{ .path = "/custom.slice/docker-" A ".scope", .id = A, .runtime = "docker" },
		{ .path = "/system.slice/docker.service/docker/" A, .id = A, .runtime = "docker" },
		/* systemd inside */
		{ .path = "/docker/" A "/init.scope", .id = A, .runtime = "docker" },
		{ .path = "/docker/" A "/system.slice/nginx.service", .id = A, .runtime = "docker" },
		{ .path = "/system.slice/docker-" A ".scope/user.slice/user-0.slice/user@0.service",
		  .id = A, .runtime = "docker" },
		{ .path = "/system.slice:docker:" A, .id = A, .runtime = "docker" },
		/* the daemon, and BuildKit's steps, which have no such ID */
		{ .path = "/system.slice/docker.service", .unit = "docker.service" },
		{ .path = "/docker/buildkit/xk3y8gkzpdhhj5hz3vuu1qf7l" },
		{ .path = "/docker" },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_containerd(void **state)
{
	static const struct expected table[] = {
		{ .path = "/system.slice/containerd.service/kubepods-burstable-pod" POD_
			  ".slice:cri-containerd:" A,
		  .id = A, .runtime = "containerd", .pod_uid = POD },
		{ .path = "/kubepods-besteffort-pod" POD_ ".slice:cri-containerd:" A,
		  .id = A, .runtime = "containerd", .pod_uid = POD },
		{ .path = "/system.slice:cri-containerd:" A, .id = A, .runtime = "containerd" },
		{ .path = "/default/" A, .id = A, .runtime = "containerd" },
		{ .path = "/k8s.io/" A, .id = A, .runtime = "containerd" },
		{ .path = "/system.slice/cri-containerd-" A ".scope", .id = A,
		  .runtime = "containerd" },
		{ .path = "/system.slice/nerdctl-" A ".scope", .id = A, .runtime = "containerd" },
		/* ctr lets one choose any name: not told from other directories */
		{ .path = "/default/web1" },
		{ .path = "/system.slice/containerd.service", .unit = "containerd.service" },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_crio(void **state)
{
	static const struct expected table[] = {
		{ .path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
			  ".slice/crio-" A ".scope",
		  .id = A, .runtime = "cri-o", .pod_uid = POD },
		{ .path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
			  ".slice/crio-" A ".scope/container",
		  .id = A, .runtime = "cri-o", .pod_uid = POD },
		{ .path = "/kubepods/burstable/pod" POD "/crio-" A, .id = A, .runtime = "cri-o",
		  .pod_uid = POD },
		{ .path = "/system.slice/crio-" A ".scope", .id = A, .runtime = "cri-o" },
		/* the monitor is of the pod, but not the container */
		{ .path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
			  ".slice/crio-conmon-" A ".scope",
		  .pod_uid = POD, .unit = "crio-conmon-" A ".scope" },
		{ .path = "/kubepods/burstable/pod" POD "/crio-conmon-" A, .pod_uid = POD },
		{ .path = "/system.slice/crio-conmon-" A ".scope",
		  .unit = "crio-conmon-" A ".scope" },
		{ .path = "/system.slice/crio.service", .unit = "crio.service" },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_podman(void **state)
{
	static const struct expected table[] = {
		{ .path = "/machine.slice/libpod-" A ".scope", .id = A, .runtime = "podman" },
		{ .path = "/machine.slice/libpod-" A ".scope/container", .id = A,
		  .runtime = "podman" },
		{ .path = "/machine.slice/libpod-" A ".scope/system.slice/nginx.service", .id = A,
		  .runtime = "podman" },
		{ .path = "/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope",
		  .id = A, .runtime = "podman" },
		{ .path = "/libpod_parent/libpod-" A, .id = A, .runtime = "podman" },
		{ .path = "/libpod_parent/" B "/libpod-" A, .id = A, .runtime = "podman" },
		{ .path = "/libpod_parent/" B },
		{ .path = "/libpod_parent/conmon" },
		/* rootless */
		{ .path = USER "/user.slice/libpod-" A ".scope", .id = A, .runtime = "podman",
		  .owner = 1000 },
		{ .path = USER "/user.slice/libpod-" A ".scope/container", .id = A,
		  .runtime = "podman", .owner = 1000 },
		{ .path = USER "/user.slice/user-libpod_pod_" B ".slice/libpod-" A ".scope",
		  .id = A, .runtime = "podman", .owner = 1000 },
		/* --cgroups=split and quadlet */
		{ .path = "/system.slice/web.service/libpod-payload-" A, .id = A,
		  .runtime = "podman" },
		{ .path = "/system.slice/web.service/libpod-payload-" A "/container", .id = A,
		  .runtime = "podman" },
		{ .path = USER "/app.slice/web.service/libpod-payload-" A, .id = A,
		  .runtime = "podman", .owner = 1000 },
		{ .path = "/system.slice/web.service/supervisor", .unit = "web.service" },
		/* conmon */
		{ .path = "/machine.slice/libpod-conmon-" A ".scope",
		  .unit = "libpod-conmon-" A ".scope" },
		{ .path = USER "/user.slice/libpod-conmon-" A ".scope",
		  .unit = "user@1000.service/libpod-conmon-" A ".scope" },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_kubernetes(void **state)
{
	static const struct expected table[] = {
		{ .path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
			  ".slice/cri-containerd-" A ".scope",
		  .id = A, .runtime = "containerd", .pod_uid = POD },
		{ .path = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_
			  ".slice/docker-" A ".scope",
		  .id = A, .runtime = "docker", .pod_uid = POD },
		{ .path = "/kubepods.slice/kubepods-pod" POD_ ".slice/cri-containerd-" A ".scope",
		  .id = A, .runtime = "containerd", .pod_uid = POD },
		{ .path = "/kubepods/burstable/pod" POD "/" A, .id = A, .pod_uid = POD },
		{ .path = "/kubepods/besteffort/pod" POD "/" A, .id = A, .pod_uid = POD },
		{ .path = "/kubepods/pod" POD "/" A, .id = A, .pod_uid = POD },
		{ .path = "/kubelet/kubepods/pod" POD "/" A, .id = A, .pod_uid = POD },
		/* static pods: the UID is a hash */
		{ .path = "/kubepods/burstable/pod" HASH "/" A, .id = A, .pod_uid = HASH },
		{ .path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" HASH
			  ".slice/cri-containerd-" A ".scope",
		  .id = A, .runtime = "containerd", .pod_uid = HASH },
		/* kubelet --cgroup-root=/kubelet */
		{ .path = "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
			  "kubelet-kubepods-burstable-pod" POD_ ".slice/cri-containerd-" A ".scope",
		  .id = A, .runtime = "containerd", .pod_uid = POD },
		/* the pod's own cgroup */
		{ .path = "/kubepods/burstable/pod" POD, .pod_uid = POD },
		{ .path = "/kubepods.slice/kubepods-pod" POD_ ".slice", .pod_uid = POD },
		{ .path = "/kubepods/burstable" },
		/* not quite */
		{ .path = "/burstable/pod" POD },
		{ .path = "/kubepods/pod" POD_ },
		{ .path = "/kubepods.slice/kubepods-pod" POD ".slice" },
		{ .path = "/kubepods.slice/xkubepods-pod" POD_ ".slice" },
		{ .path = "/kubepods.slice/kubepods-pod" POD_ ".slice2" },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_lxc(void **state)
{
	static const struct expected table[] = {
		{ .path = "/lxc/web", .name = "web", .runtime = "lxc" },
		{ .path = "/lxc/101/ns/system.slice/ssh.service", .name = "101", .runtime = "lxc" },
		{ .path = "/lxc.payload.web", .name = "web", .runtime = "lxc" },
		{ .path = "/lxc.payload.project_web.example/init.scope",
		  .name = "project_web.example", .runtime = "lxc" },
		{ .path = "/lxc.payload/web", .name = "web", .runtime = "lxc" },
		{ .path = USER "/lxc.payload.mine", .name = "mine", .runtime = "lxc", .owner = 1000 },
		{ .path = "/lxc.monitor.web" },
		{ .path = "/lxc.monitor/web" },
		{ .path = "/lxc.pivot" },
		{ .path = "/lxc" },
		{ .path = "/lxc.payload" },
		{ .path = "/lxc.payload." },
		{ .path = "/lxc.payload.-web" },
		{ .path = "/lxc.payload.we b" },
		{ .path = "/lxc.payload.w\x1b[31m" },
		{ .path = "/other/lxc/web" },
		/* a name that no bound may cut */
		{ .path = "/lxc.payload." HEX62 "ab", .name = NULL },
		{ .path = "/lxc.payload." HEX62 "yz", .name = HEX62 "yz", .runtime = "lxc" },
		{ .path = "/lxc.payload." HEX62 "xyz" },
		/* Docker with that parent, not LXC */
		{ .path = "/lxc/" A, .id = A },
	};

	(void)state;
	CHECK_ALL(table);
}

/* LXC's own "-1" cannot be told from the name's. */
static void test_lxc_sibling(void **state)
{
	static const struct {
		const char *path;
		size_t len;
	} table[] = {
		{ "/lxc.payload.web-1", sizeof("/lxc.payload.web") - 1 },
		{ "/lxc.payload.web-999/init.scope", sizeof("/lxc.payload.web") - 1 },
		{ "/lxc.payload.web-1-2", sizeof("/lxc.payload.web-1") - 1 },
		{ "/lxc/web-7", sizeof("/lxc/web") - 1 },
		{ "/lxc.payload.web", 0 },
		{ "/lxc.payload.web1", 0 },
		{ "/lxc.payload.web-", 0 },
		{ "/lxc.payload.web-0", 0 },
		{ "/lxc.payload.web-01", 0 },
		{ "/lxc.payload.web-1000", 0 },
		{ "/lxc.payload.1", 0 },
		{ "/docker/" A, 0 },
		{ "/lxc.payload.web-1/docker/" A, 0 },
	};
	struct cgroup_identity identity;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(table); i++) {
		assert_int_equal(cgroup_path__identify(table[i].path, &identity), 0);
		assert_int_equal(identity.lxc_sibling_len, table[i].len);
	}
}

static void test_nspawn(void **state)
{
	static const struct expected table[] = {
		{ .path = "/machine.slice/machine-web.scope/payload", .name = "web",
		  .runtime = "systemd-nspawn" },
		{ .path = "/machine.slice/machine-web\\x2d1.scope/payload/system.slice/a.service",
		  .name = "web-1", .runtime = "systemd-nspawn" },
		{ .path = "/machine.slice/machine-web.scope", .name = "web" },
		{ .path = "/machine.slice/machine-web.scope/supervisor",
		  .unit = "machine-web.scope" },
		{ .path = "/machine.slice/systemd-nspawn@web-1.service/payload", .name = "web-1",
		  .runtime = "systemd-nspawn" },
		{ .path = "/machine.slice/systemd-nspawn@web.service", .name = "web",
		  .runtime = "systemd-nspawn" },
		{ .path = "/machine.slice/systemd-nspawn@web.service/supervisor",
		  .unit = "systemd-nspawn@web.service" },
		/* nspawn in a service of another name: that one is known */
		{ .path = "/machine.slice/build.service/payload", .unit = "build.service" },
		/* libvirt's */
		{ .path = "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
		  .unit = "machine-qemu\\x2d1\\x2dvm.scope" },
		{ .path = "/machine.slice/machine-lxc\\x2d77\\x2dbox.scope",
		  .unit = "machine-lxc\\x2d77\\x2dbox.scope" },
		/* escapes that are none, or hide what no machine is called */
		{ .path = "/machine.slice/machine-a\\x2.scope", .unit = "machine-a\\x2.scope" },
		{ .path = "/machine.slice/machine-a\\y2d.scope", .unit = "machine-a\\y2d.scope" },
		{ .path = "/machine.slice/machine-a\\x00.scope", .unit = "machine-a\\x00.scope" },
		{ .path = "/machine.slice/machine-a\\x0a.scope", .unit = "machine-a\\x0a.scope" },
		{ .path = "/machine.slice/machine-a\\x2fb.scope", .unit = "machine-a\\x2fb.scope" },
		{ .path = "/system.slice/machine-web.scope", .unit = "machine-web.scope" },
		{ .path = "/machine.slice/machine-.scope", .unit = "machine-.scope" },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_ecs(void **state)
{
	static const struct expected table[] = {
		{ .path = "/ecs/9f2a61b3-88aa-4f0e-8d55-0b7f3a2f9c10/" A, .id = A,
		  .runtime = "docker" },
		{ .path = "/ecs/" HASH "/" A, .id = A, .runtime = "docker" },
		{ .path = "/ecs/" HASH "/" HASH "-2531612879", .id = HASH "-2531612879" },
		{ .path = "/ecstasks.slice/ecstasks-" HASH ".slice/docker-" A ".scope", .id = A,
		  .runtime = "docker" },
		{ .path = "/ecs/" HASH },
		{ .path = "/ecs/" HASH "/" HASH },
		{ .path = "/ecs/" HASH "/" HASH "-" },
		{ .path = "/ecs/" HASH "/" HASH "-12a" },
		{ .path = "/ecs/" HASH "/00000000000000000000000000000000-12" },
		{ .path = "/ecs/" HASH "/" HASH "-11111111111111111111111111111111" },
		{ .path = "/other/" HASH "/" HASH "-2531612879" },
	};

	(void)state;
	CHECK_ALL(table);
}

/* The innermost is named, and the outermost is what the host knows. */
static void test_nested(void **state)
{
	static const struct expected table[] = {
		{ .path = "/docker/" A "/docker/" B, .id = B, .runtime = "docker", .depth = 2,
		  .host_id = A },
		{ .path = "/system.slice/docker-" A ".scope/system.slice/docker-" B ".scope",
		  .id = B, .runtime = "docker", .depth = 2, .host_id = A },
		/* kind */
		{ .path = "/docker/" A "/kubelet/kubepods/burstable/pod" POD "/" B, .id = B,
		  .pod_uid = POD, .depth = 2, .host_id = A },
		{ .path = "/system.slice/docker-" A ".scope/kubelet.slice/"
			  "kubelet-kubepods.slice/kubelet-kubepods-pod" POD_
			  ".slice/cri-containerd-" B ".scope",
		  .id = B, .runtime = "containerd", .pod_uid = POD, .depth = 2, .host_id = A },
		/* Docker in a pod: still that pod */
		{ .path = "/kubepods/burstable/pod" POD "/" A "/docker/" B, .id = B,
		  .runtime = "docker", .pod_uid = POD, .depth = 2, .host_id = A },
		{ .path = "/lxc.payload.box/system.slice/docker-" A ".scope", .id = A,
		  .runtime = "docker", .depth = 2 },
		{ .path = "/lxc.payload.box/lxc.payload.inner", .name = "inner", .runtime = "lxc",
		  .depth = 2 },
		{ .path = "/lxc.payload.box/lxc/inner", .name = "inner", .runtime = "lxc",
		  .depth = 2 },
		{ .path = "/docker/" A "/lxc.payload.inner", .name = "inner", .runtime = "lxc",
		  .depth = 2, .host_id = A },
		/* once more the same is no other level */
		{ .path = "/docker/" A "/docker/" A, .id = A, .runtime = "docker" },
		/* inside, a bare ID could be anybody's invention */
		{ .path = "/docker/" A "/" B, .id = A, .runtime = "docker" },
		{ .path = "/docker/" A "/default/" B, .id = A, .runtime = "docker" },
		{ .path = "/docker/" A "/ecs/" HASH "/" B, .id = A, .runtime = "docker" },
		{ .path = USER "/app.slice/" B, .unit = "user@1000.service" },
		{ .path = USER "/docker/" B, .id = B, .runtime = "docker", .owner = 1000 },
		/* a user's manager in a container does not own the container */
		{ .path = "/lxc.payload.box" USER "/user.slice/libpod-" A ".scope", .id = A,
		  .runtime = "podman", .depth = 2 },
		{ .path = USER "/user.slice/libpod-" A ".scope/libpod-" B, .id = B,
		  .runtime = "podman", .depth = 2, .host_id = A, .owner = 1000 },
	};

	(void)state;
	CHECK_ALL(table);
}

/* ---- units ---- */

static void test_units(void **state)
{
	static const struct expected table[] = {
		{ .path = "/" },
		{ .path = "/init.scope", .unit = "init.scope" },
		{ .path = "/system.slice/nginx.service", .unit = "nginx.service" },
		{ .path = "/system.slice/nginx.service/workers", .unit = "nginx.service" },
		{ .path = "/system.slice/system-getty.slice/getty@tty1.service",
		  .unit = "getty@tty1.service" },
		{ .path = "/system.slice/system-openvpn\\x2dclient.slice/openvpn-client@a\\x2db.service",
		  .unit = "openvpn-client@a\\x2db.service" },
		{ .path = "/system.slice/dbus.socket", .unit = "dbus.socket" },
		{ .path = "/system.slice/srv-data.mount", .unit = "srv-data.mount" },
		{ .path = "/user.slice/user-1000.slice/session-3.scope", .unit = "session-3.scope" },
		{ .path = USER, .unit = "user@1000.service" },
		{ .path = USER "/init.scope", .unit = "user@1000.service" },
		{ .path = USER "/app.slice/app-gnome-firefox\\x2desr-4242.scope",
		  .unit = "user@1000.service/app-gnome-firefox\\x2desr-4242.scope" },
		{ .path = USER "/app.slice/app-dbus\\x2d:1.2\\x2dorg.slice/dbus.service",
		  .unit = "user@1000.service/dbus.service" },
		/* a user's nginx is not the system's */
		{ .path = USER "/app.slice/nginx.service",
		  .unit = "user@1000.service/nginx.service" },
		{ .path = "/system.slice/k3s.service", .unit = "k3s.service" },
		{ .path = "/foo.service", .unit = "foo.service" },
		/* systemd's cg_escape() */
		{ .path = "/system.slice/_cpu.service", .unit = "cpu.service" },
		{ .path = "/_memory.slice/__odd.service", .unit = "_odd.service" },
		/* no units */
		{ .path = "/system.slice" },
		{ .path = "/foo/nginx.service" },
		{ .path = "/system.slice/foo/nginx.service" },
		{ .path = "/system.slice/.service" },
		{ .path = "/system.slice/ngi nx.service" },
		{ .path = "/system.slice/ngi\x1bnx.service" },
		{ .path = "/system.slice/\xff\xfe.service" },
		{ .path = "/cgroup.test" },
	};

	(void)state;
	CHECK_ALL(table);
}

/* ---- hostile paths ---- */

static void test_false_ids(void **state)
{
	static const struct expected table[] = {
		/* 63 and 65 digits, capitals, something else than hex */
		{ .path = "/docker/" HEX62 "a" },
		{ .path = "/docker/" HEX62 "abc" },
		{ .path = "/docker/" HEX62 "aB" },
		{ .path = "/docker/" HEX62 "ag" },
		{ .path = "/docker/" HEX62 "a " },
		{ .path = "/docker/" HEX62 "a\r" },
		{ .path = "/docker/" HEX62 "\xff\x80" },
		{ .path = "/system.slice/docker-" HEX62 "a.scope",
		  .unit = "docker-" HEX62 "a.scope" },
		{ .path = "/system.slice/docker-" A ".scope.scope",
		  .unit = "docker-" A ".scope.scope" },
		{ .path = "/system.slice/xdocker-" A ".scope", .unit = "xdocker-" A ".scope" },
		{ .path = "/system.slice/docker-" A ".service", .unit = "docker-" A ".service" },
		{ .path = "/system.slice/docker-" A ".scope ", .unit = NULL },
		{ .path = "/system.slice/docker-docker-" A ".scope",
		  .unit = "docker-docker-" A ".scope" },
		{ .path = "/system.slice/cri-containerd-" A "-" A ".scope",
		  .unit = "cri-containerd-" A "-" A ".scope" },
		{ .path = "/system.slice/docker-" A },
		{ .path = "/:docker:" A },
		{ .path = "/docker:" A },
		{ .path = "/a:b:docker:" A },
		{ .path = "/a:evil:" A },
		{ .path = "/a:crio-conmon:" A },
		{ .path = "/a:docker:" HEX62 },
		{ .path = "/a::" A },
		{ .path = "/::" },
		{ .path = "/kubepods/pod" HEX62 "/x" },
		{ .path = "/kubepods/pod" },
		{ .path = "/kubepods/pod2c48913c-b29f-11e7-9350-02096814779" },
		{ .path = "/kubepods/pod2C48913C-B29F-11E7-9350-020968147796" },
		{ .path = "/kubepods/burstable/podpod" POD },
	};

	(void)state;
	CHECK_ALL(table);
}

static void test_refused(void **state)
{
	static const char *const table[] = {
		"", "docker/" A, "//", "/docker/", "//docker/" A, "/docker//" A, "/..",
		"/../docker/" A, "/docker/../" A, "/./docker/" A, "/docker/" A "/..",
		"/docker/" A "\n", "/system.slice/docker-" A ".scope\n/system.slice/sshd.service",
		"/a\nb/docker/" A,
	};
	struct cgroup_identity identity, before;
	size_t i;

	(void)state;
	memset(&before, 0x55, sizeof(before));
	for (i = 0; i < COUNT(table); i++) {
		identity = before;
		assert_int_equal(cgroup_path__identify(table[i], &identity), -EINVAL);
		assert_memory_equal(&identity, &before, sizeof(before));
	}
	/* three dots are a name like others */
	assert_int_equal(cgroup_path__identify("/.../..a/.b", &identity), 0);
}

static void test_bounds(void **state)
{
	struct cgroup_identity identity;
	char path[CGROUP_PATH_MAX + 2];
	size_t i;

	(void)state;
	/* the longest component, and one byte more */
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[256] = '\0';
	assert_int_equal(cgroup_path__identify(path, &identity), 0);
	path[256] = 'a';
	path[257] = '\0';
	assert_int_equal(cgroup_path__identify(path, &identity), -EINVAL);

	/* the longest path, and one byte more; very many levels */
	for (i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? 'a' : '/';
	path[CGROUP_PATH_MAX] = '\0';
	assert_int_equal(cgroup_path__identify(path, &identity), -EINVAL);
	path[CGROUP_PATH_MAX - 2] = 'a';
	path[CGROUP_PATH_MAX - 1] = '\0';
	assert_int_equal(cgroup_path__identify(path, &identity), 0);
	assert_int_equal(identity.depth, 0);

	/* a unit's longest name below a manager */
	memset(path, 'a', sizeof(path));
	memcpy(path, USER "/", sizeof(USER));
	memcpy(path + sizeof(USER) + 247, ".service", sizeof(".service"));
	assert_int_equal(cgroup_path__identify(path, &identity), 0);
	assert_int_equal(strlen(identity.unit), sizeof("user@1000.service") + 255);
}

static void test_managers(void **state)
{
	static const struct expected table[] = {
		{ .path = "/user.slice/user@0.service/libpod-" A, .id = A, .runtime = "podman",
		  .owner = 0 },
		{ .path = "/user@4294967294.service/libpod-" A, .id = A, .runtime = "podman",
		  .owner = 4294967294 },
		/* whoever that is, no runtime serves them */
		{ .path = "/user@4294967295.service/libpod-" A, .id = A, .runtime = "podman",
		  .owner = UINT32_MAX },
		{ .path = "/user@99999999999999999999.service/libpod-" A, .id = A,
		  .runtime = "podman", .owner = UINT32_MAX },
		{ .path = "/user@joe.service/libpod-" A, .id = A, .runtime = "podman",
		  .owner = UINT32_MAX },
	};
	struct cgroup_identity identity;
	size_t i;

	(void)state;
	assert_int_equal(cgroup_path__identify(table[0].path, &identity), 0);
	assert_true(identity.user_owned);
	assert_int_equal(identity.owner_uid, 0);
	for (i = 1; i < COUNT(table); i++)
		check(&table[i]);
}

static void test_workload(void **state)
{
	struct cgroup_identity identity;
	struct workload w;

	(void)state;
	assert_int_equal(cgroup_path__identify("/kubepods/pod" POD "/crio-" A, &identity), 0);
	cgroup_path__workload(&identity, &w);
	assert_string_equal(w.container_id, A);
	assert_string_equal(w.container_runtime, "cri-o");
	assert_string_equal(w.pod_uid, POD);
	assert_null(w.unit);
	assert_null(w.container_name);
	assert_null(w.container_image);
	assert_null(w.pod_name);
	assert_null(w.pod_namespace);
	assert_null(w.pod_container);

	assert_int_equal(cgroup_path__identify("/system.slice/a.service", &identity), 0);
	cgroup_path__workload(&identity, &w);
	assert_null(w.container_id);
	assert_null(w.container_runtime);
	assert_null(w.pod_uid);
	assert_string_equal(w.unit, "a.service");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker),	   cmocka_unit_test(test_containerd),
		cmocka_unit_test(test_crio),	   cmocka_unit_test(test_podman),
		cmocka_unit_test(test_kubernetes), cmocka_unit_test(test_lxc),
		cmocka_unit_test(test_lxc_sibling), cmocka_unit_test(test_nspawn),
		cmocka_unit_test(test_ecs),	   cmocka_unit_test(test_nested),
		cmocka_unit_test(test_units),	   cmocka_unit_test(test_false_ids),
		cmocka_unit_test(test_refused),	   cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_managers),   cmocka_unit_test(test_workload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
