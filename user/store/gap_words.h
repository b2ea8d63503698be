/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why something is not in a recording, in words.
 */
#ifndef TWSNOOP_GAP_WORDS_H
#define TWSNOOP_GAP_WORDS_H

#include <stdint.h>

/* gap_words__reason() - for after "from … to …: "; of any number, as recordings may hold. */
const char *gap_words__reason(uint8_t reason);

#endif
