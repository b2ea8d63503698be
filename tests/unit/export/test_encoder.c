// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "export/clickhouse.h"
#include "export/encoder.h"
#include "export/identity.h"
#include "tests/unit/support.h"

#define NOW_NS (SUPPORT_WALL_NS + 1000)

static struct encoder_host host = { .name = "db\"1", .id = "0123", .kernel = "6.18",
				    .boot = { 1, 2, 3 } };

static char *encode(const struct encoder *encoder, const struct record *recs, size_t num)
{
	struct outbuf ob = { 0 };

	encoder->begin(&ob, &host);
	for (size_t i = 0; i < num; i++)
		encoder->put(&ob, &host, &recs[i], !i, NOW_NS);
	encoder->end(&ob);
	assert_string_equal(outbuf__terminate(&ob), ob.data);
	assert_false(ob.failed);
	return ob.data;
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s: %s", error.text, text);
	return root;
}

static const json_t *attribute(const json_t *attributes, const char *key)
{
	const json_t *one;
	size_t i;

	json_array_foreach(attributes, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "key")), key))
			return json_object_get(one, "value");
	return NULL;
}

static const char *string_of(const json_t *attributes, const char *key, const char *kind)
{
	const json_t *value = attribute(attributes, key);

	assert_non_null(value);
	assert_int_equal(json_object_size(value), 1);
	return json_string_value(json_object_get(value, kind));
}

static const json_t *records_of(const json_t *root)
{
	const json_t *logs = json_array_get(json_object_get(root, "resourceLogs"), 0);
	const json_t *scope = json_array_get(json_object_get(logs, "scopeLogs"), 0);

	assert_string_equal(string_of(json_object_get(json_object_get(logs, "resource"), "attributes"),
				      "host.name", "stringValue"), "db\"1");
	return json_object_get(scope, "logRecords");
}

static void test_otlp(void **state)
{
	struct tws_event ev[2];
	struct record recs[2] = { { .event = &ev[0], .wall_ns = SUPPORT_WALL_NS,
				    .command_line = "a\n\xff\"b" },
				  { .event = &ev[1], .wall_ns = SUPPORT_WALL_NS } };
	const json_t *records, *attributes;
	json_t *root;
	char *text;

	(void)state;
	support__event(&ev[0]);
	support__event(&ev[1]);
	support__make_ipv6(&ev[1]);
	ev[0].conn.flags |= TWS_F_SIGNALED;
	ev[1].action = TWS_CONNECT_FAILED;
	ev[1].error = ECONNREFUSED;
	ev[1].cookie = UINT64_MAX;
	text = encode(&encoder_otlp, recs, 2);
	root = parse(text);
	records = records_of(root);
	assert_int_equal(json_array_size(records), 2);
	attributes = json_object_get(json_array_get(records, 0), "attributes");
	assert_string_equal(json_string_value(json_object_get(json_array_get(records, 0),
							      "timeUnixNano")),
			    "1795329600123456789");
	assert_string_equal(string_of(attributes, "process.command_line", "stringValue"),
			    "a\n\\xff\"b");
	assert_true(json_is_true(json_object_get(attribute(attributes, "process.killed"),
						 "boolValue")));
	assert_int_equal(strlen(string_of(attributes, "log.record.uid", "stringValue")), 32);
	assert_null(attribute(attributes, "timestamp"));
	assert_null(attribute(attributes, "process.evidence"));
	assert_null(attribute(attributes, "tcp.errno"));
	attributes = json_object_get(json_array_get(records, 1), "attributes");
	assert_string_equal(string_of(attributes, "tcp.errno", "intValue"), "111");
	assert_string_equal(string_of(attributes, "network.peer.address", "stringValue"),
			    "fd00:1:2:3::9");
	/* no int64 */
	assert_string_equal(string_of(attributes, "tcp.cookie", "stringValue"),
			    "18446744073709551615");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(records, 1),
							    "severityNumber")), 13);
	json_decref(root);
	free(text);
}

static void test_clickhouse(void **state)
{
	struct tws_event ev;
	struct record recs[2] = { { .event = &ev, .wall_ns = SUPPORT_WALL_NS,
				    .command_line = "a\n\xff\"b" },
				  { .event = &ev, .wall_ns = SUPPORT_WALL_NS + 1 } };
	char *text, *second;
	json_t *row;

	(void)state;
	support__event(&ev);
	ev.cookie = UINT64_MAX / 2;
	text = encode(&encoder_clickhouse, recs, 2);
	second = strchr(text, '\n') + 1;
	assert_int_equal(second[strlen(second) - 1], '\n');
	second[-1] = '\0';
	row = parse(text);
	assert_int_equal(json_integer_value(json_object_get(row, "second")), 1795329600);
	assert_int_equal(json_integer_value(json_object_get(row, "nanosecond")), 123456789);
	assert_int_equal(json_integer_value(json_object_get(row, "tcp_cookie")), INT64_MAX);
	assert_string_equal(json_string_value(json_object_get(row, "process_command_line")),
			    "a\n\\xff\"b");
	assert_string_equal(json_string_value(json_object_get(row, "host")), "db\"1");
	json_decref(row);
	json_decref(parse(second));
	free(text);
}

/* The query and the rows speak of the same columns. */
static void test_clickhouse_query(void **state)
{
	struct clickhouse_batch batch = { .id = "00112233445566778899aabbccddeeff",
					  .first_s = 1795329600, .last_s = 1795329607,
					  .made_s = 1795329610 };
	struct outbuf query = { 0 }, structure = { 0 };

	(void)state;
	clickhouse__query(&query, &batch);
	clickhouse__structure(&structure);
	assert_non_null(strstr(outbuf__terminate(&query), "tcp_lifetime_ns,"));
	assert_non_null(strstr(query.data, "'00112233445566778899aabbccddeeff',toDate('2026-11-22')"));
	assert_non_null(strstr(query.data, "timestamp>=toDateTime(1795329600) AND "
					   "timestamp<=toDateTime(1795329607)"));
	assert_non_null(strstr(outbuf__terminate(&structure), ",tcp_lifetime_ns Nullable(UInt64)"));
	assert_non_null(strstr(structure.data, ",process_killed UInt8"));
	assert_null(strchr(structure.data, '.'));
	outbuf__free(&query);
	outbuf__free(&structure);
}

static void test_clickhouse_code(void **state)
{
	static const struct {
		const char *text;
		unsigned int code;
	} cases[] = {
		{ "Code: 60, e.displayText() = DB::Exception", 60 },
		{ "Code: 216. DB::Exception", 216 },
		{ "Code: ", 0 }, { "Code: x", 0 }, { "", 0 }, { "Ok.\n", 0 },
		{ "Code: 99999999999999999999", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(clickhouse__code(cases[i].text, strlen(cases[i].text)),
				 cases[i].code);
}

static void uid_of(const struct tws_event *ev, char uid[IDENTITY_UID_LEN + 1])
{
	identity__uid(host.boot, ev, uid);
	uid[IDENTITY_UID_LEN] = '\0';
}

static void test_identity(void **state)
{
	struct tws_event a, b;
	char one[IDENTITY_UID_LEN + 1], other[IDENTITY_UID_LEN + 1];

	(void)state;
	support__event(&a);
	b = a;
	uid_of(&a, one);
	uid_of(&b, other);
	assert_string_equal(one, other);
	/* another run finds it in the kernel's table, at another time, and knows less of it */
	b.time_ns += 3000000;
	b.conn.flags |= TWS_F_SNAPSHOT;
	b.conn.open_ns = 0;
	assert_int_equal(identity__key(1, &a), identity__key(1, &b));
	uid_of(&b, other);
	assert_string_not_equal(one, other);
	assert_int_not_equal(identity__key(1, &a), identity__key(2, &a));
	b.action = TWS_TIME_WAIT_END;
	assert_int_not_equal(identity__key(1, &a), identity__key(1, &b));
	/* one that tries to connect again */
	a.action = TWS_CONNECT_FAILED;
	b = a;
	b.time_ns++;
	assert_int_not_equal(identity__key(1, &a), identity__key(1, &b));
	/* addresses alone come again */
	a.action = b.action = TWS_TIME_WAIT;
	a.cookie = b.cookie = 0;
	assert_int_not_equal(identity__key(1, &a), identity__key(1, &b));
	b.time_ns = a.time_ns;
	assert_int_equal(identity__key(1, &a), identity__key(1, &b));
	b.peer_port++;
	assert_int_not_equal(identity__key(1, &a), identity__key(1, &b));
}

static void test_boot(void **state)
{
	uint8_t boot[IDENTITY_BOOT_BYTES] = { 9 }, want[IDENTITY_BOOT_BYTES] = {
		0x6f, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f, 0x70, 0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8
	};

	(void)state;
	assert_int_equal(identity__parse_boot("6f1a2b3c-4d5e-6f70-8192-a3b4c5d6e7", boot), -EINVAL);
	assert_int_equal(identity__parse_boot("6f1a2b3c-4d5e-6f70-8192-a3b4c5d6e7f81", boot), -EINVAL);
	assert_int_equal(identity__parse_boot("6f1a2b3c-4d5e-6f70-8192-a3b4c5d6e7fx", boot), -EINVAL);
	assert_int_equal(boot[0], 9);
	assert_int_equal(identity__parse_boot("6f1a2b3c-4d5e-6f70-8192-a3b4c5d6e7f8\n", boot), 0);
	assert_memory_equal(boot, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_otlp), cmocka_unit_test(test_clickhouse),
		cmocka_unit_test(test_clickhouse_query), cmocka_unit_test(test_clickhouse_code),
		cmocka_unit_test(test_identity), cmocka_unit_test(test_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
