/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Segments that no socket of the kernel's would send, made by hand: IPv4, over the loopback
 * device of the calling process's network namespace. Negative errno on failure.
 */
#ifndef SCENARIOS_RAW_H
#define SCENARIOS_RAW_H

#include <stddef.h>
#include <stdint.h>

/* A TCP segment that was seen, with its IP header, as far as it fits. */
struct segment {
	uint8_t bytes[128];
	size_t len;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;	   /* SEG_* */
	size_t data_bytes; /* payload, of which bytes may have less */
};

/* A descriptor that gets a copy of each TCP segment that arrives from now on. */
int raw__listen(void);
/* Waits for the next one from port sport (0: any) to dport (0: any) that has all the flags. */
int raw__await(int fd, uint16_t sport, uint16_t dport, unsigned int flags, struct segment *s);
/* Answers a segment as its receiver would: with these flags, and data_bytes of zeros. */
int raw__answer(int fd, const struct segment *to, uint32_t seq, uint32_t ack, unsigned int flags,
		size_t data_bytes);
/* Tells the sender of a segment that its destination cannot be reached: ICMP type 3. */
int raw__unreachable(const struct segment *s, uint8_t code);

#endif
