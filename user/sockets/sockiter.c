// SPDX-License-Identifier: GPL-2.0
#include "sockets/sockiter.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "host/netns.h"
#include "host/quiet.h"
#include "sockets.skel.h"
#include "sockets/sockstream.h"

static struct {
	struct sockets_bpf *skel;
	struct bpf_link *link;
	uint64_t tick_ns;
} iter;

/* ---- loading ---- */

/* The coarse clocks move with each jiffy: their resolution is one (KTIME_LOW_RES). */
static uint64_t read_tick_ns(void)
{
	struct timespec ts;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int load(bool has_cookie)
{
	struct sockets_bpf *skel = sockets_bpf__open();
	int err;

	if (!skel)
		return -errno;
	skel->rodata->tws_has_cookie = has_cookie;
	err = sockets_bpf__load(skel);
	if (err) {
		sockets_bpf__destroy(skel);
		return err;
	}
	iter.skel = skel;
	return 0;
}

static int load_and_attach(void)
{
	int err = load(true);

	/* The verifier's answers to a helper that is not there. */
	if (err == -EINVAL || err == -EACCES)
		err = load(false);
	if (err)
		return err;
	iter.link = bpf_program__attach_iter(iter.skel->progs.tws_sockets, NULL);
	return iter.link ? 0 : -errno;
}

int sockiter__open(void)
{
	libbpf_print_fn_t print;
	int err;

	if (iter.link)
		return 0;
	iter.tick_ns = read_tick_ns();
	if (!iter.tick_ns)
		return -EOPNOTSUPP;
	print = quiet__begin();
	err = load_and_attach();
	libbpf_set_print(print);
	if (!err)
		return 0;
	sockiter__close();
	return err == -EPERM || err == -ENOMEM ? err : -EOPNOTSUPP;
}

bool sockiter__is_open(void)
{
	return iter.link != NULL;
}

void sockiter__close(void)
{
	bpf_link__destroy(iter.link);
	sockets_bpf__destroy(iter.skel);
	iter.link = NULL;
	iter.skel = NULL;
}

/* ---- reading ---- */

/* The walk is of the namespace in which this is called. */
static int create(void *ctx)
{
	int fd = bpf_iter_create(bpf_link__fd(iter.link));

	(void)ctx;
	return fd < 0 ? -errno : fd;
}

int sockiter__dump(int netns_fd, uint32_t states, sockdiag_fn fn, void *ctx,
		   unsigned int *flags)
{
	int fd, err;

	(void)flags;
	if (!iter.link)
		return -EOPNOTSUPP;
	iter.skel->bss->tws_states = states;
	fd = netns_fd < 0 ? create(NULL) : netns__run(netns_fd, create, NULL);
	if (fd < 0)
		return fd;
	err = sockstream__read(fd, iter.tick_ns, fn, ctx);
	close(fd);
	return err;
}

/* ---- which way ---- */

static int no_socket(void *ctx, const struct sockdiag_socket *sk)
{
	(void)ctx;
	(void)sk;
	return 0;
}

static bool is_forced(void)
{
	const char *value = getenv(SOCKITER_FORCE);

	return value && value[0];
}

#define LOAD_THEM "load the modules inet_diag and tcp_diag ('modprobe tcp_diag')"

int sockiter__choose(sockets_dump_fn *dump, const char **why)
{
	bool forced = is_forced();
	int err;

	*dump = forced ? sockiter__dump : sockdiag__dump;
	*why = NULL;
	/* Of no state: the kernel looks for its modules, and at no socket. */
	if (!forced && sockdiag__dump(-1, 0, no_socket, NULL, NULL) != -EOPNOTSUPP)
		return 0;
	err = sockiter__open();
	if (!err) {
		*dump = sockiter__dump;
		*why = forced ? "sockets are read by a BPF iterator, because " SOCKITER_FORCE
				" is set" :
				"sockets are read by a BPF iterator, because this kernel has no "
				"sock_diag for TCP (modules inet_diag and tcp_diag)";
	} else if (err == -EPERM) {
		*why = "this kernel has no sock_diag for TCP: " LOAD_THEM ", or run as root, so "
		       "that a BPF iterator (CAP_BPF, CAP_PERFMON) can take its place";
	} else {
		*why = "this kernel has neither sock_diag for TCP nor a BPF iterator that could "
		       "take its place: " LOAD_THEM;
	}
	return err;
}
