// SPDX-License-Identifier: GPL-2.0
#include "clitool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define HEAD_BYTES 16384
#define BODY_BYTES (8U << 20)

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			     "Content-Length: 2\r\n\r\n{}";

/* Reads up to the end of the head, with what has come of the body behind it. Returns how much it is, and
 * where the body begins; 0: nothing more comes. */
static size_t read_head(int fd, char head[HEAD_BYTES], size_t *body)
{
	size_t used = 0;
	char *end = NULL;

	while (!end) {
		ssize_t num = read(fd, head + used, HEAD_BYTES - 1 - used);

		if (num <= 0)
			return 0;
		used += (size_t)num;
		head[used] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	*body = (size_t)(end - head) + 4;
	return used;
}

static bool read_rest(int fd, char *body, size_t used, size_t len)
{
	while (used < len) {
		ssize_t num = read(fd, body + used, len - used);

		if (num <= 0)
			return false;
		used += (size_t)num;
	}
	return true;
}

/* What was packed by gzip, as a line of @out. */
static void unpack(char *body, size_t len, FILE *out)
{
	static char plain[BODY_BYTES];
	z_stream z = { .next_in = (unsigned char *)body, .avail_in = (unsigned int)len,
		       .next_out = (unsigned char *)plain, .avail_out = sizeof(plain) };

	errno = 0;
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK || inflate(&z, Z_FINISH) != Z_STREAM_END)
		die("not packed by gzip");
	inflateEnd(&z);
	if (fwrite(plain, 1, z.total_out, out) != z.total_out || fputc('\n', out) == EOF ||
	    fflush(out))
		die("write");
}

/* Takes one request; false: the connection is over. */
static bool serve_one(int fd, FILE *out)
{
	static char head[HEAD_BYTES], body[BODY_BYTES];
	size_t at, used = read_head(fd, head, &at);
	unsigned long len;
	char *length;

	if (!used)
		return false;
	length = strcasestr(head, "\r\nContent-Length: ");
	len = length ? strtoul(length + 18, NULL, 10) : 0;
	if (!len || len > sizeof(body) || used - at > len)
		die("no request with a body");
	memcpy(body, head + at, used - at);
	if (!read_rest(fd, body, used - at, len))
		return false;
	unpack(body, len, out);
	return write(fd, answer, sizeof(answer) - 1) == (ssize_t)sizeof(answer) - 1;
}

int tool__receive(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	FILE *out = argc == 2 ? fopen(argv[1], "ae") : NULL;

	if (!out)
		die("PORT FILE");
	addr.sin_port = htons((uint16_t)number(argv[0]));
	signal(SIGPIPE, SIG_IGN);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 16))
		die("listen");
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			die("accept");
		while (serve_one(fd, out))
			;
		close(fd);
	}
}
