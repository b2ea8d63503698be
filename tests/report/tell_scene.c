// SPDX-License-Identifier: GPL-2.0
/*
 * Tells a report of a made-up hour: what the tests of the writers, and pictures, are made of.
 * Usage: tell_scene SCENE text|json|html, or tell_scene list
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/report_html.h"
#include "report/report_json.h"
#include "report/report_text.h"
#include "tests/unit/report/scenes.h"

typedef void writer(struct outbuf *to, const struct story *story, const struct when_zone *zone);

static writer *writer_of(const char *format)
{
	if (!strcmp(format, "text"))
		return report_text__write;
	if (!strcmp(format, "json"))
		return report_json__write;
	return strcmp(format, "html") ? NULL : report_html__write;
}

static int tell(const struct scene *scene, writer *write)
{
	const struct history_span span = { SCENE_T * MADE_S, (SCENE_T + SCENE_HOUR) * MADE_S };
	struct outbuf ob;
	struct story *story;
	struct made made;
	int status;

	made__init(&made);
	scene->make(&made);
	if (outbuf__init(&ob, 65536) || story__tell(&story, made__input(&made), &span))
		return 1;
	write(&ob, story, &when_local);
	status = ob.failed || fwrite(ob.data, 1, ob.len, stdout) != ob.len;
	story__free(story);
	outbuf__free(&ob);
	made__free(&made);
	return status;
}

int main(int argc, char **argv)
{
	writer *write = argc == 3 ? writer_of(argv[2]) : NULL;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (size_t i = 0; i < num_scenes; i++)
			puts(scenes[i].name);
		return 0;
	}
	for (size_t i = 0; write && i < num_scenes; i++)
		if (!strcmp(scenes[i].name, argv[1]))
			return tell(&scenes[i], write);
	fputs("usage: tell_scene SCENE text|json|html\n", stderr);
	return 2;
}
