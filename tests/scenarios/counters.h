/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The second referee: what the kernel itself counted in a network namespace. A scenario's
 * namespace is new, so that all it counts is the scenario's doing.
 */
#ifndef SCENARIOS_COUNTERS_H
#define SCENARIOS_COUNTERS_H

#include <stdbool.h>
#include <sys/types.h>

/* By their names in /proc/net/netstat and /proc/net/snmp. */
struct counters {
	bool known;
	unsigned long abort_on_data;	/* TcpExt TCPAbortOnData */
	unsigned long abort_on_close;	/* TCPAbortOnClose */
	unsigned long abort_on_memory;	/* TCPAbortOnMemory */
	unsigned long abort_on_linger;	/* TCPAbortOnLinger */
	unsigned long abort_on_timeout; /* TCPAbortOnTimeout */
	unsigned long overflow;		/* TCPTimeWaitOverflow */
	unsigned long minis;		/* TW: mini-sockets that got a timer of over 4 seconds */
	unsigned long recycled;		/* TWRecycled: connect() took a TIME_WAIT socket's place */
	unsigned long attempt_fails;	/* Tcp AttemptFails: tcp_done() in SYN_SENT or SYN_RECV */
	unsigned long estab_resets;	/* EstabResets: CLOSE from ESTABLISHED or CLOSE_WAIT */
};

/* Reads those of the namespace that process pid is in. On failure c->known is false. */
void counters__read(pid_t pid, struct counters *c);

#endif
