// SPDX-License-Identifier: GPL-2.0
#include "sockets/bindhash.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/records.h"
#include "bindhash.skel.h"
#include "host/quiet.h"

static int add_record(void *binds, const void *record)
{
	return binds__add(binds, record);
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
	err = fd < 0 ? -errno : records__read(fd, sizeof(struct tws_bind), add_record, binds);
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
	libbpf_print_fn_t print = quiet__begin();
	int err;

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
