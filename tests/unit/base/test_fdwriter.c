// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/fdwriter.h"

#define TEXT_BYTES (1 << 20) /* more than any of these takes without a reader */
#define LINE_BYTES 64
#define DEADLINE_MS 20000

static char *text;

/* An end to write to, and where that comes out. */
struct ends {
	int in, out;
};

static struct ends make_pipe(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	return (struct ends){ .in = fds[1], .out = fds[0] };
}

static struct ends make_sockets(int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
	return (struct ends){ .in = fds[0], .out = fds[1] };
}

static struct ends make_stream(void)
{
	return make_sockets(SOCK_STREAM);
}

static struct ends make_datagram(void)
{
	return make_sockets(SOCK_DGRAM);
}

static struct ends make_seqpacket(void)
{
	return make_sockets(SOCK_SEQPACKET);
}

static struct ends make_tcp(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	const int small = 4096;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ends ends = { .in = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Or it takes megabytes. */
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(setsockopt(ends.in, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(ends.in, (struct sockaddr *)&addr, len), 0);
	ends.out = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ends.out >= 0);
	close(listener);
	return ends;
}

static struct ends make_terminal(void)
{
	struct ends ends = { .out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };
	struct termios raw;
	char name[64];

	assert_true(ends.out >= 0);
	assert_int_equal(grantpt(ends.out), 0);
	assert_int_equal(unlockpt(ends.out), 0);
	assert_int_equal(ptsname_r(ends.out, name, sizeof(name)), 0);
	ends.in = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(ends.in >= 0);
	assert_int_equal(tcgetattr(ends.in, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(ends.in, TCSANOW, &raw), 0);
	return ends;
}

/* Somebody pressed Ctrl-S. */
static struct ends make_stopped_terminal(void)
{
	struct ends ends = make_terminal();

	assert_int_equal(tcflow(ends.in, TCOOFF), 0);
	return ends;
}

static const struct kind {
	const char *name;
	struct ends (*make)(void);
	bool by_thread; /* as where nothing else helps */
	bool stopped;
} kinds[] = {
	{ "pipe", make_pipe, false, false },
	{ "stream socket", make_stream, false, false },
	{ "datagram socket", make_datagram, false, false },
	{ "seqpacket socket", make_seqpacket, false, false },
	{ "TCP", make_tcp, false, false },
	{ "terminal", make_terminal, false, false },
	{ "stopped terminal", make_stopped_terminal, false, true },
	{ "pipe by a thread", make_pipe, true, false },
	{ "socket by a thread", make_stream, true, false },
	{ "stopped terminal by a thread", make_stopped_terminal, true, true },
};

#define EACH_KIND(kind) \
	for (const struct kind *kind = kinds; kind < kinds + sizeof(kinds) / sizeof(kinds[0]); \
	     kind++)

static void close_ends(struct ends *ends)
{
	close(ends->in);
	if (ends->out >= 0)
		close(ends->out);
}

static void make_writer(struct fdwriter *writer, const struct kind *kind, int fd, int wake)
{
	if (kind->by_thread)
		fdwriter__init_as(writer, fd, FDWRITER_THREAD);
	else
		fdwriter__init(writer, fd);
	fdwriter__wake_by(writer, wake);
}

/* ---- a reader ---- */

struct reader {
	int fd;
	char *got;
	size_t len;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct pollfd pfd = { .fd = r->fd, .events = POLLIN };

	while (r->len < TEXT_BYTES && poll(&pfd, 1, DEADLINE_MS) > 0) {
		ssize_t num = read(r->fd, r->got + r->len, TEXT_BYTES - r->len);

		if (num <= 0)
			break;
		r->len += (size_t)num;
	}
	return NULL;
}

/* The descriptor that others share is as it was. */
static void check_flags(const struct kind *kind, int fd)
{
	if (fcntl(fd, F_GETFL) & O_NONBLOCK)
		fail_msg("%s: O_NONBLOCK", kind->name);
}

/* Nobody reads: what wakes it ends the wait, and nothing is lost once somebody does. */
static void test_woken(void **state)
{
	(void)state;
	EACH_KIND(kind) {
		struct ends ends = kind->make();
		struct reader reader = { .fd = ends.out, .got = malloc(TEXT_BYTES) };
		int wake = eventfd(1, EFD_CLOEXEC);
		struct fdwriter writer;
		size_t done = 0, more;
		pthread_t id;
		uint64_t ones;
		int err;

		make_writer(&writer, kind, ends.in, wake);
		for (int i = 0; i < 3; i++) {
			err = fdwriter__write(&writer, text + done, TEXT_BYTES - done, &more);
			done += more;
			if (err != -EINTR)
				fail_msg("%s: %d", kind->name, err);
		}
		assert_true(done < TEXT_BYTES);
		check_flags(kind, ends.in);
		assert_int_equal(read(wake, &ones, sizeof(ones)), sizeof(ones));
		if (kind->stopped)
			assert_int_equal(tcflow(ends.in, TCOON), 0);
		assert_int_equal(pthread_create(&id, NULL, read_all, &reader), 0);
		err = fdwriter__write(&writer, text + done, TEXT_BYTES - done, &more);
		if (err || done + more != TEXT_BYTES)
			fail_msg("%s: %d, %zu", kind->name, err, done + more);
		pthread_join(id, NULL);
		if (reader.len != TEXT_BYTES || memcmp(reader.got, text, TEXT_BYTES))
			fail_msg("%s: %zu bytes came, or others", kind->name, reader.len);
		fdwriter__fini(&writer);
		free(reader.got);
		close_ends(&ends);
		close(wake);
	}
}

/* Nobody reads, and nobody will: it gives up, and then at once. */
static void test_hurry(void **state)
{
	(void)state;
	EACH_KIND(kind) {
		struct ends ends = kind->make();
		int wake = eventfd(0, EFD_CLOEXEC);
		struct fdwriter writer;
		size_t done;

		make_writer(&writer, kind, ends.in, wake);
		fdwriter__hurry(&writer, 20);
		if (fdwriter__write(&writer, text, TEXT_BYTES, &done) != -ECANCELED)
			fail_msg("%s: it does not give up", kind->name);
		assert_true(done < TEXT_BYTES);
		fdwriter__hurry(&writer, -1);
		assert_int_equal(fdwriter__write(&writer, text, 1, &done), -ECANCELED);
		assert_int_equal(done, 0);
		check_flags(kind, ends.in);
		/* Its thread may still be at it. */
		fdwriter__fini(&writer);
		close_ends(&ends);
		close(wake);
	}
}

static void test_reader_gone(void **state)
{
	(void)state;
	EACH_KIND(kind) {
		struct ends ends = kind->make();
		int wake = eventfd(0, EFD_CLOEXEC);
		struct fdwriter writer;
		int err = 0;
		size_t done;

		close(ends.out);
		ends.out = -1;
		make_writer(&writer, kind, ends.in, wake);
		/* TCP learns of it by the answer to the first segment. */
		for (int i = 0; !err && i < 100; i++)
			err = fdwriter__write(&writer, text, LINE_BYTES, &done);
		if (kind->make == make_terminal || kind->make == make_stopped_terminal)
			assert_int_equal(err, -EIO); /* hung up */
		else if (err != -EPIPE)
			fail_msg("%s: %d", kind->name, err);
		fdwriter__fini(&writer);
		close_ends(&ends);
		close(wake);
	}
}

/* A reader goes while the writer waits for it. */
static void *go_later(void *arg)
{
	const int *fds = arg; /* where it is, and the writer's end */
	struct pollfd room = { .fd = fds[1], .events = POLLOUT };

	while (poll(&room, 1, 0) > 0)
		sched_yield();
	close(fds[0]);
	return NULL;
}

static void test_reader_goes(void **state)
{
	(void)state;
	EACH_KIND(kind) {
		struct ends ends = kind->make();
		int fds[2] = { ends.out, ends.in };
		struct fdwriter writer;
		pthread_t id;
		size_t done;
		int err;

		/* poll() may say that there is room on a terminal, and nobody was woken for it. */
		if (kind->stopped || kind->make == make_terminal) {
			close_ends(&ends);
			continue;
		}
		make_writer(&writer, kind, ends.in, -1);
		assert_int_equal(pthread_create(&id, NULL, go_later, fds), 0);
		err = fdwriter__write(&writer, text, TEXT_BYTES, &done);
		pthread_join(id, NULL);
		if (err != -EPIPE && err != -EIO)
			fail_msg("%s: %d", kind->name, err);
		fdwriter__fini(&writer);
		close(ends.in);
	}
}

/* ---- the short form ---- */

static void test_write_all(void **state)
{
	struct ends ends = make_pipe();
	struct reader reader = { .fd = ends.out, .got = malloc(TEXT_BYTES) };
	pthread_t id;

	(void)state;
	/* A pipe that somebody has set so, and that is full. */
	assert_int_equal(fcntl(ends.in, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&id, NULL, read_all, &reader), 0);
	assert_int_equal(fdwriter__write_all(ends.in, text, TEXT_BYTES), 0);
	pthread_join(id, NULL);
	assert_int_equal(reader.len, TEXT_BYTES);
	assert_memory_equal(reader.got, text, TEXT_BYTES);
	close(ends.out);
	ends.out = -1;
	assert_int_equal(fdwriter__write_all(ends.in, text, 1), -EPIPE);
	close_ends(&ends);
	free(reader.got);
}

static void test_what_cannot_be_written(void **state)
{
	int readable = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fdwriter__write_all(-1, text, 1), -EBADF);
	assert_int_equal(fdwriter__write_all(readable, text, 1), -EBADF);
	assert_int_equal(fdwriter__write_all(full, text, 1), -ENOSPC);
	assert_int_equal(fdwriter__write_all(full, text, 0), 0);
	close(readable);
	close(full);
}

/* Each datagram is a line. */
static void test_messages(void **state)
{
	struct ends ends = make_datagram();
	char got[LINE_BYTES * 2];

	(void)state;
	assert_int_equal(fdwriter__write_all(ends.in, text, LINE_BYTES * 3), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(recv(ends.out, got, sizeof(got), 0), LINE_BYTES);
		assert_memory_equal(got, text + i * LINE_BYTES, LINE_BYTES);
	}
	close_ends(&ends);
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	text = malloc(TEXT_BYTES);
	for (size_t i = 0; text && i < TEXT_BYTES; i++)
		text[i] = i % LINE_BYTES == LINE_BYTES - 1 ?
				  '\n' : (char)('a' + (i / LINE_BYTES + i) % 26);
	return text ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_woken),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_reader_goes),
		cmocka_unit_test(test_write_all),
		cmocka_unit_test(test_what_cannot_be_written),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests_name("fdwriter", tests, setup, teardown);
}
