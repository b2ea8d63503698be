// SPDX-License-Identifier: GPL-2.0
#include "commands/filter_words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/parse.h"
#include "host/netns.h"

#define PID_MAX 4194304 /* PID_MAX_LIMIT, include/linux/threads.h */
#define MAPPED_BITS 96

static const __u8 mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* Writes @why and returns @rc, so that a caller can complain and return. */
__attribute__((format(printf, 4, 5))) static int
complain(int rc, char *why, size_t why_len, const char *format, ...)
{
	size_t len;
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, why_len, format, ap);
	va_end(ap);
	/* Where it was cut, half a character may be left. */
	len = strnlen(why, why_len);
	if (len + 1 == why_len) {
		while (len && (why[len - 1] & 0x80))
			why[--len] = '\0';
	}
	return rc;
}

/* "'ARG' PROBLEM", with the first @len bytes of @arg made safe to print. */
static int complain_about(int rc, char *why, size_t why_len, const char *arg, size_t len,
			  const char *problem)
{
	char quoted[128];

	return complain(rc, why, why_len, "'%s' %s",
			escape__quote_n(quoted, sizeof(quoted), arg, len), problem);
}

static int complain_full(char *why, size_t why_len)
{
	return complain(-E2BIG, why, why_len, "more than %d of them", TWS_MAX_FILTER);
}

static bool take_exclusion(const char **arg)
{
	bool excludes = **arg == '!';

	*arg += excludes;
	return excludes;
}

/* A list of a filter: those that exclude stand first. */
struct list {
	void *entries;
	size_t entry_bytes;
	__u32 *num, *excluded;
};

/* There must be room for it. */
static void insert(const struct list *list, const void *entry, bool excludes)
{
	char *at = (char *)list->entries + (excludes ? *list->excluded : *list->num) *
						   list->entry_bytes;

	if (excludes)
		memmove(at + list->entry_bytes, at,
			(*list->num - *list->excluded) * list->entry_bytes);
	memcpy(at, entry, list->entry_bytes);
	++*list->num;
	*list->excluded += excludes;
}

/* One PID, with its '!', of which @part is the rest of the words up to @len. */
static int add_pid(struct tws_filter *f, const char *part, size_t len, char *why,
		   size_t why_len)
{
	const struct list list = { f->pids, sizeof(f->pids[0]), &f->num_pids, &f->not_pids };
	const char *digits = part;
	bool excludes = take_exclusion(&digits);
	uint64_t value;
	__u32 pid;

	if (parse__u64_n(digits, len - (size_t)(digits - part), 1, PID_MAX, &value))
		return complain_about(-EINVAL, why, why_len, part, len, "is not a PID");
	if (f->num_pids == TWS_MAX_PIDS)
		return complain(-E2BIG, why, why_len, "more than %d of them", TWS_MAX_PIDS);
	pid = (__u32)value;
	insert(&list, &pid, excludes);
	return 0;
}

int filter_words__map_pids(struct tws_filter *f, __u32 (*map)(void *ctx, __u32 pid), void *ctx,
			   __u32 *unknown)
{
	struct tws_filter with = *f;

	with.num_pids = with.not_pids = 0;
	for (__u32 i = 0; i < f->num_pids; i++) {
		__u32 pid = map(ctx, f->pids[i]);

		if (!pid && i >= f->not_pids) {
			*unknown = f->pids[i];
			return -ESRCH;
		}
		if (pid)
			with.pids[with.num_pids++] = pid;
		with.not_pids += pid && i < f->not_pids;
	}
	/* A filter that excludes none of those that exist: everything passes. */
	filter__sort_pids(&with);
	*f = with;
	return 0;
}

int filter_words__add_pids(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	struct tws_filter with = *f;

	for (;;) {
		size_t len = strcspn(arg, ",");
		int rc = add_pid(&with, arg, len, why, why_len);

		if (rc)
			return rc;
		arg += len;
		if (!*arg)
			break;
		arg++;
	}
	filter__sort_pids(&with);
	*f = with;
	return 0;
}

int filter_words__add_comm(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	const struct list list = { f->comms, sizeof(f->comms[0]), &f->num_comms, &f->not_comms };
	bool excludes = take_exclusion(&arg);
	char comm[TWS_COMM_LEN] = { 0 };
	size_t len;

	arg += arg[0] == '\\' && arg[1] == '!';
	len = strlen(arg);
	if (!len)
		return complain(-EINVAL, why, why_len, "the name is empty");
	if (len >= TWS_COMM_LEN)
		return complain_about(-EINVAL, why, why_len, arg, len,
				      "is longer than the 15 bytes that the kernel keeps "
				      "of a name: give the first 15");
	if (f->num_comms == TWS_MAX_FILTER)
		return complain_full(why, why_len);
	memcpy(comm, arg, len);
	insert(&list, comm, excludes);
	return 0;
}

/* The parts of [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]; a part that is absent has no @text. */
struct part {
	const char *text;
	size_t len;
};

struct endpoint {
	struct part addr, device, prefix, port;
};

static struct part part_until(const char **s, const char *stops)
{
	struct part p = { *s, strcspn(*s, stops) };

	*s += p.len;
	return p;
}

/* ADDR[%DEVICE][/LEN] up to one of @stops. */
static void split_network(const char **s, const char *addr_stops, const char *stops,
			  struct endpoint *e)
{
	const char *percent;

	e->addr = part_until(s, addr_stops);
	percent = memchr(e->addr.text, '%', e->addr.len);
	if (percent) {
		e->device = (struct part){ percent + 1, e->addr.len - 1 };
		e->addr.len = (size_t)(percent - e->addr.text);
		e->device.len -= e->addr.len;
	}
	if (**s == '/') {
		++*s;
		e->prefix = part_until(s, stops);
	}
}

/*
 * Two colons without brackets are an IPv6 address with no port. In brackets the
 * length may stand before or after the closing one. False if it has no shape.
 */
static bool split_endpoint(const char *s, struct endpoint *e)
{
	const char *colon = strchr(s, ':');

	*e = (struct endpoint){ 0 };
	if (*s == '[') {
		s++;
		split_network(&s, "/]", "]", e);
		if (*s++ != ']')
			return false;
		if (*s == '/' && !e->prefix.text) {
			s++;
			e->prefix = part_until(&s, ":");
		}
	} else if (colon && strchr(colon + 1, ':')) {
		split_network(&s, "/", "", e);
	} else if (*s != ':') {
		split_network(&s, "/:", ":", e);
	}
	if (*s == ':') {
		s++;
		e->port = part_until(&s, "");
	}
	return !*s && (e->addr.len || e->prefix.text || e->port.text);
}

static void clear_host_bits(__u8 *addr, size_t size, unsigned int len)
{
	for (size_t i = 0; i < size; i++, len -= len < 8 ? len : 8) {
		if (len < 8)
			addr[i] &= (__u8)(0xff00 >> len);
	}
}

static bool parse_addr(struct part text, struct tws_prefix *p)
{
	char name[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(name))
		return false;
	memcpy(name, text.text, text.len);
	name[text.len] = '\0';
	if (inet_pton(AF_INET, name, p->addr) == 1)
		p->family = AF_INET;
	else if (inet_pton(AF_INET6, name, p->addr) == 1)
		p->family = AF_INET6;
	else
		return false;
	return true;
}

/* Events show a v4-mapped connection as IPv4, so its prefix must be that too. */
static void unmap(struct tws_prefix *p, unsigned int *len)
{
	if (p->family != AF_INET6 || *len < MAPPED_BITS ||
	    memcmp(p->addr, mapped_prefix, sizeof(mapped_prefix)) != 0)
		return;
	memmove(p->addr, p->addr + 12, 4);
	memset(p->addr + 4, 0, 12);
	p->family = AF_INET;
	*len -= MAPPED_BITS;
}

static int parse_network(const struct endpoint *e, struct tws_prefix *p, char *why,
			 size_t why_len)
{
	unsigned int bits, len;
	uint64_t value;

	if (!parse_addr(e->addr, p))
		return complain_about(-EINVAL, why, why_len, e->addr.text, e->addr.len,
				      "is not an IP address");
	bits = p->family == AF_INET ? 32 : 128;
	len = bits;
	if (e->prefix.text) {
		if (parse__u64_n(e->prefix.text, e->prefix.len, 0, bits, &value))
			return complain_about(-EINVAL, why, why_len, e->prefix.text,
					      e->prefix.len, "is not a prefix length");
		len = (unsigned int)value;
	}
	unmap(p, &len);
	clear_host_bits(p->addr, p->family == AF_INET ? 4 : 16, len);
	p->len = (__u8)len;
	return 0;
}

/* A number means any namespace's; a name the device that has it here. */
static int parse_device(struct part text, struct tws_prefix *p, char *why, size_t why_len)
{
	char name[IF_NAMESIZE];
	uint64_t number;

	if (!parse__u64_n(text.text, text.len, 1, INT32_MAX, &number)) {
		p->ifindex = (__u32)number;
		return 0;
	}
	if (text.len && text.len < sizeof(name)) {
		memcpy(name, text.text, text.len);
		name[text.len] = '\0';
		p->ifindex = if_nametoindex(name);
	}
	if (!p->ifindex || netns__inode(-1, &p->netns))
		return complain_about(-EINVAL, why, why_len, text.text, text.len,
				      "is no network device of this network namespace");
	return 0;
}

static int parse_ports(struct part text, struct tws_prefix *p, char *why, size_t why_len)
{
	const char *dash = memchr(text.text, '-', text.len);
	struct part first = text, last = text;
	uint64_t from, to;

	if (dash) {
		first.len = (size_t)(dash - text.text);
		last = (struct part){ dash + 1, text.len - first.len - 1 };
	}
	if (parse__u64_n(first.text, first.len, 1, UINT16_MAX, &from) ||
	    parse__u64_n(last.text, last.len, 1, UINT16_MAX, &to) || to < from)
		return complain_about(-EINVAL, why, why_len, text.text, text.len,
				      dash ? "is not a range of ports" : "is not a port");
	p->port = (__u16)from;
	p->last_port = (__u16)to;
	return 0;
}

static int add_prefix(const struct list *list, const char *arg, char *why, size_t why_len)
{
	bool excludes = take_exclusion(&arg);
	struct tws_prefix p = { 0 };
	struct endpoint e;
	int rc;

	if (!split_endpoint(arg, &e))
		return complain_about(-EINVAL, why, why_len, arg, strlen(arg),
				      "is not of the form [ADDR[%DEVICE][/LEN]][:PORT[-PORT]]");
	if (e.addr.text) {
		rc = parse_network(&e, &p, why, why_len);
		if (rc)
			return rc;
	}
	if (e.device.text) {
		rc = parse_device(e.device, &p, why, why_len);
		if (rc)
			return rc;
	}
	if (e.port.text) {
		rc = parse_ports(e.port, &p, why, why_len);
		if (rc)
			return rc;
	}
	if (*list->num == TWS_MAX_FILTER)
		return complain_full(why, why_len);
	insert(list, &p, excludes);
	return 0;
}

int filter_words__add_local(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	const struct list list = { f->locals, sizeof(f->locals[0]), &f->num_locals,
				   &f->not_locals };

	return add_prefix(&list, arg, why, why_len);
}

int filter_words__add_peer(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	const struct list list = { f->peers, sizeof(f->peers[0]), &f->num_peers, &f->not_peers };

	return add_prefix(&list, arg, why, why_len);
}

int filter_words__set_side(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	if (!strcmp(arg, "client"))
		f->side = TWS_SIDE_CLIENT;
	else if (!strcmp(arg, "server"))
		f->side = TWS_SIDE_SERVER;
	else
		return complain_about(-EINVAL, why, why_len, arg, strlen(arg),
				      "is neither client nor server");
	return 0;
}

/*
 * The inode of the network namespace at @path. It is looked at as O_PATH first,
 * because opening a device or a FIFO can do things. Negative errno; -EINVAL if
 * it is something else.
 */
static int netns_of_path(const char *path, __u32 *inode)
{
	int rc = -EINVAL, fd = -1, handle = open(path, O_PATH | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (handle < 0)
		return -errno;
	if (fstatfs(handle, &fs) || fstat(handle, &st)) {
		rc = -errno;
		goto out;
	}
	if (fs.f_type != NSFS_MAGIC)
		goto out;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &st))
		goto out;
	*inode = (__u32)st.st_ino;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	close(handle);
	return rc;
}

static int complain_about_path(int rc, char *why, size_t why_len, const char *path)
{
	char problem[96] = "is no network namespace";

	if (rc != -EINVAL)
		snprintf(problem, sizeof(problem), "cannot be opened: %s", strerror(-rc));
	return complain_about(rc, why, why_len, path, strlen(path), problem);
}

int filter_words__add_netns(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	const struct list list = { f->netns, sizeof(f->netns[0]), &f->num_netns, &f->not_netns };
	bool excludes = take_exclusion(&arg);
	uint64_t number;
	__u32 inode = 0;
	int rc;

	if (!parse__u64(arg, 1, UINT32_MAX, &number)) {
		inode = (__u32)number;
	} else if (!strchr(arg, '/')) {
		return complain_about(-EINVAL, why, why_len, arg, strlen(arg),
				      "is neither an inode number nor a path");
	} else {
		rc = netns_of_path(arg, &inode);
		if (rc)
			return complain_about_path(rc, why, why_len, arg);
	}
	if (f->num_netns == TWS_MAX_FILTER)
		return complain_full(why, why_len);
	insert(&list, &inode, excludes);
	return 0;
}

/* ---- the options ---- */

/* These get the whole struct filter_options: their offset is 0. */

static int take_pids(void *field, const char *arg, char *why, size_t why_len)
{
	return filter_words__add_pids(&((struct filter_options *)field)->filter, arg, why, why_len);
}

static int take_comm(void *field, const char *arg, char *why, size_t why_len)
{
	return filter_words__add_comm(&((struct filter_options *)field)->filter, arg, why, why_len);
}

static int take_container(void *field, const char *arg, char *why, size_t why_len)
{
	struct filter_options *f = field;

	if (!*arg)
		return complain_about(-EINVAL, why, why_len, arg, 0, "is empty");
	if (*arg == '!') /* no runtime has such a name: nothing would ever pass */
		return complain_about(-EINVAL, why, why_len, arg, 0,
				      "excludes: that is not for containers");
	if (f->num_containers == TWS_MAX_FILTER)
		return complain_full(why, why_len);
	f->containers[f->num_containers++] = arg;
	return 0;
}

static int take_family(struct filter_options *f)
{
	f->filter.family = 0;
	if (f->ipv4)
		filter__set_family(&f->filter, AF_INET);
	if (f->ipv6)
		filter__set_family(&f->filter, AF_INET6);
	return 0;
}

static int take_ipv4(void *field, const char *arg, char *why, size_t why_len)
{
	struct filter_options *f = field;

	(void)arg, (void)why, (void)why_len;
	f->ipv4 = true;
	return take_family(f);
}

static int take_ipv6(void *field, const char *arg, char *why, size_t why_len)
{
	struct filter_options *f = field;

	(void)arg, (void)why, (void)why_len;
	f->ipv6 = true;
	return take_family(f);
}

static int take_local(void *field, const char *arg, char *why, size_t why_len)
{
	return filter_words__add_local(&((struct filter_options *)field)->filter, arg, why, why_len);
}

static int take_peer(void *field, const char *arg, char *why, size_t why_len)
{
	return filter_words__add_peer(&((struct filter_options *)field)->filter, arg, why, why_len);
}

static int take_side(void *field, const char *arg, char *why, size_t why_len)
{
	return filter_words__set_side(&((struct filter_options *)field)->filter, arg, why, why_len);
}

static int take_netns(void *field, const char *arg, char *why, size_t why_len)
{
	return filter_words__add_netns(&((struct filter_options *)field)->filter, arg, why, why_len);
}

const struct option_spec filter_option_table[] = {
	{ 'p', "pid", "[!]PID[,...]", "closed by one of these processes, by the PIDs that you\n"
	  "see here (in a PID namespace twsnoop prints the host's)",
	  take_pids, 0 },
	{ 'c', "comm", "[!]NAME", "closed by a process or thread of this name", take_comm, 0 },
	{ 'C', "container", "NAME|ID|[NS/]POD",
	  "closed in this container (name, or start of its id) or pod",
	  take_container, 0 },
	{ '4', "ipv4", NULL, "IPv4 only, v4-mapped connections included", take_ipv4, 0 },
	{ '6', "ipv6", NULL, "IPv6 only", take_ipv6, 0 },
	{ 'l', "local", "[!][ADDR[%DEVICE][/LEN]][:PORT[-PORT]]",
	  "this local end; IPv6 with a port in brackets: [::1]:80;\n"
	  "%eth0: bound to this device, or in its scope: fe80::1%eth0;\n"
	  "'!' excludes it (in quotes: it means something to shells)", take_local, 0 },
	{ 'r', "remote", "[!][ADDR[%DEVICE][/LEN]][:PORT[-PORT]]", "this remote end", take_peer, 0 },
	{ 0, "side", "client|server", "the end that connected, or that accepted", take_side, 0 },
	{ 0, "netns", "[!]INODE|PATH", "this network namespace, such as /proc/812/ns/net",
	  take_netns, 0 },
	{ 0 },
};
