// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/output/sink_support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support.h"

const struct sink_options as_json = { .format = SINK_JSON };
const struct sink_options as_csv = { .format = SINK_CSV };
const struct sink_options as_text = { .format = SINK_TEXT };

const char render__container_id[] =
	"6e9708ee97886e9708ee97886e9708ee97886e9708ee97886e9708ee97886e97";

const char *const render__hostile[HOSTILE_NAMES] = {
	"",	     "a\"b\\c",	      "a\nb\tc",     "\33]0;pwn\7",  "\377\376",
	"\xc3\xa9",  "\xe2\x80\xae",  "\xe2\x82",    "=cmd|'/c'!A0", "\\xff",
	"},\"x\":{", "a,b",	      " blank ",     "'",	     "\177",
	"%s%n%d",    "\xc2\x9b[2J",   "</script>",   "\1\2\3\4\5",   "$(reboot)",
};

void render__set_names(struct tws_event *ev, struct record *rec, const char *name)
{
	support__event(ev);
	support__set_comm(ev->conn.comm, name);
	support__set_comm(ev->conn.thread_comm, name);
	support__set_comm(ev->conn.opener_comm, name);
	*rec = (struct record){
		.event = ev,
		.wall_ns = SUPPORT_WALL_NS,
		.command_line = name,
		.cgroup_path = name,
		.netns_name = name,
		.workload = { name, name, name, name, name, name, name, name, name },
	};
}

char *render__record(const struct sink_options *opts, const struct record *rec, bool heading)
{
	int fd = support__memfd();
	struct sink *sink;
	char *text;

	assert_int_equal(sink__new(&sink, fd, opts), 0);
	if (heading)
		assert_int_equal(sink__begin(sink), 0);
	assert_int_equal(sink__put(sink, rec), 0);
	assert_int_equal(sink__pending(sink), 1);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(sink__flush(sink), 0);
	assert_int_equal(sink__pending(sink), 0);
	sink__free(sink);
	text = support__contents(fd, NULL);
	close(fd);
	return text;
}

char *render__times(const struct sink_options *opts, const uint64_t *wall_ns, size_t num)
{
	int fd = support__memfd();
	struct tws_event ev;
	struct record rec = { .event = &ev };
	struct sink *sink;
	char *text;

	support__event(&ev);
	assert_int_equal(sink__new(&sink, fd, opts), 0);
	for (size_t i = 0; i < num; i++) {
		rec.wall_ns = wall_ns[i];
		assert_int_equal(sink__put(sink, &rec), 0);
	}
	assert_int_equal(sink__flush(sink), 0);
	sink__free(sink);
	text = support__contents(fd, NULL);
	close(fd);
	return text;
}

static void check_equal(const struct sink_options *opts, const struct record *rec, bool heading,
			const char *want)
{
	char *got = render__record(opts, rec, heading);

	assert_string_equal(got, want);
	free(got);
}

void render__check(const struct sink_options *opts, const struct record *rec, const char *want)
{
	check_equal(opts, rec, false, want);
}

void render__check_all(const struct sink_options *opts, const struct record *rec, const char *want)
{
	check_equal(opts, rec, true, want);
}

void render__check_has(const struct sink_options *opts, const struct record *rec, const char *want)
{
	char *got = render__record(opts, rec, false);

	if (!strstr(got, want))
		fail_msg("no \"%s\" in \"%s\"", want, got);
	free(got);
}

/* ---- JSON ---- */

json_t *render__json(const struct record *rec)
{
	char *text = render__record(&as_json, rec, true);
	json_t *value;

	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(value));
	free(text);
	return value;
}

const json_t *render__member(const json_t *value, const char *path)
{
	char name[64];

	while (value && *path) {
		size_t len = strcspn(path, ".");

		memcpy(name, path, len);
		name[len] = '\0';
		value = json_object_get(value, name);
		path += len + (path[len] == '.');
	}
	return value;
}

void render__check_string(const json_t *value, const char *path, const char *want)
{
	assert_true(json_is_string(render__member(value, path)));
	assert_string_equal(json_string_value(render__member(value, path)), want);
}

void render__check_number(const json_t *value, const char *path, uint64_t want)
{
	assert_true(json_is_integer(render__member(value, path)));
	assert_true((uint64_t)json_integer_value(render__member(value, path)) == want);
}
