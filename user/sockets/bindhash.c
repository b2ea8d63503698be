// SPDX-License-Identifier: GPL-2.0
#include "sockets/bindhash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bindhash.skel.h"
#include "host/quiet.h"

/* bpf_seq_read() gives at most eight pages at a time. */
#define READ_RECORDS 1024

static int read_all(struct binds *binds, int fd)
{
	struct tws_bind *records = malloc(READ_RECORDS * sizeof(*records));
	char *bytes = (char *)records;
	size_t have = 0, num;
	int err = 0;

	if (!records)
		return -ENOMEM;
	while (!err) {
		ssize_t got = read(fd, bytes + have, READ_RECORDS * sizeof(*records) - have);

		/* EAGAIN: many chains with nothing in them; it goes on from there */
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0) {
			err = got < 0 ? -errno : have ? -EPROTO : 0;
			break;
		}
		have += (size_t)got;
		num = have / sizeof(*records);
		for (size_t i = 0; !err && i < num; i++)
			err = binds__add(binds, &records[i]);
		have -= num * sizeof(*records);
		memmove(bytes, &records[num], have);
	}
	free(records);
	return err;
}

static int run(struct binds *binds, struct bindhash_bpf *skel)
{
	union bpf_iter_link_info info = { .map.map_fd = (__u32)bpf_map__fd(skel->maps.tws_chains) };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
		    .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(skel->progs.tws_bindhash, &opts);
	int fd, err;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : read_all(binds, fd);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

static int load_and_run(struct binds *binds)
{
	struct bindhash_bpf *skel = bindhash_bpf__open();
	int err;

	if (!skel)
		return -errno;
	err = bpf_map__set_max_entries(skel->maps.tws_chains, TWS_BINDHASH_MAX);
	if (!err)
		err = bindhash_bpf__load(skel);
	if (!err)
		err = run(binds, skel);
	bindhash_bpf__destroy(skel);
	return err;
}

int bindhash__read(struct binds *binds)
{
	libbpf_print_fn_t print = libbpf_set_print(quiet__print);
	int err;

	if (getenv("TWSNOOP_LIBBPF_DEBUG"))
		libbpf_set_print(print);
	binds->complete = true;
	err = load_and_run(binds);
	libbpf_set_print(print);
	if (!err) {
		binds__sort(binds);
		return 0;
	}
	binds__free(binds);
	return err == -EPERM || err == -ENOMEM || err == -E2BIG || err == -EPROTO ? err :
										    -EOPNOTSUPP;
}
