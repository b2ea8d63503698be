// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/inventory/listing_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/ledger.h"
#include "inventory/infer.h"

/* ---- the kernel's table ---- */

struct sockdiag_socket table[64];
size_t num_sockets;
int dump_error;

struct sockdiag_socket *add(uint8_t state, bool mini, uint16_t local, uint8_t peer,
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

struct sockdiag_socket *add_tw(uint16_t local, uint8_t peer, uint16_t peer_port)
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

struct tws_event events[64];
static size_t num_events;
size_t num_ledgers;
uint64_t recorded_since_ns, complete_since_ns;

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

struct tws_event *see(uint64_t cookie, uint32_t tgid, const char *comm)
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

char root[PATH_MAX];
static const char *const no_dirs[] = { NULL };
static struct netns_places places = { root, no_dirs };
const struct sockets_source source = { &places, dump, false, NULL };
const struct tws_filter no_filter;

/* What each test finds empty. */
struct listing l;
struct listeners *listeners;
struct workloads *workloads;
struct group_context ctx;

void make_dir(const char *path)
{
	char full[PATH_MAX + 64];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
}

void make_file(const char *path, const char *text)
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
void make_process(unsigned int pid, const char *comm, unsigned int inode)
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

int setup(void **state)
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

int teardown(void **state)
{
	(void)state;
	listing__free(&l);
	listeners__free(listeners);
	workloads__free(workloads);
	remove_root();
	return 0;
}

void take(const struct tws_filter *filter)
{
	const struct listing_want want = { .filter = filter, .ports = true };
	unsigned int flags = 0;

	listing__free(&l);
	assert_int_equal(listing__take(&l, &source, &want, &flags), 0);
	assert_int_equal(flags, 0);
}

void take_and_join(void)
{
	take(&no_filter);
	listing__join(&l, NULL);
}

void take_and_infer(void)
{
	take_and_join();
	assert_int_equal(infer__owners(&l, &source, listeners, NULL), 0);
}
