// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

#include <string.h>
#include <sys/socket.h>

#include "tests/unit/support.h"

/* Clients that close: rules_clients.c. */

/* ---- no pool ---- */

static void client_without_pool(void **unused)
{
	const struct finding *f;

	(void)unused;
	given__netns(28232);
	given__closes("python3", TWS_SIDE_CLIENT, 600, 3 * MS);
	f = judged__must("client-without-pool", SEVERITY_NOTICE);
	assert_non_null(strstr(f->steps[0], "Session"));
	assert_int_equal(judged.severity, SEVERITY_NOTICE);
}

static void client_without_pool_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("python3", TWS_SIDE_CLIENT, 600, 30 * S);
	judged__must_not("client-without-pool");
}

static void add_pool(const char *comm, uint64_t kept)
{
	given__netns(28232);
	given.pools = given__array(1, sizeof(*given.pools));
	given.num_pools = 1;
	*given.pools = (struct evidence_pool){ .netns = NETNS, .family = AF_INET, .peer_port = 80,
					       .kept = kept };
	support__set_comm(given.pools->comm, comm);
	memcpy(given.pools->peer_addr, "\x0a\x00\x00\x02", 4);
}

static void pool_too_small(void **unused)
{
	(void)unused;
	add_pool("java", 10);
	given__closes("java", TWS_SIDE_CLIENT, 600, 3 * MS);
	assert_non_null(strstr(judged__must("pool-too-small", SEVERITY_NOTICE)->steps[0], "maxConnections"));
	assert_null(judged__find("client-without-pool"));
}

/* Its connections served many requests each. */
static void pool_too_small_near(void **unused)
{
	struct tws_event ev = given__event("java", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	add_pool("java", 10);
	ev.tx_bytes = 100000;
	given__add(ev, 600, 800 * MS);
	judged__must_not("pool-too-small");
}

static void proxies(void **unused)
{
	static const char *const names[] = { "nginx", "haproxy", "envoy", "apache2", "squid",
					     "varnishd", "cache-worker" };

	(void)unused;
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct finding *f;

		given__anew();
		given__netns(28232);
		given__closes(names[i], TWS_SIDE_CLIENT, 600, 3 * MS);
		f = judged__must("proxy-without-keepalive", SEVERITY_NOTICE);
		assert_null(judged__find("client-without-pool"));
		assert_non_null(strstr(f->steps[0], ":"));
	}
}

/* A proxy closes on its server's side: that says nothing of its upstreams. */
static void proxies_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("nginx", TWS_SIDE_SERVER, 600, 3 * MS);
	judged__must_not("proxy-without-keepalive");
	assert_non_null(judged__find("server-side-harmless"));
}

/* ---- both ends on this host ---- */

static void loopback_pair(void **unused)
{
	struct tws_event ev = given__event("php-fpm8.2", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	given__netns(28232)->limits.tw_reuse = 2;
	given__on_loopback(&ev);
	given__add(ev, 600, MS);
	judged__must("loopback-pair", SEVERITY_OK);
	assert_int_equal(judged.severity, SEVERITY_OK);
}

/* An own address on both ends is no loopback to tcp_tw_reuse=2: ports run out there as elsewhere. */
static void loopback_pair_own_address(void **unused)
{
	struct tws_event ev = given__event("web", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	given__netns(1000)->limits.tw_reuse = 2;
	memcpy(ev.peer_addr, ev.local_addr, sizeof(ev.peer_addr));
	given__add(ev, 450, MS);
	assert_null(strstr(judged__must("loopback-pair", SEVERITY_OK)->sentence, "taken over"));
	given__add(ev, 450, MS);
	judged__must("ports-filling", SEVERITY_WARNING);
	assert_null(judged__find("loopback-pair"));
}

/* Without timestamps nothing is taken over. */
static void loopback_pair_no_timestamps(void **unused)
{
	struct tws_event ev = given__event("web", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	given__netns(28232)->limits.tw_reuse = 2;
	given.netns->limits.timestamps = 0;
	given__on_loopback(&ev);
	given__add(ev, 600, MS);
	assert_null(strstr(judged__must("loopback-pair", SEVERITY_OK)->sentence, "taken over"));
}

static void loopback_pair_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("php-fpm8.2", TWS_SIDE_CLIENT, 600, MS);
	judged__must_not("loopback-pair");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client_without_pool), TEST(client_without_pool_near), TEST(pool_too_small),
		TEST(pool_too_small_near), TEST(proxies), TEST(proxies_near), TEST(loopback_pair),
		TEST(loopback_pair_own_address), TEST(loopback_pair_no_timestamps),
		TEST(loopback_pair_near),
	};

	return cmocka_run_group_tests_name("rules_clients", tests, NULL, NULL);
}
