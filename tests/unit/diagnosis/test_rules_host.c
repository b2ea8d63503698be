// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

#include <errno.h>
#include <string.h>

/* The kernel's tables, and what could not be seen: rules_host.c. */

/* ---- the limit of TIME_WAITs ---- */

static void limit_near(void **unused)
{
	(void)unused;
	given__netns(28232)->time_wait = 95000;
	assert_non_null(strstr(judged__must("limit-near", SEVERITY_WARNING)->steps[0], "200000"));
}

static void limit_overflows(void **unused)
{
	(void)unused;
	given__netns(28232)->time_wait = 1000;
	given__closes("nginx", TWS_SIDE_SERVER, 1000, MS);
	given__add(given__event("nginx", TWS_SIDE_SERVER, TWS_OVERFLOW), 3, MS);
	judged__must("limit-near", SEVERITY_CRITICAL);
}

static void limit_overflowed(void **unused)
{
	const struct finding *f;

	(void)unused;
	given__netns(28232)->time_wait = 1000;
	given.until_ns = UNTIL + 90 * S;
	given__add(given__event("nginx", TWS_SIDE_SERVER, TWS_OVERFLOW), 3, MS);
	f = judged__must("limit-near", SEVERITY_WARNING);
	assert_true(judged__says(f, "was full until 1m30s ago") && judged__says(f, "It is over"));
	assert_int_equal(judged__fact(f, "seconds_since_last_overflow")->number, 90);
	/* none came since, and there is no room for the next one either */
	given.netns->time_wait = 100000;
	judged__must_say("limit-near", SEVERITY_CRITICAL, "is full");
}

static void limit_near_near(void **unused)
{
	(void)unused;
	given__netns(28232)->time_wait = 80000;
	judged__must_not("limit-near");
}

/* A graver one is not left out because it comes after many alike. */
static void limits_of_many(void **unused)
{
	struct tws_event ev = given__event("nginx", TWS_SIDE_SERVER, TWS_OVERFLOW);

	(void)unused;
	given.netns = given__array(6, sizeof(*given.netns));
	given.num_netns = 6;
	for (uint32_t i = 0; i < 6; i++)
		given.netns[i] = (struct evidence_netns){ .netns = NETNS + i, .time_wait = 95000,
							  .limits.max_tw_buckets = 100000 };
	ev.netns = NETNS + 4;
	given__add(ev, 3, MS);
	judged__must("limit-near", SEVERITY_CRITICAL);
	assert_int_equal(judged.findings[0].netns, NETNS + 4);
	assert_int_equal(judged.num, RULES_OF_A_KIND);
	assert_int_equal(judged.findings[0].more + judged.findings[1].more +
			 judged.findings[2].more, 6 - RULES_OF_A_KIND);
}

static void peer_does_not_close(void **unused)
{
	(void)unused;
	given__netns(28232)->fin_wait2_minis = 500;
	given.netns->time_wait = 20;
	given.netns->limits.max_tw_buckets = 4096;
	given__add(given__event("shop", TWS_SIDE_CLIENT, TWS_FIN_WAIT2), 500, MS);
	assert_string_equal(judged__must("peer-does-not-close", SEVERITY_WARNING)->comm, "shop");
}

/* They harm by what they take of the limit: of a large one hardly anything. */
static void peer_does_not_close_yet(void **unused)
{
	(void)unused;
	given__netns(28232)->fin_wait2_minis = 500;
	given.netns->time_wait = 20;
	judged__must("peer-does-not-close", SEVERITY_NOTICE);
	assert_int_equal(judged.severity, SEVERITY_NOTICE);
}

static void peer_does_not_close_near(void **unused)
{
	(void)unused;
	given__netns(28232)->fin_wait2_minis = 500;
	given.netns->time_wait = 20000;
	judged__must_not("peer-does-not-close");
}

/* ---- CLOSE_WAIT ---- */

static void add_leak(uint64_t before, uint64_t stayed, uint64_t now)
{
	given__netns(28232);
	given.leaks = given__array(1, sizeof(*given.leaks));
	given.num_leaks = 1;
	*given.leaks = (struct evidence_leak){ .comm = "leaky", .pid = 9, .netns = NETNS,
					       .before = before, .stayed = stayed, .now = now };
}

/* How long those are there that stayed: so many seconds, evenly up to @oldest_s. */
static void age_leak(unsigned int oldest_s)
{
	struct evidence_leak *l = given.leaks;

	l->aged = l->stayed;
	for (uint64_t i = 0; i < l->stayed; i++) {
		uint64_t age_s = oldest_s * i / l->stayed;

		l->calm += age_s >= 10;
		l->settled += age_s >= 60;
		l->in_span += age_s < (given.until_ns - given.since_ns) / S;
		if (age_s / 60 < EVIDENCE_LEAK_MINUTES)
			l->came[age_s / 60]++;
	}
}

static void close_wait_leak(void **unused)
{
	(void)unused;
	add_leak(40, 40, 60);
	given.leaks->served = 60;
	assert_int_equal(judged__must("close-wait-leak", SEVERITY_CRITICAL)->pid, 9);
	age_leak(30);
	judged__must("close-wait-leak", SEVERITY_CRITICAL);
}

/* A client that leaks what it opens. */
static void close_wait_leak_client(void **unused)
{
	(void)unused;
	add_leak(40, 40, 60);
	given.leaks->made = 20;
	age_leak(30);
	judged__must("close-wait-leak", SEVERITY_CRITICAL);
}

/* The server empties a client's idle pool just now: nothing new is opened, or all of it is of this moment. */
static void close_wait_pool_emptied(void **unused)
{
	(void)unused;
	add_leak(40, 40, 60);
	age_leak(60);
	judged__must_not("close-wait-leak");
	given.leaks->calm = 0;
	given.leaks->made = 20;
	judged__must_not("close-wait-leak");
}

/* An idle pool whose connections the server has closed, which finds out at their next use. */
static void close_wait_pool(void **unused)
{
	const struct finding *f;

	(void)unused;
	add_leak(400, 400, 400);
	f = judged__must("close-wait-leak", SEVERITY_NOTICE);
	assert_int_equal(f->confidence, CONFIDENCE_LITTLE);
	assert_true(judged__says(f, "a pool") && !judged__says(f, "never calls"));
	given.until_ns = SINCE + 300 * S;
	age_leak(100); /* in the last two minutes, and it closes none */
	judged__must("close-wait-leak", SEVERITY_NOTICE);
}

/* Too slow to be seen between two looks, but minute for minute there are more. */
static void close_wait_slow(void **unused)
{
	const struct finding *f;

	(void)unused;
	given.until_ns = SINCE + 300 * S;
	add_leak(40, 40, 40);
	age_leak(400);
	f = judged__must("close-wait-leak", SEVERITY_WARNING);
	assert_true(judged__says(f, "at least 30 more than 5m00s ago"));
	assert_int_equal(f->confidence, CONFIDENCE_INFERRED);
	/* as many are closed as come: a pool in use */
	given.leaks->closed = 30;
	judged__must_not("close-wait-leak");
}

/* What clients have opened is no pool of the server's. */
static void close_wait_server(void **unused)
{
	(void)unused;
	add_leak(400, 400, 400);
	age_leak(4000);
	given.leaks->served = 400;
	given.leaks->closed = 1000;
	judged__must_say("close-wait-leak", SEVERITY_WARNING, "for more than a minute");
	given.leaks->settled = 0;
	judged__must("close-wait-leak", SEVERITY_NOTICE);
	given.leaks->in_span = 1012; /* growth that is told by what came and what went */
	given.leaks->now = given.leaks->before = given.leaks->stayed = 100;
	judged__must("close-wait-leak", SEVERITY_WARNING);
}

/* Whatever they are, they are in the way. */
static void close_wait_descriptors(void **unused)
{
	(void)unused;
	add_leak(520, 520, 520);
	given.leaks->limit = 1024;
	judged__must_say("close-wait-leak", SEVERITY_WARNING, "50% of the descriptors");
	given.leaks->limit = 560;
	judged__must("close-wait-leak", SEVERITY_CRITICAL);
	given.leaks->limit = 65536;
	judged__must("close-wait-leak", SEVERITY_NOTICE);
}

static void close_wait_passes(void **unused)
{
	(void)unused;
	add_leak(400, 5, 400); /* others each time: a busy server */
	judged__must_not("close-wait-leak");
}

/* A peer closes its half and waits for the answer: now and then it is one more than before. */
static void close_wait_half(void **unused)
{
	(void)unused;
	add_leak(60, 45, 61);
	judged__must_not("close-wait-leak");
}

/* ---- conntrack ---- */

/* So many of the 65536 entries that there may be. */
static void track(uint64_t entries)
{
	given__netns(28232)->conntrack = entries;
	given.netns->conntrack_max = 65536;
}

static void conntrack_full(void **unused)
{
	(void)unused;
	track(65536);
	given__fails("shop", 20, ETIMEDOUT);
	judged__must("conntrack-full", SEVERITY_CRITICAL);
}

/* Timeouts of minutes ago are no evidence that it drops packets now. */
static void conntrack_before(void **unused)
{
	(void)unused;
	track(60000);
	given.until_ns = UNTIL + 90 * S;
	given__fails("shop", 20, ETIMEDOUT);
	judged__must("conntrack-full", SEVERITY_WARNING);
	given.until_ns = UNTIL;
	judged__must("conntrack-full", SEVERITY_CRITICAL);
}

static void conntrack_near(void **unused)
{
	(void)unused;
	track(1000);
	given__fails("shop", 20, ETIMEDOUT);
	judged__must_not("conntrack-full");
}

/* Connects that time out in another namespace are no evidence against this one's table. */
static void conntrack_elsewhere(void **unused)
{
	struct tws_event ev = given__event("shop", TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	(void)unused;
	track(60000);
	ev.error = ETIMEDOUT;
	ev.netns = NETNS + 1;
	given__add(ev, 20, 0);
	assert_null(judged__has_fact(judged__must("conntrack-full", SEVERITY_WARNING), "timeouts"));
}

/* ---- what could not be seen ---- */

static void blind(void **unused)
{
	struct tws_event ev = given__event("", TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	given__netns(28232);
	ev.conn.flags = 0;
	ev.conn.cause = TWS_CAUSE_UNKNOWN;
	given__add(ev, 200, MS);
	judged__must("blind", SEVERITY_NOTICE);
}

static void blind_lost(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("nginx", TWS_SIDE_SERVER, 200, MS);
	given.lost = 50;
	assert_non_null(strstr(judged__must("blind", SEVERITY_NOTICE)->steps[0], "'twsnoop attach' at boot"));
	given.looked_back = true; /* which has been done */
	assert_non_null(strstr(judged__must("blind", SEVERITY_NOTICE)->steps[0], "--size"));
	/* a quarter is missing: what was seen is not all */
	assert_int_equal(judged__also("server-side-harmless")->confidence, CONFIDENCE_INFERRED);
}

static void blind_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("nginx", TWS_SIDE_SERVER, 200, MS);
	judged__must_not("blind");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(limit_near), TEST(limit_overflows), TEST(limit_overflowed), TEST(limit_near_near),
		TEST(limits_of_many), TEST(peer_does_not_close), TEST(peer_does_not_close_yet),
		TEST(peer_does_not_close_near), TEST(close_wait_leak), TEST(close_wait_leak_client),
		TEST(close_wait_pool_emptied), TEST(close_wait_pool), TEST(close_wait_slow),
		TEST(close_wait_server), TEST(close_wait_descriptors), TEST(close_wait_passes),
		TEST(close_wait_half), TEST(conntrack_full), TEST(conntrack_before),
		TEST(conntrack_near), TEST(conntrack_elsewhere), TEST(blind), TEST(blind_lost),
		TEST(blind_near),
	};

	return cmocka_run_group_tests_name("rules_host", tests, NULL, NULL);
}
