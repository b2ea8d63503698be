// SPDX-License-Identifier: GPL-2.0
/*
 * A recording with some bytes changed, or cut off: all of it is read without harm, keys rise, and
 * it ends. The input is a list of changes: three bytes say where, one what is there instead.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/block.h"
#include "store/history.h"
#include "store/recording.h"
#include "tests/unit/support.h"

#define BEGIN_NS 1795329600000000000ULL
#define MINUTE_NS 60000000000ULL
#define MINUTES 20
#define ROWS 30

static char path[64], wal[80];
static unsigned char *whole;
static size_t whole_bytes;
static const struct history_span all = { 0, 0 };
static const struct history_span some = { BEGIN_NS + 5 * MINUTE_NS, BEGIN_NS + 9 * MINUTE_NS };

/* ---- a recording ---- */

static void add_names(struct recording *rec)
{
	for (uint32_t id = 1; id < 20; id++) {
		struct held_who who = {
			.id = id, .comm = "nginx", .command_line = "nginx: worker",
			.workload.container_name = "web",
		};
		struct held_flow flow = {
			.id = id, .family = AF_INET, .peer_len = 24, .action = TWS_TIME_WAIT,
			.side = TWS_SIDE_SERVER, .local_port = 443,
		};

		CHECK(!recording__add_who(rec, &who));
		CHECK(!recording__add_flow(rec, &flow));
	}
	CHECK(!recording__add_command(rec, &(struct held_command){ 1, "curl" }));
}

static void add_samples(struct recording *rec, uint64_t ns)
{
	const struct held_states states = { .wall_ns = ns, .netns = 1, .netns_name = "blue" };
	const struct held_limits limits = { .wall_ns = ns, .netns = 1, .max_tw_buckets = 5 };
	const struct held_ports ports = { .wall_ns = ns, .family = AF_INET, .names = 1,
					  .owners = { { .comm = "wrk", .count = 1 } } };
	const struct held_counter counter = { .wall_ns = ns, .name = "TcpExt.TW", .value = 1 };
	const struct held_account account = { .wall_ns = ns, .run = 1 };
	const struct held_gap gap = { .since_ns = ns, .until_ns = ns + 1, .detail = "x", .reason = 1 };
	const struct held_finding finding = { .wall_ns = ns, .id = "limit-near", .text = "x" };

	CHECK(!recording__add_states(rec, &states) && !recording__add_limits(rec, &limits));
	CHECK(!recording__add_ports(rec, &ports) && !recording__add_counter(rec, &counter));
	CHECK(!recording__add_account(rec, &account) && !recording__add_gap(rec, &gap));
	CHECK(!recording__add_finding(rec, &finding));
}

static void add_rows(struct recording *rec, struct block_builder *builder, unsigned int minute)
{
	struct held_block block = {
		.first_row = 1 + minute * ROWS, .rows = ROWS, .run = 1,
		.since_ns = BEGIN_NS + minute * MINUTE_NS, .until_ns = BEGIN_NS + minute * MINUTE_NS,
	};

	block_builder__clear(builder);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct held_row row = { .wall_ns = block.since_ns, .who = 1 + i % 19, .command = 1 };
		struct held_minute held = {
			.wall_ns = block.since_ns, .who = 1 + i % 19, .flow = 1 + i % 7, .count = 1 + i,
			.lifetimes = 2, .lifetime_ns = i, .buckets = { 2 },
		};

		support__event(&row.event);
		row.event.cookie = block.first_row + i;
		CHECK(!block_builder__add(builder, &row));
		CHECK(!recording__add_minute(rec, &held));
	}
	CHECK(!block_builder__encode(builder, 0, 1, &block.data, &block.size));
	CHECK(!recording__add_block(rec, &block));
}

static void read_whole(void)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	CHECK(fd >= 0 && !fstat(fd, &st));
	whole_bytes = (size_t)st.st_size;
	whole = malloc(whole_bytes);
	CHECK(whole && read(fd, whole, whole_bytes) == (ssize_t)whole_bytes);
	close(fd);
}

static void remove_file(void)
{
	unlink(path);
	unlink(wal);
}

static void make(void)
{
	const struct recording_options opts = { .size_bytes = 8 << 20, .raw_percent = 50 };
	const struct held_run run = { .since_ns = BEGIN_NS, .version = "0", .host = "h" };
	struct store_failure failure;
	struct block_builder *builder;
	struct recording *rec;

	snprintf(path, sizeof(path), "%s/fuzz-history-%d", access("/dev/shm", W_OK) ? "/tmp" :
		 "/dev/shm", (int)getpid());
	snprintf(wal, sizeof(wal), "%s-wal", path);
	atexit(remove_file);
	CHECK(!recording__open(&rec, path, &opts, &run, &failure));
	CHECK(!block_builder__new(&builder));
	CHECK(!recording__begin(rec));
	add_names(rec);
	for (unsigned int i = 0; i < MINUTES; i++) {
		add_samples(rec, BEGIN_NS + i * MINUTE_NS);
		add_rows(rec, builder, i);
	}
	CHECK(!recording__set_counted(rec, 1 + MINUTES * ROWS));
	CHECK(!recording__commit(rec, BEGIN_NS));
	block_builder__free(builder);
	recording__close(rec);
	read_whole();
}

/* ---- reading ---- */

struct reader {
	struct history *history;
	uint64_t last_ns;
	unsigned int num;
};

static size_t touch(const char *s)
{
	return s ? strlen(s) : 0;
}

static int on_minute(void *ctx, const struct held_minute *minute)
{
	struct reader *reader = ctx;
	const struct held_who *who = history__who(reader->history, minute->who);
	const struct held_flow *flow = history__flow(reader->history, minute->flow);

	CHECK(minute->wall_ns >= reader->last_ns && minute->count);
	reader->last_ns = minute->wall_ns;
	CHECK(!who || (who->id == minute->who && touch(who->command_line) < 40000));
	CHECK(!flow || (flow->id == minute->flow && flow->action < TWS_ACTION_END));
	return 0;
}

static int on_gap(void *ctx, const struct held_gap *gap)
{
	(void)ctx;
	CHECK(touch(gap->detail) < 40000);
	return 0;
}

static int on_run(void *ctx, const struct held_run *run)
{
	(void)ctx;
	CHECK(touch(run->host) + touch(run->kernel) + touch(run->filter) < 120000);
	CHECK(strlen(run->boot_id) <= 36);
	return 0;
}

static int on_finding(void *ctx, const struct held_finding *finding)
{
	(void)ctx;
	CHECK(touch(finding->id) + touch(finding->text) < 80000);
	return 0;
}

#define ON_SAMPLE(name)                                                                            \
	static int on_##name(void *ctx, const struct held_##name *name)                            \
	{                                                                                          \
		struct reader *reader = ctx;                                                       \
		reader->num++;                                                                     \
		return name->wall_ns == UINT64_MAX;                                                \
	}
ON_SAMPLE(states)
ON_SAMPLE(limits)
ON_SAMPLE(ports)
ON_SAMPLE(counter)
ON_SAMPLE(account)

static int on_block(void *ctx, const struct held_block *block)
{
	struct reader *reader = ctx;

	CHECK(block->first_row > reader->last_ns && block->rows && block->rows <= BLOCK_ROWS);
	reader->last_ns = block->first_row;
	return 0;
}

static void read_rows(struct history *history, const struct history_span *span)
{
	struct history_cursor *cursor;
	const struct block *block;
	struct held_block meta;
	struct held_row row;
	uint64_t next = 0;

	CHECK(!history_cursor__new(&cursor, history, span));
	while (history_cursor__next(cursor, &block, &meta) > 0) {
		CHECK(meta.first_row >= next && block__count(block) == meta.rows);
		next = meta.first_row + meta.rows;
		for (uint32_t i = 0; i < meta.rows; i++) {
			block__row(block, i, &row);
			touch(history__command(history, row.command));
		}
	}
	history_cursor__free(cursor);
}

static void read_span(struct history *history, const struct history_span *span)
{
	struct reader reader = { .history = history };

	history__each_run(history, span, on_run, &reader);
	history__each_minute(history, span, on_minute, &reader);
	reader.last_ns = 0;
	history__each_block(history, span, on_block, &reader);
	history__each_states(history, span, on_states, &reader);
	history__each_limits(history, span, on_limits, &reader);
	history__each_ports(history, span, on_ports, &reader);
	history__each_counter(history, span, on_counter, &reader);
	history__each_account(history, span, on_account, &reader);
	history__each_finding(history, span, on_finding, &reader);
	read_rows(history, span);
	history__each_gap(history, span, on_gap, &reader);
}

static void put(const char *to, const unsigned char *bytes, size_t size)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_failure failure;
	struct history_status status;
	struct history *history;
	unsigned char *bytes;
	size_t left;

	if (!whole)
		make();
	if (!size)
		return 0;
	left = data[0] & 1 ? whole_bytes * data[0] / 256 : whole_bytes;
	bytes = malloc(whole_bytes);
	CHECK(bytes);
	memcpy(bytes, whole, whole_bytes);
	for (size_t i = 1; i + 4 <= size; i += 4)
		bytes[(data[i] << 16 | data[i + 1] << 8 | data[i + 2]) % whole_bytes] = data[i + 3];
	put(path, bytes, left);
	free(bytes);
	if (history__open(&history, path, &failure)) {
		CHECK(strlen(failure.text) < sizeof(failure.text));
		return 0;
	}
	history__status(history, &status);
	read_span(history, &some);
	read_span(history, &all);
	history__close(history);
	return 0;
}
