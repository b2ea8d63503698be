/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A running `twsnoop trace --json` and the events that it has printed so far.
 */
#ifndef SCENARIOS_TRACER_H
#define SCENARIOS_TRACER_H

#include "truth.h"

#include <stddef.h>

struct event {
	struct tuple t;
	enum action action;
	uint64_t timestamp_ns;	/* CLOCK_REALTIME */
	uint64_t seen_ns;	/* when its line was read, CLOCK_REALTIME */
	pid_t pid;		/* 0: no process */
	pid_t tid;
	char name[64];
	char tname[64];
	long uid;		/* -1: absent */
	pid_t opener;		/* 0: absent */
	unsigned int cause;	/* CAUSE_*, 0: absent */
	unsigned int side;
	unsigned int end;
	int errno_;
	char ifname[16];	/* network.interface.name */
	uint64_t cookie;	/* 0: absent */
	long life_ns;		/* -1: absent */
	long tx_bytes;
	long rx_bytes;
	bool healed;		/* event.source is "snapshot": found in the kernel's table later */
	bool matched;
};

/* With a recorder: every trace is told to read that. */
extern const char *tracer__bpffs;

/* The accounting line on stderr. */
struct account {
	bool seen;
	unsigned long delivered, lost, map_full, recursion, snapshot, unattributed;
};

struct tracer {
	pid_t pid;
	int out_fd;
	int err_fd;
	char *out;		/* the unfinished line */
	size_t out_len, out_cap;
	char err[16384];	/* all of stderr, as much as fits */
	size_t err_len;
	struct event *events;
	size_t nevents, events_cap;
	unsigned long lines;
	unsigned long bad_lines;
	char bad[256];		/* the first line that breaks the contract, and why */
	struct account account;	/* the last one printed */
	int naccounts;
	bool echo;		/* copy each line to stderr */
	bool defer;		/* only count the lines until tracer__stop(): a reader that keeps up */
	const uint64_t *netns;	/* sorted; when set, events of others are counted but not kept */
	size_t nnetns;
};

const char *action__name(enum action a);

/*
 * Starts PATH with the arguments (NULL at the end) and waits until it traces. Returns 0,
 * or -errno; -EIO when it ended first (t->err then has its words). Free with tracer__free().
 */
int tracer__start(struct tracer *t, const char *path, const char *const args[]);
/* Runs twsnoop at @path with these descriptors; it ends with its parent. As fork(2). */
pid_t tracer__fork(const char *path, const char *const args[], int out, int err);
/* The two halves of tracer__start(), to start several at a time. */
int tracer__spawn(struct tracer *t, const char *path, const char *const args[]);
int tracer__await_start(struct tracer *t);
/* Reads what there is, waiting at most timeout_ms. Returns 1, or 0 at the end of output. */
int tracer__pump(struct tracer *t, int timeout_ms);
/* Sends a signal (0: none), reads to the end, waits. Returns the wait status, or -1. */
int tracer__stop(struct tracer *t, int sig);
/* Pumps until n accounting lines have been seen. 0 or -ETIMEDOUT. */
int tracer__await_account(struct tracer *t, int n, int deadline_ms);
/* Pumps until at least n events are there. 0 or -ETIMEDOUT. */
int tracer__await_events(struct tracer *t, size_t n, int deadline_ms);
/*
 * From now on keeps only the events of these namespaces (sorted inode numbers, the caller's
 * array): a busy host makes many others.
 */
void tracer__keep(struct tracer *t, const uint64_t *netns, size_t n);
void tracer__free(struct tracer *t);

/* Reads one line of twsnoop's JSON. 0, or -EINVAL with *why set. */
int event__parse(const char *line, size_t len, struct event *ev, const char **why);

#endif
