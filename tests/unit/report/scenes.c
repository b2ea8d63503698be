// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/report/scenes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BEGIN (SCENE_T - 3 * SCENE_HOUR)
#define END (SCENE_T + SCENE_HOUR)
#define BURST (SCENE_T + 12 * 60)
#define BURST_END (SCENE_T + 19 * 60)
#define USABLE 28232

static const uint8_t api[4] = { 10, 0, 0, 9 }, web[4] = { 10, 0, 0, 5 }, db[4] = { 10, 0, 1, 20 };

/* The same in each run: small differences from minute to minute. */
static uint64_t noise(uint64_t wall_s, uint64_t seed, uint64_t most)
{
	uint64_t x = (wall_s / 10 + seed) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return (x ^ x >> 32) % (most + 1);
}

/* What goes on all the time, some 40 closes a second. */
static void make_base(struct made *made, uint64_t since_s, uint64_t until_s)
{
	uint32_t nginx = made__who(made, "nginx", "edge", "nginx: worker process");
	uint32_t sync = made__pod(made, "sync", "shop", "inventory-5f6d", "sync",
				  "/usr/bin/sync --every 5s");
	uint32_t curl = made__who(made, "curl", NULL, "curl -s http://10.0.0.9:8080/healthz");
	uint32_t at_web = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_SERVER, web, 443, 0);
	uint32_t to_db = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, db, 5432, 0);
	uint32_t to_api = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, api, 8080, 0);

	made__limit(made, since_s, 262144);
	for (uint64_t t = since_s; t < until_s; t += 60) {
		made__minute(made, t, nginx, at_web, 1700 + noise(t, 1, 300), 180000000);
		made__minute(made, t, sync, to_db, 360 + noise(t, 2, 60), 12000000);
		made__minute(made, t, curl, to_api, 12, 4000000);
	}
}

static void make_states(struct made *made, uint64_t since_s, uint64_t until_s)
{
	for (uint64_t t = since_s; t < until_s; t += 10)
		made__states(made, t, 2250 + noise(t, 3, 250));
}

void scene__quiet(struct made *made)
{
	made__run(made, BEGIN, END);
	make_base(made, BEGIN, END);
	make_states(made, BEGIN, END);
	made__account(made, END - 1, 1, 570000, 0);
	for (uint64_t t = BEGIN; t < END; t += 60)
		made__ports(made, t, api, 8080, USABLE, 14, "curl");
}

/* How far the burst has filled the ports @t; it drains in the minute after it. */
static uint64_t filled(uint64_t t)
{
	uint64_t full = t < BURST ? 0 : (t - BURST) * 612;

	if (t >= BURST_END)
		full = t < BURST_END + 60 ? USABLE * (BURST_END + 60 - t) / 60 : 0;
	return full > USABLE ? USABLE : full;
}

static void burst_by(struct made *made, uint32_t who, const char *comm)
{
	uint32_t flow = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, api, 8080, 0);
	uint32_t fails = made__flow(made, TWS_CONNECT_FAILED, TWS_SIDE_CLIENT, api, 8080,
				    EADDRNOTAVAIL);

	made__run(made, BEGIN, END);
	make_base(made, BEGIN, END);
	for (uint64_t t = BURST; t < BURST_END; t += 60) {
		made__minute(made, t, who, flow, t == BURST ? 28100 : 27900 + noise(t, 4, 500),
			     2100000);
		if (t > BURST)
			made__minute(made, t, who, fails, 160 + noise(t, 5, 80), 0);
	}
	for (uint64_t t = BEGIN; t < END; t += 10) {
		made__states(made, t, 2250 + noise(t, 3, 250) + filled(t));
		if (t % 30 == 0)
			made__ports(made, t, api, 8080, USABLE,
				    (uint32_t)(filled(t) < USABLE - 14 ? filled(t) + 14 : USABLE),
				    filled(t) ? comm : "curl");
		if (t % 30 == 0)
			made__ports(made, t, db, 5432, USABLE, 400 + (uint32_t)noise(t, 6, 20),
				    "sync");
	}
	made__account(made, BEGIN + 60, 1, 2000, 0);
	made__account(made, END - 1, 1, 768000, 0);
}

void scene__burst(struct made *made)
{
	burst_by(made, made__pod(made, "checkout", "shop", "checkout-7d9f", "app",
				 "python3 /srv/checkout.py --upstream http://10.0.0.9:8080"),
		 "checkout");
	made__finding(made, BURST + 50, "ports-exhausted", 3,
		      "10.0.0.5 has no local port left towards 10.0.0.9:8080.");
}

void scene__failing(struct made *made)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };
	uint32_t steady = made__who(made, "steady", NULL, "steady");
	uint32_t python = made__who(made, "python3", NULL, "python3 client.py");
	uint32_t at_home = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, here, 9999, 0);
	uint32_t to_api = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, api, 8080, 0);
	uint32_t fails = made__flow(made, TWS_CONNECT_FAILED, TWS_SIDE_CLIENT, api, 8080,
				    EADDRNOTAVAIL);

	made__run(made, BEGIN, END);
	for (uint64_t t = BEGIN; t < END; t += 60) {
		bool fast = t >= BURST && t < BURST_END;

		made__minute(made, t, steady, at_home, fast ? 108000 : 600, 1000000);
		made__states(made, t, fast ? 108000 : 600);
		made__ports(made, t, here, 9999, USABLE, fast ? USABLE : 600, "steady");
		made__ports(made, t, api, 8080, 500, fast ? 100 : 0, "python3");
		if (!fast)
			continue;
		made__minute(made, t, python, to_api, 500, 2000000);
		made__minute(made, t, python, fails, 83, 0);
	}
}

void scene__growth(struct made *made)
{
	uint32_t who = made__who(made, "gateway", "gateway", "/gateway --listen :8443");
	uint32_t flow = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_SERVER, web, 8443, 0);

	made__run(made, BEGIN, END);
	for (uint64_t t = BEGIN; t < END; t += 60) {
		uint64_t per_s = 10 + (t - BEGIN) / 60;

		made__minute(made, t, who, flow, per_s * 60, 5000000);
		made__states(made, t + 30, per_s * 60);
	}
}

void scene__two(struct made *made)
{
	uint32_t job = made__who(made, "nightly", "batch", "/opt/nightly.sh");
	uint32_t nginx;
	uint32_t to_db = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, db, 5432, 0);
	uint32_t at_web = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_SERVER, web, 443, 0);

	made__run(made, BEGIN, END);
	make_base(made, BEGIN, END);
	make_states(made, BEGIN, END);
	nginx = made__who(made, "nginx", "edge", "nginx: worker process"); /* anew: another id */
	for (uint64_t t = SCENE_T + 10 * 60; t < SCENE_T + 13 * 60; t += 60)
		made__minute(made, t, nginx, at_web, 9000, 90000000);
	for (uint64_t t = SCENE_T + 40 * 60; t < SCENE_T + 45 * 60; t += 60)
		made__minute(made, t, job, to_db, 12000, 2000000);
}

void scene__gap(struct made *made)
{
	struct made_list *lists[] = { &made->minutes, &made->states, &made->ports };
	const size_t sizes[] = { sizeof(struct held_minute), sizeof(struct held_states),
				 sizeof(struct held_ports) };
	uint64_t since_ns = (BURST + 120) * MADE_S, until_ns = (BURST + 300) * MADE_S;

	scene__burst(made);
	/* wall_ns is the first member of minutes, states and ports. */
	for (size_t l = 0; l < 3; l++) {
		char *data = lists[l]->data;
		size_t kept = 0;

		for (size_t i = 0; i < lists[l]->num; i++) {
			uint64_t ns;

			memcpy(&ns, data + i * sizes[l], sizeof(ns));
			if (ns >= since_ns && ns < until_ns)
				continue;
			memmove(data + kept++ * sizes[l], data + i * sizes[l], sizes[l]);
		}
		lists[l]->num = kept;
	}
	made__gap(made, BURST + 120, BURST + 300, HELD_GAP_DISK);
	((struct held_gap *)made->gaps.data)->detail = "No space left on device";
	((struct held_gap *)made->gaps.data)->events = 81234;
}

void scene__limit(struct made *made)
{
	uint32_t who = made__who(made, "haproxy", "edge", "haproxy -f /etc/haproxy.cfg");
	uint32_t flow = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_SERVER, web, 443, 0);

	made__run(made, BEGIN, END);
	make_base(made, BEGIN, END);
	made__limit(made, BEGIN, 16384);
	made__overflows(made, BEGIN, 17);
	for (uint64_t t = BEGIN; t < END; t += 60) {
		bool high = t >= SCENE_T + 30 * 60 && t < SCENE_T + 35 * 60;

		made__states(made, t + 59, high ? 16384 : 2400);
		if (high)
			made__minute(made, t, who, flow, 40000, 90000000);
	}
	made__overflows(made, SCENE_T + 32 * 60, 1017);
}

static const char *const hostile[] = {
	"<img src=x onerror=alert(1)>",
	"</style><script>alert(2)</script>",
	"\"><svg onload=alert(3)>",
	"' onmouseover='alert(4)",
	"]]><!--<script>alert(5)//-->",
	"\xff\xfe\x01\x02\x1b[31m\r\n\t\x7f",
	"&lt;b&gt; &#x3c; ${7*7} {{7*7}}",
	"\xe2\x80\xaegnp.exe \xef\xbb\xbf\xef\xbf\xbe",
	"javascript:alert(6)",
	"url(https://example.invalid/x)",
};

void scene__hostile(struct made *made)
{
	uint32_t flow = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, api, 8080, 0);

	burst_by(made, made__pod(made, hostile[0], hostile[1], hostile[2], hostile[3], hostile[4]),
		 hostile[0]);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		uint32_t who = made__who(made, hostile[i], hostile[9 - i], hostile[(i + 3) % 10]);

		for (uint64_t t = SCENE_T; t < END; t += 60)
			made__minute(made, t, who, flow, 600 * (i + 1), 1000000);
		made__finding(made, SCENE_T + i, hostile[i], 3, hostile[9 - i]);
		made__gap(made, SCENE_T + 50 * 60 + i, SCENE_T + 50 * 60 + i + 1, HELD_GAP_SLOW);
		((struct held_gap *)made->gaps.data)[i].detail = hostile[i];
	}
	made__last_run(made)->host = hostile[0];
	made__last_run(made)->kernel = hostile[1];
	made__last_run(made)->version = hostile[2];
	made__last_run(made)->zone = hostile[3];
	made__last_run(made)->filter = hostile[1];
}

void scene__huge(struct made *made)
{
	uint32_t who = made__who(made, "huge", NULL, NULL);
	uint32_t flow = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, api, 8080, 0);
	uint32_t fails = made__flow(made, TWS_CONNECT_FAILED, 99, api, 8080, UINT32_MAX);

	made__flow_of(made, fails)->cause = 250;
	made__flow_of(made, fails)->family = 77;
	made__run(made, BEGIN, END);
	made__limit(made, BEGIN, UINT64_MAX);
	for (uint64_t t = BEGIN; t < END; t += 60) {
		made__minute(made, t, who, flow, t == SCENE_T ? UINT64_MAX / 1000 : 60, 1000);
		made__minute(made, t, who, fails, UINT64_MAX / 1000, UINT64_MAX / 4);
		made__states(made, t, t == SCENE_T ? UINT64_MAX / 2 : 5);
	}
	made__ports(made, SCENE_T, api, 8080, UINT32_MAX, UINT32_MAX, "huge");
	made__finding(made, SCENE_T, "", 255, "");
	made__gap(made, 0, UINT64_MAX / MADE_S, 200);
	made__gap(made, UINT64_MAX / MADE_S, 0, HELD_GAP_CLOCK);
}

/* Names that are all different, as long as they can be. */
void scene__rows(struct made *made)
{
	static char comms[1000][TWS_COMM_LEN + 1], containers[1000][260], lines[1000][1024];

	made__run(made, BEGIN, END);
	for (size_t i = 0; i < 1000; i++) {
		uint8_t addr[4] = { 10, 9, (uint8_t)(i >> 8), (uint8_t)i };
		uint32_t who, flow, fails;

		snprintf(comms[i], sizeof(comms[i]), "<process&%04zu>", i);
		memset(containers[i], '&', sizeof(containers[i]) - 1);
		memset(lines[i], '<', sizeof(lines[i]) - 1);
		who = made__who(made, comms[i], containers[i], lines[i]);
		flow = made__flow(made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, addr, 80, 0);
		fails = made__flow(made, TWS_CONNECT_FAILED, TWS_SIDE_CLIENT, addr, 80, EADDRNOTAVAIL);
		for (uint64_t t = SCENE_T; t < END; t += 60) {
			made__minute(made, t, who, flow, 60 + i, 1000000);
			made__minute(made, t, who, fails, 60 + i, 0);
		}
		made__ports(made, SCENE_T, addr, 80, USABLE, USABLE, comms[i]);
		made__gap(made, SCENE_T + i, SCENE_T + i + 1, HELD_GAP_SLOW);
		made__finding(made, SCENE_T, lines[i], 3, lines[i]);
	}
}

void scene__empty(struct made *made)
{
	(void)made;
}

const struct scene scenes[] = {
	{ "quiet", scene__quiet }, { "burst", scene__burst }, { "failing", scene__failing },
	{ "growth", scene__growth },
	{ "two", scene__two },	   { "gap", scene__gap },     { "limit", scene__limit },
	{ "hostile", scene__hostile }, { "huge", scene__huge }, { "rows", scene__rows },
	{ "empty", scene__empty },
};
const size_t num_scenes = sizeof(scenes) / sizeof(scenes[0]);
