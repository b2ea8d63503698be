// SPDX-License-Identifier: GPL-2.0
#include "export/delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "export/clickhouse.h"
#include "export/endpoint.h"
#include "export/headers.h"
#include "export/retry.h"
#include "export/sender.h"

#define NS_PER_MS 1000000ULL
#define OTLP_PATH "/v1/logs"
#define CLICKHOUSE_ROWS "rows" /* as the external table is called in clickhouse__query() */
#define CLICKHOUSE_USER "default"
#define UNKNOWN_SETTING 115

enum knows_token { TOKEN_UNASKED, TOKEN_KNOWN, TOKEN_UNKNOWN };

struct delivery {
	struct delivery_options opts;
	struct endpoint *endpoint;
	struct headers headers;
	struct sender *sender;
	unsigned int failures; /* in a row */
	uint64_t due_ns;       /* CLOCK_MONOTONIC; 0: at once */
	/* The request. */
	const struct batch_info *info;
	const void *body;
	size_t body_len;
	struct outbuf raw; /* ClickHouse: unpacked, as it takes no packed files */
	char *url;
	/* Of ClickHouse: whether the server knows insert_deduplication_token. */
	enum knows_token token;
	bool is_asking;
};

/* ---- from begin to end ---- */

/* A password alone is of the URL's user, or of the one whom ClickHouse takes where none is named. */
static int open_sender(struct delivery *d)
{
	const char *user = d->opts.user ?: endpoint__user(d->endpoint);
	const char *password = d->opts.user || d->opts.password ? d->opts.password :
								  endpoint__password(d->endpoint);
	const struct sender_options opts = {
		.user = user ?: password && d->opts.is_clickhouse ? CLICKHOUSE_USER : NULL,
		.password = password,
		.headers = headers__lines(&d->headers),
	};

	return sender__new(&d->sender, &opts);
}

int delivery__new(struct delivery **deliveryp, const struct delivery_options *opts,
		  const char **why)
{
	struct delivery *d = calloc(1, sizeof(*d));
	int err;

	*why = NULL;
	if (!d)
		return -ENOMEM;
	d->opts = *opts;
	err = endpoint__new(&d->endpoint, opts->url, opts->is_clickhouse ? NULL : OTLP_PATH, why);
	if (!err && opts->headers) {
		err = headers__parse(&d->headers, opts->headers);
		*why = err ? "OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value" :
			     NULL;
	}
	if (!err) {
		*why = NULL;
		err = open_sender(d);
	}
	if (err) {
		delivery__free(d);
		return err;
	}
	*deliveryp = d;
	return 0;
}

void delivery__free(struct delivery *d)
{
	if (!d)
		return;
	sender__free(d->sender);
	headers__free(&d->headers);
	endpoint__free(d->endpoint);
	outbuf__free(&d->raw);
	free(d->url);
	free(d);
}

const struct encoder *delivery__encoder(const struct delivery *d)
{
	return d->opts.is_clickhouse ? &encoder_clickhouse : &encoder_otlp;
}

const char *delivery__shown(const struct delivery *d)
{
	return endpoint__shown(d->endpoint);
}

/* ---- when ---- */

bool delivery__is_due(const struct delivery *d)
{
	return clock__now_ns(CLOCK_MONOTONIC) >= d->due_ns;
}

uint64_t delivery__pause_ms(const struct delivery *d)
{
	uint64_t now_ns = clock__now_ns(CLOCK_MONOTONIC);

	if (delivery__is_busy(d))
		return UINT64_MAX / NS_PER_MS / 4;
	return d->due_ns > now_ns ? (d->due_ns - now_ns) / NS_PER_MS + 1 : 0;
}

void delivery__hurry(struct delivery *d)
{
	d->due_ns = 0;
}

static void postpone(struct delivery *d, uint64_t least_ms)
{
	uint64_t random = 0, pause_ms;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = clock__now_ns(CLOCK_MONOTONIC);
	d->failures += d->failures < 1000;
	pause_ms = retry__pause_ms(d->failures, random);
	if (pause_ms < least_ms)
		pause_ms = least_ms;
	d->due_ns = clock__now_ns(CLOCK_MONOTONIC) + pause_ms * NS_PER_MS;
}

void delivery__postpone(struct delivery *d)
{
	postpone(d, 0);
}

/* ---- ClickHouse's requests ---- */

static void fill_batch(const struct batch_info *info, struct clickhouse_batch *batch)
{
	*batch = (struct clickhouse_batch){
		.first_s = info->first_s, .last_s = info->last_s, .made_s = info->made_s,
	};
	fmt__hex(batch->id, info->id, BATCH_ID_BYTES);
}

static char *insert_url(struct delivery *d)
{
	struct outbuf query = { 0 }, structure = { 0 };
	struct clickhouse_batch batch;
	char *url = NULL;

	fill_batch(d->info, &batch);
	clickhouse__query(&query, &batch);
	clickhouse__structure(&structure);
	outbuf__char(&query, '\0');
	outbuf__char(&structure, '\0');
	if (!query.failed && !structure.failed) {
		const struct endpoint_parameter parameters[] = {
			{ "query", query.data },
			{ "query_id", batch.id },
			{ CLICKHOUSE_ROWS "_format", "JSONEachRow" },
			{ CLICKHOUSE_ROWS "_structure", structure.data },
			{ d->token == TOKEN_KNOWN ? "insert_deduplication_token" : NULL, batch.id },
			{ NULL, NULL },
		};

		url = endpoint__url(d->endpoint, parameters);
	}
	outbuf__free(&query);
	outbuf__free(&structure);
	return url;
}

static int send_insert(struct delivery *d)
{
	const struct sender_request request = {
		.url = d->url = insert_url(d),
		.content_type = encoder_clickhouse.content_type,
		.body = d->raw.data,
		.len = d->raw.len,
		.file = CLICKHOUSE_ROWS,
	};

	return d->url ? sender__begin(d->sender, &request) : -ENOMEM;
}

static int ask_token(struct delivery *d)
{
	const struct endpoint_parameter parameters[] = {
		{ "query", clickhouse__ask_token() },
		{ NULL, NULL },
	};
	const struct sender_request request = {
		.url = d->url = endpoint__url(d->endpoint, parameters),
	};

	d->is_asking = true;
	return d->url ? sender__begin(d->sender, &request) : -ENOMEM;
}

static int begin_clickhouse(struct delivery *d)
{
	int err;

	d->raw.len = 0;
	err = batch__unpack(d->info, d->body, d->body_len, &d->raw);
	if (err) {
		d->raw.failed = false;
		return err;
	}
	return d->token == TOKEN_UNASKED ? ask_token(d) : send_insert(d);
}

/* ---- OTLP's ---- */

static int begin_otlp(struct delivery *d)
{
	const struct sender_request request = {
		.url = d->url = endpoint__url(d->endpoint, NULL),
		.content_type = encoder_otlp.content_type,
		.encoding = "gzip",
		.body = d->body,
		.len = d->body_len,
	};

	return d->url ? sender__begin(d->sender, &request) : -ENOMEM;
}

/* ---- a batch ---- */

static void clean_up(struct delivery *d)
{
	free(d->url);
	d->url = NULL;
	d->is_asking = false;
}

int delivery__begin(struct delivery *d, const struct outbuf *file, const struct batch_info *info)
{
	int err = batch__decode_body(file->data, file->len, info, &d->body, &d->body_len);

	if (err)
		return err;
	d->info = info;
	err = d->opts.is_clickhouse ? begin_clickhouse(d) : begin_otlp(d);
	if (err)
		clean_up(d);
	return err;
}

bool delivery__is_busy(const struct delivery *d)
{
	return sender__is_busy(d->sender);
}

/* A server that does not let its settings be read, or has an exception, gets this batch without the
 * token, and is asked again with the next one. Returns true if it did not answer at all. */
static bool take_token(struct delivery *d, const struct sender_answer *answer,
		       struct answer_meaning *meaning)
{
	int err;

	answer__of_clickhouse(answer, meaning);
	if (meaning->kind != ANSWER_TAKEN && !meaning->code) {
		meaning->kind = ANSWER_RETRY; /* it was not the batch that was refused */
		return true;
	}
	if (meaning->kind == ANSWER_TAKEN)
		d->token = answer->len && answer->text[0] == '1' ? TOKEN_KNOWN : TOKEN_UNKNOWN;
	clean_up(d);
	err = send_insert(d);
	if (!err)
		return false;
	*meaning = (struct answer_meaning){ .kind = ANSWER_RETRY };
	strcpy(meaning->why, "no memory");
	return true;
}

static void judge(struct delivery *d, const struct sender_answer *answer,
		  struct answer_meaning *meaning)
{
	if (!d->opts.is_clickhouse) {
		answer__of_otlp(answer, meaning);
		return;
	}
	answer__of_clickhouse(answer, meaning);
	if (meaning->code == UNKNOWN_SETTING)
		d->token = TOKEN_UNASKED; /* another server answers now */
}

bool delivery__poll(struct delivery *d, int wait_ms, struct answer_meaning *meaning)
{
	struct sender_answer answer;

	if (!sender__poll(d->sender, wait_ms, &answer))
		return false;
	if (d->is_asking) {
		if (!take_token(d, &answer, meaning))
			return false;
	} else {
		judge(d, &answer, meaning);
	}
	clean_up(d);
	if (meaning->kind == ANSWER_RETRY) {
		postpone(d, answer.wants_pause ? answer.pause_ms : 0);
	} else {
		d->failures = 0;
		d->due_ns = 0;
	}
	return true;
}

void delivery__cancel(struct delivery *d)
{
	sender__cancel(d->sender);
	clean_up(d);
}

void delivery__wake(struct delivery *d)
{
	sender__wake(d->sender);
}
