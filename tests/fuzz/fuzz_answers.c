// SPDX-License-Identifier: GPL-2.0
/* What a store may answer: Retry-After, a body; and what an environment may hold as headers. */
#include "fuzz.h"

#include <ctype.h>
#include <errno.h>

#include "export/answer.h"
#include "export/clickhouse.h"
#include "export/headers.h"
#include "export/retry.h"

static void check_retry(const char *bytes, size_t size)
{
	uint64_t ms = 1;

	if (retry__after_ms(bytes, size, 784111777, &ms))
		CHECK(ms == 1);
	else
		CHECK(ms <= RETRY_AFTER_MOST_MS && ms % 1000 == 0);
}

static void check_meaning(const struct answer_meaning *meaning)
{
	size_t len = strnlen(meaning->why, sizeof(meaning->why));

	CHECK(len < sizeof(meaning->why));
	for (size_t i = 0; i < len; i++)
		CHECK(!iscntrl((unsigned char)meaning->why[i]));
}

static void check_answer(const char *bytes, size_t size, unsigned int status)
{
	const struct sender_answer answer = { .status = status, .text = bytes, .len = size };
	struct answer_meaning meaning;

	answer__of_otlp(&answer, &meaning);
	check_meaning(&meaning);
	CHECK(meaning.kind != ANSWER_TAKEN || (status >= 200 && status < 300));
	answer__of_clickhouse(&answer, &meaning);
	check_meaning(&meaning);
	CHECK(meaning.kind != ANSWER_TAKEN || !clickhouse__code(bytes, size));
}

static void check_headers(const char *text)
{
	struct headers headers = { 0 };
	const char *const *lines = headers__lines(&headers);

	if (headers__parse(&headers, text)) {
		CHECK(!headers.num);
		return;
	}
	for (size_t i = 0; i < headers.num; i++) {
		CHECK(strstr(lines[i], ": "));
		for (const char *c = lines[i]; *c; c++)
			CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	}
	CHECK(!lines[headers.num]);
	headers__free(&headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = fuzz__copy(data, size), *text = fuzz__string(data, size);

	check_retry(bytes, size);
	check_answer(bytes, size, 200);
	check_answer(bytes, size, size ? data[0] * 3 : 0);
	check_headers(text);
	free(bytes);
	free(text);
	return 0;
}
