/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many records a ring of events has. Each CPU has a chunk for each of its writers
 * (enum tws_writer), and gives it up once the others have gone half a ring beyond it: so with
 * too few records for so many CPUs, two would write in one place, before the reader has come by.
 * Pure.
 */
#ifndef TWSNOOP_RING_SIZE_H
#define TWSNOOP_RING_SIZE_H

#include <stdint.h>

#define RING_SIZE_MAX_RECORDS (1U << 24)

/* ring_size__least() - the fewest records, a power of two, for so many possible @cpus. */
uint32_t ring_size__least(unsigned int cpus);

/* ring_size__records() - @wanted records, rounded down to a power of two that is within bounds. */
uint32_t ring_size__records(uint64_t wanted, unsigned int cpus);

#endif
