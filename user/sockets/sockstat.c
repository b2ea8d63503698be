// SPDX-License-Identifier: GPL-2.0
#include "sockets/sockstat.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "host/netns.h"

#define FILE_BYTES 4096 /* it has six lines */

static const char tcp_line[] = "TCP: ", tw_word[] = " tw ";

int sockstat__parse(const char *text, size_t len, uint64_t *num)
{
	const char *line = text, *end = text + len, *newline, *word;
	size_t digits = 0;

	while (line < end && ((size_t)(end - line) < strlen(tcp_line) ||
			      memcmp(line, tcp_line, strlen(tcp_line)))) {
		newline = memchr(line, '\n', (size_t)(end - line));
		line = newline ? newline + 1 : end;
	}
	newline = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
	end = newline ?: end;
	word = line < end ? memmem(line, (size_t)(end - line), tw_word, strlen(tw_word)) : NULL;
	if (!word)
		return -EBADMSG;
	word += strlen(tw_word);
	while (word + digits < end && word[digits] != ' ')
		digits++;
	return parse__u64_n(word, digits, 0, UINT64_MAX, num) ? -EBADMSG : 0;
}

struct visit {
	const char *proc_root;
	uint64_t num;
};

static int read_file(void *ctx)
{
	struct visit *visit = ctx;
	char text[FILE_BYTES];
	ssize_t len = netns__read_proc(visit->proc_root, "sockstat", text, sizeof(text));

	return len < 0 ? (int)len : sockstat__parse(text, (size_t)len, &visit->num);
}

int sockstat__count_minis(int netns_fd, const char *proc_root, uint64_t *num)
{
	struct visit visit = { .proc_root = proc_root };
	int err = netns_fd < 0 ? read_file(&visit) : netns__run(netns_fd, read_file, &visit);

	if (!err)
		*num = visit.num;
	return err;
}
