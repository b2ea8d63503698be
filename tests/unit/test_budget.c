// SPDX-License-Identifier: GPL-2.0
/*
 * What the programs may cost, in figures that do not depend on the machine's
 * mood: translated instructions, those that the verifier had to follow, and
 * stack. A change that needs more raises the budget here, and says why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/event.h"
#include "twsnoop.skel.h"

struct budget {
	const char *program;
	uint32_t translated; /* instructions */
	uint32_t verified;   /* instructions followed; 0 before Linux 5.16 */
};

/* As `twsnoop trace` loads them on a recent kernel, and with --all. */
static const struct budget plain[] = {
	{ "tws_state", 3200, 16000 },
	{ "tws_spare", 3200, 16000 },
	{ "tws_drop", 180, 220 },
	{ "tws_cgroup_mkdir", 120, 400 },
	{ "tws_cgroup_rename", 120, 400 },
	{ "tws_cgroup_rmdir", 120, 400 },
};

/* tws_drop also tells here which TIME_WAIT sockets a reset has killed. */
static const struct budget all[] = {
	{ "tws_state", 4800, 43000 },
	{ "tws_spare", 4800, 43000 },
	{ "tws_drop", 410, 1050 },
	{ "tws_cgroup_mkdir", 120, 400 },
	{ "tws_cgroup_rename", 120, 400 },
	{ "tws_cgroup_rmdir", 120, 400 },
};

/* As `twsnoop attach` does, which needs no tws_drop. */
static const struct budget ledger[] = {
	{ "tws_state", 1850, 7000 },
	{ "tws_spare", 1850, 7000 },
	{ "tws_cgroup_mkdir", 160, 400 },
	{ "tws_cgroup_rename", 160, 400 },
	{ "tws_cgroup_rmdir", 160, 400 },
};

static void check(struct twsnoop_bpf *skel, const struct budget *b)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(skel->obj, b->program);
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info), translated;

	assert_non_null(prog);
	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	translated = info.xlated_prog_len / 8;
	print_message("%s: %u translated, %u verified\n", b->program, translated,
		      info.verified_insns);
	assert_in_range(translated, 1, b->translated);
	assert_in_range(info.verified_insns, 0, b->verified);
}

static void check_all(const struct budget *budgets, size_t num, bool every_outcome,
		      bool ledger)
{
	struct twsnoop_bpf *skel = twsnoop_bpf__open();
	struct tws_settings *settings;

	assert_non_null(skel);
	settings = (struct tws_settings *)&skel->rodata->tws;
	settings->all = every_outcome;
	settings->has_task_btf = settings->has_cookie = settings->has_rx_sk = 1;
	settings->ledger = ledger;
	settings->open_mask = bpf_map__max_entries(skel->maps.tws_opens) - 1;
	settings->event_mask = bpf_map__max_entries(skel->maps.tws_events) - 1;
	settings->end_mask = bpf_map__max_entries(skel->maps.tws_ends) - 1;
	assert_int_equal(twsnoop_bpf__load(skel), 0);
	for (size_t i = 0; i < num; i++)
		check(skel, &budgets[i]);
	twsnoop_bpf__destroy(skel);
}

static void test_plain(void **state)
{
	(void)state;
	check_all(plain, sizeof(plain) / sizeof(plain[0]), false, false);
}

static void test_all(void **state)
{
	(void)state;
	check_all(all, sizeof(all) / sizeof(all[0]), true, false);
}

static void test_ledger(void **state)
{
	(void)state;
	check_all(ledger, sizeof(ledger) / sizeof(ledger[0]), false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_ledger),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
