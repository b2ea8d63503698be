// SPDX-License-Identifier: GPL-2.0
#include "commands/serve_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void erase(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* Up to @size bytes, or a negative errno. */
static ssize_t read_some(int fd, char *to, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while (len < size) {
		got = read(fd, to + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

static int read_file(char **to, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = fd < 0 ? NULL : calloc(1, SERVE_TLS_BYTES + 2);
	ssize_t len = fd < 0 ? -errno : text ? 0 : -ENOMEM;

	if (text)
		len = read_some(fd, text, SERVE_TLS_BYTES + 1);
	if (fd >= 0)
		close(fd);
	if (len > (ssize_t)SERVE_TLS_BYTES)
		len = -EFBIG;
	else if (len >= 0 && !strstr(text, "-----BEGIN "))
		len = -EINVAL;
	if (len < 0) {
		erase(text);
		return (int)len;
	}
	*to = text;
	return 0;
}

int serve_tls__read(struct serve_tls *tls, const char *cert_path, const char *key_path,
		    const char **which)
{
	struct serve_tls read = { NULL, NULL };
	int err;

	*which = cert_path;
	err = read_file(&read.cert, cert_path);
	if (err)
		return err;
	*which = key_path;
	err = read_file(&read.key, key_path);
	if (err) {
		serve_tls__free(&read);
		return err;
	}
	*tls = read;
	return 0;
}

void serve_tls__free(struct serve_tls *tls)
{
	erase(tls->cert);
	erase(tls->key);
	*tls = (struct serve_tls){ NULL, NULL };
}
