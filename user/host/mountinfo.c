// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "host/mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
		    is_octal(text[2]) && is_octal(text[3])) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
					(text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* "36 31 0:33 ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPER_OPTIONS", cut up in place. */
static bool parse(char *line, struct mountinfo *mount)
{
	char *fields[6], *rest = line, *tail = strstr(line, " - "), *type, *root, *point;

	if (!tail)
		return false;
	*tail = '\0';
	tail += strlen(" - ");
	tail[strcspn(tail, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		fields[i] = strsep(&rest, " ");
		if (!fields[i])
			return false;
	}
	root = fields[3];
	point = fields[4];
	type = strsep(&tail, " ");
	if (!tail || !strsep(&tail, " ") || !tail) /* the source is between them */
		return false;
	unescape(root);
	unescape(point);
	*mount = (struct mountinfo){ root, point, type, tail };
	return true;
}

int mountinfo__each(const char *path, mountinfo_fn fn, void *ctx)
{
	struct mountinfo mount;
	char *line = NULL;
	size_t room = 0;
	int err = 0;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!err && getline(&line, &room, file) > 0)
		if (parse(line, &mount))
			err = fn(ctx, &mount);
	free(line);
	fclose(file);
	return err;
}

bool mountinfo__has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return false;
}
