// SPDX-License-Identifier: GPL-2.0
#include "containers.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cgroups.h"
#include "runtime_names.h"

#define NS_PER_S 1000000000ULL
#define WAIT_NS (2 * NS_PER_S)	  /* for a name; the runtimes answer in milliseconds */
#define PASSING_NS (300 * NS_PER_S) /* a removed cgroup's: see cgroups_default_limits */
#define MAX_HELD 1024
#define MAX_LEAVING 4096

struct held_event {
	struct tws_event event;
	uint64_t since_ns;
};

struct leaving {
	uint64_t id, since_ns;
};

struct containers {
	struct containers_options opts;
	const char *wanted[TWS_MAX_FILTER];
	const char *sockets[2];
	struct runtime_places places;
	struct cgroups *cgroups;
	struct runtime_names *names; /* NULL: nobody is asked */
	uint64_t now_ns;
	bool any;
	/* Rings, with a filter only. */
	struct held_event *held;
	size_t first_held, num_held;
	uint64_t dropped; /* of those that waited */
	struct leaving *leaving; /* removed cgroups that the kernel side still lets pass */
	size_t first_leaving, num_leaving;
};

/* ---- the filter ---- */

static bool is_prefix(const char *wanted, const char *id)
{
	size_t len = strlen(wanted);

	return len >= CONTAINERS_MIN_PREFIX && strspn(wanted, "0123456789abcdef") == len &&
	       !strncmp(id, wanted, len);
}

static bool is_wanted(const struct containers *c, const struct cgroup_identity *who,
		      const struct runtime_names_of *names)
{
	for (unsigned int i = 0; i < c->opts.num_wanted; i++) {
		const char *wanted = c->wanted[i];

		if (is_prefix(wanted, who->container_id) || is_prefix(wanted, who->host_id) ||
		    !strcmp(wanted, who->container_name) ||
		    (names && !strcmp(wanted, names->name)))
			return true;
	}
	return false;
}

static enum containers_verdict judge(const struct containers *c,
				     const struct cgroup_identity *who)
{
	const struct runtime_names_of *names = runtime_names__get(c->names, who, c->now_ns);

	if (is_wanted(c, who, names))
		return CONTAINERS_KEEP;
	return c->names && who->host_id[0] && !names ? CONTAINERS_WAIT : CONTAINERS_DROP;
}

enum containers_verdict containers__judge(struct containers *c, const struct tws_event *ev)
{
	const struct cgroup *cgroup;

	if (!c->opts.num_wanted)
		return CONTAINERS_KEEP;
	cgroup = cgroups__get(c->cgroups, ev->conn.cgroup_id, c->now_ns);
	return cgroup ? judge(c, &cgroup->identity) : CONTAINERS_DROP;
}

static void tell_kernel(struct containers *c, uint64_t id, bool pass)
{
	c->opts.pass(c->opts.ctx, id, pass);
}

/* A container that has come, or of which more may be known. */
static int consider(void *ctx, const struct cgroup *cgroup)
{
	const struct cgroup_identity *who = &cgroup->identity;
	struct containers *c = ctx;

	if (who->depth || who->container_name[0])
		c->any = true;
	if (c->opts.num_wanted)
		tell_kernel(c, cgroup->id, judge(c, who) != CONTAINERS_DROP);
	else
		runtime_names__get(c->names, who, c->now_ns);
	return 0;
}

/* ---- what comes and goes ---- */

static void take_leaving(struct containers *c)
{
	tell_kernel(c, c->leaving[c->first_leaving].id, false);
	c->first_leaving = (c->first_leaving + 1) % MAX_LEAVING;
	c->num_leaving--;
}

/* A process of it may have closed a connection that is still on its way. */
static void note_leaving(struct containers *c, uint64_t id)
{
	if (!c->opts.num_wanted)
		return;
	if (c->num_leaving == MAX_LEAVING)
		take_leaving(c);
	c->leaving[(c->first_leaving + c->num_leaving++) % MAX_LEAVING] =
		(struct leaving){ id, c->now_ns };
}

void containers__note(struct containers *c, const struct tws_cgroup *record)
{
	const char *path = record->path[0] ? record->path : NULL;
	const struct cgroup *cgroup;

	if (record->action == TWS_CGROUP_REMOVED) {
		cgroups__removed(c->cgroups, record->id, path, c->now_ns);
		note_leaving(c, record->id);
		return;
	}
	cgroup = cgroups__added(c->cgroups, record->id, path);
	if (cgroup)
		consider(c, cgroup);
	else if (c->opts.num_wanted)
		tell_kernel(c, record->id, false);
}

void containers__refresh(struct containers *c)
{
	/* What cannot be read now is asked for when an event names it. */
	cgroups__walk(c->cgroups);
	cgroups__each(c->cgroups, consider, c);
}

void containers__tick(struct containers *c, uint64_t now_ns)
{
	c->now_ns = now_ns;
	while (c->num_leaving &&
	       c->leaving[c->first_leaving].since_ns + PASSING_NS < now_ns)
		take_leaving(c);
}

bool containers__any(const struct containers *c)
{
	return c->any;
}

/* ---- events that wait for a name ---- */

static void drop_held(struct containers *c)
{
	c->first_held = (c->first_held + 1) % MAX_HELD;
	c->num_held--;
}

void containers__hold(struct containers *c, const struct tws_event *ev)
{
	if (c->num_held == MAX_HELD) {
		drop_held(c);
		c->dropped++;
	}
	c->held[(c->first_held + c->num_held++) % MAX_HELD] =
		(struct held_event){ *ev, c->now_ns };
}

static void collect_names(struct containers *c)
{
	struct pollfd come = { .fd = runtime_names__fd(c->names), .events = POLLIN };

	if (!c->opts.num_wanted || come.fd < 0 || poll(&come, 1, 0) <= 0)
		return;
	runtime_names__collect(c->names, c->now_ns);
	cgroups__each(c->cgroups, consider, c);
}

int containers__release(struct containers *c, bool all, containers_fn fn, void *ctx)
{
	int err = 0;

	if (c->opts.num_wanted)
		collect_names(c);
	for (size_t left = c->num_held; left && !err; left--) {
		struct held_event one = c->held[c->first_held];
		enum containers_verdict verdict = containers__judge(c, &one.event);

		drop_held(c);
		if (verdict == CONTAINERS_KEEP)
			err = fn(ctx, &one.event);
		else if (verdict == CONTAINERS_WAIT && !all && one.since_ns + WAIT_NS > c->now_ns)
			c->held[(c->first_held + c->num_held++) % MAX_HELD] = one;
	}
	return err;
}

uint64_t containers__dropped(const struct containers *c)
{
	return c->dropped;
}

/* ---- attribution ---- */

void containers__fill(struct containers *c, struct record *rec)
{
	const struct cgroup *cgroup =
		cgroups__get(c->cgroups, rec->event->conn.cgroup_id, c->now_ns);

	if (!cgroup)
		return;
	rec->cgroup_path = cgroup->path;
	cgroup_path__workload(&cgroup->identity, &rec->workload);
	runtime_names__fill(c->names, &cgroup->identity, c->now_ns, &rec->workload);
}

/* ---- its life ---- */

static int open_table(struct containers *c)
{
	char mount[PATH_MAX];
	int err = cgroups__find_mount("/proc/self/mountinfo", c->opts.controller, mount,
				      sizeof(mount));

	/* Without the whole hierarchy, events alone fill it. */
	return cgroups__new(&c->cgroups, err ? NULL : mount, NULL);
}

int containers__new(struct containers **containersp, const struct containers_options *opts)
{
	struct containers *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (!c)
		return err;
	c->opts = *opts;
	if (c->opts.num_wanted > TWS_MAX_FILTER)
		c->opts.num_wanted = TWS_MAX_FILTER;
	for (unsigned int i = 0; i < c->opts.num_wanted; i++)
		c->wanted[i] = opts->wanted[i];
	if (c->opts.num_wanted) {
		c->held = calloc(MAX_HELD, sizeof(*c->held));
		c->leaving = calloc(MAX_LEAVING, sizeof(*c->leaving));
		if (!c->held || !c->leaving)
			goto out;
	}
	err = open_table(c);
	if (err)
		goto out;
	*containersp = c;
	return 0;
out:
	containers__free(c);
	return err;
}

int containers__begin(struct containers *c, uint64_t now_ns)
{
	int err = 0;

	c->now_ns = now_ns;
	c->places = runtime_default_places;
	if (c->opts.socket) {
		c->sockets[0] = c->opts.socket;
		c->places.sockets = c->sockets;
	}
	if (!c->opts.no_names)
		err = runtime_names__new(&c->names, &c->places, NULL, 0);
	if (err && err != -EOPNOTSUPP)
		return err;
	containers__refresh(c);
	return 0;
}

void containers__free(struct containers *c)
{
	if (!c)
		return;
	runtime_names__free(c->names);
	cgroups__free(c->cgroups);
	free(c->held);
	free(c->leaving);
	free(c);
}
