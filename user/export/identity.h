/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What makes an event one of its kind. A uid, the same wherever it is sent again, for the store;
 * and the key of an event as another run of this program would see it, from the same kernel: of a
 * recorder's rings, or of the kernel's own table of sockets, which tells other times.
 */
#ifndef TWSNOOP_IDENTITY_H
#define TWSNOOP_IDENTITY_H

#include <stdint.h>

#include "bpf/event.h"

#define IDENTITY_BOOT_BYTES 16
#define IDENTITY_UID_LEN 32 /* hexadecimal digits, without a NUL */

/* identity__parse_boot() - of /proc/sys/kernel/random/boot_id, as text. Returns 0 or -EINVAL, and
 * leaves @boot alone then. */
int identity__parse_boot(const char *text, uint8_t boot[IDENTITY_BOOT_BYTES]);

/* identity__uid() - unique among the events of all hosts, as far as 128 bits can tell. */
void identity__uid(const uint8_t boot[IDENTITY_BOOT_BYTES], const struct tws_event *ev,
		   char uid[IDENTITY_UID_LEN]);

/* identity__key() - see above; @seed is as secret as peers are not to choose keys that meet. */
uint64_t identity__key(uint64_t seed, const struct tws_event *ev);

#endif
