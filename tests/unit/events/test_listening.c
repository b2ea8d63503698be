// SPDX-License-Identifier: GPL-2.0
/* Who listens, by records and, where these are missing, by a kernel's table that is made up. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "events/listening.h"
#include "tests/unit/support.h"

#define MS 1000000ULL
#define SEC (1000 * MS)

static uint64_t now_ns, dump_takes_ns;
static int num_dumps, dump_error;

/* The C library's: all clocks are one. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = (time_t)(now_ns / SEC), .tv_nsec = (long)(now_ns % SEC) };
	return 0;
}

static int dump(int fd, uint32_t states, sockdiag_fn fn, void *ctx, unsigned int *flags)
{
	(void)fd, (void)states, (void)fn, (void)ctx, (void)flags;
	num_dumps++;
	now_ns += dump_takes_ns;
	return dump_error;
}

static char root[PATH_MAX]; /* an empty /proc */
static const char *const no_dirs[] = { NULL };
static const struct netns_places places = { root, no_dirs };
static const struct sockets_source sockets = { &places, dump, false, NULL };
static struct source events;
static struct listening listening;

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/twsnoop-listening-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	now_ns = 1000 * SEC;
	dump_takes_ns = 0;
	num_dumps = dump_error = 0;
	events = (struct source){ 0 };
	return listening__new(&listening, &events, &sockets);
}

static int teardown(void **state)
{
	(void)state;
	listening__free(&listening);
	listening__free(&listening); /* nothing is left */
	return rmdir(root);
}

static struct tws_event listen_event(uint8_t action, uint64_t time_ns)
{
	struct tws_event ev;

	support__event(&ev);
	ev.action = action;
	ev.time_ns = time_ns;
	ev.cookie = 7;
	ev.netns = 1;
	ev.conn.opener_tgid = 42;
	ev.family = AF_INET;
	ev.local_port = 80;
	memset(ev.local_addr, 0, sizeof(ev.local_addr));
	return ev;
}

/* Who took connections to 10.0.0.@host:80 that were opened then. */
static struct listeners_match match_of(uint8_t host, uint64_t opened_ns)
{
	const struct listeners_place place = {
		.opened_ns = opened_ns, .netns = 1, .port = 80, .family = AF_INET,
		.addr = { 10, 0, 0, host },
	};
	struct listeners_match match;

	listeners__lookup(listening.table, &place, &match);
	return match;
}

static enum listeners_owner owner_at(uint64_t opened_ns)
{
	return match_of(1, opened_ns).owner;
}

static void test_records(void **state)
{
	struct tws_event ev = listen_event(TWS_LISTEN, 1001 * SEC);
	struct listeners_match match;

	(void)state;
	listening__note(&listening, &ev);
	assert_int_equal(owner_at(1002 * SEC), LISTENERS_CALLER);
	match = match_of(1, 1002 * SEC);
	assert_int_equal(match.tgid, 42);
	assert_string_equal(match.comm, "launcher");
	assert_int_equal(owner_at(1000 * SEC), LISTENERS_NONE);
	ev = listen_event(TWS_UNLISTEN, 1003 * SEC);
	listening__note(&listening, &ev);
	assert_int_equal(owner_at(1002 * SEC), LISTENERS_CALLER);
	assert_int_equal(owner_at(1004 * SEC), LISTENERS_NONE);
}

/* An IPv6 socket at ::ffff:10.0.0.1 takes what comes to 10.0.0.1, one at another address does not. */
static void test_mapped(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	struct tws_event ev = listen_event(TWS_LISTEN, 1001 * SEC);

	(void)state;
	ev.family = AF_INET6;
	memcpy(ev.local_addr, mapped, sizeof(mapped));
	ev.local_addr[9] = 1;
	listening__note(&listening, &ev);
	assert_int_equal(owner_at(1002 * SEC), LISTENERS_NONE);
	ev.cookie = 8;
	ev.local_addr[9] = 0;
	listening__note(&listening, &ev);
	assert_int_equal(owner_at(1002 * SEC), LISTENERS_CALLER);
	assert_int_equal(match_of(2, 1002 * SEC).owner, LISTENERS_NONE);
	ev.action = TWS_UNLISTEN;
	ev.time_ns = 1003 * SEC;
	listening__note(&listening, &ev);
	assert_int_equal(owner_at(1004 * SEC), LISTENERS_NONE);
}

/* The kernel is asked where records were lost, and then no more. */
static void test_lost(void **state)
{
	(void)state;
	listening__read(&listening);
	assert_int_equal(num_dumps, 0);
	events.listens_lost_since_ns = 999 * SEC;
	listening__read(&listening);
	assert_int_equal(num_dumps, 1);
	assert_int_equal(events.listens_lost_since_ns, 0);
	now_ns += 100 * SEC;
	listening__read(&listening);
	assert_int_equal(num_dumps, 1);
}

/* Of what was lost nobody is named until then. */
static void test_doubt(void **state)
{
	struct tws_event ev = listen_event(TWS_LISTEN, 1001 * SEC);

	(void)state;
	listening__note(&listening, &ev);
	listening__doubt(&listening);
	assert_int_equal(owner_at(1003 * SEC), LISTENERS_CALLER);
	events.listens_lost_since_ns = 1002 * SEC;
	listening__doubt(&listening);
	assert_int_equal(owner_at(1003 * SEC), LISTENERS_UNSURE);
	assert_int_equal(match_of(1, 1003 * SEC).tgid, 0);
	assert_int_equal(owner_at(1001 * SEC + SEC / 2), LISTENERS_CALLER);
	assert_int_equal(num_dumps, 0);
}

static void test_skipped(void **state)
{
	(void)state;
	listening__want(&listening);
	assert_int_equal(num_dumps, 1);
	now_ns += 100 * SEC;
	listening__read(&listening);
	assert_int_equal(num_dumps, 1);
}

/* However often something is lost: for a twentieth of the time, and not twice in half a second. */
static void test_share(void **state)
{
	(void)state;
	listening__want(&listening);
	now_ns += 500 * MS - 1;
	listening__want(&listening);
	assert_int_equal(num_dumps, 1);
	now_ns++;
	dump_takes_ns = SEC;
	listening__read(&listening); /* what was wanted is not forgotten */
	assert_int_equal(num_dumps, 2);
	now_ns += 500 * MS + 20 * SEC - 1;
	listening__want(&listening);
	assert_int_equal(num_dumps, 2);
	now_ns++;
	listening__read(&listening);
	assert_int_equal(num_dumps, 3);
}

/* At the start it is read whatever is known. */
static void test_begin(void **state)
{
	(void)state;
	listening__begin(&listening);
	assert_int_equal(num_dumps, 1);
	assert_int_equal(listening.flags, 0);
	listening__read(&listening);
	assert_int_equal(num_dumps, 1);
}

/* A kernel that could not be asked is asked again. */
static void test_fails(void **state)
{
	(void)state;
	dump_error = -ENOMEM;
	events.listens_lost_since_ns = 1;
	listening__want(&listening);
	assert_int_equal(num_dumps, 1);
	assert_int_equal(events.listens_lost_since_ns, 1);
	dump_error = 0;
	now_ns += SEC;
	listening__read(&listening);
	assert_int_equal(num_dumps, 2);
	assert_int_equal(events.listens_lost_since_ns, 0);
	now_ns += 100 * SEC;
	listening__read(&listening);
	assert_int_equal(num_dumps, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_records), TEST(test_mapped), TEST(test_lost), TEST(test_doubt),
		TEST(test_skipped), TEST(test_share), TEST(test_begin), TEST(test_fails),
	};

	return cmocka_run_group_tests_name("listening", tests, NULL, NULL);
}
