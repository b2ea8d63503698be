// SPDX-License-Identifier: GPL-2.0
/*
 * Columns for people, 120 wide with IPv4. A value that is too long for its
 * column shifts the rest of its line; only names are ever cut.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "model/names.h"
#include "output/sink_format.h"

#define DAY_S 86400
#define SHORT_ID_LEN 12 /* of a container, as docker ps shows it */

enum width {
	W_TIME = 12,
	W_PID = 7,
	W_PROCESS = 16,
	W_SIDE = 6,
	W_ADDRESS = 21,
	W_CAUSE = 8,
	W_LIFETIME = 8,
	W_BYTES = 6,
	W_EVENT = 14,
};

/* The colours that any terminal has; none of them changes the background. */
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define CYAN "\033[36m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

static void color(struct sink_state *s, const char *code)
{
	if (s->opts.color && code)
		outbuf__bytes(&s->out, code, strlen(code));
}

static void color_end(struct sink_state *s, const char *code)
{
	color(s, code ? PLAIN : NULL);
}

static void pad(struct outbuf *ob, size_t used, size_t width)
{
	if (used < width)
		outbuf__fill(ob, ' ', width - used);
}

static void put_left(struct sink_state *s, const char *code, const char *text, size_t len,
		     size_t width)
{
	color(s, code);
	outbuf__bytes(&s->out, text, len);
	color_end(s, code);
	pad(&s->out, len, width);
}

static void put_right(struct outbuf *ob, const char *text, size_t len, size_t width)
{
	outbuf__char(ob, ' ');
	pad(ob, len, width);
	outbuf__bytes(ob, text, len);
}

static void put_dash(struct sink_state *s, size_t width)
{
	put_left(s, DIM, "-", 1, width);
}

/* Seconds east of UTC at @second, or of the local zone where that is asked for. */
static long offset_at(const struct sink_state *s, uint64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;

	if (s->opts.utc_offset_s != LONG_MIN)
		return s->opts.utc_offset_s;
	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* HH:MM:SS of @second. */
static void cache_second(struct sink_state *s, uint64_t second)
{
	struct second_cache *c = &s->cache;
	long long day = (long long)(second % DAY_S) + offset_at(s, second) % DAY_S;
	char text[FMT_SECOND_LEN];

	day = (day + DAY_S) % DAY_S;
	fmt__second(text, (uint64_t)day);
	memcpy(c->text, text + 11, 8);
	c->second = second;
	c->valid = true;
}

static void put_time(struct sink_state *s, uint64_t wall_ns)
{
	uint64_t second = wall_ns / NS_PER_S;
	char text[W_TIME];

	if (!wall_ns) {
		put_dash(s, W_TIME);
		return;
	}
	if (!s->cache.valid || s->cache.second != second)
		cache_second(s, second);
	memcpy(text, s->cache.text, 8);
	text[8] = '.';
	fmt__padded(text + 9, wall_ns % NS_PER_S / 1000000, 3);
	put_left(s, DIM, text, sizeof(text), W_TIME);
}

static void put_process(struct sink_state *s, const struct record *rec)
{
	const struct tws_conn *conn = &rec->event->conn;
	size_t len = strnlen(conn->comm, TWS_COMM_LEN), used = 0;
	char pid[FMT_U64_MAX];

	if (!(conn->flags & TWS_F_CLOSER)) {
		outbuf__fill(&s->out, ' ', W_PID);
		put_dash(s, 1);
		outbuf__char(&s->out, ' ');
		put_dash(s, W_PROCESS);
		return;
	}
	put_right(&s->out, pid, fmt__u64(pid, conn->tgid), W_PID);
	outbuf__char(&s->out, ' ');
	if (rec->evidence == OWNER_INFERRED) {
		outbuf__char(&s->out, '~');
		used = 1;
	}
	if (len)
		used += escape__text_columns(&s->out, conn->comm, len, W_PROCESS - used);
	else
		used += escape__text_columns(&s->out, "''", 2, W_PROCESS - used);
	pad(&s->out, used, W_PROCESS);
}

static void put_side(struct sink_state *s, unsigned int side)
{
	const struct word *word = names__side(side);

	outbuf__char(&s->out, ' ');
	if (side == TWS_SIDE_UNKNOWN)
		put_dash(s, W_SIDE);
	else
		put_left(s, side == TWS_SIDE_CLIENT ? CYAN : YELLOW, word->text, word->len,
			 W_SIDE);
}

static void put_address(struct sink_state *s, uint8_t family, const uint8_t *addr, uint16_t port)
{
	struct outbuf *ob = &s->out;
	size_t start;

	outbuf__char(ob, ' ');
	start = ob->len;
	if (family == AF_INET6)
		outbuf__char(ob, '[');
	sink_format__addr(ob, family, addr);
	if (family == AF_INET6)
		outbuf__char(ob, ']');
	outbuf__char(ob, ':');
	outbuf__u64(ob, port);
	pad(ob, ob->len - start, W_ADDRESS);
}

static void put_cause(struct sink_state *s, unsigned int cause)
{
	const struct word *word = names__cause(cause);

	outbuf__char(&s->out, ' ');
	if (cause == TWS_CAUSE_UNKNOWN)
		put_dash(s, W_CAUSE);
	else
		put_left(s, NULL, word->text, word->len, W_CAUSE);
}

static void put_figures(struct sink_state *s, const struct tws_event *ev)
{
	struct outbuf *ob = &s->out;
	char text[FMT_U64_MAX];
	uint64_t lifetime_ns;

	if (sink_format__lifetime(ev, &lifetime_ns))
		put_right(ob, text, fmt__lifetime(text, lifetime_ns), W_LIFETIME);
	else
		put_right(ob, "-", 1, W_LIFETIME);
	if (sink_format__has_bytes(ev)) {
		put_right(ob, text, fmt__size(text, ev->tx_bytes), W_BYTES);
		put_right(ob, text, fmt__size(text, ev->rx_bytes), W_BYTES);
	} else {
		put_right(ob, "-", 1, W_BYTES);
		put_right(ob, "-", 1, W_BYTES);
	}
}

/* The action, and after a colon what is known of it: time_wait_end:expired. */
static void put_action(struct sink_state *s, const struct tws_event *ev)
{
	const struct word *word = names__action(ev->action);
	const char *error = names__errno(ev->error);
	struct outbuf *ob = &s->out;
	size_t start;

	outbuf__char(ob, ' ');
	start = ob->len;
	outbuf__bytes(ob, word->text, word->len);
	if (ev->action == TWS_TIME_WAIT_END) {
		word = names__end(ev->end);
		outbuf__char(ob, ':');
		outbuf__bytes(ob, word->text, word->len);
	}
	if (ev->error) {
		outbuf__char(ob, ':');
		if (error)
			outbuf__bytes(ob, error, strlen(error));
		else
			outbuf__u64(ob, ev->error);
	}
	if (ev->conn.flags & TWS_F_SNAPSHOT)
		outbuf__lit(ob, ":snapshot");
	if (s->opts.containers)
		pad(ob, ob->len - start, W_EVENT);
}

static void put_name(struct outbuf *ob, const char *name, bool *any)
{
	if (!name)
		return;
	if (*any)
		outbuf__char(ob, '/');
	*any = true;
	escape__text(ob, name, strlen(name));
}

/* namespace/pod/container, else the container's name or short id, else the unit. */
static void put_workload(struct sink_state *s, const struct workload *w)
{
	struct outbuf *ob = &s->out;
	bool any = false;

	outbuf__char(ob, ' ');
	if (w->pod_name) {
		put_name(ob, w->pod_namespace, &any);
		put_name(ob, w->pod_name, &any);
		put_name(ob, w->pod_container, &any);
	} else if (w->container_name) {
		put_name(ob, w->container_name, &any);
	} else if (w->container_id) {
		escape__text(ob, w->container_id, strnlen(w->container_id, SHORT_ID_LEN));
	} else if (w->unit) {
		put_name(ob, w->unit, &any);
	} else {
		put_dash(s, 1);
	}
}

static void heading_left(struct outbuf *ob, const char *name, size_t width)
{
	outbuf__bytes(ob, name, strlen(name));
	pad(ob, strlen(name), width);
	outbuf__char(ob, ' ');
}

static void put_heading(struct sink_state *s)
{
	struct outbuf *ob = &s->out;

	color(s, BOLD);
	outbuf__bytes(ob, "TIME", 4);
	pad(ob, 4, W_TIME);
	put_right(ob, "PID", 3, W_PID);
	outbuf__char(ob, ' ');
	heading_left(ob, "PROCESS", W_PROCESS);
	heading_left(ob, "SIDE", W_SIDE);
	heading_left(ob, "LOCAL", W_ADDRESS);
	heading_left(ob, "PEER", W_ADDRESS);
	outbuf__bytes(ob, "CAUSE", 5);
	pad(ob, 5, W_CAUSE);
	put_right(ob, "LIFETIME", 8, W_LIFETIME);
	put_right(ob, "TX", 2, W_BYTES);
	put_right(ob, "RX", 2, W_BYTES);
	if (s->opts.actions) {
		outbuf__lit(ob, " EVENT");
		if (s->opts.containers)
			pad(ob, 5, W_EVENT);
	}
	if (s->opts.containers)
		outbuf__lit(ob, " CONTAINER");
	color(s, PLAIN);
	outbuf__char(ob, '\n');
}

static void put_record(struct sink_state *s, const struct record *rec)
{
	const struct tws_event *ev = rec->event;

	put_time(s, rec->wall_ns);
	put_process(s, rec);
	put_side(s, ev->conn.side);
	put_address(s, ev->family, ev->local_addr, ev->local_port);
	put_address(s, ev->family, ev->peer_addr, ev->peer_port);
	put_cause(s, ev->conn.cause);
	put_figures(s, ev);
	if (s->opts.actions)
		put_action(s, ev);
	if (s->opts.containers)
		put_workload(s, &rec->workload);
	outbuf__char(&s->out, '\n');
}

const struct sink_writer sink_text = { .heading = put_heading, .put = put_record };
