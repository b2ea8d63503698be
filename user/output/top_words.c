// SPDX-License-Identifier: GPL-2.0
#include "output/top_words.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/outbuf.h"
#include "model/names.h"

size_t top_words__rate(char *to, size_t size, uint64_t milli)
{
	int len;

	if (milli < 9950)
		len = snprintf(to, size, "%llu.%llu", (unsigned long long)(milli + 50) / 1000,
			       (unsigned long long)(milli + 50) % 1000 / 100);
	else
		len = snprintf(to, size, "%llu", (unsigned long long)(milli + 500) / 1000);
	return (size_t)len;
}

size_t top_words__count(char *to, size_t size, uint64_t count)
{
	static const char units[] = "kMGTP";
	int unit = -1;

	while (count > (unit < 0 ? 99999999ULL : 9999999ULL) && unit < 4) {
		count /= 1000;
		unit++;
	}
	return (size_t)snprintf(to, size, unit < 0 ? "%llu" : "%llu%c",
				(unsigned long long)count, unit < 0 ? 0 : units[unit]);
}

enum top_style top_words__look_of_share(unsigned int permille)
{
	return permille >= FULL_ALARM ? TOP_ALARM : permille >= FULL_WARNING ? TOP_WARNING : TOP_PLAIN;
}

size_t top_words__address(char text[FMT_IPV6_MAX + 10], uint8_t family, const uint8_t *addr,
			     uint32_t port)
{
	struct outbuf ob;
	char ip[FMT_IPV6_MAX];
	size_t len = family == AF_INET ? fmt__ipv4(ip, addr) : fmt__ipv6(ip, addr);
	bool brackets = port && family != AF_INET;

	outbuf__init_fixed(&ob, text, FMT_IPV6_MAX + 10);
	if (brackets)
		outbuf__char(&ob, '[');
	outbuf__bytes(&ob, ip, len);
	if (brackets)
		outbuf__char(&ob, ']');
	if (port) {
		outbuf__char(&ob, ':');
		outbuf__u64(&ob, port);
	}
	outbuf__terminate(&ob);
	return ob.len;
}

size_t top_words__share(char *to, size_t size, uint64_t part, uint64_t whole)
{
	if (!whole)
		return (size_t)snprintf(to, size, "-");
	return (size_t)snprintf(to, size, "%llu", (unsigned long long)(part * 100 / whole));
}

static void put_percent(struct outbuf *ob, uint64_t percent)
{
	outbuf__char(ob, ' ');
	if (!percent)
		outbuf__char(ob, '<');
	outbuf__u64(ob, percent ?: 1);
	outbuf__char(ob, '%');
}

size_t top_words__causes(char *to, size_t size, const struct tally_counts *total)
{
	uint64_t left = total->closes;
	struct outbuf ob;
	bool taken[TWS_CAUSE_END] = { false };

	outbuf__init_fixed(&ob, to, size);
	while (left) {
		unsigned int most = 0;

		for (unsigned int i = 0; i < TWS_CAUSE_END; i++)
			if (!taken[i] && (taken[most] || total->causes[i] > total->causes[most]))
				most = i;
		if (taken[most] || !total->causes[most])
			break;
		taken[most] = true;
		if (ob.len)
			outbuf__char(&ob, ' ');
		outbuf__bytes(&ob, names__cause(most)->text, names__cause(most)->len);
		if (total->causes[most] != total->closes)
			put_percent(&ob, total->causes[most] * 100 / total->closes);
		left -= total->causes[most];
	}
	if (!ob.len)
		outbuf__char(&ob, '-');
	return ob.len;
}

size_t top_words__pids(char *to, size_t size, const struct tally_row *row)
{
	if (!row || !row->num_pids)
		return (size_t)snprintf(to, size, "-");
	if (row->num_pids == 1)
		return (size_t)snprintf(to, size, "%u", row->pids[0]);
	if (row->num_pids <= TALLY_PIDS)
		return (size_t)snprintf(to, size, "%u PIDs", row->num_pids);
	return (size_t)snprintf(to, size, "many");
}
