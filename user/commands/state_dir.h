/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where commands keep what outlives them, unless they are told another place: ours to make, and no other.
 */
#ifndef TWSNOOP_STATE_DIR_H
#define TWSNOOP_STATE_DIR_H

#define STATE_DIR "/var/lib/twsnoop"
#define STATE_DIR_RECORDING STATE_DIR "/recording.db"
#define STATE_DIR_SPOOL STATE_DIR "/spool"

#endif
