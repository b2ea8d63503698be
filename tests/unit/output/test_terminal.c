// SPDX-License-Identifier: GPL-2.0
/*
 * No line is longer than a terminal is wide, whatever is in it. The terminal is a real one
 * (a pty), and its columns are counted by the C library, not by our own tables.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/escape.h"
#include "output/fit.h"
#include "output/sink.h"
#include "output/tabular.h"
#include "tests/unit/support.h"

static const unsigned int widths[] = { 200, 120, 119, 100, 80, 79, 60, 41, 40 };

static const char *const names[] = {
	"nginx", "fifteen-letters", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac",
	"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", "\33[31mred\33[0m", "\t\t\t\t\t\t\t",
	"\xff\xfe\xfd\xfc\xfb", "\xe2\x80\xae\xe2\x80\x8b\xef\xbb\xbf", "\xed\x95\x9c\xea\xb8\x80",
	"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80", "", "\r\n\r\n", "a\\b\\c\\d\\e\\f\\g",
	"\xef\xbc\xa1\xef\xbc\xa2\xef\xbc\xa3", "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7",
};

struct terminal {
	int master, slave;
};

static void set_width(const struct terminal *t, unsigned int width)
{
	const struct winsize size = { .ws_row = 24, .ws_col = (unsigned short)width };

	assert_int_equal(ioctl(t->master, TIOCSWINSZ, &size), 0);
}

static void open_terminal(struct terminal *t, unsigned int width)
{
	struct termios termios;

	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(t->master >= 0);
	assert_int_equal(grantpt(t->master) | unlockpt(t->master), 0);
	t->slave = open(ptsname(t->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(t->slave >= 0);
	assert_int_equal(tcgetattr(t->slave, &termios), 0);
	cfmakeraw(&termios); /* newlines as they come */
	assert_int_equal(tcsetattr(t->slave, TCSANOW, &termios), 0);
	assert_int_equal(fcntl(t->master, F_SETFL, O_NONBLOCK), 0);
	set_width(t, width);
}

static void close_terminal(struct terminal *t)
{
	close(t->slave);
	close(t->master);
}

/* All that has been written to it by now, as a string to be freed. */
static char *screen_text(const struct terminal *t)
{
	char *text = malloc(1 << 20);
	size_t len = 0;
	ssize_t n;

	assert_non_null(text);
	while ((n = read(t->master, text + len, (1 << 20) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

/* The columns of @line up to its newline; the colours that we put there take none. */
static int columns_of(const char *line)
{
	mbstate_t state = { 0 };
	int columns = 0;

	while (*line != '\n') {
		wchar_t wide;
		size_t len;

		if (*line == '\33') {
			line = strchr(line, 'm') + 1;
			continue;
		}
		len = mbrtowc(&wide, line, MB_CUR_MAX, &state);
		assert_in_range(len, 1, 4);
		assert_true(wcwidth(wide) >= 0);
		columns += wcwidth(wide);
		line += len;
	}
	return columns;
}

/* Returns how many lines there are. */
static size_t check_lines(const char *text, unsigned int width)
{
	size_t lines = 0;

	for (; *text; text = strchr(text, '\n') + 1, lines++) {
		assert_non_null(strchr(text, '\n'));
		assert_in_range(columns_of(text), 1, width);
	}
	return lines;
}

static void make_record(struct tws_event *ev, struct record *rec, unsigned int i)
{
	const char *name = names[i % COUNT(names)];

	support__event(ev);
	if (i / COUNT(names) % 2)
		support__make_ipv6(ev);
	if (i / COUNT(names) % 4 == 3) {
		memset(ev->local_addr, 0xfd, sizeof(ev->local_addr));
		memset(ev->peer_addr, 0xcc, sizeof(ev->peer_addr));
	}
	support__set_comm(ev->conn.comm, name);
	ev->local_port = ev->peer_port = 65535;
	ev->conn.tgid = 4194304;
	ev->conn.open_ns = 1;
	ev->time_ns = UINT64_MAX;
	ev->tx_bytes = 99999;
	ev->action = 1 + i % 9;
	ev->end = ev->action == TWS_TIME_WAIT_END ? TWS_END_REUSED_BY_CONNECT : 0;
	ev->error = i % 3 ? EADDRNOTAVAIL : 0;
	ev->conn.flags |= i % 5 ? 0 : TWS_F_SNAPSHOT;
	*rec = (struct record){ .event = ev, .wall_ns = SUPPORT_WALL_NS };
	if (i % 2)
		rec->workload.container_name = name;
	else if (i % 4)
		rec->workload.pod_name = "a-pod-with-a-very-long-name-0123456789-0123456789";
	rec->workload.pod_namespace = name;
}

static void put_records(struct sink *sink, unsigned int first)
{
	for (unsigned int i = first; i < first + 15; i++) {
		struct tws_event ev;
		struct record rec;

		make_record(&ev, &rec, i);
		assert_int_equal(sink__put(sink, &rec), 0);
	}
	assert_int_equal(sink__flush(sink), 0);
}

static void check_trace(unsigned int width, bool containers, bool actions)
{
	const struct sink_options opts = { .format = SINK_TEXT, .color = true,
					   .containers = containers, .actions = actions,
					   .width = width };
	struct terminal t;
	struct sink *sink;
	size_t lines = 0;

	open_terminal(&t, width);
	assert_int_equal(fit__terminal(t.slave), width);
	assert_int_equal(sink__new(&sink, t.slave, &opts), 0);
	assert_int_equal(sink__begin(sink), 0);
	for (unsigned int i = 0; i < 8 * 15; i += 15) { /* a pty holds 4 KiB */
		char *text;

		put_records(sink, i);
		text = screen_text(&t);
		lines += check_lines(text, width);
		free(text);
	}
	/* a line for each, a heading, and more of them as addresses get longer */
	assert_in_range(lines, 8 * 15 + 1, 8 * 15 + 4);
	sink__free(sink);
	close_terminal(&t);
}

static void trace_never_wraps(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(widths); i++)
		for (int bits = 0; bits < 4; bits++)
			check_trace(widths[i], bits & 1, bits & 2);
}

/* One record at @width: which headings there are. */
static void check_headings(unsigned int width, bool ipv6, const char *want)
{
	const struct sink_options opts = { .format = SINK_TEXT, .width = width };
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };
	int fd = support__memfd();
	struct sink *sink;
	char *text, *heading, *to;

	support__event(&ev);
	if (ipv6) {
		ev.family = AF_INET6;
		memset(ev.local_addr, 0xfd, sizeof(ev.local_addr));
		memset(ev.peer_addr, 0xfd, sizeof(ev.peer_addr));
	}
	assert_int_equal(sink__new(&sink, fd, &opts), 0);
	assert_int_equal(sink__begin(sink), 0);
	assert_int_equal(sink__put(sink, &rec), 0);
	assert_int_equal(sink__flush(sink), 0);
	text = support__contents(fd, NULL);
	heading = to = text;
	if (ipv6 && strchr(strchr(text, '\n') + 1, '\n')[1])
		heading = strchr(text, '\n') + 1; /* there was too little room at first */
	for (char *from = heading; *from != '\n'; from++)
		if (*from != ' ' || (to > text && to[-1] != ' '))
			*to++ = *from;
	*to = '\0';
	assert_string_equal(text, want);
	free(text);
	sink__free(sink);
	close(fd);
}

static void name_and_addresses_stay(void **unused)
{
	(void)unused;
	check_headings(0, false, "TIME PID PROCESS SIDE LOCAL PEER CAUSE LIFETIME TX RX");
	check_headings(200, false, "TIME PID PROCESS SIDE LOCAL PEER CAUSE LIFETIME TX RX");
	check_headings(200, true, "TIME PID PROCESS SIDE LOCAL PEER CAUSE LIFETIME TX RX");
	check_headings(120, false, "TIME PID PROCESS SIDE LOCAL PEER CAUSE LIFETIME TX RX");
	check_headings(119, false, "TIME PID PROCESS SIDE LOCAL PEER CAUSE LIFETIME TX RX");
	check_headings(118, false, "TIME PID PROCESS SIDE LOCAL PEER CAUSE LIFETIME TX");
	check_headings(120, true, "PID PROCESS LOCAL PEER");
	check_headings(100, false, "TIME PID PROCESS SIDE LOCAL PEER CAUSE");
	check_headings(80, false, "TIME PID PROCESS LOCAL PEER");
	check_headings(60, false, "PROCESS LOCAL PEER");
	check_headings(60, true, "PROCESS LOCAL PEER");
	check_headings(40, false, "PROCESS PEER");
	check_headings(1, false, "P");
}

static void resizing(void **unused)
{
	struct terminal t;
	struct sink_options opts = { .format = SINK_TEXT };
	struct sink *sink;
	char *text;

	(void)unused;
	open_terminal(&t, 120);
	opts.width = fit__terminal(t.slave);
	assert_int_equal(sink__new(&sink, t.slave, &opts), 0);
	for (unsigned int i = 0; i < COUNT(widths); i++) {
		set_width(&t, widths[i]);
		assert_int_equal(sink__set_width(sink, fit__terminal(t.slave)), 0);
		put_records(sink, i * 15);
		text = screen_text(&t);
		check_lines(text, widths[i]);
		free(text);
	}
	/* the same width again: no heading */
	assert_int_equal(sink__set_width(sink, fit__terminal(t.slave)), 0);
	assert_int_equal(sink__flush(sink), 0);
	text = screen_text(&t);
	assert_string_equal(text, "");
	free(text);
	sink__free(sink);
	close_terminal(&t);
}

static void no_terminal(void **unused)
{
	struct terminal t;
	int fd = support__memfd();

	(void)unused;
	setenv("COLUMNS", "77", 1);
	assert_int_equal(fit__terminal(fd), 0);
	open_terminal(&t, 50);
	assert_int_equal(fit__terminal(t.slave), 50);
	set_width(&t, 0); /* as a serial line has it */
	assert_int_equal(fit__terminal(t.slave), 77);
	setenv("COLUMNS", "-1", 1);
	assert_int_equal(fit__terminal(t.slave), 0);
	unsetenv("COLUMNS");
	assert_int_equal(fit__terminal(t.slave), 0);
	close_terminal(&t);
	close(fd);
}

static void colors(void **unused)
{
	(void)unused;
	unsetenv("NO_COLOR");
	unsetenv("TERM");
	assert_true(fit__wants_color());
	setenv("NO_COLOR", "", 1);
	assert_true(fit__wants_color());
	setenv("NO_COLOR", "0", 1);
	assert_false(fit__wants_color());
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_false(fit__wants_color());
	assert_false(fit__takes_escapes());
	setenv("TERM", "linux", 1);
	assert_true(fit__wants_color());
}

static void fill_cells(void *ctx, size_t index, struct tabular_cell *cells)
{
	static const uint8_t addr[16] = { 0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

	(void)ctx;
	tabular__number(&cells[0], index * 1000);
	tabular__name(&cells[1], names[index % COUNT(names)]);
	cells[1].guessed = index % 2;
	tabular__address(&cells[2], index % 3 ? AF_INET6 : AF_INET, addr, 65535);
	tabular__address(&cells[3], index % 3 ? AF_INET6 : AF_INET, addr, -1);
	tabular__time(&cells[4], index);
	tabular__name(&cells[5], names[(index + 1) % COUNT(names)]);
}

static void check_table(unsigned int width)
{
	static const struct tabular_column columns[] = {
		{ "COUNT", "count", true, 0, 5, 0 },   { "NAME", "name", false, 16, 1, 15 },
		{ "LOCAL", "local", false, 0, 3, 21 }, { "PEER", "peer", false, 0, 2, 12 },
		{ "AGE", "age", true, 0, 9, 0 },
		{ "CONTAINER", "container", false, 0, 7, 12 },
	};
	const struct tabular table = {
		.columns = columns, .num_columns = COUNT(columns),
		.num_rows = 30, .fill = fill_cells, .color = true, .width = width,
	};
	int fd = support__memfd();
	char *text;

	assert_int_equal(tabular__write(&table, fd), 0);
	text = support__contents(fd, NULL);
	assert_int_equal(check_lines(text, width), 31);
	free(text);
	close(fd);
}

static void tables_never_wrap(void **unused)
{
	(void)unused;
	for (unsigned int width = 40; width < 200; width++)
		check_table(width);
}

static void addresses(void **unused)
{
	static const struct {
		const char *text;
		unsigned int width;
		const char *want;
	} cases[] = {
		{ "10.0.0.5:80", 0, "10.0.0.5:80" },
		{ "10.0.0.5:80", 11, "10.0.0.5:80" },
		{ "10.0.0.5:80", 10, "10.0.0+:80" },
		{ "[fd00:1:2:3::9]:8080", 20, "[fd00:1:2:3::9]:8080" },
		{ "[fd00:1:2:3::9]:8080", 19, "[fd00:1:2:3:+]:8080" },
		{ "[fd00:1:2:3::9]:8080", 8, "[+]:8080" },
		{ "[fd00:1:2:3::9]:8080", 7, "[fd00:+" },
		{ "fd00:1:2:3::9", 8, "fd00:1:+" },
		{ "10.0.0.5", 4, "10.+" },
		{ "10.0.0.5", 1, "+" },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[80];
		struct outbuf ob;

		outbuf__init_fixed(&ob, text, sizeof(text));
		assert_int_equal(fit__address(&ob, cases[i].text, strlen(cases[i].text),
					      cases[i].width), strlen(cases[i].want));
		assert_string_equal(outbuf__terminate(&ob), cases[i].want);
	}
}

/* Each that is printed as it is takes no more columns on a terminal than we count. */
static void every_character(void **unused)
{
	(void)unused;
	for (uint32_t cp = 0x20; cp < 0x110000; cp++) {
		char utf8[8], out[64];
		struct outbuf ob;
		size_t len, used;
		mbstate_t state = { 0 };

		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		len = wcrtomb(utf8, (wchar_t)cp, &state);
		assert_in_range(len, 1, 4);
		outbuf__init_fixed(&ob, out, sizeof(out));
		used = escape__text_columns(&ob, utf8, len, 40);
		if (ob.len != len || memcmp(out, utf8, len) != 0)
			continue; /* escaped */
		if (wcwidth((wchar_t)cp) > (int)used)
			fail_msg("U+%04X is %d wide, not %zu", cp, wcwidth((wchar_t)cp), used);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace_never_wraps),
		cmocka_unit_test(name_and_addresses_stay),
		cmocka_unit_test(resizing),
		cmocka_unit_test(no_terminal),
		cmocka_unit_test(colors),
		cmocka_unit_test(tables_never_wrap),
		cmocka_unit_test(addresses),
		cmocka_unit_test(every_character),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		fprintf(stderr, "terminal: there is no locale C.UTF-8\n");
		return 1;
	}
	return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
