// SPDX-License-Identifier: GPL-2.0
/* The line on a terminal: a pseudo-terminal is one. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "output/progress.h"

#define DEADLINE_S 20

/* Reads until @text has come; false if it does not. */
static int comes(int fd, const char *text, char *all, size_t size)
{
	struct timespec begin, now;
	size_t used = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		struct pollfd in = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&in, 1, 100) > 0) {
			n = read(fd, all + used, size - 1 - used);
			if (n > 0)
				used += (size_t)n;
			all[used] = '\0';
			if (strstr(all, text))
				return 1;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < begin.tv_sec + DEADLINE_S);
	return 0;
}

static void test_terminal(void **state)
{
	char all[4096] = "", rest[256] = "";
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

	(void)state;
	setenv("TERM", "xterm", 1); /* on a dumb one it is silent */
	if (master < 0 || grantpt(master) || unlockpt(master))
		skip();
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0)
		skip();
	progress__begin(slave);
	progress__step("reading sockets");
	progress__count(12345);
	assert_true(comes(master, "twsnoop: reading sockets 12345", all, sizeof(all)));
	progress__step("looking for owners");
	assert_true(comes(master, "twsnoop: looking for owners", all, sizeof(all)));
	assert_null(strstr(strstr(all, "owners"), "12345"));
	progress__end();
	progress__end();
	assert_true(comes(master, "\r\033[K", rest, sizeof(rest)));
	close(slave);
	close(master);
}

/* Nothing is written where nobody looks. */
static void test_no_terminal(void **state)
{
	struct pollfd in = { .events = POLLIN };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	progress__begin(fds[1]);
	progress__step("reading sockets");
	progress__end();
	in.fd = fds[0];
	assert_int_equal(poll(&in, 1, 0), 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
