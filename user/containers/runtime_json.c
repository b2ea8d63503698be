// SPDX-License-Identifier: GPL-2.0
#include "containers/runtime_json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#if defined(HAVE_LIBCURL) && !defined(HAVE_JANSSON)
#define HAVE_JANSSON
#endif

#ifdef HAVE_JANSSON
#include <jansson.h>

/* What Kubernetes' agents label their containers with. */
#define POD_NAME "io.kubernetes.pod.name"
#define POD_NAMESPACE "io.kubernetes.pod.namespace"
#define POD_UID "io.kubernetes.pod.uid"
#define POD_CONTAINER "io.kubernetes.container.name"

/* A member twice could be read either way: not understood. jansson refuses
 * NULs in strings, invalid UTF-8 and too deep nesting by itself. */
static json_t *load(const char *json, size_t len)
{
	return json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
}

/* NULL also for what is not a string, and for the empty one. */
static const char *string_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0] ? text : NULL;
}

/* The first of two keys that is there. */
static void copy(char *to, size_t size, const json_t *object, const char *key,
		 const char *other_key)
{
	const char *text = string_in(object, key);
	size_t len;

	if (!text && other_key)
		text = string_in(object, other_key);
	len = text ? strlen(text) : 0;
	if (len > 0 && len < size)
		memcpy(to, text, len + 1);
}

static bool is_empty(const struct runtime_names_of *names)
{
	return !names->name[0] && !names->image[0] && !names->pod_name[0] &&
	       !names->pod_namespace[0] && !names->pod_container[0] && !names->pod_uid[0];
}

#define COPY(member, object, key, other_key) \
	copy((member), sizeof(member), (object), (key), (other_key))

static void copy_labels(struct runtime_names_of *names, const json_t *labels)
{
	COPY(names->pod_name, labels, POD_NAME, NULL);
	COPY(names->pod_namespace, labels, POD_NAMESPACE, NULL);
	COPY(names->pod_uid, labels, POD_UID, NULL);
	COPY(names->pod_container, labels, POD_CONTAINER, NULL);
	/* Docker's and CRI-O's for the pause container. No other can be called so:
	 * Kubernetes' names have no capitals. */
	if (strcmp(names->pod_container, "POD") == 0)
		names->pod_container[0] = '\0';
}

static int finish(json_t *root, int err, const struct runtime_names_of *found,
		  struct runtime_names_of *names)
{
	json_decref(root);
	if (!err && is_empty(found))
		err = -ENOENT;
	if (!err)
		*names = *found;
	return err;
}

int runtime_json__inspect(const char *json, size_t len, const char *id,
			  struct runtime_names_of *names)
{
	struct runtime_names_of found = {};
	const json_t *config;
	const char *said;
	json_t *root;

	root = load(json, len);
	said = string_in(root, "Id");
	if (!said)
		said = string_in(root, "ID");
	if (!said)
		return finish(root, -EBADMSG, &found, names);
	if (strcmp(said, id) != 0)
		return finish(root, -ENOENT, &found, names);
	COPY(found.name, root, "Name", NULL);
	if (found.name[0] == '/')
		memmove(found.name, found.name + 1, strlen(found.name));
	config = json_object_get(root, "Config");
	COPY(found.image, config, "Image", NULL);
	copy_labels(&found, json_object_get(config, "Labels"));
	return finish(root, 0, &found, names);
}

int runtime_json__bundle(const char *json, size_t len, const char *id,
			 struct runtime_names_of *names)
{
	struct runtime_names_of found = {};
	const json_t *notes;
	const char *said;
	json_t *root;

	root = load(json, len);
	if (!json_is_object(root))
		return finish(root, -EBADMSG, &found, names);
	notes = json_object_get(root, "annotations");
	said = string_in(notes, "io.kubernetes.cri-o.ContainerID");
	if (said && strcmp(said, id) != 0)
		return finish(root, -ENOENT, &found, names);
	copy_labels(&found, notes);
	COPY(found.pod_name, notes, "io.kubernetes.cri.sandbox-name", NULL);
	COPY(found.pod_namespace, notes, "io.kubernetes.cri.sandbox-namespace", NULL);
	COPY(found.pod_uid, notes, "io.kubernetes.cri.sandbox-uid", NULL);
	COPY(found.pod_container, notes, "io.kubernetes.cri.container-name", NULL);
	COPY(found.name, notes, "nerdctl/name", NULL);
	if (!found.name[0])
		memcpy(found.name, found.pod_container, sizeof(found.name));
	COPY(found.image, notes, "io.kubernetes.cri.image-name",
	     "io.kubernetes.cri-o.ImageName");
	return finish(root, 0, &found, names);
}

/* The runtime's own notes are JSON in a string. */
static void copy_metadata(struct runtime_names_of *names, const json_t *container)
{
	const char *text = string_in(container, "metadata");
	json_t *metadata;

	if (!text)
		return;
	metadata = load(text, strlen(text));
	COPY(names->image, metadata, "image-name", NULL);
	json_decref(metadata);
}

int runtime_json__storage(const char *json, size_t len, const char *id,
			  struct runtime_names_of *names)
{
	struct runtime_names_of found = {};
	const char *said, *name;
	json_t *root, *container;
	size_t i;

	root = load(json, len);
	if (!json_is_array(root))
		return finish(root, -EBADMSG, &found, names);
	json_array_foreach(root, i, container) {
		said = string_in(container, "id");
		if (!said || strcmp(said, id) != 0)
			continue;
		name = json_string_value(json_array_get(json_object_get(container, "names"), 0));
		if (name && strlen(name) < sizeof(found.name))
			memcpy(found.name, name, strlen(name) + 1);
		copy_metadata(&found, container);
		break;
	}
	return finish(root, 0, &found, names);
}

#else

int runtime_json__inspect(const char *json, size_t len, const char *id,
			  struct runtime_names_of *names)
{
	(void)json;
	(void)len;
	(void)id;
	(void)names;
	return -EOPNOTSUPP;
}

int runtime_json__bundle(const char *json, size_t len, const char *id,
			 struct runtime_names_of *names)
{
	return runtime_json__inspect(json, len, id, names);
}

int runtime_json__storage(const char *json, size_t len, const char *id,
			  struct runtime_names_of *names)
{
	return runtime_json__inspect(json, len, id, names);
}

#endif
