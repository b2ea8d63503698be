/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of sinks share: records, what a sink writes for them, and looks at it. */
#ifndef TWSNOOP_TESTS_SINK_SUPPORT_H
#define TWSNOOP_TESTS_SINK_SUPPORT_H

#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/record.h"
#include "output/sink.h"

extern const struct sink_options as_json, as_csv, as_text;

extern const char render__container_id[]; /* 64 digits, as a runtime gives it */

/* Names that a process may choose, and that must do no harm. */
#define HOSTILE_NAMES 20
extern const char *const render__hostile[HOSTILE_NAMES];

/* @name is in every field of @ev and @rec that may hold one. */
void render__set_names(struct tws_event *ev, struct record *rec, const char *name);

/* What a sink writes for one record, with its heading or without; to be freed. */
char *render__record(const struct sink_options *opts, const struct record *rec, bool heading);
/* The same of several records, alike but for their times, without a heading. */
char *render__times(const struct sink_options *opts, const uint64_t *wall_ns, size_t num);

/* render__check() - it is @want, without the heading; …_all() - with it; …_has() - @want is in it,
 * without the heading. */
void render__check(const struct sink_options *opts, const struct record *rec, const char *want);
void render__check_all(const struct sink_options *opts, const struct record *rec, const char *want);
void render__check_has(const struct sink_options *opts, const struct record *rec, const char *want);

/* The object that one line of JSON is; a reference. */
json_t *render__json(const struct record *rec);

/* The member that @path names, its parts apart by dots; NULL if it is absent. */
const json_t *render__member(const json_t *value, const char *path);
void render__check_string(const json_t *value, const char *path, const char *want);
void render__check_number(const json_t *value, const char *path, uint64_t want);

#endif
