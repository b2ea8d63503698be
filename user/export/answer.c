// SPDX-License-Identifier: GPL-2.0
#include "export/answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(HAVE_JANSSON) || defined(HAVE_LIBCURL)
#include <jansson.h>
#endif

#include "base/escape.h"
#include "base/parse.h"
#include "export/clickhouse.h"

#define SHOWN_BYTES 160 /* of an answer's text */

static bool is_good(unsigned int status)
{
	return status >= 200 && status < 300;
}

/* https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
static bool is_passing(unsigned int status)
{
	return status == 429 || (status >= 502 && status <= 504);
}

/* The batch itself is what is wrong, or too large: nothing that waiting would mend. */
static bool is_about_batch(unsigned int status)
{
	return status == 400 || status == 413 || status == 414;
}

/* "status 503: the first line of what it says" */
static void say_status(const struct sender_answer *answer, struct answer_meaning *meaning)
{
	size_t len = 0;
	char text[200];

	while (len < answer->len && answer->text[len] != '\r' && answer->text[len] != '\n')
		len++;
	if (len > SHOWN_BYTES)
		len = SHOWN_BYTES;
	escape__quote_n(text, sizeof(text), answer->text, len);
	snprintf(meaning->why, sizeof(meaning->why), "status %u%s%s", answer->status,
		 len ? ": " : "", text);
}

static bool take_error(const struct sender_answer *answer, struct answer_meaning *meaning)
{
	if (!answer->error)
		return false;
	meaning->kind = ANSWER_RETRY;
	snprintf(meaning->why, sizeof(meaning->why), "%s", answer->why);
	return true;
}

#if defined(HAVE_JANSSON) || defined(HAVE_LIBCURL)

/* An int64, which JSON has as a string, or, of others' writers, as a number. */
static uint64_t number_of(const json_t *value)
{
	const char *text = json_string_value(value);
	uint64_t number = 0;

	if (json_is_integer(value) && json_integer_value(value) > 0)
		return (uint64_t)json_integer_value(value);
	if (text && parse__u64(text, 0, INT64_MAX, &number))
		return 0;
	return number;
}

static void take_partial(const struct sender_answer *answer, struct answer_meaning *meaning)
{
	json_t *root = json_loadb(answer->text, answer->len, 0, NULL);
	const json_t *partial = json_object_get(root, "partialSuccess");
	const char *message = json_string_value(json_object_get(partial, "errorMessage"));
	char text[200];

	meaning->rejected = number_of(json_object_get(partial, "rejectedLogRecords"));
	if (meaning->rejected)
		snprintf(meaning->why, sizeof(meaning->why), "some records were rejected: %s",
			 escape__quote(text, sizeof(text), message ?: "it does not say why"));
	json_decref(root);
}

#else

static void take_partial(const struct sender_answer *answer, struct answer_meaning *meaning)
{
	(void)answer, (void)meaning;
}

#endif

void answer__of_otlp(const struct sender_answer *answer, struct answer_meaning *meaning)
{
	*meaning = (struct answer_meaning){ .kind = ANSWER_TAKEN };
	if (take_error(answer, meaning))
		return;
	if (is_good(answer->status)) {
		take_partial(answer, meaning);
		return;
	}
	meaning->kind = is_passing(answer->status) ? ANSWER_RETRY : ANSWER_REFUSED;
	say_status(answer, meaning);
}

/*
 * An exception is most often of the server's state, or of its administration: no such table yet, a
 * wrong password, too many parts. The batch waits for that to end, and gives way when the spool is
 * full. An answer without an exception is none of the server's, but of a proxy or balancer before it.
 */
void answer__of_clickhouse(const struct sender_answer *answer, struct answer_meaning *meaning)
{
	unsigned int code = answer->exception ?: clickhouse__code(answer->text, answer->len);

	*meaning = (struct answer_meaning){ .kind = ANSWER_TAKEN, .code = code };
	if (take_error(answer, meaning))
		return;
	if (is_good(answer->status) && !code)
		return;
	if (code)
		meaning->kind = clickhouse__verdict(code) == CLICKHOUSE_REFUSE ? ANSWER_REFUSED :
										  ANSWER_RETRY;
	else
		meaning->kind = is_about_batch(answer->status) ? ANSWER_REFUSED : ANSWER_RETRY;
	say_status(answer, meaning);
}
