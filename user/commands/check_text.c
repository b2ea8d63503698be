// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "commands/check_words.h"

#define TITLE_COLUMNS 21
#define VALUE_COLUMNS 10
#define MINUTE_NS 60000000000ULL

static void put_escaped(struct outbuf *ob, const char *s)
{
	escape__text(ob, s, strlen(s));
}

static void put_padded(struct outbuf *ob, const char *s, size_t columns)
{
	size_t len = strlen(s);

	outbuf__text(ob, s);
	outbuf__fill(ob, ' ', len < columns ? columns - len : 1);
}

static void begin_row(struct outbuf *ob, const char *title)
{
	outbuf__lit(ob, "  ");
	put_padded(ob, title, TITLE_COLUMNS);
}

/* All but the end of the line; @note may be NULL. */
static void put_row(struct outbuf *ob, const char *title, const char *value, const char *note)
{
	begin_row(ob, title);
	if (!note) {
		outbuf__text(ob, value);
		return;
	}
	put_padded(ob, value, VALUE_COLUMNS);
	outbuf__text(ob, note);
}

static void put_feature(struct outbuf *ob, const char *title, const struct feature *f,
			const char *purpose)
{
	put_row(ob, title, check_state_words[f->state], purpose);
	if (f->state == FEATURE_UNPROBED && f->error) {
		outbuf__lit(ob, " (not probed: ");
		outbuf__text(ob, strerror(f->error));
		outbuf__char(ob, ')');
	}
	outbuf__char(ob, '\n');
}

static void put_memory(struct outbuf *ob, const struct kernel *k)
{
	bool limited = k->memcg.state == FEATURE_MISSING;

	begin_row(ob, "memory limit");
	if (limited && k->memlock_bytes != UINT64_MAX) {
		outbuf__u64(ob, k->memlock_bytes >> 10);
		outbuf__lit(ob, " KiB of locked memory (ulimit -l)\n");
		return;
	}
	outbuf__text(ob, k->memcg.state == FEATURE_PRESENT ? "the cgroup's" :
			 limited			   ? "none" :
							     "unknown");
	outbuf__char(ob, '\n');
}

static void put_cgroups(struct outbuf *ob, const struct kernel *k)
{
	const char *path = k->v1_controller[0] ? k->v1_path : k->cgroup2_path;

	put_row(ob, "cgroups", check_cgroup_words[k->cgroup],
		path[0] ? "containers told apart by " : NULL);
	if (path[0]) {
		outbuf__text(ob, k->v1_controller[0] ? k->v1_controller : "v2");
		outbuf__lit(ob, ", ");
		put_escaped(ob, path);
	}
	outbuf__char(ob, '\n');
}

static void put_kernel(struct outbuf *ob, const struct findings *f)
{
	const struct kernel *k = &f->kernel;

	outbuf__lit(ob, "twsnoop " TWSNOOP_VERSION " on Linux ");
	put_escaped(ob, k->release);
	outbuf__lit(ob, "\n\nKernel\n");
	for (size_t i = 0; i < findings_num_features; i++)
		put_feature(ob, findings_features[i].title,
			    findings__feature(f, &findings_features[i]),
			    findings_features[i].purpose);
	put_feature(ob, "socket iterator", &f->iterator, "in the place of sock_diag");
	put_row(ob, "sockets", check_words__sockets(f), NULL);
	put_feature(ob, "system calls", &f->calls, "connect() and bind() that fail, with --all");
	put_feature(ob, "programs load", &f->programs, "the real ones, attached to nothing");
	put_memory(ob, k);
	put_row(ob, "BPF statistics",
		k->bpf_stats < 0 ? "unknown" :
		k->bpf_stats	 ? "on" :
				   "off",
		"kernel.bpf_stats_enabled: time for each run\n");
	put_row(ob, "lockdown", check_words__lockdown(k), check_words__lockdown_note(k));
	outbuf__char(ob, '\n');
	put_cgroups(ob, k);
}

static void put_privileges(struct outbuf *ob, const struct findings *f)
{
	outbuf__lit(ob, "\nPrivileges\n");
	for (size_t i = 0; i < findings_num_caps; i++) {
		put_row(ob, findings_caps[i].name, findings__hold(f, &findings_caps[i]) ? "yes" : "no",
			findings_caps[i].purpose);
		outbuf__text(ob, findings_caps[i].required ? " (required)\n" : "\n");
	}
}

static void put_tracing(struct outbuf *ob, const struct findings *f)
{
	outbuf__lit(ob, "\nTracing\n");
	if (f->why_not) {
		put_row(ob, "possible", "no", f->why_not);
		outbuf__char(ob, '\n');
		return;
	}
	put_row(ob, "possible", "yes\n", NULL);
	put_row(ob, "hooks", "tp_btf on sock:inet_sock_set_state and skb:kfree_skb\n", NULL);
	put_row(ob, "connections",
		check_words__is_atomic(f) ? "atomic table\n" : "hash map (kernel before 5.12)\n", NULL);
	put_row(ob, "FIN_WAIT2",
		check_words__follows_sockets(f) ? "followed by socket\n" :
				     "followed by segment (kernel before 6.11)\n",
		NULL);
	put_row(ob, "missed events", check_words__healing(f), NULL);
	for (size_t i = 0; i < f->num_losses; i++) {
		outbuf__text(ob, i ? "\n  - " : "\nWhat is lost\n  - ");
		outbuf__text(ob, f->losses[i].what);
		outbuf__lit(ob, "\n    because: ");
		outbuf__text(ob, f->losses[i].because);
		outbuf__lit(ob, "\n    remedy:  ");
		outbuf__text(ob, f->losses[i].remedy);
	}
	outbuf__text(ob, f->num_losses ? "\n" : "\nNothing is lost.\n");
}

/* "  title   1234    note" */
static void put_number(struct outbuf *ob, const char *title, uint64_t number, const char *note)
{
	char digits[FMT_U64_MAX + 1];

	digits[fmt__u64(digits, number)] = '\0';
	put_row(ob, title, digits, note);
	outbuf__char(ob, '\n');
}

/* How long a look back may be, if it goes on as it does. */
static void put_rate(struct outbuf *ob, const struct pins_status *ledger)
{
	uint64_t reach_ns = check_words__reach_at_rate_ns(ledger);
	char reach[FMT_SHORT_MAX + 1];

	if (!reach_ns)
		return;
	reach[fmt__lifetime(reach, reach_ns)] = '\0';
	put_row(ob, "will reach", reach, "back at the present rate, ");
	outbuf__u64(ob, check_words__rate(ledger));
	outbuf__lit(ob, " records a second\n");
}

static void put_attached(struct outbuf *ob, const struct pins_status *ledger)
{
	uint64_t reach_ns = check_words__reach_ns(ledger);
	char since[PINS_SINCE_BYTES], reach[FMT_SHORT_MAX + 1];

	outbuf__lit(ob, "since ");
	outbuf__text(ob, pins__since(&ledger->meta, since));
	outbuf__lit(ob, ", by twsnoop ");
	put_escaped(ob, ledger->meta.version);
	outbuf__char(ob, '\n');
	put_row(ob, "records", !(ledger->meta.flags & TWS_META_ALL) ? "TIME_WAIT" :
		ledger->meta.flags & TWS_META_CALLS ? "all, system calls" : "all",
		ledger->meta.flags & TWS_META_LEGACY ?
			"for 'twsnoop list' alone: before Linux 5.12 nothing else can read them\n" :
			"for 'twsnoop trace' and 'twsnoop list', any number at once\n");
	put_number(ob, "owners kept", ledger->meta.entries, "of the last closes");
	if (!(ledger->meta.flags & TWS_META_LEGACY))
		put_number(ob, "written so far", ledger->written, "closes");
	if (reach_ns) {
		reach[fmt__lifetime(reach, reach_ns)] = '\0';
		put_row(ob, "reaches back", reach,
			reach_ns < MINUTE_NS ?
				"less than TIME_WAIT's minute: attach with a larger --size\n" :
				"older ones were written over\n");
	}
	put_rate(ob, ledger);
	put_number(ob, "lost", ledger->counters.young_lost,
		   ledger->counters.young_lost ?
			   "written over within a minute: attach with a larger --size" :
			   "written over within a minute");
	put_number(ob, "table full", ledger->counters.table_full,
		   ledger->counters.table_full ?
			   "connections: attach with a larger --max-connections" :
			   "connections");
	put_number(ob, "skipped", ledger->recursion + ledger->counters.walk_failed,
		   "calls of a program, an upper bound of what was missed");
	put_number(ob, "memory", ledger->memory_bytes >> 10, "KiB of the kernel's");
}

static void put_ledger(struct outbuf *ob, const struct findings *f)
{
	const struct check_ledger *row = check_words__ledger(f);

	outbuf__lit(ob, "\nLedger\n");
	put_row(ob, "attached", row->title, row->note ?: "");
	if (findings__has_ledger(f))
		put_attached(ob, &f->ledger);
	else
		outbuf__char(ob, '\n');
}

void check_text__put(struct outbuf *ob, const struct findings *f)
{
	put_kernel(ob, f);
	put_privileges(ob, f);
	put_ledger(ob, f);
	put_tracing(ob, f);
}
