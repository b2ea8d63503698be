// SPDX-License-Identifier: GPL-2.0
/*
 * Frames of `twsnoop top` onto a screen or out as text or JSON, and what is said beside them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands/top.h"
#include "output/fit.h"
#include "output/top_json.h"

/* ---- messages and signals ---- */

void top__print_account(void *ctx)
{
	struct feed_account account;
	struct top *t = ctx;

	if (t->screen) /* which shows it at all times */
		return;
	feed__account(t->feed, &account);
	messages__tell_account(&t->msg, &account, "");
}

void top__hurry(void *ctx, int ms)
{
	struct top *t = ctx;

	fdwriter__hurry(&t->out, ms);
}

/* Ctrl-Z: stopped here, with the terminal as it was; fg goes on behind it. */
static void suspend(struct top *t)
{
	sigset_t set;

	top_screen__leave(t->screen);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* it stops here */
	sigprocmask(SIG_BLOCK, &set, NULL);
	top_screen__enter(t->screen);
}

/* Those of the screen. */
void top__take_signal(void *ctx, uint32_t signal)
{
	struct top *t = ctx;

	if (signal == SIGTSTP)
		suspend(t);
	else if (signal == SIGCONT)
		top_screen__enter(t->screen);
	t->wants_draw = true;
}

int top__open_signals(struct top *t)
{
	static const int of_screen[] = { SIGTSTP, SIGCONT, SIGWINCH, 0 };
	int err;

	t->msg.more = t->screen ? of_screen : NULL;
	err = messages__open_signals(&t->msg);
	if (!err)
		fdwriter__wake_by(&t->out, t->msg.signals);
	return err;
}

/* ---- frames ---- */

static struct top_want want_of(const struct top *t)
{
	return (struct top_want){
		.sort = t->view.sort,
		.reverse = t->view.reverse,
		.steady = t->screen,
		.frozen = t->view.frozen,
		.max_rows = t->screen ? 0 : t->opts.rows,
		.filter = t->view.filter,
	};
}

/* The row that was chosen, wherever it is now. */
static void follow_row(struct top *t)
{
	for (size_t i = 0; t->view.chosen && i < t->frame.num; i++)
		if (t->frame.lines[i].row->number == t->view.chosen_number) {
			t->view.selected = i;
			return;
		}
	t->view.chosen = false;
	if (t->view.page == TOP_DETAILS)
		t->view.page = TOP_ROWS;
}

void top__arrange(struct top *t)
{
	const struct top_want want = want_of(t);

	top_frame__arrange(&t->frame, &want);
	follow_row(t);
}

int top__fill(struct top *t, const struct tally_frame *frame)
{
	int err = top_frame__fill(&t->frame, t->tally, frame, &t->views.views[t->keys.view]);

	if (!err)
		top__arrange(t);
	return err;
}

const char top__cannot_list[] = "this kernel cannot list its sockets";

static void note_time(struct top *t)
{
	bool brief = t->screen && !t->past.history; /* the time of day is enough */
	char when[WHEN_BYTES];

	when__format(when, t->wall_ns, t->zone);
	snprintf(t->time, sizeof(t->time), "%.*s", brief ? 8 : WHEN_BYTES - 1,
		 when + (brief && strlen(when) > 19 ? 11 : 0));
	t->view.time = t->time;
}

int top__make_frame(struct top *t, uint64_t now_ns)
{
	struct tally_frame frame;

	tally__frame(t->tally, t->keys.view, now_ns, &frame);
	t->view.has_account = true;
	feed__account(t->feed, &t->view.account);
	note_time(t);
	return top__fill(t, &frame);
}

int top__draw(struct top *t)
{
	int err;

	top_screen__size(t->screen, &t->view.width, &t->view.height);
	err = top_layout__make(&t->cells, &t->frame, &t->view) ?:
	      top_screen__draw(t->screen, &t->cells);
	t->wants_draw = err == -EAGAIN;
	return err == -EAGAIN ? 0 : err;
}

static int write_text(struct top *t)
{
	size_t done = 0, written;
	int err;

	while ((err = fdwriter__write(&t->out, t->text.data + done, t->text.len - done,
				      &written)) == -EINTR) {
		done += written;
		messages__attend(&t->msg);
	}
	return err;
}

int top__print(struct top *t)
{
	t->text.len = 0;
	if (t->opts.json) {
		top_json__write(&t->text, &t->frame, t->wall_ns, &t->view.account);
	} else {
		outbuf__lit(&t->text, "---\n");
		t->view.width = t->on_terminal ? fit__terminal(STDOUT_FILENO) : 0;
		if (top_layout__make(&t->cells, &t->frame, &t->view))
			return -ENOMEM;
		top_layout__plain(&t->cells, &t->text);
	}
	return t->text.failed ? -ENOMEM : write_text(t);
}
