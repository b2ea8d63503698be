/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the bytes of a ring buffer record, or of a recording, to an event that
 * the later stages need not check again. Pure.
 */
#ifndef TWSNOOP_DECODE_H
#define TWSNOOP_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/*
 * decode__event() - check @len bytes at @data, which must be aligned to 8 (as
 * ring buffer records are). Returns 0 and *ev, which points into @data, or
 * -EBADMSG if the kernel side cannot have written this: wrong length, a value
 * outside its enumeration, padding that is not zero, a name without its NUL, an
 * end of TIME_WAIT or a process without its number. TWS_LISTEN passes.
 */
int decode__event(const void *data, size_t len, const struct tws_event **ev);

/* decode__ending() - the same for what became of a connection. */
int decode__ending(const void *data, size_t len, const struct tws_ending **ending);

/*
 * decode__cgroup() - the same for a cgroup that came or went. Its path is "", or
 * begins with '/' and has any bytes but '\n', which the kernel forbids there.
 */
int decode__cgroup(const void *data, size_t len, const struct tws_cgroup **cgroup);

/*
 * decode__opening_is_sure() - whether all programs were attached, at @attached_ns, when the
 * connection of @ev was opened, if that was seen at all. With only one of them what is told
 * of it may be of an earlier socket at the same address: then decode__forget_opening().
 */
static inline bool decode__opening_is_sure(const struct tws_event *ev, uint64_t attached_ns)
{
	return !ev->conn.open_ns || ev->conn.open_ns > attached_ns;
}

/*
 * decode__forget_opening() - removes what @ev has of its connection's opening: side, time
 * and opener; and its bytes, if they were counted by the side.
 */
void decode__forget_opening(struct tws_event *ev);

/*
 * decode__bytes_are_final() - whether the bytes of @ev are those of the whole connection.
 * What a TWS_FIN event has sent is all, and so is what it has received if nothing more
 * can come: with RCV_SHUTDOWN, as after close(), data make the kernel reset the connection
 * (tcp_rcv_state_process()).
 */
static inline bool decode__bytes_are_final(const struct tws_event *ev)
{
	return ev->action != TWS_FIN || ev->conn.flags & TWS_F_DEAF;
}

#endif
