// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/output/sink_support.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/unit/support.h"

/* Lines for a terminal: sink_text.c. */

static void text_columns(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };
	char *got;

	(void)unused;
	support__event(&ev);
	got = render__record(&as_text, &rec, true);
	assert_string_equal(
		got, "TIME             PID PROCESS          SIDE   LOCAL                 "
		     "PEER                  CAUSE    LIFETIME     TX     RX\n"
		     "06:40:00.123     812 nginx            client 10.0.0.5:43768        "
		     "10.0.0.9:8080         close      3.12ms    512   4096\n");
	assert_int_equal(strcspn(got, "\n"), 120);
	free(got);
	support__make_ipv6(&ev);
	render__check(&as_text, &rec,
		      "06:40:00.123     812 nginx            client [fd00::5]:43768       "
		      "[fd00:1:2:3::9]:8080  close      3.12ms    512   4096\n");
}

static void text_widest(void **unused)
{
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	memset(ev.local_addr, 0xff, sizeof(ev.local_addr));
	memset(ev.peer_addr, 0xff, sizeof(ev.peer_addr));
	ev.local_port = ev.peer_port = 65535;
	ev.tx_bytes = 99999;
	ev.rx_bytes = UINT64_MAX;
	ev.conn.open_ns = 1;
	ev.time_ns = UINT64_MAX;
	ev.conn.tgid = 4194304;
	ev.conn.cause = TWS_CAUSE_SHUTDOWN;
	support__set_comm(ev.conn.comm, "fifteen-letters");
	render__check(&as_text, &rec,
		      "06:40:00.123 4194304 fifteen-letters  client 255.255.255.255:65535 "
		      "255.255.255.255:65535 shutdown  213503d  99999  15.9E\n");
	ev.family = AF_INET6; /* an address is never cut: the line moves on */
	render__check(&as_text, &rec,
		      "06:40:00.123 4194304 fifteen-letters  client "
		      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "
		      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 shutdown  213503d  99999  "
		      "15.9E\n");
}

static void text_unknown(void **unused)
{
	struct sink_options opts = { .format = SINK_TEXT, .containers = true, .actions = true };
	struct tws_event ev;
	struct record rec = { .event = &ev };

	(void)unused;
	support__event(&ev);
	memset(&ev.conn, 0, sizeof(ev.conn));
	ev.conn.flags = TWS_F_SNAPSHOT | TWS_F_NO_BYTES;
	ev.tx_bytes = ev.rx_bytes = 0;
	render__check_all(&opts, &rec,
			  "TIME             PID PROCESS          SIDE   LOCAL                 "
			  "PEER                  CAUSE    LIFETIME     TX     RX EVENT          "
			  "CONTAINER\n"
			  "-                  - -                -      10.0.0.5:43768        "
			  "10.0.0.9:8080         -               -      -      - "
			  "time_wait:snapshot -\n");
}

static void check_tail(const struct sink_options *opts, const struct record *rec,
		       const char *want)
{
	char *got = render__record(opts, rec, false);

	assert_string_equal(strlen(got) > 120 ? got + 120 : got, want);
	free(got);
}

static void text_events_and_workloads(void **unused)
{
	struct sink_options actions = { .format = SINK_TEXT, .actions = true };
	struct sink_options containers = { .format = SINK_TEXT, .containers = true };
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	check_tail(&actions, &rec, " time_wait\n");
	ev.error = ECONNRESET;
	ev.action = TWS_RESET;
	check_tail(&actions, &rec, " reset:ECONNRESET\n");
	ev.error = 4095;
	check_tail(&actions, &rec, " reset:4095\n");
	ev.error = 0;
	ev.action = TWS_TIME_WAIT_END;
	ev.end = TWS_END_EXPIRED;
	check_tail(&actions, &rec, " time_wait_end:expired\n");
	ev.action = TWS_TIME_WAIT;
	ev.end = 0;
	check_tail(&containers, &rec, " -\n");
	rec.workload.unit = "nginx.service";
	check_tail(&containers, &rec, " nginx.service\n");
	rec.workload.container_id = render__container_id;
	check_tail(&containers, &rec, " 6e9708ee9788\n");
	rec.workload.container_name = "web\n1";
	check_tail(&containers, &rec, " web\\n1\n");
	rec.workload.pod_name = "web-0";
	check_tail(&containers, &rec, " web-0\n");
	rec.workload.pod_namespace = "prod";
	rec.workload.pod_container = "app";
	check_tail(&containers, &rec, " prod/web-0/app\n");
}

static void text_names(void **unused)
{
	static const struct {
		const char *comm;
		enum owner_evidence evidence;
		const char *want;
	} cases[] = {
		{ "nginx", OWNER_UNKNOWN, "nginx            " },
		{ "nginx", OWNER_SEEN, "nginx            " },
		{ "nginx", OWNER_INFERRED, "~nginx           " },
		{ "fifteen-letters", OWNER_INFERRED, "~fifteen-letters " },
		{ "Web Content", OWNER_UNKNOWN, "Web Content      " },
		{ "", OWNER_UNKNOWN, "''               " },
		{ "\33[31m\nred", OWNER_UNKNOWN, "\\x1b[31m\\nred    " },
		{ "\1\2\3\4\5\6\7", OWNER_UNKNOWN, "\\x01\\x02\\x03+    " },
		{ "\xe6\x97\xa5\xe6\x9c\xac", OWNER_UNKNOWN,
		  "\xe6\x97\xa5\xe6\x9c\xac             " },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tws_event ev;
		struct record rec = { .event = &ev,
				      .wall_ns = SUPPORT_WALL_NS,
				      .evidence = cases[i].evidence };
		char *got;

		support__event(&ev);
		support__set_comm(ev.conn.comm, cases[i].comm);
		got = render__record(&as_text, &rec, false);
		assert_memory_equal(got + 21, cases[i].want, strlen(cases[i].want));
		assert_memory_equal(got + 21 + strlen(cases[i].want), "client ", 7);
		free(got);
	}
}

/* With the escape sequences of our own taken out, colour changes nothing. */
static void text_color(void **unused)
{
	struct sink_options opts = as_text;
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };
	char *plain, *colored, *to;

	(void)unused;
	support__event(&ev);
	ev.conn.cause = TWS_CAUSE_UNKNOWN;
	plain = render__record(&opts, &rec, true);
	assert_null(strchr(plain, '\33'));
	opts.color = true;
	colored = render__record(&opts, &rec, true);
	assert_non_null(strstr(colored, "\33[36mclient\33[0m"));
	assert_non_null(strstr(colored, "\33[2m06:40:00.123\33[0m"));
	to = colored;
	for (char *from = colored; *from; from++) {
		if (*from == '\33')
			from = strchr(from, 'm');
		else
			*to++ = *from;
	}
	*to = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
}

static void text_time_zones(void **unused)
{
	static const struct {
		long offset_s;
		const char *want;
	} cases[] = {
		{ 0, "06:40:00.123 " },	     { 3600, "07:40:00.123 " },
		{ -7 * 3600, "23:40:00.123 " }, { 19800, "12:10:00.123 " },
		{ LONG_MIN, "04:10:00.123 " },  { 18 * 3600, "00:40:00.123 " },
	};
	struct tws_event ev;
	struct record rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS };

	(void)unused;
	support__event(&ev);
	setenv("TZ", "XYZ2:30", 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sink_options opts = as_text;
		char *got;

		opts.utc_offset_s = cases[i].offset_s;
		got = render__record(&opts, &rec, false);
		assert_memory_equal(got, cases[i].want, 13);
		free(got);
	}
	unsetenv("TZ");
	tzset();
}

static void text_times_change(void **unused)
{
	static const uint64_t wall_ns[] = { 5007999999, 6007999999, 5007999999, 86399007999999 };
	static const char *const want[] = { "00:00:05.007", "00:00:06.007", "00:00:05.007",
					    "23:59:59.007" };
	char *text = render__times(&as_text, wall_ns, COUNT(wall_ns)), *line = text;

	(void)unused;
	for (size_t i = 0; i < COUNT(wall_ns); i++) {
		assert_memory_equal(line, want[i], 12);
		line = strchr(line, '\n') + 1;
	}
	free(text);
}

static void text_hostile_names(void **unused)
{
	struct sink_options opts = { .format = SINK_TEXT, .containers = true, .actions = true };

	(void)unused;
	for (size_t i = 0; i < HOSTILE_NAMES; i++) {
		struct tws_event ev;
		struct record rec;
		char *got;

		render__set_names(&ev, &rec, render__hostile[i]);
		got = render__record(&opts, &rec, false);
		assert_true(support__is_safe_text(got, strlen(got) - 1));
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_columns),
		cmocka_unit_test(text_widest),
		cmocka_unit_test(text_unknown),
		cmocka_unit_test(text_events_and_workloads),
		cmocka_unit_test(text_names),
		cmocka_unit_test(text_color),
		cmocka_unit_test(text_time_zones),
		cmocka_unit_test(text_times_change),
		cmocka_unit_test(text_hostile_names),
	};

	return cmocka_run_group_tests_name("sink_text", tests, NULL, NULL);
}
