// SPDX-License-Identifier: GPL-2.0
#include "inventory/infer.h"

#include <string.h>

#include "base/table.h"
#include "host/procinfo.h"
#include "owners/attribute.h"
#include "owners/live.h"

struct inference {
	struct listing *l;
	const char *proc_root;
	struct listeners *listeners;
	struct attributor *attributor;
	struct live *live;
	/* NULL: were not needed yet. */
	struct table *parents; /* uint64_t: of any process */
	struct table *families; /* struct family: of whom that was asked */
};

struct family {
	uint64_t tgid;
	bool has_children;
};

/* Established, and without a file: the listener has not accepted it yet. */
static bool awaits_accept(const struct listing_row *row)
{
	return !row->mini && !row->inode &&
	       (row->state == SOCKDIAG_ESTABLISHED || row->state == SOCKDIAG_CLOSE_WAIT);
}

static bool lacks_owner(const struct listing_row *row)
{
	return row->evidence == OWNER_UNKNOWN && (row->mini || awaits_accept(row));
}

bool infer__needed(const struct listing *l)
{
	for (size_t i = 0; i < l->num; i++)
		if (lacks_owner(&l->rows[i]) || l->rows[i].side == TWS_SIDE_UNKNOWN)
			return true;
	return false;
}

static int set_owner(struct inference *in, struct listing_row *row, uint32_t tgid)
{
	uint32_t index;
	int err = listing__owner(in->l, in->proc_root, tgid, &index);

	if (err || !index)
		return err;
	row->owner = index;
	row->evidence = OWNER_INFERRED;
	return 0;
}

/* The listener's side is the attributor's matter, as with events. */
static void find_side(struct inference *in, struct listing_row *row)
{
	struct tws_event ev;
	struct record rec;

	if (row->side != TWS_SIDE_UNKNOWN)
		return;
	listing__event(in->l, row, &ev);
	attributor__record(in->attributor, &ev, &rec);
	row->side = rec.event->conn.side;
}

/* The process that alone holds the socket which listens at the row's local port, 0: none.
 * False: nobody listens there. */
static bool find_listener(const struct inference *in, const struct listing_row *row,
			  uint32_t *tgid)
{
	struct listeners_place place = {
		.opened_ns = row->seen ? row->seen->open_ns : 0,
		.netns = row->key.netns,
		.port = row->key.local_port,
		.family = row->family,
	};
	struct listeners_match match;

	*tgid = 0;
	memcpy(place.addr, row->key.local_addr, sizeof(place.addr));
	if (!listeners__lookup(in->listeners, &place, &match))
		return false;
	if (match.owner == LISTENERS_ONE || match.owner == LISTENERS_LIKELY)
		*tgid = match.tgid;
	return true;
}

/*
 * If our end is the server's, who listens on our port; else, and if nobody does, who holds the
 * live connections to the remote end. With a listener here it was not opened from here, as far
 * as anybody can tell.
 */
static int ask_for(struct inference *in, const struct listing_row *row)
{
	uint32_t tgid;
	bool listened_at = find_listener(in, row, &tgid);

	if (!row->mini) /* a live socket is no evidence for itself */
		return 0;
	if (row->side == TWS_SIDE_SERVER)
		return tgid ? live__want_local(in->live, &row->key) : 0;
	return !listened_at || row->side == TWS_SIDE_CLIENT ?
		       live__want_remote(in->live, &row->key) : 0;
}

static int note_parent(void *ctx, uint32_t pid)
{
	struct inference *in = ctx;
	struct procinfo_kin kin;
	uint64_t parent;
	void *entry;
	int err;

	if (procinfo__kin(in->proc_root, pid, &kin))
		return 0;
	parent = kin.parent;
	err = table__get(in->parents, &parent, &entry);
	return err < 0 ? err : 0;
}

static int find_parents(struct inference *in)
{
	const struct table_options opts = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(uint64_t),
		.max = 1U << 22, /* PID_MAX_LIMIT */
	};

	return in->parents ? 0 : table__new(&in->parents, &opts) ?:
	       procinfo__each_pid(in->proc_root, note_parent, in);
}

/* True as well where that cannot be told. */
static int look_for_children(struct inference *in, uint32_t tgid, bool *has)
{
	struct procinfo_kin kin;
	uint64_t key;
	int err;

	*has = true;
	if (procinfo__kin(in->proc_root, tgid, &kin) || kin.had_children)
		return 0;
	key = kin.pid;
	err = find_parents(in);
	if (!err)
		*has = table__find(in->parents, &key);
	return err;
}

/* The kernel is asked once, and not for each socket of a listener's. */
static int has_children(struct inference *in, uint32_t tgid, bool *has)
{
	const struct table_options opts = {
		.key_bytes = sizeof(uint64_t), .entry_bytes = sizeof(struct family), .max = TABLE_MAX,
	};
	uint64_t key = tgid;
	void *entry = NULL;
	struct family *family;
	int err = in->families ? 0 : table__new(&in->families, &opts), is_new;

	if (err)
		return err;
	is_new = table__get(in->families, &key, &entry);
	if (is_new < 0)
		return is_new;
	family = entry;
	if (is_new)
		err = look_for_children(in, tgid, &family->has_children);
	*has = family->has_children;
	return err;
}

/*
 * Whether what the listener accepts may be closed by another process: one that it has given
 * it to, or a child, which may have gone.
 */
static int hands_on(struct inference *in, const struct listing_row *row, uint32_t tgid, bool *does)
{
	*does = true;
	return live__others_hold(in->live, &row->key, tgid) ? 0 : has_children(in, tgid, does);
}

static int by_listener(struct inference *in, struct listing_row *row)
{
	uint32_t tgid;
	bool others = false;
	int err = 0;

	if (!find_listener(in, row, &tgid) || !tgid)
		return 0;
	/* What has not been accepted cannot have been handed on. */
	if (row->mini)
		err = hands_on(in, row, tgid, &others);
	return err || others ? err : set_owner(in, row, tgid);
}

static int by_live(struct inference *in, struct listing_row *row)
{
	uint32_t tgid = row->mini ? live__holder(in->live, &row->key) : 0;
	int err;

	if (!tgid)
		return 0;
	err = set_owner(in, row, tgid);
	if (!err && row->evidence == OWNER_INFERRED)
		row->side = TWS_SIDE_CLIENT;
	return err;
}

static int infer_all(struct inference *in, const struct sockets_source *source,
		     unsigned int *flags)
{
	struct listing *l = in->l;
	int err = 0;

	for (size_t i = 0; !err && i < l->num; i++) {
		find_side(in, &l->rows[i]);
		if (lacks_owner(&l->rows[i]))
			err = ask_for(in, &l->rows[i]);
	}
	if (!err)
		err = live__read(in->live, source, flags);
	for (size_t i = 0; !err && i < l->num; i++)
		if (lacks_owner(&l->rows[i]))
			err = l->rows[i].side == TWS_SIDE_SERVER ?
				      by_listener(in, &l->rows[i]) : by_live(in, &l->rows[i]);
	return err;
}

int infer__owners(struct listing *l, const struct sockets_source *source,
		  struct listeners *listeners, unsigned int *flags)
{
	const struct attribute_sources sources = { .listeners = listeners };
	struct inference in = {
		.l = l, .proc_root = source->places->proc_root, .listeners = listeners,
	};
	int err = attributor__new(&in.attributor, &sources);

	if (!err)
		err = live__new(&in.live);
	if (!err)
		err = infer_all(&in, source, flags);
	live__free(in.live);
	table__free(in.parents);
	table__free(in.families);
	attributor__free(in.attributor);
	return err;
}
