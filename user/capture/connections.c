// SPDX-License-Identifier: GPL-2.0
#include "capture/connections.h"

#include <unistd.h>

#define DEFAULT_MAX (1U << 20)
#define BYTES_FOR_CONNECTION (1U << 14) /* of the host's memory */
#define MIN_CONNECTIONS (1U << 12)

/*
 * A host with more memory has more connections: up to a 500th of it. Sockets that find no
 * room in the table are not only told less of, but dear: all places are looked at. A
 * hash map, which kernels before 5.12 need, has locked and larger entries.
 */
size_t connections__default(bool has_hash)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	size_t n = CONNECTIONS_DEFAULT;

	while (!has_hash && n < DEFAULT_MAX && bytes / BYTES_FOR_CONNECTION >= 2 * n)
		n *= 2;
	return n;
}

uint32_t connections__round_up(size_t wanted)
{
	uint32_t n = MIN_CONNECTIONS;

	while (n < wanted && n < CONNECTIONS_MAX)
		n *= 2;
	return n;
}
