// SPDX-License-Identifier: GPL-2.0
/*
 * Any words as filter arguments: refused with a reason and no change, or taken;
 * an address that was taken reads the same again when it is written out. Then
 * the match of what was taken, judged bit by bit.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/fmt.h"
#include "commands/filter_words.h"
#include "model/filter.h"
#include "tests/unit/support.h"

typedef int add_function(struct tws_filter *f, const char *arg, char *why, size_t why_len);

static int add_netns(struct tws_filter *f, const char *arg, char *why, size_t why_len)
{
	if (strchr(arg, '/')) /* the file system is not what is tested here */
		return 0;
	return filter_words__add_netns(f, arg, why, why_len);
}

static add_function *const functions[] = {
	filter_words__add_pids, filter_words__add_comm, filter_words__add_local,
	filter_words__add_peer, filter_words__set_side, add_netns,
};

static void add(struct tws_filter *f, add_function *function, const char *arg)
{
	struct tws_filter before = *f;
	char why[40] = "";
	int rc = function(f, arg, why, sizeof(why));

	if (!rc) {
		CHECK(!why[0]);
		return;
	}
	CHECK(rc == -EINVAL || rc == -E2BIG);
	CHECK(why[0] && memchr(why, '\0', sizeof(why)));
	CHECK(support__is_safe_text(why, strlen(why)));
	CHECK(!memcmp(f, &before, sizeof(before)));
}

static void write_prefix(char *to, const struct tws_prefix *p)
{
	if (p->family) {
		*to++ = '[';
		to += p->family == AF_INET ? fmt__ipv4(to, p->addr) : fmt__ipv6(to, p->addr);
		if (p->ifindex) {
			*to++ = '%';
			to += fmt__u64(to, p->ifindex);
		}
		*to++ = '/';
		to += fmt__u64(to, p->len);
		*to++ = ']';
	}
	if (p->port) {
		*to++ = ':';
		to += fmt__u64(to, p->port);
		*to++ = '-';
		to += fmt__u64(to, p->last_port);
	}
	*to = '\0';
}

static void check_prefix(const struct tws_prefix *p)
{
	struct tws_filter again = { 0 };
	char text[80], why[40];

	CHECK(p->family == 0 || p->family == AF_INET || p->family == AF_INET6);
	CHECK(p->len <= (p->family == AF_INET6 ? 128 : p->family ? 32 : 0));
	CHECK(p->family || p->port);
	CHECK(p->last_port >= p->port && !p->last_port == !p->port);
	write_prefix(text, p);
	CHECK(!filter_words__add_local(&again, text, why, sizeof(why)));
	again.locals[0].netns = p->netns; /* where a name was meant */
	CHECK(!memcmp(p, &again.locals[0], sizeof(*p)));
}

static bool slow_match(const struct tws_prefix *p, const struct tws_event *ev)
{
	if (p->ifindex && (p->ifindex != ev->conn.ifindex || (p->netns && p->netns != ev->netns)))
		return false;
	if (p->port && (ev->local_port < p->port || ev->local_port > p->last_port))
		return false;
	if (!p->family)
		return true;
	if (p->family != ev->family)
		return false;
	for (unsigned int i = 0; i < p->len; i++) {
		if ((p->addr[i / 8] ^ ev->local_addr[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

/* An event whose local end lies near the filter's first prefix. */
static void check_match(const struct tws_filter *f, const uint8_t *data, size_t size)
{
	struct tws_filter only = { .num_locals = f->num_locals, .not_locals = f->not_locals };
	struct tws_event ev = { 0 };
	bool want = f->num_locals == f->not_locals;

	support__event(&ev);
	memcpy(only.locals, f->locals, sizeof(only.locals));
	if (f->num_locals) {
		ev.family = f->locals[0].family ? f->locals[0].family : AF_INET6;
		ev.local_port = f->locals[0].port;
		memcpy(ev.local_addr, f->locals[0].addr, sizeof(ev.local_addr));
	}
	if (size)
		ev.local_addr[data[0] % 16] ^= (__u8)(1 << (data[0] >> 4 & 7));
	for (__u32 i = only.not_locals; i < only.num_locals; i++)
		want |= slow_match(&only.locals[i], &ev);
	for (__u32 i = 0; i < only.not_locals; i++)
		want &= !slow_match(&only.locals[i], &ev);
	CHECK(filter__match(&only, &ev) == want);
	filter__match(f, &ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tws_filter f;
	char *words = fuzz__string(data, size);

	memset(&f, 0, sizeof(f));
	/* words apart by NULs; the first byte of each chooses the option */
	for (char *word = words; word < words + size; word += strlen(word) + 1) {
		size_t which = (unsigned char)*word % (sizeof(functions) / sizeof(functions[0]));

		if (!*word)
			continue;
		add(&f, functions[which], word + 1);
	}
	for (__u32 i = 0; i < f.num_locals; i++)
		check_prefix(&f.locals[i]);
	for (__u32 i = 0; i < f.num_peers; i++)
		check_prefix(&f.peers[i]);
	for (__u32 i = 0; i < f.num_pids; i++)
		CHECK(f.pids[i] && f.pids[i] <= 4194304);
	for (__u32 i = 0; i < f.num_comms; i++)
		CHECK(f.comms[i][0] && !f.comms[i][TWS_COMM_LEN - 1]);
	check_match(&f, data, size);
	free(words);
	return 0;
}
