// SPDX-License-Identifier: GPL-2.0
#include "serving/libmicrohttpd.h"

#include <stddef.h>

#ifdef TWSNOOP_LINKED

#define ADDRESS(name) .name = MHD_##name,
struct libmicrohttpd mhd = { LIBMICROHTTPD_FUNCTIONS(ADDRESS) };

const char *libmicrohttpd__load(void)
{
	return NULL;
}

#else

#include "base/library.h"
#include "sonames.h"

struct libmicrohttpd mhd;

#define FUNCTION(name) { "MHD_" #name, &mhd.name },
static const struct library_function functions[] = {
	LIBMICROHTTPD_FUNCTIONS(FUNCTION){ NULL, NULL },
};

static struct library libmicrohttpd = {
	.name = "libmicrohttpd", .soname = SONAME_microhttpd, .functions = functions,
};

const char *libmicrohttpd__load(void)
{
	return library__load(&libmicrohttpd);
}

#endif
