// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/decode.h"
#include "model/names.h"
#include "tests/unit/support.h"

static void sound_events(void **unused)
{
	const struct tws_event *got = NULL;
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	assert_int_equal(decode__event(&ev, sizeof(ev), &got), 0);
	assert_ptr_equal(got, &ev);
	support__make_ipv6(&ev);
	assert_int_equal(decode__event(&ev, sizeof(ev), &got), 0);
	ev.action = TWS_LISTEN;
	assert_int_equal(decode__event(&ev, sizeof(ev), &got), 0);
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_PURGED;
	assert_int_equal(decode__event(&ev, sizeof(ev), &got), 0);
	/* no closer, no opener: their numbers may be zero */
	memset(&ev.conn, 0, sizeof(ev.conn));
	assert_int_equal(decode__event(&ev, sizeof(ev), &got), 0);
}

static void wrong_lengths(void **unused)
{
	const struct tws_event *got = NULL;
	char *data = calloc(2, sizeof(struct tws_event));
	struct tws_event ev;

	(void)unused;
	support__event(&ev);
	for (size_t len = 0; len < 2 * sizeof(ev); len++) {
		char *exact = malloc(len ? len : 1);

		memcpy(data, &ev, sizeof(ev));
		memcpy(exact, data, len);
		assert_int_equal(decode__event(exact, len, &got),
				 len == sizeof(ev) ? 0 : -EBADMSG);
		free(exact);
	}
	got = NULL;
	memcpy(data + 4, &ev, sizeof(ev));
	assert_int_equal(decode__event(data + 4, sizeof(ev), &got), -EBADMSG);
	assert_null(got);
	free(data);
}

#define IMPOSSIBLE(change)                                                            \
	do {                                                                          \
		const struct tws_event *got = NULL;                                   \
		struct tws_event ev;                                                  \
		support__event(&ev);                                                  \
		change;                                                               \
		assert_int_equal(decode__event(&ev, sizeof(ev), &got), -EBADMSG);     \
		assert_null(got);                                                     \
	} while (0)

static void impossible_values(void **unused)
{
	(void)unused;
	IMPOSSIBLE(ev.action = 0);
	IMPOSSIBLE(ev.action = TWS_ACTION_END);
	IMPOSSIBLE(ev.action = 255);
	IMPOSSIBLE(ev.family = 0);
	IMPOSSIBLE(ev.family = AF_UNIX);
	IMPOSSIBLE(ev.end = TWS_END_EXPIRED); /* of a time_wait */
	IMPOSSIBLE((ev.action = TWS_TIME_WAIT_END, ev.end = TWS_END_END));
	IMPOSSIBLE(ev.pad = 1);
	IMPOSSIBLE(ev.error = 4096);
	IMPOSSIBLE(ev.error = (__u32)-104);
	IMPOSSIBLE(ev.conn.side = TWS_SIDE_END);
	IMPOSSIBLE(ev.conn.cause = TWS_CAUSE_END);
	IMPOSSIBLE(ev.conn.comm[TWS_COMM_LEN - 1] = 'x');
	IMPOSSIBLE(ev.conn.thread_comm[TWS_COMM_LEN - 1] = 'x');
	IMPOSSIBLE(ev.conn.opener_comm[TWS_COMM_LEN - 1] = 'x');
	IMPOSSIBLE(ev.conn.tgid = 0);
	IMPOSSIBLE(ev.conn.tid = 0);
	IMPOSSIBLE(ev.conn.opener_tgid = 0);
}

static void words(void **unused)
{
	(void)unused;
	for (unsigned int i = 1; i < TWS_ACTION_END; i++)
		assert_string_not_equal(names__action(i)->text, "unknown");
	assert_string_equal(names__action(0)->text, "unknown");
	assert_string_equal(names__action(TWS_TIME_WAIT)->text, "time_wait");
	assert_string_equal(names__action(255)->text, "unknown");
	assert_string_equal(names__side(TWS_SIDE_SERVER)->text, "server");
	assert_string_equal(names__side(TWS_SIDE_END)->text, "unknown");
	assert_string_equal(names__cause(TWS_CAUSE_KERNEL)->text, "kernel");
	assert_string_equal(names__cause(TWS_CAUSE_END)->text, "unknown");
	assert_string_equal(names__end(TWS_END_REUSED_BY_SYN)->text, "reused_by_syn");
	assert_string_equal(names__end(TWS_END_END)->text, "unknown");
	assert_int_equal(names__end(TWS_END_PURGED)->len, strlen("purged"));
	assert_string_equal(names__errno(ECONNRESET), "ECONNRESET");
	assert_null(names__errno(0));
	assert_null(names__errno(4095));
}

static void endings(void **unused)
{
	struct tws_ending ending = { .id = 5, .action = TWS_TIME_WAIT, .error = 104 };
	const struct tws_ending *got = NULL;
	const struct tws_event *event = NULL;

	(void)unused;
	assert_int_equal(decode__ending(&ending, sizeof(ending), &got), 0);
	assert_ptr_equal(got, &ending);
	assert_int_equal(decode__event(&ending, sizeof(ending), &event), -EBADMSG);
	assert_int_equal(decode__ending(&ending, sizeof(ending) - 8, &got), -EBADMSG);
	for (unsigned int action = 0; action < 256; action++) {
		bool sound = (action >= TWS_ENTERED && action <= TWS_BYTES) ||
			     (action && action <= TWS_CONNECT_FAILED &&
			      action != TWS_TIME_WAIT_END);

		ending.action = (uint8_t)action;
		assert_int_equal(decode__ending(&ending, sizeof(ending), &got),
				 sound ? 0 : -EBADMSG);
	}
	ending.action = TWS_TIME_WAIT;
	ending.error = 4096;
	assert_int_equal(decode__ending(&ending, sizeof(ending), &got), -EBADMSG);
	ending.error = 0;
	ending.id = 0;
	assert_int_equal(decode__ending(&ending, sizeof(ending), &got), -EBADMSG);
}

static void cgroups(void **unused)
{
	struct tws_cgroup record = { .action = TWS_CGROUP_ADDED, .id = 7, .path = "/docker/\033\377" };
	const struct tws_cgroup *got = NULL;
	const struct tws_event *event = NULL;

	(void)unused;
	assert_int_equal(decode__cgroup(&record, sizeof(record), &got), 0);
	assert_ptr_equal(got, &record);
	assert_int_equal(decode__event(&record, sizeof(record), &event), -EBADMSG);
	record.action = TWS_CGROUP_REMOVED;
	record.path[0] = '\0'; /* too long for the record */
	got = NULL;
	assert_int_equal(decode__cgroup(&record, sizeof(record), &got), 0);
	assert_int_equal(decode__cgroup(&record, sizeof(record) - 1, &got), -EBADMSG);
}

static void impossible_cgroups(void **unused)
{
	const struct tws_cgroup sound = { .action = TWS_CGROUP_ADDED, .id = 7, .path = "/a" };
	const struct tws_cgroup *got = NULL;
	struct tws_cgroup bad[6];

	(void)unused;
	for (size_t i = 0; i < 6; i++)
		bad[i] = sound;
	bad[0].action = TWS_CGROUP_ACTION_END;
	bad[1].action = TWS_TIME_WAIT;
	bad[2].id = 0;
	bad[3].pad[6] = 1;
	memcpy(bad[4].path, "a/b", 4);
	memcpy(bad[5].path, "/a\nb", 5);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(decode__cgroup(&bad[i], sizeof(bad[i]), &got), -EBADMSG);
	bad[0] = sound;
	memset(bad[0].path, '/', sizeof(bad[0].path)); /* no NUL */
	assert_int_equal(decode__cgroup(&bad[0], sizeof(bad[0]), &got), -EBADMSG);
	assert_null(got);
}

/* What is left passes as sound. */
static void forgotten_openings(void **unused)
{
	static const char none[TWS_COMM_LEN];
	const struct tws_event *got = NULL;
	struct tws_event ev, was;

	(void)unused;
	support__event(&was);
	was.conn.flags |= TWS_F_OPENER;
	was.conn.opener_tgid = 4711;
	was.conn.open_ns = 1;
	was.conn.side = TWS_SIDE_SERVER;
	ev = was;
	decode__forget_opening(&ev);
	assert_int_equal(decode__event(&ev, sizeof(ev), &got), 0);
	assert_int_equal(ev.conn.open_ns, 0);
	assert_int_equal(ev.conn.side, TWS_SIDE_UNKNOWN);
	assert_int_equal(ev.conn.flags, was.conn.flags & ~TWS_F_OPENER);
	assert_int_equal(ev.conn.opener_tgid, 0);
	assert_memory_equal(ev.conn.opener_comm, none, sizeof(none));
	assert_int_equal(ev.conn.tgid, was.conn.tgid);
	ev = was;
	ev.action = TWS_FIN;
	decode__forget_opening(&ev);
	assert_int_equal(ev.conn.flags, (was.conn.flags & ~TWS_F_OPENER) | TWS_F_NO_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_events),
		cmocka_unit_test(wrong_lengths),
		cmocka_unit_test(impossible_values),
		cmocka_unit_test(words),
		cmocka_unit_test(endings),
		cmocka_unit_test(cgroups),
		cmocka_unit_test(impossible_cgroups),
		cmocka_unit_test(forgotten_openings),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
