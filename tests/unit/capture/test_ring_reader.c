// SPDX-License-Identifier: GPL-2.0
/* Reading a ring that is written by chunks, some of them slowly, and wrapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/ring_reader.h"

#define ROOM 64

struct fixture {
	struct tws_ending records[ROOM];
	struct tws_head head;
	struct ring_reader ring;
	uint64_t got[4 * ROOM];
	size_t num, num_old, stop_at;
};

static void write_at(struct fixture *f, uint64_t position)
{
	struct tws_ending *e = &f->records[position % ROOM];

	e->id = position;
	e->seq = position + 1;
}

static uint64_t take_chunk(struct fixture *f)
{
	uint64_t start = f->head.next;

	f->head.next += TWS_CHUNK;
	return start;
}

static int collect(void *ctx, const void *record)
{
	const struct tws_ending *e = record;
	struct fixture *f = ctx;

	f->got[f->num++] = e->id;
	f->num_old += f->ring.is_old;
	return f->stop_at && f->num == f->stop_at ? -5 : 0;
}

static struct fixture *begin(void)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	assert_int_equal(ring_reader__init(&f.ring, f.records, sizeof(f.records[0]), &f.head, ROOM), 0);
	return &f;
}

/* Two writers with a chunk each; a record comes only after what is before it. */
static void test_two_writers(void **state)
{
	struct fixture *f = begin();
	uint64_t a = take_chunk(f), b = take_chunk(f);

	(void)state;
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 0);
	write_at(f, b);
	write_at(f, a);
	write_at(f, a + 2); /* a + 1 is being written */
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 2);
	assert_int_equal(f->got[0], a);
	assert_int_equal(f->got[1], b);
	write_at(f, a + 1);
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 4);
	assert_int_equal(f->got[2], a + 1);
	assert_int_equal(f->got[3], a + 2);
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 4);
	ring_reader__fini(&f->ring);
}

/* A callback that stops leaves the rest for the next time. */
static void test_stop(void **state)
{
	struct fixture *f = begin();
	uint64_t a = take_chunk(f), b = take_chunk(f);

	(void)state;
	for (int i = 0; i < TWS_CHUNK; i++) {
		write_at(f, a + i);
		write_at(f, b + i);
	}
	f->stop_at = 3;
	assert_int_equal(ring_reader__take(&f->ring, collect, f), -5);
	assert_int_equal(f->num, 3);
	f->stop_at = 0;
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 2 * TWS_CHUNK);
	for (uint64_t i = 0; i < 2 * TWS_CHUNK; i++)
		assert_int_equal(f->got[i], a + i);
	ring_reader__fini(&f->ring);
}

/* What was written over is left out, and what stands there now is read. */
static void test_overwritten(void **state)
{
	struct fixture *f = begin();
	uint64_t start = 0;

	(void)state;
	for (int chunk = 0; chunk < 3 * ROOM / TWS_CHUNK; chunk++) {
		start = take_chunk(f);
		for (int i = 0; i < TWS_CHUNK; i++)
			write_at(f, start + i);
	}
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, ROOM);
	assert_int_equal(f->got[0], 2 * ROOM);
	ring_reader__fini(&f->ring);
}

/* A chunk that its CPU has left unfinished does not stand in the way. */
static void test_abandoned(void **state)
{
	struct fixture *f = begin();
	uint64_t left = take_chunk(f), start;

	(void)state;
	write_at(f, left);
	for (int chunk = 0; chunk < 2 * ROOM / TWS_CHUNK; chunk++) {
		start = take_chunk(f);
		for (int i = 0; i < TWS_CHUNK; i++)
			write_at(f, start + i);
		assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	}
	assert_int_equal(f->num, 1 + 2 * ROOM);
	assert_int_equal(f->ring.num_open, 0);
	ring_reader__fini(&f->ring);
}

/* A record that changes while it is copied is not taken for whole. */
static void test_copy(void **state)
{
	struct fixture *f = begin();
	struct tws_ending to;

	(void)state;
	write_at(f, 5);
	assert_true(ring_reader__copy(&f->ring, 5, &to));
	assert_int_equal(to.id, 5);
	assert_false(ring_reader__copy(&f->ring, 5 + ROOM, &to));
	f->records[5].seq = 0;
	assert_false(ring_reader__copy(&f->ring, 5, &to));
	ring_reader__fini(&f->ring);
}

static void write_chunk(struct fixture *f, uint64_t start)
{
	for (int i = 0; i < TWS_CHUNK; i++)
		write_at(f, start + i);
}

/* A reader that begins in the middle: two writers have half a chunk each, of one there is a
 * record in the making. What was before is found by looking back, what follows by taking, and
 * nothing by both. */
static void test_cut(void **state)
{
	struct fixture *f = begin();
	uint64_t whole = take_chunk(f), a = take_chunk(f), b = take_chunk(f);
	uint64_t next[] = { b + 2, a + 1, whole + TWS_CHUNK };
	uint64_t later;

	(void)state;
	write_chunk(f, whole);
	write_at(f, a);
	write_at(f, b);
	assert_true(ring_reader__is_written(&f->ring, b));
	assert_false(ring_reader__is_written(&f->ring, b + 1));
	write_at(f, b + 1);
	assert_int_equal(ring_reader__cut(&f->ring, f->head.next, next, 3), 0);
	write_at(f, a + 1);
	write_at(f, b + 2);
	later = take_chunk(f);
	write_at(f, later);
	assert_int_equal(ring_reader__look_back(&f->ring, collect, f), 0);
	assert_int_equal(f->num, TWS_CHUNK + 3);
	assert_int_equal(f->got[TWS_CHUNK], a);
	assert_int_equal(f->got[TWS_CHUNK + 1], b);
	assert_int_equal(f->got[TWS_CHUNK + 2], b + 1);
	f->num = 0;
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 3);
	assert_int_equal(f->got[0], a + 1);
	assert_int_equal(f->got[1], b + 2);
	assert_int_equal(f->got[2], later);
	ring_reader__fini(&f->ring);
}

/* A writer whose processor was taken away has taken a position, the last of its chunk or not, and
 * the record is not whole at the cut: it comes when it is. */
static void test_cut_in_the_making(void **state)
{
	struct fixture *f = begin();
	uint64_t full = take_chunk(f), half = take_chunk(f);
	uint64_t next[] = { half + 3, full + TWS_CHUNK };

	(void)state;
	write_chunk(f, full);
	f->records[TWS_CHUNK - 1].seq = 0;
	write_at(f, half);
	write_at(f, half + 1);
	assert_int_equal(ring_reader__cut(&f->ring, f->head.next, next, 2), 0);
	assert_int_equal(ring_reader__look_back(&f->ring, collect, f), 0);
	assert_int_equal(f->num, TWS_CHUNK - 1 + 2);
	f->num = 0;
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 0);
	write_at(f, full + TWS_CHUNK - 1);
	write_at(f, half + 2);
	write_at(f, half + 3);
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 3);
	assert_int_equal(f->num_old, 2); /* made before the cut */
	ring_reader__fini(&f->ring);
}

/* A ring that came round: the oldest that is there is a ring behind. A writer that is idle since
 * before has given its chunk up. */
static void test_cut_wrapped(void **state)
{
	struct fixture *f = begin();
	uint64_t idle = take_chunk(f), next[] = { idle + 1, 0 };

	(void)state;
	write_at(f, idle);
	for (int chunk = 0; chunk < 2 * ROOM / TWS_CHUNK; chunk++)
		write_chunk(f, take_chunk(f));
	next[1] = f->head.next;
	assert_true(ring_reader__is_written(&f->ring, idle)); /* was once */
	assert_int_equal(ring_reader__cut(&f->ring, f->head.next, next, 2), 0);
	assert_int_equal(f->ring.num_open, 0);
	assert_int_equal(ring_reader__look_back(&f->ring, collect, f), 0);
	assert_int_equal(f->num, ROOM);
	assert_int_equal(f->got[0], f->head.next - ROOM);
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, ROOM);
	f->num = 0;
	f->stop_at = 2;
	assert_int_equal(ring_reader__look_back(&f->ring, collect, f), -5);
	ring_reader__fini(&f->ring);
}

/* What was written over since is known at once, and not only at the next reading. */
static void test_settle(void **state)
{
	struct fixture *f = begin();

	(void)state;
	for (uint64_t i = 0, at = take_chunk(f); i < TWS_CHUNK; i++)
		write_at(f, at + i);
	ring_reader__settle(&f->ring);
	assert_int_equal(f->ring.passed, 0);
	for (int i = 0; i < ROOM / TWS_CHUNK; i++)
		take_chunk(f);
	ring_reader__settle(&f->ring);
	assert_int_equal(f->ring.passed, TWS_CHUNK);
	assert_int_equal(ring_reader__take(&f->ring, collect, f), 0);
	assert_int_equal(f->num, 0);
	assert_int_equal(f->ring.passed, TWS_CHUNK);
	ring_reader__fini(&f->ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_writers), cmocka_unit_test(test_stop),
		cmocka_unit_test(test_overwritten), cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_copy), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_in_the_making),
		cmocka_unit_test(test_cut_wrapped),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
