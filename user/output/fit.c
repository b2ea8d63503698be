// SPDX-License-Identifier: GPL-2.0
#include "output/fit.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/parse.h"

struct fitting {
	struct fit_column *columns;
	struct fit_column *by_keep[FIT_COLUMNS];
	size_t num;
	unsigned int left;
	int shown;
	bool full;
};

static unsigned int least_of(const struct fit_column *c)
{
	return c->least && c->least < c->natural ? c->least : c->natural;
}

/* Shows @c at its least width, if there is room for it and the blank before it. Where there
 * is none for one, there is none for those that matter less. */
static void claim(struct fitting *f, struct fit_column *c)
{
	unsigned int need = least_of(c) + (f->shown > 0);

	if (need > f->left && !f->shown)
		need = f->left; /* better a part of it than nothing */
	f->full |= need > f->left;
	if (f->full || !need)
		return;
	c->width = need - (f->shown > 0);
	f->left -= need;
	f->shown++;
}

static void grow(struct fitting *f, struct fit_column *c)
{
	unsigned int more = c->natural > c->width ? c->natural - c->width : 0;

	if (!c->width)
		return;
	if (more > f->left)
		more = f->left;
	c->width += more;
	f->left -= more;
}

static int compare_keep(const void *a, const void *b)
{
	const struct fit_column *x = *(struct fit_column *const *)a;
	const struct fit_column *y = *(struct fit_column *const *)b;

	if (x->keep != y->keep)
		return x->keep < y->keep ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* First room for all of the addresses, then for the others as far as they fit; what is
 * left makes those wider that had to shrink, and last the name. */
static void share_out(struct fitting *f)
{
	size_t last = 0;

	while (last < f->num && f->by_keep[last]->keep <= FIT_LAST)
		claim(f, f->by_keep[last++]);
	for (size_t i = 1; i < last; i++)
		grow(f, f->by_keep[i]);
	for (size_t i = last; i < f->num; i++)
		claim(f, f->by_keep[i]);
	for (size_t i = last; i < f->num; i++)
		grow(f, f->by_keep[i]);
	if (f->num)
		grow(f, f->by_keep[0]);
}

unsigned int fit__columns(struct fit_column *columns, size_t num, unsigned int width)
{
	struct fitting f = { .columns = columns, .num = num, .left = width };

	for (size_t i = 0; i < num; i++) {
		columns[i].width = width ? 0 : columns[i].natural;
		f.by_keep[i] = &columns[i];
	}
	if (!width)
		return 0;
	qsort(f.by_keep, num, sizeof(f.by_keep[0]), compare_keep);
	share_out(&f);
	return f.left;
}

/* What must stay behind a '+': "]:80", ":80", or nothing. */
static size_t port_len(const char *text, size_t len)
{
	const char *colon = memrchr(text, ':', len);
	const char *bracket = memrchr(text, ']', len);

	if (bracket)
		return (size_t)(text + len - bracket);
	if (colon && memchr(text, '.', len)) /* an IPv6 address alone has colons, too */
		return (size_t)(text + len - colon);
	return 0;
}

size_t fit__address(struct outbuf *to, const char *text, size_t len, unsigned int width)
{
	size_t port;

	if (!width || len <= width) {
		outbuf__bytes(to, text, len);
		return len;
	}
	port = port_len(text, len);
	if (port + 2 > width)
		port = 0;
	outbuf__bytes(to, text, width - 1 - port);
	outbuf__char(to, '+');
	outbuf__bytes(to, text + len - port, port);
	return width;
}

unsigned int fit__terminal(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };
	uint64_t value;

	if (!isatty(fd))
		return 0;
	if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return columns && !parse__u64(columns, 1, USHRT_MAX, &value) ? (unsigned int)value : 0;
}

bool fit__takes_escapes(void)
{
	const char *term = getenv("TERM");

	return !term || strcmp(term, "dumb");
}

bool fit__wants_color(void)
{
	const char *none = getenv("NO_COLOR");

	return fit__takes_escapes() && (!none || !*none);
}
