// SPDX-License-Identifier: GPL-2.0
#define NCURSES_WIDECHAR 1
#include "output/top_screen.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/fdwriter.h"

/* Words of term.h that are ours, too. */
#undef columns
#undef lines

/* How long the terminal may take for the last bytes, once all is over. */
#define LAST_MS 500
#define SOON_MS 5

struct top_screen {
	struct top_screen_options opts;
	struct termios before;
	bool has_before;
	SCREEN *curses;
	FILE *out, *in; /* what ncurses writes to, in memory, and reads from: nothing */
	struct fdwriter writer;
	bool has_writer;
	int ready; /* an eventfd that is always readable: the writer never waits */
	char *pending;
	size_t num_pending, done, room;
	bool is_left, starts_anew;
};

/* ---- what the environment says ---- */

bool top_screen__possible(const char **why)
{
	const char *term = getenv("TERM");
	int error = 0;

	*why = NULL;
	if (!term || !term[0])
		*why = "TERM is not set";
	else if (!strcmp(term, "dumb"))
		*why = "TERM=dumb knows no places on its screen";
	else if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		*why = "the terminal that TERM names is not described on this host";
	else if (!tigetstr("cup") || tigetstr("cup") == (char *)-1)
		*why = "the terminal that TERM names knows no places on its screen";
	return !*why;
}

static const char *locale_name(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return value;
	}
	return "C";
}

/* A locale that is not installed here is still one of UTF-8 if it says so; a static program
 * may find none but those that it brings along. */
bool top_screen__uses_utf8(void)
{
	const char *name = locale_name();

	if (!setlocale(LC_CTYPE, "") && (strcasestr(name, "UTF-8") || strcasestr(name, "UTF8")))
		setlocale(LC_CTYPE, "C.UTF-8");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

/* ---- from ncurses to the terminal ---- */

/* What ncurses has written goes behind what is pending. */
static int collect(struct top_screen *s)
{
	int fd = fileno(s->out);
	off_t len = lseek(fd, 0, SEEK_END);
	ssize_t got;

	if (len <= 0)
		return 0;
	if (s->num_pending + (size_t)len > s->room) {
		char *more = realloc(s->pending, s->num_pending + (size_t)len);

		if (!more)
			return -ENOMEM;
		s->pending = more;
		s->room = s->num_pending + (size_t)len;
	}
	got = pread(fd, s->pending + s->num_pending, (size_t)len, 0);
	if (got > 0)
		s->num_pending += (size_t)got;
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		return -EIO;
	return 0;
}

int top_screen__push(struct top_screen *s)
{
	size_t written;
	int err;

	if (s->done == s->num_pending)
		return 0;
	err = fdwriter__write(&s->writer, s->pending + s->done, s->num_pending - s->done, &written);
	s->done += written;
	if (s->done == s->num_pending)
		s->done = s->num_pending = 0;
	return err == -EINTR ? (s->num_pending ? -EAGAIN : 0) : err;
}

/* A picture comes in one piece if the terminal takes it at all. */
static int push_soon(struct top_screen *s)
{
	struct pollfd fd = { .fd = s->opts.fd, .events = POLLOUT };
	int err;

	do
		err = top_screen__push(s);
	while (err == -EAGAIN && poll(&fd, 1, SOON_MS) > 0 && !(fd.revents & (POLLERR | POLLHUP)));
	return err;
}

/* The last bytes: worth a moment's wait, but no more. */
static void push_all(struct top_screen *s)
{
	for (int ms = 0; ms < LAST_MS && top_screen__push(s) == -EAGAIN; ms += 10)
		poll(NULL, 0, 10);
}

/* ---- the terminal's modes ---- */

/* Key by key, and none is shown. Ctrl-C and Ctrl-Z go on to be signals, and Ctrl-S stops. */
static void take_keys(const struct top_screen *s)
{
	struct termios mode = s->before;

	if (!s->has_before)
		return;
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	tcsetattr(s->opts.keys_fd, TCSANOW, &mode); /* a stopped terminal never drains */
}

static void give_keys_back(const struct top_screen *s)
{
	if (s->has_before)
		tcsetattr(s->opts.keys_fd, TCSANOW, &s->before);
}

void top_screen__size(const struct top_screen *s, unsigned int *width, unsigned int *height)
{
	struct winsize size = { 0 };

	if (ioctl(s->opts.fd, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	*width = size.ws_col;
	*height = size.ws_row;
}

/* ---- drawing ---- */

enum { PAIR_RED = 1, PAIR_YELLOW, PAIR_CYAN };

static attr_t attributes_of(enum top_style look, short *pair)
{
	*pair = 0;
	switch (look) {
	case TOP_BOLD:
		return A_BOLD;
	case TOP_DIM:
		return A_DIM;
	case TOP_HEADING:
		return A_REVERSE;
	case TOP_SORTED:
		return A_REVERSE | A_BOLD | A_UNDERLINE;
	case TOP_SELECTED:
		return A_REVERSE;
	case TOP_NOTE:
		*pair = PAIR_CYAN;
		return A_NORMAL;
	case TOP_WARNING:
		*pair = PAIR_YELLOW;
		return A_NORMAL;
	case TOP_ALARM:
		*pair = PAIR_RED;
		return A_BOLD;
	default:
		return A_NORMAL;
	}
}

/* Whoever counts columns otherwise than we did moves nothing and wraps nothing: each character
 * has its place, and what would not fit into the piece is left out. */
static void put_piece(const struct top_cells *cells, const struct top_piece *piece, bool color)
{
	const char *text = cells->text.data + piece->from;
	size_t len = piece->len;
	mbstate_t state = { 0 };
	uint32_t column = 0;
	short pair;
	attr_t attributes = attributes_of(piece->look, &pair);

	attr_set(attributes, color ? pair : 0, NULL);
	move((int)piece->line, (int)piece->column);
	while (len) {
		wchar_t c[2] = { L'?', 0 };
		size_t took = mbrtowc(c, text, len, &state);
		int columns;

		if (!took || took > len) { /* not of this locale */
			memset(&state, 0, sizeof(state));
			c[0] = L'?';
			took = 1;
		}
		columns = wcwidth(c[0]);
		if (columns < 0) {
			c[0] = L'?';
			columns = 1;
		}
		if (column + (uint32_t)columns > piece->columns)
			break;
		addnwstr(c, 1);
		column += (uint32_t)columns;
		text += took;
		len -= took;
	}
}

int top_screen__draw(struct top_screen *s, const struct top_cells *cells)
{
	unsigned int width, height;
	int err = top_screen__push(s);

	if (err || s->is_left)
		return err;
	top_screen__size(s, &width, &height);
	if (is_term_resized((int)height, (int)width)) {
		resizeterm((int)height, (int)width);
		s->starts_anew = true;
	}
	if (s->starts_anew)
		clearok(curscr, TRUE);
	s->starts_anew = false;
	erase();
	for (size_t i = 0; i < cells->num; i++)
		if (cells->pieces[i].line < height &&
		    cells->pieces[i].column + cells->pieces[i].columns <= width)
			put_piece(cells, &cells->pieces[i], s->opts.color);
	curs_set(cells->has_cursor);
	if (cells->has_cursor)
		move((int)cells->cursor_line, (int)cells->cursor_column);
	refresh();
	err = collect(s);
	return err ? err : push_soon(s);
}

/* ---- coming and going ---- */

void top_screen__leave(struct top_screen *s)
{
	if (s->is_left)
		return;
	s->is_left = true;
	endwin();
	collect(s);
	push_all(s);
	give_keys_back(s);
}

void top_screen__enter(struct top_screen *s)
{
	/* In the background this stops the process, until it is in front again. */
	take_keys(s);
	s->is_left = false;
	s->starts_anew = true;
}

static FILE *open_memory(void)
{
	int fd = memfd_create("screen", MFD_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r+");

	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* Without the handlers that ncurses has for signals: these are the caller's. */
static SCREEN *new_term(FILE *out, FILE *in)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGTSTP, SIGWINCH };
	struct sigaction before[sizeof(signals) / sizeof(signals[0])];
	SCREEN *screen;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], NULL, &before[i]);
	screen = newterm(NULL, out, in);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &before[i], NULL);
	return screen;
}

static int open_curses(struct top_screen *s)
{
	unsigned int width, height;

	s->out = open_memory();
	s->in = fopen("/dev/null", "re");
	if (!s->out || !s->in)
		return -errno;
	s->curses = new_term(s->out, s->in);
	if (!s->curses)
		return -ENOTTY;
	top_screen__size(s, &width, &height);
	resizeterm((int)height, (int)width);
	typeahead(-1);
	scrollok(stdscr, FALSE);
	leaveok(stdscr, FALSE);
	if (s->opts.color && has_colors() && start_color() == OK) {
		use_default_colors();
		init_pair(PAIR_RED, COLOR_RED, -1);
		init_pair(PAIR_YELLOW, COLOR_YELLOW, -1);
		init_pair(PAIR_CYAN, COLOR_CYAN, -1);
	} else {
		s->opts.color = false;
	}
	return 0;
}

int top_screen__new(struct top_screen **screenp, const struct top_screen_options *opts)
{
	struct top_screen *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->is_left = true;
	s->ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->ready < 0 ? -errno : 0;
	if (!err) {
		fdwriter__init(&s->writer, opts->fd);
		fdwriter__wake_by(&s->writer, s->ready);
		s->has_writer = true;
		err = open_curses(s);
	}
	if (err) {
		top_screen__free(s);
		return err;
	}
	s->has_before = !tcgetattr(opts->keys_fd, &s->before);
	*screenp = s;
	return 0;
}

void top_screen__free(struct top_screen *s)
{
	if (!s)
		return;
	if (s->curses) {
		top_screen__leave(s);
		delscreen(s->curses);
	}
	if (s->has_writer)
		fdwriter__fini(&s->writer);
	if (s->out)
		fclose(s->out);
	if (s->in)
		fclose(s->in);
	if (s->ready >= 0)
		close(s->ready);
	free(s->pending);
	free(s);
}
