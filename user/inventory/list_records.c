// SPDX-License-Identifier: GPL-2.0
#include "inventory/list_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/procinfo.h"
#include "inventory/row_record.h"
#include "owners/attribute.h"

/* What the kernel side has noted of one process; of most it has nothing, and to ask takes a system call. */
struct noted {
	uint64_t start_ns; /* as tws_conn.closer_start_ns; 0: not asked for yet */
	uint32_t tgid;
	char comm[TWS_COMM_LEN];
	char arguments[TWS_ARGS_LEN + 1]; /* "": none */
};

#define NOTED 64 /* a power of two */

struct list_records {
	const struct group_context *ctx;
	struct ledger *ledger;
	struct procinfo_cache *processes;
	struct attributor *attributor;
	struct tws_event ev;
	struct record rec;
	struct noted noted[NOTED];
};

static void copy_arguments(struct noted *to, const char *args, size_t len)
{
	if (len > sizeof(to->arguments) - 1)
		len = sizeof(to->arguments) - 1;
	memcpy(to->arguments, args, len);
	procinfo__join_arguments(to->arguments, len);
}

static const char *noted_arguments(struct list_records *r, const struct tws_event *ev)
{
	const struct tws_conn *conn = &ev->conn;
	struct noted *noted = &r->noted[((conn->closer_start_ns >> 16) + conn->tgid) % NOTED];
	const char *args;
	size_t len;

	if (!conn->closer_start_ns || noted->start_ns != conn->closer_start_ns ||
	    noted->tgid != conn->tgid || memcmp(noted->comm, conn->comm, TWS_COMM_LEN)) {
		*noted = (struct noted){ .start_ns = conn->closer_start_ns, .tgid = conn->tgid };
		memcpy(noted->comm, conn->comm, TWS_COMM_LEN);
		args = ledger__arguments(r->ledger, ev, &len);
		if (args)
			copy_arguments(noted, args, len);
	}
	return noted->arguments[0] ? noted->arguments : NULL;
}

const struct record *list_records__get(struct list_records *r, const struct listing_row *row)
{
	struct record *rec = &r->rec, asked;

	row_record__fill(r->ctx, row, &r->ev, rec);
	if (r->ctx->tell) /* all that is known */
		return rec;
	attributor__record(r->attributor, &r->ev, &asked);
	rec->event = asked.event; /* with the listener */
	rec->command_line = asked.command_line;
	rec->command_number = asked.command_number;
	if (!rec->command_line && row->evidence == OWNER_SEEN && r->ev.conn.flags & TWS_F_CLOSER)
		rec->command_line = noted_arguments(r, &r->ev);
	return rec;
}

static int open_sources(struct list_records *r, const struct list_records_sources *from)
{
	struct attribute_sources sources;
	int err = procinfo__new(&r->processes, from->proc_root, PROCINFO_CACHE_DEFAULT);

	if (err)
		return err;
	sources = (struct attribute_sources){ .processes = r->processes,
						.listeners = from->listeners };
	return attributor__new(&r->attributor, &sources);
}

int list_records__new(struct list_records **recordsp, const struct group_context *ctx,
		      const struct list_records_sources *sources)
{
	struct list_records *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->ctx = ctx;
	r->ledger = sources->ledger;
	err = open_sources(r, sources);
	if (err) {
		list_records__free(r);
		return err;
	}
	*recordsp = r;
	return 0;
}

void list_records__free(struct list_records *r)
{
	if (!r)
		return;
	attributor__free(r->attributor);
	procinfo__free(r->processes);
	free(r);
}
