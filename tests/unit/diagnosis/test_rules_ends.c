// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

/* How connections end: rules_ends.c. */

static void aborts(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("rude", TWS_SIDE_CLIENT, 100, MS);
	given__add(given__event("rude", TWS_SIDE_CLIENT, TWS_ABORT), 50, MS);
	judged__must("aborts", SEVERITY_WARNING);
}

static void aborts_near(void **unused)
{
	struct tws_event ev = given__event("scanner", TWS_SIDE_CLIENT, TWS_ABORT);

	(void)unused;
	given__netns(28232);
	ev.tx_bytes = ev.rx_bytes = 0; /* nothing is lost by these */
	given__add(ev, 100, MS);
	judged__must_not("aborts");
}

static void exits(void **unused)
{
	struct tws_event ev = given__event("worker", TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	given__netns(28232);
	ev.conn.cause = TWS_CAUSE_EXIT;
	ev.conn.flags |= TWS_F_SIGNALED;
	given__add(ev, 40, 10 * S);
	judged__must("exits", SEVERITY_WARNING);
}

/* 40 processes, each of which ends with one connection. */
static void each_exits(const char *comm, uint8_t side)
{
	struct tws_event ev = given__event(comm, side, TWS_TIME_WAIT);

	given__netns(28232);
	ev.conn.cause = TWS_CAUSE_EXIT;
	for (unsigned int i = 0; i < 40; i++) {
		ev.conn.tgid = 1000 + i;
		given__add_in(ev, 1, 10 * S, SINCE, SINCE + (i + 1) * S);
	}
}

static void exits_near(void **unused)
{
	(void)unused;
	each_exits("curl", TWS_SIDE_CLIENT);
	judged__must_not("exits");
}

/* A server that forks for each connection, and ends with it. */
static void exits_forked(void **unused)
{
	(void)unused;
	each_exits("socat", TWS_SIDE_SERVER);
	judged__must_not("exits");
}

static void closed_by_peer(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__add(given__event("java", TWS_SIDE_CLIENT, TWS_PASSIVE_CLOSE), 500, MS);
	judged__must("closed-by-peer", SEVERITY_OK);
}

static void closed_by_peer_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__add(given__event("java", TWS_SIDE_CLIENT, TWS_PASSIVE_CLOSE), 500, MS);
	given__closes("java", TWS_SIDE_CLIENT, 100, MS);
	judged__must_not("closed-by-peer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(aborts), TEST(aborts_near), TEST(exits), TEST(exits_near), TEST(exits_forked),
		TEST(closed_by_peer), TEST(closed_by_peer_near),
	};

	return cmocka_run_group_tests_name("rules_ends", tests, NULL, NULL);
}
