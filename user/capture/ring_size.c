// SPDX-License-Identifier: GPL-2.0
#include "capture/ring_size.h"

#include "bpf/event.h"

#define MIN_RECORDS 1024U
/* In half a ring, each writer has gone through two chunks besides the one that it is in. */
#define RECORDS_FOR_CPU (2 * 3 * TWS_WRITERS * TWS_CHUNK)

uint32_t ring_size__least(unsigned int cpus)
{
	uint64_t wanted = (uint64_t)cpus * RECORDS_FOR_CPU;
	uint32_t n = MIN_RECORDS;

	while (n < wanted && n < RING_SIZE_MAX_RECORDS)
		n *= 2;
	return n;
}

uint32_t ring_size__records(uint64_t wanted, unsigned int cpus)
{
	uint32_t n = ring_size__least(cpus);

	while (n <= wanted / 2 && n < RING_SIZE_MAX_RECORDS)
		n *= 2;
	return n;
}
