// SPDX-License-Identifier: GPL-2.0
#include "export/encoder.h"

#include <string.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/fmt.h"

/* The one that is reserved has no reader yet, and no store is to make a column of it. */
bool encoder__is_sent(const struct field *field)
{
	return field->in & FIELD_IN_EVENTS && field->type != FIELD_TIME &&
	       strcmp(field->name, "process.evidence") != 0;
}

static void put_address(struct outbuf *ob, const struct field_value *v)
{
	char *to = outbuf__room(ob, FMT_IPV6_MAX + 2);
	size_t len;

	if (!to)
		return;
	len = v->family == AF_INET ? fmt__ipv4(to + 1, v->addr) : fmt__ipv6(to + 1, v->addr);
	to[0] = to[len + 1] = '"';
	ob->len += len + 2;
}

void encoder__text(struct outbuf *ob, const struct field *field, const struct field_value *v)
{
	if (field->type == FIELD_ADDRESS)
		put_address(ob, v);
	else
		escape__json(ob, v->text, v->len);
}
