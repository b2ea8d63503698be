// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/output/sink_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/support.h"

/* What all formats share, and how it is written: sink.c. */

/* ---- in each format ---- */

/* bind() has no peer, and connect() may have had no address of its own yet. */
static void ends_that_are_not_known(void **unused)
{
	struct sink_options text = { .format = SINK_TEXT, .actions = true };
	struct tws_event ev;
	struct record rec = { .event = &ev };
	json_t *value;

	(void)unused;
	support__event(&ev);
	ev.action = TWS_BIND_FAILED;
	ev.error = EADDRINUSE;
	memset(ev.peer_addr, 0, sizeof(ev.peer_addr));
	ev.peer_port = 0;
	value = render__json(&rec);
	render__check_string(value, "event.action", "bind_failed");
	render__check_string(value, "network.local.address", "10.0.0.5");
	assert_null(render__member(value, "network.peer"));
	json_decref(value);
	render__check_has(&text, &rec, " 10.0.0.5:43768        -                     close ");
	render__check_has(&text, &rec, " bind_failed:EADDRINUSE\n");
	render__check_has(&as_csv, &rec, ",bind_failed,,tcp,ipv4,10.0.0.5,43768,,,4026531840,");

	/* A wildcard with a port is an address. */
	memset(ev.local_addr, 0, sizeof(ev.local_addr));
	value = render__json(&rec);
	render__check_string(value, "network.local.address", "0.0.0.0");
	json_decref(value);
	ev.local_port = 0;
	value = render__json(&rec);
	assert_null(render__member(value, "network.local"));
	json_decref(value);
}

/* Two sockets may have the same addresses on two devices. */
static void device_and_scope(void **unused)
{
	static const uint8_t link_local[16] = { 0xfe, 0x80, [15] = 1 };
	struct tws_event ev;
	struct record rec = { .event = &ev };
	json_t *value;

	(void)unused;
	support__event(&ev);
	value = render__json(&rec);
	assert_null(render__member(value, "network.interface"));
	json_decref(value);
	ev.conn.ifindex = 7;
	rec.interface = "vrf-blue";
	value = render__json(&rec);
	render__check_string(value, "network.interface.name", "vrf-blue");
	render__check_number(value, "network.interface.index", 7);
	render__check_string(value, "network.local.address", "10.0.0.5");
	json_decref(value);
	render__check_has(&as_text, &rec, " 10.0.0.5%vrf-blue:43768 10.0.0.9:8080 ");
	render__check_has(&as_csv, &rec, ",4026531840,,vrf-blue,7,");

	ev.family = AF_INET6;
	memcpy(ev.local_addr, link_local, 16);
	memcpy(ev.peer_addr, link_local, 16);
	render__check_has(&as_text, &rec, " [fe80::1%vrf-blue]:43768 [fe80::1%vrf-blue]:8080 ");
	/* A name that a terminal would take for something else is left out there. */
	rec.interface = "e\x1b[1m";
	render__check_has(&as_text, &rec, " [fe80::1]:43768 ");
	/* The device is known, and not its name. */
	rec.interface = NULL;
	value = render__json(&rec);
	assert_null(render__member(value, "network.interface.name"));
	render__check_number(value, "network.interface.index", 7);
	json_decref(value);
}

/* ---- writing ---- */

/* The second is cached: going on, back and far ahead must all show. */
static void timestamps_change(void **unused)
{
	static const uint64_t wall_ns[] = { 5000000000, 5000000001, 6000000002, 5000000003,
					    86400000000004, 1795329600000000005 };
	static const char *const want[] = {
		"1970-01-01T00:00:05.000000000", "1970-01-01T00:00:05.000000001",
		"1970-01-01T00:00:06.000000002", "1970-01-01T00:00:05.000000003",
		"1970-01-02T00:00:00.000000004", "2026-11-22T06:40:00.000000005",
	};
	char *text = render__times(&as_csv, wall_ns, COUNT(wall_ns)), *line = text;

	(void)unused;
	for (size_t i = 0; i < COUNT(wall_ns); i++) {
		assert_memory_equal(line, want[i], strlen(want[i]));
		line = strchr(line, '\n') + 1;
	}
	free(text);
	sink__free(NULL);
}

static void listen_is_not_printed(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };
	struct sink *sink;

	(void)unused;
	support__event(&ev);
	ev.action = TWS_LISTEN;
	assert_int_equal(sink__new(&sink, -1, &as_json), 0);
	assert_int_equal(sink__put(sink, &rec), -EINVAL);
	assert_int_equal(sink__pending(sink), 0);
	assert_int_equal(sink__flush(sink), 0);
	sink__free(sink);
}

static void failing_outputs(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), ends[2], rc = 0;
	struct sink *sink;
	size_t taken = 0;

	(void)unused;
	support__event(&ev);
	assert_int_equal(sink__new(&sink, full, &as_json), 0);
	for (; taken < 1000 && !rc; taken += !rc)
		rc = sink__put(sink, &rec);
	/* the buffer is bounded, and what was refused is not counted */
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(sink__put(sink, &rec), -ENOSPC);
	assert_int_equal(sink__flush(sink), -ENOSPC);
	assert_int_equal(sink__pending(sink), taken);
	sink__free(sink);
	close(full);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(sink__new(&sink, ends[1], &as_json), 0);
	assert_int_equal(sink__put(sink, &rec), 0);
	assert_int_equal(sink__flush(sink), -EPIPE);
	assert_int_equal(sink__pending(sink), 1);
	sink__free(sink);
	close(ends[1]);

	assert_int_equal(sink__new(&sink, -1, &as_text), 0);
	assert_int_equal(sink__begin(sink), 0);
	assert_int_equal(sink__flush(sink), -EBADF);
	assert_int_equal(sink__pending(sink), 0);
	sink__free(sink);
}

/* A file that may grow to @limit only takes a part of what is written. */
static void limit_files(rlim_t limit)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

static void short_writes_are_counted(void **unused)
{
	int fd = support__memfd();
	struct tws_event ev;
	struct record rec = { .event = &ev };
	size_t line, heading, len;
	struct rlimit before;
	struct sink *sink;
	char *text;

	(void)unused;
	support__event(&ev);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	text = render__record(&as_text, &rec, true);
	heading = strcspn(text, "\n") + 1;
	line = strlen(text) - heading;
	free(text);
	assert_int_equal(sink__new(&sink, fd, &as_text), 0);
	assert_int_equal(sink__begin(sink), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(sink__put(sink, &rec), 0);
	for (size_t limit = 1; limit < heading + 10 * line; limit++) {
		size_t whole = limit < heading ? 0 : (limit - heading) / line;
		int rc;

		limit_files(limit);
		rc = sink__flush(sink);
		limit_files(before.rlim_cur);
		assert_int_equal(rc, -EFBIG);
		assert_int_equal(sink__pending(sink), 10 - whole);
	}
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	text = support__contents(fd, &len);
	assert_int_equal(len, heading + 10 * line);
	for (char *at = text + heading; *at; at += line)
		assert_memory_equal(at, text + heading, line);
	free(text);
	sink__free(sink);
	close(fd);
}

struct reader {
	int fd;
	size_t bytes, lines;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	char buf[3000];
	ssize_t n;

	while ((n = read(r->fd, buf, sizeof(buf))) > 0) {
		r->bytes += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			r->lines += buf[i] == '\n';
	}
	return NULL;
}

static void do_nothing(int signal)
{
	(void)signal;
}

/* Keeps the writer busy with signals until it is told that all is written. */
struct pest {
	pthread_t writer;
	_Atomic bool stop;
};

static void *send_signals(void *arg)
{
	struct pest *p = arg;

	while (!p->stop) {
		pthread_kill(p->writer, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

/* A small pipe, non-blocking or not, a reader of odd steps, signals all the while. */
static void check_pipe(int flags)
{
	struct pest pest = { .writer = pthread_self() };
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = "some words to make it longer" };
	struct reader reader = { 0 };
	pthread_t reading, pestering;
	size_t line, count = 2000;
	struct sink *sink;
	int ends[2];
	char *text;

	support__event(&ev);
	text = render__record(&as_json, &rec, false);
	line = strlen(text);
	free(text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	reader.fd = ends[0];
	assert_int_equal(pthread_create(&reading, NULL, read_all, &reader), 0);
	assert_int_equal(pthread_create(&pestering, NULL, send_signals, &pest), 0);
	assert_int_equal(sink__new(&sink, ends[1], &as_json), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(sink__put(sink, &rec), 0);
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	pest.stop = true;
	pthread_join(pestering, NULL);
	close(ends[1]);
	pthread_join(reading, NULL);
	close(ends[0]);
	sink__free(sink);
	assert_int_equal(reader.lines, count);
	assert_int_equal(reader.bytes, count * line);
}

static void slow_readers(void **unused)
{
	const struct sigaction act = { .sa_handler = do_nothing }; /* no SA_RESTART */

	(void)unused;
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	check_pipe(0);
	check_pipe(O_NONBLOCK);
}

/* A reader that takes nothing holds the sink only until something wakes it, and no record is lost. */
static void stuck_reader(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev };
	int ends[2], stop[2], rc = 0;
	struct sink *sink;
	size_t taken = 0, lines = 0;
	ssize_t len;
	char *text;

	(void)unused;
	support__event(&ev);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_int_equal(sink__new(&sink, ends[1], &as_json), 0);
	sink__wake_by(sink, stop[0]);
	for (; taken < 10000 && !rc; taken += !rc)
		rc = sink__put(sink, &rec);
	assert_int_equal(rc, -EINTR);
	assert_int_equal(sink__flush(sink), -EINTR);
	assert_in_range(sink__pending(sink), 1, taken - 1);
	/* the descriptor that others share is as it was */
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	/* with a reader again, the rest goes out */
	text = malloc(1 << 20);
	len = read(ends[0], text, 1 << 20);
	assert_true(len > 0);
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	len += read(ends[0], text + len, (1 << 20) - len);
	while (len--)
		lines += text[len] == '\n';
	assert_int_equal(lines, taken);
	free(text);
	sink__free(sink);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(stop[i]);
	}
}

/* Longer than the buffer: one record still goes out whole. */
static void huge_record(void **unused)
{
	char *words = malloc(300001);
	struct tws_event ev;
	struct record rec = { .event = &ev, .command_line = words };
	json_t *value;

	(void)unused;
	memset(words, '\1', 300000);
	words[300000] = '\0';
	support__event(&ev);
	value = render__json(&rec);
	render__check_string(value, "process.command_line", words);
	json_decref(value);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_that_are_not_known),
		cmocka_unit_test(device_and_scope),
		cmocka_unit_test(timestamps_change),
		cmocka_unit_test(listen_is_not_printed),
		cmocka_unit_test(failing_outputs),
		cmocka_unit_test(short_writes_are_counted),
		cmocka_unit_test(slow_readers),
		cmocka_unit_test(stuck_reader),
		cmocka_unit_test(huge_record),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
