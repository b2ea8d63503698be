// SPDX-License-Identifier: GPL-2.0
#include "model/names.h"

#include <errno.h>

#include "bpf/event.h"
#include "model/record.h"

#define WORD(literal) { literal, sizeof(literal) - 1 }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct word unknown = WORD("unknown");

static const struct word actions[TWS_ACTION_END] = {
	[TWS_TIME_WAIT] = WORD("time_wait"),
	[TWS_FIN_WAIT2] = WORD("fin_wait2"),
	[TWS_TIME_WAIT_END] = WORD("time_wait_end"),
	[TWS_RESET] = WORD("reset"),
	[TWS_ABORT] = WORD("abort"),
	[TWS_TIMEOUT] = WORD("timeout"),
	[TWS_OVERFLOW] = WORD("overflow"),
	[TWS_PASSIVE_CLOSE] = WORD("passive_close"),
	[TWS_CONNECT_FAILED] = WORD("connect_failed"),
	[TWS_BIND_FAILED] = WORD("bind_failed"),
	[TWS_LISTEN] = WORD("listen"),
	[TWS_UNLISTEN] = WORD("unlisten"),
	[TWS_OPEN] = WORD("open"),
	[TWS_FIN] = WORD("fin"),
	[TWS_ENTERED] = WORD("entered"),
	[TWS_GONE] = WORD("gone"),
	[TWS_BYTES] = WORD("bytes"),
};

static const struct word sides[TWS_SIDE_END] = {
	[TWS_SIDE_UNKNOWN] = WORD("unknown"),
	[TWS_SIDE_CLIENT] = WORD("client"),
	[TWS_SIDE_SERVER] = WORD("server"),
};

static const struct word causes[TWS_CAUSE_END] = {
	[TWS_CAUSE_UNKNOWN] = WORD("unknown"),	 [TWS_CAUSE_CLOSE] = WORD("close"),
	[TWS_CAUSE_SHUTDOWN] = WORD("shutdown"), [TWS_CAUSE_EXIT] = WORD("exit"),
	[TWS_CAUSE_KERNEL] = WORD("kernel"),	 [TWS_CAUSE_DISCONNECT] = WORD("disconnect"),
	[TWS_CAUSE_DESTROY] = WORD("destroy"),	 [TWS_CAUSE_ICMP] = WORD("icmp"),
};

static const struct word ends[TWS_END_END] = {
	[TWS_END_UNKNOWN] = WORD("unknown"),
	[TWS_END_EXPIRED] = WORD("expired"),
	[TWS_END_REUSED_BY_CONNECT] = WORD("reused_by_connect"),
	[TWS_END_REUSED_BY_SYN] = WORD("reused_by_syn"),
	[TWS_END_RESET] = WORD("reset"),
	[TWS_END_PURGED] = WORD("purged"),
};

static const struct word evidences[] = {
	[OWNER_UNKNOWN] = WORD("unknown"),
	[OWNER_SEEN] = WORD("seen"),
	[OWNER_INFERRED] = WORD("inferred"),
	[OWNER_HOLDS] = WORD("holds"),
};

/* include/net/tcp_states.h */
static const struct word states[] = {
	[1] = WORD("established"), [2] = WORD("syn_sent"),   [3] = WORD("syn_recv"),
	[4] = WORD("fin_wait1"),   [5] = WORD("fin_wait2"),  [6] = WORD("time_wait"),
	[7] = WORD("close"),	   [8] = WORD("close_wait"), [9] = WORD("last_ack"),
	[10] = WORD("listen"),	   [11] = WORD("closing"),   [12] = WORD("syn_recv"),
};

static const struct word *find(const struct word *words, size_t count, unsigned int value)
{
	return value < count && words[value].text ? &words[value] : &unknown;
}

const struct word *names__action(unsigned int action)
{
	return find(actions, COUNT(actions), action);
}

const struct word *names__side(unsigned int side)
{
	return find(sides, COUNT(sides), side);
}

const struct word *names__cause(unsigned int cause)
{
	return find(causes, COUNT(causes), cause);
}

const struct word *names__end(unsigned int end)
{
	return find(ends, COUNT(ends), end);
}

const struct word *names__state(unsigned int state)
{
	return find(states, COUNT(states), state);
}

const struct word *names__evidence(unsigned int evidence)
{
	return find(evidences, COUNT(evidences), evidence);
}

const char *names__errno(unsigned int error)
{
	switch (error) {
	case EPERM:
		return "EPERM";
	case ENOMEM:
		return "ENOMEM";
	case EACCES:
		return "EACCES";
	case EFAULT:
		return "EFAULT";
	case EINVAL:
		return "EINVAL";
	case EPIPE:
		return "EPIPE";
	case EAFNOSUPPORT:
		return "EAFNOSUPPORT";
	case ENETDOWN:
		return "ENETDOWN";
	case ENOBUFS:
		return "ENOBUFS";
	case EADDRINUSE:
		return "EADDRINUSE";
	case EADDRNOTAVAIL:
		return "EADDRNOTAVAIL";
	case ENETUNREACH:
		return "ENETUNREACH";
	case ECONNABORTED:
		return "ECONNABORTED";
	case ECONNRESET:
		return "ECONNRESET";
	case ETIMEDOUT:
		return "ETIMEDOUT";
	case ECONNREFUSED:
		return "ECONNREFUSED";
	case EHOSTUNREACH:
		return "EHOSTUNREACH";
	case EINTR:
		return "EINTR";
	default:
		return NULL;
	}
}
