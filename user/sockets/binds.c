// SPDX-License-Identifier: GPL-2.0
#include "sockets/binds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool is_valid(const struct tws_bind *record)
{
	static const uint8_t zero[12];

	if (!record->netns)
		return !record->port && !record->inode && !record->family;
	if (!record->port || record->zero)
		return false;
	return record->family == AF_INET6 || (record->inode == 0 && record->family == 0) ||
	       (record->family == AF_INET && !memcmp(record->addr + 4, zero, sizeof(zero)));
}

int binds__add(struct binds *binds, const struct tws_bind *record)
{
	size_t room = binds->room ? binds->room * 2 : 256;
	void *more;

	if (!is_valid(record))
		return -EPROTO;
	if (!record->netns)
		binds->complete = false;
	if (!record->netns || record->l3mdev)
		return 0;
	if (binds->num == BINDS_MAX)
		return -E2BIG;
	if (binds->num == binds->room) {
		more = realloc(binds->binds, room * sizeof(*binds->binds));
		if (!more)
			return -ENOMEM;
		binds->binds = more;
		binds->room = room;
	}
	binds->binds[binds->num++] = *record;
	return 0;
}

void binds__free(struct binds *binds)
{
	free(binds->binds);
	*binds = (struct binds){};
}

/* Of the same port the one whose holder is known goes first. */
static int compare(const void *a, const void *b)
{
	const struct tws_bind *x = a, *y = b;

	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return (int)!x->inode - (int)!y->inode;
}

/* A walk that was led astray may have come by twice. */
void binds__sort(struct binds *binds)
{
	struct tws_bind *b = binds->binds;
	size_t kept = 0;

	if (!binds->num)
		return;
	qsort(b, binds->num, sizeof(*b), compare);
	for (size_t i = 0; i < binds->num; i++)
		if (!kept || b[kept - 1].netns != b[i].netns || b[kept - 1].port != b[i].port)
			b[kept++] = b[i];
	binds->num = kept;
}

size_t binds__first(const struct binds *binds, uint32_t netns)
{
	size_t low = 0, high = binds->num;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (binds->binds[mid].netns < netns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
