// SPDX-License-Identifier: GPL-2.0
#include "output/top_keys.h"

#include <string.h>

#define ESC 0x1b
#define CTRL_L 0x0c
#define CTRL_U 0x15

/* Keys that are no character; the others are themselves. */
enum key { KEY_NONE = 256, KEY_UP, KEY_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END };

struct reading {
	struct top_keys *keys;
	struct top_view *view;
	const struct top_frame *frame;
};

/* ---- bytes ---- */

static int key_of_letter(char letter)
{
	switch (letter) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	default:
		return KEY_NONE;
	}
}

static int key_of_number(char digit)
{
	switch (digit) {
	case '1':
	case '7':
		return KEY_HOME;
	case '4':
	case '8':
		return KEY_END;
	case '5':
		return KEY_PAGE_UP;
	case '6':
		return KEY_PAGE_DOWN;
	default:
		return KEY_NONE;
	}
}

/* ESC [ A, ESC O A, ESC [ 5 ~; an ESC with nothing behind it is one. Returns the bytes taken. */
static size_t read_key(const char *bytes, size_t len, int *key)
{
	size_t end = 2;

	*key = (unsigned char)bytes[0];
	if (bytes[0] != ESC || len < 2)
		return 1;
	if (bytes[1] != '[' && bytes[1] != 'O') {
		*key = KEY_NONE; /* Alt and a key */
		return 2;
	}
	while (end < len && (bytes[end] < 0x40 || bytes[end] > 0x7e))
		end++;
	*key = KEY_NONE;
	if (end >= len)
		return len;
	if (end == 2)
		*key = key_of_letter(bytes[end]);
	else if (end == 3 && bytes[end] == '~')
		*key = key_of_number(bytes[2]);
	return end + 1;
}

/* ---- a filter is typed ---- */

static void remove_last(char *text)
{
	size_t len = strlen(text);

	while (len && (text[len - 1] & 0xc0) == 0x80)
		text[--len] = '\0';
	if (len)
		text[len - 1] = '\0';
}

static enum top_action type(struct top_view *v, int key)
{
	size_t len = strlen(v->filter);

	switch (key) {
	case '\r':
	case '\n':
		v->typing = false;
		return TOP_REORDER;
	case ESC:
		v->typing = false;
		v->filter[0] = '\0';
		return TOP_REORDER;
	case CTRL_U:
		v->filter[0] = '\0';
		return TOP_REORDER;
	case 0x7f:
	case '\b':
		remove_last(v->filter);
		return TOP_REORDER;
	default:
		if (key < ' ' || key >= KEY_NONE || len + 1 >= sizeof(v->filter))
			return TOP_NOTHING;
		v->filter[len] = (char)key;
		v->filter[len + 1] = '\0';
		return TOP_REORDER;
	}
}

/* ---- choosing a row ---- */

static void choose(struct reading *r, size_t line)
{
	struct top_view *v = r->view;
	size_t num = r->frame->num;

	if (!num)
		return;
	v->selected = line < num ? line : num - 1;
	v->chosen = true;
	v->chosen_number = r->frame->lines[v->selected].row->number;
}

static enum top_action move(struct reading *r, int key)
{
	struct top_view *v = r->view;
	size_t at = v->selected, page = top_layout__page(r->frame, v), last = r->frame->num;

	switch (key) {
	case KEY_UP:
	case 'k':
		choose(r, at ? at - 1 : 0);
		break;
	case KEY_DOWN:
	case 'j':
		choose(r, v->chosen || at ? at + 1 : 0);
		break;
	case KEY_PAGE_UP:
		choose(r, at > page ? at - page : 0);
		break;
	case KEY_PAGE_DOWN:
		choose(r, at + page);
		break;
	case KEY_END:
		choose(r, last ? last - 1 : 0);
		break;
	default: /* and no row is followed any more */
		v->selected = v->first = 0;
		v->chosen = v->page == TOP_DETAILS;
		if (v->chosen)
			choose(r, 0);
	}
	return TOP_REDRAW;
}

/* ---- columns, groups ---- */

static enum top_action sort_beside(struct reading *r, int step)
{
	enum top_column sort = r->view->sort;

	do
		sort = (enum top_column)((sort + TOP_SORTS + step) % TOP_SORTS);
	while (sort == TOP_FAILED && !r->frame->sum.total.failed);
	r->view->sort = sort;
	r->view->frozen = false;
	return TOP_REORDER;
}

static enum top_action regroup(struct reading *r, size_t view)
{
	if (view >= r->keys->num_views || view == r->keys->view)
		return TOP_NOTHING;
	r->keys->view = view;
	r->view->page = TOP_ROWS;
	r->view->selected = r->view->first = 0;
	r->view->chosen = false;
	memset(r->view->name_widths, 0, sizeof(r->view->name_widths));
	r->view->remote_width = 0;
	return TOP_REGROUP;
}

static enum top_action toggle(bool *flag, enum top_action action)
{
	*flag = !*flag;
	return action;
}

static enum top_action show(struct reading *r, enum top_page page)
{
	if (page == TOP_DETAILS && !r->frame->num)
		return TOP_NOTHING;
	if (page == TOP_DETAILS)
		choose(r, r->view->selected);
	r->view->page = page;
	return TOP_REDRAW;
}

static enum top_action step_through(struct reading *r, enum top_action step)
{
	if (r->keys->has_recording)
		return step;
	r->view->message = "t and T step through a recording: see --from";
	return TOP_REDRAW;
}

static enum top_action escape(struct reading *r)
{
	if (r->view->page != TOP_ROWS)
		return show(r, TOP_ROWS);
	if (!r->view->filter[0])
		return TOP_NOTHING;
	r->view->filter[0] = '\0';
	return TOP_REORDER;
}

static enum top_action press(struct reading *r, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return r->view->page == TOP_ROWS ? TOP_QUIT : show(r, TOP_ROWS);
	case ESC:
		return escape(r);
	case '?':
	case 'h':
		return show(r, r->view->page == TOP_HELP ? TOP_ROWS : TOP_HELP);
	case '/':
		r->view->page = TOP_ROWS;
		return toggle(&r->view->typing, TOP_REORDER);
	case ',':
		return sort_beside(r, -1);
	case '.':
		return sort_beside(r, 1);
	case 'r':
		return toggle(&r->view->reverse, TOP_REORDER);
	case 'f':
		return toggle(&r->view->frozen, TOP_REORDER);
	case ' ':
		return toggle(&r->view->paused, TOP_REDRAW);
	case '\r':
	case '\n':
		return show(r, r->view->page == TOP_DETAILS ? TOP_ROWS : TOP_DETAILS);
	case 't':
		return step_through(r, TOP_LATER);
	case 'T':
		return step_through(r, TOP_EARLIER);
	case CTRL_L:
		return TOP_REDRAW;
	case '0':
		return regroup(r, r->keys->num_views - 1);
	default:
		if (key >= '1' && key <= '5')
			return regroup(r, (size_t)(key - '1'));
		if (key > KEY_NONE || key == 'j' || key == 'k')
			return move(r, key);
		return TOP_NOTHING;
	}
}

enum top_action top_keys__read(struct top_keys *keys, struct top_view *view,
			       const struct top_frame *frame, const char *bytes, size_t len)
{
	struct reading r = { keys, view, frame };
	enum top_action most = TOP_NOTHING;

	if (view->message && len) {
		view->message = NULL;
		most = TOP_REDRAW;
	}
	for (size_t at = 0; at < len;) {
		enum top_action action;
		int key;

		at += read_key(bytes + at, len - at, &key);
		action = view->typing ? type(view, key) : press(&r, key);
		most = action > most ? action : most;
		if (action == TOP_QUIT)
			break;
	}
	return most;
}
