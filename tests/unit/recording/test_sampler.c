// SPDX-License-Identifier: GPL-2.0
/* Samples: what is told first, what is told again, and when. The sockets are made up, the
 * namespaces and their settings are this machine's. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "host/netns.h"
#include "recording/sampler.h"
#include "tests/unit/recording/fake_recording.h"

#define S 1000000000ULL
#define TIME_WAITS 200

static struct {
	unsigned int time_waits, dumps;
	uint64_t kept_until_ns;
	struct recording *rec;
} t;

/* Each namespace has the same ones. */
static int dump(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx, unsigned int *flags)
{
	struct sockdiag_socket sk = { .family = 2, .state = SOCKDIAG_TIME_WAIT, .mini = true,
				      .peer_port = 80, .local_addr = { 127, 0, 0, 1 },
				      .peer_addr = { 127, 0, 0, 1 } };
	int err = 0;

	(void)netns_fd;
	(void)flags;
	t.dumps++;
	for (unsigned int i = 0; !err && i < t.time_waits; i++) {
		sk.local_port = (uint16_t)(40000 + i);
		if (states & SOCKDIAG_MASK(SOCKDIAG_TIME_WAIT))
			err = fn(ctx, &sk);
	}
	return err;
}

static void keep(void *ctx, uint64_t until_ns)
{
	(void)ctx;
	t.kept_until_ns = until_ns;
}

static const char *const no_dirs[] = { NULL };
static const struct netns_places places = { "/proc", no_dirs };
static const struct sockets_source source = { .places = &places, .dump = dump };
/* Its own namespace alone: others of the machine come and go. */
static struct tws_filter own;

static int take_ports(struct bundle *bundle, const struct sockets_source *from,
		      const struct listing_want *want, uint64_t wall_ns);

static struct sampler *make(void)
{
	struct sampler_options opts = { .source = &source, .filter = &own, .keep = keep,
					.take_ports = take_ports };
	struct store_failure failure;
	struct sampler *sampler;

	memset(&t, 0, sizeof(t));
	t.time_waits = TIME_WAITS;
	fake_reset();
	own = (struct tws_filter){ .num_netns = 1 };
	assert_int_equal(netns__inode(-1, &own.netns[0]), 0);
	assert_int_equal(recording__open(&t.rec, "fake", NULL, NULL, &failure), 0);
	assert_int_equal(sampler__new(&sampler, &opts), 0);
	return sampler;
}

static void take(struct sampler *sampler, uint64_t wall_s)
{
	struct bundle *bundle;

	assert_int_equal(bundle__new(&bundle), 0);
	assert_int_equal(sampler__take(sampler, bundle, wall_s * S), 0);
	assert_int_equal(bundle__write(bundle, t.rec, wall_s * S), 0);
	bundle__free(bundle);
}

static void test_changes(void **state)
{
	struct sampler *sampler = make();
	uint64_t limits;

	(void)state;
	take(sampler, 1000);
	assert_int_equal(fake_committed.n.states, 2);
	assert_int_equal(fake_committed.states[0].netns, 0);
	assert_int_equal(fake_committed.states[0].states[SOCKDIAG_TIME_WAIT], TIME_WAITS);
	assert_int_equal(fake_committed.states[1].netns, own.netns[0]);
	assert_int_equal(fake_committed.states[1].wall_ns, 1000 * S);
	assert_int_equal(fake_committed.n.limits, 1);
	assert_true(fake_committed.limits[0].first_port > 0);
	assert_true(fake_committed.limits[0].usable_ports > 0);
	assert_true(fake_committed.n.counters > 10);
	/* The host's sum is always told. */
	take(sampler, 1010);
	assert_int_equal(fake_committed.n.states, 3);
	t.time_waits++;
	take(sampler, 1020);
	assert_int_equal(fake_committed.n.states, 5);
	limits = fake_committed.n.limits;
	take(sampler, 1020 + 599);
	assert_int_equal(fake_committed.n.states, 6);
	take(sampler, 1020 + 600);
	assert_int_equal(fake_committed.n.states, 8);
	/* The clock is put back. */
	take(sampler, 500);
	assert_int_equal(fake_committed.n.states, 10);
	assert_int_equal(fake_committed.n.limits, limits);
	assert_int_equal(fake_committed.n.findings, 0);
	sampler__free(sampler);
	sampler__free(NULL);
}

static int count_result;

static int count_minis(int netns_fd, const char *proc_root, uint64_t *num)
{
	(void)netns_fd;
	assert_string_equal(proc_root, "/proc");
	*num = 250;
	return count_result;
}

/* Where the kernel counts TIME_WAIT sockets none is listed; where it does not all are. */
static void test_counted(void **state)
{
	struct sockets_source counting = source;
	struct sampler *sampler = make();
	struct bundle *bundle;

	(void)state;
	counting.count_minis = count_minis;
	for (unsigned int i = 0; i < 2; i++) {
		const struct sampler_options opts = { .source = &counting, .filter = &own,
						      .keep = keep, .take_ports = take_ports };

		sampler__free(sampler);
		count_result = i ? -EACCES : 0;
		t.dumps = 0;
		assert_int_equal(sampler__new(&sampler, &opts), 0);
		assert_int_equal(bundle__new(&bundle), 0);
		assert_int_equal(sampler__take(sampler, bundle, (1000 + i) * S), 0);
		assert_int_equal(bundle__write(bundle, t.rec, (1000 + i) * S), 0);
		bundle__free(bundle);
		assert_int_equal(t.dumps, 1 + i);
		assert_int_equal(fake_committed.states[2 * i].states[SOCKDIAG_TIME_WAIT],
				 i ? TIME_WAITS : 250);
		assert_int_equal(fake_committed.states[2 * i + 1].states[SOCKDIAG_TIME_WAIT],
				 i ? TIME_WAITS : 250);
	}
	sampler__free(sampler);
}

/* So many sockets that they are left alone are told by the tick. */
static int take_ports(struct bundle *bundle, const struct sockets_source *from,
		      const struct listing_want *want, uint64_t wall_ns)
{
	(void)bundle;
	assert_ptr_equal(from, &source);
	assert_int_equal(want->filter->num_netns, 1);
	assert_int_equal(wall_ns, S);
	assert_int_equal(want->tick(want->ctx, SAMPLER_PORTS_SOCKETS), 0);
	return want->tick(want->ctx, SAMPLER_PORTS_SOCKETS + 1);
}

static void test_ports(void **state)
{
	struct sampler *sampler = make();

	(void)state;
	assert_int_equal(sampler__take_ports(sampler, NULL, S), -E2BIG);
	sampler__free(sampler);
}

/* A connect that finds no port has them looked at soon, but not over and over. */
static void test_hurry(void **state)
{
	struct sampler_turn turn = { .due_ns = 2 * S };

	(void)state;
	assert_false(sampler__is_turn(&turn, false, S));
	assert_true(sampler__is_turn(&turn, true, S));
	/* What a look has cost decides when the next one is due. */
	sampler__set_turn(&turn, 100 * S, S / 20);
	assert_false(sampler__is_turn(&turn, false, 199 * S));
	assert_true(sampler__is_turn(&turn, false, 200 * S));
	sampler__set_turn(&turn, 100 * S, S);
	assert_false(sampler__is_turn(&turn, false, 399 * S));
	assert_true(sampler__is_turn(&turn, false, 400 * S));
	sampler__set_turn(&turn, 100 * S, 0);
	assert_false(sampler__is_turn(&turn, false, 159 * S));
	assert_true(sampler__is_turn(&turn, false, 160 * S));
	assert_false(sampler__is_turn(&turn, true, 109 * S));
	assert_true(sampler__is_turn(&turn, true, 110 * S));
	/* Less often where a look costs much, but more often than if nothing failed. */
	sampler__set_turn(&turn, 100 * S, 6 * S / 5);
	assert_false(sampler__is_turn(&turn, true, 129 * S));
	assert_true(sampler__is_turn(&turn, true, 130 * S));
	assert_false(sampler__is_turn(&turn, false, 399 * S));
	sampler__hurry(NULL);
}

/* Near the limit: a finding, and raw rows are kept. */
static void test_limit(void **state)
{
	struct sampler *sampler = make();

	(void)state;
	take(sampler, 1000);
	assert_int_equal(t.kept_until_ns, 0);
	t.time_waits = (unsigned int)(fake_committed.limits[0].max_tw_buckets);
	if (!t.time_waits)
		skip();
	take(sampler, 1010);
	assert_int_equal(t.kept_until_ns, 1310 * S);
	assert_int_equal(fake_committed.n.findings, 1);
	assert_int_equal(fake_committed.n.keeps, 1);
	assert_non_null(strstr(fake_committed.texts[0], "limit-near"));
	take(sampler, 1020);
	assert_int_equal(fake_committed.n.findings, 1);
	sampler__free(sampler);
}

/* Its thread fills a queue, and ends at once. */
static void test_thread(void **state)
{
	struct sampler_options opts = { .source = &source, .filter = &own, .keep = keep,
					.take_ports = take_ports };
	struct sampler *sampler = make();
	struct queue *queue;

	(void)state;
	sampler__free(sampler);
	assert_int_equal(queue__new(&queue, 1 << 20), 0);
	opts.queue = queue;
	assert_int_equal(sampler__new(&sampler, &opts), 0);
	assert_int_equal(sampler__start(sampler), 0);
	assert_non_null(queue__front(queue, 600000));
	sampler__restart(sampler);
	sampler__free(sampler);
	queue__free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_thread),
	};

	return cmocka_run_group_tests_name("recording_sampler", tests, NULL, NULL);
}
