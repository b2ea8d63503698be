/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What OTEL_EXPORTER_OTLP_HEADERS holds: name=value,name=value, with the values as in a URL (%20). See
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
 */
#ifndef TWSNOOP_HEADERS_H
#define TWSNOOP_HEADERS_H

#include <stddef.h>

#define HEADERS_MAX 32

/* Private; all zero: none. */
struct headers {
	char *lines[HEADERS_MAX + 1];
	size_t num;
};

/* headers__parse() - into a zeroed @headers. Returns 0, -ENOMEM, or -EINVAL: a name that is none, a
 * value with a control character, or too many; @headers is as before then. */
int headers__parse(struct headers *headers, const char *text);
void headers__free(struct headers *headers);

/* headers__lines() - "name: value" each, up to NULL. */
const char *const *headers__lines(const struct headers *headers);

#endif
