// SPDX-License-Identifier: GPL-2.0
#include "recording/interner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/table.h"

#define TEXTS 10 /* of an identity */
#define RECENT 256 /* a power of two */

/* What an identity is found by; the rest of it is compared then. */
struct who_key {
	uint64_t cgroup_id;
	char comm[TWS_COMM_LEN];
	uint32_t uid;
	uint32_t has_uid;
};

struct who_entry {
	struct who_key key;
	char *texts; /* TEXTS strings, one after the other, "" for NULL */
	uint32_t id;
};

struct command_key {
	uint64_t hash;
};

struct command_entry {
	struct command_key key;
	char *text;
	uint32_t id;
};

/*
 * What closed last, by the numbers that a record has for its strings (see record.h), so that most of the
 * time these need not be read. Who is found here does not become younger in the tables: if it gives way
 * there it gets another id, once it is not found here either.
 */
struct recent_who {
	struct who_key key;
	uint64_t number; /* 0: none */
	uint32_t id;
};

struct recent_command {
	uint64_t number; /* 0: none */
	uint32_t id;
};

struct interner {
	struct interner_sink sink;
	struct recent_who recent_whos[RECENT];
	struct recent_command recent_commands[RECENT];
	struct table *whos, *commands;
	uint32_t next_who, next_command;
	unsigned int new_whos, new_commands; /* in this minute */
	uint64_t refused, seed;
};

/* ---- its life ---- */

static void evict_who(void *ctx, void *entry)
{
	(void)ctx;
	free(((struct who_entry *)entry)->texts);
}

static void evict_command(void *ctx, void *entry)
{
	(void)ctx;
	free(((struct command_entry *)entry)->text);
}

int interner__new(struct interner **internerp, const struct interner_sink *sink,
		  uint32_t next_who, uint32_t next_command)
{
	const struct table_options whos = {
		.key_bytes = sizeof(struct who_key), .entry_bytes = sizeof(struct who_entry),
		.max = INTERNER_WHOS, .drop_living = true, .evict = evict_who,
	};
	const struct table_options commands = {
		.key_bytes = sizeof(struct command_key),
		.entry_bytes = sizeof(struct command_entry),
		.max = INTERNER_COMMANDS, .drop_living = true, .evict = evict_command,
	};
	struct interner *in = calloc(1, sizeof(*in));
	int err;

	if (!in)
		return -ENOMEM;
	in->sink = *sink;
	in->next_who = next_who;
	in->next_command = next_command;
	in->seed = hash__random_seed();
	err = table__new(&in->whos, &whos) ?: table__new(&in->commands, &commands);
	if (err) {
		interner__free(in);
		return err;
	}
	*internerp = in;
	return 0;
}

void interner__forget(struct interner *in)
{
	memset(in->recent_whos, 0, sizeof(in->recent_whos));
	memset(in->recent_commands, 0, sizeof(in->recent_commands));
	for (void *entry = table__next(in->whos, NULL); entry;
	     entry = table__next(in->whos, entry))
		evict_who(in, entry);
	table__clear(in->whos);
	for (void *entry = table__next(in->commands, NULL); entry;
	     entry = table__next(in->commands, entry))
		evict_command(in, entry);
	table__clear(in->commands);
}

void interner__free(struct interner *in)
{
	if (!in)
		return;
	if (in->whos && in->commands)
		interner__forget(in);
	table__free(in->whos);
	table__free(in->commands);
	free(in);
}

void interner__restart(struct interner *in, uint32_t next_who, uint32_t next_command)
{
	interner__forget(in);
	in->next_who = next_who;
	in->next_command = next_command;
}

void interner__minute(struct interner *in)
{
	in->new_whos = 0;
	in->new_commands = 0;
}

uint64_t interner__refused(const struct interner *in)
{
	return in->refused;
}

/* ---- who ---- */

static void list_texts(const struct record *rec, const char *texts[TEXTS])
{
	const struct workload *w = &rec->workload;
	const char *const all[TEXTS] = {
		rec->cgroup_path, w->container_id, w->container_name, w->container_image,
		w->container_runtime, w->unit, w->pod_name, w->pod_uid, w->pod_namespace,
		w->pod_container,
	};

	for (int i = 0; i < TEXTS; i++)
		texts[i] = all[i] ? all[i] : "";
}

static bool is_same(const char *stored, const char *const texts[TEXTS])
{
	for (int i = 0; i < TEXTS; i++) {
		size_t len = strlen(texts[i]) + 1;

		/* Ends with the first byte that differs, at the latest behind a NUL. */
		if (strncmp(stored, texts[i], len))
			return false;
		stored += len;
	}
	return true;
}

static char *store(const char *const texts[TEXTS])
{
	size_t lens[TEXTS], total = 0;
	char *stored, *to;

	for (int i = 0; i < TEXTS; i++)
		total += lens[i] = strlen(texts[i]) + 1;
	stored = to = malloc(total);
	for (int i = 0; stored && i < TEXTS; i++) {
		memcpy(to, texts[i], lens[i]);
		to += lens[i];
	}
	return stored;
}

static void fill_who(struct held_who *who, const struct who_key *key, const struct record *rec)
{
	*who = (struct held_who){
		.uid = key->uid,
		.has_uid = key->has_uid,
		.command_line = rec->command_line,
		.cgroup_path = rec->cgroup_path,
		.workload = rec->workload,
	};
	memcpy(who->comm, key->comm, sizeof(who->comm));
}

static int add_who(struct interner *in, const struct who_key *key, const struct record *rec,
		   const char *const texts[TEXTS], uint32_t *id)
{
	struct who_entry *entry;
	struct held_who who;
	char *stored;
	void *found;
	int err;

	if (in->new_whos >= INTERNER_WHOS_A_MINUTE) {
		in->refused++;
		*id = 0;
		return 0;
	}
	fill_who(&who, key, rec);
	who.id = in->next_who;
	stored = store(texts);
	err = stored ? in->sink.add_who(in->sink.ctx, &who) : -ENOMEM;
	if (!err)
		err = table__get(in->whos, key, &found);
	if (err < 0) {
		free(stored);
		return err;
	}
	entry = found;
	free(entry->texts); /* of the same name elsewhere, or with less known of it */
	entry->texts = stored;
	entry->id = who.id;
	in->next_who++;
	in->new_whos++;
	*id = who.id;
	return 0;
}

static bool says_nothing(const char *const texts[TEXTS])
{
	for (int i = 0; i < TEXTS; i++)
		if (texts[i][0])
			return false;
	return true;
}

/* Where @key with the strings of that number would be. */
static struct recent_who *recent_who(struct interner *in, const struct who_key *key, uint64_t number)
{
	uint64_t comm[2];

	memcpy(comm, key->comm, sizeof(comm));
	return &in->recent_whos[hash__mix(comm[0] ^ number, comm[1] ^ key->uid ^ 0x9e3779b97f4a7c15ULL) %
				RECENT];
}

static int find_who(struct interner *in, const struct who_key *key, const struct record *rec,
		    uint32_t *id)
{
	const char *texts[TEXTS];
	struct who_entry *entry;

	list_texts(rec, texts);
	if (!key->has_uid && says_nothing(texts)) {
		*id = 0;
		return 0;
	}
	entry = table__find(in->whos, key);
	if (!entry || !is_same(entry->texts, texts))
		return add_who(in, key, rec, texts, id);
	if (entry != table__newest(in->whos))
		table__touch(in->whos, entry);
	*id = entry->id;
	return 0;
}

static int get_who(struct interner *in, const struct record *rec, uint32_t *id)
{
	const struct tws_conn *conn = &rec->event->conn;
	struct who_key key = { .cgroup_id = conn->cgroup_id };
	struct recent_who *recent;
	int err;

	if (conn->flags & TWS_F_CLOSER) {
		memcpy(key.comm, conn->comm, strnlen(conn->comm, sizeof(key.comm)));
		key.uid = conn->uid;
		key.has_uid = 1;
	}
	recent = recent_who(in, &key, rec->workload_number);
	if (recent->number && recent->number == rec->workload_number &&
	    !memcmp(&recent->key, &key, sizeof(key))) {
		*id = recent->id;
		return 0;
	}
	err = find_who(in, &key, rec, id);
	if (!err && *id)
		*recent = (struct recent_who){ key, rec->workload_number, *id };
	return err;
}

/* ---- command lines ---- */

static int add_command(struct interner *in, const struct command_key *key, const char *text,
		       uint32_t *id)
{
	const struct held_command command = { .id = in->next_command, .text = text };
	struct command_entry *entry;
	char *stored;
	void *found;
	int err;

	if (in->new_commands >= INTERNER_COMMANDS_A_MINUTE) {
		in->refused++;
		*id = 0;
		return 0;
	}
	stored = strdup(text);
	err = stored ? in->sink.add_command(in->sink.ctx, &command) : -ENOMEM;
	if (!err)
		err = table__get(in->commands, key, &found);
	if (err < 0) {
		free(stored);
		return err;
	}
	entry = found;
	free(entry->text);
	entry->text = stored;
	entry->id = command.id;
	in->next_command++;
	in->new_commands++;
	*id = command.id;
	return 0;
}

static int find_command(struct interner *in, const char *text, uint32_t *id)
{
	const struct command_key key = { hash__bytes(in->seed, text, strlen(text)) };
	struct command_entry *entry = table__find(in->commands, &key);

	if (!entry || strcmp(entry->text, text) != 0)
		return add_command(in, &key, text, id);
	if (entry != table__newest(in->commands))
		table__touch(in->commands, entry);
	*id = entry->id;
	return 0;
}

static int get_command(struct interner *in, const struct record *rec, uint32_t *id)
{
	struct recent_command *recent = &in->recent_commands[rec->command_number % RECENT];
	int err;

	*id = 0;
	if (!rec->command_line || !rec->command_line[0])
		return 0;
	if (recent->number && recent->number == rec->command_number) {
		*id = recent->id;
		return 0;
	}
	err = find_command(in, rec->command_line, id);
	if (!err && *id)
		*recent = (struct recent_command){ rec->command_number, *id };
	return err;
}

int interner__get(struct interner *in, const struct record *rec, struct held_row *row)
{
	return get_who(in, rec, &row->who) ?: get_command(in, rec, &row->command);
}
