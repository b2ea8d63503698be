// SPDX-License-Identifier: GPL-2.0
#include "containers/containers.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/libcurl.h"
#include "containers/cgroup_mount.h"
#include "containers/cgroups.h"
#include "containers/runtime_names.h"
#include "containers/wanted.h"

#define NS_PER_S 1000000000ULL
#define WAIT_NS (2 * NS_PER_S)	  /* for a name; the runtimes answer in milliseconds */
#define PASSING_NS (300 * NS_PER_S) /* a removed cgroup's: see cgroups_default_limits */
#define LOOK_PAUSE_NS 400000ULL /* for each cgroup: twenty times what a walk takes */
#define MAX_HELD 1024 /* in each queue */
#define MAX_LEAVING 4096
#define TOLD_PLACES 2048 /* a power of two */
#define NAMES_BITS 24 /* of a workload_number */

struct held_event {
	struct tws_event event;
	uint64_t since_ns;
};

/* Rings. The second: nobody knows their container, which may have been asked for too early; but
 * most likely nobody wants them. They do not push out the others, nor are they missed. */
enum { UNANSWERED, NOBODYS, QUEUES };

struct queue {
	struct held_event *held; /* NULL: without a filter */
	size_t first, num;
};

struct leaving {
	uint64_t id, since_ns;
};

/* What was told of a cgroup last. */
struct told {
	uint64_t id;
	uint64_t now_ns, changes; /* when, and what had changed by then */
	uint64_t number; /* struct record's workload_number */
	const char *path;
	struct workload workload;
};

struct containers {
	struct containers_options opts;
	const char *wanted[TWS_MAX_FILTER];
	const char *sockets[2];
	struct runtime_places places;
	struct cgroups *cgroups;
	/* NULL: nobody is asked. Users' containers apart, from the first on: a user can
	 * make any number, and have a runtime that never answers. */
	struct runtime_names *names, *user_names;
	bool no_user_names; /* it could not be had */
	uint64_t now_ns;
	bool any;
	bool must_look;
	uint64_t num_considered, next_look_ns;
	struct queue queues[QUEUES];
	uint64_t dropped; /* of those that waited, and may have been wanted */
	struct told *told; /* each at a place of its id's */
	/* A ring, with a filter only. */
	struct leaving *leaving; /* removed cgroups that the kernel side still lets pass */
	size_t first_leaving, num_leaving;
};

/* ---- the filter ---- */

static bool is_wanted(const struct containers *c, const struct cgroup_identity *who,
		      const struct runtime_names_of *names, const struct workload *workload)
{
	const struct wanted wanted = { c->wanted, c->opts.num_wanted };

	return wanted__matches(&wanted, who, names ? names->name : NULL, workload);
}

static struct runtime_names *names_of(struct containers *c, const struct cgroup_identity *who)
{
	if (!c->names || !who->user_owned)
		return c->names;
	if (!c->user_names && !c->no_user_names)
		c->no_user_names = runtime_names__new(&c->user_names, &c->places, NULL, 0) != 0;
	return c->user_names;
}

static enum containers_verdict judge(struct containers *c, const struct cgroup_identity *who,
				     const struct runtime_names_of *names)
{
	struct workload workload;

	cgroup_path__workload(who, &workload);
	runtime_names__apply(names, who, &workload);
	if (is_wanted(c, who, names, &workload))
		return CONTAINERS_KEEP;
	return c->names && who->host_id[0] && !names ? CONTAINERS_WAIT : CONTAINERS_DROP;
}

enum containers_verdict containers__judge(struct containers *c, const struct tws_event *ev)
{
	const struct cgroup_identity *who;
	const struct cgroup *cgroup;

	if (!c->opts.num_wanted)
		return CONTAINERS_KEEP;
	cgroup = cgroups__get(c->cgroups, ev->conn.cgroup_id, c->now_ns);
	if (!cgroup)
		return CONTAINERS_DROP;
	who = &cgroup->identity;
	return judge(c, who, runtime_names__get(names_of(c, who), who, c->now_ns));
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
	const struct runtime_names_of *names =
		runtime_names__get(names_of(c, who), who, c->now_ns);

	c->num_considered++;
	if (who->depth || who->container_name[0])
		c->any = true;
	if (c->opts.num_wanted)
		tell_kernel(c, cgroup->id, judge(c, who, names) != CONTAINERS_DROP);
	return 0;
}

/* The same when names have come. Whoever is still unknown is asked about again
 * when an event needs it, or there would be no end where there are more containers
 * than names are kept. */
static int consider_again(void *ctx, const struct cgroup *cgroup)
{
	const struct cgroup_identity *who = &cgroup->identity;
	struct containers *c = ctx;
	struct runtime_names *names = who->user_owned ? c->user_names : c->names;

	tell_kernel(c, cgroup->id,
		    judge(c, who, runtime_names__peek(names, who)) != CONTAINERS_DROP);
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

/* Another cgroup of the container that lives asks for it again. */
static void retire_names(struct containers *c, uint64_t id)
{
	const struct cgroup *cgroup = cgroups__get(c->cgroups, id, c->now_ns);
	const struct cgroup_identity *who = cgroup ? &cgroup->identity : NULL;

	if (who)
		runtime_names__retire(who->user_owned ? c->user_names : c->names, who);
}

void containers__note(struct containers *c, const struct tws_cgroup *record)
{
	const char *path = record->path[0] ? record->path : NULL;
	const struct cgroup *cgroup;

	if (record->action == TWS_CGROUP_REMOVED) {
		cgroups__removed(c->cgroups, record->id, path, c->now_ns);
		note_leaving(c, record->id);
		retire_names(c, record->id);
		return;
	}
	cgroup = cgroups__added(c->cgroups, record->id, path);
	if (cgroup)
		consider(c, cgroup);
	else if (c->opts.num_wanted)
		tell_kernel(c, record->id, false);
}

/* Who may make cgroups can make records be lost at will. What a walk has not seen
 * yet is asked for when an event names it. */
static void look_again(struct containers *c)
{
	if (!c->must_look || c->now_ns < c->next_look_ns)
		return;
	c->must_look = false;
	c->num_considered = 0;
	cgroups__walk(c->cgroups);
	cgroups__each(c->cgroups, consider, c);
	c->next_look_ns = c->now_ns + c->num_considered * LOOK_PAUSE_NS;
}

void containers__refresh(struct containers *c)
{
	c->must_look = true;
	look_again(c);
}

void containers__tick(struct containers *c, uint64_t now_ns)
{
	c->now_ns = now_ns;
	look_again(c);
	while (c->num_leaving &&
	       c->leaving[c->first_leaving].since_ns + PASSING_NS < now_ns)
		take_leaving(c);
}

bool containers__any(const struct containers *c)
{
	return c->any;
}

/* ---- events that wait for a name ---- */

static struct held_event queue__take(struct queue *queue)
{
	struct held_event one = queue->held[queue->first];

	queue->first = (queue->first + 1) % MAX_HELD;
	queue->num--;
	return one;
}

/* Whoever has waited for the longest gives way. */
static void hold(struct containers *c, size_t which, const struct held_event *one)
{
	struct queue *queue = &c->queues[which];

	if (queue->num == MAX_HELD) {
		queue__take(queue);
		c->dropped += which == UNANSWERED;
	}
	queue->held[(queue->first + queue->num++) % MAX_HELD] = *one;
}

/* The queue of an event that has to wait. */
static size_t queue_of(struct containers *c, const struct tws_event *ev)
{
	const struct cgroup *cgroup = cgroups__get(c->cgroups, ev->conn.cgroup_id, c->now_ns);
	const struct cgroup_identity *who = cgroup ? &cgroup->identity : NULL;

	return who && runtime_names__nobody_knows(names_of(c, who), who) ? NOBODYS : UNANSWERED;
}

void containers__hold(struct containers *c, const struct tws_event *ev)
{
	const struct held_event one = { *ev, c->now_ns };

	hold(c, queue_of(c, ev), &one);
}

/* Takes in the answers that have come, or come within @wait_ms. */
static bool take_names(struct containers *c, int wait_ms)
{
	struct pollfd come[] = {
		{ .fd = runtime_names__fd(c->names), .events = POLLIN },
		{ .fd = runtime_names__fd(c->user_names), .events = POLLIN },
	};

	if (!c->names || poll(come, 2, wait_ms) <= 0)
		return false;
	runtime_names__collect(c->names, c->now_ns);
	runtime_names__collect(c->user_names, c->now_ns);
	return true;
}

static void collect_names(struct containers *c)
{
	if (take_names(c, 0))
		cgroups__each(c->cgroups, consider_again, c);
}

/* The first of a queue: given, or dropped, or at the end of a queue again. */
static int release_one(struct containers *c, size_t which, bool all, containers_fn fn, void *ctx)
{
	struct held_event one = queue__take(&c->queues[which]);
	enum containers_verdict verdict = containers__judge(c, &one.event);

	if (verdict == CONTAINERS_KEEP)
		return fn(ctx, &one.event);
	if (verdict == CONTAINERS_DROP)
		return 0;
	which = queue_of(c, &one.event);
	if (!all && one.since_ns + WAIT_NS > c->now_ns)
		hold(c, which, &one);
	else
		c->dropped += which == UNANSWERED;
	return 0;
}

int containers__release(struct containers *c, bool all, containers_fn fn, void *ctx)
{
	int err = 0;

	if (c->opts.num_wanted)
		collect_names(c);
	/* The second first: what the other one puts there has been looked at. */
	for (size_t which = QUEUES; which-- && !err;)
		for (size_t left = c->queues[which].num; left && !err; left--)
			err = release_one(c, which, all, fn, ctx);
	return err;
}

uint64_t containers__dropped(const struct containers *c)
{
	return c->dropped;
}

/* ---- attribution ---- */

/* Of all that may answer; each only grows. */
static uint64_t changes(const struct containers *c)
{
	return cgroups__changes(c->cgroups) + runtime_names__changes(c->names) +
	       runtime_names__changes(c->user_names);
}

/* The two numbers as one, as long as there is room. */
static uint64_t number_of(const struct cgroup *cgroup, const struct runtime_names_of *names)
{
	uint64_t of_names = names ? names->number : 0;

	return of_names >> NAMES_BITS ? 0 : cgroup->number << NAMES_BITS | of_names;
}

static void look_up(struct containers *c, uint64_t id, struct told *told)
{
	const struct cgroup *cgroup = cgroups__get(c->cgroups, id, c->now_ns);
	const struct runtime_names_of *names;

	*told = (struct told){ .id = id, .now_ns = c->now_ns };
	if (cgroup) {
		names = runtime_names__get(names_of(c, &cgroup->identity), &cgroup->identity,
					   c->now_ns);
		told->path = cgroup->path;
		cgroup_path__workload(&cgroup->identity, &told->workload);
		runtime_names__apply(names, &cgroup->identity, &told->workload);
		told->number = number_of(cgroup, names);
	}
	told->changes = changes(c);
}

/* Whoever is to be asked again is asked with the next tick. */
void containers__fill(struct containers *c, struct record *rec)
{
	uint64_t id = rec->event->conn.cgroup_id;
	struct told *told = &c->told[id * 0x9e3779b97f4a7c15ULL >> 32 & (TOLD_PLACES - 1)];

	if (told->id != id || told->now_ns != c->now_ns || told->changes != changes(c))
		look_up(c, id, told);
	if (!told->path)
		return;
	rec->cgroup_path = told->path;
	rec->workload = told->workload;
	rec->workload_number = told->number;
}

bool containers__await(struct containers *c, uint64_t wait_ns)
{
	return (runtime_names__awaited(c->names) || runtime_names__awaited(c->user_names)) &&
	       take_names(c, (int)(wait_ns / 1000000));
}

void containers__await_all(struct containers *c, uint64_t wait_ns)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC), end_ns = now_ns + wait_ns;
	bool has_come = false;

	while (now_ns < end_ns && containers__await(c, end_ns - now_ns)) {
		has_come = true;
		now_ns = clock__now_ns(CLOCK_MONOTONIC);
	}
	if (has_come && c->opts.num_wanted)
		cgroups__each(c->cgroups, consider_again, c);
}

/* ---- options ---- */

/* 0, or why nobody can be asked there. */
static int try_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;

	if (fd < 0)
		return -errno;
	memcpy(name.sun_path, path, strlen(path));
	/* EAGAIN: others wait in line, so somebody listens */
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) && errno != EAGAIN)
		err = -errno;
	close(fd);
	return err;
}

int containers__parse_socket(void *field, const char *arg, char *why, size_t why_len)
{
	const char *wrong = NULL;
	int err;

	if (!arg[0])
		wrong = "it is empty";
	else if (strlen(arg) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		wrong = "too long for a socket's path";
	else
		wrong = libcurl__load();
	if (wrong) {
		snprintf(why, why_len, "%s", wrong);
		return -EINVAL;
	}
	err = try_socket(arg);
	if (err) {
		snprintf(why, why_len, "nobody listens there: %s", strerror(-err));
		return -EINVAL;
	}
	*(const char **)field = arg;
	return 0;
}

/* ---- its life ---- */

static int open_table(struct containers *c)
{
	char mount[PATH_MAX];
	int err = cgroup_mount__find("/proc/self/mountinfo", c->opts.controller, mount,
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
		c->leaving = calloc(MAX_LEAVING, sizeof(*c->leaving));
		for (size_t i = 0; i < QUEUES; i++)
			c->queues[i].held = calloc(MAX_HELD, sizeof(struct held_event));
		if (!c->leaving || !c->queues[UNANSWERED].held || !c->queues[NOBODYS].held)
			goto out;
	}
	c->told = calloc(TOLD_PLACES, sizeof(*c->told));
	err = c->told ? open_table(c) : -ENOMEM;
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
		c->places.cri_sockets = c->sockets;
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
	bool ended;

	if (!c)
		return;
	ended = runtime_names__free(c->names);
	ended = runtime_names__free(c->user_names) && ended;
	cgroups__free(c->cgroups);
	for (size_t i = 0; i < QUEUES; i++)
		free(c->queues[i].held);
	free(c->leaving);
	free(c->told);
	if (ended) /* else they may still look into c->places */
		free(c);
}
