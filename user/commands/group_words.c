// SPDX-License-Identifier: GPL-2.0
#include "commands/group_words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "inventory/group.h"
#include "model/field.h"

static int complain(const char *arg, size_t len, bool sorts, char *why, size_t why_len)
{
	char quoted[64];
	const char *comma = "";
	int n = snprintf(why, why_len, "'%s' is none of",
			 escape__quote_n(quoted, sizeof(quoted), arg, len));

	for (size_t i = 0; i < field__num_keys && n >= 0 && (size_t)n < why_len; i++) {
		if (field__keys[i].sorts_only && !sorts)
			continue;
		n += snprintf(why + n, why_len - (size_t)n, "%s %s", comma,
			      field__keys[i].word);
		comma = ",";
	}
	return -EINVAL;
}

int group_words__sort(void *field, const char *arg, char *why, size_t why_len)
{
	struct group_keys *keys = field;
	const struct field_key *key = field__key(arg, strlen(arg));

	if (!key)
		return complain(arg, strlen(arg), true, why, why_len);
	*keys = (struct group_keys){ .num = 1, .keys = { key } };
	return 0;
}

int group_words__by(void *field, const char *arg, char *why, size_t why_len)
{
	struct group_keys keys = {};

	for (;;) {
		size_t len = strcspn(arg, ",");
		const struct field_key *key = field__key(arg, len);

		if (!key || key->sorts_only)
			return complain(arg, len, false, why, why_len);
		for (size_t i = 0; i < keys.num; i++)
			if (keys.keys[i] == key) {
				snprintf(why, why_len, "'%s' comes twice", key->word);
				return -EINVAL;
			}
		keys.keys[keys.num++] = key;
		if (!arg[len])
			break;
		arg += len + 1;
	}
	*(struct group_keys *)field = keys;
	return 0;
}
