// SPDX-License-Identifier: GPL-2.0
/*
 * What list makes of a table of sockets, a ledger and a /proc, all of them made up:
 * rows, owners, order, counts, states.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/census_text.h"
#include "host/ifnames.h"
#include "inventory/group.h"
#include "inventory/row_record.h"
#include "inventory/holders.h"
#include "inventory/infer.h"
#include "inventory/list_account.h"
#include "inventory/owner_cgroups.h"
#include "output/account_text.h"
#include "commands/group_words.h"
#include "inventory/list_records.h"
#include "output/list_text.h"
#include "inventory/listing.h"
#include "tests/unit/support.h"

#define MS 1000000ULL
#define SECOND 1000000000ULL

/* ---- the kernel's table ---- */

static struct sockdiag_socket table[64];
static size_t num_sockets;
static int dump_error;

static struct sockdiag_socket *add(uint8_t state, bool mini, uint16_t local, uint8_t peer,
				   uint16_t peer_port)
{
	struct sockdiag_socket *sk = &table[num_sockets++];

	*sk = (struct sockdiag_socket){
		.cookie = 100 + num_sockets, .family = AF_INET, .state = state, .mini = mini,
		.local_port = local, .peer_port = peer_port, .local_addr = { 10, 0, 0, 5 },
		.peer_addr = { 10, 0, 0, peer }, .expires_ms = mini ? 50000 : 0,
		.inode = mini ? 0 : (uint32_t)(1000 + num_sockets),
	};
	return sk;
}

static struct sockdiag_socket *add_tw(uint16_t local, uint8_t peer, uint16_t peer_port)
{
	return add(SOCKDIAG_TIME_WAIT, true, local, peer, peer_port);
}

static int dump(int fd, uint32_t states, sockdiag_fn fn, void *ctx, unsigned int *flags)
{
	int err = 0;

	(void)fd, (void)flags;
	for (size_t i = 0; !err && i < num_sockets; i++)
		if (states & SOCKDIAG_MASK(table[i].state))
			err = fn(ctx, &table[i]);
	return err ?: dump_error;
}

/* ---- the ledger ---- */

static struct tws_event events[64];
static size_t num_events;
static size_t num_ledgers;
static uint64_t recorded_since_ns, complete_since_ns;

bool ledger__find(const struct ledger *ledger, const struct tws_key *key, uint64_t cookie,
		  uint64_t entered_ns, struct tws_event *event)
{
	(void)ledger, (void)key, (void)entered_ns;
	for (size_t i = 0; i < num_events; i++)
		if (events[i].cookie == cookie) {
			*event = events[i];
			return true;
		}
	return false;
}

uint64_t ledger__recorded_since(const struct ledger *ledger)
{
	(void)ledger;
	return recorded_since_ns;
}

uint64_t ledger__complete_since(const struct ledger *ledger)
{
	(void)ledger;
	return complete_since_ns;
}

size_t ledger__count(const struct ledger *ledger)
{
	(void)ledger;
	return num_ledgers;
}

const char *ledger__arguments(struct ledger *ledger, const struct tws_event *event, size_t *len)
{
	static const char args[] = "curl\0-s\0http://web/\0";

	(void)ledger;
	*len = sizeof(args) - 1;
	return event->cookie == events[0].cookie ? args : NULL;
}

static struct tws_event *see(uint64_t cookie, uint32_t tgid, const char *comm)
{
	struct tws_event *ev = &events[num_events++];

	*ev = (struct tws_event){ .action = TWS_FIN_WAIT2, .cookie = cookie, .time_ns = 5 };
	ev->conn = (struct tws_conn){
		.flags = TWS_F_CLOSER | TWS_F_ACTIVE, .tgid = tgid, .tid = tgid,
		.closer_start_ns = SECOND, .side = TWS_SIDE_CLIENT, .cause = TWS_CAUSE_CLOSE,
	};
	memcpy(ev->conn.comm, comm, strlen(comm));
	return ev;
}

/* ---- /proc ---- */

static char root[PATH_MAX];
static const char *const no_dirs[] = { NULL };
static struct netns_places places = { root, no_dirs };
static const struct sockets_source source = { &places, dump, false, NULL };
static const struct tws_filter no_filter;

/* What each test finds empty. */
static struct listing l;
static struct listeners *listeners;
static struct workloads *workloads;
static struct group_context ctx;

static void make_dir(const char *path)
{
	char full[PATH_MAX + 64];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
}

static void make_file(const char *path, const char *text)
{
	char full[PATH_MAX + 64];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A process that holds the socket @inode. */
static void make_process(unsigned int pid, const char *comm, unsigned int inode)
{
	char path[128], text[128], link[PATH_MAX + 128];

	snprintf(path, sizeof(path), "/%u", pid);
	make_dir(path);
	snprintf(path, sizeof(path), "/%u/fd", pid);
	make_dir(path);
	snprintf(path, sizeof(path), "/%u/stat", pid);
	snprintf(text, sizeof(text), "%u (%s) S 1 2 3 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 %u 0\n",
		 pid, comm, pid * 10);
	make_file(path, text);
	snprintf(path, sizeof(path), "/%u/status", pid);
	make_file(path, "Name:\tx\nUid:\t1\t44\t2\t3\n");
	snprintf(path, sizeof(path), "/%u/cmdline", pid);
	make_file(path, "");
	snprintf(path, sizeof(path), "/%u/comm", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	make_file(path, text);
	snprintf(link, sizeof(link), "%s/%u/fd/%u", root, pid, inode);
	snprintf(text, sizeof(text), "socket:[%u]", inode);
	assert_int_equal(symlink(text, link), 0);
}

static void remove_root(void)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	const struct workloads_options opts = { .no_names = true };
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/twsnoop-list-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	make_dir("/sys");
	make_dir("/sys/net");
	make_dir("/sys/net/ipv4");
	make_file("/sys/net/ipv4/ip_local_port_range", "40000\t40009\n");
	make_file("/sys/net/ipv4/ip_local_reserved_ports", "40009\n");
	make_file("/sys/net/ipv4/tcp_fin_timeout", "55\n");
	make_file("/sys/net/ipv4/tcp_max_tw_buckets", "8\n");
	num_sockets = num_events = num_ledgers = 0;
	recorded_since_ns = complete_since_ns = 0;
	dump_error = 0;
	assert_int_equal(listeners__new(&listeners, 16), 0);
	assert_int_equal(workloads__new(&workloads, &opts), 0);
	ctx = (struct group_context){ .listing = &l, .workloads = workloads };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	listing__free(&l);
	listeners__free(listeners);
	workloads__free(workloads);
	remove_root();
	return 0;
}

static void take(const struct tws_filter *filter)
{
	const struct listing_want want = { .filter = filter, .ports = true };
	unsigned int flags = 0;

	listing__free(&l);
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
	assert_int_equal(flags, 0);
}

static void take_and_join(void)
{
	take(&no_filter);
	listing__join(&l, NULL);
}

/* ---- rows ---- */

static void test_take(void **state)
{

	(void)state;
	add_tw(40001, 9, 80);
	add(SOCKDIAG_ESTABLISHED, false, 40002, 9, 80);
	add(SOCKDIAG_FIN_WAIT2, false, 40003, 9, 80);
	add(SOCKDIAG_FIN_WAIT2, true, 40004, 9, 80);
	take(&no_filter);
	assert_int_equal(l.num, 2);
	assert_int_equal(l.num_netns, 1);
	assert_non_null(listing__netns_name(&l, l.netns[0].inode));
	assert_null(listing__netns_name(&l, 1));
	assert_int_equal(l.rows[0].state, SOCKDIAG_TIME_WAIT);
	assert_int_equal(l.rows[1].state, SOCKDIAG_FIN_WAIT2);
	assert_int_equal(l.rows[0].left_ns, 50 * SECOND);
	/* of 60 s, and of the namespace's tcp_fin_timeout */
	assert_in_range(listing__age_ns(&l, &l.rows[0]), 10 * SECOND, 12 * SECOND);
	assert_in_range(listing__age_ns(&l, &l.rows[1]), 5 * SECOND, 7 * SECOND);
	assert_int_equal(l.netns[0].limits.usable_ports, 9);
}

/* All states: those with a file belong to who holds it. */
static void test_holders(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	struct binds binds = { .complete = true };
	struct tws_bind bind = { .inode = 500, .port = 40006, .family = AF_INET,
				 .addr = { 10, 0, 0, 5 } };
	struct listing_process process;

	(void)state;
	make_process(31, "one", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(33, "two", add(SOCKDIAG_LISTEN, false, 80, 0, 0)->inode);
	make_process(32, "fork", table[1].inode);
	add(SOCKDIAG_FIN_WAIT1, false, 40002, 9, 80)->inode = 0; /* an orphan */
	add(SOCKDIAG_CLOSE_WAIT, false, 40003, 9, 80); /* whose holder may not be seen */
	add_tw(40004, 9, 80);
	make_process(34, "binder", 500);
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(netns__inode(-1, &bind.netns), 0);
	assert_int_equal(binds__add(&binds, &bind), 0);
	bind.netns = 1; /* was not read */
	assert_int_equal(binds__add(&binds, &bind), 0);
	assert_int_equal(listing__add_bound(&l, &binds), 0);
	binds__free(&binds);
	assert_int_equal(l.num, 6);
	assert_int_equal(holders__find(&l, root), 0);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 31);
	assert_int_equal(l.rows[0].evidence, OWNER_HOLDS);
	assert_false(l.rows[0].shared);
	assert_true(listing__process(&l, &l.rows[1], &process));
	assert_int_equal(process.tgid, 32); /* the lowest, whatever the order */
	assert_true(l.rows[1].shared);
	for (int i = 2; i < 5; i++)
		assert_false(listing__process(&l, &l.rows[i], &process));
	assert_true(l.rows[4].mini && !l.rows[3].mini);
	assert_int_equal(l.rows[3].left_ns, 0);
	assert_int_equal(l.rows[5].state, SOCKDIAG_CLOSE);
	assert_true(listing__process(&l, &l.rows[5], &process));
	assert_int_equal(process.tgid, 34);
}

/* What nobody has accepted yet is the listener's; what is closing, nobody's. */
static void test_infer_unaccepted(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	struct listing_process process;

	(void)state;
	make_process(31, "server", add(SOCKDIAG_LISTEN, false, 80, 0, 0)->inode);
	memset(table[0].local_addr, 0, 16);
	add(SOCKDIAG_ESTABLISHED, false, 80, 9, 40001)->inode = 0;
	add(SOCKDIAG_CLOSE_WAIT, false, 80, 9, 40002)->inode = 0;
	add(SOCKDIAG_LAST_ACK, false, 80, 9, 40003)->inode = 0;
	add(SOCKDIAG_ESTABLISHED, false, 81, 9, 40004)->inode = 0;
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(listeners__fill(listeners, &source, 0, NULL), 0);
	assert_true(infer__needed(&l));
	assert_int_equal(infer__owners(&l, &source, listeners, NULL), 0);
	for (int i = 1; i < 5; i++)
		assert_int_equal(listing__process(&l, &l.rows[i], &process), i < 3);
	assert_int_equal(l.rows[1].evidence, OWNER_INFERRED);
	assert_int_equal(l.owners[l.rows[1].owner - 1].tgid, 31);
}

/* A cgroup that nobody knows any more is not taken for the host's. */
static void test_unknown_cgroup(void **state)
{
	const uint64_t id = 1ULL << 40;

	(void)state;
	assert_int_equal(workloads__want(workloads, id, false), 0);
	if (workloads__resolve(workloads)) /* no cgroups here */
		skip();
	assert_string_equal(workloads__get(workloads, id)->label, "cgroup:1099511627776");
	assert_null(workloads__get(workloads, id)->workload.container_id);
	assert_true(workloads__any(workloads));
}

/* The cgroup of who holds a socket is where that process is now. */
static void test_owner_cgroups(void **state)
{
	const struct listing_want want = { .filter = &no_filter, .all = true };
	struct owner_cgroups *cgroups;
	struct tws_cgroup cgroup;

	(void)state;
	make_process(31, "one", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(32, "two", add(SOCKDIAG_ESTABLISHED, false, 40002, 9, 80)->inode);
	make_process(33, "three", add(SOCKDIAG_ESTABLISHED, false, 40003, 9, 80)->inode);
	make_process(34, "four", add(SOCKDIAG_ESTABLISHED, false, 40004, 9, 80)->inode);
	make_file("/31/cgroup", "4:cpu,memory:/v1\n0::/docker/b\n");
	make_file("/32/cgroup", "0::/docker/a\n");
	make_file("/33/cgroup", "4:cpu,memory:/v1\n0::/docker/b (deleted)\n");
	assert_int_equal(listing__take(&l, &source, &want, NULL), 0);
	assert_int_equal(holders__find(&l, root), 0);
	assert_int_equal(owner_cgroups__read(&cgroups, &l, root, ""), 0);
	assert_true(owner_cgroups__find(cgroups, listing__cgroup(&l, &l.rows[0]), &cgroup));
	assert_string_equal(cgroup.path, "/docker/b");
	assert_true(owner_cgroups__find(cgroups, listing__cgroup(&l, &l.rows[1]), &cgroup));
	assert_string_equal(cgroup.path, "/docker/a");
	assert_int_equal(listing__cgroup(&l, &l.rows[0]), listing__cgroup(&l, &l.rows[2]));
	assert_int_equal(listing__cgroup(&l, &l.rows[3]), 0);
	assert_false(owner_cgroups__find(cgroups, 1, &cgroup));
	assert_false(owner_cgroups__find(cgroups, UINT64_MAX, &cgroup));
	owner_cgroups__free(cgroups);
	assert_int_equal(owner_cgroups__read(&cgroups, &l, root, "memory"), 0);
	assert_true(owner_cgroups__find(cgroups, listing__cgroup(&l, &l.rows[2]), &cgroup));
	assert_string_equal(cgroup.path, "/v1");
	assert_int_equal(listing__cgroup(&l, &l.rows[1]), 0);
	owner_cgroups__free(cgroups);
}

static int stop_at(void *ctx, size_t rows)
{
	(void)ctx, (void)rows;
	return -EINTR;
}

static void test_take_errors(void **state)
{
	struct listing_want want = { .filter = &no_filter };
	unsigned int flags = 0;

	(void)state;
	dump_error = -EOPNOTSUPP;
	assert_int_equal(listing__take(&l, &source, &want, &flags), -EOPNOTSUPP);
	listing__free(&l);
	dump_error = -EPERM;
	assert_int_equal(listing__take(&l, &source, &want, &flags), -EPERM);
	assert_true(flags & SOCKETS_DENIED);
	listing__free(&l);
	dump_error = 0;
	want.tick = stop_at; /* not asked for a few */
	add_tw(40001, 9, 80);
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
}

static void test_filter(void **state)
{
	struct tws_filter filter = {
		.num_peers = 1, .peers = { { .port = 81, .last_port = 81 } },
		.num_pids = 1, .pids = { 7 }, /* no matter here: owners come later */
	};

	(void)state;
	add_tw(40001, 9, 80);
	add_tw(40002, 9, 81);
	take(&filter);
	assert_int_equal(l.num, 1);
	assert_int_equal(l.rows[0].key.local_port, 40002);
	filter = (struct tws_filter){ .num_netns = 1, .netns = { 1 } };
	take(&filter);
	assert_int_equal(l.num, 0);
	assert_int_equal(l.num_netns, 0);
}

static void test_join(void **state)
{
	struct listing_process process;
	struct tws_event ev;

	(void)state;
	see(add_tw(40001, 9, 80)->cookie, 7, "client");
	see(add_tw(40002, 9, 80)->cookie, 0, "")->conn.flags = TWS_F_ACTIVE;
	events[1].conn.cause = TWS_CAUSE_KERNEL;
	see(add_tw(40003, 9, 80)->cookie, 0, "")->conn.flags = 0;
	events[2].conn.cause = TWS_CAUSE_UNKNOWN;
	add_tw(40004, 9, 80);
	take_and_join();
	assert_int_equal(l.rows[0].evidence, OWNER_SEEN);
	assert_int_equal(l.rows[1].evidence, OWNER_SEEN); /* by the kernel */
	assert_int_equal(l.rows[2].evidence, OWNER_UNKNOWN); /* by whom was not seen */
	assert_int_equal(l.rows[3].evidence, OWNER_UNKNOWN);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 7);
	assert_false(listing__process(&l, &l.rows[1], &process));
	assert_int_equal(l.rows[1].seen->conn->cause, TWS_CAUSE_KERNEL);
	assert_null(l.rows[3].seen);

	listing__event(&l, &l.rows[0], &ev);
	assert_int_equal(ev.action, TWS_TIME_WAIT); /* what it is now */
	assert_int_equal(ev.local_port, 40001);
	assert_int_equal(ev.netns, l.netns[0].inode);
	assert_int_equal(ev.time_ns, 5);
	listing__event(&l, &l.rows[3], &ev);
	assert_int_equal(ev.conn.flags, TWS_F_SNAPSHOT | TWS_F_NO_BYTES);
	assert_int_equal(ev.conn.tgid, 0);
}

/* ---- inference ---- */

static void take_and_infer(void)
{
	take_and_join();
	assert_int_equal(infer__owners(&l, &source, listeners, NULL), 0);
}

/* All live connections to 10.0.0.9:80 are of one process; to :81 of two; one of
 * those to :82 is of a process that cannot be seen; to :83 there is an orphan, too. */
static void test_infer_live(void **state)
{
	struct listing_process process;

	(void)state;
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	make_process(22, "other", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 81)->inode);
	make_process(23, "third", add(SOCKDIAG_CLOSE_WAIT, false, 40002, 9, 81)->inode);
	make_process(24, "fourth", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 82)->inode);
	add(SOCKDIAG_ESTABLISHED, false, 40002, 9, 82);
	make_process(25, "fifth", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 83)->inode);
	add(SOCKDIAG_FIN_WAIT1, false, 40002, 9, 83)->inode = 0;
	for (uint16_t port = 80; port < 85; port++)
		add_tw(40005, 9, port);
	take_and_infer();
	assert_int_equal(l.num, 5);
	assert_int_equal(l.rows[0].evidence, OWNER_INFERRED);
	assert_int_equal(l.rows[0].side, TWS_SIDE_CLIENT);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 21);
	assert_int_equal(process.uid, 44);
	assert_string_equal(process.comm, "pool");
	assert_int_equal(l.rows[1].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[2].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[3].evidence, OWNER_INFERRED);
	assert_int_equal(l.rows[4].evidence, OWNER_UNKNOWN);
	assert_int_equal(l.rows[4].side, TWS_SIDE_UNKNOWN);
}

/* What was seen stays as it is, whatever lives beside it. */
static void test_infer_not_seen(void **state)
{
	struct listing_process process;

	(void)state;
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	see(add_tw(40005, 9, 80)->cookie, 7, "gone");
	take_and_infer();
	assert_int_equal(l.rows[0].evidence, OWNER_SEEN);
	assert_true(listing__process(&l, &l.rows[0], &process));
	assert_int_equal(process.tgid, 7);
}

/* With a listener on the local port it is the server's side, and of nobody who
 * connects to the same remote end. */
static void test_infer_listener(void **state)
{
	struct listener listener = { .cookie = 1, .port = 40005, .family = AF_INET };

	(void)state;
	assert_int_equal(netns__inode(-1, &listener.netns), 0);
	assert_int_equal(listeners__add(listeners, &listener), 0);
	make_process(21, "pool", add(SOCKDIAG_ESTABLISHED, false, 40001, 9, 80)->inode);
	add_tw(40005, 9, 80);
	take_and_infer();
	assert_int_equal(l.rows[0].side, TWS_SIDE_SERVER);
	assert_int_equal(l.rows[0].evidence, OWNER_UNKNOWN);
}

/* A process that has gone between the two looks is no owner. */
static void test_owner_gone(void **state)
{
	uint32_t index = 99;

	(void)state;
	assert_int_equal(listing__owner(&l, root, 4000000, &index), 0);
	assert_int_equal(index, 0);
	for (unsigned int pid = 1; pid < 200; pid++) {
		assert_int_equal(listing__owner(&l, root, pid, &index), 0);
		assert_int_equal(index, 0);
	}
	make_process(300, "late", 1);
	assert_int_equal(listing__owner(&l, root, 300, &index), 0);
	assert_int_equal(index, 201);
	assert_int_equal(listing__owner(&l, root, 300, &index), 0);
	assert_int_equal(index, 201);
}

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
		      "sockets that were closed before: 1: 'twsnoop detach', then 'twsnoop "
		      "attach' with a larger --size\n"
		      "twsnoop: owners are known only since 06:58:40, sockets that were closed "
		      "before: 1\n"
		      "twsnoop: listed=4 seen=1 inferred=0 unknown=3 missed=2\n");
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

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

/* What many have in common is kept once; each has its own moments and bytes. */
static void closes_share(void **state)
{
	const struct seen_close *seen[5];
	struct tws_event ev;

	(void)state;
	for (uint16_t i = 0; i < 5; i++) {
		struct tws_event *close = see(add_tw((uint16_t)(40001 + i), 9, 80)->cookie, 7, "client");

		close->action = i == 3 ? TWS_FIN : TWS_FIN_WAIT2;
		close->conn.open_ns = 3 + i;
		close->tx_bytes = 10 + i;
		close->rx_bytes = 20 + i;
		close->conn.uid = i == 4;
		close->conn.ifindex = i;
	}
	take_and_join();
	for (size_t i = 0; i < 5; i++) {
		seen[i] = l.rows[i].seen;
		listing__event(&l, &l.rows[i], &ev);
		assert_int_equal(ev.conn.open_ns, 3 + i);
		assert_int_equal(ev.time_ns, 5);
		assert_int_equal(ev.tx_bytes, 10 + i);
		assert_int_equal(ev.rx_bytes, 20 + i);
		assert_int_equal(ev.conn.ifindex, l.rows[i].key.ifindex);
		assert_int_equal(!!(ev.conn.flags & TWS_F_NO_BYTES), i == 3);
		assert_int_equal(ev.conn.uid, i == 4);
		assert_int_equal(ev.conn.tgid, 7);
	}
	assert_ptr_equal(seen[0]->conn, seen[1]->conn);
	assert_ptr_equal(seen[0]->conn, seen[2]->conn);
	assert_ptr_not_equal(seen[0]->conn, seen[3]->conn); /* how many bytes is not known */
	assert_ptr_not_equal(seen[0]->conn, seen[4]->conn); /* another user */
}

/* Where the kernel's count says that there are none, none are looked for; the namespace was read. */
static void empty_is_passed_over(void **state)
{
	(void)state;
	add_tw(40001, 9, 80);
	make_dir("/thread-self");
	make_dir("/thread-self/net");
	make_file("/thread-self/net/sockstat", "TCP: inuse 3 orphan 0 tw 0 alloc 4 mem 0\n");
	take_and_join();
	assert_int_equal(l.num, 0);
	assert_int_equal(l.num_netns, 1);
	listing__free(&l);
	make_file("/thread-self/net/sockstat", "TCP: inuse 3 orphan 0 tw 1 alloc 4 mem 0\n");
	take_and_join();
	assert_int_equal(l.num, 1);
	assert_int_equal(l.num_netns, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_take), TEST(test_holders), TEST(test_infer_unaccepted),
		TEST(test_owner_cgroups), TEST(test_unknown_cgroup), TEST(test_states_by),
		TEST(test_take_errors),	  TEST(test_filter),
		TEST(test_join),	TEST(test_infer_live),	  TEST(test_infer_not_seen),
		TEST(test_infer_listener), TEST(test_owner_gone), TEST(test_sort),
		TEST(test_count),	TEST(test_keys),	  TEST(test_census),
		TEST(test_texts),	TEST(test_records),	  TEST(devices_have_names),
		TEST(test_account),
		TEST(closes_share),
		TEST(empty_is_passed_over),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
