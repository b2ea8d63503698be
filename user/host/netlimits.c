// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "host/netlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/netns.h"
#include "base/parse.h"

/* proc_do_large_bitmap() shows no more, however many ranges there are: 65,536
 * bits in alternation are 6 bytes each */
#define FILE_MAX (256 * 1024)

bool port_set__has(const struct port_set *set, uint16_t port)
{
	return set->bits[port / 64] >> (port % 64) & 1;
}

void port_set__add(struct port_set *set, uint16_t port)
{
	set->bits[port / 64] |= 1ULL << (port % 64);
}

bool netlimits__is_usable(const struct netlimits *limits, uint16_t port)
{
	return limits->first_port && port >= limits->first_port && port <= limits->last_port &&
	       !(limits->reserved && port_set__has(limits->reserved, port));
}

int netlimits__parse_ports(struct port_set *set, const char *text, size_t len)
{
	const char *end = text + len;

	while (end > text && (end[-1] == '\n' || end[-1] == '\0'))
		end--;
	while (text < end) {
		const char *comma = memchr(text, ',', (size_t)(end - text)) ?: end;
		const char *dash = memchr(text, '-', (size_t)(comma - text)) ?: comma;
		uint64_t first, last;

		if (parse__u64_n(text, (size_t)(dash - text), 0, UINT16_MAX, &first))
			return -EINVAL;
		last = first;
		if (dash < comma && parse__u64_n(dash + 1, (size_t)(comma - dash - 1), first,
						 UINT16_MAX, &last))
			return -EINVAL;
		for (; first <= last; first++)
			port_set__add(set, (uint16_t)first);
		text = comma + 1;
	}
	return 0;
}

/* ---- inside the namespace ---- */

struct visit {
	struct netlimits *limits;
	const char *proc_root;
	bool with_ports;
};

/* *@text, to be freed, and its length, or a negative errno. */
static ssize_t read_file(const struct visit *visit, const char *name, char **text)
{
	char path[PATH_MAX];
	size_t room = 4096, used = 0;
	ssize_t n = 1;
	char *buf = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/sys/net/ipv4/%s", visit->proc_root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (n > 0 && room <= FILE_MAX) {
		char *more = realloc(buf, room);

		if (!more) {
			n = -ENOMEM;
			break;
		}
		buf = more;
		n = read(fd, buf + used, room - used);
		if (n < 0)
			n = -errno;
		else
			used += (size_t)n;
		if (used == room)
			room *= 2;
	}
	close(fd);
	if (n < 0) {
		free(buf);
		return n;
	}
	*text = buf;
	return (ssize_t)used;
}

/* Up to @max numbers apart by blanks; returns how many, or -ENOMEM. */
static int read_numbers(const struct visit *visit, const char *name, uint64_t *values, int max)
{
	char *text = NULL, *rest, *word;
	ssize_t len = read_file(visit, name, &text);
	int num = 0;

	if (len < 0)
		return len == -ENOMEM ? -ENOMEM : 0;
	text[len ? len - 1 : 0] = '\0'; /* in place of the newline */
	rest = text;
	while (num < max && (word = strsep(&rest, " \t")))
		if (*word && parse__u64(word, 0, UINT32_MAX, &values[num++])) {
			num = 0;
			break;
		}
	free(text);
	return num;
}

static int read_reserved(const struct visit *visit)
{
	struct port_set *set;
	char *text = NULL;
	ssize_t len = read_file(visit, "ip_local_reserved_ports", &text);

	if (len < 0)
		return len == -ENOMEM ? -ENOMEM : 0;
	if (len > 1) {
		set = calloc(1, sizeof(*set));
		if (!set) {
			free(text);
			return -ENOMEM;
		}
		/* A list that is not understood to its end reserves what came before. */
		netlimits__parse_ports(set, text, (size_t)len);
		visit->limits->reserved = set;
	}
	free(text);
	return 0;
}

static int read_ports(const struct visit *visit)
{
	struct netlimits *limits = visit->limits;
	uint64_t range[2];
	int num = read_numbers(visit, "ip_local_port_range", range, 2), err;

	if (num < 0)
		return num;
	err = read_reserved(visit);
	if (err || num != 2 || !range[0] || range[0] > range[1] || range[1] > UINT16_MAX)
		return err;
	limits->first_port = (uint32_t)range[0];
	limits->last_port = (uint32_t)range[1];
	for (uint32_t port = limits->first_port; port <= limits->last_port; port++)
		limits->usable_ports += netlimits__is_usable(limits, (uint16_t)port);
	return 0;
}

static int read_inside(void *ctx)
{
	const struct visit *visit = ctx;
	struct netlimits *limits = visit->limits;
	uint64_t value;
	int num;

	num = read_numbers(visit, "tcp_max_tw_buckets", &limits->max_tw_buckets, 1);
	if (num < 0)
		return num;
	num = read_numbers(visit, "tcp_tw_reuse", &value, 1);
	if (num < 0)
		return num;
	limits->tw_reuse = num && value < 3 ? (int)value : -1;
	num = read_numbers(visit, "tcp_timestamps", &value, 1);
	if (num < 0)
		return num;
	limits->timestamps = num ? !!value : -1;
	num = read_numbers(visit, "tcp_tw_reuse_delay", &value, 1);
	if (num < 0)
		return num;
	limits->reuse_delay_ms = num ? value : 1000;
	num = read_numbers(visit, "tcp_fin_timeout", &value, 1);
	if (num < 0)
		return num;
	limits->fin_timeout_ms = num ? value * 1000 : 0;
	return visit->with_ports ? read_ports(visit) : 0;
}

int netlimits__read(struct netlimits *limits, int netns_fd, const char *proc_root, bool with_ports)
{
	struct netlimits read = NETLIMITS_UNKNOWN;
	struct visit visit = { &read, proc_root, with_ports };
	int err = netns_fd < 0 ? read_inside(&visit) : netns__run(netns_fd, read_inside, &visit);

	if (err) {
		netlimits__free(&read);
		return err;
	}
	*limits = read;
	return 0;
}

void netlimits__free(struct netlimits *limits)
{
	free(limits->reserved);
	limits->reserved = NULL;
}
