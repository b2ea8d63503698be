// SPDX-License-Identifier: GPL-2.0
#include "containers/runtime_cri.h"

#if defined(HAVE_LIBCURL) || defined(HAVE_JANSSON)

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

/* gRPC puts this before each message: whether it is compressed, and its length. */
#define FRAME_BYTES 5

/* Protocol Buffers: how a field's value is written. */
enum wire {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5,
};

/* A piece of the answer. */
struct bytes {
	const unsigned char *at, *end;
};

struct field {
	uint64_t number;
	enum wire wire;
	struct bytes value; /* of WIRE_BYTES */
};

/* ---- Protocol Buffers ---- */

static size_t bytes_left(const struct bytes *from)
{
	return (size_t)(from->end - from->at);
}

/* Seven bits a byte, the lowest first. */
static int read_varint(struct bytes *from, uint64_t *value)
{
	uint64_t result = 0;

	for (unsigned int shift = 0; shift < 64 && from->at < from->end; shift += 7) {
		unsigned char byte = *from->at++;

		result |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*value = result;
			return 0;
		}
	}
	return -EBADMSG;
}

static int take_bytes(struct bytes *from, uint64_t len, struct bytes *piece)
{
	if (len > bytes_left(from))
		return -EBADMSG;
	*piece = (struct bytes){ from->at, from->at + len };
	from->at += len;
	return 0;
}

static int read_field(struct bytes *from, struct field *field)
{
	uint64_t tag, len;
	int err = read_varint(from, &tag);

	if (err)
		return err;
	field->number = tag >> 3;
	field->wire = tag & 7;
	switch (field->wire) {
	case WIRE_VARINT:
		return read_varint(from, &len);
	case WIRE_64:
		return take_bytes(from, 8, &field->value);
	case WIRE_32:
		return take_bytes(from, 4, &field->value);
	case WIRE_BYTES:
		return read_varint(from, &len) ?: take_bytes(from, len, &field->value);
	default: /* groups, which are no more */
		return -EBADMSG;
	}
}

/* Each field that is not a plain number, in its order. A non-zero return of @fn
 * ends it and is returned. */
typedef int (*field_fn)(void *ctx, const struct field *field);

static int each_field(struct bytes message, field_fn fn, void *ctx)
{
	struct field field;
	int err = 0;

	while (!err && message.at < message.end) {
		err = read_field(&message, &field);
		if (!err && field.wire == WIRE_BYTES)
			err = fn(ctx, &field);
	}
	return err;
}

/* ---- texts ---- */

/* No NUL, and UTF-8: jansson takes nothing else. */
static bool is_text(const struct bytes *value)
{
	size_t len = bytes_left(value);
	json_t *text;

	if (memchr(value->at, '\0', len))
		return false;
	text = json_stringn((const char *)value->at, len);
	json_decref(text);
	return text;
}

/* One that is said twice could be read either way: not understood. What does not
 * fit whole is left out. */
static int copy_text(char *to, size_t size, const struct bytes *value)
{
	size_t len = bytes_left(value);

	if (to[0] || !is_text(value))
		return -EBADMSG;
	if (len < size) {
		memcpy(to, value->at, len);
		to[len] = '\0';
	}
	return 0;
}

#define COPY(member, value) copy_text((member), sizeof(member), (value))

struct label {
	struct bytes key, value;
};

static int label_field(void *ctx, const struct field *field)
{
	struct label *label = ctx;

	if (field->number == 1)
		label->key = field->value;
	if (field->number == 2)
		label->value = field->value;
	return 0;
}

static bool is_key(const struct label *label, const char *key)
{
	size_t len = strlen(key);

	return bytes_left(&label->key) == len && memcmp(label->key.at, key, len) == 0;
}

/* An entry of a map<string, string>: a message of a key and a value. */
static int read_label(struct bytes entry, struct label *label)
{
	static const unsigned char none[1];

	*label = (struct label){ { none, none }, { none, none } };
	return each_field(entry, label_field, label);
}

static int copy_label(struct runtime_names_of *names, struct bytes entry)
{
	struct label label;
	int err = read_label(entry, &label);

	if (err)
		return err;
	if (is_key(&label, "io.kubernetes.pod.name"))
		return COPY(names->pod_name, &label.value);
	if (is_key(&label, "io.kubernetes.pod.namespace"))
		return COPY(names->pod_namespace, &label.value);
	if (is_key(&label, "io.kubernetes.pod.uid"))
		return COPY(names->pod_uid, &label.value);
	if (is_key(&label, "io.kubernetes.container.name"))
		return COPY(names->pod_container, &label.value);
	return 0;
}

/* ---- what is listed ---- */

struct item {
	char id[CGROUP_ID_SIZE];
	char sandbox[CGROUP_ID_SIZE];
	char given_image[RUNTIME_IMAGE_SIZE]; /* as the user wrote it */
	struct runtime_names_of names;
};

/* ContainerMetadata { name = 1, attempt = 2 } */
static int container_metadata_field(void *ctx, const struct field *field)
{
	struct item *item = ctx;

	return field->number == 1 ? COPY(item->names.name, &field->value) : 0;
}

/* ImageSpec { image = 1, …, user_specified_image = 18 } */
static int image_field(void *ctx, const struct field *field)
{
	struct item *item = ctx;

	if (field->number == 1)
		return COPY(item->names.image, &field->value);
	return field->number == 18 ? COPY(item->given_image, &field->value) : 0;
}

/* Container { id = 1, pod_sandbox_id = 2, metadata = 3, image = 4, …, labels = 8 } */
static int container_field(void *ctx, const struct field *field)
{
	struct item *item = ctx;

	switch (field->number) {
	case 1:
		return COPY(item->id, &field->value);
	case 2:
		return COPY(item->sandbox, &field->value);
	case 3:
		return each_field(field->value, container_metadata_field, item);
	case 4:
		return each_field(field->value, image_field, item);
	case 8:
		return copy_label(&item->names, field->value);
	default:
		return 0;
	}
}

/* PodSandboxMetadata { name = 1, uid = 2, namespace = 3, attempt = 4 } */
static int sandbox_metadata_field(void *ctx, const struct field *field)
{
	struct item *item = ctx;

	switch (field->number) {
	case 1:
		return COPY(item->names.pod_name, &field->value);
	case 2:
		return COPY(item->names.pod_uid, &field->value);
	case 3:
		return COPY(item->names.pod_namespace, &field->value);
	default:
		return 0;
	}
}

/* PodSandbox { id = 1, metadata = 2, … } */
static int sandbox_field(void *ctx, const struct field *field)
{
	struct item *item = ctx;

	if (field->number == 1)
		return COPY(item->id, &field->value);
	return field->number == 2 ? each_field(field->value, sandbox_metadata_field, item) : 0;
}

/* containerd's Container { id = 1, labels = 2, image = 3, … } */
static int own_field(void *ctx, const struct field *field)
{
	struct item *item = ctx;
	struct label label;
	int err = 0;

	if (field->number == 1)
		return COPY(item->id, &field->value);
	if (field->number == 3)
		return COPY(item->names.image, &field->value);
	if (field->number == 2)
		err = read_label(field->value, &label);
	if (field->number == 2 && !err && is_key(&label, "nerdctl/name"))
		err = COPY(item->names.name, &label.value);
	return err;
}

struct search {
	const char *id;
	field_fn read_item;
	struct item found; /* "" for its id: not found */
};

/* The answer to each of them: a list of items in field 1, or the only one. */
static int list_field(void *ctx, const struct field *field)
{
	struct search *search = ctx;
	struct item item = { .id = "" };
	int err;

	if (field->number != 1)
		return 0;
	err = each_field(field->value, search->read_item, &item);
	if (!err && strcmp(item.id, search->id) == 0) {
		if (search->found.id[0])
			return -EBADMSG;
		search->found = item;
	}
	return err;
}

/* One frame, whole and not compressed. */
static int open_frame(const void *answer, size_t len, struct bytes *message)
{
	const unsigned char *bytes = answer;
	size_t message_len;

	if (len < FRAME_BYTES || bytes[0])
		return -EBADMSG;
	message_len = (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 |
		      bytes[4];
	if (message_len != len - FRAME_BYTES)
		return -EBADMSG;
	*message = (struct bytes){ bytes + FRAME_BYTES, bytes + len };
	return 0;
}

static int search_list(struct search *search, const void *answer, size_t len)
{
	struct bytes message;
	int err = open_frame(answer, len, &message);

	if (!err)
		err = each_field(message, list_field, search);
	return err ?: search->found.id[0] ? 0 : -ENOENT;
}

/* ---- from outside ---- */

/* id = 1 of the request. */
size_t runtime_containerd__request(const char *id, unsigned char buf[RUNTIME_CRI_REQUEST_MAX])
{
	size_t len = strlen(id);
	const unsigned char head[] = {
		0, 0, 0, 0, (unsigned char)(len + 2), /* the frame */
		1 << 3 | WIRE_BYTES, (unsigned char)len,
	};

	if (len == 0 || sizeof(head) + len > RUNTIME_CRI_REQUEST_MAX)
		return 0;
	memcpy(buf, head, sizeof(head));
	memcpy(buf + sizeof(head), id, len);
	return sizeof(head) + len;
}

int runtime_containerd__container(const void *answer, size_t len, const char *id,
				  struct runtime_names_of *names)
{
	struct search search = { .id = id, .read_item = own_field };
	const struct runtime_names_of *found = &search.found.names;
	int err = search_list(&search, answer, len);

	if (!err && !found->name[0] && !found->image[0])
		err = -ENOENT;
	if (!err)
		*names = *found;
	return err;
}

/* filter = 1 of the request, id = 1 of the filter. */
size_t runtime_cri__request(const char *id, unsigned char buf[RUNTIME_CRI_REQUEST_MAX])
{
	size_t len = strlen(id);
	const unsigned char head[] = {
		0, 0, 0, 0, (unsigned char)(len + 4), /* the frame */
		1 << 3 | WIRE_BYTES, (unsigned char)(len + 2),
		1 << 3 | WIRE_BYTES, (unsigned char)len,
	};

	if (len == 0 || sizeof(head) + len > RUNTIME_CRI_REQUEST_MAX)
		return 0;
	memcpy(buf, head, sizeof(head));
	memcpy(buf + sizeof(head), id, len);
	return sizeof(head) + len;
}

int runtime_cri__containers(const void *answer, size_t len, const char *id,
			    struct runtime_names_of *names, char sandbox[CGROUP_ID_SIZE])
{
	struct search search = { .id = id, .read_item = container_field };
	struct item *item = &search.found;
	int err = search_list(&search, answer, len);

	if (err)
		return err;
	if (item->given_image[0])
		memcpy(item->names.image, item->given_image, sizeof(item->given_image));
	/* Kubernetes calls the container what it calls it. */
	if (!item->names.pod_container[0])
		memcpy(item->names.pod_container, item->names.name, sizeof(item->names.name));
	*names = item->names;
	memcpy(sandbox, item->sandbox, sizeof(item->sandbox));
	return 0;
}

static void add_text(char *to, const char *text, size_t size)
{
	if (!to[0])
		memcpy(to, text, size);
}

int runtime_cri__sandboxes(const void *answer, size_t len, const char *id,
			   struct runtime_names_of *names)
{
	struct search search = { .id = id, .read_item = sandbox_field };
	const struct runtime_names_of *found = &search.found.names;
	int err = search_list(&search, answer, len);

	if (err)
		return err;
	if (!found->pod_name[0] && !found->pod_namespace[0] && !found->pod_uid[0])
		return -ENOENT;
	add_text(names->pod_name, found->pod_name, sizeof(names->pod_name));
	add_text(names->pod_namespace, found->pod_namespace, sizeof(names->pod_namespace));
	add_text(names->pod_uid, found->pod_uid, sizeof(names->pod_uid));
	return 0;
}

#else

typedef int runtime_cri_is_empty; /* ISO C wants something here */

#endif
