// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/support.h"

/* Local ports: rules_ports.c. */

/* ---- none are left ---- */

/* How many findings advise it; all of them the same value. */
static unsigned int advise_range(void)
{
	static const char setting[] = "net.ipv4.ip_local_port_range='32768 60999'";
	unsigned int num = 0;

	for (size_t i = 0; i < judged.num; i++)
		for (size_t n = 0; n < judged.findings[i].num_steps; n++) {
			const char *step = judged.findings[i].steps[n];

			if (!strstr(step, "ip_local_port_range="))
				continue;
			assert_non_null(strstr(step, setting));
			num++;
		}
	return num;
}

static void ports_exhausted(void **unused)
{
	const struct finding *f;

	(void)unused;
	given__out_of_ports("shop");
	f = judged__must("ports-exhausted", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->sentence, "is out of"));
	assert_string_equal(f->comm, "shop");
	assert_int_equal(f->peer_port, 80);
	assert_non_null(strstr(f->avoid, "tcp_fin_timeout"));
	assert_null(judged__find("ports-filling"));
	assert_null(judged__find("ports-half-used"));
	assert_non_null(judged__find("port-range-narrow"));
	assert_int_equal(advise_range(), 2);
}

/* The ports were full at the time, and TIME_WAITs have ended since. */
static void ports_exhausted_before(void **unused)
{
	(void)unused;
	given__netns(1000);
	given__ports(1000, 10);
	given__closes("shop", TWS_SIDE_CLIENT, 1000, MS);
	given__fails("shop", 5, EADDRNOTAVAIL);
	judged__must_say("ports-exhausted", SEVERITY_CRITICAL, "was out of");
	given.is_past = true; /* of a recording the span is all there is */
	judged__must_say("ports-exhausted", SEVERITY_CRITICAL, "is out of");
}

/* TIME_WAITs of a client. */
static void takes_in(const char *comm, unsigned int num, uint64_t since_ns, uint64_t until_ns)
{
	given__add_in(given__event(comm, TWS_SIDE_CLIENT, TWS_TIME_WAIT), num, MS, since_ns, until_ns);
}

/* connect() that finds no port, @num times from @since_ns to @until_ns. */
static void fails_in(const char *comm, unsigned int num, uint64_t since_ns, uint64_t until_ns)
{
	struct tws_event ev = given__event(comm, TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	ev.error = EADDRNOTAVAIL;
	given__add_in(ev, num, 0, since_ns, until_ns);
}

/* Four minutes that are looked back at, with 1,000 ports. */
static void past_span(void)
{
	given__netns(1000);
	given.looked_back = true;
	given.until_ns = SINCE + 240 * S;
}

/* Ports that were full in the first minute of four, and who did it. */
static void past_burst(const char *taker, const char *victim)
{
	past_span();
	takes_in(taker, 990, SINCE, SINCE + 10 * S);
	fails_in(victim, 7, SINCE + 10 * S, SINCE + 40 * S);
}

/* Who took them, as it is told once it is over. */
static const char *taken_by(void)
{
	return judged__fact(judged__must("ports-exhausted", SEVERITY_WARNING), "taken_by")->text;
}

/* Minutes after the last failure, and with ports that are free, it is no emergency any more. */
static void ports_exhausted_over(void **unused)
{
	const struct finding *f;

	(void)unused;
	past_burst("java", "java");
	f = judged__must("ports-exhausted", SEVERITY_WARNING);
	assert_true(judged__says(f, "was out of") && judged__says(f, "failed"));
	assert_true(judged__says(f, "until 3m20s ago. It is over"));
	assert_false(judged__says(f, "taken by")); /* its own */
	assert_int_equal(judged__fact(f, "seconds_since_last_failure")->number, 200);
	assert_int_equal(judged__fact(f, "ports_held_at_most")->number, 990);
	assert_int_equal(judged__fact(f, "ports_held")->number, 0);
	assert_null(judged__find("ports-filling"));
	assert_null(judged__find("ports-half-used"));
	assert_null(judged__find("connect-found-no-port"));
	/* why it came so is still said, but it does no harm now */
	assert_int_equal(judged__also("client-without-pool")->severity, SEVERITY_NOTICE);
	/* of a recording the span is all there is */
	given.is_past = true;
	f = judged__must("ports-exhausted", SEVERITY_CRITICAL);
	assert_true(judged__says(f, "is out of") && !judged__says(f, "over"));
}

/* Nobody has tried for a while: the next one will fail all the same. */
static void ports_exhausted_quiet(void **unused)
{
	(void)unused;
	past_burst("java", "java");
	given.until_ns = SINCE + 55 * S;
	given__ports(1000, 990);
	judged__must_say("ports-exhausted", SEVERITY_CRITICAL, "is out of");
}

/* It comes back: at once it is critical again. */
static void ports_exhausted_again(void **unused)
{
	(void)unused;
	past_burst("java", "java");
	given__ports(1000, 960);
	fails_in("java", 1, given.until_ns - S, given.until_ns);
	judged__must("ports-exhausted", SEVERITY_CRITICAL);
	/* also while a few are free for a moment */
	given.ports->time_wait = 900;
	given.ports->left = 100;
	judged__must("ports-exhausted", SEVERITY_CRITICAL);
}

/* It is over, and the next one begins: both are said. */
static void ports_exhausted_and_filling(void **unused)
{
	(void)unused;
	past_burst("java", "java");
	takes_in("java", 400, given.until_ns - 20 * S, given.until_ns);
	given__ports(1000, 400);
	judged__must("ports-exhausted", SEVERITY_WARNING);
	assert_true(judged__says(judged__also("ports-filling"), "in about"));
	assert_int_equal(judged__also("client-without-pool")->severity, SEVERITY_WARNING);
}

/* Who took the ports is gone, and so is what it had left: the look-back knows it, and whom to tell. */
static void ports_exhausted_taker_gone(void **unused)
{
	const struct finding *f;

	(void)unused;
	past_burst("java", "victim");
	f = judged__must("ports-exhausted", SEVERITY_WARNING);
	assert_string_equal(f->comm, "victim");
	assert_string_equal(judged__fact(f, "taken_by")->text, "java");
	assert_true(judged__says(f, "were taken by java: what is to be done is its matter"));
	assert_non_null(strstr(f->steps[0], "HttpClient"));
	/* nor is the victim taken for it because some of its own are there now */
	given__ports(1000, 20);
	support__set_comm(given.ports->owners[0].comm, "victim");
	assert_string_equal(taken_by(), "java");
}

/* Where there are containers, in which one. */
static void ports_exhausted_taker_contained(void **unused)
{
	struct tws_event ev = given__event("java", TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev, .workload = { .container_name = "web1",
								.container_id = "6e9708ee9788" } };

	(void)unused;
	past_burst("other", "victim");
	given__records(&rec, 995, 30 * S, SINCE + 11 * S, SINCE + 12 * S);
	assert_string_equal(taken_by(), "java in web1");
}

/* Two of them together held the ports, neither of them nearly all. */
static void ports_exhausted_by_two(void **unused)
{
	(void)unused;
	past_span();
	takes_in("web", 400, SINCE, SINCE + 10 * S);
	takes_in("java", 590, SINCE + 2 * S, SINCE + 12 * S);
	fails_in("victim", 7, SINCE + 12 * S, SINCE + 40 * S);
	assert_string_equal(taken_by(), "java");
	assert_int_equal(judged__fact(judged__also("ports-exhausted"), "ports_held_at_most")->number, 990);
}

/* What bind() has taken of the ports for every remote end; beside given__ports(). */
static struct evidence_ports *pinned(uint32_t usable, uint32_t bound)
{
	struct evidence_ports *p = &given.ports[given.num_ports++];

	*p = (struct evidence_ports){
		.netns = NETNS, .family = AF_INET, .all_peers = true, .usable = usable, .bound = bound,
		.owners = { { .comm = "pinner", .count = bound } },
	};
	return p;
}

/* Neither its TIME_WAITs nor what bind() has taken would fill the range alone. */
static void ports_exhausted_together(void **unused)
{
	const struct finding *f;

	(void)unused;
	given__netns(1000);
	given__ports(1000, 600)->left = 0;
	given.ports[0].bound = 400;
	pinned(1000, 400);
	given__closes("shop", TWS_SIDE_CLIENT, 1100, MS);
	given__fails("victim", 5, EADDRNOTAVAIL);
	f = judged__must("ports-exhausted", SEVERITY_CRITICAL);
	assert_string_equal(f->comm, "victim");
	assert_string_equal(f->facts[3].name, "ports_left");
	assert_string_equal(f->facts[4].name, "ports_bound");
	assert_int_equal(f->facts[4].number, 400);
	assert_null(judged__find("bind-before-connect"));
	/* nor may one finding say that there are none, and another one that there are still some */
	if (judged__find("ports-filling"))
		assert_null(strstr(judged__find("ports-filling")->sentence, "in about"));
}

static void ports_exhausted_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__ports(28232, 100);
	given__closes("shop", TWS_SIDE_CLIENT, 100, MS);
	given__fails("shop", 5, ECONNREFUSED);
	judged__must_not("ports-exhausted");
	assert_true(judged.severity < SEVERITY_WARNING);
}

/* No route led there: that is no matter of ports. */
static void no_address(void **unused)
{
	struct tws_event ev = given__event("shop", TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	(void)unused;
	given__netns(1000);
	given__ports(1000, 990);
	memset(ev.local_addr, 0, sizeof(ev.local_addr));
	ev.error = EADDRNOTAVAIL;
	given__add(ev, 5, 0);
	judged__must_not("ports-exhausted");
}

/* Connects failed, and nothing tells what held the ports: that is said, not that there are enough. */
static void connect_found_no_port(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	given__fails("shop", 7, EADDRNOTAVAIL);
	assert_int_equal(judged__must("connect-found-no-port", SEVERITY_WARNING)->confidence,
			 CONFIDENCE_INFERRED);
	assert_null(judged__find("nothing-harmful"));
	assert_null(judged__find("ports-exhausted"));
	assert_null(judged__find("port-range-narrow"));
}

static void connect_found_no_port_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	given__fails("shop", 7, ETIMEDOUT);
	judged__must_not("connect-found-no-port");
}

/* ---- they become few ---- */

static void ports_filling(void **unused)
{
	(void)unused;
	given__netns(1000);
	given__ports(1000, 500);
	given__closes("shop", TWS_SIDE_CLIENT, 900, MS);
	judged__must("ports-filling", SEVERITY_WARNING);
	assert_non_null(judged__find("client-without-pool"));
	assert_null(judged__find("ports-half-used"));
}

/* 3,000 TIME_WAITs, of which connect() has taken over 2,000. */
static void reuses(const char *comm)
{
	struct tws_event ev = given__event(comm, TWS_SIDE_CLIENT, TWS_TIME_WAIT_END);

	given__closes(comm, TWS_SIDE_CLIENT, 3000, MS);
	ev.end = TWS_END_REUSED_BY_CONNECT;
	given__add(ev, 2000, 0);
}

static void ports_filling_reused(void **unused)
{
	(void)unused;
	given__netns(1000)->limits.tw_reuse = 1;
	given__ports(1000, 700)->reusable = 690;
	reuses("shop");
	judged__must_not("ports-filling");
	assert_null(judged__find("timestamps-off"));
	assert_null(judged__find("ports-half-used"));
}

/* A burst that is over fills nothing any more. */
static void ports_filling_over(void **unused)
{
	(void)unused;
	given__netns(1000);
	given__ports(1000, 600);
	takes_in("shop", 600, SINCE + 30 * S, SINCE + 30 * S + 600 * MS);
	judged__must("ports-half-used", SEVERITY_NOTICE);
	assert_null(judged__find("ports-filling"));
}

/* Nor does one whose TIME_WAITs have ended hold any, though they were nearly all once. */
static void ports_filling_ended(void **unused)
{
	(void)unused;
	given__netns(1000);
	given.looked_back = true;
	given.until_ns = UNTIL + 70 * S;
	given__closes("shop", TWS_SIDE_CLIENT, 900, MS);
	judged__must_not("ports-filling");
	assert_null(judged__find("ports-half-used"));
	assert_true(judged.severity < SEVERITY_WARNING);
	/* of a recording it is the worst moment that is asked for */
	given.is_past = true;
	judged__must("ports-filling", SEVERITY_WARNING);
}

/* TIME_WAITs may be ended before their time: what the kernel's table lacks is not held. */
static void ports_half_used_ended(void **unused)
{
	(void)unused;
	given__netns(1000);
	given__ports(1000, 20);
	given__closes("shop", TWS_SIDE_CLIENT, 600, MS);
	judged__must("ports-half-used", SEVERITY_NOTICE);
	given.has_ports = true;
	judged__must_not("ports-half-used");
	given__anew();
	given__netns(1000);
	given.has_ports = true; /* and none of these */
	given__closes("shop", TWS_SIDE_CLIENT, 600, MS);
	judged__must_not("ports-half-used");
}

static void ports_half_used_near(void **unused)
{
	(void)unused;
	given__netns(28232);
	given__ports(28232, 14000);
	given__closes("shop", TWS_SIDE_CLIENT, 300, MS);
	judged__must_not("ports-half-used");
}

/* ---- taken by bind() ---- */

static void bind_before_connect(void **unused)
{
	(void)unused;
	given__netns(1000);
	given__ports(1000, 5);
	pinned(1000, 995);
	given__fails("shop", 9, EADDRNOTAVAIL);
	judged__must_say("bind-before-connect", SEVERITY_CRITICAL, "pinner");
	assert_null(judged__find("ports-exhausted"));
}

/* What has bound them is there, but some are left, and nobody has failed for minutes. */
static void bind_before_connect_over(void **unused)
{
	struct evidence_ports *p;

	(void)unused;
	past_burst("other", "shop");
	given.netns->limits.usable_ports = 28232;
	given__ports(28232, 5);
	p = pinned(28232, 18232);
	p->left = 10000;
	p->has_left = true;
	judged__must_say("bind-before-connect", SEVERITY_WARNING, "until 3m20s ago. It is over");
	p->left = 0;
	judged__must("bind-before-connect", SEVERITY_CRITICAL);
}

static void bind_before_connect_near(void **unused)
{
	(void)unused;
	given__netns(1000);
	given__ports(1000, 5);
	pinned(1000, 20);
	given__fails("shop", 9, EADDRNOTAVAIL);
	judged__must_not("bind-before-connect");
}

/* ---- settings ---- */

/* A narrow range harms nobody who does not need it. */
static void port_range_near(void **unused)
{
	(void)unused;
	given__netns(100);
	given__closes("shop", TWS_SIDE_CLIENT, 10, MS);
	judged__must_not("port-range-narrow");
}

/* A wide range does not become wider by the usual one. */
static void port_range_reserved(void **unused)
{
	const struct finding *f;

	(void)unused;
	given__out_of_ports("shop");
	given.netns->limits.first_port = 1024;
	given.netns->limits.last_port = 65535;
	f = judged__must("port-range-narrow", SEVERITY_WARNING);
	assert_null(strstr(f->steps[0], "ip_local_port_range="));
	f = judged__also("ports-exhausted");
	for (size_t i = 0; i < f->num_steps; i++)
		assert_null(strstr(f->steps[i], "ip_local_port_range="));
}

/* Without timestamps: 700 of 1,000 ports are held, and tcp_tw_reuse is @tw_reuse. */
static void no_timestamps(uint32_t tw_reuse)
{
	given__netns(1000)->limits.tw_reuse = tw_reuse;
	given.netns->limits.timestamps = 0;
	given__ports(1000, 700);
	given__closes("shop", TWS_SIDE_CLIENT, 700, MS);
}

static void timestamps_off(void **unused)
{
	(void)unused;
	no_timestamps(1);
	judged__must_say("timestamps-off", SEVERITY_WARNING, "off here");
	assert_non_null(strstr(judged__also("timestamps-off")->avoid, "tcp_tw_recycle"));
}

static void timestamps_off_near(void **unused)
{
	(void)unused;
	no_timestamps(0); /* nobody expects anything of it */
	judged__must_not("timestamps-off");
}

/* It was seen at work: what is missing is time, not timestamps. */
static void timestamps_work(void **unused)
{
	(void)unused;
	given__netns(1000)->limits.tw_reuse = 1;
	given__ports(1000, 990);
	reuses("shop");
	given__fails("shop", 5, EADDRNOTAVAIL);
	judged__must("ports-exhausted", SEVERITY_CRITICAL);
	assert_null(judged__find("timestamps-off"));
}

/* Live connections hold the ports: nothing could be reused. */
static void timestamps_live(void **unused)
{
	(void)unused;
	given__netns(1000)->limits.tw_reuse = 1;
	given__ports(1000, 20)->live = 700;
	given__closes("shop", TWS_SIDE_CLIENT, 20, 30 * S);
	judged__must_not("timestamps-off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_exhausted), TEST(ports_exhausted_before), TEST(ports_exhausted_over),
		TEST(ports_exhausted_quiet), TEST(ports_exhausted_again),
		TEST(ports_exhausted_and_filling), TEST(ports_exhausted_taker_gone),
		TEST(ports_exhausted_taker_contained), TEST(ports_exhausted_by_two),
		TEST(ports_exhausted_together), TEST(ports_exhausted_near), TEST(no_address),
		TEST(connect_found_no_port), TEST(connect_found_no_port_near), TEST(ports_filling),
		TEST(ports_filling_reused), TEST(ports_filling_over), TEST(ports_filling_ended),
		TEST(ports_half_used_ended), TEST(ports_half_used_near), TEST(bind_before_connect),
		TEST(bind_before_connect_over), TEST(bind_before_connect_near), TEST(port_range_near),
		TEST(port_range_reserved), TEST(timestamps_off), TEST(timestamps_off_near),
		TEST(timestamps_work), TEST(timestamps_live),
	};

	return cmocka_run_group_tests_name("rules_ports", tests, NULL, NULL);
}
