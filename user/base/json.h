/* SPDX-License-Identifier: GPL-2.0 */
/*
 * JSON, appended to a buffer. Commas come by themselves. There are two ways, not to be
 * mixed within one object:
 *
 *	json__open(ob, NULL, '{');		json__member(ob, NULL, "process.pid");
 *	json__string(ob, "state", "open");	outbuf__u64(ob, 812);
 *	json__open(ob, "losses", '[');		json__member(ob, "process.pid", "tcp.side");
 *	json__close(ob, ']');			outbuf__lit(ob, "\"client\"");
 *	json__close(ob, '}');			json__finish(ob, "tcp.side");
 */
#ifndef TWSNOOP_JSON_H
#define TWSNOOP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outbuf.h"

/* ---- member by member; @key is NULL in an array, and for the outermost object ---- */

/* An object, '{' to '}', or an array, '[' to ']'. */
void json__open(struct outbuf *ob, const char *key, char bracket);
void json__close(struct outbuf *ob, char bracket);
/* NULL and "" are not written: absent where it is unknown. */
void json__string(struct outbuf *ob, const char *key, const char *value);
void json__bool(struct outbuf *ob, const char *key, bool value);
void json__u64(struct outbuf *ob, const char *key, uint64_t value);
/* Rounded to three digits after the point; what is negative or no number is 0. */
void json__real(struct outbuf *ob, const char *key, double value);

/* ---- flat names with dots for the nesting ---- */

/*
 * json__member() - all that stands between the value of @before (NULL: it is the first)
 * and the value of @name: objects are closed and opened as far as the two names differ.
 * Names with a common beginning must come one after the other.
 */
void json__member(struct outbuf *ob, const char *before, const char *name);

/* json__finish() - what closes the object after the value of @before (NULL: none). */
void json__finish(struct outbuf *ob, const char *before);

#endif
