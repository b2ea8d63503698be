// SPDX-License-Identifier: GPL-2.0
#include "model/record.h"

#include <string.h>

#define SHORT_ID_LEN 12 /* of a container, as docker ps shows it */

static size_t add_part(char *own, size_t used, const char *part)
{
	size_t len = part ? strlen(part) : 0, room;

	if (!part)
		return used;
	if (used && used < RECORD_LABEL_BYTES)
		own[used++] = '/';
	room = RECORD_LABEL_BYTES - used;
	if (len > room)
		len = room;
	memcpy(own + used, part, len);
	return used + len;
}

const char *record__label(const struct workload *w, char own[RECORD_LABEL_BYTES], size_t *len)
{
	const char *label = w->container_name ?: w->container_id ?: w->unit;

	if (w->pod_name) {
		*len = add_part(own, 0, w->pod_namespace);
		*len = add_part(own, *len, w->pod_name);
		*len = add_part(own, *len, w->pod_container);
		return own;
	}
	if (!label)
		return NULL;
	*len = label == w->container_id ? strnlen(label, SHORT_ID_LEN) : strlen(label);
	return label;
}
