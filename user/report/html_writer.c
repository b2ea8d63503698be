// SPDX-License-Identifier: GPL-2.0
#include "report/html_writer.h"

#include <string.h>

#include "base/escape.h"
#include "report/words.h"

/* Of text that has no control bytes: what HTML and XML would take for their own. */
static void put_escaped(struct html *html, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '<':
			outbuf__text(html->to, "&lt;");
			break;
		case '>':
			outbuf__text(html->to, "&gt;");
			break;
		case '&':
			outbuf__text(html->to, "&amp;");
			break;
		case '"':
			outbuf__text(html->to, "&quot;");
			break;
		case '\'':
			outbuf__text(html->to, "&#39;");
			break;
		default:
			outbuf__char(html->to, text[i]);
		}
	}
}

/* What may hold any bytes. */
static void put_foreign(struct html *html, const char *text, size_t len)
{
	struct outbuf plain = { 0 };

	if (outbuf__init(&plain, len + 16)) {
		html->to->failed = true;
		return;
	}
	escape__text(&plain, text, len);
	put_escaped(html, plain.data, plain.len);
	html->to->failed |= plain.failed;
	outbuf__free(&plain);
}

static void end_tag(struct html *html)
{
	if (html->in_tag)
		outbuf__char(html->to, '>');
	html->in_tag = false;
}

void html__init(struct html *html, struct outbuf *to)
{
	*html = (struct html){ .to = to };
}

void html__open(struct html *html, const char *element)
{
	end_tag(html);
	if (html->depth == HTML_DEPTH) {
		html->failed = true;
		return;
	}
	html->open[html->depth++] = element;
	outbuf__char(html->to, '<');
	outbuf__text(html->to, element);
	html->in_tag = true;
}

void html__attribute(struct html *html, const char *name, const char *value)
{
	html->failed |= !html->in_tag;
	outbuf__char(html->to, ' ');
	outbuf__text(html->to, name);
	outbuf__text(html->to, "=\"");
	put_foreign(html, value, strlen(value));
	outbuf__char(html->to, '"');
}

void html__number(struct html *html, const char *name, double value)
{
	double size = value < 0 ? -value : value;
	uint64_t hundredths;

	html->failed |= !html->in_tag;
	hundredths = size < 1e15 ? (uint64_t)(size * 100 + 0.5) : 0;
	outbuf__char(html->to, ' ');
	outbuf__text(html->to, name);
	outbuf__text(html->to, "=\"");
	if (value < 0 && hundredths)
		outbuf__char(html->to, '-');
	outbuf__u64(html->to, hundredths / 100);
	if (hundredths % 100) {
		outbuf__char(html->to, '.');
		outbuf__char(html->to, (char)('0' + hundredths / 10 % 10));
		if (hundredths % 10)
			outbuf__char(html->to, (char)('0' + hundredths % 10));
	}
	outbuf__char(html->to, '"');
}

void html__text_n(struct html *html, const char *text, size_t len)
{
	end_tag(html);
	put_foreign(html, text, len);
}

void html__text(struct html *html, const char *text)
{
	html__text_n(html, text, strlen(text));
}

static void put_words(struct html *html, const struct outbuf *words, const char *begin,
		      const char *end)
{
	size_t from = 0;

	end_tag(html);
	for (size_t i = 0; i < words->len; i++) {
		if (words->data[i] != WORDS_NAME && words->data[i] != WORDS_END)
			continue;
		put_escaped(html, words->data + from, i - from);
		outbuf__text(html->to, words->data[i] == WORDS_NAME ? begin : end);
		from = i + 1;
	}
	put_escaped(html, words->data + from, words->len - from);
}

void html__words(struct html *html, const struct outbuf *words)
{
	put_words(html, words, "<b>", "</b>");
}

void html__plain(struct html *html, const struct outbuf *words)
{
	put_words(html, words, "", "");
}

/* Elements that have no end tag; "<p />" would only be a begin. */
static bool is_void(const char *element)
{
	static const char *const elements[] = { "meta", "br", "hr" };

	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (!strcmp(element, elements[i]))
			return true;
	return false;
}

void html__close(struct html *html)
{
	if (!html->depth) {
		html->failed = true;
		return;
	}
	html->depth--;
	if (is_void(html->open[html->depth])) {
		outbuf__text(html->to, " />");
		html->in_tag = false;
		return;
	}
	end_tag(html);
	outbuf__text(html->to, "</");
	outbuf__text(html->to, html->open[html->depth]);
	outbuf__char(html->to, '>');
}

void html__open_class(struct html *html, const char *element, const char *class)
{
	html__open(html, element);
	if (class)
		html__attribute(html, "class", class);
}

void html__leaf(struct html *html, const char *element, const char *class, const char *text)
{
	html__open_class(html, element, class);
	html__text(html, text);
	html__close(html);
}

void html__verbatim(struct html *html, const char *text)
{
	end_tag(html);
	outbuf__text(html->to, text);
}
