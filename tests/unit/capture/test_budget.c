// SPDX-License-Identifier: GPL-2.0
/*
 * What the programs may cost, in figures that do not depend on the machine's
 * mood: translated instructions, those that the verifier had to follow, and the
 * stack of the deepest chain of calls. A change that needs more raises the budget
 * here, and says why. And whether the older kernels' object loads at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/event.h"
#include "twsnoop.skel.h"
#include "twsnoop_legacy.skel.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct budget {
	const char *program;
	uint32_t translated; /* instructions */
	uint32_t verified;   /* instructions followed; 0 before Linux 5.16 */
	uint32_t stack;	     /* bytes; until 6.12 the kernel lets a chain of calls have 512 */
};

/* As `twsnoop trace` loads them on a recent kernel, and with --all. */
static const struct budget plain[] = {
	{ "tws_state", 3200, 15000, 480 },
	{ "tws_spare", 3200, 15000, 480 },
	{ "tws_drop", 180, 240, 160 },
	{ "tws_cgroup_mkdir", 140, 400, 64 },
	{ "tws_cgroup_rename", 140, 400, 64 },
	{ "tws_cgroup_rmdir", 140, 400, 64 },
};

/*
 * tws_drop also tells here which TIME_WAIT sockets a reset has killed; the other two what has
 * ended a connection that left none, twice, because one function for it would be one frame more;
 * and system calls are looked at, whose transitions tws_state joins to them: 230 instructions.
 */
static const struct budget all[] = {
	{ "tws_state", 5400, 38000, 480 },
	{ "tws_spare", 5400, 38000, 480 },
	{ "tws_drop", 410, 1050, 224 },
	{ "tws_cgroup_mkdir", 140, 400, 64 },
	{ "tws_cgroup_rename", 140, 400, 64 },
	{ "tws_cgroup_rmdir", 140, 400, 64 },
	{ "tws_connect_enter", 220, 280, 128 },
	{ "tws_connect_exit", 970, 1450, 256 },
	{ "tws_bind_enter", 200, 220, 128 },
	{ "tws_bind_exit", 850, 1300, 256 },
};

/* And with a filter, on a kernel whose kfree_skb names no socket (before 6.11): tws_segment instead. */
static const struct budget older[] = {
	{ "tws_state", 5330, 41500, 512 },
	{ "tws_spare", 5330, 41500, 512 },
	{ "tws_segment", 580, 2600, 192 }, /* each FIN twice: bound to its device, or to none */
};

/* As `twsnoop attach` does, which also says how far back the rings reach. (Whether who closes only looks
 * takes 110 of them.) */
static const struct budget attached[] = {
	{ "tws_state", 3570, 18500, 480 },
	{ "tws_spare", 3570, 18500, 480 },
	{ "tws_drop", 330, 3100, 224 },
	{ "tws_cgroup_mkdir", 140, 400, 64 },
	{ "tws_cgroup_rename", 140, 400, 64 },
	{ "tws_cgroup_rmdir", 140, 400, 64 },
};

/* ---- the stack ---- */

#define FUNCTIONS 64
#define INSNS 8192

/* What the kernel runs. It sums up the frames before it removes what is dead, but of that only
 * calls of what lives elsewhere count; the guests of the matrix have kernels with the limit. */
struct code {
	struct bpf_insn insns[INSNS];
	struct bpf_func_info functions[FUNCTIONS]; /* in their order */
	uint32_t depths[FUNCTIONS];		   /* of their frames, as the kernel rounds them up */
	uint32_t num_insns, num;
};

static void read_code(struct code *code, int fd)
{
	struct bpf_prog_info info = {
		.xlated_prog_insns = (uintptr_t)code->insns,
		.xlated_prog_len = sizeof(code->insns),
		.func_info = (uintptr_t)code->functions,
		.nr_func_info = FUNCTIONS,
		.func_info_rec_size = sizeof(code->functions[0]),
	};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_true(info.xlated_prog_insns); /* not withheld, as it is if constants are blinded */
	assert_in_range(info.nr_func_info, 1, FUNCTIONS);
	code->num = info.nr_func_info;
	code->num_insns = info.xlated_prog_len / sizeof(code->insns[0]);
	assert_in_range(code->num_insns, 1, INSNS);
}

/* "stack depth 8+104+16": of each function, in their order. */
static void read_depths(struct code *code, const char *log)
{
	const char *at = strstr(log, "stack depth ");
	char *end;

	assert_non_null(at);
	at += strlen("stack depth ");
	for (uint32_t i = 0; i < code->num; i++) {
		uint32_t depth = (uint32_t)strtoul(at, &end, 10);

		assert_true(end > at && *end == (i + 1 < code->num ? '+' : '\n'));
		code->depths[i] = ((depth ? depth : 1) + 31) / 32 * 32;
		at = end + 1;
	}
}

static uint32_t function_at(const struct code *code, uint32_t begin)
{
	uint32_t i = 0;

	while (i < code->num && code->functions[i].insn_off != begin)
		i++;
	assert_in_range(i, 0, code->num - 1);
	return i;
}

/* No function calls itself: the kernel would not have it. */
static uint32_t deepest_from(const struct code *code, uint32_t function)
{
	uint32_t end = function + 1 < code->num ? code->functions[function + 1].insn_off :
						  code->num_insns;
	uint32_t deepest = 0;

	for (uint32_t i = code->functions[function].insn_off; i < end; i++) {
		const struct bpf_insn *insn = &code->insns[i];
		uint32_t depth;

		if (insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg != BPF_PSEUDO_CALL)
			continue;
		depth = deepest_from(code, function_at(code, i + 1 + (uint32_t)insn->off));
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + code->depths[function];
}

/*
 * What each packet pays for that the host drops: the program itself, without the function that it
 * calls for a mini-socket. Two tests, no stack, no registers saved.
 */
static const struct {
	const char *program;
	uint32_t translated;
} drops[] = {
	{ "tws_drop", 8 },
	{ "tws_segment", 18 },
};

static void check_drop(const struct code *code, const char *program)
{
	for (size_t i = 0; i < COUNT(drops); i++) {
		if (strcmp(drops[i].program, program))
			continue;
		assert_in_range(code->num, 2, FUNCTIONS);
		print_message("%s: %u for a packet that is dropped\n", program,
			      code->functions[1].insn_off);
		assert_in_range(code->functions[1].insn_off, 1, drops[i].translated);
		assert_int_equal(code->depths[0], 32); /* none, rounded up */
	}
}

static void read_all(struct code *code, const struct bpf_program *prog, const char *log)
{
	memset(code, 0, sizeof(*code));
	read_code(code, bpf_program__fd(prog));
	read_depths(code, log);
}

/* ---- a program ---- */

#define LOG_STATS 4 /* the kernel's BPF_LOG_STATS */
#define LOG_BYTES 8192

static char logs[16][LOG_BYTES];

static void check(struct twsnoop_bpf *skel, const struct budget *b, const char *log)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(skel->obj, b->program);
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info), translated, stack;
	static struct code code;

	assert_non_null(prog);
	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	translated = info.xlated_prog_len / 8;
	read_all(&code, prog, log);
	stack = deepest_from(&code, 0);
	print_message("%s: %u translated, %u verified, %u bytes of stack\n", b->program,
		      translated, info.verified_insns, stack);
	assert_in_range(translated, 1, b->translated);
	assert_in_range(info.verified_insns, 0, b->verified);
	assert_in_range(stack, 32, b->stack);
	check_drop(&code, b->program);
}

/* As user/capture/tracer.c does. */
static void choose_drop(const struct bpf_object *obj, bool has_rx_sk)
{
	const char *other = has_rx_sk ? "tws_segment" : "tws_drop";

	bpf_program__set_autoload(bpf_object__find_program_by_name(obj, other), false);
}

enum { ALL = 1, ATTACHED = 2, FILTER = 4, NO_RX_SK = 8 };

static void check_all(const struct budget *budgets, size_t num, unsigned int how)
{
	struct twsnoop_bpf *skel = twsnoop_bpf__open();
	struct tws_settings *settings;

	assert_non_null(skel);
	settings = (struct tws_settings *)&skel->rodata->tws;
	settings->all = (how & ALL) != 0;
	settings->has_filter = (how & FILTER) != 0;
	settings->has_task_btf = settings->has_cookie = 1;
	settings->has_rx_sk = !(how & NO_RX_SK);
	choose_drop(skel->obj, settings->has_rx_sk);
	settings->attached = (how & ATTACHED) != 0;
	settings->sees_calls = settings->all;
	settings->has_task_storage = settings->all && settings->has_rx_sk;
	settings->open_mask = bpf_map__max_entries(skel->maps.tws_opens) - 1;
	settings->event_mask = bpf_map__max_entries(skel->maps.tws_events) - 1;
	settings->end_mask = bpf_map__max_entries(skel->maps.tws_ends) - 1;
	for (size_t i = 0; i < num; i++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(skel->obj,
									    budgets[i].program);

		assert_int_equal(bpf_program__set_log_level(prog, LOG_STATS), 0);
		assert_int_equal(bpf_program__set_log_buf(prog, logs[i], LOG_BYTES), 0);
	}
	assert_int_equal(twsnoop_bpf__load(skel), 0);
	for (size_t i = 0; i < num; i++)
		check(skel, &budgets[i], logs[i]);
	twsnoop_bpf__destroy(skel);
}

static void test_plain(void **state)
{
	(void)state;
	check_all(plain, COUNT(plain), 0);
}

static void test_all(void **state)
{
	(void)state;
	check_all(all, COUNT(all), ALL);
}

static void test_older(void **state)
{
	(void)state;
	check_all(older, COUNT(older), ALL | FILTER | NO_RX_SK);
}

static void test_attached(void **state)
{
	(void)state;
	check_all(attached, COUNT(attached), ATTACHED);
}

/*
 * The object for kernels before 5.12, with all that it may be told to do: what one verifier takes
 * because of how the compiler has arranged it, another may refuse. Here it is seen at once, and not
 * in a guest only.
 */
static void test_legacy_loads(void **state)
{
	(void)state;
	for (unsigned int how = 0; how < 2 * FILTER; how++) {
		struct twsnoop_legacy_bpf *skel = twsnoop_legacy_bpf__open();
		struct tws_settings *settings;

		assert_non_null(skel);
		settings = (struct tws_settings *)&skel->rodata->tws;
		settings->all = settings->sees_calls = (how & ALL) != 0;
		settings->has_filter = (how & FILTER) != 0;
		settings->attached = (how & ATTACHED) != 0;
		settings->open_mask = bpf_map__max_entries(skel->maps.tws_opens) - 1;
		choose_drop(skel->obj, false);
		assert_int_equal(twsnoop_legacy_bpf__load(skel), 0);
		twsnoop_legacy_bpf__destroy(skel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_attached),
		cmocka_unit_test(test_legacy_loads),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
