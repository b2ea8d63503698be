// SPDX-License-Identifier: GPL-2.0
#include "recording/counters.h"

#include <string.h>

#include "base/parse.h"
#include "host/netns.h"

#define FILE_MAX (32 * 1024) /* netstat has some 4 KiB in 6.18 */

const char *const counters__names[] = {
	"Tcp.ActiveOpens",
	"Tcp.PassiveOpens",
	"Tcp.AttemptFails",
	"Tcp.EstabResets",
	"Tcp.CurrEstab",
	"Tcp.RetransSegs",
	"Tcp.OutRsts",
	"TcpExt.TW",
	"TcpExt.TWRecycled",
	"TcpExt.TWKilled",
	"TcpExt.TCPTimeWaitOverflow",
	"TcpExt.PAWSActive",
	"TcpExt.PAWSEstab",
	"TcpExt.PAWSTimewait",
	"TcpExt.ListenOverflows",
	"TcpExt.ListenDrops",
	"TcpExt.EmbryonicRsts",
	"TcpExt.SyncookiesSent",
	"TcpExt.TCPAbortOnData",
	"TcpExt.TCPAbortOnClose",
	"TcpExt.TCPAbortOnMemory",
	"TcpExt.TCPAbortOnTimeout",
	"TcpExt.TCPAbortOnLinger",
	"TcpExt.TCPAbortFailed",
	"TcpExt.TCPTimeouts",
	"TcpExt.TCPSynRetrans",
	"TcpExt.TCPMemoryPressures",
	"TcpExt.TCPReqQFullDrop",
	"TcpExt.TCPKeepAlive",
	"TcpExt.TCPACKSkippedTimeWait",
	"TcpExt.TCPACKSkippedFinWait2",
};

const size_t counters__num = sizeof(counters__names) / sizeof(counters__names[0]);

_Static_assert(sizeof(counters__names) / sizeof(counters__names[0]) <= COUNTERS_MAX, "room");

/* ---- text ---- */

struct words {
	const char *at, *end;
};

/* The next word of a line; false: that was all. */
static bool next_word(struct words *words, const char **word, size_t *len)
{
	while (words->at < words->end && *words->at == ' ')
		words->at++;
	*word = words->at;
	while (words->at < words->end && *words->at != ' ')
		words->at++;
	*len = (size_t)(words->at - *word);
	return *len > 0;
}

static void set(struct counters *counters, const struct words *group, const char *name,
		size_t name_len, const char *value, size_t value_len)
{
	size_t group_len = (size_t)(group->end - group->at);
	uint64_t number;

	/* CurrEstab is a gauge, and MaxConn may be -1. */
	if (parse__u64_n(value, value_len, 0, UINT64_MAX, &number))
		return;
	for (size_t i = 0; i < counters__num; i++) {
		const char *full = counters__names[i];

		if (strlen(full) != group_len + 1 + name_len ||
		    memcmp(full, group->at, group_len) || full[group_len] != '.' ||
		    memcmp(full + group_len + 1, name, name_len))
			continue;
		counters->values[i] = number;
		counters->known[i] = true;
		return;
	}
}

/* "Tcp: A B" and "Tcp: 1 2". */
static void parse_pair(struct counters *counters, struct words names, struct words values)
{
	const char *name, *value, *colon = memchr(names.at, ':', (size_t)(names.end - names.at));
	struct words group = { names.at, colon };
	size_t name_len, value_len;

	if (!colon || values.end - values.at < colon + 1 - names.at ||
	    memcmp(names.at, values.at, (size_t)(colon + 1 - names.at)))
		return;
	values.at += colon + 1 - names.at;
	names.at = colon + 1;
	while (next_word(&names, &name, &name_len) && next_word(&values, &value, &value_len))
		set(counters, &group, name, name_len, value, value_len);
}

static struct words next_line(const char **text, const char *end)
{
	const char *newline = memchr(*text, '\n', (size_t)(end - *text));
	struct words line = { *text, newline ? newline : end };

	*text = newline ? newline + 1 : end;
	return line;
}

void counters__parse(struct counters *counters, const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		struct words names = next_line(&text, end), values = next_line(&text, end);

		parse_pair(counters, names, values);
	}
}

/* ---- inside the namespace ---- */

struct visit {
	struct counters *counters;
	const char *proc_root;
};

static int read_file(const struct visit *visit, const char *name)
{
	char text[FILE_MAX];
	ssize_t len = netns__read_proc(visit->proc_root, name, text, sizeof(text));

	if (len < 0)
		return (int)len;
	counters__parse(visit->counters, text, (size_t)len);
	return 0;
}

static int read_both(void *ctx)
{
	const struct visit *visit = ctx;
	int err = read_file(visit, "netstat"), other = read_file(visit, "snmp");

	return err && other ? err : 0;
}

int counters__read(struct counters *counters, int netns_fd, const char *proc_root)
{
	struct visit visit = { counters, proc_root };

	return netns_fd < 0 ? read_both(&visit) : netns__run(netns_fd, read_both, &visit);
}
