// SPDX-License-Identifier: GPL-2.0
#include "sockets/bindhash.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bindhash.skel.h"
#include "host/quiet.h"

/* One reader at a time: the program writes into a page of its own. */
static struct {
	pthread_mutex_t lock;
	struct bindhash_bpf *skel; /* NULL: not loaded */
} hash = { PTHREAD_MUTEX_INITIALIZER, NULL };

/* One run, from @chain on. */
static int run_from(const struct bindhash_bpf *skel, uint32_t chain)
{
	uint64_t args[1] = { chain };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	int err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.tws_bindhash), &opts);

	return err ? -errno : 0;
}

/* What the kernel side left is copied before it is looked at. */
static int add_page(struct binds *binds, const struct tws_bind_page *page)
{
	uint32_t num = page->num;
	int err = num > TWS_BINDHASH_BUCKETS + 1 ? -EPROTO : 0;

	for (uint32_t i = 0; !err && i < num; i++) {
		const struct tws_bind bind = page->binds[i];

		err = binds__add(binds, &bind);
	}
	return err;
}

static int run(struct binds *binds, const struct bindhash_bpf *skel)
{
	const struct tws_bind_page *page = &skel->bss->tws_page;
	uint32_t chain = 0;
	int err;

	do {
		err = run_from(skel, chain) ?: add_page(binds, page);
		if (!err && (page->chains > TWS_BINDHASH_MAX ||
			     (page->next <= chain && chain < page->chains)))
			err = -EPROTO;
		chain = page->next;
	} while (!err && chain < page->chains);
	return err;
}

static int load(void)
{
	libbpf_print_fn_t print;
	int err = 0;

	if (hash.skel)
		return 0;
	print = quiet__begin();
	hash.skel = bindhash_bpf__open_and_load();
	if (!hash.skel)
		err = -errno;
	libbpf_set_print(print);
	return err;
}

static int load_and_run(struct binds *binds)
{
	int err;

	pthread_mutex_lock(&hash.lock);
	err = load();
	if (!err)
		err = run(binds, hash.skel);
	if (err) {
		bindhash_bpf__destroy(hash.skel);
		hash.skel = NULL;
	}
	pthread_mutex_unlock(&hash.lock);
	return err;
}

int bindhash__read(struct binds *binds)
{
	int err;

	binds->complete = true;
	err = load_and_run(binds);
	if (!err) {
		binds__sort(binds);
		return 0;
	}
	binds__free(binds);
	return err == -EPERM || err == -ENOMEM || err == -E2BIG || err == -EPROTO ? err :
										    -EOPNOTSUPP;
}
