// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

#include <errno.h>
#include <string.h>

/* Servers that close, and what hinders them: rules_servers.c. */

/* ---- who closes ---- */

static void server_side_harmless(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("nginx", TWS_SIDE_SERVER, 6000, MS);
	judged__must("server-side-harmless", SEVERITY_OK);
	assert_int_equal(judged.severity, SEVERITY_OK);
}

static void server_side_harmless_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("nginx", TWS_SIDE_SERVER, 100, MS);
	given__closes("shop", TWS_SIDE_CLIENT, 900, MS);
	judged__must_not("server-side-harmless");
}

static void idle_timeout(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("apache2", TWS_SIDE_SERVER, 200, 5 * S);
	assert_non_null(strstr(judged__must("idle-timeout", SEVERITY_NOTICE)->steps[1], "KeepAliveTimeout"));
}

static void idle_timeout_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	for (unsigned int i = 2; i < 40; i++)
		given__closes("apache2", TWS_SIDE_SERVER, 5, i * S / 2);
	judged__must_not("idle-timeout");
}

static void health_check(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("app", TWS_SIDE_SERVER, 12, MS); /* every 5 s */
	judged__must("health-check", SEVERITY_OK);
}

/* A client that asks now and then on a connection which the server closes after its idle timeout. */
static void health_check_idle_timeout(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("node", TWS_SIDE_SERVER, 12, 2 * S + S / 2); /* every 5 s */
	judged__must("idle-timeout", SEVERITY_NOTICE);
	assert_null(judged__find("health-check")); /* which "does no harm" */
}

static void health_check_near(void **unused)
{
	struct tws_event ev = given__event("app", TWS_SIDE_SERVER, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	given__netns(28232);
	for (unsigned int i = 0; i < 12; i++) {
		ev.time_ns = SINCE + i * i * 300 * MS;
		evidence__add(&given, &rec);
	}
	judged__must_not("health-check");
}

/* ---- bind() that fails ---- */

static void add_listener(bool listens, uint64_t time_waits)
{
	struct tws_event ev = given__event("sshd", TWS_SIDE_UNKNOWN, TWS_BIND_FAILED);

	given__netns(28232);
	ev.error = EADDRINUSE;
	ev.local_port = 22;
	ev.peer_port = 0;
	memset(ev.peer_addr, 0, sizeof(ev.peer_addr));
	given__add(ev, 3, 0);
	given.listeners = given__array(1, sizeof(*given.listeners));
	given.num_listeners = 1;
	*given.listeners = (struct evidence_listener){ NETNS, 22, listens, time_waits };
}

static void address_in_use(void **unused)
{
	(void)unused;
	add_listener(false, 12);
	assert_int_equal(judged__must("listener-address-in-use", SEVERITY_CRITICAL)->local_port, 22);
}

/* What hinders a listener is not called harmless. */
static void address_in_use_busy(void **unused)
{
	(void)unused;
	add_listener(false, 200);
	given__closes("sshd", TWS_SIDE_SERVER, 200, MS);
	judged__must("listener-address-in-use", SEVERITY_CRITICAL);
	assert_null(judged__find("server-side-harmless"));
}

static void address_in_use_near(void **unused)
{
	(void)unused;
	add_listener(true, 12);
	judged__must_not("listener-address-in-use");
}

/* ---- the same ends again ---- */

/* @num TIME_WAITs, and the @reused of them that a SYN has ended. */
static void reused_by_syn(struct tws_event ev, unsigned int num, unsigned int reused)
{
	given__netns(28232);
	given__add(ev, num, MS);
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_REUSED_BY_SYN;
	given__add(ev, reused, 0);
}

static void nat_reuse(void **unused)
{
	(void)unused;
	reused_by_syn(given__event("nginx", TWS_SIDE_SERVER, TWS_TIME_WAIT), 300, 100);
	judged__must("nat-reuse", SEVERITY_NOTICE);
}

static void nat_reuse_near(void **unused)
{
	(void)unused;
	reused_by_syn(given__event("nginx", TWS_SIDE_SERVER, TWS_TIME_WAIT), 3000, 25);
	judged__must_not("nat-reuse");
}

/* On loopback it is no NAT. */
static void nat_reuse_loopback(void **unused)
{
	struct tws_event ev = given__event("nginx", TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	given__on_loopback(&ev);
	reused_by_syn(ev, 300, 100);
	judged__must_not("nat-reuse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(server_side_harmless), TEST(server_side_harmless_near), TEST(idle_timeout),
		TEST(idle_timeout_near), TEST(health_check), TEST(health_check_idle_timeout),
		TEST(health_check_near), TEST(address_in_use), TEST(address_in_use_busy),
		TEST(address_in_use_near), TEST(nat_reuse), TEST(nat_reuse_near),
		TEST(nat_reuse_loopback),
	};

	return cmocka_run_group_tests_name("rules_servers", tests, NULL, NULL);
}
