// SPDX-License-Identifier: GPL-2.0
/*
 * connect() and bind() that fail, most of them before there is any transition: the truth is the
 * errno that the program got, and each failure is told once.
 */
#define _GNU_SOURCE
#include "scenarios.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNUSED(x) ((void)(x))

/* An address of which nobody here has a route: TEST-NET-1, and the documentation's prefix. */
static const char *const nowhere[] = { [FAM_V4] = "192.0.2.1", [FAM_V6] = "2001:db8::1",
				       [FAM_MAPPED] = "::ffff:192.0.2.1" };

/* What an actor is to do; it lies in the stage's arena. */
struct attempt {
	struct sockaddr_storage to; /* family 0: do not */
	struct sockaddr_storage at; /* to bind to before */
	socklen_t len;
	long uid; /* to be it meanwhile, 0: root */
};

static void set_address(struct sockaddr_storage *ss, enum fam fam, const char *text, uint16_t port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (fam == FAM_V4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		inet_pton(AF_INET, text, &in->sin_addr);
		return;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	inet_pton(AF_INET6, text, &in6->sin6_addr);
}

static socklen_t length(enum fam fam)
{
	return fam == FAM_V4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* The errno of the first of the calls that fails, negative; else 0. */
static long do_attempt(long fam, long attempt_ptr, long c)
{
	const struct attempt *a = (const struct attempt *)attempt_ptr;
	int flags = SOCK_STREAM | SOCK_CLOEXEC, err = 0;
	int fd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, flags, 0);

	UNUSED(c);
	if (fd < 0)
		return -errno;
	if (a->uid && seteuid((uid_t)a->uid))
		err = -errno;
	if (!err && a->at.ss_family && bind(fd, (const struct sockaddr *)&a->at, a->len))
		err = -errno;
	if (!err && a->to.ss_family && connect(fd, (const struct sockaddr *)&a->to, a->len))
		err = -errno;
	if (a->uid && seteuid(0) && !err)
		err = -errno;
	close(fd);
	return err;
}

static struct attempt *new_attempt(struct stage *st)
{
	struct attempt *a = (struct attempt *)(st->arena + 8192);

	memset(a, 0, sizeof(*a));
	a->len = length(st->sc->fam);
	return a;
}

/* As twsnoop has to name an address; of one that was not given, nothing. */
static void name_end(const struct sockaddr_storage *ss, char *addr, uint16_t *port, int *family)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

	if (!ss->ss_family)
		return;
	*family = ss->ss_family == AF_INET ? net__addr_text(AF_INET, &in->sin_addr, addr) :
					     net__addr_text(AF_INET6, &in6->sin6_addr, addr);
	*port = ntohs(ss->ss_family == AF_INET ? in->sin_port : in6->sin6_port);
}

static struct truth *fail_truth(struct stage *st, struct actor *who, const struct attempt *a,
				unsigned int action, int err)
{
	struct pair p = { .opened_ns = net__mono_ns() };
	struct tuple *t = &p.e[END_C].t;
	struct truth *tr;

	p.e[END_C].a = who;
	t->netns = net__netns_inode();
	name_end(&a->at, t->laddr, &t->lport, &t->family);
	if (action == A(CONNECT_FAILED)) {
		p.e[END_C].side = SIDE_CLIENT;
		p.e[END_C].opener = who->pid;
		name_end(&a->to, t->raddr, &t->rport, &t->family);
	} else {
		p.e[END_C].side = SIDE_UNKNOWN;
	}
	tr = truth__add(st, &p, END_C, action, who, 0);
	tr->who_on = action;
	tr->errno_ = err;
	tr->life_min_ns = 0;
	tr->tx_bytes = tr->rx_bytes = -1;
	return tr;
}

/* ---- connect() ---- */

static void run_no_route(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);
	struct attempt *a = new_attempt(st);

	set_address(&a->to, st->sc->fam, nowhere[st->sc->fam], 20201);
	fail_truth(st, c, a, A(CONNECT_FAILED), ENETUNREACH);
	EXPECT(st, actor__call(c, do_attempt, st->sc->fam, (long)a, 0) == -ENETUNREACH);
}

/* A host without IPv6: what the kernel says to that, it says. */
static void run_ipv6_off(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);
	struct attempt *a = new_attempt(st);
	long err;

	if (net__sysctl("../ipv6/conf/all/disable_ipv6", 1))
		stage__skip(st, "the kernel has no IPv6");
	set_address(&a->to, FAM_V6, "::1", 20202);
	err = actor__call(c, do_attempt, FAM_V6, (long)a, 0);
	EXPECT(st, err == -EADDRNOTAVAIL || err == -ENETUNREACH);
	fail_truth(st, c, a, A(CONNECT_FAILED), (int)-err);
}

/* Bound to an address from which there is no way there. */
static void run_bound_no_route(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);
	struct attempt *a = new_attempt(st);
	struct sockaddr_storage ss;
	long err;

	net__loopback(st->sc->fam, 20203, &ss);
	a->at = ss;
	set_address(&a->to, st->sc->fam, nowhere[st->sc->fam], 20204);
	err = actor__call(c, do_attempt, st->sc->fam, (long)a, 0);
	EXPECT(st, err < 0);
	fail_truth(st, c, a, A(CONNECT_FAILED), (int)-err);
}

/* Bound to an address of IPv6, from which there is no way to one of IPv4: the kernel puts 127.0.0.6
 * in its place (LOOPBACK4_IPV6), which nobody has asked for. */
static void run_bound_other_family(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);
	struct attempt *a = new_attempt(st);
	struct truth *t;
	long err;

	net__loopback(FAM_V6, 20209, &a->at);
	set_address(&a->to, FAM_MAPPED, nowhere[FAM_MAPPED], 20204);
	err = actor__call(c, do_attempt, FAM_V6, (long)a, 0);
	EXPECT(st, err < 0);
	t = fail_truth(st, c, a, A(CONNECT_FAILED), (int)-err);
	snprintf(t->t.laddr, sizeof(t->t.laddr), "0.0.0.0");
}

/* The port is its own, and its tuple is taken: by a socket in use, or (arg 1) in TIME_WAIT. */
static void run_tuple_taken(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	struct truth *t, *peer, *failed;
	struct pair p;

	/* With them a port of its own takes a TIME_WAIT over (tcp_twsk_unique()). */
	EXPECT(st, net__sysctl("tcp_timestamps", 0) == 0);
	pair__connect(st, &p, c, s, st->sc->fam, 20205);
	pair__talk(&p);
	t = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_CLOSE);
	peer = truth__add(st, &p, END_S, A(PASSIVE_CLOSE), s, CAUSE_CLOSE);
	failed = truth__add(st, &p, END_C, A(CONNECT_FAILED), c, 0);
	failed->who_on = A(CONNECT_FAILED);
	failed->errno_ = EADDRNOTAVAIL;
	failed->tx_bytes = failed->rx_bytes = -1;
	failed->life_min_ns = 0;
	t->ends = END_EXPIRED | END_PURGED | END_UNKNOWN; /* not reused */
	if (!st->sc->arg)
		EXPECT(st, actor__call(c, do_connect, st->sc->fam, p.e[END_C].t.rport, 20205) ==
			       -EADDRNOTAVAIL);
	EXPECT(st, actor__call(c, do_close, p.e[END_C].fd, 0, 0) == 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(s, do_close, p.e[END_S].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
	if (st->sc->arg)
		EXPECT(st, actor__call(c, do_connect, st->sc->fam, p.e[END_C].t.rport, 20205) ==
			       -EADDRNOTAVAIL);
}

/* connect() of a socket that has failed already only repeats what its transition told. */
static long do_refused_twice(long fam, long port, long c)
{
	int fd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	long err = 0;

	UNUSED(c);
	net__loopback((enum fam)fam, 20207, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	net__loopback((enum fam)fam, (uint16_t)port, &ss);
	if (!err && (!connect(fd, (struct sockaddr *)&ss, len) || errno != EINPROGRESS))
		err = -errno;
	else if (!err && poll(&p, 1, 10000) != 1)
		err = -EAGAIN;
	else if (!err && connect(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	close(fd);
	return err;
}

static void run_refused_twice(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);
	struct attempt *a = new_attempt(st);
	struct truth *t;

	net__loopback(st->sc->fam, 20206, &a->to);
	net__loopback(st->sc->fam, 20207, &a->at);
	t = fail_truth(st, c, a, A(CONNECT_FAILED), ECONNREFUSED);
	t->pid_optional = true; /* its opener is named */
	EXPECT(st, actor__call(c, do_refused_twice, st->sc->fam, 20206, 0) == -ECONNREFUSED);
}

/* What fails here is no TCP socket's, although two of them have the number of TCP as their
 * protocol: 6 is NETLINK_XFRM's too. */
static long do_fail_of_others(void)
{
	static const struct {
		int domain, type, protocol;
	} others[] = { { AF_INET, SOCK_DGRAM, 0 }, { AF_INET, SOCK_RAW, IPPROTO_TCP },
		       { AF_NETLINK, SOCK_RAW, IPPROTO_TCP } };
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(20208) };
	long err = 0;

	there.sin_addr.s_addr = inet_addr(nowhere[FAM_V4]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		int fd = socket(others[i].domain, others[i].type | SOCK_CLOEXEC,
				others[i].protocol);

		if (fd < 0)
			continue; /* a kernel without it */
		if (!bind(fd, (struct sockaddr *)&there, sizeof(there)) ||
		    !connect(fd, (struct sockaddr *)&there, sizeof(there)))
			err = -EEXIST;
		close(fd);
	}
	return err;
}

/* None of these fails: a name for a socket that has one, no name at all. */
static long do_no_failures(long fam, long port, long fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage ss;
	socklen_t len = net__loopback((enum fam)fam, (uint16_t)port, &ss);
	int other = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long err = 0;

	if (!connect((int)fd, (struct sockaddr *)&ss, len) || errno != EISCONN)
		err = -errno;
	if (connect(other, &none, sizeof(none)))
		err = -errno;
	close(other);
	return err ?: do_fail_of_others();
}

static void run_no_failures(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0), *s = actor__start(st, "sc-server", 0);
	struct truth *t, *peer;
	struct pair p;

	pair__open(st, &p, c, s, st->sc->fam);
	EXPECT(st, actor__call(c, do_no_failures, st->sc->fam, p.e[END_C].t.rport,
			       p.e[END_C].fd) == 0);
	t = truth__add(st, &p, END_C, A(TIME_WAIT), c, CAUSE_CLOSE);
	peer = truth__add(st, &p, END_S, A(PASSIVE_CLOSE), s, CAUSE_CLOSE);
	EXPECT(st, actor__call(c, do_close, p.e[END_C].fd, 0, 0) == 0);
	stage__await(st, &p.e[END_S], REF_STATE(ST_CLOSE_WAIT));
	EXPECT(st, actor__call(s, do_close, p.e[END_S].fd, 0, 0) == 0);
	truth__in_time_wait(st, t);
	truth__gone(st, peer);
}

/* An address in a page that is not there until it is given: a call that reads it waits. */
struct late_address {
	int uffd;
	void *page;
	long page_bytes;
};

static int late_address__new(struct late_address *late)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	late->page_bytes = sysconf(_SC_PAGESIZE);
	late->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	late->page = mmap(NULL, (size_t)late->page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)late->page;
	range.range.len = (uint64_t)late->page_bytes;
	if (late->uffd < 0 || late->page == MAP_FAILED || ioctl(late->uffd, UFFDIO_API, &api) ||
	    ioctl(late->uffd, UFFDIO_REGISTER, &range))
		return -ENOSYS;
	return 0;
}

static int late_address__await_reader(const struct late_address *late)
{
	struct uffd_msg msg;

	return read(late->uffd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -EIO;
}

static int late_address__give(const struct late_address *late, const struct sockaddr_storage *ss)
{
	static _Alignas(65536) uint8_t bytes[65536]; /* a page of any size */
	struct uffdio_copy copy = {
		.dst = (uintptr_t)late->page, .src = (uintptr_t)bytes,
		.len = (uint64_t)late->page_bytes,
	};

	memcpy(bytes, ss, sizeof(*ss));
	return ioctl(late->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

struct second {
	const struct late_address *late;
	socklen_t len;
	_Atomic pid_t tid;
	int fd, err;
};

static void *second_main(void *arg)
{
	struct second *second = arg;

	second->tid = (pid_t)syscall(SYS_gettid);
	if (connect(second->fd, second->late->page, second->len))
		second->err = -errno;
	return NULL;
}

static bool sleeps(pid_t tid)
{
	char path[64], text[128] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	state = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return state && state[1] == ' ' && state[2] == 'S';
}

/* The first connect() is on its way, and the second, which began before it was, waits for it. */
static long connect_by_two(int fd, struct second *second, const struct sockaddr_storage *to)
{
	pthread_t thread;
	long err;

	if (pthread_create(&thread, NULL, second_main, second))
		return -EAGAIN;
	err = late_address__await_reader(second->late);
	if (!err && (fcntl(fd, F_SETFL, O_NONBLOCK) ||
		     !connect(fd, (const struct sockaddr *)to, second->len) ||
		     errno != EINPROGRESS || fcntl(fd, F_SETFL, 0)))
		err = -EPROTO;
	if (late_address__give(second->late, to))
		return -EIO;
	while (!sleeps(second->tid))
		usleep(1000);
	if (!err && shutdown(fd, SHUT_RDWR))
		err = -errno;
	if (err == -EBUSY) /* it waits on, to the process's end */
		return err;
	pthread_join(thread, NULL);
	return err ? err : second->err;
}

/* Nobody answers, until the process gives up. */
static long do_connect_by_two(long fam, long to_port, long at_port)
{
	int fd = socket(fam == FAM_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage at, to;
	static struct late_address late;
	struct valve valve;
	static struct second second; /* longer than this call: see connect_by_two() */
	long err = late_address__new(&late);

	second.late = &late;
	second.fd = fd;
	second.len = net__loopback((enum fam)fam, (uint16_t)at_port, &at);
	net__loopback((enum fam)fam, (uint16_t)to_port, &to);
	if (!err)
		err = valve__new(&valve);
	if (!err)
		err = valve__attach(&valve, fd);
	if (!err)
		err = valve__set(&valve, SEG_ALL);
	if (!err && bind(fd, (struct sockaddr *)&at, second.len))
		err = -errno;
	if (!err)
		err = connect_by_two(fd, &second, &to);
	close(fd);
	return err;
}

static void run_two_threads(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-client", 0);
	struct attempt *a = new_attempt(st);
	struct truth *t;
	long err = actor__call(c, do_connect_by_two, st->sc->fam, 20212, 20213);

	if (err == -ENOSYS)
		stage__skip(st, "no userfaultfd() that waits for the kernel");
	if (err == -EBUSY)
		stage__skip(st, "this kernel gives no connect() up in which a thread waits "
				"(4faeee0cf8a5, undone by 419ce133ab92)");
	if (err != -ECONNRESET) /* tcp_disconnect() */
		stage__fail(st, "the second connect() ended with %ld", err);
	net__loopback(st->sc->fam, 20212, &a->to);
	net__loopback(st->sc->fam, 20213, &a->at);
	t = fail_truth(st, c, a, A(CONNECT_FAILED), 0);
	t->pid_optional = true;
}

/* ---- bind() ---- */

/* The restart that everybody knows. */
static void run_in_use(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-second", 0), *s = actor__start(st, "sc-first", 0);
	struct attempt *a = new_attempt(st);

	EXPECT(st, actor__call(s, do_listen, st->sc->fam, 20210, 0) >= 0);
	net__loopback(st->sc->fam, 20210, &a->at);
	fail_truth(st, c, a, A(BIND_FAILED), EADDRINUSE);
	EXPECT(st, actor__call(c, do_attempt, st->sc->fam, (long)a, 0) == -EADDRINUSE);
}

static void run_no_address(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-server", 0);
	struct attempt *a = new_attempt(st);

	set_address(&a->at, st->sc->fam, nowhere[st->sc->fam], 20211);
	fail_truth(st, c, a, A(BIND_FAILED), EADDRNOTAVAIL);
	EXPECT(st, actor__call(c, do_attempt, st->sc->fam, (long)a, 0) == -EADDRNOTAVAIL);
}

static void run_privileged(struct stage *st)
{
	struct actor *c = actor__start(st, "sc-server", 0);
	struct attempt *a = new_attempt(st);
	struct truth *t;

	a->uid = 65534;
	net__loopback(st->sc->fam, 80, &a->at);
	t = fail_truth(st, c, a, A(BIND_FAILED), EACCES);
	t->uid = -1; /* an effective one, for the call */
	EXPECT(st, actor__call(c, do_attempt, st->sc->fam, (long)a, 0) == -EACCES);
}

#define FAMS_46 ((1u << FAM_V4) | (1u << FAM_V6))
#define FAMS_ALL (FAMS_46 | 1u << FAM_MAPPED)

static const struct {
	const char *name;
	void (*run)(struct stage *st);
	int arg;
	unsigned int fams;
} entries[] = {
	{ "connect-no-route", run_no_route, 0, FAMS_ALL },
	{ "connect-ipv6-off", run_ipv6_off, 0, 1u << FAM_V6 },
	{ "connect-bound-no-route", run_bound_no_route, 0, FAMS_ALL },
	{ "connect-bound-other-family", run_bound_other_family, 0, 1u << FAM_MAPPED },
	{ "connect-tuple-in-use", run_tuple_taken, 0, FAMS_ALL },
	{ "connect-tuple-in-time-wait", run_tuple_taken, 1, FAMS_46 },
	{ "connect-refused-twice", run_refused_twice, 0, FAMS_46 },
	{ "connect-by-two-threads", run_two_threads, 0, FAMS_46 },
	{ "connect-no-failure", run_no_failures, 0, FAMS_46 },
	{ "bind-in-use", run_in_use, 0, FAMS_ALL },
	{ "bind-no-address", run_no_address, 0, FAMS_ALL },
	{ "bind-privileged", run_privileged, 0, FAMS_46 },
};

void scen_fail__add(struct table *table)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		for (int fam = 0; fam < FAM_NR; fam++) {
			const struct scenario model = {
				.run = entries[i].run, .arg = entries[i].arg, .fam = (enum fam)fam,
			};

			if (entries[i].fams & (1u << fam))
				table__add(table, &model, "%s/%s", entries[i].name, fam_names[fam]);
		}
}
