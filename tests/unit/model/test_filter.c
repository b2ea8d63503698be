// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>

#include "commands/filter_words.h"
#include "model/filter.h"
#include "tests/unit/support.h"

typedef int add_function(struct tws_filter *f, const char *arg, char *why, size_t why_len);

static void check_taken(add_function *add, struct tws_filter *f, const char *arg)
{
	char why[128] = "";

	assert_int_equal(add(f, arg, why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void nothing_set_matches_all(void **unused)
{
	struct tws_filter f = { 0 };
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	assert_true(filter__match(&f, &ev));
	memset(&ev.conn, 0, sizeof(ev.conn));
	assert_true(filter__match(&f, &ev));
}

static void match_owner(void **unused)
{
	struct tws_filter f = { 0 };
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	check_taken(filter_words__add_pids, &f, "1,812");
	assert_true(filter__match(&f, &ev));
	ev.conn.tgid = 813; /* the thread's number is not the process's */
	assert_false(filter__match(&f, &ev));
	ev.conn.opener_tgid = 812; /* a known closer decides alone */
	assert_false(filter__match(&f, &ev));
	ev.conn.flags &= (__u8)~TWS_F_CLOSER;
	assert_true(filter__match(&f, &ev));
	ev.conn.flags &= (__u8)~TWS_F_OPENER;
	assert_false(filter__match(&f, &ev));

	memset(&f, 0, sizeof(f));
	support__event(&ev);
	check_taken(filter_words__add_comm, &f, "worker");
	assert_true(filter__match(&f, &ev));
	memset(&f, 0, sizeof(f));
	check_taken(filter_words__add_comm, &f, "ngin");
	assert_false(filter__match(&f, &ev));
	check_taken(filter_words__add_comm, &f, "nginx");
	assert_true(filter__match(&f, &ev));
	ev.conn.flags &= (__u8)~TWS_F_CLOSER;
	assert_false(filter__match(&f, &ev));
	memset(&f, 0, sizeof(f));
	check_taken(filter_words__add_comm, &f, "launcher");
	assert_false(filter__match(&f, &ev));
}

static void match_all_criteria(void **unused)
{
	struct tws_filter f = { 0 };
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	check_taken(filter_words__set_side, &f, "client");
	filter__set_family(&f, AF_INET);
	check_taken(filter_words__add_netns, &f, "4026531840");
	check_taken(filter_words__add_pids, &f, "812");
	check_taken(filter_words__add_comm, &f, "nginx");
	check_taken(filter_words__add_local, &f, "10.0.0.0/24");
	check_taken(filter_words__add_peer, &f, ":443");
	check_taken(filter_words__add_peer, &f, "10.0.0.9:8080");
	assert_true(filter__match(&f, &ev));
	ev.peer_port = 8081;
	assert_false(filter__match(&f, &ev));
	ev.peer_port = 443;
	assert_true(filter__match(&f, &ev));
	ev.netns++;
	assert_false(filter__match(&f, &ev));
	ev.netns--;
	ev.conn.side = TWS_SIDE_UNKNOWN;
	assert_false(filter__match(&f, &ev));
	ev.conn.side = TWS_SIDE_CLIENT;
	ev.local_addr[2] = 1;
	assert_false(filter__match(&f, &ev));
	ev.local_addr[2] = 0;
	support__make_ipv6(&ev);
	assert_false(filter__match(&f, &ev));
}

/* Who is not known may be one of those that are excluded. */
static void match_exclusions(void **unused)
{
	struct tws_filter f = { 0 };
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	check_taken(filter_words__add_pids, &f, "!812,!5");
	assert_false(filter__match(&f, &ev));
	ev.conn.tgid = 813;
	assert_true(filter__match(&f, &ev));
	check_taken(filter_words__add_pids, &f, "812,814");
	assert_false(filter__match(&f, &ev));
	ev.conn.tgid = 814;
	assert_true(filter__match(&f, &ev));

	memset(&f, 0, sizeof(f));
	support__event(&ev);
	check_taken(filter_words__add_comm, &f, "!worker"); /* the thread's */
	assert_false(filter__match(&f, &ev));
	ev.conn.flags &= (__u16)~TWS_F_CLOSER;
	assert_false(filter__match(&f, &ev));

	memset(&f, 0, sizeof(f));
	support__event(&ev);
	check_taken(filter_words__add_peer, &f, "!10.0.0.0/24:8000-8080");
	assert_false(filter__match(&f, &ev));
	ev.peer_port = 8081;
	assert_true(filter__match(&f, &ev));
	check_taken(filter_words__add_peer, &f, "10.0.0.0/8:8090-8099");
	assert_false(filter__match(&f, &ev));
	ev.peer_port = 8099;
	assert_true(filter__match(&f, &ev));
	ev.peer_port = 8100;
	assert_false(filter__match(&f, &ev));

	memset(&f, 0, sizeof(f));
	check_taken(filter_words__add_netns, &f, "!4026531840");
	assert_false(filter__match(&f, &ev));
	ev.netns++;
	assert_true(filter__match(&f, &ev));
}

static int bit_of(const __u8 *addr, unsigned int i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

/* Each length and each bit that differs, judged bit by bit. */
static void match_prefix_bits(void **unused)
{
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	support__make_ipv6(&ev);
	for (unsigned int len = 0; len <= 128; len++) {
		for (unsigned int flipped = 0; flipped < 128; flipped++) {
			struct tws_filter f = { .num_peers = 1 };
			struct tws_prefix *p = &f.peers[0];

			p->family = AF_INET6;
			p->len = (__u8)len;
			for (unsigned int i = 0; i < len; i++) {
				int bit = bit_of(ev.peer_addr, i) ^ (i == flipped);

				p->addr[i / 8] |= (__u8)(bit << (7 - i % 8));
			}
			assert_int_equal(filter__match(&f, &ev), flipped >= len);
		}
	}
}

static void match_device(void **unused)
{
	struct tws_filter f = { 0 };
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	check_taken(filter_words__add_local, &f, "10.0.0.5%7");
	assert_false(filter__match(&f, &ev));
	ev.conn.ifindex = 8;
	assert_false(filter__match(&f, &ev));
	ev.conn.ifindex = 7;
	assert_true(filter__match(&f, &ev));
	f.locals[0].netns = ev.netns + 1; /* another's device of that number */
	assert_false(filter__match(&f, &ev));
	f.locals[0].netns = ev.netns;
	assert_true(filter__match(&f, &ev));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_set_matches_all),
		cmocka_unit_test(match_owner),
		cmocka_unit_test(match_all_criteria),
		cmocka_unit_test(match_exclusions),
		cmocka_unit_test(match_prefix_bits),
		cmocka_unit_test(match_device),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
