// SPDX-License-Identifier: GPL-2.0
#include "commands/list_records.h"

#include <string.h>

#include "owners/attribute.h"
#include "host/procinfo.h"

struct records {
	const struct group_context *ctx;
	struct ledger *ledger;
	struct procinfo_cache *processes;
	struct attributor *attributor;
	struct sink *sink;
	char arguments[TWS_ARGS_LEN + 1];
};

/* As procinfo does with /proc/PID/cmdline. */
static const char *noted_arguments(struct records *r, const struct tws_event *ev)
{
	size_t len;
	const char *args = ledger__arguments(r->ledger, ev, &len);

	if (!args)
		return NULL;
	if (len > sizeof(r->arguments) - 1)
		len = sizeof(r->arguments) - 1;
	memcpy(r->arguments, args, len);
	while (len > 0 && (r->arguments[len - 1] == '\0' || r->arguments[len - 1] == ' '))
		len--;
	for (size_t i = 0; i < len; i++)
		if (r->arguments[i] == '\0')
			r->arguments[i] = ' ';
	r->arguments[len] = '\0';
	return len ? r->arguments : NULL;
}

static int put_row(struct records *r, const struct listing_row *row)
{
	const struct listing *l = r->ctx->listing;
	const struct workload_of *of = workloads__get(r->ctx->workloads, listing__cgroup(row));
	struct tws_event ev;
	struct record rec;

	listing__event(l, row, &ev);
	attributor__record(r->attributor, &ev, &rec);
	rec.wall_ns = l->wall_ns;
	rec.netns_name = listing__netns_name(l, ev.netns);
	rec.evidence = row->evidence;
	rec.expires_ns = row->left_ns;
	rec.age_ns = listing__age_ns(l, row);
	if (!rec.command_line && row->evidence == OWNER_SEEN && ev.conn.flags & TWS_F_CLOSER)
		rec.command_line = noted_arguments(r, row->seen);
	if (of) {
		rec.workload = of->workload;
		rec.cgroup_path = of->path;
	}
	return sink__put(r->sink, &rec);
}

static int open_stages(struct records *r, const struct list_records_sources *from,
		       enum sink_format format, int fd)
{
	const struct sink_options opts = { .format = format, .sockets = true };
	struct attribute_sources sources;
	int err = procinfo__new(&r->processes, from->proc_root, PROCINFO_CACHE_DEFAULT);

	if (err)
		return err;
	sources = (struct attribute_sources){ r->processes, from->listeners, NULL };
	return attributor__new(&r->attributor, &sources) ?: sink__new(&r->sink, fd, &opts);
}

int list_records__write(const struct group_context *ctx,
			const struct list_records_sources *sources, enum sink_format format,
			const uint32_t *order, int fd)
{
	struct records r = { .ctx = ctx, .ledger = sources->ledger };
	int err = open_stages(&r, sources, format, fd) ?: sink__begin(r.sink);

	for (size_t i = 0; !err && i < ctx->listing->num; i++)
		err = put_row(&r, &ctx->listing->rows[order[i]]);
	if (!err)
		err = sink__flush(r.sink);
	sink__free(r.sink);
	attributor__free(r.attributor);
	procinfo__free(r.processes);
	return err;
}
