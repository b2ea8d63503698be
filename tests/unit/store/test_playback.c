// SPDX-License-Identifier: GPL-2.0
/* A span of a recording as a feed, of one that is made up. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/playback.h"
#include "tests/unit/store/fake_history.h"
#include "tests/unit/support.h"

#define S 1000000000ULL
#define MINUTE (60 * S)
#define BEGIN (29826000ULL * MINUTE) /* a minute's begin, in 2026 */

static struct history *h;

/* What the callbacks got: a line each. */
static char told[65536];
static size_t told_len;
static int put_error;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	told_len += (size_t)vsnprintf(told + told_len, sizeof(told) - told_len, format, ap);
	va_end(ap);
	assert_true(told_len < sizeof(told));
}

static int put(void *ctx, const struct record *rec)
{
	assert_ptr_equal(ctx, h);
	if (put_error)
		return put_error;
	tell("%u@%llu%s%s%s%s\n", rec->event->local_port,
	     (unsigned long long)((int64_t)(rec->wall_ns - BEGIN) / (int64_t)S),
	     rec->command_line ? " " : "", rec->command_line ?: "",
	     rec->workload.container_name ? " in " : "", rec->workload.container_name ?: "");
	return 0;
}

static int put_minute(void *ctx, const struct held_minute *minute, const struct held_who *who,
		      const struct held_flow *flow)
{
	assert_ptr_equal(ctx, h);
	if (put_error)
		return put_error;
	tell("minute %llu: %llu %s %s\n", (unsigned long long)((minute->wall_ns - BEGIN) / MINUTE),
	     (unsigned long long)minute->count, who ? who->comm : "-", flow ? "flow" : "~other");
	return 0;
}

static int setup(void **state)
{
	(void)state;
	h = calloc(1, sizeof(*h));
	told_len = 0;
	told[0] = '\0';
	put_error = 0;
	h->whos[0] = (struct held_who){ .id = 1, .comm = "checkout" };
	h->whos[1] = (struct held_who){ .id = 2, .comm = "nginx", .cgroup_path = "/docker/x",
					.workload = { .container_name = "web" } };
	h->num_whos = 2;
	h->flows[0] = (struct held_flow){ .id = 1, .family = AF_INET, .peer_len = 32,
					  .side = TWS_SIDE_CLIENT, .action = TWS_TIME_WAIT,
					  .peer_port = 8080, .peer_addr = { 10, 0, 0, 9 },
					  .local_addr = { 10, 0, 0, 5 } };
	h->flows[1] = (struct held_flow){ .id = 2, .family = AF_INET, .peer_len = 24,
					  .side = TWS_SIDE_SERVER, .action = TWS_RESET,
					  .local_port = 80, .peer_addr = { 10, 0, 1, 0 },
					  .local_addr = { 10, 0, 0, 5 } };
	h->num_flows = 2;
	h->commands[0] = "checkout --all";
	return h ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(h);
	return 0;
}

/* A time_wait of checkout's at @port, so many seconds after BEGIN. */
static struct held_row *add(uint16_t port, int64_t second)
{
	struct held_row *row = &h->rows[h->num_rows++];

	*row = (struct held_row){ .wall_ns = BEGIN + (uint64_t)(second * (int64_t)S), .who = 1 };
	support__event(&row->event);
	row->event.local_port = port;
	return row;
}

static void count(uint64_t minute, uint64_t num, uint32_t who, uint32_t flow)
{
	h->minutes[h->num_minutes++] = (struct held_minute){
		.wall_ns = BEGIN + minute * MINUTE, .count = num, .who = who, .flow = flow,
	};
}

static struct playback_options options(void)
{
	return (struct playback_options){
		.history = h, .put = put, .put_minute = put_minute, .ctx = h,
	};
}

static struct playback *opened(const struct playback_options *opts)
{
	struct playback *pb = NULL;

	assert_int_equal(playback__new(&pb, opts), 0);
	return pb;
}

static int play_on(struct playback *pb)
{
	struct feed *feed = playback__feed(pb);
	int err = 0;

	for (int i = 0; !err && !feed__is_complete(feed) && !feed__has_ended(feed); i++) {
		assert_true(i < 1000);
		assert_int_equal(feed__pause_ms(feed), 0);
		err = feed__poll(feed);
	}
	return err;
}

static void play(const struct playback_options *opts, const char *want)
{
	struct playback *pb = opened(opts);
	struct feed *feed = playback__feed(pb);

	told_len = 0;
	told[0] = '\0';
	assert_int_equal(play_on(pb), 0);
	assert_string_equal(told, want);
	assert_int_equal(feed__finish(feed), 0);
	playback__free(pb);
}

static void test_nothing(void **state)
{
	const struct playback_options opts = options();

	(void)state;
	play(&opts, "");
	playback__free(NULL);
}

static void test_records(void **state)
{
	const struct playback_options opts = options();
	struct feed_account account;
	struct playback *pb;

	(void)state;
	add(1, 1)->command = 1;
	add(2, 2)->who = 2;
	add(3, 3)->who = 9; /* that is not there */
	add(4, 4)->event.conn.flags = TWS_F_SNAPSHOT;
	fake__block(h, 1, 2, 1);
	h->blocks[0].since_ns = h->rows[0].wall_ns;
	h->blocks[0].until_ns = h->rows[1].wall_ns;
	h->blocks[1] = (struct held_block){ .first_row = 3, .rows = 2, .since_ns = BEGIN + 3 * S,
					    .until_ns = BEGIN + 4 * S };
	h->num_blocks = 2;
	play(&opts, "1@1 checkout --all\n2@2 in web\n3@3\n4@4\n");
	pb = opened(&opts);
	assert_true(feed__has_containers(playback__feed(pb))); /* for the heading */
	play_on(pb);
	feed__account(playback__feed(pb), &account);
	assert_int_equal(account.delivered, 4);
	assert_int_equal(account.snapshot, 1);
	assert_int_equal(account.unattributed, 1);
	assert_int_equal(account.lost, 0);
	playback__free(pb);
}

static void test_span_and_count(void **state)
{
	struct playback_options opts = options();

	(void)state;
	for (uint16_t i = 1; i <= 9; i++)
		add(i, i);
	fake__block(h, 1, 9, 1);
	opts.span = (struct history_span){ BEGIN + 3 * S, BEGIN + 6 * S };
	play(&opts, "3@3\n4@4\n5@5\n");
	opts.max_records = 2;
	play(&opts, "3@3\n4@4\n");
	opts = options();
	opts.span.since_ns = BEGIN + 8 * S;
	play(&opts, "8@8\n9@9\n");
}

/* The clock was put back: what is told stays in its order, and each once. */
static void test_clock_put_back(void **state)
{
	struct playback_options opts = options();

	(void)state;
	add(1, 100);
	add(2, 101);
	add(3, 41);
	add(4, 100);
	fake__block(h, 1, 4, 1);
	play(&opts, "1@100\n2@101\n3@41\n4@100\n");
	opts.span = (struct history_span){ BEGIN + 100 * S, BEGIN + 101 * S };
	play(&opts, "1@100\n4@100\n");
}

static void test_filters(void **state)
{
	struct playback_options opts = options();

	(void)state;
	add(1, 1);
	add(2, 2)->event.action = TWS_RESET;
	support__make_ipv6(&add(3, 3)->event);
	h->rows[2].event.local_port = 3;
	support__set_comm(add(4, 4)->event.conn.comm, "other");
	support__set_comm(h->rows[3].event.conn.thread_comm, "other");
	fake__block(h, 1, 4, 1);
	play(&opts, "1@1\n3@3\n4@4\n");
	opts.all = true;
	play(&opts, "1@1\n2@2\n3@3\n4@4\n");
	opts.filter.family = AF_INET6;
	play(&opts, "3@3\n");
	opts = options();
	opts.filter.num_comms = 1;
	strcpy(opts.filter.comms[0], "other");
	play(&opts, "4@4\n");
	opts.filter.not_comms = 1;
	play(&opts, "1@1\n3@3\n");
}

static bool wants_web(void *ctx, const struct held_who *who)
{
	assert_ptr_equal(ctx, h);
	return who->workload.container_name && !strcmp(who->workload.container_name, "web");
}

static void test_containers(void **state)
{
	struct playback_options opts = options();

	(void)state;
	add(1, 1);
	add(2, 2)->who = 2;
	add(3, 3)->who = 0;
	add(4, 4)->who = 2;
	fake__block(h, 1, 4, 1);
	opts.wants = wants_web;
	play(&opts, "2@2 in web\n4@4 in web\n");
}

static void test_no_containers(void **state)
{
	const struct playback_options opts = options();
	struct playback *pb;

	(void)state;
	add(1, 1);
	fake__block(h, 1, 1, 1);
	pb = opened(&opts);
	play_on(pb);
	assert_false(feed__has_containers(playback__feed(pb)));
	playback__free(pb);
}

/* ---- where raw rows are gone ---- */

static void test_minutes_only(void **state)
{
	struct playback_options opts = options();

	(void)state;
	count(0, 5, 1, 1);
	count(0, 2, 2, 2);
	count(1, 7, 0, 0);
	play(&opts, "minute 0: 5 checkout flow\nminute 1: 7 - ~other\n");
	opts.all = true;
	play(&opts, "minute 0: 5 checkout flow\nminute 0: 2 nginx flow\nminute 1: 7 - ~other\n");
	opts.span = (struct history_span){ BEGIN + MINUTE / 2, BEGIN + MINUTE };
	play(&opts, "minute 0: 5 checkout flow\nminute 0: 2 nginx flow\n");
	opts.put_minute = NULL;
	play(&opts, "");
}

static void test_minutes_filtered(void **state)
{
	struct playback_options opts = options();

	(void)state;
	count(0, 5, 1, 1);
	count(0, 2, 2, 2);
	count(1, 7, 0, 0);
	opts.all = true;
	opts.filter.num_comms = 1;
	strcpy(opts.filter.comms[0], "nginx");
	play(&opts, "minute 0: 2 nginx flow\n");
	opts = options();
	opts.wants = wants_web;
	opts.all = true;
	play(&opts, "minute 0: 2 nginx flow\n");
}

/* The oldest went, but for a block in the midst; rows of a minute stand in two blocks. */
static void test_holes(void **state)
{
	const struct playback_options opts = options();
	const struct coverage *coverage;
	struct playback *pb;

	(void)state;
	for (uint64_t m = 0; m < 10; m++)
		count(m, 2, 1, 1);
	/* Rows 1 to 6 are gone: minutes 0 and 1, and the first of minute 2 and 3 each: its late one
	 * stands in the next block. */
	add(31, 2 * 60 + 59);
	add(32, 3 * 60 + 1);
	add(33, 3 * 60 + 2);
	fake__block(h, 6, 3, 1);
	/* Minutes 4 and 5 are gone, 6 is whole. */
	add(61, 6 * 60 + 1);
	add(62, 6 * 60 + 2);
	fake__block(h, 13, 2, 1);
	/* Of minute 8 the second row is here. */
	add(81, 8 * 60 + 50);
	add(91, 9 * 60 + 1);
	add(92, 9 * 60 + 2);
	add(101, 10 * 60 + 1); /* not counted yet */
	fake__block(h, 18, 4, 1);
	play(&opts, "minute 0: 2 checkout flow\nminute 1: 2 checkout flow\n"
		    "minute 2: 2 checkout flow\n32@181\n33@182\n"
		    "minute 4: 2 checkout flow\nminute 5: 2 checkout flow\n61@361\n62@362\n"
		    "minute 7: 2 checkout flow\nminute 8: 2 checkout flow\n"
		    "91@541\n92@542\n101@601\n");
	pb = opened(&opts);
	coverage = playback__coverage(pb);
	assert_int_equal(coverage->num, 3);
	assert_int_equal(coverage->holes[1].span.since_ns, BEGIN + 4 * MINUTE);
	assert_int_equal(coverage->holes[1].span.until_ns, BEGIN + 6 * MINUTE);
	playback__free(pb);
}

/* The last block has nothing but a row that was found late: what is newer stands before it. */
static void test_late(void **state)
{
	const struct playback_options opts = options();

	(void)state;
	count(0, 2, 1, 1);
	count(1, 2, 1, 1);
	add(1, 1);
	add(11, 60 + 1);
	add(12, 60 + 2);
	fake__block(h, 1, 3, 1);
	add(2, 2);
	fake__block(h, 4, 1, 1);
	play(&opts, "1@1\n11@61\n12@62\n2@2\n");
}

/* The clock was two hours ahead for a while: of that time the rows are there, before those that came
 * then. Of minutes beside them without rows there are sums. */
static void test_clock_was_ahead(void **state)
{
	const struct playback_options opts = options();

	(void)state;
	count(0, 1, 1, 1);
	count(1, 1, 1, 1);
	count(100, 2, 1, 1);
	count(120, 1, 1, 1);
	count(121, 1, 1, 1);
	add(1, 1);
	fake__block(h, 1, 1, 1);
	add(2, 120 * 60 + 1);
	add(3, 121 * 60 + 1);
	fake__block(h, 2, 2, 1);
	add(4, 60 + 1);
	fake__block(h, 4, 1, 1);
	play(&opts, "1@1\n2@7201\n3@7261\n4@61\nminute 100: 2 checkout flow\n");
}

/* The same where the oldest rows are gone: minutes behind the hole stand in it. */
static void test_clock_was_ahead_of_hole(void **state)
{
	const struct playback_options opts = options();
	char want[2048];
	size_t len = 0;

	(void)state;
	for (uint64_t m = 0; m < 33; m++)
		count(m, 1, 1, 1);
	count(120, 2, 1, 1);
	add(1, 120 * 60 + 1);
	add(2, 120 * 60 + 2);
	fake__block(h, 31, 2, 1);
	add(30, 30 * 60);
	add(31, 31 * 60);
	fake__block(h, 33, 2, 1);
	add(32, 32 * 60);
	fake__block(h, 35, 1, 1);
	for (unsigned int m = 0; m < 30; m++)
		len += (size_t)snprintf(want + len, sizeof(want) - len, "minute %u: 1 checkout flow\n", m);
	snprintf(want + len, sizeof(want) - len, "1@7201\n2@7202\n30@1800\n31@1860\n32@1920\n");
	play(&opts, want);
}

/* A block cannot be read: its minutes are told by their sums, with what others have of them. */
static void test_damaged(void **state)
{
	const struct playback_options opts = options();

	(void)state;
	for (uint64_t m = 0; m < 4; m++)
		count(m, 2, 1, 1);
	add(1, 1);
	add(2, 2);
	add(11, 60 + 1); /* of the next minute, whose other row is in the block that is damaged */
	fake__block(h, 1, 3, 1);
	add(12, 60 + 2);
	add(21, 2 * 60 + 1);
	add(22, 2 * 60 + 2);
	fake__block(h, 4, 3, 1);
	add(31, 3 * 60 + 1);
	add(32, 3 * 60 + 2);
	fake__block(h, 7, 2, 1);
	add(41, 4 * 60 + 1); /* not counted yet */
	fake__block(h, 9, 1, 1);
	add(42, 4 * 60 + 2);
	fake__block(h, 10, 1, 1);
	h->broken[1] = true;
	play(&opts, "1@1\n2@2\nminute 1: 2 checkout flow\nminute 2: 2 checkout flow\n"
		    "31@181\n32@182\n41@241\n42@242\n");
	assert_int_equal(h->blocks_told, 1);
	/* There is no sum to be told in its place. */
	h->broken[1] = false;
	h->broken[3] = true;
	play(&opts, "1@1\n2@2\n11@61\n12@62\n21@121\n22@122\n31@181\n32@182\n42@242\n");
	assert_int_equal(h->blocks_told, 1);
}

/* More than one poll gives, and none of them twice though the reader failed in the midst. */
static void test_many(void **state)
{
	struct playback_options opts = options();
	struct playback_minutes minutes;
	struct feed_failure failure;
	struct feed_account account;
	struct playback *pb;

	(void)state;
	opts.all = true;
	for (int i = 0; i < 40; i++)
		count((uint64_t)i / 20, (uint64_t)i, 1, 1);
	pb = opened(&opts);
	put_error = -ENOSPC;
	assert_int_equal(feed__poll(playback__feed(pb)), -ENOSPC);
	assert_false(feed__failed(playback__feed(pb), &failure));
	put_error = 0;
	assert_int_equal(play_on(pb), 0);
	minutes = playback__minutes(pb);
	assert_int_equal(minutes.rows, 39);
	assert_int_equal(minutes.events, 40 * 39 / 2);
	assert_non_null(strstr(told, "minute 0: 1 checkout flow\nminute 0: 2 "));
	assert_null(strstr(told, "minute 0: 0 "));
	feed__account(playback__feed(pb), &account);
	assert_int_equal(account.lost, 0); /* the first counted none */
	playback__free(pb);
}

/* ---- what is wrong ---- */

static void test_hostile_rows(void **state)
{
	struct playback_options opts = options();
	struct feed_account account;
	struct playback *pb;

	(void)state;
	opts.all = true;
	add(1, 1)->event.action = TWS_LISTEN;
	add(2, 2)->event.action = 255;
	add(3, 3)->event.family = 99;
	memset(add(4, 4)->event.conn.comm, 'x', TWS_COMM_LEN);
	add(5, 5);
	fake__block(h, 1, 5, 1);
	h->flows[0].action = 200;
	count(1, 3, 1, 9); /* no such flow */
	count(1, 4, 1, 1);
	play(&opts, "5@5\n");
	pb = opened(&opts);
	play_on(pb);
	feed__account(playback__feed(pb), &account);
	assert_int_equal(account.lost, 4 + 3);
	playback__free(pb);
}

static void test_errors(void **state)
{
	const struct playback_options opts = options();
	struct feed_failure failure = {};
	struct playback *pb = NULL;

	(void)state;
	add(1, 1);
	fake__block(h, 1, 1, 1);
	h->error = -EIO;
	assert_int_equal(playback__new(&pb, &opts), -EIO);
	assert_null(pb);
	h->error = 0;
	pb = opened(&opts);
	put_error = -EPIPE;
	assert_int_equal(feed__poll(playback__feed(pb)), -EPIPE);
	assert_false(feed__failed(playback__feed(pb), &failure));
	playback__free(pb);
	put_error = 0;
	pb = opened(&opts);
	h->error = -EIO;
	assert_int_equal(feed__poll(playback__feed(pb)), 0); /* that block was read */
	assert_int_equal(feed__poll(playback__feed(pb)), -EIO);
	assert_true(feed__failed(playback__feed(pb), &failure));
	assert_string_equal(failure.what, "cannot read the recording");
	playback__free(pb);
}

static void account_at(int64_t second, uint32_t run, uint64_t lost)
{
	h->accounts[h->num_accounts++] = (struct held_account){
		.wall_ns = BEGIN + (uint64_t)(second * (int64_t)S), .run = run,
		.told = { .lost = lost, .recursion = 2 * lost },
	};
}

static void test_account(void **state)
{
	struct playback_options opts = options();
	struct feed_account account;
	struct playback *pb;

	(void)state;
	account_at(0, 1, 100);
	account_at(60, 1, 103);
	account_at(70, 2, 7);
	account_at(200, 2, 9);
	h->gaps[0] = (struct held_gap){ BEGIN + 62 * S, BEGIN + 68 * S, 1, HELD_GAP_STOPPED, 0,
					NULL };
	h->gaps[1] = (struct held_gap){ BEGIN + 71 * S, BEGIN + 72 * S, 2, HELD_GAP_DISK, 40,
					NULL };
	h->gaps[2] = (struct held_gap){ BEGIN + 71 * S, BEGIN + 72 * S, 2, HELD_GAP_CLOCK, 0,
					NULL };
	h->num_gaps = 3;
	opts.span = (struct history_span){ BEGIN + 30 * S, BEGIN + 100 * S };
	pb = opened(&opts);
	feed__account(playback__feed(pb), &account);
	assert_int_equal(account.lost, 3 + 7 + 40);
	assert_int_equal(account.recursion, 6 + 14);
	assert_int_equal(account.gaps, 2);
	playback__free(pb);
	/* A run that began long before, and told nothing since. */
	h->runs[0] = (struct held_run){ .id = 2, .since_ns = BEGIN + 65 * S,
					.until_ns = BEGIN + 300 * S };
	h->num_runs = 1;
	h->num_accounts = 0;
	account_at(900, 2, 500);
	account_at(960, 2, 501);
	opts.span = (struct history_span){ BEGIN + 250 * S, BEGIN + 1000 * S };
	pb = opened(&opts);
	feed__account(playback__feed(pb), &account);
	assert_int_equal(account.lost, 1);
	playback__free(pb);
	/* The whole of a run, from its begin on. */
	opts.span.since_ns = BEGIN + 65 * S;
	pb = opened(&opts);
	feed__account(playback__feed(pb), &account);
	assert_int_equal(account.lost, 501 + 40);
	playback__free(pb);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),	     TEST(test_records),   TEST(test_span_and_count),
		TEST(test_clock_put_back),   TEST(test_filters),   TEST(test_containers),
		TEST(test_minutes_only),     TEST(test_minutes_filtered), TEST(test_holes),
		TEST(test_clock_was_ahead),  TEST(test_clock_was_ahead_of_hole),
		TEST(test_many),	     TEST(test_hostile_rows), TEST(test_errors),
		TEST(test_account),	     TEST(test_no_containers), TEST(test_damaged), TEST(test_late),
	};

	return cmocka_run_group_tests_name("playback", tests, NULL, NULL);
}
