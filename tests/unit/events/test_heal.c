// SPDX-License-Identifier: GPL-2.0
/* What is found in the kernel's table, and what is forgotten because it is not there: with
 * a table that is made up, in the one namespace that a walk finds. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "events/heal.h"

#define HOME_NETNS 5
#define UNSEEN_NETNS 7 /* held by its sockets alone */

static time_t later_s;

/* The C library's: a machine that was started two hours ago, whatever this one is. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (syscall(SYS_clock_gettime, clock, ts))
		return -1;
	ts->tv_sec += 7200 + later_s;
	return 0;
}

static struct sockdiag_socket table[4];
static size_t num_sockets;
static unsigned int each_flags;
static unsigned int stopped_s; /* the process is, while it takes a snapshot */

static size_t sweep(struct source *events, uint64_t before_ns, source_alive_fn alive, void *ctx)
{
	(void)events, (void)before_ns, (void)alive, (void)ctx;
	return 0;
}

static uint64_t stopped_ns;

static bool is_late(const struct source *events, uint64_t time_ns)
{
	(void)events;
	return stopped_ns && time_ns > stopped_ns;
}

static const struct source_ops events_ops = { .sweep = sweep, .is_late = is_late };
static struct source events = { .ops = &events_ops };

/* One namespace is read; with each_flags there are others, which may not be. */
int sockets__each(const struct sockets_source *source, const struct sockets_visitor *visitor,
		  void *ctx, unsigned int *flags)
{
	const struct netns_entry ns = { .inode = HOME_NETNS };
	int err = visitor->begin(ctx, &ns);

	(void)source;
	*flags |= each_flags;
	later_s += stopped_s;
	for (size_t i = 0; !err && i < num_sockets; i++)
		if (SOCKDIAG_MASK(table[i].state) & visitor->states) {
			table[i].asked_ns = clock__now_ns(CLOCK_MONOTONIC);
			err = visitor->socket(ctx, &table[i]);
		}
	return err ?: visitor->end(ctx, &ns);
}

static const struct sockets_source source;

static struct join *make_join(void)
{
	const struct join_options opts = { .max = 64, .has_cookie = true };
	struct join *join;

	assert_int_equal(join__new(&join, &opts), 0);
	return join;
}

static void add_fin(struct join *join, uint64_t cookie, uint32_t netns, uint64_t ago_ns)
{
	const struct tws_event fin = {
		.action = TWS_FIN, .family = AF_INET, .cookie = cookie, .netns = netns,
		.time_ns = clock__now_ns(CLOCK_MONOTONIC) - ago_ns, .tx_bytes = 3,
		.local_port = 80, .peer_port = (uint16_t)cookie, .conn = { .tgid = 12 },
	};

	join__fin(join, &fin);
}

static struct tws_event found[4];
static size_t num_found;

static int on_found(void *ctx, const struct tws_event *ev)
{
	(void)ctx;
	assert_true(num_found < 4);
	found[num_found++] = *ev;
	return 0;
}

static void heal(struct healer *healer, struct join *join)
{
	num_found = 0;
	assert_int_equal(healer__take(healer, NULL, NULL), 0);
	assert_int_equal(healer__find(healer, &events, join, on_found, NULL), 0);
}

static struct healer *make_healer(void)
{
	struct healer *healer;

	num_sockets = each_flags = 0;
	assert_int_equal(healer__new(&healer, true, &source), 0);
	assert_int_equal(healer__take(healer, NULL, NULL), 0);
	healer__baseline(healer);
	return healer;
}

/* A full socket that is closing is alive; what two snapshots do not show is gone, but not
 * in a namespace that they did not look into. */
static void test_forgets(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();

	(void)state;
	table[0] = (struct sockdiag_socket){ .cookie = 1, .state = SOCKDIAG_FIN_WAIT1,
					     .family = AF_INET };
	num_sockets = 1;
	for (uint64_t cookie = 1; cookie <= 2; cookie++)
		add_fin(join, cookie, HOME_NETNS, 1000000000);
	add_fin(join, 3, UNSEEN_NETNS, 1000000000);
	add_fin(join, 4, UNSEEN_NETNS, 3600 * 1000000000ULL);
	heal(healer, join);
	assert_int_equal(join__count(join), 4);
	heal(healer, join);
	assert_int_equal(join__count(join), 2); /* 1 and 3 */
	assert_int_equal(num_found, 0);
	num_sockets = 0;
	heal(healer, join);
	heal(healer, join);
	assert_int_equal(join__count(join), 1);
	join__free(join);
	healer__free(healer);
}

/* A TIME_WAIT whose end was skipped: its owner is known, its bytes only if they were
 * final at the FIN. Once. */
static void test_finds(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();

	(void)state;
	table[0] = (struct sockdiag_socket){ .cookie = 5, .state = SOCKDIAG_TIME_WAIT, .mini = true,
					     .family = AF_INET, .local_port = 80, .peer_port = 5,
					     .expires_ms = 60000 };
	num_sockets = 1;
	add_fin(join, 5, HOME_NETNS, 1000000000);
	heal(healer, join);
	assert_int_equal(num_found, 1);
	assert_int_equal(found[0].action, TWS_TIME_WAIT);
	assert_int_equal(found[0].conn.tgid, 12);
	assert_true(found[0].conn.flags & TWS_F_SNAPSHOT);
	assert_true(found[0].conn.flags & TWS_F_NO_BYTES);
	assert_int_equal(found[0].tx_bytes, 0);
	assert_true(healer__knows(healer, 5));
	assert_true(healer__told(healer, &found[0]));
	heal(healer, join);
	assert_int_equal(num_found, 0);
	join__free(join);
	healer__free(healer);
}

/* Without root some namespaces are closed to us. What lies in those that were read is swept
 * all the same; of the others, what is old gives way first. */
static void test_forgets_where_it_may_look(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();

	(void)state;
	each_flags = SOCKETS_DENIED;
	add_fin(join, 1, HOME_NETNS, 1000000000);
	add_fin(join, 2, UNSEEN_NETNS, 1000000000);
	add_fin(join, 3, UNSEEN_NETNS, 3600 * 1000000000ULL);
	for (int i = 0; i < 3; i++)
		heal(healer, join);
	assert_int_equal(join__count(join), 2);
	for (uint64_t cookie = 11; cookie < 11 + 62; cookie++)
		add_fin(join, cookie, HOME_NETNS, 0);
	assert_int_equal(join__count(join), 64);
	add_fin(join, 100, HOME_NETNS, 0); /* 3 makes room */
	assert_int_equal(join__dropped(join), 0);
	add_fin(join, 101, HOME_NETNS, 0);
	assert_int_equal(join__dropped(join), 1);
	join__free(join);
	healer__free(healer);
}

static void note(struct healer *healer, uint64_t cookie, uint64_t ago_ns)
{
	const struct tws_event ev = {
		.action = TWS_TIME_WAIT, .family = AF_INET, .cookie = cookie,
		.netns = HOME_NETNS, .time_ns = clock__now_ns(CLOCK_MONOTONIC) - ago_ns,
	};

	healer__note(healer, &ev);
}

static void show_mini(uint64_t cookie, uint32_t expires_ms)
{
	table[0] = (struct sockdiag_socket){ .cookie = cookie, .state = SOCKDIAG_TIME_WAIT,
					     .mini = true, .family = AF_INET, .local_port = 80,
					     .peer_port = 5, .expires_ms = expires_ms };
	num_sockets = 1;
}

/* More were reported than can be remembered, and one that a snapshot missed shows up in the
 * next: it is not told a second time. One that came later is. */
static void test_never_twice(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();
	uint64_t entered_ns;

	(void)state;
	later_s += 60;
	entered_ns = clock__now_ns(CLOCK_MONOTONIC) - 20 * 1000000000ULL;
	note(healer, 64, 20 * 1000000000ULL);
	for (uint64_t i = 2; i < (1 << 20) + 100; i++)
		note(healer, i * 64, 10 * 1000000000ULL);
	heal(healer, join);
	/* A million notes may have taken seconds. */
	show_mini(64, 60000 - (uint32_t)((clock__now_ns(CLOCK_MONOTONIC) - entered_ns) / 1000000));
	heal(healer, join);
	assert_int_equal(num_found, 0);
	show_mini(65, 59000);
	heal(healer, join);
	assert_int_equal(num_found, 1);
	heal(healer, join);
	assert_int_equal(num_found, 0);
	join__free(join);
	healer__free(healer);
}

/* A recorder was detached five seconds ago. What entered TIME_WAIT since is not told: nothing of
 * it was made, so nothing of it was lost, and the next recorder may tell it. */
static void test_not_after_the_end(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();

	(void)state;
	later_s += 60;
	stopped_ns = clock__now_ns(CLOCK_MONOTONIC) - 5 * 1000000000ULL;
	show_mini(7, 58000);
	heal(healer, join);
	assert_int_equal(num_found, 0);
	show_mini(8, 52000);
	heal(healer, join);
	assert_int_equal(num_found, 1);
	stopped_ns = 0;
	join__free(join);
	healer__free(healer);
}

/* Programs of one's own end after the snapshot was taken: all that it shows is theirs. */
static void test_until_the_end(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();

	(void)state;
	show_mini(9, 60000);
	num_found = 0;
	assert_int_equal(healer__take(healer, NULL, NULL), 0);
	stopped_ns = clock__now_ns(CLOCK_MONOTONIC);
	assert_int_equal(healer__find(healer, &events, join, on_found, NULL), 0);
	assert_int_equal(num_found, 1);
	stopped_ns = 0;
	join__free(join);
	healer__free(healer);
}

/* What came while the reader was stopped in the midst of a snapshot was not there at the start: its
 * timer counts from when the kernel was asked for it. */
static void test_stopped_meanwhile(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();
	uint64_t begin_ns = clock__now_ns(CLOCK_MONOTONIC);

	(void)state;
	show_mini(10, 50000);
	stopped_s = 20;
	heal(healer, join);
	stopped_s = 0;
	assert_int_equal(num_found, 1);
	assert_in_range(found[0].time_ns, begin_ns + 9 * 1000000000ULL,
			clock__now_ns(CLOCK_MONOTONIC) - 10 * 1000000000ULL);
	heal(healer, join);
	assert_int_equal(num_found, 0);
	join__free(join);
	healer__free(healer);
}

static unsigned int num_shown;

static void on_shown(void *ctx, const struct snapshot *snap, const struct snapshot_socket *sk)
{
	(void)ctx;
	assert_int_equal(sk->cookie, 11 + num_shown++);
	assert_true(snap->taken_ns > 0);
}

/* However many there are, and whoever's they are: what is known is looked at and not kept. */
static void test_keeps_what_is_new(void **state)
{
	struct healer *healer = make_healer();
	struct join *join = make_join();

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		table[i] = (struct sockdiag_socket){
			.cookie = 11 + i, .state = SOCKDIAG_TIME_WAIT, .family = AF_INET, .mini = true,
			.expires_ms = 59000, .local_port = 80, .peer_port = (uint16_t)i,
		};
	table[2].state = SOCKDIAG_LAST_ACK;
	num_sockets = 1;
	later_s += 30;
	heal(healer, join);
	assert_int_equal(num_found, 1);
	num_sockets = 3;
	num_found = num_shown = 0;
	assert_int_equal(healer__take(healer, on_shown, NULL), 0);
	assert_int_equal(num_shown, 3);
	assert_int_equal(healer__snapshot(healer)->num, 1);
	assert_int_equal(healer__snapshot(healer)->sockets[0].cookie, 12);
	assert_int_equal(healer__find(healer, &events, join, on_found, NULL), 0);
	assert_int_equal(num_found, 1);
	assert_int_equal(found[0].cookie, 12);
	join__free(join);
	healer__free(healer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_finds),
		cmocka_unit_test(test_forgets_where_it_may_look),
		cmocka_unit_test(test_never_twice),
		cmocka_unit_test(test_not_after_the_end),
		cmocka_unit_test(test_until_the_end),
		cmocka_unit_test(test_stopped_meanwhile),
		cmocka_unit_test(test_keeps_what_is_new),
	};

	return cmocka_run_group_tests_name("heal", tests, NULL, NULL);
}
