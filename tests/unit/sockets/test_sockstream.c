// SPDX-License-Identifier: GPL-2.0
/* The records of the socket iterator, good ones and others, and their stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets/sockstream.h"

#define TICK_NS 4000000ULL
#define MANY 5000

static struct tws_socket v4_socket(void)
{
	return (struct tws_socket){
		.cookie = 0x123456789abcdef0, .inode = 77, .uid = 1000, .ifindex = 3,
		.local_port = 8080, .peer_port = 40000, .family = AF_INET,
		.state = SOCKDIAG_ESTABLISHED,
		.local_addr = { 192, 0, 2, 1 }, .peer_addr = { 192, 0, 2, 2 },
	};
}

static struct tws_socket mini_socket(uint8_t state)
{
	struct tws_socket record = v4_socket();

	record.state = state;
	record.flags = TWS_SOCKET_MINI;
	record.inode = 0;
	record.uid = 0;
	record.ticks_left = 15000;
	return record;
}

static void decode(const struct tws_socket *record, struct sockdiag_socket *sk)
{
	memset(sk, 0x5a, sizeof(*sk));
	assert_int_equal(sockstream__decode(record, TICK_NS, sk), 0);
}

static void refused(const struct tws_socket *record)
{
	struct sockdiag_socket sk, before;

	memset(&sk, 0x5a, sizeof(sk));
	before = sk;
	assert_int_equal(sockstream__decode(record, TICK_NS, &sk), -EPROTO);
	assert_memory_equal(&sk, &before, sizeof(sk));
}

static void test_full(void **state)
{
	const uint8_t local[16] = { 192, 0, 2, 1 }, peer[16] = { 192, 0, 2, 2 };
	struct tws_socket record = v4_socket();
	struct sockdiag_socket sk;

	(void)state;
	decode(&record, &sk);
	assert_true(sk.cookie == record.cookie);
	assert_int_equal(sk.inode, 77);
	assert_int_equal(sk.uid, 1000);
	assert_int_equal(sk.ifindex, 3);
	assert_int_equal(sk.expires_ms, 0);
	assert_int_equal(sk.local_port, 8080);
	assert_int_equal(sk.peer_port, 40000);
	assert_int_equal(sk.family, AF_INET);
	assert_int_equal(sk.state, SOCKDIAG_ESTABLISHED);
	assert_false(sk.mini);
	assert_false(sk.v6only);
	assert_memory_equal(sk.local_addr, local, 16);
	assert_memory_equal(sk.peer_addr, peer, 16);
}

static void test_mini(void **state)
{
	struct tws_socket record = mini_socket(SOCKDIAG_TIME_WAIT);
	struct sockdiag_socket sk;

	(void)state;
	decode(&record, &sk);
	assert_true(sk.mini);
	assert_int_equal(sk.state, SOCKDIAG_TIME_WAIT);
	assert_int_equal(sk.expires_ms, 60000);
	record = mini_socket(SOCKDIAG_FIN_WAIT2);
	decode(&record, &sk);
	assert_true(sk.mini);
	assert_int_equal(sk.state, SOCKDIAG_FIN_WAIT2);
	/* a full one in the same state */
	record = v4_socket();
	record.state = SOCKDIAG_FIN_WAIT2;
	decode(&record, &sk);
	assert_false(sk.mini);
}

static void test_mini_longest(void **state)
{
	struct tws_socket record = mini_socket(SOCKDIAG_TIME_WAIT);
	struct sockdiag_socket sk;

	(void)state;
	record.ticks_left = UINT32_MAX;
	decode(&record, &sk);
	assert_int_equal(sk.expires_ms, UINT32_MAX);
	assert_int_equal(sockstream__decode(&record, UINT64_MAX, &sk), 0);
	assert_int_equal(sk.expires_ms, UINT32_MAX);
}

static void test_v6(void **state)
{
	const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 1, 2, 3 }, none[16] = { 0 };
	const uint8_t v4[16] = { 10, 1, 2, 3 };
	struct tws_socket record = v4_socket();
	struct sockdiag_socket sk;

	(void)state;
	record.family = AF_INET6;
	memset(record.local_addr, 0x20, 16);
	memset(record.peer_addr, 0x30, 16);
	record.flags = TWS_SOCKET_V6ONLY;
	decode(&record, &sk);
	assert_int_equal(sk.family, AF_INET6);
	assert_memory_equal(sk.local_addr, record.local_addr, 16);
	assert_memory_equal(sk.peer_addr, record.peer_addr, 16);
	assert_false(sk.v6only); /* it does not listen */

	memcpy(record.local_addr, mapped, 16);
	memcpy(record.peer_addr, mapped, 16);
	decode(&record, &sk);
	assert_int_equal(sk.family, AF_INET);
	assert_memory_equal(sk.local_addr, v4, 16);
	assert_memory_equal(sk.peer_addr, v4, 16);

	memcpy(record.local_addr, none, 16);
	memcpy(record.peer_addr, none, 16);
	record.state = SOCKDIAG_LISTEN;
	decode(&record, &sk);
	assert_int_equal(sk.family, AF_INET6);
	assert_true(sk.v6only);
	record.flags = 0;
	decode(&record, &sk);
	assert_false(sk.v6only);
}

static void test_hostile(void **state)
{
	struct tws_socket record;
	int value;

	(void)state;
	for (value = 0; value < 256; value++) {
		record = v4_socket();
		record.family = (uint8_t)value;
		if (value != AF_INET && value != AF_INET6)
			refused(&record);
		record = v4_socket();
		record.state = (uint8_t)value;
		if (value == 0 || value >= SOCKDIAG_STATE_END || value == SOCKDIAG_TIME_WAIT)
			refused(&record);
		record = mini_socket((uint8_t)value);
		if (value != SOCKDIAG_TIME_WAIT && value != SOCKDIAG_FIN_WAIT2)
			refused(&record);
		record = v4_socket();
		record.flags = (uint8_t)value;
		if (value & ~TWS_SOCKET_FLAGS)
			refused(&record);
		record = v4_socket();
		record.zero = (uint8_t)value;
		if (value)
			refused(&record);
	}
	for (value = 4; value < 16; value++) {
		record = v4_socket();
		record.local_addr[value] = 1;
		refused(&record);
		record = v4_socket();
		record.peer_addr[value] = 1;
		refused(&record);
	}
	record = v4_socket();
	record.ticks_left = 1;
	refused(&record);
	record = mini_socket(SOCKDIAG_TIME_WAIT);
	record.inode = 1;
	refused(&record);
	record = mini_socket(SOCKDIAG_TIME_WAIT);
	record.uid = 1;
	refused(&record);
}

/* ---- the stream ---- */

struct feed {
	int fd;
	const char *bytes;
	size_t len, piece;
};

static void *feed_thread(void *arg)
{
	struct feed *feed = arg;
	size_t at = 0;

	while (at < feed->len) {
		size_t piece = feed->len - at < feed->piece ? feed->len - at : feed->piece;
		ssize_t put = write(feed->fd, feed->bytes + at, piece);

		if (put <= 0)
			break;
		at += (size_t)put;
	}
	close(feed->fd);
	return NULL;
}

struct counted {
	size_t num, stop_at;
};

static int count(void *ctx, const struct sockdiag_socket *sk)
{
	struct counted *counted = ctx;

	assert_true(sk->cookie == counted->num);
	return ++counted->num == counted->stop_at ? -ECHRNG : 0;
}

static struct tws_socket records[MANY];

/* Records in pieces of this many bytes. */
static int stream(size_t len, size_t piece, struct counted *counted)
{
	struct feed feed = { .bytes = (const char *)records, .len = len, .piece = piece };
	pthread_t thread;
	int fds[2], ret;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	feed.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, feed_thread, &feed), 0);
	ret = sockstream__read(fds[0], TICK_NS, count, counted);
	close(fds[0]);
	pthread_join(thread, NULL);
	return ret;
}

static int set_up_records(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < MANY; i++) {
		records[i] = i % 2 ? v4_socket() : mini_socket(SOCKDIAG_TIME_WAIT);
		records[i].cookie = i;
	}
	return 0;
}

static void test_stream(void **state)
{
	static const size_t pieces[] = { 1, 7, 63, 64, 65, 4096, 32768, sizeof(records) };

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t num = pieces[i] < 8 ? 100 : MANY;
		struct counted counted = { 0 };

		assert_int_equal(stream(num * sizeof(records[0]), pieces[i], &counted), 0);
		assert_int_equal(counted.num, num);
	}
}

static void test_stream_ends(void **state)
{
	struct counted counted = { 0 };

	(void)state;
	assert_int_equal(stream(0, 1, &counted), 0);
	assert_int_equal(counted.num, 0);
	/* within a record */
	assert_int_equal(stream(3 * sizeof(records[0]) - 1, 50, &counted), -EPROTO);
	assert_int_equal(counted.num, 2);
	counted = (struct counted){ .stop_at = 5 };
	assert_int_equal(stream(sizeof(records), 4096, &counted), -ECHRNG);
	assert_int_equal(counted.num, 5);
	assert_int_equal(sockstream__read(-1, TICK_NS, count, &counted), -EBADF);
}

static void test_stream_stops_at_nonsense(void **state)
{
	struct counted counted = { 0 };

	(void)state;
	records[3].family = AF_UNIX;
	assert_int_equal(stream(10 * sizeof(records[0]), 640, &counted), -EPROTO);
	assert_int_equal(counted.num, 3);
	records[3].family = AF_INET;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_mini),
		cmocka_unit_test(test_mini_longest),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_ends),
		cmocka_unit_test(test_stream_stops_at_nonsense),
	};

	return cmocka_run_group_tests(tests, set_up_records, NULL);
}
