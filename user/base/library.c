// SPDX-License-Identifier: GPL-2.0
#include "base/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What it has opened stays so: not every library can be let go. */
static bool load(struct library *library)
{
	const struct library_function *function;
	void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL), *address;

	if (!handle)
		return false;
	for (function = library->functions; function->name; function++) {
		address = dlsym(handle, function->name);
		if (!address)
			return false;
		/* ISO C has no way from an object's pointer to a function's; POSIX has dlsym() */
		memcpy(function->to, &address, sizeof(address));
	}
	library->is_loaded = !library->begin || library->begin();
	return library->is_loaded;
}

const char *library__load(struct library *library)
{
	static _Thread_local char text[256];
	const char *why = NULL, *said;

	pthread_mutex_lock(&lock);
	if (!library->is_loaded && !load(library)) {
		said = dlerror(); /* nothing, where the library itself has failed */
		snprintf(text, sizeof(text), "install %s: %s", library->name,
			 said ? said : "it does not work here");
		why = text;
	}
	pthread_mutex_unlock(&lock);
	return why;
}
