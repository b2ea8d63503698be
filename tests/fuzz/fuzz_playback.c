// SPDX-License-Identifier: GPL-2.0
/*
 * Any rows, minutes and names as a recording: what is told of them is what a reader takes back
 * apart, each row once at most, and what there was at a moment is listed, in bounded time.
 * Blocks and the file have fuzzers of their own: here they are made up.
 */
#include "fuzz.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inventory/list_records.h"
#include "inventory/recalled.h"
#include "output/sink.h"
#include "store/minute_filter.h"
#include "store/playback.h"
#include "tests/unit/inventory/no_present.h"
#define FAKE_MAX 128
#include "tests/unit/store/fake_history.h"
#include "tests/unit/support.h"

#define MAX_ROWS 32
#define MAX_POLLS 4096

struct input {
	const uint8_t *data;
	size_t size;
};

struct player {
	struct sink *sink;
	uint64_t records, minutes;
};

/* Zeros where there is nothing left. */
static void take(struct input *in, void *to, size_t size)
{
	size_t len = size < in->size ? size : in->size;

	memset(to, 0, size);
	memcpy(to, in->data, len);
	in->data += len;
	in->size -= len;
}

static uint8_t take_byte(struct input *in)
{
	uint8_t byte;

	take(in, &byte, 1);
	return byte;
}

/* Small steps, mostly, so that minutes and rows meet; now and then anything. */
static uint64_t take_time(struct input *in)
{
	uint8_t how = take_byte(in);
	uint64_t ns;

	take(in, &ns, sizeof(ns));
	if (how & 0x80)
		return ns;
	return (1 + how % 8) * COVERAGE_MINUTE_NS + ns % COVERAGE_MINUTE_NS;
}

static char *take_string(struct input *in)
{
	size_t len = take_byte(in) % 32;
	char text[32] = "";

	take(in, text, len);
	return len ? strdup(text) : NULL;
}

/* ---- a recording ---- */

static void add_row(struct history *h, struct input *in)
{
	struct held_row *row = &h->rows[h->num_rows++];
	uint8_t how = take_byte(in);

	*row = (struct held_row){ .wall_ns = take_time(in), .who = how % 4, .command = how % 3,
				  .interface = how & 8 ? "eth\n0" : NULL,
				  .netns_name = how & 16 ? "a\x1b[31m" : NULL };
	take(in, &row->event, sizeof(row->event));
	if (!(how & 1))
		support__mend_event(&row->event, how & 2 ? AF_INET : AF_INET6);
	if (how & 32 && h->num_rows < FAKE_MAX) /* told twice, as two of the same addresses */
		h->rows[h->num_rows++] = *row;
}

static void add_who(struct history *h, struct input *in)
{
	struct held_who *who = &h->whos[h->num_whos++];

	take(in, who->comm, sizeof(who->comm));
	who->comm[TWS_COMM_LEN - 1] = '\0';
	who->id = (uint32_t)h->num_whos;
	who->has_uid = take_byte(in) & 1;
	who->command_line = take_string(in);
	who->cgroup_path = take_string(in);
	who->workload.container_id = take_string(in);
	who->workload.container_name = take_string(in);
	who->workload.pod_name = take_string(in);
}

static void make(struct history *h, struct input *in)
{
	uint64_t row = 1;
	int num = take_byte(in) % MAX_ROWS;

	for (int i = 0; i < 2; i++)
		add_who(h, in);
	h->commands[0] = h->whos[0].command_line;
	for (int i = 0; i < 2; i++)
		take(in, &h->flows[h->num_flows++], sizeof(h->flows[0]));
	for (int i = 0; i < 8; i++) {
		struct held_minute *minute = &h->minutes[h->num_minutes++];

		take(in, minute, sizeof(*minute));
		minute->wall_ns = take_time(in);
		minute->who %= 4;
		minute->flow %= 4;
	}
	for (int i = 0; i < num; i++) {
		size_t before = h->num_rows;

		add_row(h, in);
		row += take_byte(in) % 3; /* some are gone */
		fake__block(h, row, (uint32_t)(h->num_rows - before), 1);
		row += h->num_rows - before;
	}
	h->runs[h->num_runs++] = (struct held_run){ .id = 1, .since_ns = 1,
						    .until_ns = UINT64_MAX / 2 };
	for (int i = 0; i < 2; i++) {
		take(in, &h->states[h->num_states], sizeof(h->states[0]));
		h->states[h->num_states++].netns_name = i ? "blue" : NULL;
		take(in, &h->ports[h->num_ports], sizeof(h->ports[0]));
		h->ports[h->num_ports++].has_left = i;
	}
}

static void unmake(struct history *h)
{
	for (size_t i = 0; i < h->num_whos; i++) {
		free((char *)(uintptr_t)h->whos[i].command_line);
		free((char *)(uintptr_t)h->whos[i].cgroup_path);
		free((char *)(uintptr_t)h->whos[i].workload.container_id);
		free((char *)(uintptr_t)h->whos[i].workload.container_name);
		free((char *)(uintptr_t)h->whos[i].workload.pod_name);
	}
	free(h);
}

/* ---- played ---- */

static int put(void *ctx, const struct record *rec)
{
	struct player *player = ctx;

	player->records++;
	return sink__put(player->sink, rec);
}

static int put_minute(void *ctx, const struct held_minute *minute, const struct held_who *who,
		      const struct held_flow *flow)
{
	struct sink_sum sum = { .is_other = !flow, .peer_len = flow ? flow->peer_len : 0,
				.interval_ns = COVERAGE_MINUTE_NS, .count = minute->count,
				.lifetimes = minute->lifetimes,
				.lifetime_ns = minute->lifetime_ns };
	struct player *player = ctx;
	struct tws_event ev = {};

	player->minutes++;
	if (flow)
		minute_filter__event(who, flow, &ev);
	sum.rec = (struct record){ .event = &ev, .wall_ns = minute->wall_ns,
				   .command_line = who ? who->command_line : NULL };
	return sink__put_sum(player->sink, &sum);
}

static void check_lines(int fd, enum sink_format format, uint64_t want)
{
	size_t len, num = 0;
	char *text = support__contents(fd, &len);

	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, num++) {
		json_t *object;

		CHECK(support__is_safe_text(line, (size_t)(end - line)));
		if (format != SINK_JSON)
			continue;
		object = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				    NULL);
		CHECK(object);
		json_decref(object);
	}
	CHECK(num == want);
	free(text);
}

static void play(struct history *h, enum sink_format format, bool all)
{
	const struct sink_options opts = { .format = format, .sums = true, .actions = true,
					   .containers = true };
	struct player player = {};
	const struct playback_options play = { .history = h, .all = all, .put = put,
					       .put_minute = put_minute, .ctx = &player };
	struct feed_account account;
	struct playback *pb;
	struct feed *feed;
	int fd = support__memfd(), polls = 0;

	CHECK(!sink__new(&player.sink, fd, &opts));
	CHECK(!playback__new(&pb, &play));
	feed = playback__feed(pb);
	while (!feed__has_ended(feed)) {
		CHECK(!feed__poll(feed));
		CHECK(polls++ < MAX_POLLS);
	}
	feed__account(feed, &account);
	CHECK(player.records == account.delivered && player.records <= h->num_rows);
	CHECK(player.minutes == playback__minutes(pb).rows);
	CHECK(!sink__flush(player.sink));
	check_lines(fd, format, player.records + player.minutes);
	playback__free(pb);
	sink__free(player.sink);
	close(fd);
}

static void recall(struct history *h, uint64_t at_ns)
{
	const struct tws_filter filter = {};
	const struct recall_want want = { .history = h, .at_ns = at_ns, .filter = &filter };
	struct listing listing = {};
	struct census census = {};
	struct gathered g = {};
	struct recalled *r = NULL;
	struct ports ports = {};
	uint64_t taken_ns;

	if (!recalled__sockets(&r, &g, &want)) {
		struct group_context ctx = recalled__context(r, &g);
		const struct list_records_sources sources = { .proc_root = "/nowhere" };
		struct list_records *records;

		CHECK(g.listing.num <= h->num_rows);
		CHECK(!list_records__new(&records, &ctx, &sources));
		for (size_t i = 0; i < g.listing.num; i++) {
			CHECK(g.listing.rows[i].left_ns <= 60000000000ULL);
			CHECK(list_records__get(records, &g.listing.rows[i]));
		}
		list_records__free(records);
	}
	gather__free(&g);
	recalled__free(r);
	recalled__census(&census, &want, &taken_ns);
	census__free(&census);
	recalled__ports(&ports, &listing, &want, &taken_ns);
	ports__free(&ports);
	listing__free(&listing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct history *h = calloc(1, sizeof(*h));
	struct input in = { data, size };
	uint8_t how = take_byte(&in);

	CHECK(h);
	make(h, &in);
	play(h, how % 3 == 0 ? SINK_TEXT : how % 3 == 1 ? SINK_JSON : SINK_CSV, how & 0x40);
	recall(h, take_time(&in));
	recall(h, 3 * COVERAGE_MINUTE_NS);
	unmake(h);
	return 0;
}
