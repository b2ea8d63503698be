// SPDX-License-Identifier: GPL-2.0
/*
 * tally: how fast `twsnoop top` counts, and how long a frame takes, at 50,000 closes a second by
 * 100,000 processes in turn, for a minute of the events' own time: all rows are in use, and rows
 * come and go. By the CPU clock of this thread. tally [--quick]; a JSON object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "model/key.h"
#include "output/top_frame.h"
#include "output/top_json.h"
#include "output/top_layout.h"
#include "tally/tally.h"

#define NS_PER_S 1000000000ULL
#define RATE 50000u
#define PROCESSES 100000u
#define SECONDS 60u
#define START (1000 * NS_PER_S)
#define LOOKED_AT 262144u

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void make_close(struct tws_event *ev, uint32_t i)
{
	uint32_t process = i % PROCESSES;

	*ev = (struct tws_event){ .action = TWS_TIME_WAIT, .family = AF_INET };
	ev->time_ns = START + (uint64_t)i * (NS_PER_S / RATE);
	ev->cookie = i + 1;
	ev->netns = 4026531840;
	ev->local_port = (uint16_t)(32768 + i % 28000);
	ev->peer_port = (uint16_t)(80 + i / 28000 % 64);
	ev->local_addr[0] = ev->peer_addr[0] = 10;
	ev->peer_addr[2] = (uint8_t)(i >> 8);
	ev->peer_addr[3] = (uint8_t)i;
	ev->conn.open_ns = ev->time_ns - 1000000;
	ev->conn.flags = TWS_F_CLOSER | TWS_F_ACTIVE;
	ev->conn.tgid = 1000 + process;
	ev->conn.side = i & 3 ? TWS_SIDE_CLIENT : TWS_SIDE_SERVER;
	ev->conn.cause = TWS_CAUSE_CLOSE;
	ev->conn.closer_start_ns = process * 10000000ULL;
	snprintf(ev->conn.comm, sizeof(ev->conn.comm), "worker-%u", process % 5000);
}

static struct tally_keys keys_of(const char *first, const char *second)
{
	struct tally_keys keys = { 1, { field__key(first, strlen(first)) } };

	if (second)
		keys.keys[keys.num++] = field__key(second, strlen(second));
	return keys;
}

static struct tally *make(size_t num_views)
{
	struct tally_options opts = { .num_views = num_views, .start_ns = START };
	struct tally *tally;

	opts.views[0] = keys_of("pid", NULL);
	opts.views[1] = keys_of("process", NULL);
	opts.views[2] = keys_of("container", NULL);
	opts.views[3] = keys_of("remote", NULL);
	opts.views[4] = keys_of("remote", "remote-port");
	opts.views[5] = keys_of("local-port", NULL);
	if (tally__new(&tally, &opts))
		abort();
	return tally;
}

struct times {
	uint64_t add_ns, frame_ns, most_ns;
	unsigned int frames;
	struct top_frame frame;
	struct top_cells cells;
	struct outbuf json;
};

/* What one second's frame takes on a screen, and as JSON. */
static void show(struct tally *tally, struct times *times, uint64_t now_ns)
{
	const struct top_want want = { .sort = TOP_CLOSES, .steady = true };
	const struct feed_account account = { 0 };
	struct top_view view = { .width = 200, .height = 60, .sort = TOP_CLOSES };
	const struct tally_keys keys = keys_of("pid", NULL);
	uint64_t before = cpu_ns(), took;
	struct tally_frame frame;

	tally__frame(tally, 0, now_ns, &frame);
	if (top_frame__fill(&times->frame, tally, &frame, &keys))
		abort();
	top_frame__arrange(&times->frame, &want);
	if (top_layout__make(&times->cells, &times->frame, &view))
		abort();
	took = cpu_ns() - before;
	times->frame_ns += took;
	times->most_ns = took > times->most_ns ? took : times->most_ns;
	times->frames++;
	times->json.len = 0;
	top_json__write(&times->json, &times->frame, 0, &account);
}

static void run(size_t num_views, unsigned int seconds, struct times *times)
{
	struct tally *tally = make(num_views);
	struct tws_event *events = calloc(RATE, sizeof(*events));

	if (!events || outbuf__init(&times->json, 4096))
		abort();
	for (uint32_t s = 0; s < seconds; s++) {
		uint64_t before;

		for (uint32_t i = 0; i < RATE; i++)
			make_close(&events[i], s * RATE + i);
		before = cpu_ns();
		for (uint32_t i = 0; i < RATE; i++) {
			const struct record rec = { .event = &events[i],
						    .command_line = "/usr/bin/worker --queue x" };

			tally__add(tally, &rec);
		}
		times->add_ns += cpu_ns() - before;
		show(tally, times, START + (s + 1) * NS_PER_S);
	}
	free(events);
	tally__free(tally);
}

/* The tally's part of a look: what it does with sockets that the kernel's table has. */
static uint64_t look_ns(void)
{
	struct tally *tally = make(6);
	const struct tally_netns netns = { 1, 28232, 262144 };
	struct tws_event ev;
	uint64_t before, took = 0;

	for (uint32_t i = 0; i < LOOKED_AT; i++) {
		const struct record rec = { .event = &ev };

		make_close(&ev, i);
		tally__add(tally, &rec);
	}
	tally__look(tally, START + 6 * NS_PER_S);
	tally__look_into(tally, &netns);
	for (uint32_t i = 0; i < LOOKED_AT; i++) {
		struct tally_socket sk = { .family = AF_INET, .state = 6, .mini = true,
					   .takes_port = true, .expires_ms = 50000 };

		make_close(&ev, i);
		sk.key = key__of_event(&ev);
		before = cpu_ns();
		tally__socket(tally, &sk);
		took += cpu_ns() - before;
	}
	before = cpu_ns();
	tally__looked(tally, TALLY_SAW_ALL);
	took += cpu_ns() - before;
	tally__free(tally);
	return took;
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 && !strcmp(argv[1], "--quick") ? 10 : SECONDS;
	struct times one = { 0 }, all = { 0 };
	struct rusage usage;

	run(1, seconds, &one);
	run(6, seconds, &all);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"add_one_ns\":%.0f,\"add_all_ns\":%.0f,\"frame_ms\":%.2f,\"frame_most_ms\":%.2f,"
	       "\"json_bytes\":%zu,\"rss_mib\":%.0f,\"look_ns\":%.0f}\n",
	       (double)one.add_ns / seconds / RATE, (double)all.add_ns / seconds / RATE,
	       (double)all.frame_ns / all.frames / 1e6, (double)all.most_ns / 1e6, all.json.len,
	       (double)usage.ru_maxrss / 1024, (double)look_ns() / LOOKED_AT);
	return 0;
}
