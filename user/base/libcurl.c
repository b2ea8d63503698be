// SPDX-License-Identifier: GPL-2.0
#include "base/libcurl.h"

#include <stddef.h>

#if !defined(HAVE_LIBCURL)

const char *libcurl__load(void)
{
	return "this program is built without libcurl, as the static one is";
}

#elif defined(TWSNOOP_LINKED)

#define ADDRESS(name) .name = curl_##name,
struct libcurl curl = { LIBCURL_FUNCTIONS(ADDRESS) };

const char *libcurl__load(void)
{
	return NULL;
}

#else

#include "base/library.h"
#include "sonames.h"

#ifndef SONAME_curl
#error "the build folder has objects of a build without libcurl: make clean"
#endif

struct libcurl curl;

#define FUNCTION(name) { "curl_" #name, &curl.name },
static const struct library_function functions[] = {
	LIBCURL_FUNCTIONS(FUNCTION){ NULL, NULL },
};

/* Before 7.84 it must not be called in two threads at once. */
static bool begin(void)
{
	return !curl.global_init(CURL_GLOBAL_DEFAULT);
}

static struct library libcurl = {
	.name = "libcurl", .soname = SONAME_curl, .functions = functions, .begin = begin,
};

const char *libcurl__load(void)
{
	return library__load(&libcurl);
}

#endif
