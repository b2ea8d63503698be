// SPDX-License-Identifier: GPL-2.0
#include "model/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
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

int filter__add_pids(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	__u32 pids[TWS_MAX_FILTER];
	__u32 num = f->num_pids;
	const char *part = arg;

	for (;;) {
		size_t len = strcspn(part, ",");
		uint64_t pid;

		if (parse__u64_n(part, len, 1, PID_MAX, &pid))
			return complain_about(-EINVAL, why, why_len, part, len,
					      "is not a PID");
		if (num == TWS_MAX_FILTER)
			return complain_full(why, why_len);
		pids[num++] = (__u32)pid;
		part += len;
		if (!*part)
			break;
		part++;
	}
	memcpy(f->pids + f->num_pids, pids + f->num_pids,
	       (num - f->num_pids) * sizeof(pids[0]));
	f->num_pids = num;
	return 0;
}

int filter__add_comm(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	size_t len = strlen(arg);

	if (!len)
		return complain(-EINVAL, why, why_len, "the name is empty");
	if (len >= TWS_COMM_LEN)
		return complain_about(-EINVAL, why, why_len, arg, len,
				      "is longer than the 15 bytes that the kernel keeps "
				      "of a name: give the first 15");
	if (f->num_comms == TWS_MAX_FILTER)
		return complain_full(why, why_len);
	memset(f->comms[f->num_comms], 0, TWS_COMM_LEN);
	memcpy(f->comms[f->num_comms], arg, len);
	f->num_comms++;
	return 0;
}

/* The three parts of [ADDR[/LEN]][:PORT]; a part that is absent has no @text. */
struct part {
	const char *text;
	size_t len;
};

struct endpoint {
	struct part addr, prefix, port;
};

static struct part part_until(const char **s, const char *stops)
{
	struct part p = { *s, strcspn(*s, stops) };

	*s += p.len;
	return p;
}

/* ADDR[/LEN] up to one of @stops. */
static void split_network(const char **s, const char *addr_stops, const char *stops,
			  struct endpoint *e)
{
	e->addr = part_until(s, addr_stops);
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

static int add_prefix(struct tws_prefix *list, __u32 *num, const char *arg, char *why,
		      size_t why_len)
{
	struct tws_prefix p = { 0 };
	struct endpoint e;
	uint64_t port;
	int rc;

	if (!split_endpoint(arg, &e))
		return complain_about(-EINVAL, why, why_len, arg, strlen(arg),
				      "is not of the form [ADDR[/LEN]][:PORT]");
	if (e.addr.text) {
		rc = parse_network(&e, &p, why, why_len);
		if (rc)
			return rc;
	}
	if (e.port.text) {
		if (parse__u64_n(e.port.text, e.port.len, 1, UINT16_MAX, &port))
			return complain_about(-EINVAL, why, why_len, e.port.text,
					      e.port.len, "is not a port");
		p.port = (__u16)port;
	}
	if (*num == TWS_MAX_FILTER)
		return complain_full(why, why_len);
	list[(*num)++] = p;
	return 0;
}

int filter__add_local(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	return add_prefix(f->locals, &f->num_locals, arg, why, why_len);
}

int filter__add_peer(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	return add_prefix(f->peers, &f->num_peers, arg, why, why_len);
}

int filter__set_side(struct tws_filter *f, const char *arg, char *why, size_t why_len)
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

int filter__add_netns(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
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
	f->netns[f->num_netns++] = inode;
	return 0;
}

void filter__set_family(struct tws_filter *f, int family)
{
	if (f->family && f->family != family)
		f->family = 0;
	else
		f->family = (__u8)family;
}

bool filter__is_empty(const struct tws_filter *f)
{
	return !f->num_pids && !f->num_comms && !f->num_locals && !f->num_peers &&
	       !f->num_netns && !f->family && !f->side && !f->by_cgroup;
}

static bool match_u32(const __u32 *list, __u32 num, __u32 value)
{
	for (__u32 i = 0; i < num; i++) {
		if (list[i] == value)
			return true;
	}
	return false;
}

static bool match_pid(const struct tws_filter *f, const struct tws_conn *conn)
{
	if (conn->flags & TWS_F_CLOSER)
		return match_u32(f->pids, f->num_pids, conn->tgid);
	return (conn->flags & TWS_F_OPENER) &&
	       match_u32(f->pids, f->num_pids, conn->opener_tgid);
}

static bool match_comm(const struct tws_filter *f, const struct tws_conn *conn)
{
	if (!(conn->flags & TWS_F_CLOSER))
		return false;
	for (__u32 i = 0; i < f->num_comms; i++) {
		if (!strncmp(f->comms[i], conn->comm, TWS_COMM_LEN) ||
		    !strncmp(f->comms[i], conn->thread_comm, TWS_COMM_LEN))
			return true;
	}
	return false;
}

static bool match_prefix(const struct tws_prefix *p, __u8 family, const __u8 *addr, __u16 port)
{
	unsigned int bytes = p->len / 8, bits = p->len % 8;

	if (p->port && p->port != port)
		return false;
	if (!p->family)
		return true;
	if (p->family != family || memcmp(p->addr, addr, bytes) != 0)
		return false;
	return !bits || ((p->addr[bytes] ^ addr[bytes]) & (0xff00 >> bits) & 0xff) == 0;
}

static bool match_prefixes(const struct tws_prefix *list, __u32 num, __u8 family,
			   const __u8 *addr, __u16 port)
{
	for (__u32 i = 0; i < num; i++) {
		if (match_prefix(&list[i], family, addr, port))
			return true;
	}
	return false;
}

bool filter__match(const struct tws_filter *f, const struct tws_event *ev)
{
	if (f->family && f->family != ev->family)
		return false;
	if (f->side && f->side != ev->conn.side)
		return false;
	if (f->num_netns && !match_u32(f->netns, f->num_netns, ev->netns))
		return false;
	if (f->num_pids && !match_pid(f, &ev->conn))
		return false;
	if (f->num_comms && !match_comm(f, &ev->conn))
		return false;
	if (f->num_locals && !match_prefixes(f->locals, f->num_locals, ev->family,
					     ev->local_addr, ev->local_port))
		return false;
	return !f->num_peers || match_prefixes(f->peers, f->num_peers, ev->family,
					       ev->peer_addr, ev->peer_port);
}
