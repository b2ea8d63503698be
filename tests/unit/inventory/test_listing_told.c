// SPDX-License-Identifier: GPL-2.0
/*
 * How a listing is told: in which order, counted by what, in states, as text, JSON and CSV, and with which
 * account.
 */
#include "tests/unit/inventory/listing_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/group_words.h"
#include "host/ifnames.h"
#include "host/netns.h"
#include "inventory/census.h"
#include "inventory/holders.h"
#include "inventory/list_account.h"
#include "inventory/list_records.h"
#include "inventory/row_record.h"
#include "output/account_text.h"
#include "output/census_text.h"
#include "output/list_text.h"
#include "tests/unit/support.h"

/* ---- order and counts ---- */

static struct group_keys by(const char *text)
{
	struct group_keys keys = {};
	char why[256];

	assert_int_equal(group_words__by(&keys, text, why, sizeof(why)), 0);
	return keys;
}

static struct group_keys sort_key(const char *text)
{
	struct group_keys keys = {};
	char why[256];

	assert_int_equal(group_words__sort(&keys, text, why, sizeof(why)), 0);
	return keys;
}

static void check_order(const char *key, bool reverse, const uint16_t *ports)
{
	struct group_keys keys = key ? sort_key(key) : (struct group_keys){};
	uint32_t order[8];

	group__sort(&ctx, &keys, reverse, order);
	for (size_t i = 0; i < l.num; i++)
		assert_int_equal(l.rows[order[i]].key.local_port, ports[i]);
}

static void test_sort(void **state)
{

	(void)state;
	add_tw(40001, 9, 80)->expires_ms = 30000;
	add_tw(40002, 8, 443)->expires_ms = 10000;
	add_tw(40003, 7, 80)->expires_ms = 59000;
	add(SOCKDIAG_FIN_WAIT2, true, 40004, 9, 79)->expires_ms = 20000;
	see(101, 50, "zsh");
	see(103, 60, "ant");
	take_and_join();
	l.rows[0].since_ns = (int64_t)l.taken_ns - 3600 * 1000000000LL; /* the oldest of all */
	l.rows[2].since_ns = (int64_t)l.taken_ns;
	check_order(NULL, false, (uint16_t[]){ 40001, 40002, 40004, 40003 });
	check_order("age", true, (uint16_t[]){ 40003, 40004, 40002, 40001 });
	check_order("left", false, (uint16_t[]){ 40002, 40004, 40001, 40003 });
	check_order("remote", false, (uint16_t[]){ 40003, 40002, 40004, 40001 });
	check_order("local", false, (uint16_t[]){ 40001, 40002, 40003, 40004 });
	check_order("process", false, (uint16_t[]){ 40003, 40001, 40002, 40004 });
	check_order("pid", false, (uint16_t[]){ 40001, 40003, 40002, 40004 });
	check_order("state", false, (uint16_t[]){ 40004, 40001, 40002, 40003 });
}

static void test_count(void **state)
{
	struct group_keys keys = by("process,remote-port");
	struct group *groups;
	size_t num;

	(void)state;
	for (uint16_t i = 0; i < 6; i++)
		add_tw(40000 + i, 9, i < 4 ? 80 : 81);
	see(101, 50, "curl");
	see(102, 51, "curl");
	see(103, 60, "wget");
	see(105, 50, "curl");
	take_and_join();
	l.rows[3].owner = 0;
	assert_int_equal(group__count(&ctx, &keys, &groups, &num), 0);
	assert_int_equal(num, 5);
	assert_int_equal(groups[0].count, 2); /* curl to 80 */
	assert_int_equal(l.rows[groups[0].row].key.peer_port, 80);
	for (size_t i = 1; i < num; i++)
		assert_int_equal(groups[i].count, 1);
	/* what is not known comes last */
	assert_int_equal(l.rows[groups[4].row].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[groups[3].row].evidence, OWNER_UNKNOWN);
	free(groups);

	keys = by("pid");
	assert_int_equal(group__count(&ctx, &keys, &groups, &num), 0);
	assert_int_equal(num, 4); /* 50, 51, 60, unknown */
	free(groups);
	listing__free(&l);
	assert_int_equal(group__count(&ctx, &keys, &groups, &num), 0);
	assert_int_equal(num, 0);
	free(groups);
}

static void test_keys(void **state)
{
	static const char *const wrong[] = {
		"", "age", "left", "proces", "process,", ",process", "pid,pid", "pid,,uid",
		"process\033",
	};
	struct group_keys keys = { .num = 7 };
	char why[256];

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		why[0] = '\0';
		assert_int_equal(group_words__by(&keys, wrong[i], why, sizeof(why)), -EINVAL);
		assert_true(why[0] && !strchr(why, '\033'));
		assert_int_equal(keys.num, 7);
	}
	assert_int_equal(group_words__sort(&keys, "pid,uid", why, sizeof(why)), -EINVAL);
	assert_int_equal(group_words__sort(&keys, "", why, 3), -EINVAL);
	keys = by("process,pid,uid,container,local,local-port,remote,remote-port,netns,state,"
		  "side,cause");
	assert_int_equal(keys.num, 12);
}

/* What is written to a file, compared and freed. */
static void check_text(int fd, int err, const char *want)
{
	char *text;

	assert_int_equal(err, 0);
	text = support__contents(fd, NULL);
	assert_string_equal(text, want);
	free(text);
	close(fd);
}

static void test_texts(void **state)
{
	const struct list_style text = { .format = SINK_TEXT }, json = { .format = SINK_JSON };
	const struct list_style csv = { .format = SINK_CSV };
	struct group_keys keys = by("remote,process,pid,side");
	struct group *groups;
	uint32_t order[] = { 0, 1, 2 };
	size_t num;
	int fd;

	(void)state;
	see(add_tw(40001, 9, 80)->cookie, 50, "a\033b")->time_ns = 0;
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 81)->inode);
	add_tw(40005, 9, 81);
	add(SOCKDIAG_FIN_WAIT2, true, 40006, 8, 81);
	take_and_infer();
	for (size_t i = 0; i < 3; i++)
		l.rows[i].since_ns = l.taken_ns - 1500 * MS;

	fd = support__memfd();
	check_text(fd, list_text__rows(&ctx, &text, NULL, order, fd),
		   "STATE      LEFT LOCAL          PEER        PID PROCESS SIDE   CAUSE   AGE\n"
		   "time_wait 50.0s 10.0.0.5:40001 10.0.0.9:80  50 a\\x1bb  client close 1.50s\n"
		   "time_wait 50.0s 10.0.0.5:40005 10.0.0.9:81  21 ~pool   client -     1.50s\n"
		   "fin_wait2 50.0s 10.0.0.5:40006 10.0.0.8:81   - -       -      -     1.50s\n");

	assert_int_equal(group__count(&ctx, &keys, &groups, &num), 0);
	assert_int_equal(num, 3);
	fd = support__memfd();
	check_text(fd, list_text__groups(&ctx, &text, &keys, groups, num, fd),
		   "COUNT INFERRED PEER     PROCESS PID SIDE\n"
		   "    1        0 10.0.0.8 -         - -\n"
		   "    1        0 10.0.0.9 a\\x1bb   50 client\n"
		   "    1        1 10.0.0.9 ~pool    21 client\n"
		   "    3        1                      total\n");
	fd = support__memfd();
	check_text(fd, list_text__groups(&ctx, &json, &keys, groups, num, fd),
		   "{\"count\":1,\"inferred\":0,\"network\":{\"peer\":{\"address\":\"10.0.0.8\"}},"
		   "\"tcp\":{\"side\":\"unknown\"}}\n"
		   "{\"count\":1,\"inferred\":0,\"network\":{\"peer\":{\"address\":\"10.0.0.9\"}},"
		   "\"process\":{\"name\":\"a\\u001bb\",\"pid\":50},\"tcp\":{\"side\":\"client\"}}\n"
		   "{\"count\":1,\"inferred\":1,\"network\":{\"peer\":{\"address\":\"10.0.0.9\"}},"
		   "\"process\":{\"name\":\"pool\",\"pid\":21},\"tcp\":{\"side\":\"client\"}}\n");
	fd = support__memfd();
	check_text(fd, list_text__groups(&ctx, &csv, &keys, groups, num, fd),
		   "count,inferred,network.peer.address,process.name,process.pid,tcp.side\n"
		   "1,0,10.0.0.8,,,unknown\n"
		   "1,0,10.0.0.9,a\\x1bb,50,client\n"
		   "1,1,10.0.0.9,pool,21,client\n");
	free(groups);
}

/* In the order that was asked for, with all that each source knows. */
static void test_records(void **state)
{
	const struct list_records_sources sources = { NULL, listeners, root };
	const struct list_style json = { .format = SINK_JSON };
	const uint32_t order[] = { 1, 0 };
	int fd = support__memfd();

	(void)state;
	see(add_tw(40001, 9, 80)->cookie, 50, "curl"); /* it has gone: the ledger knows */
	support__set_comm(events[0].conn.thread_comm, "worker");
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 81)->inode);
	add_tw(40005, 9, 81);
	take_and_infer();
	l.wall_ns = SECOND;
	for (size_t i = 0; i < 2; i++) {
		l.rows[i].since_ns = l.taken_ns - 1500 * MS;
		l.rows[i].key.netns = 7; /* which has no name */
	}
	check_text(fd, list_text__rows(&ctx, &json, &sources, order, fd),
		   "{\"timestamp\":\"1970-01-01T00:00:01.000000000Z\","
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":40005},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":81},\"netns\":7},"
		   "\"process\":{\"pid\":21,\"name\":\"pool\",\"user\":{\"id\":44}},"
		   "\"owner\":{\"evidence\":\"inferred\"},"
		   "\"tcp\":{\"state\":\"time_wait\",\"expires_ns\":50000000000,"
		   "\"age_ns\":1500000000,\"side\":\"client\",\"cause\":\"unknown\","
		   "\"cookie\":103}}\n"
		   "{\"timestamp\":\"1970-01-01T00:00:01.000000000Z\","
		   "\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		   "\"local\":{\"address\":\"10.0.0.5\",\"port\":40001},"
		   "\"peer\":{\"address\":\"10.0.0.9\",\"port\":80},\"netns\":7},"
		   "\"process\":{\"pid\":50,\"name\":\"curl\","
		   "\"thread\":{\"id\":50,\"name\":\"worker\"},"
		   "\"command_line\":\"curl -s http://web/\",\"user\":{\"id\":0}},"
		   "\"owner\":{\"evidence\":\"seen\"},"
		   "\"tcp\":{\"state\":\"time_wait\",\"expires_ns\":50000000000,"
		   "\"age_ns\":1500000000,\"side\":\"client\",\"cause\":\"close\","
		   "\"cookie\":101,\"tx_bytes\":0,\"rx_bytes\":0}}\n");
}

static void check_account(const struct list_account *account, unsigned int ledger_flags,
			  const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	account_text__write(account, ledger_flags, file);
	assert_int_equal(fclose(file), 0);
	assert_string_equal(text, want);
	free(text);
}

static void test_account(void **state)
{
	struct list_account account;

	(void)state;
	see(add_tw(40001, 9, 80)->cookie, 50, "curl");
	add_tw(40002, 9, 80);
	add_tw(40003, 9, 80);
	add_tw(40004, 9, 80);
	take_and_join();
	l.wall_ns = 7 * 3600 * SECOND;
	l.taken_ns = 1000 * SECOND;
	l.rows[1].since_ns = 910 * SECOND;
	l.rows[2].since_ns = 930 * SECOND;
	l.rows[3].since_ns = 950 * SECOND;
	list_account__count(&account, &l, NULL);
	check_account(&account, 0,
		      "twsnoop: nothing has recorded who closed: run 'twsnoop attach', and "
		      "from then on owners are known\n"
		      "twsnoop: listed=4 seen=1 inferred=0 unknown=3 missed=0\n");
	check_account(&account, LEDGER_DENIED,
		      "twsnoop: listed=4 seen=1 inferred=0 unknown=3 missed=0\n");
	num_ledgers = 1;
	list_account__count(&account, &l, NULL);
	check_account(&account, LEDGER_OTHER,
		      "twsnoop: a ledger of another version was left out: renew it with "
		      "'twsnoop detach' and 'twsnoop attach'\n"
		      "twsnoop: only a trace with a filter records owners: run 'twsnoop attach', "
		      "and from then on all are known\n"
		      "twsnoop: listed=4 seen=1 inferred=0 unknown=3 missed=0\n");
	/* one closed before, one while the ledger was written over, one is missing */
	recorded_since_ns = 920 * SECOND;
	complete_since_ns = 940 * SECOND;
	list_account__count(&account, &l, NULL);
	check_account(&account, 0,
		      "twsnoop: the ledger is too small, and reaches back to 06:59:00 only; "
		      "sockets that were closed before: 1: 'twsnoop attach' with a larger --size, "
		      "after 'twsnoop detach' where it is attached\n"
		      "twsnoop: owners are known only since 06:58:40, sockets that were closed "
		      "before: 1\n"
		      "twsnoop: listed=4 seen=1 inferred=0 unknown=3 missed=2\n");
}

/* Of a socket that is bound to a device, or has a link-local address: its name, where asked for. */
static void devices_have_names(void **state)
{
	struct listing_row row = { .mini = true };
	struct ifnames *interfaces;
	struct tws_event ev;
	struct record rec;

	(void)state;
	row.key.ifindex = 1;
	assert_int_equal(netns__inode(-1, &row.key.netns), 0);
	row_record__fill(&ctx, &row, &ev, &rec);
	assert_null(rec.interface);
	assert_int_equal(ifnames__new(&interfaces, &netns_default_places), 0);
	ctx.interfaces = interfaces;
	row_record__fill(&ctx, &row, &ev, &rec);
	assert_string_equal(rec.interface, "lo");
	row.key.ifindex = 0;
	row_record__fill(&ctx, &row, &ev, &rec);
	assert_null(rec.interface);
	ifnames__free(interfaces);
}

/* ---- states ---- */

static void test_census(void **state)
{
	struct listing_want want = { .filter = &no_filter };
	struct tws_filter filter = { .num_peers = 1, .peers = { { .port = 80, .last_port = 80 } } };
	const struct list_style style = { .format = SINK_TEXT };
	struct census census = {};
	int fd = support__memfd();

	(void)state;
	add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80);
	add(SOCKDIAG_FIN_WAIT2, false, 40002, 9, 80);
	add(SOCKDIAG_FIN_WAIT2, true, 40003, 9, 80);
	add(SOCKDIAG_LISTEN, false, 80, 0, 0);
	add_tw(40004, 9, 80);
	add_tw(40005, 9, 81);
	assert_int_equal(census__take(&census, &source, &want, NULL), 0);
	assert_int_equal(census.num, 1);
	assert_int_equal(census.host.total, 6);
	assert_int_equal(census.host.states[SOCKDIAG_FIN_WAIT2], 1);
	assert_int_equal(census.host.fin_wait2_minis, 1);
	assert_int_equal(census.host.states[SOCKDIAG_TIME_WAIT], 2);
	assert_int_equal(census.netns[0].counts.states[SOCKDIAG_ESTABLISHED], 1);
	assert_int_equal(census.netns[0].counts.states[SOCKDIAG_LISTEN], 1);
	assert_int_equal(census.netns[0].limits.max_tw_buckets, 8);
	assert_int_equal(census.netns[0].minis, 3);
	free(census.netns[0].name);
	census.netns[0].name = strdup("blue");
	check_text(fd, census_text__write(&census, &style, fd),
		   "NETNS  TOTAL ESTAB FIN_WAIT2 LISTEN FW2_MINI TIME_WAIT TW_MAX USED%\n"
		   "(host)     6     1         1      1        1         2      -     -\n"
		   "blue       6     1         1      1        1         2      8  37.5\n");
	census__free(&census);

	want.filter = &filter;
	assert_int_equal(census__take(&census, &source, &want, NULL), 0);
	assert_int_equal(census.host.total, 4);
	assert_int_equal(census.host.states[SOCKDIAG_TIME_WAIT], 1);
	assert_int_equal(census.netns[0].minis, 3); /* the limit knows no filter */
	census__free(&census);
}

/* Each state by what is in common; and the rows of sockets that are open. */
static void test_states_by(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	const struct list_style text = { .format = SINK_TEXT }, json = { .format = SINK_JSON };
	struct group_keys keys = by("process");
	struct group *groups = NULL;
	uint32_t order[8];
	size_t num = 0;
	int fd = support__memfd();

	(void)state;
	make_process(31, "one", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(32, "two", add(SOCKDIAG_CLOSE_WAIT, false, 40002, 9, 80)->inode);
	make_process(33, "two", add(SOCKDIAG_CLOSE_WAIT, false, 40003, 9, 80)->inode);
	make_process(34, "two", table[2].inode);
	add(SOCKDIAG_FIN_WAIT2, true, 40004, 9, 80);
	add_tw(40005, 9, 80);
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(holders__find(&l, root), 0);
	l.wall_ns = 0;
	assert_int_equal(group__count(&ctx, &keys, &groups, &num), 0);
	check_text(fd, census_text__groups(&ctx, &text, &keys, groups, num, fd),
		   "PROCESS TOTAL ESTAB CLOSE_WAIT LISTEN FW2_MINI TIME_WAIT\n"
		   "two         2     0          2      0        0         0\n"
		   "-           2     0          0      0        1         1\n"
		   "one         1     1          0      0        0         0\n");
	free(groups);
	keys = by("pid");
	assert_int_equal(group__count(&ctx, &keys, &groups, &num), 0);
	assert_int_equal(num, 4);
	fd = support__memfd();
	check_text(fd, census_text__groups(&ctx, &json, &keys, &groups[1], 1, fd),
		   "{\"process\":{\"pid\":31,\"name\":\"one\"},\"states\":{\"total\":1,"
		   "\"established\":1,\"syn_sent\":0,\"syn_recv\":0,\"fin_wait1\":0,"
		   "\"fin_wait2\":0,\"close_wait\":0,\"last_ack\":0,\"closing\":0,\"close\":0,"
		   "\"listen\":0,\"fin_wait2_mini\":0,\"time_wait\":0}}\n");
	free(groups);
	l.num = 3;
	l.num_netns = 1;
	for (uint32_t i = 0; i < 3; i++)
		order[i] = i;
	fd = support__memfd();
	check_text(fd, list_text__rows(&ctx, &text, NULL, order, fd),
		   "STATE       LEFT LOCAL          PEER        PID PROCESS SIDE CAUSE AGE\n"
		   "established    - 10.0.0.5:40001 10.0.0.9:80  31 one     -    -       -\n"
		   "close_wait     - 10.0.0.5:40002 10.0.0.9:80  32 two     -    -       -\n"
		   "close_wait     - 10.0.0.5:40003 10.0.0.9:80  33 two     -    -       -\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sort), TEST(test_count), TEST(test_keys), TEST(test_texts),
		TEST(test_records), TEST(devices_have_names), TEST(test_account),
		TEST(test_census), TEST(test_states_by),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
