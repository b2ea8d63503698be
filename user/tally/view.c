// SPDX-License-Identifier: GPL-2.0
#include "tally/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define CULLED (TALLY_ROWS / 8) /* rows that give way at once */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An entry of by_hash. */
struct hashed_row {
	uint64_t hash;
	uint64_t slot;
};

/* ---- rows ---- */

static const size_t string_places[] = {
	offsetof(struct record, cgroup_path),
	offsetof(struct record, netns_name),
	offsetof(struct record, interface),
	offsetof(struct record, label),
	offsetof(struct record, workload.container_id),
	offsetof(struct record, workload.container_name),
	offsetof(struct record, workload.container_image),
	offsetof(struct record, workload.container_runtime),
	offsetof(struct record, workload.unit),
	offsetof(struct record, workload.pod_name),
	offsetof(struct record, workload.pod_uid),
	offsetof(struct record, workload.pod_namespace),
	offsetof(struct record, workload.pod_container),
};

static const char **string_at(struct record *rec, size_t i)
{
	return (const char **)((char *)rec + string_places[i]);
}

/* The strings of @rec become the row's own. */
static int keep_strings(struct tally_row *row)
{
	size_t bytes = 0;
	char *to;

	for (size_t i = 0; i < COUNT(string_places); i++) {
		const char *s = *string_at(&row->sample, i);

		bytes += s ? strlen(s) + 1 : 0;
	}
	if (!bytes)
		return 0;
	to = row->strings = malloc(bytes);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < COUNT(string_places); i++) {
		const char **s = string_at(&row->sample, i);
		size_t len = *s ? strlen(*s) + 1 : 0;

		if (!*s)
			continue;
		memcpy(to, *s, len);
		*s = to;
		to += len;
	}
	return 0;
}

static void row__free(struct tally_row *row)
{
	if (!row)
		return;
	free(row->strings);
	free(row->command_line);
	free(row);
}

static struct tally_row *row__new(const struct record *rec)
{
	struct tally_row *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	row->event = *rec->event;
	row->sample = *rec;
	row->sample.event = &row->event;
	row->sample.command_line = NULL;
	if (keep_strings(row)) {
		row__free(row);
		return NULL;
	}
	return row;
}

/* A row of many has no sample. */
void tally_row__keep_command_line(struct tally_row *row, const struct record *rec)
{
	if (!row->sample.event || row->command_line || !rec->command_line)
		return;
	row->command_line = strdup(rec->command_line);
	row->sample.command_line = row->command_line;
}

void tally_row__note_process(struct tally_row *row, const struct record *rec)
{
	const struct tws_conn *conn = &rec->event->conn;

	if (!row->sample.event || !(conn->flags & TWS_F_CLOSER))
		return;
	tally_row__keep_command_line(row, rec);
	for (uint32_t i = 0; i < row->num_pids && i < TALLY_PIDS; i++)
		if (row->pids[i] == conn->tgid)
			return;
	if (row->num_pids < TALLY_PIDS)
		row->pids[row->num_pids] = conn->tgid;
	if (row->num_pids <= TALLY_PIDS)
		row->num_pids++;
}

/* ---- views ---- */

void view__bury(struct view *view)
{
	while (view->gone) {
		struct tally_row *row = view->gone;

		view->gone = row->next_gone;
		row__free(row);
	}
	view->num_gone = 0;
}

void view__free(struct view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < view->num; i++)
		row__free(view->list[i]);
	view__bury(view);
	table__free(view->by_hash);
	free(view);
}

struct view *view__new(const struct tally_keys *keys)
{
	const struct table_options opts = {
		.key_bytes = sizeof(uint64_t),
		.entry_bytes = sizeof(struct hashed_row),
		.max = TALLY_ROWS,
	};
	struct view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->keys = *keys;
	for (size_t i = 0; i < TALLY_ROWS; i++)
		view->free_slots[i] = (uint16_t)(TALLY_ROWS - 1 - i);
	view->num_free = TALLY_ROWS;
	if (table__new(&view->by_hash, &opts)) {
		free(view);
		return NULL;
	}
	return view;
}

/* NULL: there is no room. */
static struct tally_row *view__add(struct view *view, const struct record *rec, uint64_t hash)
{
	struct hashed_row *entry;
	struct tally_row *row;
	void *found;

	if (!view->num_free)
		return NULL;
	row = row__new(rec);
	if (!row)
		return NULL;
	if (table__get(view->by_hash, &hash, &found) < 0) {
		row__free(row);
		return NULL;
	}
	entry = found;
	row->hash = hash;
	row->slot = view->free_slots[--view->num_free];
	row->place = (uint32_t)view->num;
	row->number = view->came++;
	entry->slot = row->slot;
	view->slots[row->slot] = row;
	view->list[view->num++] = row;
	return row;
}

struct tally_row *view__row(struct view *view, const struct record *rec, uint64_t seed)
{
	const struct hashed_row *entry;
	uint64_t hash = seed;

	for (size_t i = 0; i < view->keys.num; i++)
		hash = field__hash(view->keys.keys[i], rec, hash);
	entry = table__find(view->by_hash, &hash);
	if (entry)
		return view->slots[entry->slot];
	return view__add(view, rec, hash) ?: &view->others;
}

struct whose_row view__whose(const struct view *view, const struct tally_row *row)
{
	if (row == &view->others)
		return (struct whose_row){ UINT16_MAX, 0 };
	return (struct whose_row){ row->slot, view->generations[row->slot] };
}

struct tally_row *view__of(struct view *view, const struct whose_row *at)
{
	if (at->slot >= TALLY_ROWS || view->generations[at->slot] != at->generation)
		return &view->others;
	return view->slots[at->slot] ?: &view->others;
}

static void merge(struct tally_row *to, const struct tally_row *from)
{
	tally__add_counts(&to->total, &from->total);
	to->closes += from->closes;
	to->failed += from->failed;
	to->closes_on += from->closes_on;
	to->failed_on += from->failed_on;
	held__merge(&to->held, &from->held);
	for (size_t i = 0; i < RECENT_SECONDS; i++) {
		to->recent.counts[i] += from->recent.counts[i];
		to->recent_failed.counts[i] += from->recent_failed.counts[i];
	}
	if (from->last_s > to->last_s)
		to->last_s = from->last_s;
}

static void view__remove(struct view *view, struct tally_row *row)
{
	struct tally_row *last = view->list[--view->num];

	merge(&view->others, row);
	view->list[row->place] = last;
	last->place = row->place;
	view->slots[row->slot] = NULL;
	view->generations[row->slot]++;
	view->free_slots[view->num_free++] = row->slot;
	table__remove(view->by_hash, table__find(view->by_hash, &row->hash));
	row->next_gone = view->gone;
	view->gone = row;
	view->num_gone++;
}

struct weight {
	struct tally_row *row;
	uint64_t weight;
	uint32_t last_s;
};

static int compare_weights(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	if (x->last_s != y->last_s)
		return x->last_s < y->last_s ? -1 : 1;
	return x->row->number < y->row->number ? -1 : 1;
}

void view__cull(struct view *view, uint32_t now_s)
{
	struct weight *weights = calloc(view->num, sizeof(*weights));
	size_t num = view->num;

	if (!weights)
		return;
	for (size_t i = 0; i < num; i++) {
		struct tally_row *row = view->list[i];

		weights[i] = (struct weight){
			row, recent__sum(&row->recent, now_s) +
			recent__sum(&row->recent_failed, now_s) + row->held.now, row->last_s };
	}
	qsort(weights, num, sizeof(*weights), compare_weights);
	for (size_t i = 0; i < CULLED && i < num; i++)
		view__remove(view, weights[i].row);
	free(weights);
}
