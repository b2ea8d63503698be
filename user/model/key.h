/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What identifies a connection end among all live sockets: struct tws_key of
 * event.h.
 */
#ifndef TWSNOOP_KEY_H
#define TWSNOOP_KEY_H

#include "bpf/event.h"

/* key__of_event() - by which the end is found in tables and snapshots. */
struct tws_key key__of_event(const struct tws_event *event);

#endif
