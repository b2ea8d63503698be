/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A shared library that only some commands need, loaded when one does: libcurl and libmicrohttpd bring
 * thirty others along, whose loading took more than half of the time before main().
 *
 * For each there is a table of its functions (base/libcurl.h, serving/libmicrohttpd.h). With
 * TWSNOOP_LINKED the linker fills it: in the static program, and in $(BUILD)/late.so, out of which the
 * build reads under which names they are to be found.
 */
#ifndef TWSNOOP_LIBRARY_H
#define TWSNOOP_LIBRARY_H

#include <stdbool.h>

/* Where the address of a function goes: a pointer to a pointer of its type. */
struct library_function {
	const char *name; /* NULL: the end of a list */
	void *to;
};

struct library {
	const char *name, *soname; /* "libcurl", "libcurl.so.4" */
	const struct library_function *functions;
	/* What it wants to be called once, before all else: true if it could. NULL: nothing. */
	bool (*begin)(void);
	bool is_loaded; /* library__load()'s */
};

/*
 * library__load() - from any thread, as often as one likes: the first that can loads it, for good, and
 * puts its functions where they go. Returns NULL, or why it is not to be had, in one line: what to do
 * and what the dynamic linker said. That lives until this thread asks again.
 */
const char *library__load(struct library *library);

#endif
