/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The truth about one end of a connection: what a scenario did to it, and so which events
 * twsnoop has to print for it. Lives in memory shared between the scenario and the judge.
 */
#ifndef SCENARIOS_TRUTH_H
#define SCENARIOS_TRUTH_H

#include "counters.h"
#include "net.h"

#include <sys/types.h>

enum action {
	ACT_TIME_WAIT,
	ACT_FIN_WAIT2,
	ACT_TIME_WAIT_END,
	ACT_RESET,
	ACT_ABORT,
	ACT_TIMEOUT,
	ACT_OVERFLOW,
	ACT_PASSIVE_CLOSE,
	ACT_CONNECT_FAILED,
	ACT_BIND_FAILED,
	ACT_UNKNOWN,
	ACT_NR,
};
#define A(x) (1u << ACT_##x)

/* tcp.cause, tcp.side and tcp.end as masks of what is right. */
enum {
	CAUSE_CLOSE = 1,
	CAUSE_SHUTDOWN = 2,
	CAUSE_EXIT = 4,
	CAUSE_KERNEL = 8,
	CAUSE_UNKNOWN = 16,
	CAUSE_DISCONNECT = 32,
	CAUSE_DESTROY = 64,
	CAUSE_ICMP = 128,
};
enum { SIDE_CLIENT = 1, SIDE_SERVER = 2, SIDE_UNKNOWN = 4 };
enum {
	END_EXPIRED = 1,
	END_CONNECT = 2,
	END_SYN = 4,
	END_RESET = 8,
	END_PURGED = 16,
	END_UNKNOWN = 32,
};

struct truth {
	char label[16];		/* "client", "server", ... for messages */
	struct tuple t;
	unsigned int nth;	/* which connection of this tuple, from 0 */

	unsigned int once;	/* actions that must come exactly once each */
	unsigned int one_of;	/* exactly one event among these */
	unsigned int maybe;	/* at most once each */
	unsigned int who_on;	/* actions that must name the process */

	pid_t pid;		/* 0: nobody closed, a named process is wrong */
	bool pid_optional;	/* it may be missing, but never be another */
	pid_t pid_alt;		/* also right, when not 0 (names are not checked then) */
	pid_t tid;		/* 0: not checked */
	char name[16];		/* "": not checked */
	char name_alt[16];	/* also right, when not "" */
	char tname[16];		/* the thread's name, "" not checked; a trailing '*' is a prefix */
	long uid;		/* -1: not checked */
	pid_t opener;		/* 0: not checked */
	bool opener_optional;
	unsigned int causes;	/* 0: not checked */
	unsigned int sides;	/* 0: not checked */
	unsigned int ends;	/* tcp.end of a time_wait_end event, 0: not checked */
	char ifname[16];	/* network.interface.name, "": has to be absent */
	int errno_;		/* tcp.errno, 0: not checked */
	long tx_bytes;		/* -1: not checked */
	long rx_bytes;
	uint64_t life_min_ns;	/* the connection lived at least so long */
	uint64_t life_max_ns;	/* 0: not checked */
	uint64_t cookie;	/* 0: not checked */
	bool uncounted;		/* the kernel has no counter for such an abort */
};

#define TRUTHS_MAX 64

enum verdict { V_PENDING, V_DONE, V_FAIL, V_SKIP };

/* What a scenario's stage hands to the judge. */
struct record {
	enum verdict verdict;
	char why[256];
	uint64_t netns;
	uint64_t begin_real_ns;
	uint64_t end_real_ns;
	bool healed_ok;		/* a snapshot may tell of an event as well as the kernel side */
	bool strays_ok;		/* events of other connections than the truths' are no fault */
	struct counters counters; /* of the namespace, in the end; not of all kinds of runs */
	unsigned int ntruths;
	struct truth truths[TRUTHS_MAX];
};

#endif
