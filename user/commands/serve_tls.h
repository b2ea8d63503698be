/* SPDX-License-Identifier: GPL-2.0 */
/* The files of a certificate and of its key, read while one may. */
#ifndef TWSNOOP_SERVE_TLS_H
#define TWSNOOP_SERVE_TLS_H

#include <stddef.h>

struct serve_tls {
	char *cert, *key; /* PEM, as strings; NULL: none */
};

#define SERVE_TLS_BYTES (1U << 20) /* of a file, at most */

/* serve_tls__read() - returns 0 and @tls, to be emptied by serve_tls__free(), or a negative errno and
 * *@which, the path that it is about: -EFBIG, or -EINVAL for a file that is no PEM. */
int serve_tls__read(struct serve_tls *tls, const char *cert_path, const char *key_path,
		    const char **which);
void serve_tls__free(struct serve_tls *tls); /* the key is overwritten */

#endif
