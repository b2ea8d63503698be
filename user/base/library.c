// SPDX-License-Identifier: GPL-2.0
#include "base/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool load(const struct library *library)
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
	return true;
}

const char *library__load(struct library *library)
{
	pthread_mutex_lock(&lock);
	if (!library->is_tried && !load(library))
		snprintf(library->why, sizeof(library->why), "install %s: %s", library->name, dlerror());
	library->is_tried = true;
	pthread_mutex_unlock(&lock);
	return library->why[0] ? library->why : NULL;
}
