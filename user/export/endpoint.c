// SPDX-License-Identifier: GPL-2.0
#include "export/endpoint.h"

#include <errno.h>

#ifdef HAVE_LIBCURL

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/libcurl.h"

#define MAX_URL 4096

struct endpoint {
	CURLU *url; /* without credentials */
	char *user, *password;
	char shown[512];
};

/* A part as a string of malloc(), decoded or as it is; NULL: there is none. */
static char *part(CURLU *url, CURLUPart what, unsigned int flags)
{
	char *value = NULL, *copy;

	if (curl.url_get(url, what, &value, flags))
		return NULL;
	copy = strdup(value);
	curl.free(value);
	return copy;
}

static bool has_scheme(CURLU *url)
{
	char *scheme = part(url, CURLUPART_SCHEME, 0);
	bool good = scheme && (!strcmp(scheme, "http") || !strcmp(scheme, "https"));

	free(scheme);
	return good;
}

static int take_credentials(struct endpoint *e)
{
	e->user = part(e->url, CURLUPART_USER, CURLU_URLDECODE);
	e->password = part(e->url, CURLUPART_PASSWORD, CURLU_URLDECODE);
	if (curl.url_set(e->url, CURLUPART_USER, NULL, 0) ||
	    curl.url_set(e->url, CURLUPART_PASSWORD, NULL, 0) ||
	    curl.url_set(e->url, CURLUPART_FRAGMENT, NULL, 0))
		return -ENOMEM;
	return 0;
}

static int add_path(struct endpoint *e, const char *path)
{
	char *has = part(e->url, CURLUPART_PATH, 0);
	int err = 0;

	if (path && (!has || !strcmp(has, "/")) && curl.url_set(e->url, CURLUPART_PATH, path, 0))
		err = -ENOMEM;
	free(has);
	return err;
}

/* Without its query: that may have a password in it. */
static int fill_shown(struct endpoint *e)
{
	CURLU *copy = curl.url_dup(e->url);
	char *text = NULL;

	if (copy && !curl.url_set(copy, CURLUPART_QUERY, NULL, 0))
		text = part(copy, CURLUPART_URL, 0);
	curl.url_cleanup(copy);
	if (!text)
		return -ENOMEM;
	escape__quote(e->shown, sizeof(e->shown), text);
	free(text);
	return 0;
}

static int parse(struct endpoint *e, const char *url, const char *path, const char **why)
{
	*why = "it is too long";
	if (strlen(url) > MAX_URL)
		return -EINVAL;
	*why = "not of the form http://HOST:PORT/";
	if (curl.url_set(e->url, CURLUPART_URL, url, 0) || !has_scheme(e->url))
		return -EINVAL;
	return take_credentials(e) ?: add_path(e, path) ?: fill_shown(e);
}

int endpoint__new(struct endpoint **endpointp, const char *url, const char *path, const char **why)
{
	struct endpoint *e;
	int err = -ENOMEM;

	*why = libcurl__load();
	if (*why)
		return -EOPNOTSUPP;
	*why = "no memory";
	e = calloc(1, sizeof(*e));
	if (e)
		e->url = curl.url();
	if (e && e->url)
		err = parse(e, url, path, why);
	if (err) {
		endpoint__free(e);
		return err;
	}
	*endpointp = e;
	return 0;
}

void endpoint__free(struct endpoint *e)
{
	if (!e)
		return;
	curl.url_cleanup(e->url);
	free(e->user);
	free(e->password);
	free(e);
}

const char *endpoint__shown(const struct endpoint *e)
{
	return e->shown;
}

const char *endpoint__user(const struct endpoint *e)
{
	return e->user;
}

const char *endpoint__password(const struct endpoint *e)
{
	return e->password;
}

static int add_parameter(CURLU *url, const struct endpoint_parameter *parameter)
{
	size_t len = strlen(parameter->name) + strlen(parameter->value) + 2;
	char *text = malloc(len);
	CURLUcode code;

	if (!text)
		return -ENOMEM;
	strcpy(text, parameter->name);
	strcat(text, "=");
	strcat(text, parameter->value);
	code = curl.url_set(url, CURLUPART_QUERY, text, CURLU_APPENDQUERY | CURLU_URLENCODE);
	free(text);
	return code ? -ENOMEM : 0;
}

char *endpoint__url(const struct endpoint *e, const struct endpoint_parameter *parameters)
{
	CURLU *url = curl.url_dup(e->url);
	char *text = NULL;
	int err = url ? 0 : -ENOMEM;

	for (; !err && parameters && parameters->name; parameters++)
		err = add_parameter(url, parameters);
	if (!err)
		text = part(url, CURLUPART_URL, 0);
	curl.url_cleanup(url);
	return text;
}

#else

int endpoint__new(struct endpoint **endpointp, const char *url, const char *path, const char **why)
{
	(void)endpointp, (void)url, (void)path;
	*why = "this program is built without libcurl, as the static one is: it sends nothing";
	return -EOPNOTSUPP;
}

void endpoint__free(struct endpoint *e)
{
	(void)e;
}

const char *endpoint__shown(const struct endpoint *e)
{
	(void)e;
	return "";
}

const char *endpoint__user(const struct endpoint *e)
{
	(void)e;
	return NULL;
}

const char *endpoint__password(const struct endpoint *e)
{
	(void)e;
	return NULL;
}

char *endpoint__url(const struct endpoint *e, const struct endpoint_parameter *parameters)
{
	(void)e, (void)parameters;
	return NULL;
}

#endif
