// SPDX-License-Identifier: GPL-2.0
#include "export/sender.h"

#include <errno.h>

#ifdef HAVE_LIBCURL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/libcurl.h"
#include "base/parse.h"
#include "export/retry.h"

#define CONNECT_MS 10000
#define TOTAL_MS 60000
#define ANSWER_READ_MAX (1u << 20) /* more than that is no answer */
#define HEADERS_READ_MAX (256u << 10)

struct sender {
	struct sender_options opts;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers, *all_headers; /* the second: those of the request, too */
	curl_mime *mime;
	bool is_busy;
	char error[CURL_ERROR_SIZE];
	char text[SENDER_ANSWER_MAX];
	size_t text_len, read_bytes, header_bytes;
	bool wants_pause;
	uint64_t pause_ms;
	unsigned int exception;
};

/* ---- what curl calls ---- */

/* Taking less than was given makes curl give up. */
static size_t take_text(char *data, size_t size, size_t count, void *ctx)
{
	struct sender *s = ctx;
	size_t len = size * count, room = sizeof(s->text) - s->text_len;

	s->read_bytes += len;
	if (s->read_bytes > ANSWER_READ_MAX)
		return 0;
	if (room > len)
		room = len;
	memcpy(s->text + s->text_len, data, room);
	s->text_len += room;
	return len;
}

/* The value of the header @name, or NULL. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *value_len)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return NULL;
	*value_len = len - name_len - 1;
	return line + name_len + 1;
}

static void take_exception(struct sender *s, const char *value, size_t len)
{
	uint64_t code;

	while (len && *value == ' ') {
		value++;
		len--;
	}
	while (len && (value[len - 1] == '\r' || value[len - 1] == '\n'))
		len--;
	if (!parse__u64_n(value, len, 1, 100000, &code))
		s->exception = (unsigned int)code;
}

static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
	struct sender *s = ctx;
	size_t len = size * count, value_len;
	const char *value;

	s->header_bytes += len;
	value = value_of(line, len, "Retry-After", &value_len);
	if (value)
		s->wants_pause = !retry__after_ms(value, value_len,
						  clock__now_ns(CLOCK_REALTIME) / 1000000000,
						  &s->pause_ms);
	value = value_of(line, len, "X-ClickHouse-Exception-Code", &value_len);
	if (value)
		take_exception(s, value, value_len);
	return s->header_bytes <= HEADERS_READ_MAX ? len : 0;
}

/* ---- a request ---- */

#define SET(option, value) (code = code ? code : curl.easy_setopt(easy, (option), (value)))

static CURLcode set_limits(CURL *easy)
{
	CURLcode code = CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return code;
}

static CURLcode set_callbacks(struct sender *s, CURL *easy)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_WRITEFUNCTION, take_text);
	SET(CURLOPT_WRITEDATA, s);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, s);
	SET(CURLOPT_ERRORBUFFER, s->error);
	return code;
}

static CURLcode set_credentials(struct sender *s, CURL *easy)
{
	CURLcode code = CURLE_OK;

	if (!s->opts.user)
		return code;
	SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	SET(CURLOPT_USERNAME, s->opts.user);
	SET(CURLOPT_PASSWORD, s->opts.password ?: "");
	return code;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	char line[256];
	struct curl_slist *more;

	snprintf(line, sizeof(line), "%s: %s", name, value);
	more = curl.slist_append(*list, line);
	if (!more)
		return -ENOMEM;
	*list = more;
	return 0;
}

/* A store that answers "100 Continue" late, or never, would cost a second each time. */
static int fill_headers(struct sender *s, const struct sender_request *request)
{
	struct curl_slist *more = curl.slist_append(NULL, "Expect:");
	const struct curl_slist *own;
	int err = more ? 0 : -ENOMEM;

	for (own = s->headers; !err && own; own = own->next)
		if (!curl.slist_append(more, own->data))
			err = -ENOMEM;
	if (!err && request->body && !request->file)
		err = add_header(&more, "Content-Type", request->content_type);
	if (!err && request->encoding)
		err = add_header(&more, "Content-Encoding", request->encoding);
	s->all_headers = more;
	return err;
}

static CURLcode set_file(struct sender *s, CURL *easy, const struct sender_request *request)
{
	curl_mimepart *part;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	s->mime = curl.mime_init(easy);
	part = s->mime ? curl.mime_addpart(s->mime) : NULL;
	if (part)
		code = curl.mime_name(part, request->file);
	if (!code)
		code = curl.mime_filename(part, request->file);
	if (!code)
		code = curl.mime_type(part, request->content_type);
	if (!code)
		code = curl.mime_data(part, request->body, request->len);
	SET(CURLOPT_MIMEPOST, s->mime);
	return code;
}

static CURLcode set_body(struct sender *s, CURL *easy, const struct sender_request *request)
{
	CURLcode code = CURLE_OK;

	if (!request->body)
		return code;
	if (request->file)
		return set_file(s, easy, request);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
	SET(CURLOPT_POSTFIELDS, request->body);
	return code;
}

static int prepare(struct sender *s, const struct sender_request *request)
{
	CURL *easy = s->easy;
	CURLcode code;

	curl.easy_reset(easy);
	if (fill_headers(s, request))
		return -ENOMEM;
	code = set_limits(easy) ?: set_callbacks(s, easy) ?: set_credentials(s, easy) ?:
	       set_body(s, easy, request);
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_USERAGENT, "twsnoop/" TWSNOOP_VERSION);
	SET(CURLOPT_HTTPHEADER, s->all_headers);
	return code ? -ENOMEM : 0;
}

#undef SET

static void clean_up(struct sender *s)
{
	curl.slist_free_all(s->all_headers);
	s->all_headers = NULL;
	curl.mime_free(s->mime);
	s->mime = NULL;
}

int sender__begin(struct sender *s, const struct sender_request *request)
{
	int err;

	s->text_len = s->read_bytes = s->header_bytes = 0;
	s->wants_pause = false;
	s->pause_ms = 0;
	s->exception = 0;
	s->error[0] = '\0';
	err = prepare(s, request);
	if (!err && curl.multi_add_handle(s->multi, s->easy))
		err = -ENOMEM;
	if (err)
		clean_up(s);
	s->is_busy = !err;
	return err;
}

bool sender__is_busy(const struct sender *s)
{
	return s->is_busy;
}

/* ---- its end ---- */

static void fill_answer(struct sender *s, CURLcode result, struct sender_answer *answer)
{
	long status = 0;

	curl.easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	*answer = (struct sender_answer){
		.error = result ? -EIO : 0,
		.status = (unsigned int)status,
		.wants_pause = s->wants_pause,
		.pause_ms = s->pause_ms,
		.exception = s->exception,
		.text = s->text,
		.len = s->text_len,
	};
	if (result)
		escape__quote(answer->why, sizeof(answer->why),
			      s->error[0] ? s->error : curl.easy_strerror(result));
}

static void end(struct sender *s)
{
	curl.multi_remove_handle(s->multi, s->easy);
	clean_up(s);
	s->is_busy = false;
}

bool sender__poll(struct sender *s, int wait_ms, struct sender_answer *answer)
{
	CURLMsg *message;
	int running = 0, left;
	bool has_ended = false;

	curl.multi_perform(s->multi, &running);
	if (!s->is_busy || running) {
		curl.multi_poll(s->multi, NULL, 0, wait_ms, NULL);
		curl.multi_perform(s->multi, &running);
	}
	while ((message = curl.multi_info_read(s->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		fill_answer(s, message->data.result, answer);
		has_ended = true;
	}
	if (has_ended)
		end(s);
	return has_ended;
}

void sender__cancel(struct sender *s)
{
	if (s->is_busy)
		end(s);
}

void sender__wake(struct sender *s)
{
	curl.multi_wakeup(s->multi);
}

/* ---- from begin to end ---- */

static int copy_headers(struct sender *s, const char *const *headers)
{
	for (; headers && *headers; headers++) {
		struct curl_slist *more = curl.slist_append(s->headers, *headers);

		if (!more)
			return -ENOMEM;
		s->headers = more;
	}
	return 0;
}

int sender__new(struct sender **senderp, const struct sender_options *opts)
{
	struct sender *s;
	int err;

	if (libcurl__load())
		return -EOPNOTSUPP;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->multi = curl.multi_init();
	s->easy = curl.easy_init();
	err = s->multi && s->easy ? copy_headers(s, opts->headers) : -ENOMEM;
	if (err) {
		sender__free(s);
		return err;
	}
	*senderp = s;
	return 0;
}

void sender__free(struct sender *s)
{
	if (!s)
		return;
	sender__cancel(s);
	curl.easy_cleanup(s->easy);
	curl.multi_cleanup(s->multi);
	curl.slist_free_all(s->headers);
	free(s);
}

#else

int sender__new(struct sender **senderp, const struct sender_options *opts)
{
	(void)senderp, (void)opts;
	return -EOPNOTSUPP;
}

void sender__free(struct sender *s)
{
	(void)s;
}

int sender__begin(struct sender *s, const struct sender_request *request)
{
	(void)s, (void)request;
	return -EOPNOTSUPP;
}

bool sender__is_busy(const struct sender *s)
{
	(void)s;
	return false;
}

bool sender__poll(struct sender *s, int wait_ms, struct sender_answer *answer)
{
	(void)s, (void)wait_ms, (void)answer;
	return false;
}

void sender__cancel(struct sender *s)
{
	(void)s;
}

void sender__wake(struct sender *s)
{
	(void)s;
}

#endif
