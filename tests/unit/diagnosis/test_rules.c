// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/outbuf.h"
#include "diagnosis/rules.h"
#include "output/verdict.h"
#include "tests/unit/support.h"

/*
 * Each pattern by made evidence: where it must speak, and where it must not. What real
 * programs make of it is played by tests/diagnose.
 */

#define S 1000000000ULL
#define MS 1000000ULL
#define SINCE (1000 * S)
#define UNTIL (1060 * S)
#define NETNS 77

static struct evidence e;
static struct rules_verdict verdict;

static int setup(void **unused)
{
	(void)unused;
	assert_int_equal(evidence__init(&e), 0);
	e.since_ns = SINCE;
	e.until_ns = UNTIL;
	e.all = e.calls = true;
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	evidence__free(&e);
	return 0;
}

/* ---- making evidence ---- */

static struct tws_event event(const char *comm, uint8_t side, uint8_t action)
{
	struct tws_event ev;

	support__event(&ev);
	ev.family = AF_INET;
	memset(ev.local_addr, 0, sizeof(ev.local_addr));
	memset(ev.peer_addr, 0, sizeof(ev.peer_addr));
	memcpy(ev.local_addr, "\x0a\x00\x00\x01", 4);
	memcpy(ev.peer_addr, "\x0a\x00\x00\x02", 4);
	ev.action = action;
	ev.netns = NETNS;
	ev.local_port = side == TWS_SIDE_SERVER ? 80 : 33000;
	ev.peer_port = side == TWS_SIDE_SERVER ? 33000 : 80;
	ev.tx_bytes = ev.rx_bytes = 100;
	ev.error = 0;
	ev.conn.side = side;
	ev.conn.cause = TWS_CAUSE_CLOSE;
	ev.conn.flags = TWS_F_CLOSER;
	ev.conn.tgid = 7;
	memset(ev.conn.comm, 0, sizeof(ev.conn.comm));
	support__set_comm(ev.conn.comm, comm);
	return ev;
}

/* @num of them, evenly from @since_ns to @until_ns, each after a life of @life_ns. */
static void add_in(struct tws_event ev, unsigned int num, uint64_t life_ns, uint64_t since_ns,
		   uint64_t until_ns)
{
	const struct record rec = { .event = &ev };

	for (unsigned int i = 0; i < num; i++) {
		ev.time_ns = since_ns + (until_ns - since_ns) * (i + 1) / num - 1;
		ev.conn.open_ns = ev.time_ns - life_ns;
		evidence__add(&e, &rec);
	}
}

/* The same over the whole span. */
static void add(struct tws_event ev, unsigned int num, uint64_t life_ns)
{
	add_in(ev, num, life_ns, SINCE, UNTIL);
}

static void closes(const char *comm, uint8_t side, unsigned int num, uint64_t life_ns)
{
	add(event(comm, side, TWS_TIME_WAIT), num, life_ns);
}

static void fails(const char *comm, unsigned int num, uint32_t error)
{
	struct tws_event ev = event(comm, TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	ev.error = error;
	add(ev, num, 0);
}

static struct evidence_netns *netns(uint32_t usable)
{
	e.netns = calloc(1, sizeof(*e.netns));
	assert_non_null(e.netns);
	e.num_netns = 1;
	*e.netns = (struct evidence_netns){
		.netns = NETNS, .max_tw_buckets = 100000, .tw_reuse = 0, .timestamps = 1,
		.first_port = 10000, .last_port = 10000 + usable - 1, .usable_ports = usable,
	};
	return e.netns;
}

static struct evidence_ports *ports(uint32_t usable, uint32_t time_wait)
{
	e.ports = calloc(2, sizeof(*e.ports));
	assert_non_null(e.ports);
	e.num_ports = 1;
	*e.ports = (struct evidence_ports){
		.netns = NETNS, .family = AF_INET, .peer_port = 80, .usable = usable,
		.time_wait = time_wait, .left = usable - time_wait, .has_left = true,
		.owners = { { .comm = "shop", .count = time_wait } },
	};
	memcpy(e.ports->local_addr, "\x0a\x00\x00\x01", 4);
	memcpy(e.ports->peer_addr, "\x0a\x00\x00\x02", 4);
	return e.ports;
}

/* ---- judging ---- */

static const struct finding *find(const char *id)
{
	for (size_t i = 0; i < verdict.num; i++)
		if (!strcmp(verdict.findings[i].id, id))
			return &verdict.findings[i];
	return NULL;
}

/* The lines of @text, none of which is wider than @width, but where a single word is. */
static unsigned int lines_of(const char *text, size_t width)
{
	unsigned int lines = 0;

	for (size_t len; *text; text += len + 1) {
		len = strcspn(text, "\n");
		lines += len > width ? (len + width - 1) / width : 1;
	}
	return lines;
}

/* As it is printed: the worst one's sentence first, all in one screen, and each finding by its name. */
static void check_text(const char *note, bool color)
{
	const struct feed_account account = { 0 };
	const struct verdict_of of = { .evidence = &e, .verdict = &verdict, .account = &account,
				       .note = note };
	struct verdict_style style = { .color = color };
	const char *at;
	struct outbuf ob;

	assert_int_equal(outbuf__init(&ob, 256), 0);
	verdict__text(&ob, &of, &style);
	assert_in_range(lines_of(outbuf__terminate(&ob), 80), 1, 23);
	for (size_t i = 0; i < verdict.num; i++)
		assert_non_null(strstr(ob.data, verdict.findings[i].id));
	at = strstr(ob.data, verdict.findings[0].id);
	assert_non_null(strstr(ob.data, "\n  Do       1. "));
	assert_true(strstr(ob.data, "\n  Evidence ") > at);
	ob.len = 0;
	style.verbose = true;
	verdict__text(&ob, &of, &style);
	outbuf__terminate(&ob);
	assert_null(strstr(ob.data, "-v\n"));
	outbuf__free(&ob);
}

/* What holds for every verdict. */
static void check_verdict(void)
{
	assert_true(verdict.num > 0);
	for (size_t i = 0; i < verdict.num; i++) {
		const struct finding *f = &verdict.findings[i];
		size_t known = 0;

		while (rules__ids[known] && strcmp(rules__ids[known], f->id))
			known++;
		assert_non_null(rules__ids[known]);
		assert_true(f->sentence[0] && f->num_steps > 0);
		assert_true(f->severity <= verdict.severity);
		assert_true(!i || f->severity <= f[-1].severity);
		for (const char *c = f->sentence; *c; c++) /* fit for a terminal */
			assert_true((unsigned char)*c >= ' ');
	}
	/* harmless and harmful at once would be no verdict */
	if (verdict.severity >= SEVERITY_WARNING)
		assert_null(find("nothing-harmful"));
	if (find("limit-near") || find("listener-address-in-use"))
		assert_null(find("server-side-harmless"));
	check_text(NULL, false);
	check_text("What could not be seen, and why, is said as well, and what to do about it: it is no short "
		   "line, as a recorder that was attached without all that there is to see makes one.", true);
}

static void judge(void)
{
	assert_int_equal(evidence__finish(&e), 0);
	if (!e.port_table)
		assert_int_equal(evidence__index_ports(&e), 0);
	rules__apply(&e, &verdict);
	check_verdict();
}

static const struct finding *must(const char *id, enum severity severity)
{
	const struct finding *f;

	judge();
	f = find(id);
	if (!f)
		fail_msg("no %s", id);
	assert_int_equal(f->severity, severity);
	return f;
}

static void must_not(const char *id)
{
	judge();
	if (find(id))
		fail_msg("%s: %s", id, find(id)->sentence);
}

/* ---- ports ---- */

/* How many findings advise it; all of them the same value. */
static unsigned int advise_range(void)
{
	static const char setting[] = "net.ipv4.ip_local_port_range='32768 60999'";
	unsigned int num = 0;

	for (size_t i = 0; i < verdict.num; i++)
		for (size_t n = 0; n < verdict.findings[i].num_steps; n++) {
			const char *step = verdict.findings[i].steps[n];

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
	netns(1000);
	ports(1000, 990);
	closes("shop", TWS_SIDE_CLIENT, 990, MS);
	fails("shop", 5, EADDRNOTAVAIL);
	f = must("ports-exhausted", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->sentence, "is out of"));
	assert_string_equal(f->comm, "shop");
	assert_int_equal(f->peer_port, 80);
	assert_non_null(strstr(f->avoid, "tcp_fin_timeout"));
	assert_null(find("ports-filling"));
	assert_null(find("ports-half-used"));
	assert_non_null(find("port-range-narrow"));
	assert_int_equal(advise_range(), 2);
}

/* The ports were full at the time, and TIME_WAITs have ended since. */
static void ports_exhausted_before(void **unused)
{
	(void)unused;
	netns(1000);
	ports(1000, 10);
	closes("shop", TWS_SIDE_CLIENT, 1000, MS);
	fails("shop", 5, EADDRNOTAVAIL);
	assert_non_null(strstr(must("ports-exhausted", SEVERITY_CRITICAL)->sentence, "was out of"));
	e.is_past = true; /* of a recording the span is all there is */
	assert_non_null(strstr(must("ports-exhausted", SEVERITY_CRITICAL)->sentence, "is out of"));
}

static const struct finding_fact *fact(const struct finding *f, const char *name)
{
	for (size_t i = 0; i < f->num_facts; i++)
		if (!strcmp(f->facts[i].name, name))
			return &f->facts[i];
	fail_msg("no %s in the evidence of %s", name, f->id);
	return NULL;
}

static bool says(const struct finding *f, const char *words)
{
	return f && strstr(f->sentence, words);
}

/* Ports that were full in the first minute of four, and who did it. */
static void past_burst(const char *taker, const char *victim)
{
	struct tws_event ev = event(victim, TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	netns(1000);
	e.looked_back = true;
	e.until_ns = SINCE + 240 * S;
	add_in(event(taker, TWS_SIDE_CLIENT, TWS_TIME_WAIT), 990, MS, SINCE, SINCE + 10 * S);
	ev.error = EADDRNOTAVAIL;
	add_in(ev, 7, 0, SINCE + 10 * S, SINCE + 40 * S);
}

/* Minutes after the last failure, and with ports that are free, it is no emergency any more. */
static void ports_exhausted_over(void **unused)
{
	const struct finding *f;

	(void)unused;
	past_burst("java", "java");
	f = must("ports-exhausted", SEVERITY_WARNING);
	assert_true(says(f, "was out of") && says(f, "failed") && says(f, "until 3m20s ago. It is over"));
	assert_false(says(f, "taken by")); /* its own */
	assert_int_equal(fact(f, "seconds_since_last_failure")->number, 200);
	assert_int_equal(fact(f, "ports_held_at_most")->number, 990);
	assert_int_equal(fact(f, "ports_held")->number, 0);
	assert_null(find("ports-filling"));
	assert_null(find("ports-half-used"));
	assert_null(find("connect-found-no-port"));
	/* why it came so is still said, but it does no harm now */
	assert_int_equal(find("client-without-pool")->severity, SEVERITY_NOTICE);
	/* of a recording the span is all there is */
	e.is_past = true;
	f = must("ports-exhausted", SEVERITY_CRITICAL);
	assert_true(says(f, "is out of") && !says(f, "over"));
}

/* Nobody has tried for a while: the next one will fail all the same. */
static void ports_exhausted_quiet(void **unused)
{
	const struct finding *f;

	(void)unused;
	past_burst("java", "java");
	e.until_ns = SINCE + 55 * S;
	ports(1000, 990);
	f = must("ports-exhausted", SEVERITY_CRITICAL);
	assert_true(says(f, "is out of"));
}

/* It comes back: at once it is critical again. */
static void ports_exhausted_again(void **unused)
{
	struct tws_event ev = event("java", TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	(void)unused;
	past_burst("java", "java");
	ports(1000, 960);
	ev.error = EADDRNOTAVAIL;
	add_in(ev, 1, 0, e.until_ns - S, e.until_ns);
	must("ports-exhausted", SEVERITY_CRITICAL);
	/* also while a few are free for a moment */
	e.ports->time_wait = 900;
	e.ports->left = 100;
	must("ports-exhausted", SEVERITY_CRITICAL);
}

/* It is over, and the next one begins: both are said. */
static void ports_exhausted_and_filling(void **unused)
{
	(void)unused;
	past_burst("java", "java");
	add_in(event("java", TWS_SIDE_CLIENT, TWS_TIME_WAIT), 400, MS, e.until_ns - 20 * S, e.until_ns);
	ports(1000, 400);
	must("ports-exhausted", SEVERITY_WARNING);
	assert_true(says(find("ports-filling"), "in about"));
	assert_int_equal(find("client-without-pool")->severity, SEVERITY_WARNING);
}

/* Who took the ports is gone, and so is what it had left: the look-back knows it, and whom to tell. */
static void ports_exhausted_taker_gone(void **unused)
{
	const struct finding *f;

	(void)unused;
	past_burst("java", "victim");
	f = must("ports-exhausted", SEVERITY_WARNING);
	assert_string_equal(f->comm, "victim");
	assert_string_equal(fact(f, "taken_by")->text, "java");
	assert_true(says(f, "were taken by java: what is to be done is its matter"));
	assert_non_null(strstr(f->steps[0], "HttpClient"));
	/* nor is the victim taken for it because some of its own are there now */
	ports(1000, 20);
	support__set_comm(e.ports->owners[0].comm, "victim");
	assert_string_equal(fact(must("ports-exhausted", SEVERITY_WARNING), "taken_by")->text, "java");
}

/* TIME_WAITs may be ended before their time: what the kernel's table lacks is not held. */
static void ports_half_used_ended(void **unused)
{
	(void)unused;
	netns(1000);
	ports(1000, 20);
	closes("shop", TWS_SIDE_CLIENT, 600, MS);
	must("ports-half-used", SEVERITY_NOTICE);
	e.has_ports = true;
	must_not("ports-half-used");
	teardown(NULL);
	setup(NULL);
	netns(1000);
	e.has_ports = true; /* and none of these */
	closes("shop", TWS_SIDE_CLIENT, 600, MS);
	must_not("ports-half-used");
}

/* Where there are containers, in which one. */
static void ports_exhausted_taker_contained(void **unused)
{
	struct tws_event ev = event("java", TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev, .workload = { .container_name = "web1",
								.container_id = "6e9708ee9788" } };

	(void)unused;
	past_burst("other", "victim");
	for (unsigned int i = 0; i < 995; i++) {
		ev.time_ns = SINCE + 11 * S + i * MS;
		evidence__add(&e, &rec);
	}
	assert_string_equal(fact(must("ports-exhausted", SEVERITY_WARNING), "taken_by")->text, "java in web1");
}

/* Two of them together held the ports, neither of them nearly all. */
static void ports_exhausted_by_two(void **unused)
{
	struct tws_event ev = event("victim", TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	(void)unused;
	netns(1000);
	e.looked_back = true;
	e.until_ns = SINCE + 240 * S;
	add_in(event("web", TWS_SIDE_CLIENT, TWS_TIME_WAIT), 400, MS, SINCE, SINCE + 10 * S);
	add_in(event("java", TWS_SIDE_CLIENT, TWS_TIME_WAIT), 590, MS, SINCE + 2 * S, SINCE + 12 * S);
	ev.error = EADDRNOTAVAIL;
	add_in(ev, 7, 0, SINCE + 12 * S, SINCE + 40 * S);
	assert_string_equal(fact(must("ports-exhausted", SEVERITY_WARNING), "taken_by")->text, "java");
	assert_int_equal(fact(find("ports-exhausted"), "ports_held_at_most")->number, 990);
}

/* Connects failed, and nothing tells what held the ports: that is said, not that there are enough. */
static void connect_found_no_port(void **unused)
{
	(void)unused;
	netns(28232);
	closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	fails("shop", 7, EADDRNOTAVAIL);
	assert_int_equal(must("connect-found-no-port", SEVERITY_WARNING)->confidence, CONFIDENCE_INFERRED);
	assert_null(find("nothing-harmful"));
	assert_null(find("ports-exhausted"));
	assert_null(find("port-range-narrow"));
}

static void connect_found_no_port_near(void **unused)
{
	(void)unused;
	netns(28232);
	closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	fails("shop", 7, ETIMEDOUT);
	must_not("connect-found-no-port");
}

/* Neither its TIME_WAITs nor what bind() has taken would fill the range alone. */
static void ports_exhausted_together(void **unused)
{
	const struct finding *f;

	(void)unused;
	netns(1000);
	ports(1000, 600)->left = 0;
	e.ports[0].bound = 400;
	e.num_ports = 2;
	e.ports[1] = (struct evidence_ports){
		.netns = NETNS, .family = AF_INET, .all_peers = true, .usable = 1000, .bound = 400,
		.owners = { { .comm = "pinner", .count = 400 } },
	};
	closes("shop", TWS_SIDE_CLIENT, 1100, MS);
	fails("victim", 5, EADDRNOTAVAIL);
	f = must("ports-exhausted", SEVERITY_CRITICAL);
	assert_string_equal(f->comm, "victim");
	assert_string_equal(f->facts[3].name, "ports_left");
	assert_string_equal(f->facts[4].name, "ports_bound");
	assert_int_equal(f->facts[4].number, 400);
	assert_null(find("bind-before-connect"));
	/* nor may one finding say that there are none, and another one that there are still some */
	if (find("ports-filling"))
		assert_null(strstr(find("ports-filling")->sentence, "in about"));
}

static void ports_exhausted_near(void **unused)
{
	(void)unused;
	netns(28232);
	ports(28232, 100);
	closes("shop", TWS_SIDE_CLIENT, 100, MS);
	fails("shop", 5, ECONNREFUSED);
	must_not("ports-exhausted");
	assert_true(verdict.severity < SEVERITY_WARNING);
}

/* No route led there: that is no matter of ports. */
static void no_address(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	(void)unused;
	netns(1000);
	ports(1000, 990);
	memset(ev.local_addr, 0, sizeof(ev.local_addr));
	ev.error = EADDRNOTAVAIL;
	add(ev, 5, 0);
	must_not("ports-exhausted");
}

static void ports_filling(void **unused)
{
	(void)unused;
	netns(1000);
	ports(1000, 500);
	closes("shop", TWS_SIDE_CLIENT, 900, MS);
	must("ports-filling", SEVERITY_WARNING);
	assert_non_null(find("client-without-pool"));
	assert_null(find("ports-half-used"));
}

static void ports_filling_reused(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT_END);

	(void)unused;
	netns(1000)->tw_reuse = 1;
	ports(1000, 700)->reusable = 690;
	closes("shop", TWS_SIDE_CLIENT, 3000, MS);
	ev.end = TWS_END_REUSED_BY_CONNECT;
	add(ev, 2000, 0);
	must_not("ports-filling");
	assert_null(find("timestamps-off"));
	assert_null(find("ports-half-used"));
}

/* A burst that is over fills nothing any more. */
static void ports_filling_over(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	netns(1000);
	ports(1000, 600);
	for (unsigned int i = 0; i < 600; i++) {
		ev.time_ns = SINCE + 30 * S + i * MS;
		ev.conn.open_ns = ev.time_ns - MS;
		evidence__add(&e, &rec);
	}
	must("ports-half-used", SEVERITY_NOTICE);
	assert_null(find("ports-filling"));
}

/* Nor does one whose TIME_WAITs have ended hold any, though they were nearly all once. */
static void ports_filling_ended(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	netns(1000);
	e.looked_back = true;
	e.until_ns = UNTIL + 70 * S;
	add(ev, 900, MS);
	must_not("ports-filling");
	assert_null(find("ports-half-used"));
	assert_true(verdict.severity < SEVERITY_WARNING);
	/* of a recording it is the worst moment that is asked for */
	e.is_past = true;
	must("ports-filling", SEVERITY_WARNING);
}

static void ports_half_used_near(void **unused)
{
	(void)unused;
	netns(28232);
	ports(28232, 14000);
	closes("shop", TWS_SIDE_CLIENT, 300, MS);
	must_not("ports-half-used");
}

static void bind_before_connect(void **unused)
{
	struct evidence_ports *p;

	(void)unused;
	netns(1000);
	p = ports(1000, 5);
	e.num_ports = 2;
	p[1] = (struct evidence_ports){ .netns = NETNS, .all_peers = true, .usable = 1000,
					.bound = 995, .owners = { { .comm = "pinner" } } };
	fails("shop", 9, EADDRNOTAVAIL);
	assert_non_null(strstr(must("bind-before-connect", SEVERITY_CRITICAL)->sentence, "pinner"));
	assert_null(find("ports-exhausted"));
}

/* What has bound them is there, but some are left, and nobody has failed for minutes. */
static void bind_before_connect_over(void **unused)
{
	struct evidence_ports *p;

	(void)unused;
	past_burst("other", "shop");
	e.netns->usable_ports = 28232;
	p = ports(28232, 5);
	e.num_ports = 2;
	p[1] = (struct evidence_ports){ .netns = NETNS, .all_peers = true, .usable = 28232, .left = 10000,
					.has_left = true, .bound = 18232, .owners = { { .comm = "pinner" } } };
	assert_true(says(must("bind-before-connect", SEVERITY_WARNING), "until 3m20s ago. It is over"));
	p[1].left = 0;
	must("bind-before-connect", SEVERITY_CRITICAL);
}

static void bind_before_connect_near(void **unused)
{
	struct evidence_ports *p;

	(void)unused;
	netns(1000);
	p = ports(1000, 5);
	e.num_ports = 2;
	p[1] = (struct evidence_ports){ .netns = NETNS, .all_peers = true, .usable = 1000,
					.bound = 20, .owners = { { .comm = "pinner" } } };
	fails("shop", 9, EADDRNOTAVAIL);
	must_not("bind-before-connect");
}

/* A narrow range harms nobody who does not need it. */
static void port_range_near(void **unused)
{
	(void)unused;
	netns(100);
	closes("shop", TWS_SIDE_CLIENT, 10, MS);
	must_not("port-range-narrow");
}

static void timestamps_off(void **unused)
{
	(void)unused;
	netns(1000)->tw_reuse = 1;
	e.netns->timestamps = 0;
	ports(1000, 700);
	closes("shop", TWS_SIDE_CLIENT, 700, MS);
	assert_non_null(strstr(must("timestamps-off", SEVERITY_WARNING)->sentence, "off here"));
	assert_non_null(strstr(find("timestamps-off")->avoid, "tcp_tw_recycle"));
}

static void timestamps_off_near(void **unused)
{
	(void)unused;
	netns(1000)->tw_reuse = 0; /* nobody expects anything of it */
	e.netns->timestamps = 0;
	ports(1000, 700);
	closes("shop", TWS_SIDE_CLIENT, 700, MS);
	must_not("timestamps-off");
}

/* It was seen at work: what is missing is time, not timestamps. */
static void timestamps_work(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT_END);

	(void)unused;
	netns(1000)->tw_reuse = 1;
	ports(1000, 990);
	closes("shop", TWS_SIDE_CLIENT, 3000, MS);
	ev.end = TWS_END_REUSED_BY_CONNECT;
	add(ev, 2000, 0);
	fails("shop", 5, EADDRNOTAVAIL);
	must("ports-exhausted", SEVERITY_CRITICAL);
	assert_null(find("timestamps-off"));
}

/* Live connections hold the ports: nothing could be reused. */
static void timestamps_live(void **unused)
{
	(void)unused;
	netns(1000)->tw_reuse = 1;
	ports(1000, 20)->live = 700;
	closes("shop", TWS_SIDE_CLIENT, 20, 30 * S);
	must_not("timestamps-off");
}

/* A wide range does not become wider by the usual one. */
static void port_range_reserved(void **unused)
{
	const struct finding *f;

	(void)unused;
	netns(1000);
	e.netns->first_port = 1024;
	e.netns->last_port = 65535;
	ports(1000, 990);
	closes("shop", TWS_SIDE_CLIENT, 990, MS);
	fails("shop", 5, EADDRNOTAVAIL);
	f = must("port-range-narrow", SEVERITY_WARNING);
	assert_null(strstr(f->steps[0], "ip_local_port_range="));
	f = find("ports-exhausted");
	for (size_t i = 0; i < f->num_steps; i++)
		assert_null(strstr(f->steps[i], "ip_local_port_range="));
}

/* ---- short connections ---- */

static void client_without_pool(void **unused)
{
	const struct finding *f;

	(void)unused;
	netns(28232);
	closes("python3", TWS_SIDE_CLIENT, 600, 3 * MS);
	f = must("client-without-pool", SEVERITY_NOTICE);
	assert_non_null(strstr(f->steps[0], "Session"));
	assert_int_equal(verdict.severity, SEVERITY_NOTICE);
}

static void client_without_pool_near(void **unused)
{
	(void)unused;
	netns(28232);
	closes("python3", TWS_SIDE_CLIENT, 600, 30 * S);
	must_not("client-without-pool");
}

static void add_pool(const char *comm, uint64_t kept)
{
	e.pools = calloc(1, sizeof(*e.pools));
	assert_non_null(e.pools);
	e.num_pools = 1;
	*e.pools = (struct evidence_pool){ .netns = NETNS, .family = AF_INET, .peer_port = 80,
					   .kept = kept };
	support__set_comm(e.pools->comm, comm);
	memcpy(e.pools->peer_addr, "\x0a\x00\x00\x02", 4);
}

static void pool_too_small(void **unused)
{
	(void)unused;
	netns(28232);
	add_pool("java", 10);
	closes("java", TWS_SIDE_CLIENT, 600, 3 * MS);
	assert_non_null(strstr(must("pool-too-small", SEVERITY_NOTICE)->steps[0], "maxConnections"));
	assert_null(find("client-without-pool"));
}

/* Its connections served many requests each. */
static void pool_too_small_near(void **unused)
{
	struct tws_event ev = event("java", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	netns(28232);
	add_pool("java", 10);
	ev.tx_bytes = 100000;
	add(ev, 600, 800 * MS);
	must_not("pool-too-small");
}

static void proxies(void **unused)
{
	static const char *const names[] = { "nginx", "haproxy", "envoy", "apache2", "squid",
					     "varnishd", "cache-worker" };

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct finding *f;

		teardown(NULL);
		setup(NULL);
		netns(28232);
		closes(names[i], TWS_SIDE_CLIENT, 600, 3 * MS);
		f = must("proxy-without-keepalive", SEVERITY_NOTICE);
		assert_null(find("client-without-pool"));
		assert_non_null(strstr(f->steps[0], ":"));
	}
}

/* A proxy closes on its server's side: that says nothing of its upstreams. */
static void proxies_near(void **unused)
{
	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 600, 3 * MS);
	must_not("proxy-without-keepalive");
	assert_non_null(find("server-side-harmless"));
}

static void loopback_pair(void **unused)
{
	struct tws_event ev = event("php-fpm8.2", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	netns(28232)->tw_reuse = 2;
	memcpy(ev.local_addr, "\x7f\x00\x00\x01", 4);
	memcpy(ev.peer_addr, "\x7f\x00\x00\x01", 4);
	add(ev, 600, MS);
	must("loopback-pair", SEVERITY_OK);
	assert_int_equal(verdict.severity, SEVERITY_OK);
}

/* An own address on both ends is no loopback to tcp_tw_reuse=2: ports run out there as elsewhere. */
static void loopback_pair_own_address(void **unused)
{
	struct tws_event ev = event("web", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	netns(1000)->tw_reuse = 2;
	memcpy(ev.peer_addr, ev.local_addr, sizeof(ev.peer_addr));
	add(ev, 450, MS);
	assert_null(strstr(must("loopback-pair", SEVERITY_OK)->sentence, "taken over"));
	add(ev, 450, MS);
	must("ports-filling", SEVERITY_WARNING);
	assert_null(find("loopback-pair"));
}

/* Without timestamps nothing is taken over. */
static void loopback_pair_no_timestamps(void **unused)
{
	struct tws_event ev = event("web", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

	(void)unused;
	netns(28232)->tw_reuse = 2;
	e.netns->timestamps = 0;
	memcpy(ev.local_addr, "\x7f\x00\x00\x01", 4);
	memcpy(ev.peer_addr, "\x7f\x00\x00\x01", 4);
	add(ev, 600, MS);
	assert_null(strstr(must("loopback-pair", SEVERITY_OK)->sentence, "taken over"));
}

static void loopback_pair_near(void **unused)
{
	(void)unused;
	netns(28232);
	closes("php-fpm8.2", TWS_SIDE_CLIENT, 600, MS);
	must_not("loopback-pair");
}

/* ---- servers ---- */

static void server_side_harmless(void **unused)
{
	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 6000, MS);
	must("server-side-harmless", SEVERITY_OK);
	assert_int_equal(verdict.severity, SEVERITY_OK);
}

static void server_side_harmless_near(void **unused)
{
	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 100, MS);
	closes("shop", TWS_SIDE_CLIENT, 900, MS);
	must_not("server-side-harmless");
}

static void idle_timeout(void **unused)
{
	(void)unused;
	netns(28232);
	closes("apache2", TWS_SIDE_SERVER, 200, 5 * S);
	assert_non_null(strstr(must("idle-timeout", SEVERITY_NOTICE)->steps[1], "KeepAliveTimeout"));
}

static void idle_timeout_near(void **unused)
{
	(void)unused;
	netns(28232);
	for (unsigned int i = 2; i < 40; i++)
		closes("apache2", TWS_SIDE_SERVER, 5, i * S / 2);
	must_not("idle-timeout");
}

static void health_check(void **unused)
{
	(void)unused;
	netns(28232);
	closes("app", TWS_SIDE_SERVER, 12, MS); /* every 5 s */
	must("health-check", SEVERITY_OK);
}

/* A client that asks now and then on a connection which the server closes after its idle timeout. */
static void health_check_idle_timeout(void **unused)
{
	(void)unused;
	netns(28232);
	closes("node", TWS_SIDE_SERVER, 12, 2 * S + S / 2); /* every 5 s */
	must("idle-timeout", SEVERITY_NOTICE);
	assert_null(find("health-check")); /* which "does no harm" */
}

static void health_check_near(void **unused)
{
	struct tws_event ev = event("app", TWS_SIDE_SERVER, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	netns(28232);
	for (unsigned int i = 0; i < 12; i++) {
		ev.time_ns = SINCE + i * i * 300 * MS;
		evidence__add(&e, &rec);
	}
	must_not("health-check");
}

/* ---- the host ---- */

static void limit_near(void **unused)
{
	(void)unused;
	netns(28232)->time_wait = 95000;
	assert_non_null(strstr(must("limit-near", SEVERITY_WARNING)->steps[0], "200000"));
}

static void limit_overflows(void **unused)
{
	(void)unused;
	netns(28232)->time_wait = 1000;
	closes("nginx", TWS_SIDE_SERVER, 1000, MS);
	add(event("nginx", TWS_SIDE_SERVER, TWS_OVERFLOW), 3, MS);
	must("limit-near", SEVERITY_CRITICAL);
}

static void limit_overflowed(void **unused)
{
	const struct finding *f;

	(void)unused;
	netns(28232)->time_wait = 1000;
	e.until_ns = UNTIL + 90 * S;
	add(event("nginx", TWS_SIDE_SERVER, TWS_OVERFLOW), 3, MS);
	f = must("limit-near", SEVERITY_WARNING);
	assert_true(says(f, "was full until 1m30s ago") && says(f, "It is over"));
	assert_int_equal(fact(f, "seconds_since_last_overflow")->number, 90);
	/* none came since, and there is no room for the next one either */
	e.netns->time_wait = 100000;
	assert_true(says(must("limit-near", SEVERITY_CRITICAL), "is full"));
}

static void limit_near_near(void **unused)
{
	(void)unused;
	netns(28232)->time_wait = 80000;
	must_not("limit-near");
}

static void peer_does_not_close(void **unused)
{
	(void)unused;
	netns(28232)->fin_wait2_minis = 500;
	e.netns->time_wait = 20;
	e.netns->max_tw_buckets = 4096;
	add(event("shop", TWS_SIDE_CLIENT, TWS_FIN_WAIT2), 500, MS);
	assert_string_equal(must("peer-does-not-close", SEVERITY_WARNING)->comm, "shop");
}

/* They harm by what they take of the limit: of a large one hardly anything. */
static void peer_does_not_close_yet(void **unused)
{
	(void)unused;
	netns(28232)->fin_wait2_minis = 500;
	e.netns->time_wait = 20;
	must("peer-does-not-close", SEVERITY_NOTICE);
	assert_int_equal(verdict.severity, SEVERITY_NOTICE);
}

static void peer_does_not_close_near(void **unused)
{
	(void)unused;
	netns(28232)->fin_wait2_minis = 500;
	e.netns->time_wait = 20000;
	must_not("peer-does-not-close");
}

/* A graver one is not left out because it comes after many alike. */
static void limits_of_many(void **unused)
{
	struct tws_event ev = event("nginx", TWS_SIDE_SERVER, TWS_OVERFLOW);

	(void)unused;
	e.netns = calloc(6, sizeof(*e.netns));
	assert_non_null(e.netns);
	e.num_netns = 6;
	for (uint32_t i = 0; i < 6; i++)
		e.netns[i] = (struct evidence_netns){ .netns = NETNS + i, .time_wait = 95000,
						      .max_tw_buckets = 100000 };
	ev.netns = NETNS + 4;
	add(ev, 3, MS);
	must("limit-near", SEVERITY_CRITICAL);
	assert_int_equal(verdict.findings[0].netns, NETNS + 4);
	assert_int_equal(verdict.num, RULES_OF_A_KIND);
	assert_int_equal(verdict.findings[0].more + verdict.findings[1].more +
			 verdict.findings[2].more, 6 - RULES_OF_A_KIND);
}

static void add_leak(uint64_t before, uint64_t stayed, uint64_t now)
{
	e.leaks = calloc(1, sizeof(*e.leaks));
	assert_non_null(e.leaks);
	e.num_leaks = 1;
	*e.leaks = (struct evidence_leak){ .comm = "leaky", .pid = 9, .netns = NETNS,
					   .before = before, .stayed = stayed, .now = now };
}

/* How long those are there that stayed: so many seconds, evenly up to @oldest_s. */
static void age_leak(unsigned int oldest_s)
{
	struct evidence_leak *l = e.leaks;

	l->aged = l->stayed;
	for (uint64_t i = 0; i < l->stayed; i++) {
		uint64_t age_s = oldest_s * i / l->stayed;

		l->calm += age_s >= 10;
		l->settled += age_s >= 60;
		l->in_span += age_s < (e.until_ns - e.since_ns) / S;
		if (age_s / 60 < EVIDENCE_LEAK_MINUTES)
			l->came[age_s / 60]++;
	}
}

static void close_wait_leak(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(40, 40, 60);
	e.leaks->served = 60;
	assert_int_equal(must("close-wait-leak", SEVERITY_CRITICAL)->pid, 9);
	age_leak(30);
	must("close-wait-leak", SEVERITY_CRITICAL);
}

/* A client that leaks what it opens. */
static void close_wait_leak_client(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(40, 40, 60);
	e.leaks->made = 20;
	age_leak(30);
	must("close-wait-leak", SEVERITY_CRITICAL);
}

/* The server empties a client's idle pool just now: nothing new is opened, or all of it is of this moment. */
static void close_wait_pool_emptied(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(40, 40, 60);
	age_leak(60);
	must_not("close-wait-leak");
	e.leaks->calm = 0;
	e.leaks->made = 20;
	must_not("close-wait-leak");
}

/* An idle pool whose connections the server has closed, which finds out at their next use. */
static void close_wait_pool(void **unused)
{
	const struct finding *f;

	(void)unused;
	netns(28232);
	add_leak(400, 400, 400);
	f = must("close-wait-leak", SEVERITY_NOTICE);
	assert_int_equal(f->confidence, CONFIDENCE_LITTLE);
	assert_true(says(f, "a pool") && !says(f, "never calls"));
	e.until_ns = SINCE + 300 * S;
	age_leak(100); /* in the last two minutes, and it closes none */
	must("close-wait-leak", SEVERITY_NOTICE);
}

/* Too slow to be seen between two looks, but minute for minute there are more. */
static void close_wait_slow(void **unused)
{
	const struct finding *f;

	(void)unused;
	netns(28232);
	e.until_ns = SINCE + 300 * S;
	add_leak(40, 40, 40);
	age_leak(400);
	f = must("close-wait-leak", SEVERITY_WARNING);
	assert_true(says(f, "at least 30 more than 5m00s ago"));
	assert_int_equal(f->confidence, CONFIDENCE_INFERRED);
	/* as many are closed as come: a pool in use */
	e.leaks->closed = 30;
	must_not("close-wait-leak");
}

/* What clients have opened is no pool of the server's. */
static void close_wait_server(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(400, 400, 400);
	age_leak(4000);
	e.leaks->served = 400;
	e.leaks->closed = 1000;
	assert_true(says(must("close-wait-leak", SEVERITY_WARNING), "for more than a minute"));
	e.leaks->settled = 0;
	must("close-wait-leak", SEVERITY_NOTICE);
	e.leaks->in_span = 1012; /* growth that is told by what came and what went */
	e.leaks->now = e.leaks->before = e.leaks->stayed = 100;
	must("close-wait-leak", SEVERITY_WARNING);
}

/* Whatever they are, they are in the way. */
static void close_wait_descriptors(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(520, 520, 520);
	e.leaks->limit = 1024;
	assert_true(says(must("close-wait-leak", SEVERITY_WARNING), "50% of the descriptors"));
	e.leaks->limit = 560;
	must("close-wait-leak", SEVERITY_CRITICAL);
	e.leaks->limit = 65536;
	must("close-wait-leak", SEVERITY_NOTICE);
}

static void close_wait_passes(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(400, 5, 400); /* others each time: a busy server */
	must_not("close-wait-leak");
}

/* A peer closes its half and waits for the answer: now and then it is one more than before. */
static void close_wait_half(void **unused)
{
	(void)unused;
	netns(28232);
	add_leak(60, 45, 61);
	must_not("close-wait-leak");
}

static void aborts(void **unused)
{
	(void)unused;
	netns(28232);
	closes("rude", TWS_SIDE_CLIENT, 100, MS);
	add(event("rude", TWS_SIDE_CLIENT, TWS_ABORT), 50, MS);
	must("aborts", SEVERITY_WARNING);
}

static void aborts_near(void **unused)
{
	struct tws_event ev = event("scanner", TWS_SIDE_CLIENT, TWS_ABORT);

	(void)unused;
	netns(28232);
	ev.tx_bytes = ev.rx_bytes = 0; /* nothing is lost by these */
	add(ev, 100, MS);
	must_not("aborts");
}

static void exits(void **unused)
{
	struct tws_event ev = event("worker", TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	netns(28232);
	ev.conn.cause = TWS_CAUSE_EXIT;
	ev.conn.flags |= TWS_F_SIGNALED;
	add(ev, 40, 10 * S);
	must("exits", SEVERITY_WARNING);
}

static void exits_near(void **unused)
{
	struct tws_event ev = event("curl", TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	netns(28232);
	ev.conn.cause = TWS_CAUSE_EXIT;
	for (unsigned int i = 0; i < 40; i++) { /* each another process, with one */
		ev.conn.tgid = 1000 + i;
		ev.time_ns = SINCE + i * S;
		evidence__add(&e, &rec);
	}
	must_not("exits");
}

/* A server that forks for each connection, and ends with it. */
static void exits_forked(void **unused)
{
	struct tws_event ev = event("socat", TWS_SIDE_SERVER, TWS_TIME_WAIT);
	const struct record rec = { .event = &ev };

	(void)unused;
	netns(28232);
	ev.conn.cause = TWS_CAUSE_EXIT;
	for (unsigned int i = 0; i < 40; i++) {
		ev.conn.tgid = 1000 + i;
		ev.time_ns = SINCE + i * S;
		evidence__add(&e, &rec);
	}
	must_not("exits");
}

static void conntrack_full(void **unused)
{
	(void)unused;
	netns(28232)->conntrack = 65536;
	e.netns->conntrack_max = 65536;
	fails("shop", 20, ETIMEDOUT);
	must("conntrack-full", SEVERITY_CRITICAL);
}

/* Timeouts of minutes ago are no evidence that it drops packets now. */
static void conntrack_before(void **unused)
{
	(void)unused;
	netns(28232)->conntrack = 60000;
	e.netns->conntrack_max = 65536;
	e.until_ns = UNTIL + 90 * S;
	fails("shop", 20, ETIMEDOUT);
	must("conntrack-full", SEVERITY_WARNING);
	e.until_ns = UNTIL;
	must("conntrack-full", SEVERITY_CRITICAL);
}

static void conntrack_near(void **unused)
{
	(void)unused;
	netns(28232)->conntrack = 1000;
	e.netns->conntrack_max = 65536;
	fails("shop", 20, ETIMEDOUT);
	must_not("conntrack-full");
}

/* Connects that time out in another namespace are no evidence against this one's table. */
static void conntrack_elsewhere(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);
	const struct finding *f;

	(void)unused;
	netns(28232)->conntrack = 60000;
	e.netns->conntrack_max = 65536;
	ev.error = ETIMEDOUT;
	ev.netns = NETNS + 1;
	add(ev, 20, 0);
	f = must("conntrack-full", SEVERITY_WARNING);
	for (size_t i = 0; i < f->num_facts; i++)
		assert_string_not_equal(f->facts[i].name, "timeouts");
}

/* ---- settings, and where they count ---- */

static const char *limit_step(void)
{
	const struct finding *f;

	e.netns->time_wait = 95000;
	f = must("limit-near", SEVERITY_WARNING);
	return f->steps[0];
}

static void sysctl_own(void **unused)
{
	(void)unused;
	netns(28232)->is_own = true;
	strcpy(e.netns->enter, "nsenter -t 812 -n ");
	assert_int_equal(strncmp(limit_step(), "sysctl -w net.ipv4.tcp_max_tw_buckets=200000", 44), 0);
	assert_null(strstr(limit_step(), "nsenter"));
}

static void sysctl_elsewhere(void **unused)
{
	(void)unused;
	strcpy(netns(28232)->enter, "nsenter --net=/run/netns/blue ");
	assert_non_null(strstr(limit_step(), "nsenter --net=/run/netns/blue sysctl -w "
					     "net.ipv4.tcp_max_tw_buckets=200000"));
}

/* As in a recording: it may be gone, or another process's. */
static void sysctl_unknown(void **unused)
{
	(void)unused;
	netns(28232);
	assert_non_null(strstr(limit_step(), "nsenter -t PID -n sysctl -w"));
	assert_non_null(strstr(limit_step(), "in network namespace 77"));
}

/* What is set in a container ends with it. */
static void sysctl_container(void **unused)
{
	struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);
	struct record rec = { .event = &ev,
			      .workload = { .container_name = "web1",
					    .container_id = "6e9708ee9788" } };
	const struct finding *f;

	(void)unused;
	strcpy(netns(1000)->enter, "nsenter -t 812 -n ");
	ports(1000, 500);
	for (unsigned int i = 0; i < 900; i++) {
		ev.time_ns = SINCE + (UNTIL - SINCE) * (i + 1) / 900 - 1;
		evidence__add(&e, &rec);
	}
	f = must("ports-filling", SEVERITY_WARNING);
	assert_true(f->label[0]);
	assert_non_null(strstr(f->steps[f->num_steps - 1], "nsenter -t 812 -n sysctl -w"));
	assert_non_null(strstr(f->steps[f->num_steps - 1], "docker run"));
}

static void nat_reuse(void **unused)
{
	struct tws_event ev = event("nginx", TWS_SIDE_SERVER, TWS_TIME_WAIT_END);

	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 300, MS);
	ev.end = TWS_END_REUSED_BY_SYN;
	add(ev, 100, 0);
	must("nat-reuse", SEVERITY_NOTICE);
}

static void nat_reuse_near(void **unused)
{
	struct tws_event ev = event("nginx", TWS_SIDE_SERVER, TWS_TIME_WAIT_END);

	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 3000, MS);
	ev.end = TWS_END_REUSED_BY_SYN;
	add(ev, 25, 0);
	must_not("nat-reuse");
}

/* On loopback it is no NAT. */
static void nat_reuse_loopback(void **unused)
{
	struct tws_event ev = event("nginx", TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	netns(28232);
	memcpy(ev.local_addr, "\x7f\x00\x00\x01", 4);
	memcpy(ev.peer_addr, "\x7f\x00\x00\x01", 4);
	add(ev, 300, MS);
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_REUSED_BY_SYN;
	add(ev, 100, 0);
	must_not("nat-reuse");
}

static void closed_by_peer(void **unused)
{
	(void)unused;
	netns(28232);
	add(event("java", TWS_SIDE_CLIENT, TWS_PASSIVE_CLOSE), 500, MS);
	must("closed-by-peer", SEVERITY_OK);
}

static void closed_by_peer_near(void **unused)
{
	(void)unused;
	netns(28232);
	add(event("java", TWS_SIDE_CLIENT, TWS_PASSIVE_CLOSE), 500, MS);
	closes("java", TWS_SIDE_CLIENT, 100, MS);
	must_not("closed-by-peer");
}

static void blind(void **unused)
{
	struct tws_event ev = event("", TWS_SIDE_SERVER, TWS_TIME_WAIT);

	(void)unused;
	netns(28232);
	ev.conn.flags = 0;
	ev.conn.cause = TWS_CAUSE_UNKNOWN;
	add(ev, 200, MS);
	must("blind", SEVERITY_NOTICE);
}

static void blind_lost(void **unused)
{
	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 200, MS);
	e.lost = 50;
	assert_non_null(strstr(must("blind", SEVERITY_NOTICE)->steps[0], "'twsnoop attach' at boot"));
	e.looked_back = true; /* which has been done */
	assert_non_null(strstr(must("blind", SEVERITY_NOTICE)->steps[0], "--size"));
	/* a quarter is missing: what was seen is not all */
	assert_int_equal(find("server-side-harmless")->confidence, CONFIDENCE_INFERRED);
}

/* What was lost is said with whatever is counted, and nobody is sure of a count that lacks some. */
static void lost_little(void **unused)
{
	(void)unused;
	netns(1000);
	ports(1000, 990);
	closes("shop", TWS_SIDE_CLIENT, 990, MS);
	closes("nginx", TWS_SIDE_SERVER, 2000, MS);
	fails("shop", 5, EADDRNOTAVAIL);
	add(event("rude", TWS_SIDE_CLIENT, TWS_ABORT), 500, MS);
	e.netns->conntrack = e.netns->conntrack_max = 65536;
	e.lost = 1;
	/* that connect() fails was seen, however many of them */
	assert_int_equal(must("ports-exhausted", SEVERITY_CRITICAL)->confidence, CONFIDENCE_SEEN);
	assert_int_equal(fact(find("ports-exhausted"), "events_lost")->number, 1);
	assert_int_equal(find("aborts")->confidence, CONFIDENCE_INFERRED);
	assert_int_equal(fact(find("aborts"), "events_lost")->number, 1);
	/* a table is a table */
	assert_int_equal(find("conntrack-full")->confidence, CONFIDENCE_SEEN);
	for (size_t i = 0; i < find("conntrack-full")->num_facts; i++)
		assert_string_not_equal(find("conntrack-full")->facts[i].name, "events_lost");
	e.lost = 0;
	assert_int_equal(must("aborts", SEVERITY_WARNING)->confidence, CONFIDENCE_SEEN);
}

/* A third of it: that is too little to judge by. */
static void lost_much(void **unused)
{
	(void)unused;
	netns(28232);
	closes("python3", TWS_SIDE_CLIENT, 600, 3 * MS);
	e.lost = 301;
	assert_int_equal(must("client-without-pool", SEVERITY_NOTICE)->confidence, CONFIDENCE_LITTLE);
	e.lost = 299;
	assert_int_equal(must("client-without-pool", SEVERITY_NOTICE)->confidence, CONFIDENCE_INFERRED);
}

static void lost_nothing_harmful(void **unused)
{
	(void)unused;
	netns(28232);
	closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	e.lost = 3;
	assert_int_equal(must("nothing-harmful", SEVERITY_OK)->confidence, CONFIDENCE_INFERRED);
}

static void blind_near(void **unused)
{
	(void)unused;
	netns(28232);
	closes("nginx", TWS_SIDE_SERVER, 200, MS);
	must_not("blind");
}

static void add_listener(bool listens, uint64_t time_waits)
{
	struct tws_event ev = event("sshd", TWS_SIDE_UNKNOWN, TWS_BIND_FAILED);

	netns(28232);
	ev.error = EADDRINUSE;
	ev.local_port = 22;
	ev.peer_port = 0;
	memset(ev.peer_addr, 0, sizeof(ev.peer_addr));
	add(ev, 3, 0);
	e.listeners = calloc(1, sizeof(*e.listeners));
	assert_non_null(e.listeners);
	e.num_listeners = 1;
	*e.listeners = (struct evidence_listener){ NETNS, 22, listens, time_waits };
}

static void address_in_use(void **unused)
{
	(void)unused;
	add_listener(false, 12);
	assert_int_equal(must("listener-address-in-use", SEVERITY_CRITICAL)->local_port, 22);
}

/* What hinders a listener is not called harmless. */
static void address_in_use_busy(void **unused)
{
	(void)unused;
	add_listener(false, 200);
	closes("sshd", TWS_SIDE_SERVER, 200, MS);
	must("listener-address-in-use", SEVERITY_CRITICAL);
	assert_null(find("server-side-harmless"));
}

static void address_in_use_near(void **unused)
{
	(void)unused;
	add_listener(true, 12);
	must_not("listener-address-in-use");
}

/* ---- all of it ---- */

static void nothing(void **unused)
{
	(void)unused;
	must("too-little-seen", SEVERITY_OK);
	assert_int_equal(verdict.num, 1);
}

static void nothing_harmful(void **unused)
{
	(void)unused;
	netns(28232);
	closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	must("nothing-harmful", SEVERITY_OK);
}

/* Connects that fail are not kept quiet about. */
static void nothing_harmful_but(void **unused)
{
	(void)unused;
	netns(28232);
	closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	fails("shop", 7, ECONNREFUSED);
	assert_non_null(strstr(must("nothing-harmful", SEVERITY_OK)->sentence, "7 connects failed"));
}

static void nothing_harmful_unseen(void **unused)
{
	(void)unused;
	netns(28232);
	e.all = e.calls = false;
	closes("shop", TWS_SIDE_CLIENT, 200, 30 * S);
	assert_null(strstr(must("nothing-harmful", SEVERITY_OK)->sentence, "connect()"));
}

/* A span that ends before the recorder began. */
static void nothing_of_no_span(void **unused)
{
	(void)unused;
	e.since_ns = e.until_ns + 5 * S;
	assert_non_null(strstr(must("too-little-seen", SEVERITY_OK)->sentence, "in 0 s"));
}

/* Whatever a process is called. */
static void hostile_names(void **unused)
{
	(void)unused;
	netns(1000);
	ports(1000, 990);
	closes("\033[2J\n|\xff\"<b>", TWS_SIDE_CLIENT, 990, MS);
	fails("\033[2J\n|\xff\"<b>", 5, EADDRNOTAVAIL);
	must("ports-exhausted", SEVERITY_CRITICAL);
}

/* Of very many alike the first ones are told, and how many more there are. */
static void many_alike(void **unused)
{
	(void)unused;
	netns(1000);
	for (uint16_t port = 1; port <= 200; port++) {
		struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

		ev.peer_port = port;
		add(ev, 900, MS);
	}
	must("ports-filling", SEVERITY_WARNING);
	assert_true(verdict.num < RULES_FINDINGS / 2);
	assert_null(find("ports-half-used")); /* the others fill as well */
}

/* As many port sets as a host has sockets: each flow finds its own. */
static void many_port_sets(void **unused)
{
	enum { SETS = 100000 };

	(void)unused;
	netns(1000);
	e.ports = calloc(SETS, sizeof(*e.ports));
	assert_non_null(e.ports);
	e.num_ports = SETS;
	for (uint32_t i = 0; i < SETS; i++) {
		struct evidence_ports *p = &e.ports[i];

		*p = (struct evidence_ports){ .netns = NETNS, .family = AF_INET, .peer_port = 80,
					      .usable = 1000, .time_wait = i == SETS - 1 ? 700 : 1 };
		memcpy(p->local_addr, "\x0a\x00\x00\x01", 4);
		memcpy(p->peer_addr, &i, sizeof(i));
	}
	for (uint32_t i = SETS - EVIDENCE_FLOWS; i < SETS; i++) {
		struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

		memcpy(ev.peer_addr, &i, sizeof(i));
		add(ev, 1, MS);
	}
	must("ports-half-used", SEVERITY_NOTICE);
	assert_memory_equal(find("ports-half-used")->peer_addr, e.ports[SETS - 1].peer_addr, 16);
	assert_int_equal(verdict.num, 1);
}

/* More flows than there is room for are counted. */
static void too_many_flows(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < EVIDENCE_FLOWS + 100; i++) {
		struct tws_event ev = event("shop", TWS_SIDE_CLIENT, TWS_TIME_WAIT);

		memcpy(ev.peer_addr, &i, sizeof(i));
		add(ev, 1, MS);
	}
	judge();
	assert_int_equal(e.num_dropped, 100);
	assert_non_null(strstr(must("blind", SEVERITY_NOTICE)->sentence, " 0 events are lost"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_exhausted), TEST(ports_exhausted_before), TEST(ports_exhausted_near),
		TEST(ports_exhausted_together), TEST(ports_exhausted_over), TEST(ports_exhausted_quiet),
		TEST(ports_exhausted_again), TEST(ports_exhausted_and_filling),
		TEST(ports_exhausted_taker_gone), TEST(ports_exhausted_by_two),
		TEST(ports_exhausted_taker_contained), TEST(ports_half_used_ended),
		TEST(connect_found_no_port), TEST(connect_found_no_port_near),
		TEST(bind_before_connect_over), TEST(limit_overflowed), TEST(conntrack_before),
		TEST(lost_little), TEST(lost_much), TEST(lost_nothing_harmful),
		TEST(no_address), TEST(ports_filling),
		TEST(ports_filling_reused), TEST(ports_filling_over), TEST(ports_filling_ended),
		TEST(ports_half_used_near), TEST(bind_before_connect),
		TEST(bind_before_connect_near), TEST(port_range_near), TEST(timestamps_off),
		TEST(timestamps_off_near), TEST(timestamps_work), TEST(timestamps_live),
		TEST(port_range_reserved), TEST(client_without_pool),
		TEST(client_without_pool_near), TEST(pool_too_small), TEST(pool_too_small_near),
		TEST(proxies), TEST(proxies_near), TEST(loopback_pair), TEST(loopback_pair_near),
		TEST(loopback_pair_own_address), TEST(loopback_pair_no_timestamps),
		TEST(server_side_harmless), TEST(server_side_harmless_near), TEST(idle_timeout),
		TEST(idle_timeout_near), TEST(health_check), TEST(health_check_near),
		TEST(health_check_idle_timeout),
		TEST(limit_near), TEST(limit_overflows), TEST(limit_near_near),
		TEST(limits_of_many), TEST(peer_does_not_close), TEST(peer_does_not_close_near),
		TEST(peer_does_not_close_yet), TEST(conntrack_elsewhere), TEST(sysctl_own),
		TEST(sysctl_elsewhere), TEST(sysctl_unknown), TEST(sysctl_container),
		TEST(close_wait_leak), TEST(close_wait_leak_client), TEST(close_wait_pool_emptied),
		TEST(close_wait_pool), TEST(close_wait_slow), TEST(close_wait_server),
		TEST(close_wait_descriptors), TEST(close_wait_passes),
		TEST(close_wait_half), TEST(aborts), TEST(aborts_near), TEST(exits),
		TEST(exits_near), TEST(exits_forked), TEST(conntrack_full), TEST(conntrack_near),
		TEST(nat_reuse), TEST(nat_reuse_near), TEST(nat_reuse_loopback),
		TEST(closed_by_peer), TEST(closed_by_peer_near), TEST(blind), TEST(blind_lost),
		TEST(blind_near), TEST(address_in_use), TEST(address_in_use_near),
		TEST(address_in_use_busy), TEST(nothing), TEST(nothing_harmful),
		TEST(nothing_harmful_but), TEST(nothing_harmful_unseen),
		TEST(nothing_of_no_span), TEST(hostile_names), TEST(many_alike),
		TEST(many_port_sets), TEST(too_many_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
