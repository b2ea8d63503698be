// SPDX-License-Identifier: GPL-2.0
/* Who, command and flow by their ids: those that were asked for last are kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "store/db.h"
#include "store/history_file.h"

#define KEPT 16384 /* of each kind */
#define WHO_STRINGS 11

struct known_who {
	uint64_t id;
	struct held_who who;
	char *strings; /* all of its strings */
};

struct known_command {
	uint64_t id;
	char *text;
};

struct known_flow {
	uint64_t id;
	struct held_flow flow;
};

static const char *const sql[NAMES] = {
	[NAME_WHO] = ("SELECT name, uid, command_line, cgroup, container, container_id, image, "
		      "runtime, unit, pod, pod_uid, pod_namespace, pod_container FROM who "
		      "WHERE id = ?1"),
	[NAME_COMMAND] = "SELECT command_line FROM command WHERE id = ?1",
	[NAME_FLOW] = ("SELECT local_address, local_port, peer_address, peer_port, netns, action, "
		       "side, cause, end, errno FROM flow WHERE id = ?1"),
};

static const char *const tables[NAMES] = { "who", "command", "flow" };

static void evict_who(void *ctx, void *entry)
{
	(void)ctx;
	free(((struct known_who *)entry)->strings);
}

static void evict_command(void *ctx, void *entry)
{
	(void)ctx;
	free(((struct known_command *)entry)->text);
}

int history__new_names(struct history *history)
{
	const struct table_options opts[NAMES] = {
		[NAME_WHO] = { .entry_bytes = sizeof(struct known_who), .evict = evict_who },
		[NAME_COMMAND] = { .entry_bytes = sizeof(struct known_command),
				   .evict = evict_command },
		[NAME_FLOW] = { .entry_bytes = sizeof(struct known_flow) },
	};

	for (unsigned int i = 0; i < NAMES; i++) {
		struct table_options own = opts[i];

		own.key_bytes = sizeof(uint64_t);
		own.max = KEPT;
		own.drop_living = true;
		if (table__new(&history->names[i], &own))
			return -ENOMEM;
	}
	return 0;
}

void history__free_names(struct history *history)
{
	void *entry;

	if (history->names[NAME_WHO])
		for (entry = NULL; (entry = table__next(history->names[NAME_WHO], entry));)
			evict_who(NULL, entry);
	if (history->names[NAME_COMMAND])
		for (entry = NULL; (entry = table__next(history->names[NAME_COMMAND], entry));)
			evict_command(NULL, entry);
	for (unsigned int i = 0; i < NAMES; i++) {
		table__free(history->names[i]);
		history->names[i] = NULL;
	}
}

/* The row of @id, or NULL. To be reset by the caller. */
static sqlite3_stmt *find_row(struct history *history, enum history_name name, uint32_t id)
{
	sqlite3_stmt **stmt = &history->name_stmts[name];

	if (!id || !history__has_table(history, tables[name]) || history__refresh(history) < 0)
		return NULL;
	if (!*stmt && sqlite3_prepare_v3(history->db, sql[name], -1, SQLITE_PREPARE_PERSISTENT,
					 stmt, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_int64(*stmt, 1, id);
	if (history__step(history, *stmt) == SQLITE_ROW)
		return *stmt;
	sqlite3_reset(*stmt);
	return NULL;
}

/* A new entry for @id, or NULL. */
static void *new_entry(struct history *history, enum history_name name, uint32_t id)
{
	const uint64_t key = id;
	void *entry;

	return table__get(history->names[name], &key, &entry) == 1 ? entry : NULL;
}

static void *known(struct history *history, enum history_name name, uint32_t id)
{
	const uint64_t key = id;
	void *entry = table__find(history->names[name], &key);

	if (entry)
		table__touch(history->names[name], entry);
	return entry;
}

/* ---- who ---- */

static size_t strings_bytes(sqlite3_stmt *stmt)
{
	size_t bytes = 0, len;

	for (int i = 2; i < 2 + WHO_STRINGS; i++)
		if (db__column_bytes(stmt, i, &len))
			bytes += len + 1;
	return bytes;
}

static int fill_who(struct known_who *known, sqlite3_stmt *stmt)
{
	struct held_who *who = &known->who;
	struct workload *workload = &who->workload;
	const char **fields[WHO_STRINGS] = {
		&who->command_line, &who->cgroup_path, &workload->container_name,
		&workload->container_id, &workload->container_image, &workload->container_runtime,
		&workload->unit, &workload->pod_name, &workload->pod_uid,
		&workload->pod_namespace, &workload->pod_container,
	};
	char *at = malloc(strings_bytes(stmt) + 1);

	if (!at)
		return -ENOMEM;
	known->strings = at;
	who->id = (uint32_t)known->id;
	db__column_comm(stmt, 0, who->comm);
	who->has_uid = sqlite3_column_type(stmt, 1) == SQLITE_INTEGER;
	who->uid = db__column_u32(stmt, 1);
	for (int i = 0; i < WHO_STRINGS; i++) {
		size_t len;
		const char *bytes = db__column_bytes(stmt, 2 + i, &len);

		if (!bytes)
			continue;
		*fields[i] = memcpy(at, bytes, len);
		at[len] = '\0';
		at += len + 1;
	}
	return 0;
}

const struct held_who *history__who(struct history *history, uint32_t id)
{
	struct known_who *who = known(history, NAME_WHO, id);
	sqlite3_stmt *stmt;

	if (who)
		return &who->who;
	stmt = find_row(history, NAME_WHO, id);
	if (!stmt)
		return NULL;
	who = new_entry(history, NAME_WHO, id);
	if (who && fill_who(who, stmt)) {
		table__remove(history->names[NAME_WHO], who);
		who = NULL;
	}
	sqlite3_reset(stmt);
	return who ? &who->who : NULL;
}

/* ---- commands ---- */

const char *history__command(struct history *history, uint32_t id)
{
	struct known_command *command = known(history, NAME_COMMAND, id);
	sqlite3_stmt *stmt;
	const char *bytes;
	size_t len;

	if (command)
		return command->text;
	stmt = find_row(history, NAME_COMMAND, id);
	if (!stmt)
		return NULL;
	bytes = db__column_bytes(stmt, 0, &len);
	command = bytes ? new_entry(history, NAME_COMMAND, id) : NULL;
	if (command)
		command->text = strndup(bytes, len);
	if (command && !command->text) {
		table__remove(history->names[NAME_COMMAND], command);
		command = NULL;
	}
	sqlite3_reset(stmt);
	return command ? command->text : NULL;
}

/* ---- flows ---- */

/* Returns whether it makes sense. */
static bool fill_flow(struct held_flow *flow, sqlite3_stmt *stmt)
{
	uint8_t peer_family = 0, len;
	const char *text;
	size_t bytes;

	*flow = (struct held_flow){
		.local_port = db__column_u16(stmt, 1), .peer_port = db__column_u16(stmt, 3),
		.netns = db__column_u32(stmt, 4), .action = db__column_u8(stmt, 5),
		.side = db__column_u8(stmt, 6), .cause = db__column_u8(stmt, 7),
		.end = db__column_u8(stmt, 8), .error = db__column_u32(stmt, 9),
	};
	text = db__column_bytes(stmt, 0, &bytes);
	if (!text || db__parse_address(text, bytes, &flow->family, flow->local_addr, &len))
		return false;
	text = db__column_bytes(stmt, 2, &bytes);
	if (text && (db__parse_address(text, bytes, &peer_family, flow->peer_addr,
				       &flow->peer_len) || peer_family != flow->family))
		return false;
	return flow->action > 0 && flow->action < TWS_ACTION_END && flow->side < TWS_SIDE_END &&
	       flow->cause < TWS_CAUSE_END && flow->end < TWS_END_END;
}

const struct held_flow *history__flow(struct history *history, uint32_t id)
{
	struct known_flow *flow = known(history, NAME_FLOW, id);
	struct held_flow filled;
	sqlite3_stmt *stmt;

	if (flow)
		return &flow->flow;
	stmt = find_row(history, NAME_FLOW, id);
	if (!stmt)
		return NULL;
	if (fill_flow(&filled, stmt)) {
		filled.id = id;
		flow = new_entry(history, NAME_FLOW, id);
		if (flow)
			flow->flow = filled;
	}
	sqlite3_reset(stmt);
	return flow ? &flow->flow : NULL;
}
