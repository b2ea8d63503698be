// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "base/fmt.h"
#include "base/json.h"
#include "commands/check_words.h"

static void json_feature(struct outbuf *ob, const char *key, const struct feature *f)
{
	static const char *const words[] = { "unprobed", "missing", "present" };

	json__open(ob, key, '{');
	json__string(ob, "state", words[f->state]);
	if (f->state == FEATURE_UNPROBED && f->error) {
		json__u64(ob, "errno", f->error);
		json__string(ob, "error", strerror(f->error));
	}
	json__close(ob, '}');
}

static void json_kernel(struct outbuf *ob, const struct findings *f)
{
	const struct kernel *k = &f->kernel;

	json__open(ob, "kernel", '{');
	json__string(ob, "release", k->release);
	json__string(ob, "sockets", f->sockets);
	json__string(ob, "lockdown", check_words__lockdown(k));
	json__string(ob, "lockdown_note", check_words__lockdown_note(k));
	if (k->bpf_stats >= 0)
		json__bool(ob, "bpf_stats_enabled", k->bpf_stats);
	if (k->memcg.state == FEATURE_MISSING && k->memlock_bytes != UINT64_MAX)
		json__u64(ob, "memlock_bytes", k->memlock_bytes);
	json__open(ob, "features", '{');
	for (size_t i = 0; i < findings_num_features; i++)
		json_feature(ob, findings_features[i].key,
			     findings__feature(f, &findings_features[i]));
	json_feature(ob, "memory_by_cgroup", &k->memcg);
	json_feature(ob, "socket_iterator", &f->iterator);
	json_feature(ob, "syscall_tracepoints", &f->calls);
	json_feature(ob, "programs", &f->programs);
	json__close(ob, '}');
	json__close(ob, '}');
}

static void json_cgroups(struct outbuf *ob, const struct kernel *k)
{
	json__open(ob, "cgroup", '{');
	json__string(ob, "mode", check_cgroup_words[k->cgroup]);
	json__string(ob, "v2_path", k->cgroup2_path);
	json__string(ob, "v1_controller", k->v1_controller);
	json__string(ob, "v1_path", k->v1_path);
	if (k->v1_subsys >= 0)
		json__u64(ob, "v1_subsys", k->v1_subsys);
	json__close(ob, '}');
}

static void json_capabilities(struct outbuf *ob, const struct findings *f)
{
	json__open(ob, "capabilities", '[');
	for (size_t i = 0; i < findings_num_caps; i++) {
		json__open(ob, NULL, '{');
		json__string(ob, "name", findings_caps[i].name);
		json__bool(ob, "held", findings__hold(f, &findings_caps[i]));
		json__bool(ob, "required", findings_caps[i].required);
		json__string(ob, "purpose", findings_caps[i].purpose);
		json__close(ob, '}');
	}
	json__close(ob, ']');
}

static void json_tracing(struct outbuf *ob, const struct findings *f)
{
	json__open(ob, "tracing", '{');
	json__bool(ob, "possible", !f->why_not);
	json__string(ob, "why_not", f->why_not);
	if (!f->why_not) {
		json__string(ob, "hooks", "tp_btf");
		json__string(ob, "connections",
			     check_words__is_atomic(f) ? "atomic_table" : "hash_map");
		json__string(ob, "fin_wait2",
			     check_words__follows_sockets(f) ? "socket" : "segment");
		json__string(ob, "missed_events", findings__healing(f));
	}
	json__open(ob, "losses", '[');
	for (size_t i = 0; i < f->num_losses; i++) {
		json__open(ob, NULL, '{');
		json__string(ob, "what", f->losses[i].what);
		json__string(ob, "because", f->losses[i].because);
		json__string(ob, "remedy", f->losses[i].remedy);
		json__close(ob, '}');
	}
	json__close(ob, ']');
	json__close(ob, '}');
}

static void json_time(struct outbuf *ob, const char *key, uint64_t wall_ns)
{
	char text[FMT_SECOND_LEN + 2];
	size_t len = fmt__second(text, wall_ns / 1000000000);

	text[len] = 'Z';
	text[len + 1] = '\0';
	json__string(ob, key, text);
}

static void json_attached(struct outbuf *ob, const struct pins_status *ledger)
{
	uint64_t reach_ns = check_words__reach_ns(ledger);

	json__u64(ob, "entries", ledger->meta.entries);
	if (!(ledger->meta.flags & TWS_META_LEGACY))
		json__u64(ob, "written", ledger->written);
	if (reach_ns)
		json__u64(ob, "reach_ns", reach_ns);
	if (check_words__reach_at_rate_ns(ledger)) {
		json__u64(ob, "rate_per_s", check_words__rate(ledger));
		json__u64(ob, "reach_at_rate_ns", check_words__reach_at_rate_ns(ledger));
	}
	json__bool(ob, "all", ledger->meta.flags & TWS_META_ALL);
	json__bool(ob, "syscalls", ledger->meta.flags & TWS_META_CALLS);
	json__bool(ob, "readable", !(ledger->meta.flags & TWS_META_LEGACY));
	json__u64(ob, "lost", ledger->counters.young_lost);
	json__u64(ob, "map_full", ledger->counters.table_full);
	json__u64(ob, "recursion", ledger->recursion + ledger->counters.walk_failed);
	json__u64(ob, "memory_bytes", ledger->memory_bytes);
}

static void json_ledger(struct outbuf *ob, const struct findings *f)
{
	const struct check_ledger *row = check_words__ledger(f);

	json__open(ob, "ledger", '{');
	json__string(ob, "state", row->key);
	json__string(ob, "note", row->note);
	json__string(ob, "bpffs", f->bpffs);
	if (findings__has_ledger(f) || findings__has_other_ledger(f)) {
		json_time(ob, "since", f->ledger.meta.wall_ns);
		json__string(ob, "version", f->ledger.meta.version);
	}
	if (findings__has_ledger(f))
		json_attached(ob, &f->ledger);
	json__close(ob, '}');
}

void check_json__put(struct outbuf *ob, const struct findings *f)
{
	json__open(ob, NULL, '{');
	json__string(ob, "version", TWSNOOP_VERSION);
	json_kernel(ob, f);
	json_cgroups(ob, &f->kernel);
	json_capabilities(ob, f);
	json_tracing(ob, f);
	json_ledger(ob, f);
	json__close(ob, '}');
	outbuf__char(ob, '\n');
}
