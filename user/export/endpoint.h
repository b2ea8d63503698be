/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A store's URL, as a user gives it: taken apart, its credentials out of sight, and put together
 * again for a request.
 */
#ifndef TWSNOOP_ENDPOINT_H
#define TWSNOOP_ENDPOINT_H

#include <stddef.h>

struct endpoint;

/*
 * endpoint__new() - of @url, http or https. @path: added where the URL has none, or NULL. Returns 0
 * and *@endpointp, to be freed by endpoint__free(), -ENOMEM, or -EINVAL and in *@why (which lives on)
 * what is wrong with it, or -EOPNOTSUPP and there why nothing can be sent: see libcurl__load().
 */
int endpoint__new(struct endpoint **endpointp, const char *url, const char *path,
		  const char **why);
void endpoint__free(struct endpoint *endpoint); /* NULL is allowed */

/* endpoint__shown() - for the user: scheme, host, port and path. Escaped. */
const char *endpoint__shown(const struct endpoint *endpoint);

/* endpoint__user() - decoded; NULL: there is none. */
const char *endpoint__user(const struct endpoint *endpoint);
const char *endpoint__password(const struct endpoint *endpoint);

/* A parameter of the query. */
struct endpoint_parameter {
	const char *name, *value; /* the value is encoded here */
};

/* endpoint__url() - for a request, without credentials, with the parameters (up to the first
 * without a name) beside those that it has. NULL without memory, else to be freed by free(). */
char *endpoint__url(const struct endpoint *endpoint, const struct endpoint_parameter *parameters);

#endif
