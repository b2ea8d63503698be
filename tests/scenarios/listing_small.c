// SPDX-License-Identifier: GPL-2.0
/* A test of the list: a ledger that is too small says so, and knows the newest. */
#define _GNU_SOURCE
#include "listing_solo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL 16384
#define MANY 18000
/* What a slow machine makes: all of it has to be there. Their minute must not be over before. */
#define FEW 2500
#define MANY_NS (5 * 1000000000ULL)
/* Half of it: so far behind the others a CPU may still write into a chunk of its own. */
#define SURE 8000

/* Connections with itself, each with an address of its own. */
static long do_many(long from, long listener, long to)
{
	for (long i = from; i < to; i++) {
		struct sockaddr_storage ss;
		struct sockaddr_in *in = (struct sockaddr_in *)&ss;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, peer;
		socklen_t len = net__loopback(FAM_V4, 0, &ss);

		in->sin_addr.s_addr = htonl(0x7f400001u + (uint32_t)i);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len))
			return -errno;
		len = net__loopback(FAM_V4, (uint16_t)(listener >> 16), &ss);
		if (connect(fd, (struct sockaddr *)&ss, len))
			return -errno;
		peer = accept4((int)(listener & 0xffff), NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			return -errno;
		close(fd);
		close(peer);
	}
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->age_ns > y->age_ns) - (x->age_ns < y->age_ns);
}

/* Of so many newest that surely have room, @others closes being those of other processes. */
static size_t surely(size_t n, size_t others)
{
	size_t sure = SURE;

	if (n + others < SMALL / 2)
		return n;
	/* Before 5.12 it is an LRU hash, which is less exact about who goes first. */
	return net__kernel_at_least(5, 12) && others < sure ? sure - others : 0;
}

/* @made connections, and some more rows: where both ends close at once, both are in TIME_WAIT. */
static void judge_small(struct stage *st, struct rows *rows, size_t made, const struct actor *who,
			const char *twsnoop)
{
	size_t written = solo__ledger_number(st, twsnoop, "written");
	size_t others = written > rows->n ? written - rows->n : 0;
	size_t sure = surely(rows->n, others), unseen = 0;

	qsort(rows->r, rows->n, sizeof(*rows->r), by_age);
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->r[i];

		if (row->ev.pid && row->ev.pid != who->pid)
			stage__fail(st, "row %zu is %d's (%s)", i, row->ev.pid, row->ev.name);
		unseen += row->evidence != EVIDENCE_SEEN && i < sure;
	}
	if (unseen > solo__recursion(st, twsnoop))
		stage__fail(st, "%zu of the newest %zu of %zu (and %zu others) were not seen",
			    unseen, sure, rows->n, others);
	if (rows->seen > SMALL || (made == MANY && rows->seen + others < SMALL / 2))
		stage__fail(st, "seen=%lu of %zu", rows->seen, rows->n);
	if (rows->missed != rows->n - rows->seen)
		stage__fail(st, "seen=%lu of %zu, but missed=%lu; it said: %.150s", rows->seen,
			    rows->n, rows->missed, rows->err);
	if (rows->missed && net__kernel_at_least(5, 12) &&
	    !strstr(rows->err, "the ledger is too small"))
		stage__fail(st, "missed=%lu, but it said: %.150s", rows->missed, rows->err);
}

static void make_many(struct scene *x, long from, long to)
{
	long err = actor__call(x->s, do_many, from, x->port << 16 | x->lfd, to);

	if (err)
		stage__fail(x->st, "cannot make so many: %s", strerror((int)-err));
}

void listing__too_small(struct stage *st, const char *twsnoop)
{
	static const char *const size[] = { "--size", "16384", NULL };
	struct scene x = scene__begin(st, twsnoop, FAM_V4);
	size_t made = FEW;
	struct rows rows;
	uint64_t begin;

	solo__need_nobody(st);
	EXPECT(st, net__sysctl("tcp_max_tw_buckets", 1000000) == 0);
	solo__command(st, twsnoop, "attach", size);
	/* Sockets that enter their state in the ledger's first moments may be older, for all that
	 * their timers tell. */
	usleep(1000000);
	begin = net__mono_ns();
	make_many(&x, 0, FEW);
	if (!net__is_emulated() || (net__mono_ns() - begin) * MANY / FEW < MANY_NS) {
		make_many(&x, FEW, MANY);
		made = MANY;
	}
	solo__take(st, twsnoop, &rows);
	solo__skip_if_more(st, 1);
	judge_small(st, &rows, made, x.s, twsnoop);
	rows__free(&rows);
}
