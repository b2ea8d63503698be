// SPDX-License-Identifier: GPL-2.0
/*
 * The judge of the tests with real software.
 *
 *	judge listening PORT...		wait until each is listened on
 *	judge states LIST PORT N	wait until the local port has N sockets in
 *					these states (numbers, as 1,4)
 *	judge settled FILE		wait until all connections are over; save the
 *					TIME_WAIT sockets
 *	judge events FILE TABLE TRUTH NETNS
 *					compare twsnoop's JSON with both
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "table.h"
#include "truth.h"

#define DEADLINE_S 20
#define MAX_COMPLAINTS 6

#define BIT(state) (1u << (state))

/* ---- waiting ---- */

/* 1 when it is so, 0 when not yet, negative errno. */
typedef int condition(const struct table *table, void *arg);

static int wait_for(condition *is, void *arg)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	time_t end = time(NULL) + DEADLINE_S;
	int so = 0;

	while (!so) {
		struct table table = { 0 };

		so = table__dump(&table);
		if (so == -EAGAIN)
			so = 0;
		else if (!so)
			so = is(&table, arg);
		table__free(&table);
		if (!so && time(NULL) > end)
			so = -ETIMEDOUT;
		if (!so)
			nanosleep(&pause, NULL);
	}
	return so < 0 ? so : 0;
}

struct wanted {
	uint32_t states;
	uint16_t port;
	size_t count;
};

static int has_count(const struct table *table, void *arg)
{
	const struct wanted *w = arg;

	return table__count(table, w->states, w->port) >= w->count;
}

static int cmd_listening(char **args)
{
	for (; *args; args++) {
		struct wanted w = { .states = BIT(TCP_LISTEN), .count = 1 };

		if (end__parse_port(*args, &w.port) || wait_for(has_count, &w)) {
			printf("nobody listens on port %s\n", *args);
			return 1;
		}
	}
	return 0;
}

static int cmd_states(char **args)
{
	struct wanted w = { 0 };
	char *list = args[0], *word;
	uint16_t n;

	while ((word = strsep(&list, ","))) {
		if (end__parse_port(word, &n) || n > TCP_CLOSING)
			return 2;
		w.states |= BIT(n);
	}
	if (end__parse_port(args[1], &w.port) || end__parse_port(args[2], &n))
		return 2;
	w.count = n;
	if (!wait_for(has_count, &w))
		return 0;
	printf("port %s did not come to %s sockets in the states waited for\n", args[1], args[2]);
	return 1;
}

struct settling {
	const char *path;
	size_t last; /* TIME_WAIT sockets of the dump before, SIZE_MAX: it was not settled */
};

/* A dump is not one moment's picture: two in succession must agree. */
static int has_settled(const struct table *table, void *arg)
{
	const uint32_t done = BIT(TCP_LISTEN) | BIT(TCP_TIME_WAIT) | BIT(TCP_CLOSE);
	struct settling *s = arg;
	size_t waiting = table__count(table, BIT(TCP_TIME_WAIT), 0);
	int err;

	if (table__count(table, ~done, 0)) {
		s->last = SIZE_MAX;
		return 0;
	}
	if (s->last != waiting) {
		s->last = waiting;
		return 0;
	}
	err = table__save(table, s->path);
	return err ? err : 1;
}

static int cmd_settled(char **args)
{
	struct settling s = { .path = args[0], .last = SIZE_MAX };

	if (!wait_for(has_settled, &s))
		return 0;
	printf("the connections did not come to rest\n");
	return 1;
}

/* ---- judging ---- */

struct judge {
	struct table table;
	struct truth truth;
	struct rule **rule_of; /* of each socket of the table */
	size_t *reports;       /* how often twsnoop named it */
	json_int_t netns;
	size_t events;
	size_t complaints;
};

static void complain(struct judge *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* On stdout, the first few of them. */
static void complain(struct judge *j, const char *fmt, ...)
{
	va_list ap;

	if (j->complaints++ >= MAX_COMPLAINTS)
		return;
	va_start(ap, fmt);
	fputs("  ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

static ssize_t find_sock(const struct table *table, const struct end *end)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = end__compare(&table->socks[mid].end, end);

		if (!order)
			return (ssize_t)mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

static void apply_exact_rules(struct judge *j)
{
	char text[END_TEXT_LEN];

	for (size_t i = 0; i < j->truth.count; i++) {
		struct rule *r = &j->truth.rules[i];
		ssize_t at = r->exact ? find_sock(&j->table, &r->end) : -1;

		if (at < 0)
			continue;
		if (j->rule_of[at])
			complain(j, "truth, line %u: %s is named twice: the test is wrong",
				 r->line, end__format(&r->end, text));
		j->rule_of[at] = r;
		r->seen++;
	}
}

static void apply_wide_rules(struct judge *j)
{
	char text[END_TEXT_LEN];

	for (size_t at = 0; at < j->table.count; at++) {
		const struct end *end = &j->table.socks[at].end;

		for (size_t i = 0; i < j->truth.count && !j->rule_of[at]; i++) {
			struct rule *r = &j->truth.rules[i];

			if (!r->exact && rule__covers(r, end)) {
				j->rule_of[at] = r;
				r->seen++;
			}
		}
		if (!j->rule_of[at])
			complain(j, "%s is in TIME_WAIT, and should not",
				 end__format(end, text));
	}
}

/* What the programs say, against the kernel's table. */
static void judge_truth(struct judge *j)
{
	char text[END_TEXT_LEN];

	apply_exact_rules(j);
	apply_wide_rules(j);
	for (size_t i = 0; i < j->truth.count; i++) {
		const struct rule *r = &j->truth.rules[i];

		if (r->seen >= r->min && r->seen <= r->max)
			continue;
		if (r->exact)
			complain(j, "%s should be in TIME_WAIT, and is not",
				 end__format(&r->end, text));
		else
			complain(j, "truth, line %u: %zu TIME_WAITs, not %zu to %zu", r->line,
				 r->seen, r->min, r->max);
	}
}

/* A member by its dotted path, as text; "" when absent. */
static const char *member_text(json_t *root, const char *path, char *buf, size_t size)
{
	json_t *v = root;

	while (v && *path) {
		size_t len = strcspn(path, ".");

		snprintf(buf, size, "%.*s", (int)len, path);
		v = json_object_get(v, buf);
		path += len + (path[len] == '.');
	}
	if (json_is_string(v))
		snprintf(buf, size, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		snprintf(buf, size, "%s", json_is_true(v) ? "true" : "");
	return buf;
}

static int parse_side(json_t *network, const char *key, struct in6_addr *addr, uint16_t *port)
{
	json_t *side = json_object_get(network, key);
	const char *text = json_string_value(json_object_get(side, "address"));
	json_t *number = json_object_get(side, "port");

	if (!text || end__parse_address(text, addr) || !json_is_integer(number))
		return -EINVAL;
	*port = (uint16_t)json_integer_value(number);
	return 0;
}

static void judge_cookie(struct judge *j, json_t *tcp, const struct sock *sock)
{
	json_int_t cookie = json_integer_value(json_object_get(tcp, "cookie"));
	char text[END_TEXT_LEN];

	/* Absent where the kernel gives none (before 5.12). */
	if (cookie && (uint64_t)cookie != sock->cookie)
		complain(j, "%s: tcp.cookie is %" JSON_INTEGER_FORMAT ", the kernel's %" PRIu64,
			 end__format(&sock->end, text), cookie, sock->cookie);
}

/* What a snapshot cannot know: the kernel's table has no byte counts. It must
 * tell the owner all the same. */
static bool may_be_unknown(json_t *root, const char *path)
{
	char source[32];

	return (strcmp(path, "tcp.tx_bytes") == 0 || strcmp(path, "tcp.rx_bytes") == 0) &&
	       strcmp(member_text(root, "event.source", source, sizeof(source)), "snapshot") == 0;
}

static void judge_claims(struct judge *j, json_t *root, const struct rule *r, const struct end *end)
{
	char value[512], text[END_TEXT_LEN];

	for (unsigned int i = 0; r && i < r->num_claims; i++) {
		const struct claim *c = &r->claims[i];

		member_text(root, c->path, value, sizeof(value));
		if (!*value && may_be_unknown(root, c->path))
			continue;
		if (!claim__allows(c, value))
			complain(j, "%s: %s is '%s', should be '%s'", end__format(end, text),
				 c->path, value, c->values);
	}
}

static void judge_event(struct judge *j, json_t *root)
{
	json_t *network = json_object_get(root, "network");
	json_t *tcp = json_object_get(root, "tcp");
	char value[64], text[END_TEXT_LEN];
	const char *type;
	struct end end;
	ssize_t at;

	if (parse_side(network, "local", &end.local, &end.local_port) ||
	    parse_side(network, "peer", &end.peer, &end.peer_port)) {
		complain(j, "event %zu has no local or no peer end", j->events);
		return;
	}
	at = find_sock(&j->table, &end);
	if (at < 0) {
		complain(j, "%s was reported, but is not in TIME_WAIT", end__format(&end, text));
		return;
	}
	if (j->reports[at]++)
		complain(j, "%s was reported %zu times", end__format(&end, text), j->reports[at]);
	if (strcmp(member_text(root, "event.action", value, sizeof(value)), "time_wait") != 0)
		complain(j, "%s: event.action is '%s'", end__format(&end, text), value);
	if (json_integer_value(json_object_get(network, "netns")) != j->netns)
		complain(j, "%s: wrong network.netns", end__format(&end, text));
	type = IN6_IS_ADDR_V4MAPPED(&end.local) ? "ipv4" : "ipv6";
	if (strcmp(member_text(network, "type", value, sizeof(value)), type) != 0)
		complain(j, "%s: network.type is '%s'", end__format(&end, text), value);
	judge_cookie(j, tcp, &j->table.socks[at]);
	judge_claims(j, root, j->rule_of[at], &end);
}

static int judge_events(struct judge *j, const char *path)
{
	FILE *f = fopen(path, "re");
	char text[END_TEXT_LEN];
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!f)
		return -errno;
	while ((len = getline(&line, &size, f)) > 0) {
		json_t *root = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);

		j->events++;
		if (json_is_object(root))
			judge_event(j, root);
		else
			complain(j, "event %zu is not a JSON object", j->events);
		json_decref(root);
	}
	free(line);
	fclose(f);
	for (size_t at = 0; at < j->table.count; at++)
		if (!j->reports[at])
			complain(j, "%s is in TIME_WAIT, and was not reported",
				 end__format(&j->table.socks[at].end, text));
	return 0;
}

static int cmd_events(char **args)
{
	struct judge j = { .netns = strtoll(args[3], NULL, 10) };
	unsigned int line = 0;
	int err;

	err = table__load(&j.table, args[1]);
	if (!err)
		err = truth__load(&j.truth, args[2], &line);
	if (!err) {
		j.rule_of = calloc(j.table.count + 1, sizeof(*j.rule_of));
		j.reports = calloc(j.table.count + 1, sizeof(*j.reports));
		err = j.rule_of && j.reports ? 0 : -ENOMEM;
	}
	if (!err) {
		judge_truth(&j);
		err = judge_events(&j, args[0]);
	}
	if (err)
		printf("  judge: %s, line %u of the truth\n", strerror(-err), line);
	else if (j.complaints)
		printf("  %zu faults in %zu TIME_WAITs, %zu events\n", j.complaints, j.table.count,
		       j.events);
	else
		printf("%zu\n", j.table.count);
	free(j.rule_of);
	free(j.reports);
	truth__free(&j.truth);
	table__free(&j.table);
	return err || j.complaints ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	if (strcmp(cmd, "listening") == 0 && argc > 2)
		return cmd_listening(argv + 2);
	if (strcmp(cmd, "states") == 0 && argc == 5)
		return cmd_states(argv + 2);
	if (strcmp(cmd, "settled") == 0 && argc == 3)
		return cmd_settled(argv + 2);
	if (strcmp(cmd, "events") == 0 && argc == 6)
		return cmd_events(argv + 2);
	fprintf(stderr, "judge: see the top of judge.c\n");
	return 2;
}
