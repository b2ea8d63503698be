// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/diagnosis/rules_support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/outbuf.h"
#include "output/verdict.h"
#include "tests/unit/support.h"

struct evidence given;
struct rules_verdict judged;

int given__setup(void **unused)
{
	(void)unused;
	assert_int_equal(evidence__init(&given), 0);
	given.since_ns = SINCE;
	given.until_ns = UNTIL;
	given.all = given.calls = true;
	return 0;
}

int given__teardown(void **unused)
{
	(void)unused;
	evidence__free(&given);
	return 0;
}

void given__anew(void)
{
	given__teardown(NULL);
	given__setup(NULL);
}

void *given__array(size_t num, size_t size)
{
	void *array = calloc(num, size);

	assert_non_null(array);
	return array;
}

/* ---- making evidence ---- */

struct tws_event given__event(const char *comm, uint8_t side, uint8_t action)
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

void given__on_loopback(struct tws_event *ev)
{
	memcpy(ev->local_addr, "\x7f\x00\x00\x01", 4);
	memcpy(ev->peer_addr, "\x7f\x00\x00\x01", 4);
}

void given__records(const struct record *like, unsigned int num, uint64_t life_ns, uint64_t since_ns,
		    uint64_t until_ns)
{
	struct tws_event ev = *like->event;
	struct record rec = *like;

	rec.event = &ev;
	for (unsigned int i = 0; i < num; i++) {
		ev.time_ns = since_ns + (until_ns - since_ns) * (i + 1) / num - 1;
		ev.conn.open_ns = ev.time_ns - life_ns;
		evidence__add(&given, &rec);
	}
}

void given__add_in(struct tws_event ev, unsigned int num, uint64_t life_ns, uint64_t since_ns,
		   uint64_t until_ns)
{
	const struct record rec = { .event = &ev };

	given__records(&rec, num, life_ns, since_ns, until_ns);
}

void given__add(struct tws_event ev, unsigned int num, uint64_t life_ns)
{
	given__add_in(ev, num, life_ns, SINCE, UNTIL);
}

void given__closes(const char *comm, uint8_t side, unsigned int num, uint64_t life_ns)
{
	given__add(given__event(comm, side, TWS_TIME_WAIT), num, life_ns);
}

void given__fails(const char *comm, unsigned int num, uint32_t error)
{
	struct tws_event ev = given__event(comm, TWS_SIDE_CLIENT, TWS_CONNECT_FAILED);

	ev.error = error;
	given__add(ev, num, 0);
}

struct evidence_netns *given__netns(uint32_t usable)
{
	assert_null(given.netns); /* once for each test */
	given.netns = given__array(1, sizeof(*given.netns));
	given.num_netns = 1;
	*given.netns = (struct evidence_netns){
		.netns = NETNS,
		.limits = { .max_tw_buckets = 100000, .tw_reuse = 0, .timestamps = 1, .first_port = 10000,
			    .last_port = 10000 + usable - 1, .usable_ports = usable },
	};
	return given.netns;
}

struct evidence_ports *given__ports(uint32_t usable, uint32_t time_wait)
{
	assert_null(given.ports);
	given.ports = given__array(2, sizeof(*given.ports)); /* a test may add one */
	given.num_ports = 1;
	*given.ports = (struct evidence_ports){
		.netns = NETNS, .family = AF_INET, .peer_port = 80, .usable = usable,
		.time_wait = time_wait, .left = usable - time_wait, .has_left = true,
		.owners = { { .comm = "shop", .count = time_wait } },
	};
	memcpy(given.ports->local_addr, "\x0a\x00\x00\x01", 4);
	memcpy(given.ports->peer_addr, "\x0a\x00\x00\x02", 4);
	return given.ports;
}

void given__out_of_ports(const char *comm)
{
	given__netns(1000);
	given__ports(1000, 990);
	given__closes(comm, TWS_SIDE_CLIENT, 990, MS);
	given__fails(comm, 5, EADDRNOTAVAIL);
}

/* ---- judging ---- */

const struct finding *judged__find(const char *id)
{
	for (size_t i = 0; i < judged.num; i++)
		if (!strcmp(judged.findings[i].id, id))
			return &judged.findings[i];
	return NULL;
}

const struct finding *judged__also(const char *id)
{
	const struct finding *f = judged__find(id);

	if (!f)
		fail_msg("no %s", id);
	return f;
}

const struct finding_fact *judged__has_fact(const struct finding *f, const char *name)
{
	for (size_t i = 0; i < f->num_facts; i++)
		if (!strcmp(f->facts[i].name, name))
			return &f->facts[i];
	return NULL;
}

const struct finding_fact *judged__fact(const struct finding *f, const char *name)
{
	const struct finding_fact *fact = judged__has_fact(f, name);

	if (!fact)
		fail_msg("no %s in the evidence of %s", name, f->id);
	return fact;
}

bool judged__says(const struct finding *f, const char *words)
{
	return strstr(f->sentence, words);
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
	const struct verdict_of of = { .evidence = &given, .verdict = &judged, .account = &account,
				       .note = note };
	struct verdict_style style = { .color = color };
	const char *at;
	struct outbuf ob;

	assert_int_equal(outbuf__init(&ob, 256), 0);
	verdict__text(&ob, &of, &style);
	assert_in_range(lines_of(outbuf__terminate(&ob), 80), 1, 23);
	for (size_t i = 0; i < judged.num; i++)
		assert_non_null(strstr(ob.data, judged.findings[i].id));
	at = strstr(ob.data, judged.findings[0].id);
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
	assert_true(judged.num > 0);
	for (size_t i = 0; i < judged.num; i++) {
		const struct finding *f = &judged.findings[i];
		size_t known = 0;

		while (rules__ids[known] && strcmp(rules__ids[known], f->id))
			known++;
		assert_non_null(rules__ids[known]);
		assert_true(f->sentence[0] && f->num_steps > 0);
		assert_true(f->severity <= judged.severity);
		assert_true(!i || f->severity <= f[-1].severity);
		for (const char *c = f->sentence; *c; c++) /* fit for a terminal */
			assert_true((unsigned char)*c >= ' ');
	}
	/* harmless and harmful at once would be no verdict */
	if (judged.severity >= SEVERITY_WARNING)
		assert_null(judged__find("nothing-harmful"));
	if (judged__find("limit-near") || judged__find("listener-address-in-use"))
		assert_null(judged__find("server-side-harmless"));
	check_text(NULL, false);
	check_text("What could not be seen, and why, is said as well, and what to do about it: it is no short "
		   "line, as a recorder that was attached without all that there is to see makes one.",
		   true);
}

void judged__apply(void)
{
	assert_int_equal(evidence__finish(&given), 0);
	if (!given.port_table)
		assert_int_equal(evidence__index_ports(&given), 0);
	rules__apply(&given, &judged);
	check_verdict();
}

const struct finding *judged__must(const char *id, enum severity severity)
{
	const struct finding *f;

	judged__apply();
	f = judged__also(id);
	assert_int_equal(f->severity, severity);
	return f;
}

void judged__must_say(const char *id, enum severity severity, const char *words)
{
	assert_non_null(strstr(judged__must(id, severity)->sentence, words));
}

void judged__must_not(const char *id)
{
	judged__apply();
	if (judged__find(id))
		fail_msg("%s: %s", id, judged__find(id)->sentence);
}
