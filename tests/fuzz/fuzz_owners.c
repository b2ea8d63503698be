// SPDX-License-Identifier: GPL-2.0
/*
 * Any small ring: the index finds what a search of the whole ring does, which is
 * written here once more without an index.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "capture/owners.h"
#include "tests/unit/support.h"

#define RECORDS 32
#define RECORD_INPUT 8
#define NUM_COOKIES 6
#define NUM_PORTS 4
#define SECOND 1000000000ULL

static struct tws_record records[RECORDS];

static void fill(struct tws_record *record, const uint8_t *from, uint64_t position)
{
	struct tws_event *ev = &record->event;

	support__event(ev);
	ev->cookie = from[0] % NUM_COOKIES;
	ev->local_port = from[1] % NUM_PORTS;
	ev->time_ns = from[2] * SECOND;
	ev->action = from[3] % (TWS_ACTION_END + 1);
	ev->conn.flags = from[4];
	ev->conn.tgid = from[5] / 32;
	ev->conn.side = from[6] / 64;
	/* Most of them whole */
	record->seq = from[7] < 200 ? position + 1 : from[7] & 1 ? 0 : position + 1 + RECORDS;
}

/* As owners.c says what of a record counts. */
static bool counts(uint64_t position)
{
	const struct tws_record *record = &records[position % RECORDS];
	const struct tws_event *ev = &record->event;

	return record->seq == position + 1 &&
	       (ev->conn.flags & TWS_F_ACTIVE || ev->action == TWS_TIME_WAIT ||
		ev->action == TWS_FIN_WAIT2);
}

static bool search(uint64_t next, const struct tws_key *key, uint64_t cookie, uint64_t entered_ns,
		   struct tws_event *found)
{
	uint64_t from = next > RECORDS ? next - RECORDS : 0;
	const struct tws_event *by_cookie = NULL, *by_tuple = NULL;
	bool without = !cookie;

	for (uint64_t n = from; n < next; n++) {
		const struct tws_event *ev = &records[n % RECORDS].event;

		if (!counts(n))
			continue;
		without |= !ev->cookie;
		if (cookie && ev->cookie == cookie && ev->local_port == key->local_port &&
		    (!by_cookie || owners__is_better(ev, by_cookie)))
			by_cookie = ev;
		if (key->local_port && ev->local_port == key->local_port &&
		    (!by_tuple || ev->time_ns >= by_tuple->time_ns))
			by_tuple = ev;
	}
	if (by_cookie) {
		*found = *by_cookie;
		if (owners__accept(found, key, cookie, entered_ns))
			return true;
	}
	if (!without || !by_tuple)
		return false;
	*found = *by_tuple;
	return owners__accept(found, key, cookie, entered_ns);
}

static void compare(struct owners *owners, uint64_t next, uint64_t entered_ns)
{
	struct tws_key key = {};
	struct tws_event ev, want, got;

	support__event(&ev);
	memcpy(key.local_addr, ev.local_addr, sizeof(key.local_addr));
	memcpy(key.peer_addr, ev.peer_addr, sizeof(key.peer_addr));
	key.netns = ev.netns;
	key.peer_port = ev.peer_port;
	for (uint64_t cookie = 0; cookie <= NUM_COOKIES; cookie++)
		for (uint16_t port = 1; port <= NUM_PORTS; port++) {
			bool wanted;

			key.local_port = port;
			wanted = search(next, &key, cookie, entered_ns, &want);
			CHECK(owners__find(owners, &key, cookie, entered_ns, &got) == wanted);
			CHECK(!wanted || !memcmp(&want, &got, sizeof(got)));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct owners *owners;
	uint64_t next, written;

	if (size < 2)
		return 0;
	memset(records, 0, sizeof(records));
	written = (size - 2) / RECORD_INPUT;
	next = data[0] & 1 ? written : written + data[0];
	for (uint64_t n = 0; n < written; n++)
		fill(&records[n % RECORDS], data + 2 + n * RECORD_INPUT, n);
	CHECK(!owners__new(&owners, records, RECORDS, next, data[1]));
	compare(owners, next, data[1] * SECOND);
	compare(owners, next, data[1] * SECOND / 2 + 7);
	owners__free(owners);
	return 0;
}
