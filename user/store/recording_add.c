// SPDX-License-Identifier: GPL-2.0
/* What goes into a recording, a row each. */
#include <string.h>

#include "store/db.h"
#include "store/histogram.h"
#include "store/recording_file.h"

static sqlite3_stmt *prepare(struct recording *rec, enum recording_stmt which)
{
	return rec->err ? NULL : recording__stmt(rec, which);
}

/* Of a row that names ids. */
static sqlite3_stmt *prepare_in_epoch(struct recording *rec, enum recording_stmt which)
{
	return recording__put_epoch(rec) ? NULL : prepare(rec, which);
}

static void use_id(uint32_t *next, uint32_t id)
{
	if (id >= *next)
		*next = id + 1;
}

int recording__add_who(struct recording *rec, const struct held_who *who)
{
	sqlite3_stmt *stmt = prepare_in_epoch(rec, STMT_ADD_WHO);

	if (!stmt)
		return rec->err;
	use_id(&rec->now.next.who, who->id);
	db__bind_number(stmt, 1, who->id);
	db__bind_comm(stmt, 2, who->comm);
	if (who->has_uid)
		db__bind_number(stmt, 3, who->uid);
	db__bind_string(stmt, 4, who->command_line);
	db__bind_string(stmt, 5, who->cgroup_path);
	db__bind_string(stmt, 6, who->workload.container_name);
	db__bind_string(stmt, 7, who->workload.container_id);
	db__bind_string(stmt, 8, who->workload.container_image);
	db__bind_string(stmt, 9, who->workload.container_runtime);
	db__bind_string(stmt, 10, who->workload.unit);
	db__bind_string(stmt, 11, who->workload.pod_name);
	db__bind_string(stmt, 12, who->workload.pod_uid);
	db__bind_string(stmt, 13, who->workload.pod_namespace);
	db__bind_string(stmt, 14, who->workload.pod_container);
	return recording__run(rec, stmt);
}

int recording__add_command(struct recording *rec, const struct held_command *command)
{
	sqlite3_stmt *stmt = prepare_in_epoch(rec, STMT_ADD_COMMAND);

	if (!stmt)
		return rec->err;
	use_id(&rec->now.next.command, command->id);
	db__bind_number(stmt, 1, command->id);
	db__bind_string(stmt, 2, command->text);
	return recording__run(rec, stmt);
}

int recording__add_flow(struct recording *rec, const struct held_flow *flow)
{
	sqlite3_stmt *stmt = prepare_in_epoch(rec, STMT_ADD_FLOW);
	char local[DB_ADDRESS_BYTES], peer[DB_ADDRESS_BYTES];

	if (!stmt)
		return rec->err;
	use_id(&rec->now.next.flow, flow->id);
	db__bind_number(stmt, 1, flow->id);
	db__bind_string(stmt, 2, db__format_address(local, flow->family, flow->local_addr, 0));
	db__bind_known(stmt, 3, flow->local_port);
	if (flow->peer_len)
		db__bind_string(stmt, 4, db__format_address(peer, flow->family, flow->peer_addr,
							    flow->peer_len));
	db__bind_known(stmt, 5, flow->peer_port);
	db__bind_number(stmt, 6, flow->netns);
	db__bind_number(stmt, 7, flow->action);
	db__bind_number(stmt, 8, flow->side);
	db__bind_number(stmt, 9, flow->cause);
	db__bind_known(stmt, 10, flow->end);
	db__bind_known(stmt, 11, flow->error);
	return recording__run(rec, stmt);
}

/* ---- raw rows ---- */

/* One tail of which @block has the rows. Returns 1 if there was one. */
static int replace_tail(struct recording *rec, const struct held_block *block, bool *keep)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_FIND_TAIL);
	uint64_t first_row = 0, bytes = 0;
	int rc;

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, block->first_row);
	db__bind_number(stmt, 2, block->first_row + block->rows);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		first_row = db__column_u64(stmt, 0);
		bytes = db__column_u64(stmt, 1);
		*keep |= sqlite3_column_int(stmt, 2) != 0;
	}
	sqlite3_reset(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 0 : recording__fail(rec, rc);
	if (recording__remove_block(rec, first_row, bytes))
		return rec->err;
	return 1;
}

static bool is_kept(const struct recording *rec, const struct held_block *block)
{
	for (unsigned int i = 0; i < rec->num_keeps; i++)
		if (block->since_ns <= rec->keeps[i].until_ns &&
		    block->until_ns >= rec->keeps[i].since_ns)
			return true;
	return block->keep;
}

static int add_data(struct recording *rec, const struct held_block *block)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_BLOCK_DATA);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, block->first_row);
	sqlite3_bind_blob64(stmt, 2, block->data, block->size, SQLITE_STATIC);
	return recording__run(rec, stmt);
}

int recording__add_block(struct recording *rec, const struct held_block *block)
{
	bool keep = is_kept(rec, block);
	uint32_t pages = (uint32_t)(block->size / (RECORDING_PAGE_BYTES - 4)) + 8;
	sqlite3_stmt *stmt;
	int ret = rec->err;

	if (!block->is_tail && !ret)
		while ((ret = replace_tail(rec, block, &keep)) > 0)
			;
	if (ret || recording__make_room(rec, pages, UINT32_MAX))
		return rec->err;
	stmt = prepare_in_epoch(rec, STMT_ADD_BLOCK);
	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, block->first_row);
	db__bind_number(stmt, 2, block->rows);
	db__bind_number(stmt, 3, block->run);
	db__bind_number(stmt, 4, rec->epoch);
	db__bind_number(stmt, 5, block->since_ns);
	db__bind_number(stmt, 6, block->until_ns);
	db__bind_number(stmt, 7, block->is_tail);
	db__bind_number(stmt, 8, keep);
	db__bind_number(stmt, 9, block->size);
	if (recording__run(rec, stmt) || add_data(rec, block))
		return rec->err;
	rec->now.raw_bytes += block->size;
	if (block->first_row + block->rows > rec->now.next.row)
		rec->now.next.row = block->first_row + block->rows;
	return 0;
}

static void remember_keep(struct recording *rec, uint64_t since_ns, uint64_t until_ns)
{
	struct recording_keep *last = &rec->keeps[rec->num_keeps];

	if (rec->num_keeps && last[-1].until_ns >= since_ns && last[-1].since_ns <= until_ns) {
		last--;
		last->since_ns = since_ns < last->since_ns ? since_ns : last->since_ns;
		last->until_ns = until_ns > last->until_ns ? until_ns : last->until_ns;
		return;
	}
	if (rec->num_keeps == RECORDING_KEEPS) {
		memmove(rec->keeps, rec->keeps + 1, sizeof(rec->keeps) - sizeof(rec->keeps[0]));
		last--;
	} else {
		rec->num_keeps++;
	}
	*last = (struct recording_keep){ since_ns, until_ns };
}

int recording__keep_raw(struct recording *rec, uint64_t since_ns, uint64_t until_ns)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_KEEP_BLOCKS);

	if (!stmt)
		return rec->err;
	remember_keep(rec, since_ns, until_ns);
	db__bind_number(stmt, 1, since_ns);
	db__bind_number(stmt, 2, until_ns);
	return recording__run(rec, stmt);
}

/* ---- minutes ---- */

static void bind_minute(sqlite3_stmt *stmt, const struct held_minute *minute,
			uint8_t histogram[HISTOGRAM_BYTES])
{
	size_t bytes = histogram__encode(histogram, minute);

	db__bind_number(stmt, 1, minute->wall_ns / RECORDING_NS_PER_MINUTE);
	db__bind_number(stmt, 2, minute->who);
	db__bind_number(stmt, 3, minute->flow);
	db__bind_number(stmt, 4, minute->count);
	db__bind_number(stmt, 5, minute->tx_bytes);
	db__bind_number(stmt, 6, minute->rx_bytes);
	db__bind_number(stmt, 7, minute->lifetime_ns);
	if (minute->lifetimes != minute->count)
		db__bind_number(stmt, 8, minute->lifetimes);
	if (bytes)
		sqlite3_bind_blob(stmt, 9, histogram, (int)bytes, SQLITE_STATIC);
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* The row that is there is read into @sum, and @more added. */
static int sum_minutes(struct recording *rec, const struct held_minute *more,
		       struct held_minute *sum)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_GET_MINUTE);
	int rc;

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, more->wall_ns / RECORDING_NS_PER_MINUTE);
	db__bind_number(stmt, 2, more->who);
	db__bind_number(stmt, 3, more->flow);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*sum = *more;
		sum->count = db__column_u64(stmt, 0);
		sum->lifetime_ns = db__column_u64(stmt, 3);
		sum->lifetimes = sqlite3_column_type(stmt, 4) == SQLITE_NULL ?
					 sum->count : db__column_u64(stmt, 4);
		histogram__decode(sqlite3_column_blob(stmt, 5),
				  (size_t)sqlite3_column_bytes(stmt, 5), sum);
		for (unsigned int i = 0; i < HELD_BUCKETS; i++)
			sum->buckets[i] += more->buckets[i];
		sum->count = add(sum->count, more->count);
		sum->lifetimes = add(sum->lifetimes, more->lifetimes);
		sum->lifetime_ns = add(sum->lifetime_ns, more->lifetime_ns);
		sum->tx_bytes = add(db__column_u64(stmt, 1), more->tx_bytes);
		sum->rx_bytes = add(db__column_u64(stmt, 2), more->rx_bytes);
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW ? 0 : recording__fail(rec, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
}

int recording__add_minute(struct recording *rec, const struct held_minute *minute)
{
	int64_t number = (int64_t)(minute->wall_ns / RECORDING_NS_PER_MINUTE);
	sqlite3_stmt *stmt = prepare_in_epoch(rec, STMT_ADD_MINUTE);
	uint8_t histogram[HISTOGRAM_BYTES];
	struct held_minute sum = { 0 };
	int rc;

	if (!stmt)
		return rec->err;
	if (number > rec->now.last_minute) {
		rec->now.last_minute = number;
		rec->now.has_last_minute = false;
	}
	bind_minute(stmt, minute, histogram);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	if (rc == SQLITE_DONE) {
		rec->now.minute_rows++;
		return 0;
	}
	if (rc != SQLITE_CONSTRAINT_PRIMARYKEY)
		return recording__fail(rec, rc);
	if (sum_minutes(rec, minute, &sum))
		return rec->err;
	stmt = prepare(rec, STMT_SET_MINUTE);
	if (!stmt)
		return rec->err;
	bind_minute(stmt, &sum, histogram);
	return recording__run(rec, stmt);
}

int recording__set_counted(struct recording *rec, uint64_t row)
{
	if (rec->err)
		return rec->err;
	if (row > rec->now.counted)
		rec->now.counted = row;
	if (row > rec->now.next.row)
		rec->now.next.row = row;
	return 0;
}

/* ---- samples ---- */

int recording__add_states(struct recording *rec, const struct held_states *states)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_STATES);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, states->wall_ns);
	db__bind_number(stmt, 2, states->netns);
	db__bind_string(stmt, 3, states->netns_name);
	for (int i = 1; i < HELD_STATES; i++)
		db__bind_number(stmt, 3 + i, states->states[i]);
	db__bind_number(stmt, 3 + HELD_STATES, states->fin_wait2_minis);
	return recording__run(rec, stmt);
}

static void bind_setting(sqlite3_stmt *stmt, int at, int32_t value)
{
	if (value >= 0)
		sqlite3_bind_int(stmt, at, value);
}

int recording__add_limits(struct recording *rec, const struct held_limits *limits)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_LIMITS);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, limits->wall_ns);
	db__bind_number(stmt, 2, limits->netns);
	db__bind_string(stmt, 3, limits->netns_name);
	db__bind_known(stmt, 4, limits->max_tw_buckets);
	db__bind_known(stmt, 5, limits->fin_timeout_ms);
	db__bind_known(stmt, 6, limits->reuse_delay_ms);
	bind_setting(stmt, 7, limits->tw_reuse);
	bind_setting(stmt, 8, limits->timestamps);
	db__bind_known(stmt, 9, limits->first_port);
	db__bind_known(stmt, 10, limits->last_port);
	db__bind_known(stmt, 11, limits->usable_ports);
	return recording__run(rec, stmt);
}

static void bind_owners(sqlite3_stmt *stmt, const struct held_ports *ports)
{
	for (int i = 0; i < 3; i++) {
		int at = 20 + 4 * i;

		if (!ports->owners[i].count)
			continue;
		db__bind_comm(stmt, at, ports->owners[i].comm);
		db__bind_known(stmt, at + 1, ports->owners[i].tgid);
		db__bind_number(stmt, at + 2, ports->owners[i].count);
		db__bind_number(stmt, at + 3, ports->owners[i].inferred);
	}
}

int recording__add_ports(struct recording *rec, const struct held_ports *ports)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_PORTS);
	char local[DB_ADDRESS_BYTES], peer[DB_ADDRESS_BYTES];

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, ports->wall_ns);
	db__bind_number(stmt, 2, rec->now.places++);
	db__bind_number(stmt, 3, ports->scope);
	db__bind_string(stmt, 4, db__format_address(local, ports->family, ports->key.local_addr,
						    0));
	if (ports->scope != HELD_PORTS_ALL)
		db__bind_string(stmt, 5, db__format_address(peer, ports->family,
							    ports->key.peer_addr, 0));
	db__bind_known(stmt, 6, ports->key.peer_port);
	db__bind_number(stmt, 7, ports->key.netns);
	db__bind_known(stmt, 8, ports->key.ifindex);
	db__bind_known(stmt, 9, ports->usable);
	db__bind_number(stmt, 10, ports->time_wait);
	db__bind_number(stmt, 11, ports->live);
	db__bind_number(stmt, 12, ports->close_wait);
	db__bind_number(stmt, 13, ports->bound);
	db__bind_number(stmt, 14, ports->reusable);
	if (ports->has_left)
		db__bind_number(stmt, 15, ports->left);
	db__bind_known(stmt, 16, ports->first_port);
	db__bind_known(stmt, 17, ports->last_port);
	db__bind_number(stmt, 18, ports->unknown);
	db__bind_number(stmt, 19, ports->names);
	bind_owners(stmt, ports);
	return recording__run(rec, stmt);
}

static int counter_name(struct recording *rec, const char *name, int64_t *id)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_GET_COUNTER_NAME);
	int rc;

	if (!stmt)
		return rec->err;
	db__bind_string(stmt, 1, name);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*id = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	if (rc == SQLITE_ROW)
		return 0;
	if (rc != SQLITE_DONE)
		return recording__fail(rec, rc);
	stmt = prepare(rec, STMT_ADD_COUNTER_NAME);
	if (!stmt)
		return rec->err;
	db__bind_string(stmt, 1, name);
	if (!recording__run(rec, stmt))
		*id = sqlite3_last_insert_rowid(rec->db);
	return rec->err;
}

int recording__add_counter(struct recording *rec, const struct held_counter *counter)
{
	sqlite3_stmt *stmt;
	int64_t id = 0;

	if (rec->err || counter_name(rec, counter->name, &id))
		return rec->err;
	stmt = prepare(rec, STMT_ADD_COUNTER);
	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, counter->wall_ns);
	db__bind_number(stmt, 2, counter->netns);
	sqlite3_bind_int64(stmt, 3, id);
	db__bind_number(stmt, 4, counter->value);
	return recording__run(rec, stmt);
}

/* ---- of the recording itself ---- */

int recording__add_account(struct recording *rec, const struct held_account *account)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_ACCOUNT);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, account->wall_ns);
	db__bind_number(stmt, 2, account->run);
	db__bind_number(stmt, 3, account->told.delivered);
	db__bind_number(stmt, 4, account->told.lost);
	db__bind_number(stmt, 5, account->told.map_full);
	db__bind_number(stmt, 6, account->told.recursion);
	db__bind_number(stmt, 7, account->told.snapshot);
	db__bind_number(stmt, 8, account->told.unattributed);
	db__bind_number(stmt, 9, account->told.no_end);
	return recording__run(rec, stmt);
}

int recording__add_gap(struct recording *rec, const struct held_gap *gap)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_GAP);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, gap->since_ns);
	db__bind_number(stmt, 2, gap->until_ns);
	db__bind_number(stmt, 3, gap->run);
	db__bind_number(stmt, 4, gap->reason);
	db__bind_number(stmt, 5, gap->events);
	db__bind_string(stmt, 6, gap->detail);
	return recording__run(rec, stmt);
}

int recording__add_finding(struct recording *rec, const struct held_finding *finding)
{
	sqlite3_stmt *stmt = prepare(rec, STMT_ADD_FINDING);

	if (!stmt)
		return rec->err;
	db__bind_number(stmt, 1, finding->wall_ns);
	db__bind_string(stmt, 2, finding->id);
	db__bind_number(stmt, 3, finding->severity);
	db__bind_number(stmt, 4, finding->who);
	db__bind_number(stmt, 5, finding->flow);
	db__bind_number(stmt, 6, finding->count);
	db__bind_string(stmt, 7, finding->text);
	return recording__run(rec, stmt);
}
