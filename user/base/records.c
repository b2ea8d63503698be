// SPDX-License-Identifier: GPL-2.0
#include "base/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* At a time. bpf_seq_read() gives eight pages at the most. */
#define READ_RECORDS 1024

static int show_all(const char *records, size_t num, size_t bytes, records_fn fn, void *ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < num; i++)
		err = fn(ctx, records + i * bytes);
	return err;
}

int records__read(int fd, size_t bytes, records_fn fn, void *ctx, uint64_t *asked_ns)
{
	char *buf = malloc(READ_RECORDS * bytes);
	size_t have = 0, num;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	while (!err) {
		uint64_t now_ns = asked_ns ? clock__now_ns(CLOCK_MONOTONIC) : 0;
		ssize_t got = read(fd, buf + have, READ_RECORDS * bytes - have);

		/* EAGAIN: a million objects and none that is wanted; it goes on from there */
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0) {
			err = got < 0 ? -errno : have ? -EPROTO : 0;
			break;
		}
		if (asked_ns)
			*asked_ns = now_ns;
		have += (size_t)got;
		num = have / bytes;
		err = show_all(buf, num, bytes, fn, ctx);
		have -= num * bytes;
		memmove(buf, buf + num * bytes, have);
	}
	free(buf);
	return err;
}
