// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "containers/workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "containers/containers.h"
#include "host/kernel.h"
#include "base/outbuf.h"

#define NS_PER_S 1000000000ULL
#define MAX_CGROUPS (1U << 20)
#define WAIT_NS NS_PER_S /* for all names together */

/* Room for all strings of one; freed as one. */
struct entry {
	struct workload_of of;
	struct outbuf text;
};

struct workloads {
	struct workloads_options opts;
	struct table *entries; /* struct entry */
	bool v1, any;
};

int workloads__new(struct workloads **workloadsp, const struct workloads_options *opts)
{
	const struct table_options entries = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct entry),
		.max = MAX_CGROUPS,
	};
	struct workloads *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->opts = *opts;
	err = table__new(&w->entries, &entries);
	if (err) {
		free(w);
		return err;
	}
	*workloadsp = w;
	return 0;
}

void workloads__free(struct workloads *w)
{
	struct entry *e = NULL;

	if (!w)
		return;
	while ((e = table__next(w->entries, e)))
		outbuf__free(&e->text);
	table__free(w->entries);
	free(w);
}

/* ---- the set ---- */

int workloads__want(struct workloads *w, uint64_t cgroup_id, bool v1)
{
	void *entry;
	int err;

	if (!cgroup_id)
		return 0;
	err = table__get(w->entries, &cgroup_id, &entry);
	if (err > 0)
		w->v1 |= v1;
	return err < 0 ? -ENOMEM : 0;
}

const struct workload_of *workloads__get(const struct workloads *w, uint64_t cgroup_id)
{
	const struct entry *entry = table__find(w->entries, &cgroup_id);

	return entry ? &entry->of : NULL;
}

bool workloads__any(const struct workloads *w)
{
	return w->any;
}

/* ---- looking up ---- */

/* Copies of strings that live until the next look-up. The buffer may move while it
 * grows, so pointers are made of offsets once all are in. */
static void add_string(struct outbuf *text, const char *s)
{
	if (s)
		outbuf__bytes(text, s, strlen(s) + 1);
}

/* As trace's column. */
static bool add_label(struct outbuf *text, const struct workload *w)
{
	char own[RECORD_LABEL_BYTES];
	size_t len;
	const char *label = record__label(w, own, &len);

	if (!label)
		return false;
	outbuf__bytes(text, label, len);
	outbuf__char(text, '\0');
	return true;
}

/* Nobody knows the path any more: at least it is not taken for the host's own. */
static bool add_number(struct outbuf *text, uint64_t cgroup_id)
{
	outbuf__lit(text, "cgroup:");
	outbuf__u64(text, cgroup_id);
	outbuf__char(text, '\0');
	return true;
}

static int keep_strings(struct entry *e, const struct record *rec)
{
	const struct workload *from = &rec->workload;
	struct workload *to = &e->of.workload;
	const char *const sources[] = {
		rec->cgroup_path, from->container_id, from->container_name,
		from->container_image, from->container_runtime, from->unit, from->pod_name,
		from->pod_uid, from->pod_namespace, from->pod_container,
	};
	const char **const targets[] = {
		&e->of.path, &to->container_id, &to->container_name, &to->container_image,
		&to->container_runtime, &to->unit, &to->pod_name, &to->pod_uid,
		&to->pod_namespace, &to->pod_container,
	};
	const char *p;
	bool labelled;

	if (e->text.cap)
		e->text.len = 0;
	else if (outbuf__init(&e->text, 256))
		return -ENOMEM;
	labelled = add_label(&e->text, from) ||
		   (!rec->cgroup_path && add_number(&e->text, e->of.cgroup_id));
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		add_string(&e->text, sources[i]);
	if (e->text.failed)
		return -ENOMEM;
	p = e->text.data;
	e->of.label = labelled ? p : NULL;
	p += labelled ? strlen(p) + 1 : 0;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		*targets[i] = sources[i] ? p : NULL;
		p += sources[i] ? strlen(p) + 1 : 0;
	}
	return 0;
}

static bool has_name(const struct workload *w)
{
	return w->container_name || w->pod_name;
}

int workloads__put(struct workloads *w, uint64_t cgroup_id, const char *path,
		   const struct workload *workload)
{
	const struct record rec = { .cgroup_path = path, .workload = *workload };
	struct entry *e;
	void *entry;
	int err = table__get(w->entries, &cgroup_id, &entry);

	if (err < 0)
		return -ENOMEM;
	e = entry;
	if (!err && (has_name(&e->of.workload) || !has_name(workload)))
		return 0;
	e->of.kept = true;
	err = keep_strings(e, &rec);
	w->any |= e->of.label != NULL;
	return err;
}

static int look_up(struct workloads *w, struct containers *containers, struct entry *e)
{
	struct tws_event ev = { .conn.cgroup_id = e->of.cgroup_id };
	struct record rec = { .event = &ev };
	int err;

	e->of.kept = containers__judge(containers, &ev) == CONTAINERS_KEEP;
	containers__fill(containers, &rec);
	err = keep_strings(e, &rec);
	w->any |= e->of.label != NULL;
	return err;
}

static int look_up_all(struct workloads *w, struct containers *containers)
{
	struct entry *e = NULL;
	int err = 0;

	while (!err && (e = table__next(w->entries, e)))
		err = look_up(w, containers, e);
	return err;
}

/* The filter is decided here alone: no kernel side is told. */
static int pass_nothing(void *ctx, uint64_t id, bool pass)
{
	(void)ctx, (void)id, (void)pass;
	return 0;
}

/* Whether one that is gone was removed does not matter here: it has its path. */
static void note_gone(const struct workloads *w, struct containers *containers)
{
	const struct entry *e = NULL;
	struct tws_cgroup cgroup;

	while (w->opts.find && (e = table__next(w->entries, e))) {
		if (!w->opts.find(w->opts.ctx, e->of.cgroup_id, &cgroup))
			continue;
		cgroup.action = TWS_CGROUP_ADDED;
		containers__note(containers, &cgroup);
	}
}

static int resolve(struct workloads *w, struct containers *containers)
{
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC), now = begin_ns;
	int err = containers__begin(containers, begin_ns);

	if (err)
		return err;
	note_gone(w, containers);
	err = look_up_all(w, containers);
	while (!err && now < begin_ns + WAIT_NS &&
	       containers__await(containers, begin_ns + WAIT_NS - now)) {
		now = clock__now_ns(CLOCK_MONOTONIC);
		containers__tick(containers, now);
		err = look_up_all(w, containers);
	}
	return err;
}

int workloads__resolve(struct workloads *w)
{
	struct kernel kernel = {};
	struct containers_options opts = {
		.no_names = w->opts.no_names,
		.socket = w->opts.socket,
		.wanted = w->opts.wanted,
		.num_wanted = w->opts.num_wanted,
		.pass = pass_nothing,
	};
	struct containers *containers;
	int err;

	if (!table__count(w->entries))
		return 0;
	kernel__read_cgroups(&kernel, "/proc");
	if (w->v1 && kernel.v1_controller[0])
		opts.controller = kernel.v1_controller;
	err = containers__new(&containers, &opts);
	if (err)
		return err;
	err = resolve(w, containers);
	containers__free(containers);
	return err;
}
