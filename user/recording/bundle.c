// SPDX-License-Identifier: GPL-2.0
#include "recording/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64 * 1024)

enum item_kind {
	ITEM_WHO,
	ITEM_COMMAND,
	ITEM_FLOW,
	ITEM_BLOCK,
	ITEM_MINUTE,
	ITEM_COUNTED,
	ITEM_STATES,
	ITEM_LIMITS,
	ITEM_PORTS,
	ITEM_COUNTER,
	ITEM_ACCOUNT,
	ITEM_GAP,
	ITEM_FINDING,
	ITEM_KEEP_RAW,
};

struct span {
	uint64_t since_ns, until_ns;
};

/* One thing to be added; the struct that it is stands behind it. */
struct item {
	struct item *next;
	enum item_kind kind;
	_Alignas(16) unsigned char held[];
};

struct chunk {
	struct chunk *next;
	size_t used, room;
	_Alignas(16) unsigned char bytes[];
};

struct bundle {
	struct chunk *chunks; /* that is filled, and full ones */
	struct item *first, **end;
	size_t bytes;
	uint64_t rows, file;
	bool has_file, begins_epoch, ends_epoch;
};

int bundle__new(struct bundle **bundlep)
{
	struct bundle *bundle = calloc(1, sizeof(*bundle));

	if (!bundle)
		return -ENOMEM;
	bundle->end = &bundle->first;
	bundle->bytes = sizeof(*bundle);
	*bundlep = bundle;
	return 0;
}

void bundle__free(struct bundle *bundle)
{
	if (!bundle)
		return;
	while (bundle->chunks) {
		struct chunk *chunk = bundle->chunks;

		bundle->chunks = chunk->next;
		free(chunk);
	}
	free(bundle);
}

/* ---- memory ---- */

static size_t aligned(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

/* What is given out last can be given back: see add(). */
static void *take(struct bundle *bundle, size_t size)
{
	struct chunk *chunk = bundle->chunks;
	size_t room;

	size = aligned(size);
	if (!chunk || chunk->room - chunk->used < size) {
		room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct chunk){ .next = bundle->chunks, .room = room };
		bundle->chunks = chunk;
		bundle->bytes += sizeof(*chunk) + room;
	}
	chunk->used += size;
	return chunk->bytes + chunk->used - size;
}

/*
 * The struct at @held with its strings, which stand in it at the @strings; NULL ones stay so.
 * Without memory the item is not there, and what it has taken goes with the bundle.
 */
static void *add(struct bundle *bundle, enum item_kind kind, const void *held, size_t size,
		 const size_t *strings, size_t num_strings)
{
	struct item *item = take(bundle, sizeof(*item) + size);

	if (!item)
		return NULL;
	item->next = NULL;
	item->kind = kind;
	memcpy(item->held, held, size);
	for (size_t i = 0; i < num_strings; i++) {
		const char *text;
		char *copy;

		memcpy(&text, item->held + strings[i], sizeof(text));
		if (!text)
			continue;
		copy = take(bundle, strlen(text) + 1);
		if (!copy)
			return NULL;
		memcpy(copy, text, strlen(text) + 1);
		memcpy(item->held + strings[i], &copy, sizeof(copy));
	}
	*bundle->end = item;
	bundle->end = &item->next;
	return item->held;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- what is added ---- */

int bundle__add_who(struct bundle *bundle, const struct held_who *who)
{
	static const size_t strings[] = {
		offsetof(struct held_who, command_line),
		offsetof(struct held_who, cgroup_path),
		offsetof(struct held_who, workload.container_id),
		offsetof(struct held_who, workload.container_name),
		offsetof(struct held_who, workload.container_image),
		offsetof(struct held_who, workload.container_runtime),
		offsetof(struct held_who, workload.unit),
		offsetof(struct held_who, workload.pod_name),
		offsetof(struct held_who, workload.pod_uid),
		offsetof(struct held_who, workload.pod_namespace),
		offsetof(struct held_who, workload.pod_container),
	};

	return add(bundle, ITEM_WHO, who, sizeof(*who), strings, COUNT(strings)) ? 0 : -ENOMEM;
}

int bundle__add_command(struct bundle *bundle, const struct held_command *command)
{
	static const size_t strings[] = { offsetof(struct held_command, text) };

	return add(bundle, ITEM_COMMAND, command, sizeof(*command), strings, 1) ? 0 : -ENOMEM;
}

int bundle__add_flow(struct bundle *bundle, const struct held_flow *flow)
{
	return add(bundle, ITEM_FLOW, flow, sizeof(*flow), NULL, 0) ? 0 : -ENOMEM;
}

int bundle__add_block(struct bundle *bundle, const struct held_block *block)
{
	uint8_t *data = take(bundle, block->size);
	struct held_block *held;

	if (!data)
		return -ENOMEM;
	memcpy(data, block->data, block->size);
	held = add(bundle, ITEM_BLOCK, block, sizeof(*block), NULL, 0);
	if (!held)
		return -ENOMEM;
	held->data = data;
	return 0;
}

int bundle__add_minute(struct bundle *bundle, const struct held_minute *minute)
{
	return add(bundle, ITEM_MINUTE, minute, sizeof(*minute), NULL, 0) ? 0 : -ENOMEM;
}

int bundle__add_counted(struct bundle *bundle, uint64_t row)
{
	return add(bundle, ITEM_COUNTED, &row, sizeof(row), NULL, 0) ? 0 : -ENOMEM;
}

int bundle__add_states(struct bundle *bundle, const struct held_states *states)
{
	static const size_t strings[] = { offsetof(struct held_states, netns_name) };

	return add(bundle, ITEM_STATES, states, sizeof(*states), strings, 1) ? 0 : -ENOMEM;
}

int bundle__add_limits(struct bundle *bundle, const struct held_limits *limits)
{
	static const size_t strings[] = { offsetof(struct held_limits, netns_name) };

	return add(bundle, ITEM_LIMITS, limits, sizeof(*limits), strings, 1) ? 0 : -ENOMEM;
}

int bundle__add_ports(struct bundle *bundle, const struct held_ports *ports)
{
	return add(bundle, ITEM_PORTS, ports, sizeof(*ports), NULL, 0) ? 0 : -ENOMEM;
}

int bundle__add_counter(struct bundle *bundle, const struct held_counter *counter)
{
	static const size_t strings[] = { offsetof(struct held_counter, name) };

	return add(bundle, ITEM_COUNTER, counter, sizeof(*counter), strings, 1) ? 0 : -ENOMEM;
}

int bundle__add_account(struct bundle *bundle, const struct held_account *account)
{
	return add(bundle, ITEM_ACCOUNT, account, sizeof(*account), NULL, 0) ? 0 : -ENOMEM;
}

int bundle__add_gap(struct bundle *bundle, const struct held_gap *gap)
{
	static const size_t strings[] = { offsetof(struct held_gap, detail) };

	return add(bundle, ITEM_GAP, gap, sizeof(*gap), strings, 1) ? 0 : -ENOMEM;
}

int bundle__add_finding(struct bundle *bundle, const struct held_finding *finding)
{
	static const size_t strings[] = { offsetof(struct held_finding, id),
					  offsetof(struct held_finding, text) };

	return add(bundle, ITEM_FINDING, finding, sizeof(*finding), strings, 2) ? 0 : -ENOMEM;
}

int bundle__add_keep_raw(struct bundle *bundle, uint64_t since_ns, uint64_t until_ns)
{
	const struct span span = { since_ns, until_ns };

	return add(bundle, ITEM_KEEP_RAW, &span, sizeof(span), NULL, 0) ? 0 : -ENOMEM;
}

void bundle__begin_epoch(struct bundle *bundle)
{
	bundle->begins_epoch = true;
}

bool bundle__begins_epoch(const struct bundle *bundle)
{
	return bundle->begins_epoch;
}

void bundle__end_epoch(struct bundle *bundle)
{
	bundle->ends_epoch = true;
}

bool bundle__ends_epoch(const struct bundle *bundle)
{
	return bundle->ends_epoch;
}

void bundle__count_rows(struct bundle *bundle, uint64_t rows)
{
	bundle->rows += rows;
}

uint64_t bundle__rows(const struct bundle *bundle)
{
	return bundle->rows;
}

bool bundle__is_empty(const struct bundle *bundle)
{
	return !bundle->first;
}

void bundle__set_file(struct bundle *bundle, uint64_t file)
{
	bundle->file = file;
	bundle->has_file = true;
}

bool bundle__is_for(const struct bundle *bundle, uint64_t file)
{
	return !bundle->has_file || bundle->file == file;
}

size_t bundle__bytes(const struct bundle *bundle)
{
	return bundle->bytes;
}

/* ---- writing ---- */

static int write_item(const struct item *item, struct recording *rec)
{
	const void *held = item->held;
	const struct span *span = held;

	switch (item->kind) {
	case ITEM_WHO:
		return recording__add_who(rec, held);
	case ITEM_COMMAND:
		return recording__add_command(rec, held);
	case ITEM_FLOW:
		return recording__add_flow(rec, held);
	case ITEM_BLOCK:
		return recording__add_block(rec, held);
	case ITEM_MINUTE:
		return recording__add_minute(rec, held);
	case ITEM_COUNTED:
		return recording__set_counted(rec, *(const uint64_t *)held);
	case ITEM_STATES:
		return recording__add_states(rec, held);
	case ITEM_LIMITS:
		return recording__add_limits(rec, held);
	case ITEM_PORTS:
		return recording__add_ports(rec, held);
	case ITEM_COUNTER:
		return recording__add_counter(rec, held);
	case ITEM_ACCOUNT:
		return recording__add_account(rec, held);
	case ITEM_GAP:
		return recording__add_gap(rec, held);
	case ITEM_FINDING:
		return recording__add_finding(rec, held);
	case ITEM_KEEP_RAW:
		return recording__keep_raw(rec, span->since_ns, span->until_ns);
	}
	return -EINVAL;
}

/* What begin or an add returned is what commit returns: so each transaction ends in one. One that could
 * not begin is none the less open: the next one could not begin either. */
int bundle__write(const struct bundle *bundle, struct recording *rec, uint64_t now_ns)
{
	int err = recording__begin(rec);

	for (const struct item *item = bundle->first; item && !err; item = item->next)
		err = write_item(item, rec);
	return recording__commit(rec, now_ns) ?: err;
}
