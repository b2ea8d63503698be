// SPDX-License-Identifier: GPL-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem() */
#endif
#include "containers/cgroup_path.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define HEX_ID_LEN 64
#define HASH_LEN 32 /* a static pod's UID, an ECS task */
#define UUID_LEN 36
#define COMPONENT_MAX 255 /* NAME_MAX: kernfs takes no longer ones */
#define UNIT_MAX 255

/* A piece of the path: no NUL behind it. */
struct part {
	const char *s;
	size_t len;
};

#define PART(literal) ((struct part){ (literal), sizeof(literal) - 1 })

/* ---- parts ---- */

static bool part__equal(struct part a, struct part b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

static bool part__is(struct part p, const char *text)
{
	return part__equal(p, (struct part){ text, strlen(text) });
}

/* Takes @prefix off, if it is there and is not all. */
static bool part__skip(struct part *p, const char *prefix)
{
	size_t len = strlen(prefix);

	if (p->len <= len || memcmp(p->s, prefix, len) != 0)
		return false;
	p->s += len;
	p->len -= len;
	return true;
}

static bool part__drop_end(struct part *p, const char *suffix)
{
	size_t len = strlen(suffix);

	if (p->len <= len || memcmp(p->s + p->len - len, suffix, len) != 0)
		return false;
	p->len -= len;
	return true;
}

/* Up to the first @c, which is taken off too; false if there is none. */
static bool part__cut(struct part *rest, char c, struct part *head)
{
	const char *at = memchr(rest->s, c, rest->len);

	if (!at)
		return false;
	*head = (struct part){ rest->s, (size_t)(at - rest->s) };
	rest->len -= head->len + 1;
	rest->s = at + 1;
	return true;
}

/* No <ctype.h>: the locale has no say in it. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool part__is_hex(struct part p, size_t len)
{
	size_t i;

	if (p.len != len)
		return false;
	for (i = 0; i < len; i++)
		if (!is_hex(p.s[i]))
			return false;
	return true;
}

static bool part__is_number(struct part p)
{
	size_t i;

	for (i = 0; i < p.len; i++)
		if (!is_digit(p.s[i]))
			return false;
	return p.len > 0;
}

static void part__copy(char *to, size_t size, struct part p)
{
	if (p.len >= size)
		p.len = 0; /* a cut name would be another's */
	if (p.len)
		memcpy(to, p.s, p.len);
	to[p.len] = '\0';
}

/* ---- the walk along the path ---- */

enum unit_state {
	UNIT_SYSTEM,  /* slices so far */
	UNIT_MANAGER, /* the same below user@UID.service */
	UNIT_DONE,
};

struct walk {
	struct cgroup_identity *identity;
	const char *path;
	struct part now, prev, prev2, next;
	size_t index;		/* of now, from 0 */
	bool prev_is_pod;	/* prev is podUID of the cgroupfs driver */
	bool prev_is_container;
	bool prev_is_lxc_dir;	/* prev is a "lxc" under which LXC puts its own */
	enum unit_state unit_state;
	struct part unit;
	bool user_owned;
	uint32_t owner_uid;
};

/* What is from here on was written by somebody within their own domain. */
static bool walk__is_delegated(const struct walk *w)
{
	return w->identity->depth > 0 || w->user_owned;
}

static bool walk__container(struct walk *w, struct part id, struct part name, const char *runtime)
{
	struct cgroup_identity *identity = w->identity;

	/* a second level of the same one */
	if (id.len && part__is(id, identity->container_id))
		return true;
	if (identity->depth == 0) {
		part__copy(identity->host_id, sizeof(identity->host_id), id);
		identity->host_runtime = runtime;
		identity->user_owned = w->user_owned;
		identity->owner_uid = w->user_owned ? w->owner_uid : 0;
	}
	if (identity->depth < UINT8_MAX)
		identity->depth++;
	part__copy(identity->container_id, sizeof(identity->container_id), id);
	part__copy(identity->container_name, sizeof(identity->container_name), name);
	identity->runtime = runtime;
	identity->lxc_sibling_len = 0;
	return true;
}

/* ---- containers by prefix ---- */

#define FORM_SCOPE 0x1
#define FORM_PLAIN 0x2
#define FORM_COLON 0x4

static const struct prefix {
	const char *text; /* with its dash */
	const char *runtime;
	unsigned int forms;
} prefixes[] = {
	{ "docker-", "docker", FORM_SCOPE | FORM_COLON },
	{ "cri-containerd-", "containerd", FORM_SCOPE | FORM_COLON },
	{ "nerdctl-", "containerd", FORM_SCOPE | FORM_COLON },
	{ "crio-", "cri-o", FORM_SCOPE | FORM_PLAIN | FORM_COLON },
	{ "libpod-", "podman", FORM_SCOPE | FORM_PLAIN | FORM_COLON },
	{ "libpod-payload-", "podman", FORM_PLAIN },
};

#define NUM_PREFIXES (sizeof(prefixes) / sizeof(prefixes[0]))

static bool walk__prefixed(struct walk *w)
{
	struct part id, whole = w->now;
	unsigned int form = part__drop_end(&whole, ".scope") ? FORM_SCOPE : FORM_PLAIN;
	size_t i;

	for (i = 0; i < NUM_PREFIXES; i++) {
		id = whole;
		if (prefixes[i].forms & form && part__skip(&id, prefixes[i].text) &&
		    part__is_hex(id, HEX_ID_LEN))
			return walk__container(w, id, PART(""), prefixes[i].runtime);
	}
	return false;
}

/* ---- pods ---- */

/* 8-4-4-4-12 hex digits, or a static pod's 32. */
static bool copy_pod_uid(char *uid, struct part p, char dash)
{
	char copy[UUID_LEN + 1];
	size_t i;

	if (part__is_hex(p, HASH_LEN)) {
		part__copy(uid, CGROUP_POD_UID_SIZE, p);
		return true;
	}
	if (p.len != UUID_LEN)
		return false;
	part__copy(copy, sizeof(copy), p);
	for (i = 0; i < UUID_LEN; i++) {
		bool at_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (at_dash ? copy[i] != dash : !is_hex(copy[i]))
			return false;
		if (at_dash)
			copy[i] = '-';
	}
	memcpy(uid, copy, sizeof(copy));
	return true;
}

/*
 * [ROOT-]kubepods[-QOS]-podUID.slice; ROOT is kubelet's --cgroup-root, as kind
 * sets it to "kubelet".
 */
static bool pod_of_slice(char *uid, struct part slice)
{
	static const char word[] = "kubepods-";
	struct part p = slice;
	const char *at;

	if (!part__drop_end(&p, ".slice"))
		return false;
	at = memmem(p.s, p.len, word, sizeof(word) - 1);
	if (!at || (at != p.s && at[-1] != '-'))
		return false;
	p.len -= (size_t)(at - p.s);
	p.s = at;
	part__skip(&p, word);
	if (!part__skip(&p, "burstable-"))
		part__skip(&p, "besteffort-");
	return part__skip(&p, "pod") && copy_pod_uid(uid, p, '_');
}

/* kubepods/[QOS/]podUID */
static bool walk__pod(struct walk *w)
{
	struct part uid = w->now;

	if (pod_of_slice(w->identity->pod_uid, w->now))
		return true;
	if (!part__is(w->prev, "kubepods") &&
	    !(part__is(w->prev2, "kubepods") &&
	      (part__is(w->prev, "burstable") || part__is(w->prev, "besteffort"))))
		return false;
	return part__skip(&uid, "pod") && copy_pod_uid(w->identity->pod_uid, uid, '-');
}

/*
 * What runc makes of a systemd path, SLICE:PREFIX:NAME, when it is not told to
 * use systemd: one directory with colons in its name.
 */
static bool walk__colons(struct walk *w)
{
	struct part slice, prefix, id = w->now, text;
	size_t i;

	if (!part__cut(&id, ':', &slice) || !part__cut(&id, ':', &prefix) || !slice.len ||
	    !part__is_hex(id, HEX_ID_LEN))
		return false;
	for (i = 0; i < NUM_PREFIXES; i++) {
		text = (struct part){ prefixes[i].text, strlen(prefixes[i].text) - 1 };
		if (prefixes[i].forms & FORM_COLON && part__equal(prefix, text)) {
			pod_of_slice(w->identity->pod_uid, slice);
			return walk__container(w, id, PART(""), prefixes[i].runtime);
		}
	}
	return false;
}

/* ---- a bare ID ---- */

static bool walk__fargate(struct walk *w)
{
	struct part number = w->now;

	if (walk__is_delegated(w) || !part__is(w->prev2, "ecs") ||
	    !part__is_hex(w->prev, HASH_LEN) || number.len <= HASH_LEN + 1 ||
	    memcmp(number.s, w->prev.s, HASH_LEN) != 0 || number.s[HASH_LEN] != '-')
		return false;
	number.s += HASH_LEN + 1;
	number.len -= HASH_LEN + 1;
	if (number.len >= CGROUP_ID_SIZE - HASH_LEN - 1 || !part__is_number(number))
		return false;
	return walk__container(w, w->now, PART(""), NULL);
}

static bool walk__bare(struct walk *w)
{
	const char *runtime = NULL;

	if (!part__is_hex(w->now, HEX_ID_LEN))
		return walk__fargate(w);
	if (part__is(w->prev, "docker") || (part__is(w->prev2, "ecs") && !walk__is_delegated(w)))
		runtime = "docker";
	else if (w->prev_is_pod)
		runtime = NULL; /* kubelet's cgroupfs driver: any of them */
	else if (walk__is_delegated(w) || part__is(w->prev, "libpod_parent"))
		return false; /* anybody's; a Podman pod, which is no container */
	else if (w->index == 1 && (part__is(w->prev, "default") || part__is(w->prev, "k8s.io")))
		runtime = "containerd"; /* its namespaces are its cgroups' parents */
	return walk__container(w, w->now, PART(""), runtime);
}

/* ---- LXC and systemd-nspawn ---- */

static bool is_name(struct part p)
{
	size_t i;

	if (p.len == 0 || p.len >= CGROUP_NAME_SIZE || !is_alnum(p.s[0]))
		return false;
	for (i = 1; i < p.len; i++)
		if (!is_alnum(p.s[i]) && !is_one_of(p.s[i], "-_."))
			return false;
	return true;
}

/* Bytes of @name before "-N", N from 1 to 999 as cgfsng makes it; 0: no such end. */
static size_t lxc_stem(struct part name)
{
	size_t end = name.len, digits;

	while (end > 0 && is_digit(name.s[end - 1]))
		end--;
	digits = name.len - end;
	if (digits < 1 || digits > 3 || name.s[end] == '0' || end < 2 || name.s[end - 1] != '-')
		return 0;
	return end - 1;
}

static bool walk__lxc(struct walk *w)
{
	struct part name = w->now;
	size_t stem;

	if (!part__skip(&name, "lxc.payload.") && !part__is(w->prev, "lxc.payload") &&
	    !w->prev_is_lxc_dir)
		return false;
	/* 64 hex digits below /lxc: Docker's with that parent, or LXC's */
	if (!is_name(name) || part__is_hex(name, HEX_ID_LEN))
		return false;
	walk__container(w, PART(""), name, "lxc");
	stem = lxc_stem(name);
	if (stem)
		w->identity->lxc_sibling_len = (uint16_t)(name.s + stem - w->path);
	return true;
}

/* systemd writes what may not stand in a unit's name as \xHH; never a NUL. */
static bool unescape(struct part p, char *to, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	const char *hi, *lo;
	size_t i, n = 0;

	for (i = 0; i < p.len && n + 1 < size; n++) {
		if (p.s[i] != '\\') {
			to[n] = p.s[i++];
			continue;
		}
		if (p.len - i < 4 || p.s[i + 1] != 'x' || !is_hex(p.s[i + 2]) ||
		    !is_hex(p.s[i + 3]))
			return false;
		hi = strchr(hex, p.s[i + 2]);
		lo = strchr(hex, p.s[i + 3]);
		to[n] = (char)((hi - hex) << 4 | (lo - hex));
		if (!to[n])
			return false;
		i += 4;
	}
	to[n] = '\0';
	return i == p.len;
}

/* libvirt's machines, qemu-ID-NAME and lxc-ID-NAME, are not nspawn's. */
static bool is_libvirt(struct part name)
{
	struct part id;

	if (!part__skip(&name, "qemu-") && !part__skip(&name, "lxc-"))
		return false;
	return part__cut(&name, '-', &id) && part__is_number(id);
}

static bool walk__machine(struct walk *w)
{
	struct part name = w->now;
	char text[CGROUP_NAME_SIZE];
	bool payload = part__is(w->next, "payload");

	if (!part__is(w->prev, "machine.slice") || part__is(w->next, "supervisor"))
		return false;
	if (part__drop_end(&name, ".service")) {
		if (!part__skip(&name, "systemd-nspawn@") || !is_name(name))
			return false;
		return walk__container(w, PART(""), name, "systemd-nspawn");
	}
	if (!part__drop_end(&name, ".scope") || !part__skip(&name, "machine-") ||
	    !unescape(name, text, sizeof(text)))
		return false;
	name = (struct part){ text, strlen(text) };
	if (!is_name(name) || is_libvirt(name))
		return false;
	/* on v1 nspawn has no payload; nor has another manager's machine */
	return walk__container(w, PART(""), name, payload ? "systemd-nspawn" : NULL);
}

/* ---- units ---- */

/* systemd puts '_' before what could be taken for a file of the kernel. */
static struct part unit_name(struct part p)
{
	part__skip(&p, "_");
	return p;
}

static bool is_unit_text(struct part p)
{
	size_t i;

	for (i = 0; i < p.len; i++)
		if (!is_alnum(p.s[i]) && !is_one_of(p.s[i], ":-_.\\@"))
			return false;
	return p.len > 0 && p.len <= UNIT_MAX;
}

static bool is_slice(struct part p)
{
	return is_unit_text(p) && part__drop_end(&p, ".slice");
}

/* The kinds that have processes. */
static bool is_unit(struct part p)
{
	return is_unit_text(p) &&
	       (part__drop_end(&p, ".service") || part__drop_end(&p, ".scope") ||
		part__drop_end(&p, ".socket") || part__drop_end(&p, ".mount") ||
		part__drop_end(&p, ".swap"));
}

/* user@UID.service: the manager of a user, who owns all below it. */
static bool walk__is_manager(struct walk *w, struct part unit)
{
	uint64_t uid = 0;
	size_t i;

	if (!part__drop_end(&unit, ".service") || !part__skip(&unit, "user@"))
		return false;
	w->user_owned = true;
	w->owner_uid = UINT32_MAX;
	if (!part__is_number(unit) || unit.len > 10)
		return true;
	for (i = 0; i < unit.len; i++)
		uid = uid * 10 + (uint64_t)(unit.s[i] - '0');
	if (uid < UINT32_MAX)
		w->owner_uid = (uint32_t)uid;
	return true;
}

static void copy_unit(struct cgroup_identity *identity, struct part manager, struct part unit)
{
	if (manager.len + 1 + unit.len >= sizeof(identity->unit))
		return;
	memcpy(identity->unit, manager.s, manager.len);
	identity->unit[manager.len] = '/';
	memcpy(identity->unit + manager.len + 1, unit.s, unit.len);
	identity->unit[manager.len + 1 + unit.len] = '\0';
}

/* A unit stands below nothing but slices (systemd's cg_path_get_unit()). */
static void walk__unit(struct walk *w)
{
	struct part p = unit_name(w->now);

	if (w->unit_state == UNIT_DONE || is_slice(p))
		return;
	if (!is_unit(p)) {
		w->unit_state = UNIT_DONE;
	} else if (w->unit_state == UNIT_MANAGER) {
		/* the manager itself is in its init.scope */
		if (!part__is(p, "init.scope"))
			copy_unit(w->identity, w->unit, p);
		w->unit_state = UNIT_DONE;
	} else {
		w->unit = p;
		part__copy(w->identity->unit, sizeof(w->identity->unit), p);
		w->unit_state = walk__is_manager(w, p) ? UNIT_MANAGER : UNIT_DONE;
	}
}

/* ---- all of it ---- */

static void walk__component(struct walk *w)
{
	bool is_pod, is_container;

	is_pod = walk__pod(w);
	is_container = !is_pod && (walk__prefixed(w) || walk__colons(w) || walk__lxc(w) ||
				   walk__machine(w) || walk__bare(w));
	if (!is_container && w->identity->depth == 0)
		walk__unit(w);
	w->prev_is_lxc_dir = part__is(w->now, "lxc") && (w->index == 0 || w->prev_is_container);
	w->prev_is_pod = is_pod;
	w->prev_is_container = is_container;
}

static bool is_component(struct part p)
{
	return p.len > 0 && p.len <= COMPONENT_MAX && !part__is(p, ".") && !part__is(p, "..") &&
	       !memchr(p.s, '\n', p.len);
}

static struct part component_at(const char *s)
{
	return (struct part){ s, strcspn(s, "/") };
}

static bool is_path(const char *path)
{
	struct part p;

	if (path[0] != '/' || strnlen(path, CGROUP_PATH_MAX) == CGROUP_PATH_MAX)
		return false;
	if (path[1] == '\0')
		return true;
	for (; *path; path = p.s + p.len) {
		p = component_at(path + 1);
		if (!is_component(p))
			return false;
	}
	return true;
}

int cgroup_path__identify(const char *path, struct cgroup_identity *identity)
{
	struct cgroup_identity found = { .runtime = NULL };
	struct walk w = { .identity = &found, .path = path };

	if (!is_path(path))
		return -EINVAL;
	for (w.next = component_at(path + 1); w.next.len; w.index++) {
		w.prev2 = w.prev;
		w.prev = w.now;
		w.now = w.next;
		w.next = PART("");
		if (w.now.s[w.now.len] == '/')
			w.next = component_at(w.now.s + w.now.len + 1);
		walk__component(&w);
	}
	if (found.depth)
		found.unit[0] = '\0';
	*identity = found;
	return 0;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

void cgroup_path__workload(const struct cgroup_identity *identity, struct workload *workload)
{
	*workload = (struct workload){
		.container_id = or_null(identity->container_id),
		.container_name = or_null(identity->container_name),
		.container_runtime = identity->runtime,
		.unit = or_null(identity->unit),
		.pod_uid = or_null(identity->pod_uid),
	};
}
