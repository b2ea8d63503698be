// SPDX-License-Identifier: GPL-2.0
/* A terminal of a given width, which is resized on a signal, and what fits into it. */
#include "clitool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MARK "---- "

struct terminal {
	int master, file, signals;
	const char *widths; /* the rest of W[,W]... */
	pid_t child;
};

/* The next width, and a line in the file that says so. */
static void resize(struct terminal *t)
{
	struct winsize size = { .ws_row = 24 };
	char *end, mark[32];
	int len;

	size.ws_col = (unsigned short)strtoul(t->widths, &end, 10);
	if (!size.ws_col)
		return;
	t->widths = *end == ',' ? end + 1 : end;
	len = snprintf(mark, sizeof(mark), MARK "%u\n", size.ws_col);
	if (ioctl(t->master, TIOCSWINSZ, &size) || write(t->file, mark, (size_t)len) != len)
		die("terminal");
}

static int open_slave(int master)
{
	struct termios termios;
	int slave;

	if (grantpt(master) || unlockpt(master))
		die("pty");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0 || tcgetattr(slave, &termios))
		die("pty");
	cfmakeraw(&termios); /* newlines as they come */
	if (tcsetattr(slave, TCSANOW, &termios))
		die("pty");
	return slave;
}

static void start(struct terminal *t, char **program)
{
	int slave = open_slave(t->master);
	sigset_t none;

	t->child = fork();
	if (t->child < 0)
		die("fork");
	if (!t->child) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(slave, STDOUT_FILENO);
		close(slave);
		execvp(program[0], program);
		die(program[0]);
	}
	close(slave);
}

static void read_signal(struct terminal *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != sizeof(info))
		die("signalfd");
	if (info.ssi_signo == SIGUSR2)
		resize(t);
	else
		kill(t->child, (int)info.ssi_signo);
}

/* Until the last that has the terminal open has closed it. */
static void copy_all(struct terminal *t)
{
	struct pollfd fds[] = {
		{ .fd = t->master, .events = POLLIN }, { .fd = t->signals, .events = POLLIN },
	};
	char buf[4096];
	ssize_t len;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			die("poll");
		if (fds[1].revents)
			read_signal(t);
		if (!fds[0].revents)
			continue;
		len = read(t->master, buf, sizeof(buf));
		if (len <= 0)
			return; /* EIO: closed */
		if (write(t->file, buf, (size_t)len) != len)
			die("write");
	}
}

/* terminal W[,W]... FILE PROGRAM...: its stdout is a terminal of the first width, and of
 * the next with each SIGUSR2; FILE gets what is written there. */
int tool__terminal(int argc, char **argv)
{
	struct terminal t;
	sigset_t set;
	int status;

	if (argc < 3)
		return 2;
	t = (struct terminal){ .widths = argv[0] };
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t.signals = signalfd(-1, &set, SFD_CLOEXEC);
	t.file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	t.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t.signals < 0 || t.file < 0 || t.master < 0)
		die("terminal");
	start(&t, argv + 2);
	resize(&t);
	copy_all(&t);
	if (waitpid(t.child, &status, 0) != t.child)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The columns that a character takes, by its code point: roughly, and enough for the
 * names that the tests use. */
static unsigned int columns_of(unsigned int cp)
{
	if (cp >= 0x300 && cp < 0x370)
		return 0;
	if ((cp >= 0x1100 && cp < 0x1160) || (cp >= 0x2e80 && cp < 0xa4d0) ||
	    (cp >= 0xac00 && cp < 0xd7a4) || (cp >= 0xf900 && cp < 0xfb00) ||
	    (cp >= 0xff00 && cp < 0xff61) || (cp >= 0x1f300 && cp < 0x1fb00))
		return 2;
	return 1;
}

static unsigned int width_of(const char *line, size_t len)
{
	unsigned int columns = 0, cp = 0, more = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < 0x80) {
			cp = c;
		} else if (c < 0xc0) {
			cp = cp << 6 | (c & 0x3f);
			more--;
		} else {
			more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
			cp = c & (0x3fu >> more);
		}
		if (!more)
			columns += columns_of(cp);
	}
	return columns;
}

/* fits FILE: what terminal wrote: no line is wider than the terminal was. After it was
 * resized that counts from the next line on that begins as a heading does. */
int tool__fits(int argc, char **argv)
{
	unsigned int width = 0, checked = 0;
	bool settled = true;
	char *text, *end;

	if (argc != 1)
		return 2;
	text = contents(argv[0], NULL);
	for (char *line = text; (end = strchr(line, '\n')); line = end + 1) {
		size_t len = (size_t)(end - line);

		if (!strncmp(line, MARK, strlen(MARK))) {
			settled = !width;
			width = (unsigned int)strtoul(line + strlen(MARK), NULL, 10);
			continue;
		}
		settled |= memmem(line, len, "PROCESS", 7) != NULL;
		if (settled && width_of(line, len) > width) {
			printf("%u columns where there are %u\n", width_of(line, len), width);
			return 1;
		}
		checked += settled;
	}
	printf("%u\n", checked);
	free(text);
	return 0;
}
