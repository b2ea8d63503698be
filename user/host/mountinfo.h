/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one reader of /proc/PID/mountinfo, see proc(5).
 */
#ifndef TWSNOOP_MOUNTINFO_H
#define TWSNOOP_MOUNTINFO_H

#include <stdbool.h>

/* One mount; it lives until the callback returns. What the kernel's show_mountinfo() wrote as
 * \ooo (blanks, newlines, backslashes) is what it stands for again. */
struct mountinfo {
	const char *root;    /* of the file system, what is mounted: "/", "net:[4026532281]" */
	const char *point;   /* where */
	const char *type;    /* of the file system */
	const char *options; /* the file system's own, not the mount's: "rw,memory" */
};

/* A value other than 0 ends the walk and becomes its result. */
typedef int (*mountinfo_fn)(void *ctx, const struct mountinfo *mount);

/*
 * mountinfo__each() - calls @fn for each line of the file @path that has the form of one.
 * Returns 0, what @fn returned, or -errno if the file cannot be read.
 */
int mountinfo__each(const char *path, mountinfo_fn fn, void *ctx);

/* mountinfo__has_option() - whether @name is one of @options. */
bool mountinfo__has_option(const char *options, const char *name);

#endif
