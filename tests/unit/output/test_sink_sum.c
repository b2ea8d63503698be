// SPDX-License-Identifier: GPL-2.0
/* Sums of minutes in each format. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/sink.h"
#include "tests/unit/support.h"

#define MINUTE_NS 60000000000ULL
#define FMT_ROOM 14 /* of a count, beyond its column */

static struct tws_event ev;
static struct sink_sum sum;

/* 06:40, checkout to 10.0.0.9:8080 */
static int setup(void **state)
{
	(void)state;
	ev = (struct tws_event){
		.action = TWS_TIME_WAIT, .family = AF_INET, .netns = 4026531840U,
		.peer_port = 8080, .local_addr = { 10, 0, 0, 5 }, .peer_addr = { 10, 0, 0, 9 },
		.conn = { .side = TWS_SIDE_CLIENT, .cause = TWS_CAUSE_CLOSE, .uid = 33,
			  .flags = TWS_F_CLOSER },
	};
	support__set_comm(ev.conn.comm, "check\"out");
	support__set_comm(ev.conn.thread_comm, "check\"out");
	sum = (struct sink_sum){
		.rec = { .event = &ev, .wall_ns = SUPPORT_WALL_NS - SUPPORT_WALL_NS % MINUTE_NS,
			 .command_line = "checkout --all" },
		.peer_len = 32, .interval_ns = MINUTE_NS, .count = 1200, .lifetimes = 3,
		.lifetime_ns = 9000000, .tx_bytes = 1000, .rx_bytes = 200000,
	};
	return 0;
}

/* As a server: its port, and the beginning of the peers' address. */
static void make_server(void)
{
	ev.conn.side = TWS_SIDE_SERVER;
	ev.local_port = 80;
	ev.peer_port = 0;
	ev.peer_addr[3] = 0;
	sum.peer_len = 24;
}

static char *written(const struct sink_options *opts, bool heading, const struct record *rec)
{
	int fd = support__memfd();
	struct sink *sink;
	size_t len;
	char *text;

	assert_int_equal(sink__new(&sink, fd, opts), 0);
	if (heading)
		assert_int_equal(sink__begin(sink), 0);
	if (rec)
		assert_int_equal(sink__put(sink, rec), 0);
	assert_int_equal(sink__put_sum(sink, &sum), 0);
	assert_int_equal(sink__pending(sink), rec ? 2 : 1);
	assert_int_equal(sink__flush(sink), 0);
	sink__free(sink);
	text = support__contents(fd, &len);
	close(fd);
	return text;
}

static void assert_written(const struct sink_options *opts, const char *want)
{
	char *text = written(opts, false, NULL);

	assert_string_equal(text, want);
	free(text);
}

static void test_json(void **state)
{
	const struct sink_options opts = { .format = SINK_JSON };

	(void)state;
	assert_written(&opts,
		"{\"timestamp\":\"2026-11-22T06:40:00.000000000Z\",\"event\":{\"action\":\"minute\","
		"\"counted\":\"time_wait\",\"count\":1200,\"interval_ns\":60000000000},"
		"\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		"\"local\":{\"address\":\"10.0.0.5\"},"
		"\"peer\":{\"address\":\"10.0.0.9\",\"port\":8080},\"netns\":4026531840},"
		"\"process\":{\"name\":\"check\\\"out\",\"command_line\":\"checkout --all\","
		"\"user\":{\"id\":33}},"
		"\"tcp\":{\"side\":\"client\",\"cause\":\"close\",\"lifetime_ns\":3000000,"
		"\"tx_bytes\":1000,\"rx_bytes\":200000}}\n");
	make_server();
	sum.lifetimes = 0;
	ev.conn.flags = 0;
	assert_written(&opts,
		"{\"timestamp\":\"2026-11-22T06:40:00.000000000Z\",\"event\":{\"action\":\"minute\","
		"\"counted\":\"time_wait\",\"count\":1200,\"interval_ns\":60000000000},"
		"\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\","
		"\"local\":{\"address\":\"10.0.0.5\",\"port\":80},"
		"\"peer\":{\"address\":\"10.0.0.0\",\"prefix_length\":24},\"netns\":4026531840},"
		"\"tcp\":{\"side\":\"server\",\"cause\":\"close\","
		"\"tx_bytes\":1000,\"rx_bytes\":200000}}\n");
	sum.is_other = true;
	assert_written(&opts,
		"{\"timestamp\":\"2026-11-22T06:40:00.000000000Z\",\"event\":{\"action\":\"minute\","
		"\"count\":1200,\"interval_ns\":60000000000},\"network\":{\"transport\":\"tcp\"},"
		"\"tcp\":{\"tx_bytes\":1000,\"rx_bytes\":200000}}\n");
}

static size_t count_commas(const char *line, size_t len)
{
	size_t num = 0;

	for (size_t i = 0; i < len; i++)
		num += line[i] == ',';
	return num;
}

static void test_csv(void **state)
{
	const struct sink_options opts = { .format = SINK_CSV, .sums = true };
	struct tws_event event;
	const struct record rec = { .event = &event, .wall_ns = SUPPORT_WALL_NS };
	char *text, *line, *next;
	size_t commas;

	(void)state;
	support__event(&event);
	make_server();
	text = written(&opts, true, &rec);
	next = strchr(text, '\n') + 1;
	commas = count_commas(text, (size_t)(next - text));
	assert_non_null(strstr(text, "tcp.rx_bytes,event.counted,event.count,event.interval_ns,"
				     "network.peer.prefix_length\n"));
	line = next;
	next = strchr(line, '\n') + 1;
	assert_int_equal(count_commas(line, (size_t)(next - line)), commas);
	assert_memory_equal(next - 10, ",4096,,,,\n", 10); /* an event has none of them */
	line = next;
	assert_int_equal(count_commas(line, strlen(line)), commas);
	assert_non_null(strstr(line, "2026-11-22T06:40:00.000000000Z,minute,"));
	assert_non_null(strstr(line, ",200000,time_wait,1200,60000000000,24\n"));
	assert_non_null(strstr(line, ",\"check\"\"out\","));
	free(text);
}

static void test_text(void **state)
{
	struct sink_options opts = { .format = SINK_TEXT, .actions = true };

	(void)state;
	assert_written(&opts, "06:40          1200x check\"out        client 10.0.0.5:*            "
			      "10.0.0.9:8080         close      3.00ms   1000   195K time_wait\n");
	make_server();
	assert_written(&opts, "06:40          1200x check\"out        server 10.0.0.5:80           "
			      "10.0.0.0/24:*         close      3.00ms   1000   195K time_wait\n");
	sum.is_other = true;
	assert_written(&opts, "06:40          1200x ~other           -      -                     "
			      "-                     -          3.00ms   1000   195K any\n");
}

/* On a terminal lines fit, whatever is in them. */
static void test_narrow(void **state)
{
	(void)state;
	make_server();
	sum.count = UINT64_MAX;
	memset(ev.conn.comm, 'x', TWS_COMM_LEN);
	for (unsigned int width = 40; width < 130; width++) {
		const struct sink_options opts = { .format = SINK_TEXT, .width = width,
						   .utc_offset_s = 0 };
		char *text = written(&opts, false, NULL);

		/* The count has no end that could be cut. */
		assert_true(strlen(text) <= width + 1 + FMT_ROOM);
		free(text);
	}
}

static void test_refused(void **state)
{
	const struct sink_options opts = { .format = SINK_JSON };
	struct sink *sink;

	(void)state;
	ev.action = TWS_LISTEN;
	assert_int_equal(sink__new(&sink, -1, &opts), 0);
	assert_int_equal(sink__put_sum(sink, &sum), -EINVAL);
	sink__free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_json, setup), cmocka_unit_test_setup(test_csv, setup),
		cmocka_unit_test_setup(test_text, setup), cmocka_unit_test_setup(test_narrow, setup),
		cmocka_unit_test_setup(test_refused, setup),
	};

	return cmocka_run_group_tests_name("sink_sum", tests, NULL, NULL);
}
