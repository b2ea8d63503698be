/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording as a report's input. Minutes that the recorder has not summed up yet, because they
 * are not over, are counted here from the raw rows.
 */
#ifndef TWSNOOP_REPORT_INPUT_HISTORY_H
#define TWSNOOP_REPORT_INPUT_HISTORY_H

#include "report/input.h"

struct input_history;

/* input_history__new() - of @history, which must live as long. Returns 0 and *@inputp, or a
 * negative errno. */
int input_history__new(struct input_history **inputp, struct history *history);
void input_history__free(struct input_history *input); /* NULL is allowed */

/* input_history__input() - a part of @input. */
const struct report_input *input_history__input(const struct input_history *input);

/* input_history__has_moved() - the recorder has summed up meanwhile what was counted here: some
 * events may count twice in what was read. */
bool input_history__has_moved(struct input_history *input);

#endif
