/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words of --sort and --by: from a command line to struct group_keys. Which there are
 * says the table of keys in model/field.c.
 */
#ifndef TWSNOOP_GROUP_WORDS_H
#define TWSNOOP_GROUP_WORDS_H

#include <stddef.h>

/*
 * option_handlers (options.h) for a struct group_keys *: one key to sort by, or several
 * apart by commas, each once, to count by.
 */
int group_words__sort(void *field, const char *arg, char *why, size_t why_len);
int group_words__by(void *field, const char *arg, char *why, size_t why_len);

#endif
