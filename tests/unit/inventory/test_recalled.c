// SPDX-License-Identifier: GPL-2.0
/* What there was at a moment, out of a recording that is made up. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/socket.h>

#include "inventory/list_records.h"
#include "inventory/recalled.h"
#include "tests/unit/inventory/no_present.h"
#include "tests/unit/store/fake_history.h"
#include "tests/unit/support.h"

#define S 1000000000ULL
#define MONO (1000 * S)		  /* CLOCK_MONOTONIC, and … */
#define BEGIN (1789560000ULL * S) /* … the wall clock then */

static struct history *h;
static struct tws_filter no_filter;
static struct recall_want want;
static struct gathered g;
static struct recalled *r;

static int setup(void **state)
{
	(void)state;
	h = calloc(1, sizeof(*h));
	want = (struct recall_want){ .history = h, .filter = &no_filter };
	g = (struct gathered){};
	r = NULL;
	h->runs[0] = (struct held_run){ .id = 1, .since_ns = BEGIN - 1000 * S,
					.until_ns = BEGIN + 1000 * S, .boot_id = "a", .all = true };
	h->num_runs = 1;
	h->whos[0] = (struct held_who){ .id = 1, .comm = "nginx", .cgroup_path = "/docker/x",
					.workload = { .container_name = "web" } };
	h->num_whos = 1;
	h->commands[0] = "nginx: worker";
	return h ? 0 : -1;
}

static void forget(void)
{
	gather__free(&g);
	recalled__free(r);
	g = (struct gathered){};
	r = NULL;
}

static int teardown(void **state)
{
	(void)state;
	forget();
	free(h);
	return 0;
}

/* Each has a cookie of its own, as has a port. */
static struct tws_event *add(uint8_t action, uint16_t port, int64_t second)
{
	struct held_row *row = &h->rows[h->num_rows++];
	int64_t ns = second * (int64_t)S;

	*row = (struct held_row){ .wall_ns = BEGIN + (uint64_t)ns, .who = 1, .command = 1 };
	support__event(&row->event);
	row->event.action = action;
	row->event.local_port = port;
	row->event.cookie = port;
	row->event.time_ns = MONO + (uint64_t)ns;
	return &row->event;
}

static void recall(int64_t second)
{
	forget();
	want.at_ns = BEGIN + (uint64_t)(second * (int64_t)S);
	h->num_blocks = 0;
	if (h->num_rows)
		fake__block(h, 1, (uint32_t)h->num_rows, 1);
	assert_int_equal(recalled__sockets(&r, &g, &want), 0);
}

static const struct listing_row *row_of(uint16_t port)
{
	for (size_t i = 0; i < g.listing.num; i++)
		if (g.listing.rows[i].key.local_port == port)
			return &g.listing.rows[i];
	return NULL;
}

static void test_nothing(void **state)
{
	(void)state;
	recall(0);
	assert_int_equal(g.listing.num, 0);
	assert_true(recalled__facts(r).all);
	recalled__free(NULL);
}

static void test_a_minute_long(void **state)
{
	const struct listing_row *row;

	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	add(TWS_TIME_WAIT, 2, 30);
	add(TWS_TIME_WAIT, 3, 70);
	recall(-1);
	assert_int_equal(g.listing.num, 0);
	recall(0);
	assert_non_null(row_of(1));
	recall(59);
	assert_int_equal(g.listing.num, 2);
	recall(60);
	assert_int_equal(g.listing.num, 1);
	row = row_of(2);
	assert_non_null(row);
	assert_int_equal(row->left_ns, 30 * S);
	assert_int_equal(listing__age_ns(&g.listing, row), 30 * S);
	assert_int_equal(row->state, SOCKDIAG_TIME_WAIT);
	assert_int_equal(row->evidence, OWNER_SEEN);
	assert_int_equal(row->side, TWS_SIDE_CLIENT);
	assert_true(row->mini);
	assert_int_equal(g.listing.wall_ns, BEGIN + 60 * S);
}

static void test_ends(void **state)
{
	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	add(TWS_TIME_WAIT, 2, 0);
	add(TWS_TIME_WAIT, 3, 0);
	add(TWS_TIME_WAIT_END, 1, 5);
	add(TWS_TIME_WAIT_END, 2, 5)->cookie = 99; /* of an earlier one */
	add(TWS_RESET, 3, 6)->cookie = 100;	   /* a later connection's */
	recall(4);
	assert_int_equal(g.listing.num, 3);
	recall(10);
	assert_int_equal(g.listing.num, 1);
	assert_non_null(row_of(2));
}

/* A connect() that was refused the addresses has not taken them. */
static void test_failed_connect(void **state)
{
	struct tws_event *ev;

	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	ev = add(TWS_CONNECT_FAILED, 1, 5);
	ev->cookie = 50;
	ev->error = EADDRNOTAVAIL;
	recall(10);
	assert_int_equal(g.listing.num, 1);
}

static void test_taken_over(void **state)
{
	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	add(TWS_TIME_WAIT, 1, 20)->cookie = 2;
	recall(30);
	assert_int_equal(g.listing.num, 1);
	assert_int_equal(g.listing.rows[0].cookie, 2);
	assert_int_equal(g.listing.rows[0].left_ns, 50 * S);
	recall(10);
	assert_int_equal(g.listing.rows[0].cookie, 1);
}

static void test_fin_wait2(void **state)
{
	const struct listing_row *row;

	(void)state;
	add(TWS_FIN_WAIT2, 1, 0);
	add(TWS_FIN_WAIT2, 2, 0);
	add(TWS_FIN_WAIT2, 3, 0);
	add(TWS_TIME_WAIT, 1, 10);
	add(TWS_RESET, 3, 12);
	h->states[0] = (struct held_states){ .wall_ns = BEGIN, .netns = 4026531840U,
					     .netns_name = "init" };
	h->num_states = 1;
	h->limits[0] = (struct held_limits){ .wall_ns = BEGIN + 20 * S, .netns = 4026531840U,
					     .fin_timeout_ms = 30000 };
	h->num_limits = 1;
	recall(20);
	assert_int_equal(g.listing.num, 2);
	row = row_of(1);
	assert_int_equal(row->state, SOCKDIAG_TIME_WAIT);
	assert_int_equal(row->left_ns, 50 * S);
	assert_int_equal(listing__age_ns(&g.listing, row), 20 * S); /* since the close */
	row = row_of(2);
	assert_int_equal(row->state, SOCKDIAG_FIN_WAIT2);
	assert_int_equal(row->left_ns, 10 * S);
	assert_string_equal(listing__netns_name(&g.listing, 4026531840U), "init");
	h->limits[0].wall_ns = BEGIN + 31 * S;
	recall(31);
	assert_null(row_of(2));
}

/* What came while another system ran is not there any more. */
static void test_boots(void **state)
{
	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	add(TWS_TIME_WAIT, 2, 5);
	h->runs[0].until_ns = BEGIN + 2 * S;
	h->runs[1] = (struct held_run){ .id = 2, .since_ns = BEGIN + 4 * S,
					.until_ns = BEGIN + 100 * S, .boot_id = "b" };
	h->num_runs = 2;
	fake__block(h, 1, 2, 1);
	h->blocks[0].rows = 1;
	h->blocks[0].since_ns = h->blocks[0].until_ns = BEGIN;
	h->blocks[1] = (struct held_block){ .first_row = 2, .rows = 1, .run = 2,
					    .since_ns = BEGIN + 5 * S, .until_ns = BEGIN + 5 * S };
	h->num_blocks = 2;
	want.at_ns = BEGIN + 10 * S;
	assert_int_equal(recalled__sockets(&r, &g, &want), 0);
	assert_int_equal(g.listing.num, 1);
	assert_non_null(row_of(2));
	assert_false(recalled__facts(r).all);
	/* Nobody records any more: what the last one saw. */
	forget();
	h->num_runs = 1;
	assert_int_equal(recalled__sockets(&r, &g, &want), 0);
	assert_int_equal(recalled__facts(r).run_since_ns, 0);
	assert_non_null(row_of(1));
}

/* Ages are the monotonic clock's. */
static void test_clock_put_back(void **state)
{
	(void)state;
	add(TWS_TIME_WAIT, 1, 20);
	add(TWS_TIME_WAIT, 2, 40);
	h->rows[1].wall_ns = BEGIN + 10 * S; /* by half a minute */
	recall(30);
	assert_int_equal(g.listing.num, 2);
	assert_int_equal(listing__age_ns(&g.listing, row_of(1)), 40 * S);
	assert_int_equal(listing__age_ns(&g.listing, row_of(2)), 20 * S);
}

static bool wants_nobody(void *ctx, const struct held_who *who)
{
	(void)ctx, (void)who;
	return false;
}

static void test_filters(void **state)
{
	struct tws_filter filter = { .num_comms = 1, .comms = { "curl" } };

	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	add(TWS_TIME_WAIT, 2, 0)->conn.flags = 0;
	support__set_comm(h->rows[0].event.conn.comm, "curl");
	want.filter = &filter;
	recall(1);
	assert_int_equal(g.listing.num, 1);
	assert_non_null(row_of(1));
	want.wants = wants_nobody;
	recall(1);
	assert_int_equal(g.listing.num, 0);
}

static void test_records(void **state)
{
	const struct list_records_sources sources = { .proc_root = "/proc" };
	struct list_records *records;
	const struct record *rec;
	struct group_context ctx;

	(void)state;
	add(TWS_TIME_WAIT, 1, 0);
	h->rows[0].interface = "a-name-that-is-too-long";
	h->rows[0].netns_name = "blue";
	recall(5);
	ctx = recalled__context(r, &g);
	assert_int_equal(list_records__new(&records, &ctx, &sources), 0);
	rec = list_records__get(records, &g.listing.rows[0]);
	assert_string_equal(rec->command_line, "nginx: worker");
	assert_string_equal(rec->interface, "a-name-that-is-");
	assert_string_equal(rec->netns_name, "blue");
	assert_string_equal(rec->cgroup_path, "/docker/x");
	assert_string_equal(rec->workload.container_name, "web");
	assert_string_equal(rec->label, "web");
	assert_int_equal(rec->wall_ns, BEGIN + 5 * S);
	assert_int_equal(rec->expires_ns, 55 * S);
	assert_true(workloads__any(g.workloads));
	list_records__free(records);
}

static void test_hostile_rows(void **state)
{
	(void)state;
	add(0, 1, 0);
	add(TWS_FIN, 2, 0);
	add(TWS_TIME_WAIT, 3, 0)->family = 77;
	add(TWS_TIME_WAIT, 4, 0);
	h->rows[3].who = 99;
	h->rows[3].command = 99;
	recall(1);
	assert_int_equal(g.listing.num, 1);
}

static void test_errors(void **state)
{
	(void)state;
	h->error = -EIO;
	assert_int_equal(recalled__sockets(&r, &g, &want), -EIO);
	assert_null(r);
}

/* ---- sums ---- */

static void test_sums(void **state)
{
	const struct held_flow flow = { .id = 1, .family = AF_INET, .action = TWS_TIME_WAIT,
					.peer_len = 32, .side = TWS_SIDE_CLIENT };
	struct tws_filter filter = { .num_comms = 1, .comms = { "curl" } };
	struct recalled_minute *minute = NULL;
	struct recalled_sums sums;

	(void)state;
	h->flows[0] = h->flows[1] = flow;
	h->flows[1].action = TWS_RESET;
	h->num_flows = 2;
	for (uint32_t i = 0; i < 4; i++)
		h->minutes[i] = (struct held_minute){ .wall_ns = BEGIN - BEGIN % (60 * S),
						      .count = 5 + i, .who = 1, .flow = 1 };
	h->minutes[1].who = h->minutes[1].flow = 0;
	h->minutes[2].flow = 2;
	h->minutes[3].wall_ns += 60 * S;
	h->num_minutes = 4;
	want.at_ns = h->minutes[3].wall_ns + 59 * S;
	assert_int_equal(recalled__sums(&minute, &g, &want, &sums), 0);
	assert_int_equal(sums.since_ns, h->minutes[0].wall_ns);
	assert_int_equal(sums.counted, 5);
	assert_int_equal(sums.other, 6);
	assert_int_equal(g.listing.num, 5);
	assert_string_equal(g.listing.rows[4].seen->conn->comm, "nginx");
	assert_string_equal(workloads__get(g.workloads, listing__cgroup(&g.listing,
									g.listing.rows))->label,
			    "web");
	recalled_minute__free(minute);
	forget();
	want.filter = &filter;
	assert_int_equal(recalled__sums(&minute, &g, &want, &sums), 0);
	assert_int_equal(g.listing.num, 0);
	recalled_minute__free(minute);
	forget();
	want.filter = &no_filter;
	h->minutes[0].count = UINT64_MAX;
	assert_int_equal(recalled__sums(&minute, &g, &want, &sums), -E2BIG);
	recalled_minute__free(NULL);
}

/* ---- samples ---- */

static void add_states(int64_t second, uint32_t netns, uint64_t time_wait)
{
	struct held_states *states = &h->states[h->num_states++];

	*states = (struct held_states){ .wall_ns = BEGIN + (uint64_t)(second * (int64_t)S),
					.netns = netns, .fin_wait2_minis = 1 };
	states->states[SOCKDIAG_TIME_WAIT] = time_wait;
	states->states[SOCKDIAG_ESTABLISHED] = 10;
}

static void test_census(void **state)
{
	struct tws_filter filter = { .num_netns = 1, .netns = { 5 } };
	struct census census = {};
	uint64_t taken_ns = 0;

	(void)state;
	want.at_ns = BEGIN + 65 * S;
	assert_int_equal(recalled__census(&census, &want, &taken_ns), -ENOENT);
	add_states(0, 0, 1000);
	add_states(60, 0, 300);
	add_states(60, 5, 100);
	add_states(61, 6, 200);
	add_states(70, 0, 7);
	h->limits[0] = (struct held_limits){ .wall_ns = BEGIN + 65 * S, .netns = 6,
					     .netns_name = "blue", .max_tw_buckets = 4096,
					     .tw_reuse = 2 };
	h->num_limits = 1;
	assert_int_equal(recalled__census(&census, &want, &taken_ns), 0);
	assert_int_equal(taken_ns, BEGIN + 61 * S);
	assert_int_equal(census.host.states[SOCKDIAG_TIME_WAIT], 300);
	assert_int_equal(census.host.total, 311);
	assert_int_equal(census.num, 2);
	assert_int_equal(census.netns[0].inode, 6);
	assert_int_equal(census.netns[0].minis, 201);
	assert_int_equal(census.netns[0].limits.max_tw_buckets, 4096);
	assert_string_equal(census.netns[0].name, "blue");
	assert_string_equal(census.netns[1].name, "5");
	assert_int_equal(census.netns[1].limits.tw_reuse, -1);
	census__free(&census);
	want.filter = &filter;
	assert_int_equal(recalled__census(&census, &want, &taken_ns), 0);
	assert_int_equal(census.num, 1);
	assert_int_equal(census.host.total, 111);
	census__free(&census);
}

static void test_ports(void **state)
{
	struct tws_filter filter = { .family = AF_INET6 };
	struct listing listing = {};
	struct ports ports = {};
	uint64_t taken_ns = 0;

	(void)state;
	want.at_ns = BEGIN + 65 * S;
	assert_int_equal(recalled__ports(&ports, &listing, &want, &taken_ns), -ENOENT);
	listing__free(&listing);
	for (int i = 0; i < 3; i++)
		h->ports[i] = (struct held_ports){
			.wall_ns = BEGIN + (uint64_t)(i ? 60 : 0) * S, .family = AF_INET,
			.usable = 1000, .time_wait = 900 + (uint32_t)i, .has_left = true,
			.left = 100, .scope = i == 2 ? 17 : HELD_PORTS_PEER,
			.owners = { { "checkout", 5, 900, 0 } },
		};
	h->num_ports = 3;
	assert_int_equal(recalled__ports(&ports, &listing, &want, &taken_ns), 0);
	assert_int_equal(taken_ns, BEGIN + 60 * S);
	assert_int_equal(ports.num, 1); /* the third has a scope that there is none of */
	assert_int_equal(ports.places[0].time_wait, 901);
	assert_string_equal(ports.places[0].owners[0].comm, "checkout");
	ports__free(&ports);
	listing__free(&listing);
	want.filter = &filter;
	assert_int_equal(recalled__ports(&ports, &listing, &want, &taken_ns), 0);
	assert_int_equal(ports.num, 0);
	ports__free(&ports);
	listing__free(&listing);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing), TEST(test_a_minute_long), TEST(test_ends),
		TEST(test_failed_connect), TEST(test_taken_over), TEST(test_fin_wait2),
		TEST(test_boots), TEST(test_clock_put_back), TEST(test_filters),
		TEST(test_records), TEST(test_hostile_rows), TEST(test_errors),
		TEST(test_sums), TEST(test_census), TEST(test_ports),
	};

	return cmocka_run_group_tests_name("recalled", tests, NULL, NULL);
}
