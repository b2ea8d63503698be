/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records of one size, read from a file descriptor to its end: what the kernel's BPF iterators
 * write.
 */
#ifndef TWSNOOP_RECORDS_H
#define TWSNOOP_RECORDS_H

#include <stddef.h>
#include <stdint.h>

typedef int (*records_fn)(void *ctx, const void *record);

/*
 * records__read() - reads @fd to its end and calls @fn for each record of @bytes bytes. Needs
 * the same memory however many there are. *@asked_ns, if not NULL, is when the read(2) began that gave
 * the record at hand (CLOCK_MONOTONIC): what the kernel writes of a moment is of then or later. Returns 0,
 * @fn's first value that is not 0, -EPROTO (the end within a record), -ENOMEM, or read(2)'s negative errno.
 */
int records__read(int fd, size_t bytes, records_fn fn, void *ctx, uint64_t *asked_ns);

#endif
