// SPDX-License-Identifier: GPL-2.0
/* Who listens, or listened when a connection was opened, by a table that is filled by hand. */
#include "tests/unit/owners/listeners_support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t eleven[16] = { 10, 0, 0, 2 };

/* In namespace 1, over IPv4. */
static enum listeners_owner owner_of(const struct listeners *table, const uint8_t *addr,
				     uint16_t port, uint64_t opened_ns, uint32_t tgid)
{
	return owner_then(table, 1, AF_INET, addr, port, opened_ns, tgid);
}

static void test_empty_and_bad(void **state)
{
	struct listeners *table = NULL;
	struct listener socket = socket_at(AF_UNIX, any, 80, 1);

	(void)state;
	assert_int_equal(listeners__new(&table, 0), -EINVAL);
	assert_null(table);
	table = new_table(4);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 0), LISTENERS_NONE);
	assert_int_equal(listeners__add(table, &socket), -EINVAL);
	assert_int_equal(listeners__count(table), 0);
	listeners__free(table);
	listeners__free(NULL);
}

static void test_addresses(void **state)
{
	struct listeners *table = new_table(16);

	(void)state;
	add(table, socket_at(AF_INET, any, 80, 100));
	add(table, socket_at(AF_INET, ten, 81, 101));
	add(table, socket_at(AF_INET6, any, 82, 102));
	add(table, socket_at(AF_INET6, six, 83, 103));

	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 80, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 2, AF_INET, ten, 80, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 101), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET, eleven, 81, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 1, AF_INET, eleven, 82, 102), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 82, 102), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 83, 103), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 83, 0), LISTENERS_NONE);
	listeners__free(table);
}

static void test_the_most_specific_wins(void **state)
{
	struct listeners *table = new_table(16);
	struct listener v6only = socket_at(AF_INET6, any, 81, 104);

	(void)state;
	add(table, socket_at(AF_INET6, any, 80, 101));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 101), LISTENERS_CALLER);
	add(table, socket_at(AF_INET, any, 80, 102));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 102), LISTENERS_CALLER);
	add(table, socket_at(AF_INET, ten, 80, 103));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 103), LISTENERS_CALLER);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 80, 101), LISTENERS_CALLER);

	v6only.v6only = true;
	add(table, v6only);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 0), LISTENERS_NONE);
	assert_int_equal(owner_at(table, 1, AF_INET6, six, 81, 104), LISTENERS_CALLER);
	listeners__free(table);
}

static void test_two_processes_are_nobody(void **state)
{
	struct listeners *table = new_table(16);
	struct listener a = socket_at(AF_INET, any, 80, 100);
	struct listener b = socket_at(AF_INET, any, 80, 100);

	(void)state;
	/* one process with several sockets (SO_REUSEPORT) is one */
	a.cookie = 7;
	b.cookie = 8;
	add(table, a);
	add(table, a);
	add(table, b);
	assert_int_equal(listeners__count(table), 2);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_CALLER);

	b.cookie = 9;
	b.tgid = 200;
	add(table, b);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 0), LISTENERS_SEVERAL);

	/* the same socket by another process, and back */
	a = socket_at(AF_INET, any, 81, 100);
	a.cookie = 11;
	add(table, a);
	a.tgid = 200;
	add(table, a);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 0), LISTENERS_SEVERAL);
	a.tgid = 100;
	add(table, a);
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 81, 0), LISTENERS_SEVERAL);
	listeners__free(table);
}

static struct listener born(uint8_t family, const uint8_t *addr, uint16_t port, uint32_t tgid,
			    uint64_t since_ns)
{
	struct listener socket = socket_at(family, addr, port, tgid);

	socket.cookie = tgid;
	socket.since_ns = since_ns;
	return socket;
}

static void end(struct listeners *table, struct listener socket, uint64_t ended_ns)
{
	listeners__remove(table, &socket, ended_ns);
}

/* One after the other at one place: each answers for its own time. */
static void test_lifetimes(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = born(AF_INET, any, 80, 100, 10 * MS);
	struct listener second = born(AF_INET, any, 80, 101, 30 * MS);

	(void)state;
	add(table, first);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 5 * MS, 0), LISTENERS_NONE);
	end(table, first, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 25 * MS, 0), LISTENERS_NONE);
	add(table, second);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 35 * MS, 101), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 25 * MS, 0), LISTENERS_NONE);
	/* so near to a border that clocks decide */
	assert_int_equal(owner_of(table, ten, 80, 20 * MS + 1, 100), LISTENERS_UNSURE);
	assert_int_equal(owner_of(table, ten, 80, 30 * MS - 1, 101), LISTENERS_UNSURE);
	listeners__free(table);
}

/* Neither the inode of a namespace that is gone, nor an address that was nearer. */
static void test_ended_long_ago(void **state)
{
	struct listeners *table = new_table(16);
	struct listener gone = born(AF_INET, ten, 80, 100, 10 * MS);

	(void)state;
	add(table, gone);
	end(table, gone, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 900 * MS, 0), LISTENERS_NONE);
	add(table, born(AF_INET, any, 80, 101, 15 * MS));
	end(table, born(AF_INET, any, 80, 101, 0), 950 * MS);
	assert_int_equal(owner_of(table, ten, 80, 17 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 900 * MS, 101), LISTENERS_CALLER);
	listeners__free(table);
}

/* The moment is not known: who began to listen before our eyes may not be the one, nor may
 * who listens still, where another one listened too. All of them tell the side. */
static void test_no_moment(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = born(AF_INET, any, 80, 100, 0);

	(void)state;
	add(table, first);
	assert_int_equal(owner_of(table, ten, 80, 0, 100), LISTENERS_CALLER);
	end(table, first, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 0, 100), LISTENERS_UNSURE);
	add(table, born(AF_INET, any, 80, 101, 30 * MS));
	assert_int_equal(owner_of(table, ten, 80, 0, 0), LISTENERS_SEVERAL);
	add(table, born(AF_INET, any, 81, 102, 30 * MS));
	assert_int_equal(owner_of(table, ten, 81, 0, 102), LISTENERS_UNSURE);
	listeners__free(table);
}

/* A socket that ended and listens anew, elsewhere. */
static void test_anew(void **state)
{
	struct listeners *table = new_table(16);
	struct listener socket = born(AF_INET, any, 80, 100, 10 * MS);

	(void)state;
	add(table, socket);
	end(table, socket, 20 * MS);
	socket.port = 81;
	socket.since_ns = 30 * MS;
	add(table, socket);
	assert_int_equal(listeners__count(table), 1);
	assert_int_equal(owner_of(table, ten, 81, 35 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 35 * MS, 0), LISTENERS_NONE);
	/* what comes late changes nothing */
	socket.port = 80;
	socket.since_ns = 10 * MS;
	add(table, socket);
	end(table, socket, 20 * MS);
	assert_int_equal(owner_of(table, ten, 81, 35 * MS, 100), LISTENERS_CALLER);
	listeners__free(table);
}

/* Without cookies the place tells which one has ended, if it is the only one there. */
static void test_ended_without_cookie(void **state)
{
	struct listeners *table = new_table(16);
	struct listener first = born(AF_INET, any, 80, 100, 10 * MS);
	struct listener second = born(AF_INET, any, 80, 101, 15 * MS);

	(void)state;
	first.cookie = second.cookie = 0;
	add(table, first);
	end(table, first, 20 * MS);
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 30 * MS, 0), LISTENERS_NONE);
	first.since_ns = 40 * MS;
	second.since_ns = 41 * MS;
	add(table, first);
	add(table, second);
	end(table, first, 50 * MS);
	assert_int_equal(owner_of(table, ten, 80, 60 * MS, 0), LISTENERS_UNSURE);
	listeners__free(table);
}

/* Records are missing since 20 ms: what was before is known still. */
static void test_doubt(void **state)
{
	struct listeners *table = new_table(16);

	(void)state;
	add(table, born(AF_INET, any, 80, 100, 10 * MS));
	assert_false(listeners__needs_fill(table));
	listeners__doubt(table, 20 * MS);
	listeners__doubt(table, 30 * MS);
	assert_true(listeners__needs_fill(table));
	assert_int_equal(owner_of(table, ten, 80, 15 * MS, 100), LISTENERS_CALLER);
	assert_int_equal(owner_of(table, ten, 80, 25 * MS, 0), LISTENERS_UNSURE);
	assert_int_equal(owner_of(table, ten, 80, 0, 0), LISTENERS_UNSURE);
	listeners__free(table);
}

static void test_without_cookies(void **state)
{
	struct listeners *table = new_table(16);

	(void)state;
	add(table, socket_at(AF_INET, any, 80, 100));
	add(table, socket_at(AF_INET, any, 80, 100));
	assert_int_equal(listeners__count(table), 1);
	add(table, socket_at(AF_INET, any, 80, 0));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 100), LISTENERS_UNSURE);
	add(table, socket_at(AF_INET, any, 80, 101));
	assert_int_equal(owner_at(table, 1, AF_INET, ten, 80, 0), LISTENERS_SEVERAL);
	listeners__free(table);
}

static void test_name_is_bounded(void **state)
{
	struct listener socket = socket_at(AF_INET, any, 80, 100);
	struct listeners *table = new_table(1);
	struct listeners_place place = place_at(1, AF_INET, ten, 80, 0);
	struct listeners_match match;

	(void)state;
	memset(socket.comm, 'x', sizeof(socket.comm));
	add(table, socket);
	assert_true(listeners__lookup(table, &place, &match));
	assert_int_equal(strlen(match.comm), LISTENERS_COMM_LEN - 1);
	listeners__free(table);
}

/* What has ended goes first, the longest ago before all. */
static void test_the_dead_give_way(void **state)
{
	struct listeners *table = new_table(8);
	uint16_t port;

	(void)state;
	add(table, born(AF_INET, any, 80, 80, MS));
	for (port = 100; port < 140; port++) {
		add(table, born(AF_INET, any, port, port, MS));
		end(table, born(AF_INET, any, port, port, 0), 2 * MS);
	}
	assert_int_equal(listeners__count(table), 8);
	assert_int_equal(listeners__refused(table), 0);
	assert_int_equal(owner_of(table, ten, 80, 3 * MS, 80), LISTENERS_CALLER);
	for (port = 100; port < 133; port++)
		assert_int_equal(owner_of(table, ten, port, MS + 1, 0), LISTENERS_NONE);
	for (port = 133; port < 140; port++)
		assert_int_equal(owner_of(table, ten, port, MS + 10000, port), LISTENERS_CALLER);
	listeners__free(table);
}

/* If all of them listen the new one finds no room, and its port has no owner: at its own
 * address somebody else might be named. A fill sets that right, once there is room. */
static void test_the_living_stay(void **state)
{
	struct listener refused = born(AF_INET, ten, 80, 100, MS);
	struct listeners *table = new_table(8);
	uint16_t port;

	(void)state;
	for (port = 80; port < 88; port++)
		add(table, born(AF_INET, any, port, port, MS));
	assert_int_equal(listeners__add(table, &refused), -ENOSPC);
	assert_int_equal(listeners__refused(table), 1);
	assert_int_equal(owner_of(table, ten, 80, 3 * MS, 0), LISTENERS_UNSURE);
	assert_int_equal(owner_of(table, ten, 81, 3 * MS, 81), LISTENERS_CALLER);
	assert_false(listeners__needs_fill(table));
	for (port = 84; port < 88; port++)
		end(table, born(AF_INET, any, port, port, 0), 2 * MS);
	assert_true(listeners__needs_fill(table));
	listeners__free(table);
}

/* Who makes any number of sockets at one port makes nobody else's answer slow or wrong. */
static void test_many_at_one_port(void **state)
{
	struct listeners *table = new_table(LISTENERS_DEFAULT);
	struct listener socket = born(AF_INET, any, 80, 100, MS);

	(void)state;
	for (int i = 0; i < LISTENERS_AT_PORT_MAX; i++, socket.cookie++)
		add(table, socket);
	assert_int_equal(listeners__add(table, &socket), -ENOSPC);
	assert_int_equal(owner_of(table, ten, 80, 3 * MS, 0), LISTENERS_UNSURE);
	for (int i = 0; i < LISTENERS_AT_PORT_MAX; i++) {
		socket.cookie = 100 + (uint64_t)i;
		end(table, socket, 2 * MS);
	}
	assert_int_equal(listeners__count(table), LISTENERS_ENDED_MAX);
	listeners__free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_and_bad),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_the_most_specific_wins),
		cmocka_unit_test(test_two_processes_are_nobody),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_ended_long_ago),
		cmocka_unit_test(test_no_moment),
		cmocka_unit_test(test_anew),
		cmocka_unit_test(test_ended_without_cookie),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_without_cookies),
		cmocka_unit_test(test_name_is_bounded),
		cmocka_unit_test(test_the_dead_give_way),
		cmocka_unit_test(test_the_living_stay),
		cmocka_unit_test(test_many_at_one_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
