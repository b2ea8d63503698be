// SPDX-License-Identifier: GPL-2.0
/* The limits of a namespace, from a /proc/sys of our own. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/netlimits.h"

static char root[PATH_MAX];

static void file_path(char path[PATH_MAX + 64], const char *name)
{
	snprintf(path, PATH_MAX + 64, "%s/sys/net/ipv4/%s", root, name);
}

static void put(const char *name, const char *text)
{
	char path[PATH_MAX + 64];
	FILE *file;

	file_path(path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fclose(file), 0);
}

static void drop(const char *name)
{
	char path[PATH_MAX + 64];

	file_path(path, name);
	unlink(path);
}

static int setup(void **state)
{
	static const char *const parts[] = { "", "/sys", "/sys/net", "/sys/net/ipv4" };
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX + 64];

	(void)state;
	snprintf(root, sizeof(root), "%s/twsnoop-limits-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 1; i < COUNT(parts); i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		if (mkdir(path, 0700))
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {
		"tcp_max_tw_buckets", "tcp_tw_reuse", "tcp_fin_timeout", "ip_local_port_range",
		"ip_local_reserved_ports",
	};
	static const char *const parts[] = { "/sys/net/ipv4", "/sys/net", "/sys", "" };
	char path[PATH_MAX + 64];

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		drop(files[i]);
	for (size_t i = 0; i < COUNT(parts); i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		rmdir(path);
	}
	return 0;
}

static void test_all(void **state)
{
	struct netlimits limits;

	(void)state;
	put("tcp_max_tw_buckets", "131072\n");
	put("tcp_tw_reuse", "2\n");
	put("tcp_fin_timeout", "30\n");
	put("ip_local_port_range", "32768\t60999\n");
	put("ip_local_reserved_ports", "32768,40000-40009,65535\n");
	assert_int_equal(netlimits__read(&limits, -1, root, true), 0);
	assert_int_equal(limits.max_tw_buckets, 131072);
	assert_int_equal(limits.tw_reuse, 2);
	assert_int_equal(limits.fin_timeout_ms, 30000);
	assert_int_equal(limits.first_port, 32768);
	assert_int_equal(limits.last_port, 60999);
	assert_int_equal(limits.usable_ports, 60999 - 32768 + 1 - 11);
	assert_false(netlimits__is_usable(&limits, 32767));
	assert_false(netlimits__is_usable(&limits, 32768));
	assert_true(netlimits__is_usable(&limits, 32769));
	assert_true(netlimits__is_usable(&limits, 39999));
	assert_false(netlimits__is_usable(&limits, 40009));
	assert_true(netlimits__is_usable(&limits, 40010));
	assert_true(netlimits__is_usable(&limits, 60999));
	assert_false(netlimits__is_usable(&limits, 61000));
	assert_false(netlimits__is_usable(&limits, 65535));
	netlimits__free(&limits);
	assert_null(limits.reserved);
}

static void test_without_ports(void **state)
{
	struct netlimits limits;

	(void)state;
	put("tcp_max_tw_buckets", "7\n");
	put("ip_local_port_range", "1\t65535\n");
	assert_int_equal(netlimits__read(&limits, -1, root, false), 0);
	assert_int_equal(limits.max_tw_buckets, 7);
	assert_int_equal(limits.usable_ports, 0);
	assert_false(netlimits__is_usable(&limits, 40000));
	netlimits__free(&limits);
}

static void test_widest(void **state)
{
	struct netlimits limits;

	(void)state;
	put("ip_local_port_range", "1\t65535\n");
	put("ip_local_reserved_ports", "\n");
	assert_int_equal(netlimits__read(&limits, -1, root, true), 0);
	assert_null(limits.reserved);
	assert_int_equal(limits.usable_ports, 65535);
	assert_true(netlimits__is_usable(&limits, 65535));
	assert_false(netlimits__is_usable(&limits, 0));
	netlimits__free(&limits);
}

/* Nothing is made up. */
static void test_unreadable(void **state)
{
	static const char *const ranges[] = { "", "5\n", "9\t5\n", "0\t5\n", "1\t70000\n", "x y\n" };
	struct netlimits limits;

	(void)state;
	drop("tcp_max_tw_buckets");
	drop("ip_local_reserved_ports");
	put("tcp_tw_reuse", "3\n");
	put("tcp_fin_timeout", "soon\n");
	for (size_t i = 0; i < COUNT(ranges); i++) {
		put("ip_local_port_range", ranges[i]);
		assert_int_equal(netlimits__read(&limits, -1, root, true), 0);
		assert_int_equal(limits.max_tw_buckets, 0);
		assert_int_equal(limits.tw_reuse, -1);
		assert_int_equal(limits.fin_timeout_ms, 0);
		assert_int_equal(limits.usable_ports, 0);
		assert_int_equal(limits.first_port, 0);
		netlimits__free(&limits);
	}
}

static bool has(const struct port_set *set, unsigned int port)
{
	return set->bits[port / 64] >> (port % 64) & 1;
}

static void test_parse_ports(void **state)
{
	static const char *const bad[] = {
		"x", "1,", "1,,2", ",1", "2-1", "1-", "-1", "65536", "1-65536", "1 2", "1-2-3",
	};
	struct port_set set = {};

	(void)state;
	assert_int_equal(netlimits__parse_ports(&set, "0,63-65,65535\n", 14), 0);
	assert_true(has(&set, 0) && has(&set, 63) && has(&set, 64) && has(&set, 65));
	assert_true(has(&set, 65535) && !has(&set, 1) && !has(&set, 62) && !has(&set, 66));
	assert_int_equal(netlimits__parse_ports(&set, "", 0), 0);
	assert_int_equal(netlimits__parse_ports(&set, "\n", 1), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (i != 1) /* a last comma ends the list */
			assert_int_equal(netlimits__parse_ports(&set, bad[i], strlen(bad[i])),
					 -EINVAL);
}

/* 32,768 single ports: far more than a page. */
static void test_long_list(void **state)
{
	struct netlimits limits;
	char *text = malloc(300000);
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned int port = 1; port < 65536; port += 2)
		len += (size_t)sprintf(text + len, "%s%u", len ? "," : "", port);
	text[len++] = '\n';
	text[len] = '\0';
	put("ip_local_reserved_ports", text);
	put("ip_local_port_range", "1\t65535\n");
	free(text);
	assert_int_equal(netlimits__read(&limits, -1, root, true), 0);
	assert_int_equal(limits.usable_ports, 32767);
	netlimits__free(&limits);
}

static void test_real(void **state)
{
	struct netlimits limits;

	(void)state;
	if (access("/proc/sys/net/ipv4/tcp_max_tw_buckets", R_OK))
		skip();
	assert_int_equal(netlimits__read(&limits, -1, "/proc", true), 0);
	assert_true(limits.max_tw_buckets > 0);
	assert_true(limits.usable_ports > 0);
	assert_true(limits.fin_timeout_ms > 0);
	netlimits__free(&limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),	    cmocka_unit_test(test_without_ports),
		cmocka_unit_test(test_widest),	    cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_parse_ports), cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
