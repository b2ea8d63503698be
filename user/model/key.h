/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What identifies a connection end among all live sockets: struct tws_key of
 * event.h.
 */
#ifndef TWSNOOP_KEY_H
#define TWSNOOP_KEY_H

#include <stdint.h>

#include "bpf/event.h"

struct tws_key key__of_event(const struct tws_event *event);

/* FNV-1a by words. Without a seed: for tables whose keys no peer gains by choosing. */
uint64_t key__hash(const struct tws_key *key);

#endif
