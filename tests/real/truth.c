// SPDX-License-Identifier: GPL-2.0
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_text(const char *path, char **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	struct stat st;
	char *text = NULL;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st))
		text = malloc((size_t)st.st_size + 1);
	while (text && n > 0 && got < (size_t)st.st_size) {
		n = read(fd, text + got, (size_t)st.st_size - got);
		got += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (!text || n < 0) {
		free(text);
		return -EIO;
	}
	text[got] = '\0';
	*out = text;
	return 0;
}

static char *next_word(char **words)
{
	char *word;

	do
		word = strsep(words, " \t");
	while (word && !*word);
	return word;
}

static int parse_count(const char *text, size_t *out)
{
	char *rest;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &rest, 10);
	if (errno || rest == text || *rest || *text == '-')
		return -EINVAL;
	*out = n;
	return 0;
}

static int parse_address(const char *text, struct in6_addr *out, bool *any)
{
	*any = text && strcmp(text, "*") == 0;
	if (*any)
		return 0;
	return text ? end__parse_address(text, out) : -EINVAL;
}

static int parse_port(const char *text, uint16_t *out, bool *any)
{
	*any = text && strcmp(text, "*") == 0;
	if (*any)
		return 0;
	return text ? end__parse_port(text, out) : -EINVAL;
}

static int parse_end(struct rule *r, char **words)
{
	if (parse_address(next_word(words), &r->end.local, &r->any_local) ||
	    parse_port(next_word(words), &r->end.local_port, &r->any_local_port) ||
	    parse_address(next_word(words), &r->end.peer, &r->any_peer) ||
	    parse_port(next_word(words), &r->end.peer_port, &r->any_peer_port))
		return -EINVAL;
	r->exact = !(r->any_local || r->any_local_port || r->any_peer || r->any_peer_port);
	return 0;
}

static int parse_word(struct rule *r, char *word)
{
	char *value = strchr(word, '=');

	if (strcmp(word, "may") == 0) {
		r->min = 0;
		return 0;
	}
	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (strcmp(word, "min") == 0)
		return parse_count(value, &r->min);
	if (strcmp(word, "max") == 0)
		return parse_count(value, &r->max);
	if (r->num_claims == TRUTH_MAX_CLAIMS)
		return -E2BIG;
	r->claims[r->num_claims++] = (struct claim){ .path = word, .values = value };
	return 0;
}

static int parse_rule(struct rule *r, char *line)
{
	char *words = line;
	char *word;
	int err = parse_end(r, &words);

	r->min = r->exact ? 1 : 0;
	r->max = r->exact ? 1 : SIZE_MAX;
	while (!err && (word = next_word(&words)))
		err = parse_word(r, word);
	return err;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int truth__load(struct truth *truth, const char *path, unsigned int *line)
{
	int err = read_text(path, &truth->text);
	unsigned int number = 0;
	char *rest, *text;

	*line = 0;
	if (err)
		return err;
	truth->rules = calloc(count_lines(truth->text), sizeof(*truth->rules));
	if (!truth->rules)
		return -ENOMEM;
	for (rest = truth->text; !err && (text = strsep(&rest, "\n"));) {
		struct rule *r = &truth->rules[truth->count];

		number++;
		if (!*text)
			continue;
		r->line = number;
		err = parse_rule(r, text);
		truth->count++;
	}
	if (err)
		*line = number;
	return err;
}

bool rule__covers(const struct rule *r, const struct end *e)
{
	return (r->any_local_port || r->end.local_port == e->local_port) &&
	       (r->any_peer_port || r->end.peer_port == e->peer_port) &&
	       (r->any_local || IN6_ARE_ADDR_EQUAL(&r->end.local, &e->local)) &&
	       (r->any_peer || IN6_ARE_ADDR_EQUAL(&r->end.peer, &e->peer));
}

bool claim__allows(const struct claim *claim, const char *text)
{
	const char *v = claim->values;

	for (;;) {
		const char *t = text;

		while (*v && *v != '|' && *t && (*v == *t || *v == '_')) {
			v++;
			t++;
		}
		if (!*t && (!*v || *v == '|'))
			return true;
		v = strchr(v, '|');
		if (!v)
			return false;
		v++;
	}
}

void truth__free(struct truth *truth)
{
	free(truth->text);
	free(truth->rules);
	*truth = (struct truth){ 0 };
}
