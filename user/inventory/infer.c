// SPDX-License-Identifier: GPL-2.0
#include "inventory/infer.h"

#include <errno.h>
#include <string.h>

#include "owners/attribute.h"
#include "owners/live.h"

struct inference {
	struct listing *l;
	const char *proc_root;
	struct listeners *listeners;
	struct attributor *attributor;
	struct live *live;
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

/* A live socket is no evidence for itself. */
static int want_live(struct inference *in, const struct listing_row *row)
{
	return row->mini ? live__want(in->live, &row->key) : 0;
}

/*
 * Somebody who listens on our port: if our end is the server, and it is one
 * process, then that. With a listener here it was not opened from here, as far as
 * anybody can tell; so else ask for the live connections.
 */
static int by_listener(struct inference *in, struct listing_row *row)
{
	struct listeners_place place = {
		.opened_ns = row->seen ? row->seen->conn.open_ns : 0,
		.netns = row->key.netns,
		.port = row->key.local_port,
		.family = row->family,
	};
	struct listeners_match match;

	memcpy(place.addr, row->key.local_addr, sizeof(place.addr));
	if (!listeners__lookup(in->listeners, &place, &match))
		return row->side == TWS_SIDE_SERVER ? 0 : want_live(in, row);
	if (row->side != TWS_SIDE_SERVER || !match.tgid ||
	    (match.owner != LISTENERS_ONE && match.owner != LISTENERS_LIKELY))
		return row->side == TWS_SIDE_CLIENT ? want_live(in, row) : 0;
	return set_owner(in, row, match.tgid);
}

static int by_live(struct inference *in, struct listing_row *row)
{
	uint32_t tgid = live__holder(in->live, &row->key);
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
			err = by_listener(in, &l->rows[i]);
	}
	if (!err)
		err = live__read(in->live, source, flags);
	for (size_t i = 0; !err && i < l->num; i++)
		if (l->rows[i].mini && lacks_owner(&l->rows[i]) &&
		    l->rows[i].side != TWS_SIDE_SERVER)
			err = by_live(in, &l->rows[i]);
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
		err = live__new(&in.live, false);
	if (!err)
		err = infer_all(&in, source, flags);
	live__free(in.live);
	attributor__free(in.attributor);
	return err;
}
