// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/libcurl.h"
#include "export/answer.h"
#include "export/endpoint.h"

static struct answer_meaning meaning_of(bool is_clickhouse, unsigned int status, const char *text)
{
	struct sender_answer answer = { .status = status, .text = text, .len = strlen(text) };
	struct answer_meaning meaning;

	if (is_clickhouse)
		answer__of_clickhouse(&answer, &meaning);
	else
		answer__of_otlp(&answer, &meaning);
	return meaning;
}

static void test_otlp(void **state)
{
	static const unsigned int retried[] = { 429, 502, 503, 504 };
	static const unsigned int refused[] = { 100, 301, 307, 400, 401, 403, 404, 408, 413, 500, 501, 505 };
	struct answer_meaning m;

	(void)state;
	for (size_t i = 0; i < COUNT(retried); i++)
		assert_int_equal(meaning_of(false, retried[i], "").kind, ANSWER_RETRY);
	for (size_t i = 0; i < COUNT(refused); i++)
		assert_int_equal(meaning_of(false, refused[i], "").kind, ANSWER_REFUSED);
	m = meaning_of(false, 200, "{}");
	assert_int_equal(m.kind, ANSWER_TAKEN);
	assert_int_equal(m.rejected, 0);
	assert_string_equal(m.why, "");
	m = meaning_of(false, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"7\",\"errorMessage\":\"a\\nb\"}}");
	assert_int_equal(m.kind, ANSWER_TAKEN);
	assert_int_equal(m.rejected, 7);
	assert_string_equal(m.why, "some records were rejected: a\\nb");
	assert_int_equal(meaning_of(false, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":7}}").rejected, 7);
	assert_int_equal(meaning_of(false, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":-7}}").rejected, 0);
	assert_int_equal(meaning_of(false, 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"x\"}}").rejected, 0);
	assert_int_equal(meaning_of(false, 200, "<html>").kind, ANSWER_TAKEN);
	m = meaning_of(false, 400, "bad\x1b[31m thing\nmore");
	assert_string_equal(m.why, "status 400: bad\\x1b[31m thing");
	m = meaning_of(false, 500, "<html>\r\n<head>");
	assert_string_equal(m.why, "status 500: <html>");
}

static void test_clickhouse(void **state)
{
	static const unsigned int of_the_batch[] = { 400, 413, 414 };
	static const unsigned int of_a_proxy[] = { 302, 401, 403, 404, 407, 429, 500, 502, 503, 504 };

	(void)state;
	assert_int_equal(meaning_of(true, 200, "").kind, ANSWER_TAKEN);
	assert_int_equal(meaning_of(true, 200, "Code: 241, memory").kind, ANSWER_RETRY);
	assert_int_equal(meaning_of(true, 500, "Code: 216, running").kind, ANSWER_RETRY);
	assert_int_equal(meaning_of(true, 404, "Code: 60, no such table").kind, ANSWER_RETRY);
	assert_int_equal(meaning_of(true, 400, "Code: 27, cannot parse").kind, ANSWER_REFUSED);
	assert_int_equal(meaning_of(true, 503, "").kind, ANSWER_RETRY);
	for (size_t i = 0; i < COUNT(of_the_batch); i++)
		assert_int_equal(meaning_of(true, of_the_batch[i], "<html>").kind, ANSWER_REFUSED);
	for (size_t i = 0; i < COUNT(of_a_proxy); i++)
		assert_int_equal(meaning_of(true, of_a_proxy[i], "<html>").kind, ANSWER_RETRY);
}

static void test_no_answer(void **state)
{
	struct sender_answer answer = { .error = -EIO, .why = "cut", .status = 200, .text = "" };
	struct answer_meaning meaning;

	(void)state;
	answer__of_otlp(&answer, &meaning);
	assert_int_equal(meaning.kind, ANSWER_RETRY);
	assert_string_equal(meaning.why, "cut");
	answer__of_clickhouse(&answer, &meaning);
	assert_int_equal(meaning.kind, ANSWER_RETRY);
}

static void check_url(const char *url, const char *path, const char *shown, const char *whole)
{
	const struct endpoint_parameter parameters[] = { { "q", "a b" }, { NULL, NULL } };
	struct endpoint *endpoint;
	const char *why;
	char *text;

	assert_int_equal(endpoint__new(&endpoint, url, path, &why), 0);
	assert_string_equal(endpoint__shown(endpoint), shown);
	text = endpoint__url(endpoint, parameters);
	assert_string_equal(text, whole);
	free(text);
	endpoint__free(endpoint);
}

static void test_endpoint(void **state)
{
	static const char *const wrong[] = { "", "host", "ftp://host/", "file:///etc/passwd", "http://",
					     "http://host:99999/", "http://a b/" };
	struct endpoint *endpoint = NULL;
	const char *why;

	(void)state;
	if (libcurl__load())
		skip();
	check_url("http://h:4318", "/v1/logs", "http://h:4318/v1/logs",
		  "http://h:4318/v1/logs?q=a+b");
	check_url("https://u:secret@h/x?database=d&password=p#f", "/v1/logs", "https://h/x",
		  "https://h/x?database=d&password=p&q=a+b");
	check_url("http://[::1]:8123/", NULL, "http://[::1]:8123/",
		  "http://[::1]:8123/?q=a+b");
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(endpoint__new(&endpoint, wrong[i], NULL, &why), -EINVAL);
	assert_null(endpoint);
	assert_int_equal(endpoint__new(&endpoint, "http://us%40er:p%3Aw@h/", NULL, &why), 0);
	assert_string_equal(endpoint__user(endpoint), "us@er");
	assert_string_equal(endpoint__password(endpoint), "p:w");
	endpoint__free(endpoint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_otlp), cmocka_unit_test(test_clickhouse),
		cmocka_unit_test(test_no_answer), cmocka_unit_test(test_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
