// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/support.h"

#include <arpa/inet.h>
#include <langinfo.h>
#include <locale.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

void support__set_comm(char comm[TWS_COMM_LEN], const char *name)
{
	size_t len = strnlen(name, TWS_COMM_LEN - 1);

	memset(comm, 0, TWS_COMM_LEN);
	memcpy(comm, name, len);
}

void support__event(struct tws_event *ev)
{
	*ev = (struct tws_event){
		.action = TWS_TIME_WAIT,
		.family = AF_INET,
		.time_ns = 7000000000ULL,
		.cookie = 78,
		.tx_bytes = 512,
		.rx_bytes = 4096,
		.netns = 4026531840U,
		.local_port = 43768,
		.peer_port = 8080,
		.local_addr = { 10, 0, 0, 5 },
		.peer_addr = { 10, 0, 0, 9 },
		.conn = {
			.open_ns = 7000000000ULL - 3120000,
			.cgroup_id = 5123,
			.tgid = 812,
			.tid = 813,
			.uid = 33,
			.ns_tgid = 812,
			.opener_tgid = 700,
			.side = TWS_SIDE_CLIENT,
			.cause = TWS_CAUSE_CLOSE,
			.flags = TWS_F_ACTIVE | TWS_F_CLOSER | TWS_F_OPENER,
		},
	};
	support__set_comm(ev->conn.comm, "nginx");
	support__set_comm(ev->conn.thread_comm, "worker");
	support__set_comm(ev->conn.opener_comm, "launcher");
}

void support__make_ipv6(struct tws_event *ev)
{
	ev->family = AF_INET6;
	inet_pton(AF_INET6, "fd00::5", ev->local_addr);
	inet_pton(AF_INET6, "fd00:1:2:3::9", ev->peer_addr);
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* @digits of hex at @s, or -1. */
static long read_hex(const char *s, size_t len, size_t digits)
{
	long value = 0;

	if (len < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		int v = hex_value(s[i]);

		if (v < 0)
			return -1;
		value = value * 16 + v;
	}
	return value;
}

static size_t encode_utf8(char *to, unsigned long cp)
{
	if (cp < 0x800) {
		to[0] = (char)(0xc0 | cp >> 6);
		to[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		to[0] = (char)(0xe0 | cp >> 12);
		to[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		to[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | cp >> 18);
	to[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	to[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	to[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* What follows a backslash at @s: bytes taken (0: nonsense), bytes put into @to. */
static size_t unescape_one(const char *s, size_t len, char *to, size_t *put)
{
	static const struct {
		char letter;
		char byte;
	} simple[] = { { '\\', '\\' }, { 'n', '\n' }, { 't', '\t' }, { 'r', '\r' } };
	size_t digits;
	long value;

	for (size_t i = 0; len && i < sizeof(simple) / sizeof(simple[0]); i++) {
		if (s[0] == simple[i].letter) {
			*to = simple[i].byte;
			*put = 1;
			return 1;
		}
	}
	digits = !len ? 0 : s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : s[0] == 'U' ? 8 : 0;
	if (!digits)
		return 0;
	value = read_hex(s + 1, len - 1, digits);
	if (value < 0 || (digits > 2 && (value < 0x80 || value > 0x10ffff)))
		return 0;
	if (digits == 2) {
		*to = (char)value;
		*put = 1;
	} else {
		*put = encode_utf8(to, (unsigned long)value);
	}
	return 1 + digits;
}

size_t support__unescape_text(char *to, const char *s, size_t len)
{
	size_t put = 0, n, taken;

	for (size_t i = 0; i < len;) {
		if (s[i] != '\\') {
			to[put++] = s[i++];
			continue;
		}
		i++;
		taken = unescape_one(s + i, len - i, to + put, &n);
		if (!taken)
			return (size_t)-1;
		put += n;
		i += taken;
	}
	return put;
}

size_t support__unescape_json(char *to, const char *s, size_t len)
{
	size_t put = 0;
	long byte;

	for (size_t i = 0; i < len;) {
		byte = -1;
		if (s[i] == '\\' && i + 1 < len && s[i + 1] == 'x')
			byte = read_hex(s + i + 2, len - i - 2, 2);
		to[put++] = byte >= 0 ? (char)byte : s[i];
		i += byte >= 0 ? 4 : 1;
	}
	return put;
}

/* The formatting characters that glibc counts as printable. */
static bool is_invisible(wint_t c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff0 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

int support__is_safe_text(const char *s, size_t len)
{
	static bool have_locale;
	mbstate_t state = { 0 };
	wchar_t c;

	if (!have_locale) {
		if (!setlocale(LC_CTYPE, "C.UTF-8") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
			abort();
		have_locale = true;
	}
	while (len) {
		size_t n = mbrtowc(&c, s, len, &state);

		if (n == 0 || n > len || iswcntrl((wint_t)c) || is_invisible((wint_t)c))
			return 0;
		s += n;
		len -= n;
	}
	return 1;
}

int support__memfd(void)
{
	int fd = memfd_create("twsnoop-test", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

char *support__contents(int fd, size_t *len)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st))
		abort();
	text = malloc((size_t)st.st_size + 1);
	if (!text || pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
		abort();
	text[st.st_size] = '\0';
	if (len)
		*len = (size_t)st.st_size;
	return text;
}

int support__lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	err = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &ifr);
	if (fd >= 0)
		close(fd);
	return err;
}

void support__mend_event(struct tws_event *ev, int family)
{
	ev->action = (__u8)(1 + ev->action % (TWS_LISTEN - 1));
	ev->family = (__u8)family;
	ev->end = ev->action == TWS_TIME_WAIT_END ? ev->end % TWS_END_END : 0;
	ev->pad = 0;
	ev->error %= 4096;
	ev->conn.side %= TWS_SIDE_END;
	ev->conn.cause %= TWS_CAUSE_END;
	ev->conn.comm[TWS_COMM_LEN - 1] = '\0';
	ev->conn.thread_comm[TWS_COMM_LEN - 1] = '\0';
	ev->conn.opener_comm[TWS_COMM_LEN - 1] = '\0';
	ev->conn.tgid |= 1;
	ev->conn.tid |= 1;
	ev->conn.opener_tgid |= 1;
}
