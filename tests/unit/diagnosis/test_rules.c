// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What holds for all rules: what was lost, nothing to say, names, settings, and very much of it. */

/* ---- what was lost ---- */

/* What was lost is said with whatever is counted, and nobody is sure of a count that lacks some. */
static void lost_little(void **unused)
{
	(void)unused;
	given__out_of_ports("shop");
	given__closes("nginx", TWS_SIDE_SERVER, 2000, MS);
	given__add(given__event("rude", TWS_SIDE_CLIENT, TWS_ABORT), 500, MS);
	given.netns->conntrack = given.netns->conntrack_max = 65536;
	given.lost = 1;
	/* that connect() fails was seen, however many of them */
	assert_int_equal(judged__must("ports-exhausted", SEVERITY_CRITICAL)->confidence,
			 CONFIDENCE_SEEN);
	assert_int_equal(judged__fact(judged__also("ports-exhausted"), "events_lost")->number, 1);
	assert_int_equal(judged__also("aborts")->confidence, CONFIDENCE_INFERRED);
	assert_int_equal(judged__fact(judged__also("aborts"), "events_lost")->number, 1);
	/* a table is a table */
	assert_int_equal(judged__also("conntrack-full")->confidence, CONFIDENCE_SEEN);
	assert_null(judged__has_fact(judged__also("conntrack-full"), "events_lost"));
	given.lost = 0;
	assert_int_equal(judged__must("aborts", SEVERITY_WARNING)->confidence, CONFIDENCE_SEEN);
}

/* A third of it: that is too little to judge by. */
static void lost_much(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("python3", TWS_SIDE_CLIENT, 600, 3 * MS);
	given.lost = 301;
	assert_int_equal(judged__must("client-without-pool", SEVERITY_NOTICE)->confidence,
			 CONFIDENCE_LITTLE);
	given.lost = 299;
	assert_int_equal(judged__must("client-without-pool", SEVERITY_NOTICE)->confidence,
			 CONFIDENCE_INFERRED);
}

static void lost_nothing_harmful(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	given.lost = 3;
	assert_int_equal(judged__must("nothing-harmful", SEVERITY_OK)->confidence,
			 CONFIDENCE_INFERRED);
}

/* ---- nothing stands out ---- */

static void nothing(void **unused)
{
	(void)unused;
	judged__must("too-little-seen", SEVERITY_OK);
	assert_int_equal(judged.num, 1);
}

static void nothing_harmful(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	judged__must("nothing-harmful", SEVERITY_OK);
}

/* Connects that fail are not kept quiet about. */
static void nothing_harmful_but(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	given__fails("shop", 7, ECONNREFUSED);
	judged__must_say("nothing-harmful", SEVERITY_OK, "7 connects failed");
}

static void nothing_harmful_unseen(void **unused)
{
	(void)unused;
	given__netns(28232);
	given.all = given.calls = false;
	given__closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	assert_null(strstr(judged__must("nothing-harmful", SEVERITY_OK)->sentence, "connect()"));
}

/* A span that ends before the recorder began. */
static void nothing_of_no_span(void **unused)
{
	(void)unused;
	given.since_ns = given.until_ns + 5 * S;
	judged__must_say("too-little-seen", SEVERITY_OK, "in 0 s");
}

/* ---- settings, and where they count ---- */

static const char *limit_step(void)
{
	const struct finding *f;

	given.netns->time_wait = 95000;
	f = judged__must("limit-near", SEVERITY_WARNING);
	return f->steps[0];
}

static void sysctl_own(void **unused)
{
	(void)unused;
	given__netns(28232)->is_own = true;
	strcpy(given.netns->enter, "nsenter -t 812 -n ");
	assert_int_equal(strncmp(limit_step(), "sysctl -w net.ipv4.tcp_max_tw_buckets=200000", 44), 0);
	assert_null(strstr(limit_step(), "nsenter"));
}

static void sysctl_elsewhere(void **unused)
{
	(void)unused;
	strcpy(given__netns(28232)->enter, "nsenter --net=/run/netns/blue ");
	assert_non_null(strstr(limit_step(), "nsenter --net=/run/netns/blue sysctl -w "
					     "net.ipv4.tcp_max_tw_buckets=200000"));
}

/* As in a recording: it may be gone, or another process's. */
static void sysctl_unknown(void **unused)
{
	(void)unused;
	given__netns(28232);
	assert_non_null(strstr(limit_step(), "nsenter -t PID -n sysctl -w"));
	assert_non_null(strstr(limit_step(), "in network namespace 77"));
}

/* What is set in a container ends with it. */
static void sysctl_container(void **unused)
{
	struct tws_event ev = given__event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev, .workload = { .container_name = "web1",
								.container_id = "6e9708ee9788" } };
	const struct finding *f;

	(void)unused;
	strcpy(given__netns(1000)->enter, "nsenter -t 812 -n ");
	given__ports(1000, 500);
	given__records(&rec, 900, 30 * S, SINCE, UNTIL);
	f = judged__must("ports-filling", SEVERITY_WARNING);
	assert_true(f->label[0]);
	assert_non_null(strstr(f->steps[f->num_steps - 1], "nsenter -t 812 -n sysctl -w"));
	assert_non_null(strstr(f->steps[f->num_steps - 1], "docker run"));
}

/* ---- whatever is given ---- */

/* Whatever a process is called. */
static void hostile_names(void **unused)
{
	(void)unused;
	given__out_of_ports("\033[2J\n|\xff\"<b>");
	judged__must("ports-exhausted", SEVERITY_CRITICAL);
}

/* Of very many alike the first ones are told, and how many more there are. */
static void many_alike(void **unused)
{
	(void)unused;
	given__netns(1000);
	for (uint16_t port = 1; port <= 200; port++) {
		struct tws_event ev = given__event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

		ev.peer_port = port;
		given__add(ev, 900, MS);
	}
	judged__must("ports-filling", SEVERITY_WARNING);
	assert_true(judged.num < RULES_FINDINGS / 2);
	assert_null(judged__find("ports-half-used")); /* the others fill as well */
}

/* As many port sets as a host has sockets: each flow finds its own. */
static void many_port_sets(void **unused)
{
	enum { SETS = 100000 };

	(void)unused;
	given__netns(1000);
	given.ports = given__array(SETS, sizeof(*given.ports));
	given.num_ports = SETS;
	for (uint32_t i = 0; i < SETS; i++) {
		struct evidence_ports *p = &given.ports[i];

		*p = (struct evidence_ports){ .netns = NETNS, .family = AF_INET, .peer_port = 80,
					      .usable = 1000, .time_wait = i == SETS - 1 ? 700 : 1 };
		memcpy(p->local_addr, "\x0a\x00\x00\x01", 4);
		memcpy(p->peer_addr, &i, sizeof(i));
	}
	for (uint32_t i = SETS - EVIDENCE_FLOWS; i < SETS; i++) {
		struct tws_event ev = given__event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

		memcpy(ev.peer_addr, &i, sizeof(i));
		given__add(ev, 1, MS);
	}
	judged__must("ports-half-used", SEVERITY_NOTICE);
	assert_memory_equal(judged__also("ports-half-used")->peer_addr, given.ports[SETS - 1].peer_addr, 16);
	assert_int_equal(judged.num, 1);
}

/* More flows than there is room for are counted. */
static void too_many_flows(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < EVIDENCE_FLOWS + 100; i++) {
		struct tws_event ev = given__event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

		memcpy(ev.peer_addr, &i, sizeof(i));
		given__add(ev, 1, MS);
	}
	judged__apply();
	assert_int_equal(given.num_dropped, 100);
	judged__must_say("blind", SEVERITY_NOTICE, " 0 events are lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lost_little), TEST(lost_much), TEST(lost_nothing_harmful), TEST(nothing),
		TEST(nothing_harmful), TEST(nothing_harmful_but), TEST(nothing_harmful_unseen),
		TEST(nothing_of_no_span), TEST(sysctl_own), TEST(sysctl_elsewhere),
		TEST(sysctl_unknown), TEST(sysctl_container), TEST(hostile_names), TEST(many_alike),
		TEST(many_port_sets), TEST(too_many_flows),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
