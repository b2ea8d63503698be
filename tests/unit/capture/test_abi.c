// SPDX-License-Identifier: GPL-2.0
/*
 * The layout of what crosses between the BPF objects and user space: the BTF of
 * both objects, as built, against user space's own offsets. And the budgets of
 * instructions: figures that do not depend on the machine's mood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/event.h"

#ifndef ABI_OBJECTS
#error "ABI_OBJECTS: the compiled BPF objects, comma-separated strings"
#endif

static const char *const objects[] = { ABI_OBJECTS };

struct field {
	const char *type, *name;
	size_t offset, size;
};

#define FIELD(type_, name_)                                                    \
	{ #type_, #name_, offsetof(struct type_, name_),                       \
	  sizeof(((struct type_ *)0)->name_) }

static const struct field fields[] = {
	FIELD(tws_conn, open_ns), FIELD(tws_conn, closer_start_ns), FIELD(tws_conn, cgroup_id),
	FIELD(tws_conn, tgid), FIELD(tws_conn, tid), FIELD(tws_conn, uid),
	FIELD(tws_conn, ns_tgid), FIELD(tws_conn, pid_ns), FIELD(tws_conn, opener_tgid),
	FIELD(tws_conn, comm), FIELD(tws_conn, thread_comm), FIELD(tws_conn, opener_comm),
	FIELD(tws_conn, side), FIELD(tws_conn, cause), FIELD(tws_conn, flags),
	FIELD(tws_conn, ifindex),
	FIELD(tws_event, action), FIELD(tws_event, family), FIELD(tws_event, end),
	FIELD(tws_event, error), FIELD(tws_event, time_ns), FIELD(tws_event, cookie),
	FIELD(tws_event, tx_bytes), FIELD(tws_event, rx_bytes), FIELD(tws_event, netns),
	FIELD(tws_event, local_port), FIELD(tws_event, peer_port),
	FIELD(tws_event, local_addr), FIELD(tws_event, peer_addr), FIELD(tws_event, conn),
	FIELD(tws_cgroup, action), FIELD(tws_cgroup, id), FIELD(tws_cgroup, path),
	FIELD(tws_key, local_addr), FIELD(tws_key, peer_addr), FIELD(tws_key, netns), FIELD(tws_key, ifindex),
	FIELD(tws_key, local_port), FIELD(tws_key, peer_port),
	FIELD(tws_ending, time_ns), FIELD(tws_ending, id), FIELD(tws_ending, unsent_bytes),
	FIELD(tws_ending, rx_bytes), FIELD(tws_ending, error), FIELD(tws_ending, action),
	FIELD(tws_ending, local_port), FIELD(tws_ending, peer_port),
	FIELD(tws_ending, peer_hash), FIELD(tws_proc, exec_id),
	FIELD(tws_ending, seq),
	FIELD(tws_record, event), FIELD(tws_record, seq), FIELD(tws_head, next),
	FIELD(tws_cpu, ring), FIELD(tws_cpu, written_over_ns), FIELD(tws_cpu, noted_process),
	FIELD(tws_pending, tw), FIELD(tws_pending, id), FIELD(tws_pending, cookie),
	FIELD(tws_pending, time_ns),
	FIELD(tws_proc_key, start_ns), FIELD(tws_proc_key, tgid),
	FIELD(tws_proc, len), FIELD(tws_proc, comm), FIELD(tws_proc, args),
	FIELD(tws_meta, magic), FIELD(tws_meta, layout), FIELD(tws_meta, flags),
	FIELD(tws_meta, wall_ns), FIELD(tws_meta, time_ns), FIELD(tws_meta, entries),
	FIELD(tws_meta, version), FIELD(tws_meta, ended_ns), FIELD(tws_meta, endings),
	FIELD(tws_meta, connections), FIELD(tws_meta, v1_subsys),
	FIELD(tws_meta, cgroup_hierarchy),
	FIELD(tws_cgroup_record, cgroup), FIELD(tws_cgroup_record, seq),
	FIELD(tws_counters, event_lost), FIELD(tws_cpu, listens),
	FIELD(tws_counters, table_full), FIELD(tws_counters, walk_failed),
	FIELD(tws_counters, cgroup_lost), FIELD(tws_counters, young_lost),
	FIELD(tws_settings, all), FIELD(tws_settings, has_task_btf),
	FIELD(tws_settings, has_cookie), FIELD(tws_settings, has_rx_sk),
	FIELD(tws_settings, has_filter), FIELD(tws_settings, cgroup_v1),
	FIELD(tws_settings, v1_subsys), FIELD(tws_settings, attached),
	FIELD(tws_settings, open_mask), FIELD(tws_settings, end_mask),
	FIELD(tws_settings, event_mask), FIELD(tws_settings, cgroup_hierarchy),
	FIELD(tws_settings, sees_calls), FIELD(tws_settings, has_task_storage),
	FIELD(tws_settings, may_miss),
	FIELD(tws_settings, filter),
	FIELD(tws_filter, num_pids), FIELD(tws_filter, family), FIELD(tws_filter, pids),
	FIELD(tws_filter, netns), FIELD(tws_filter, comms), FIELD(tws_filter, locals),
	FIELD(tws_filter, peers),
	FIELD(tws_prefix, addr), FIELD(tws_prefix, family), FIELD(tws_prefix, len),
	FIELD(tws_prefix, port), FIELD(tws_prefix, ifindex), FIELD(tws_prefix, netns),
};

static const struct {
	const char *type;
	size_t size;
} sizes[] = {
	{ "tws_conn", sizeof(struct tws_conn) },	 { "tws_event", sizeof(struct tws_event) },
	{ "tws_cgroup", sizeof(struct tws_cgroup) },
	{ "tws_cgroup_record", sizeof(struct tws_cgroup_record) },
	{ "tws_key", sizeof(struct tws_key) },
	{ "tws_ending", sizeof(struct tws_ending) },	 { "tws_record", sizeof(struct tws_record) },
	{ "tws_cpu", sizeof(struct tws_cpu) },	 { "tws_meta", sizeof(struct tws_meta) },
	{ "tws_proc", sizeof(struct tws_proc) },
	{ "tws_pending", sizeof(struct tws_pending) },	 { "tws_filter", sizeof(struct tws_filter) },
	{ "tws_counters", sizeof(struct tws_counters) }, { "tws_settings", sizeof(struct tws_settings) },
};

static const struct btf_type *find_type(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

static void check_field(const char *path, const struct btf *btf, const struct field *f)
{
	const struct btf_type *t = find_type(btf, f->type);
	const struct btf_member *m;

	if (!t) /* one of the two objects does not use it */
		return;
	m = btf_members(t);
	for (int i = 0; i < btf_vlen(t); i++, m++) {
		if (strcmp(btf__name_by_offset(btf, m->name_off), f->name))
			continue;
		if (btf_member_bit_offset(t, i) != f->offset * 8 ||
		    btf__resolve_size(btf, m->type) != (long long)f->size)
			fail_msg("%s: struct %s: %s is elsewhere", path, f->type, f->name);
		return;
	}
	fail_msg("%s: struct %s has no %s", path, f->type, f->name);
}

static void test_layouts(void **state)
{
	(void)state;
	for (size_t o = 0; o < sizeof(objects) / sizeof(objects[0]); o++) {
		struct btf *btf = btf__parse_elf(objects[o], NULL);

		assert_non_null(btf);
		assert_non_null(find_type(btf, "tws_event"));
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			check_field(objects[o], btf, &fields[i]);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			const struct btf_type *t = find_type(btf, sizes[i].type);

			if (t)
				assert_int_equal(t->size, sizes[i].size);
		}
		btf__free(btf);
	}
}

/* CO-RE would look for a field where another struct has it: see struct syscall_enter. */
static void test_system_calls_contexts(void **state)
{
	(void)state;
	for (size_t o = 0; o < sizeof(objects) / sizeof(objects[0]); o++) {
		struct btf *btf = btf__parse_elf(objects[o], NULL);

		assert_non_null(btf);
		assert_non_null(find_type(btf, "syscall_enter"));
		assert_null(find_type(btf, "trace_event_raw_sys_enter"));
		assert_null(find_type(btf, "trace_event_raw_sys_exit"));
		btf__free(btf);
	}
}

/* Words that both sides compare and copy as such. */
static void test_sizes_are_whole_words(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct tws_event) % 8, 0);
	assert_int_equal(sizeof(struct tws_ending), 64);
	assert_int_equal(sizeof(struct tws_record), 192);
	assert_int_equal(sizeof(struct tws_head), 64);
	assert_int_equal(sizeof(struct tws_key) % 8, 0);
	assert_int_equal(offsetof(struct tws_event, local_addr) % 8, 0);
	assert_int_equal(offsetof(struct tws_event, peer_addr) % 8, 0);
	assert_int_equal(offsetof(struct tws_conn, comm) % 8, 0);
	assert_int_equal(offsetof(struct tws_filter, comms) % 8, 0);
	assert_int_equal(offsetof(struct tws_prefix, addr) % 8, 0);
	assert_int_equal(sizeof(struct tws_prefix) % 8, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_system_calls_contexts),
		cmocka_unit_test(test_sizes_are_whole_words),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
