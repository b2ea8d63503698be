// SPDX-License-Identifier: GPL-2.0
#include "commands/check_words.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

const char *const check_state_words[] = {
	[FEATURE_UNPROBED] = "unknown",
	[FEATURE_MISSING] = "no",
	[FEATURE_PRESENT] = "yes",
};

const char *const check_cgroup_words[] = {
	[CGROUP_NONE] = "none",
	[CGROUP_V1] = "v1",
	[CGROUP_V2] = "v2",
	[CGROUP_HYBRID] = "hybrid",
};

bool check_words__is_atomic(const struct findings *f)
{
	return f->kernel.atomics.state == FEATURE_PRESENT;
}

bool check_words__follows_sockets(const struct findings *f)
{
	return f->kernel.rx_sk.state == FEATURE_PRESENT;
}

const char *check_words__healing(const struct findings *f)
{
	const char *reach = findings__healing(f);

	if (!strcmp(reach, "none"))
		return "not found again\n";
	if (!strcmp(reach, "own"))
		return "found again in one's own network namespace\n";
	return !strcmp(reach, "all") ? "found again in all network namespaces\n" :
				       "found again in network namespaces with a name\n";
}

const char *check_words__sockets(const struct findings *f)
{
	if (!findings__read_sockets(f))
		return "not listed\n";
	return strcmp(f->sockets, "iterator") ? "listed by sock_diag\n" :
						"listed by a BPF iterator\n";
}

const char *check_words__lockdown_note(const struct kernel *k)
{
	if (k->lockdown_asked)
		return "asked for at boot; securityfs, which would tell, is not mounted";
	if (k->lockdown[0])
		return NULL;
	return k->securityfs ? "this kernel has none" :
			       "securityfs is not mounted: run as root, or mount -t securityfs "
			       "securityfs /sys/kernel/security";
}

const char *check_words__lockdown(const struct kernel *k)
{
	return k->lockdown[0] ? k->lockdown : k->securityfs ? "none" : "unknown";
}

static const struct check_ledger ledger_rows[] = {
	[PINS_NONE] = { "none", "no",
			"'twsnoop attach' lets the kernel keep owners from then on" },
	[PINS_ATTACHED] = { "attached", "yes", NULL },
	[PINS_OTHER] = { "other_layout", "other",
			 "its layout is of another version: 'twsnoop detach', then 'twsnoop "
			 "attach'" },
	[PINS_PARTIAL] = { "interrupted", "half",
			   "an attach or detach was interrupted: 'twsnoop detach' cleans up" },
	[PINS_BUSY] = { "busy", "not yet", "'twsnoop attach' is at work" },
	[PINS_FOREIGN] = { "untrusted", "unknown",
			   "what is there is not root's alone: look at it, and remove it" },
};

const struct check_ledger *check_words__ledger(const struct findings *f)
{
	static const struct check_ledger usual = {
		"no_bpffs", "no", "no bpffs is mounted at " PINS_BPFFS ": 'twsnoop attach' mounts it"
	};
	static const struct check_ledger no_bpffs = {
		"no_bpffs", "no", "no bpffs is mounted there: mount -t bpf bpf DIR"
	};
	static const struct check_ledger denied = {
		"unknown", "unknown", "root alone may look: run as root"
	};
	static const struct check_ledger failed = { "unknown", "unknown", "it cannot be read" };

	switch (f->ledger_error) {
	case 0:
		return &ledger_rows[f->ledger.state];
	case -ENODEV:
		return strcmp(f->bpffs, PINS_BPFFS) ? &no_bpffs : &usual;
	case -EPERM:
	case -EACCES:
		return &denied;
	default:
		return &failed;
	}
}

uint64_t check_words__reach_ns(const struct pins_status *ledger)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	return ledger->oldest_ns && ledger->oldest_ns < now_ns ? now_ns - ledger->oldest_ns : 0;
}

uint64_t check_words__rate(const struct pins_status *ledger)
{
	return ledger->window_ns ?
		       (uint64_t)((double)ledger->recent * 1e9 / (double)ledger->window_ns) : 0;
}

uint64_t check_words__reach_at_rate_ns(const struct pins_status *ledger)
{
	double reach_ns = ledger->recent ? (double)ledger->meta.entries /
					   (double)ledger->recent * (double)ledger->window_ns : 0;

	return reach_ns < (double)INT64_MAX ? (uint64_t)reach_ns : INT64_MAX;
}
