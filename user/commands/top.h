/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of `twsnoop top` share: cmd_top.c has its options and its life, top_show.c makes and
 * shows frames and talks to the user, top_live.c runs on what happens now, top_past.c on a recording.
 * For these files alone.
 */
#ifndef TWSNOOP_TOP_H
#define TWSNOOP_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fdwriter.h"
#include "base/outbuf.h"
#include "base/when.h"
#include "commands/filter_words.h"
#include "commands/live.h"
#include "commands/messages.h"
#include "commands/origin.h"
#include "commands/past.h"
#include "commands/top_look.h"
#include "inventory/group.h"
#include "output/top_frame.h"
#include "output/top_keys.h"
#include "output/top_layout.h"
#include "output/top_screen.h"
#include "store/playback.h"
#include "tally/tally.h"

#define NS_PER_S 1000000000ULL
#define WARM_UP_NS (61 * NS_PER_S) /* a TIME_WAIT's life */

struct top_options {
	uint64_t interval_ns;
	uint64_t count;
	bool batch, json, reverse;
	struct group_keys by;
	enum top_column sort;
	uint64_t rows;
	bool no_names;
	const char *runtime_socket;
};

struct top {
	struct top_options opts;
	struct filter_options filters;
	struct origin_options from;
	struct live live;
	struct past_options past_opts;
	struct past past;	   /* history is NULL: it is live */
	struct playback *playback;
	struct feed *feed;
	const struct when_zone *zone;
	struct tally_options views;
	struct tally *tally;
	struct top_look look;
	struct top_frame frame;
	struct top_view view;
	struct top_keys keys;
	struct top_cells cells;
	struct top_screen *screen; /* NULL: plain frames */
	bool wants_draw; /* the terminal was behind */
	int keys_fd;	 /* -1: none */
	bool own_keys_fd;
	struct outbuf text;
	struct fdwriter out;
	struct messages msg;
	bool on_terminal;
	bool has_interval, sort_given; /* -i, --sort were given */
	bool is_complete;  /* of a recording: as many frames as were asked for */
	/* Of the same: the sums of a minute that have come, until it is known that there are no more. */
	struct held_minute *sums;
	size_t num_sums;
	uint64_t next_ns, frames; /* when the next frame is due; how many there were */
	char time[WHEN_BYTES];
	uint64_t wall_ns; /* of the frame */
};

/* ---- top_show.c ---- */

extern const char top__cannot_list[]; /* a view's limits */

/* Of t->msg, for which @t is a struct top; see messages.h. */
void top__print_account(void *t);
void top__hurry(void *t, int ms);
void top__take_signal(void *t, uint32_t signal);

/* top__open_signals() - as messages__open_signals(), with those of a screen if there is one. */
int top__open_signals(struct top *t);

/* top__fill() - t->frame of the tally's @frame. top__arrange() - the same anew, in another order. */
int top__fill(struct top *t, const struct tally_frame *frame);
void top__arrange(struct top *t);

/* top__make_frame() - the interval is over, at @now_ns of the tally's clock. */
int top__make_frame(struct top *t, uint64_t now_ns);

/* What was made, on the screen or as a plain frame; an error that the terminal is behind is none. */
int top__draw(struct top *t);
int top__print(struct top *t);

/* ---- top_live.c ---- */

/* top__run() - until it is to end. Returns 0, LOOP_END, or a negative errno. top__finish() - the last
 * frame, if one is due. */
int top__run(struct top *t);
int top__finish(struct top *t);

/* top__poll_feed() - for looks that take long: @t is a struct top. */
int top__poll_feed(void *t);

/* top__on_keys() - of a loop, @t is a struct top. */
int top__on_keys(void *t, short revents);

/* ---- top_past.c ---- */

/* top__run_past() - all frames of the span, or the screen until it is left. */
int top__run_past(struct top *t);

/* top__step() - the span after, or before the present one, on the screen. */
int top__step(struct top *t, bool later);

#endif
