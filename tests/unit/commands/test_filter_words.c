// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <net/if.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "commands/filter_words.h"
#include "host/netns.h"
#include "tests/unit/support.h"

typedef int add_function(struct tws_filter *f, const char *arg, char *why, size_t why_len);

/* A refused argument says why in so many words, and changes nothing. */
static void check_refused(add_function *add, const char *arg, int rc, const char *want)
{
	struct tws_filter f = { .num_pids = 1, .pids = { 7 }, .side = TWS_SIDE_CLIENT }, before;
	char why[128] = "";

	before = f;
	assert_int_equal(add(&f, arg, why, sizeof(why)), rc);
	assert_string_equal(why, want);
	assert_memory_equal(&f, &before, sizeof(f));
}

static void check_taken(add_function *add, struct tws_filter *f, const char *arg)
{
	char why[128] = "";

	assert_int_equal(add(f, arg, why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void pids(void **unused)
{
	struct tws_filter f = { 0 };
	char why[8];

	(void)unused;
	check_taken(filter_words__add_pids, &f, "1");
	check_taken(filter_words__add_pids, &f, "812,4194304");
	assert_int_equal(f.num_pids, 3);
	assert_int_equal(f.pids[0], 1);
	assert_int_equal(f.pids[1], 812);
	assert_int_equal(f.pids[2], 4194304);
	check_refused(filter_words__add_pids, "", -EINVAL, "'' is not a PID");
	check_refused(filter_words__add_pids, "1x", -EINVAL, "'1x' is not a PID");
	check_refused(filter_words__add_pids, "-1", -EINVAL, "'-1' is not a PID");
	check_refused(filter_words__add_pids, "0", -EINVAL, "'0' is not a PID");
	check_refused(filter_words__add_pids, "4194305", -EINVAL, "'4194305' is not a PID");
	check_refused(filter_words__add_pids, "1,", -EINVAL, "'' is not a PID");
	check_refused(filter_words__add_pids, ",1", -EINVAL, "'' is not a PID");
	check_refused(filter_words__add_pids, "1,,2", -EINVAL, "'' is not a PID");
	check_refused(filter_words__add_pids, "5,99999999999999999999", -EINVAL,
		      "'99999999999999999999' is not a PID");
	check_refused(filter_words__add_pids, "\33[2J", -EINVAL, "'\\x1b[2J' is not a PID");
	for (unsigned int i = 3; i < TWS_MAX_PIDS; i++) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%u", 2 * i + 1000);
		check_taken(filter_words__add_pids, &f, pid);
	}
	assert_int_equal(filter_words__add_pids(&f, "3", (char[8]){ 0 }, 8), -E2BIG);
	assert_int_equal(f.num_pids, TWS_MAX_PIDS);
	/* a short @why is cut, not overrun */
	assert_int_equal(filter_words__add_pids(&f, "abcdefgh", why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "'abcdef");
	/* and not within a character */
	assert_int_equal(filter_words__add_pids(&f, "abcde\xc3\xa9", why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "'abcde");
}

static void comms(void **unused)
{
	struct tws_filter f;

	(void)unused;
	memset(&f, 0, sizeof(f));
	memset(f.comms, 'x', sizeof(f.comms));
	check_taken(filter_words__add_comm, &f, "nginx");
	check_taken(filter_words__add_comm, &f, "exactly15bytes!");
	assert_int_equal(f.num_comms, 2);
	assert_memory_equal(f.comms[0], "nginx\0\0\0\0\0\0\0\0\0\0\0", TWS_COMM_LEN);
	assert_memory_equal(f.comms[1], "exactly15bytes!", TWS_COMM_LEN);
	check_refused(filter_words__add_comm, "", -EINVAL, "the name is empty");
	check_refused(filter_words__add_comm, "sixteen-bytes-16", -EINVAL,
		      "'sixteen-bytes-16' is longer than the 15 bytes that the kernel keeps "
		      "of a name: give the first 15");
	for (int i = 2; i < TWS_MAX_FILTER; i++)
		check_taken(filter_words__add_comm, &f, "more");
	assert_int_equal(filter_words__add_comm(&f, "one", (char[8]){ 0 }, 8), -E2BIG);
	assert_int_equal(f.num_comms, TWS_MAX_FILTER);
}

static void endpoints_taken(void **unused)
{
	static const struct {
		const char *given;
		int family;
		const char *addr;
		unsigned int len, port, last;
	} cases[] = {
		{ ":80", 0, NULL, 0, 80, 0 },
		{ ":80-80", 0, NULL, 0, 80, 0 },
		{ ":8000-8099", 0, NULL, 0, 8000, 8099 },
		{ "10.0.0.5:1-65535", AF_INET, "10.0.0.5", 32, 1, 65535 },
		{ "[fd00::1]/64:8000-8001", AF_INET6, "fd00::", 64, 8000, 8001 },
		{ "10.0.0.5", AF_INET, "10.0.0.5", 32, 0, 0 },
		{ "10.0.0.5:65535", AF_INET, "10.0.0.5", 32, 65535, 0 },
		{ "10.1.2.3/8", AF_INET, "10.0.0.0", 8, 0, 0 },
		{ "10.1.2.255/25:443", AF_INET, "10.1.2.128", 25, 443, 0 },
		{ "10.1.2.3/0", AF_INET, "0.0.0.0", 0, 0, 0 },
		{ "::", AF_INET6, "::", 128, 0, 0 },
		{ "::1", AF_INET6, "::1", 128, 0, 0 },
		{ "[::1]", AF_INET6, "::1", 128, 0, 0 },
		{ "[::1]:80", AF_INET6, "::1", 128, 80, 0 },
		{ "::80", AF_INET6, "::80", 128, 0, 0 },
		{ "::/0", AF_INET6, "::", 0, 0, 0 },
		{ "fe80::1:2/10", AF_INET6, "fe80::", 10, 0, 0 },
		{ "[fd00:1:2:ffff::/61]:443", AF_INET6, "fd00:1:2:fff8::", 61, 443, 0 },
		{ "[fd00::1]/64:443", AF_INET6, "fd00::", 64, 443, 0 },
		{ "[fd00::1]/64", AF_INET6, "fd00::", 64, 0, 0 },
		{ "::ffff:10.0.0.5", AF_INET, "10.0.0.5", 32, 0, 0 },
		{ "[::ffff:10.0.0.5]:80", AF_INET, "10.0.0.5", 32, 80, 0 },
		{ "::ffff:10.9.9.9/104", AF_INET, "10.0.0.0", 8, 0, 0 },
		{ "::ffff:10.9.9.9/96", AF_INET, "0.0.0.0", 0, 0, 0 },
		{ "::ffff:10.9.9.9/80", AF_INET6, "::", 80, 0, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tws_filter f = { 0 };
		struct tws_prefix want = { .family = (__u8)cases[i].family,
					   .len = (__u8)cases[i].len,
					   .port = (__u16)cases[i].port,
					   .last_port = (__u16)(cases[i].last ?: cases[i].port) };

		if (cases[i].addr)
			inet_pton(cases[i].family, cases[i].addr, want.addr);
		check_taken(filter_words__add_local, &f, cases[i].given);
		check_taken(filter_words__add_peer, &f, cases[i].given);
		assert_int_equal(f.num_locals, 1);
		assert_int_equal(f.num_peers, 1);
		assert_memory_equal(&f.locals[0], &want, sizeof(want));
		assert_memory_equal(&f.peers[0], &want, sizeof(want));
	}
}

static void endpoints_refused(void **unused)
{
	static const struct {
		const char *given, *why;
	} cases[] = {
		{ "", "'' is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]" },
		{ ":", "'' is not a port" },
		{ ":0", "'0' is not a port" },
		{ ":80-", "'80-' is not a range of ports" },
		{ ":-80", "'-80' is not a range of ports" },
		{ ":80-79", "'80-79' is not a range of ports" },
		{ ":80-90-100", "'80-90-100' is not a range of ports" },
		{ ":1-65536", "'1-65536' is not a range of ports" },
		{ "!", "'' is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]" },
		{ "!!:80", "'!' is not an IP address" },
		{ ":70000", "'70000' is not a port" },
		{ ":-1", "'-1' is not a range of ports" },
		{ ":1x", "'1x' is not a port" },
		{ ": 1", "' 1' is not a port" },
		{ "10.0.0.5:", "'' is not a port" },
		{ "10.0.0.5:http", "'http' is not a port" },
		{ "/8", "'' is not an IP address" },
		{ "10.0.0.5/", "'' is not a prefix length" },
		{ "10.0.0.5/33", "'33' is not a prefix length" },
		{ "10.0.0.5/x:1", "'x' is not a prefix length" },
		{ "::1/129", "'129' is not a prefix length" },
		{ "10.0.0", "'10.0.0' is not an IP address" },
		{ "10.0.0.256", "'10.0.0.256' is not an IP address" },
		{ "010.0.0.1", "'010.0.0.1' is not an IP address" },
		{ "localhost:80", "'localhost' is not an IP address" },
		{ ":::80", "':::80' is not an IP address" },
		{ "[::1", "'[::1' is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]" },
		{ "[::1]80", "'[::1]80' is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]" },
		{ "[]:80", "'' is not an IP address" },
		{ "[::1/64]/64", "'[::1/64]/64' is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]" },
		{ "fe80::1%", "'' is no network device of this network namespace" },
		{ "fe80::1%0", "'0' is no network device of this network namespace" },
		{ "fe80::1%no-such-device", "'no-such-device' is no network device of this network "
					    "namespace" },
		{ "[fe80::1%sixteen-bytes-16]:80", "'sixteen-bytes-16' is no network device of this "
						   "network namespace" },
		{ "%lo", "'%lo' is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]" },
		{ "[fe80::1/64%lo]", "'64%lo' is not a prefix length" },
		{ "::1\n", "'::1\\n' is not an IP address" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa",
		  "'1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa' is not an IP address" },
	};
	struct tws_filter f = { 0 };

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_refused(filter_words__add_local, cases[i].given, -EINVAL, cases[i].why);
		check_refused(filter_words__add_peer, cases[i].given, -EINVAL, cases[i].why);
	}
	for (int i = 0; i < TWS_MAX_FILTER; i++)
		check_taken(filter_words__add_peer, &f, ":80");
	assert_int_equal(filter_words__add_peer(&f, ":81", (char[8]){ 0 }, 8), -E2BIG);
	assert_int_equal(f.num_peers, TWS_MAX_FILTER);
}

/* What excludes stands first, whatever the order it was given in. */
/* By its number in any namespace; by its name where it has that. */
static void devices(void **unused)
{
	struct tws_filter f = { 0 };
	__u32 own = 0;

	(void)unused;
	netns__inode(-1, &own);
	check_taken(filter_words__add_local, &f, "[fe80::1%7]/64:80");
	check_taken(filter_words__add_local, &f, "10.0.0.5%lo");
	check_taken(filter_words__add_local, &f, "::%lo/0");
	assert_int_equal(f.num_locals, 3);
	assert_int_equal(f.locals[0].ifindex, 7);
	assert_int_equal(f.locals[0].netns, 0);
	assert_int_equal(f.locals[0].port, 80);
	assert_int_equal(f.locals[0].len, 64);
	assert_int_equal(f.locals[1].ifindex, if_nametoindex("lo"));
	assert_int_equal(f.locals[1].netns, own);
	assert_int_equal(f.locals[1].len, 32);
	assert_int_equal(f.locals[2].ifindex, if_nametoindex("lo"));
	assert_int_equal(f.locals[2].len, 0);
}

static void exclusions(void **unused)
{
	struct tws_filter f = { 0 };

	(void)unused;
	check_taken(filter_words__add_pids, &f, "9,!8,3,!2");
	assert_int_equal(f.num_pids, 4);
	assert_int_equal(f.not_pids, 2);
	assert_memory_equal(f.pids, ((__u32[]){ 2, 8, 3, 9 }), 4 * sizeof(__u32));
	check_taken(filter_words__add_comm, &f, "nginx");
	check_taken(filter_words__add_comm, &f, "!curl");
	check_taken(filter_words__add_comm, &f, "\\!bang");
	assert_int_equal(f.num_comms, 3);
	assert_int_equal(f.not_comms, 1);
	assert_string_equal(f.comms[0], "curl");
	assert_string_equal(f.comms[1], "nginx");
	assert_string_equal(f.comms[2], "!bang");
	check_taken(filter_words__add_peer, &f, ":443");
	check_taken(filter_words__add_peer, &f, "!10.0.0.0/8");
	check_taken(filter_words__add_peer, &f, "![fd00::1]:80-90");
	assert_int_equal(f.num_peers, 3);
	assert_int_equal(f.not_peers, 2);
	assert_int_equal(f.peers[0].len, 8);
	assert_int_equal(f.peers[1].last_port, 90);
	assert_int_equal(f.peers[2].port, 443);
	check_taken(filter_words__add_netns, &f, "7");
	check_taken(filter_words__add_netns, &f, "!6");
	assert_int_equal(f.not_netns, 1);
	assert_int_equal(f.netns[0], 6);
	check_refused(filter_words__add_pids, "!", -EINVAL, "'!' is not a PID");
	check_refused(filter_words__add_comm, "!", -EINVAL, "the name is empty");
}

static void sides_and_families(void **unused)
{
	struct tws_filter f = { 0 };

	(void)unused;
	assert_true(filter__is_empty(&f));
	check_taken(filter_words__set_side, &f, "server");
	assert_int_equal(f.side, TWS_SIDE_SERVER);
	assert_false(filter__is_empty(&f));
	check_taken(filter_words__set_side, &f, "client");
	assert_int_equal(f.side, TWS_SIDE_CLIENT);
	check_refused(filter_words__set_side, "both", -EINVAL, "'both' is neither client nor server");
	filter__set_family(&f, AF_INET);
	assert_int_equal(f.family, AF_INET);
	filter__set_family(&f, AF_INET);
	assert_int_equal(f.family, AF_INET);
	filter__set_family(&f, AF_INET6);
	assert_int_equal(f.family, 0);
	filter__set_family(&f, AF_INET6);
	assert_int_equal(f.family, AF_INET6);
}

static void netns(void **unused)
{
	struct tws_filter f = { 0 };
	char number[24];
	struct stat st;

	(void)unused;
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	check_taken(filter_words__add_netns, &f, "/proc/self/ns/net");
	snprintf(number, sizeof(number), "%llu", (unsigned long long)st.st_ino);
	check_taken(filter_words__add_netns, &f, number);
	assert_int_equal(f.num_netns, 2);
	assert_int_equal(f.netns[0], st.st_ino);
	assert_int_equal(f.netns[1], st.st_ino);
	check_refused(filter_words__add_netns, "/proc/self/ns/mnt", -EINVAL,
		      "'/proc/self/ns/mnt' is no network namespace");
	check_refused(filter_words__add_netns, "/dev/null", -EINVAL,
		      "'/dev/null' is no network namespace");
	check_refused(filter_words__add_netns, "/proc/self/ns/none", -ENOENT,
		      "'/proc/self/ns/none' cannot be opened: No such file or directory");
	check_refused(filter_words__add_netns, "0", -EINVAL,
		      "'0' is neither an inode number nor a path");
	check_refused(filter_words__add_netns, "4294967296", -EINVAL,
		      "'4294967296' is neither an inode number nor a path");
	check_refused(filter_words__add_netns, "1x", -EINVAL,
		      "'1x' is neither an inode number nor a path");
	check_refused(filter_words__add_netns, "", -EINVAL,
		      "'' is neither an inode number nor a path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pids),
		cmocka_unit_test(comms),
		cmocka_unit_test(endpoints_taken),
		cmocka_unit_test(endpoints_refused),
		cmocka_unit_test(devices),
		cmocka_unit_test(exclusions),
		cmocka_unit_test(sides_and_families),
		cmocka_unit_test(netns),
	};

	return cmocka_run_group_tests_name("filter_words", tests, NULL, NULL);
}
