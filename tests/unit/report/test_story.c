// SPDX-License-Identifier: GPL-2.0
/* The story of made-up hours: what stands out, who did it, and what is not known. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/advice.h"
#include "report/story.h"
#include "report/words.h"
#include "tests/unit/report/scenes.h"

#define MINUTE (60 * MADE_S)
#define AT(minute) ((SCENE_T + (minute) * 60) * MADE_S)

static struct made made;
static const uint8_t api[4] = { 10, 0, 0, 9 };

static struct story *tell_span(uint64_t since_ns, uint64_t until_ns)
{
	const struct history_span span = { since_ns, until_ns };
	struct story *story;

	assert_int_equal(story__tell(&story, made__input(&made), &span), 0);
	return story;
}

static struct story *tell(void (*make)(struct made *made))
{
	made__init(&made);
	make(&made);
	return tell_span(AT(0), AT(60));
}

static void end(struct story *story)
{
	story__free(story);
	made__free(&made);
}

static const struct story_who *culprit(const struct story *story, unsigned int incident)
{
	assert_true(story->incidents[incident].num_culprits >= 1);
	return &story->who[story->incidents[incident].culprits[0].who];
}

/* Whether some sentence of what is not known has @text. */
static bool is_unknown(const struct story *story, const char *text)
{
	struct words words;
	struct outbuf ob;
	bool found = false;

	words__init(&words, story, &when_utc);
	assert_int_equal(outbuf__init(&ob, 1024), 0);
	for (unsigned int i = 0; words__unknown(&ob, &words, i); i++) {
		found |= strstr(outbuf__terminate(&ob), text) != NULL;
		ob.len = 0;
	}
	outbuf__free(&ob);
	return found;
}

static void test_quiet(void **state)
{
	struct story *story = tell(scene__quiet);

	(void)state;
	assert_int_equal(story->severity, STORY_OK);
	assert_int_equal(story->num_incidents, 0);
	assert_true(story->usual_rate.median > 34 && story->usual_rate.median < 42);
	assert_int_equal(story->num_points, 60);
	assert_string_equal(story->who[story->closers[0]].comm, "nginx");
	assert_int_equal(story->recorded_ns, 60 * MINUTE);
	assert_int_equal(story->num_gaps, 0);
	end(story);
}

static void test_burst(void **state)
{
	struct story *story = tell(scene__burst);
	const struct story_incident *it = &story->incidents[0];

	(void)state;
	assert_int_equal(story->num_incidents, 1);
	assert_int_equal(story->severity, STORY_CRITICAL);
	assert_string_equal(it->advice->id, "ports-exhausted");
	assert_int_equal(it->since_ns, AT(12));
	assert_int_equal(it->until_ns, AT(19));
	assert_int_equal(it->drained_ns, AT(20));
	assert_false(it->began_before || it->goes_on || it->has_gap);
	assert_string_equal(culprit(story, 0)->comm, "checkout");
	assert_string_equal(culprit(story, 0)->label, "shop/checkout-7d9f/app");
	assert_true(it->culprits[0].permille >= 990);
	assert_int_equal(it->culprits[0].client_permille, 1000);
	assert_int_equal(it->culprits[0].place.port, 8080);
	assert_memory_equal(it->culprits[0].place.addr, api, 4);
	assert_true(it->culprits[0].lifetime_above_ns <= 2100000 &&
		    it->culprits[0].lifetime_ns >= 2100000);
	assert_true(it->peak_per_s > 500 && it->peak_per_s < 520);
	assert_true(it->time_wait > 28232);
	assert_int_equal(it->failed, it->failed_ports);
	assert_true(it->failed > 900);
	assert_int_equal(it->failures[0].place.error, EADDRNOTAVAIL);
	assert_int_equal(it->ports[0].permille, 1000);
	assert_int_equal(it->ports[0].ports.left, 0);
	assert_int_equal(story->account.delivered, 768000 - 2000);
	assert_int_equal(story->num_findings, 1);
	end(story);
}

/* Who closes most is not who takes the ports that are short. */
static void test_failing(void **state)
{
	struct story *story = tell(scene__failing);
	const struct story_incident *it = &story->incidents[0];
	struct words words;
	struct outbuf ob;

	(void)state;
	assert_int_equal(story->num_incidents, 1);
	assert_int_equal(story->severity, STORY_CRITICAL);
	assert_string_equal(culprit(story, 0)->comm, "python3");
	assert_int_equal(it->num_culprits, 1);
	assert_int_equal(it->culprits[0].permille, 1000);
	assert_memory_equal(it->culprits[0].place.addr, api, 4);
	assert_true(it->takes_ports);
	assert_int_equal(it->short_of.port, 8080);
	/* Ports that are taken towards another end are not those that were short. */
	assert_int_equal(it->ports[0].ports.key.peer_port, 8080);
	assert_string_equal(it->advice->id, "no-local-port");
	words__init(&words, story, &when_utc);
	assert_int_equal(outbuf__init(&ob, 256), 0);
	words__headline(&ob, &words);
	assert_non_null(strstr(outbuf__terminate(&ob), "mostly by \001python3"));
	outbuf__free(&ob);
	end(story);
}

/* Nobody is blamed for ports that nobody was seen to take. */
static void test_failing_unseen(void **state)
{
	struct story *story;
	struct words words;
	struct outbuf ob;

	(void)state;
	made__init(&made);
	scene__failing(&made);
	for (size_t i = 0; i < made.flows.num; i++) {
		struct held_flow *flow = made__flow_of(&made, (uint32_t)i + 1);

		if (flow->action == TWS_TIME_WAIT && flow->peer_port == 8080)
			flow->peer_port = 8081;
	}
	story = tell_span(AT(0), AT(60));
	assert_false(story->incidents[0].takes_ports);
	words__init(&words, story, &when_utc);
	assert_int_equal(outbuf__init(&ob, 256), 0);
	words__headline(&ob, &words);
	assert_non_null(strstr(outbuf__terminate(&ob), "onnects failed"));
	assert_null(strstr(outbuf__terminate(&ob), "mostly by"));
	outbuf__free(&ob);
	end(story);
}

static void test_growth(void **state)
{
	struct story *story = tell(scene__growth);

	(void)state;
	assert_int_equal(story->num_incidents, 1);
	assert_int_equal(story->severity, STORY_NOTICE);
	assert_true(story->incidents[0].grew && story->incidents[0].goes_on);
	assert_true(story->incidents[0].since_ns < AT(0));
	assert_false(story->incidents[0].began_before);
	assert_string_equal(story->incidents[0].advice->id, "server-side-harmless");
	end(story);
}

static void test_two(void **state)
{
	struct story *story = tell(scene__two);

	(void)state;
	assert_int_equal(story->num_incidents, 2);
	assert_int_equal(story->incidents[0].since_ns, AT(10));
	assert_int_equal(story->incidents[0].until_ns, AT(13));
	assert_int_equal(story->incidents[1].since_ns, AT(40));
	assert_int_equal(story->incidents[1].until_ns, AT(45));
	assert_int_equal(story->worst, 1);
	/* Its two ids are one. */
	assert_string_equal(culprit(story, 0)->comm, "nginx");
	assert_true(story->incidents[0].culprits[0].usual_per_s > 25);
	assert_string_equal(story->incidents[0].advice->id, "server-side-harmless");
	assert_string_equal(culprit(story, 1)->comm, "nightly");
	assert_string_equal(story->incidents[1].advice->id, "client-without-pool");
	assert_int_equal(story->severity, STORY_NOTICE);
	end(story);
}

static void test_gap(void **state)
{
	struct story *story = tell(scene__gap);

	(void)state;
	assert_int_equal(story->num_incidents, 1); /* in spite of the gap */
	assert_true(story->incidents[0].has_gap);
	assert_int_equal(story->incidents[0].since_ns, AT(12));
	assert_int_equal(story->incidents[0].until_ns, AT(19));
	assert_int_equal(story->gap_ns, 3 * MINUTE);
	assert_int_equal(story->recorded_ns, 57 * MINUTE);
	assert_false(story->points[15].is_known);
	assert_true(story->points[15].has_gap);
	/* What was recorded of it counts as it was: nothing is thinned by the gap. */
	assert_true(story->incidents[0].per_s > 490);
	assert_true(is_unknown(story, "No space left on device"));
	assert_true(is_unknown(story, "81,234 events are missing"));
	end(story);
}

static void test_limit(void **state)
{
	struct story *story = tell(scene__limit);

	(void)state;
	assert_int_equal(story->num_incidents, 1);
	assert_int_equal(story->severity, STORY_WARNING);
	assert_string_equal(story->incidents[0].advice->id, "limit-reached");
	assert_int_equal(story->incidents[0].overflows, 1000); /* and not those before */
	assert_int_equal(story->incidents[0].limit, 16384);
	end(story);
}

static void test_minutes_only(void **state)
{
	const struct history_span span = { AT(0), AT(60) };
	struct report_input input;
	struct story *story;

	(void)state;
	made__init(&made);
	scene__burst(&made);
	input = *made__input(&made);
	input.raw.since_ns = AT(40);
	assert_int_equal(story__tell(&story, &input, &span), 0);
	assert_true(story->minutes_only);
	assert_true(is_unknown(story, "known to the minute"));
	assert_int_equal(story->num_incidents, 1);
	end(story);
}

static void test_empty(void **state)
{
	struct story *story = tell(scene__empty);
	struct words words;
	struct outbuf ob;

	(void)state;
	assert_int_equal(story->severity, STORY_OK);
	assert_int_equal(story->num_incidents, 0);
	words__init(&words, story, &when_utc);
	assert_int_equal(outbuf__init(&ob, 256), 0);
	words__headline(&ob, &words);
	assert_string_equal(outbuf__terminate(&ob), "Nothing was recorded in this time.");
	outbuf__free(&ob);
	end(story);
}

/* Nothing overflows, nobody is divided by zero; ASan and UBSan look on. */
static void test_huge(void **state)
{
	struct story *story = tell(scene__huge);

	(void)state;
	assert_true(story->num_incidents >= 1);
	assert_int_equal(story->severity, STORY_CRITICAL);
	end(story);
	story = tell(scene__rows);
	assert_int_equal(story->num_closers, STORY_ROWS);
	assert_int_equal(story->num_gaps, STORY_GAPS);
	assert_int_equal(story->more_gaps, 1000 - STORY_GAPS);
	assert_int_equal(story->num_findings, STORY_FINDINGS);
	end(story);
	story = tell(scene__hostile);
	assert_true(story->num_incidents >= 1);
	end(story);
}

/* An hour that clocks showed twice is no time of twice as many closes. */
static void test_clock_back(void **state)
{
	uint32_t who, flow;
	struct story *story;

	(void)state;
	made__init(&made);
	made__run(&made, SCENE_T - 7200, SCENE_T + 3600);
	who = made__who(&made, "nginx", NULL, NULL);
	flow = made__flow(&made, TWS_TIME_WAIT, TWS_SIDE_SERVER, api, 80, 0);
	for (uint64_t t = SCENE_T - 7200; t < SCENE_T + 3600; t += 60)
		made__minute(&made, t, who, flow, 6000, 0);
	for (uint64_t t = SCENE_T + 600; t < SCENE_T + 1800; t += 60) /* once more */
		made__minute(&made, t, who, flow, 6000, 0);
	made__gap(&made, SCENE_T + 1800, SCENE_T + 600, HELD_GAP_CLOCK);
	story = tell_span(AT(0), AT(60));
	assert_int_equal(story->num_incidents, 0);
	assert_true(story->peak_per_s > 99 && story->peak_per_s < 101);
	assert_true(is_unknown(story, "the clock was put back"));
	end(story);
}

static void test_clock_forward(void **state)
{
	uint32_t who, flow;
	struct story *story;

	(void)state;
	made__init(&made);
	made__run(&made, SCENE_T - 7200, SCENE_T + 3600);
	who = made__who(&made, "nginx", NULL, NULL);
	flow = made__flow(&made, TWS_TIME_WAIT, TWS_SIDE_SERVER, api, 80, 0);
	for (uint64_t t = SCENE_T - 7200; t < SCENE_T + 3600; t += 60)
		if (t < SCENE_T + 1200 || t >= SCENE_T + 1800)
			made__minute(&made, t, who, flow, 6000, 0);
	made__gap(&made, SCENE_T + 1200, SCENE_T + 1800, HELD_GAP_CLOCK);
	story = tell_span(AT(0), AT(60));
	assert_int_equal(story->num_incidents, 0);
	assert_false(story->points[25].is_known);
	assert_int_equal(story->recorded_ns, 50 * MINUTE);
	end(story);
}

/* In Berlin 2025-10-26, at 01:00 UTC, clocks went from 03:00 back to 02:00. */
static void test_summer_time(void **state)
{
	const uint64_t change = 1761440400;
	struct story *story;
	struct words words;
	struct outbuf ob;
	uint32_t who, flow;

	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	made__init(&made);
	made__run(&made, change - 7200, change + 7200);
	who = made__who(&made, "nginx", NULL, NULL);
	flow = made__flow(&made, TWS_TIME_WAIT, TWS_SIDE_SERVER, api, 80, 0);
	for (uint64_t t = change - 7200; t < change + 7200; t += 60)
		made__minute(&made, t, who, flow,
			     t >= change + 600 && t < change + 900 ? 60000 : 600, 0);
	story = tell_span((change - 3600) * MADE_S, (change + 3600) * MADE_S);
	assert_int_equal(story->num_incidents, 1);
	words__init(&words, story, &when_local);
	assert_int_equal(outbuf__init(&ob, 256), 0);
	words__incident(&ob, &words, &story->incidents[0]);
	if (strcmp(outbuf__terminate(&ob), "02:10 CET to 02:15 CET, 5 min: more closes than usual"))
		fail_msg("%s", outbuf__terminate(&ob));
	ob.len = 0;
	words__span(&ob, &words);
	assert_string_equal(outbuf__terminate(&ob), "2025-10-26 02:00 CEST to 03:00 CET");
	outbuf__free(&ob);
	unsetenv("TZ");
	end(story);
}

/* What is past the span's end, or before its beginning, is not told of. */
static void test_span(void **state)
{
	struct story *story;

	(void)state;
	made__init(&made);
	scene__burst(&made);
	story = tell_span(AT(30), AT(60));
	assert_int_equal(story->num_incidents, 0);
	assert_int_equal(story->num_points, 30);
	story__free(story);
	story = tell_span(AT(15) + 7, AT(16) + 7);
	assert_int_equal(story->span.since_ns, AT(15));
	assert_int_equal(story->span.until_ns, AT(17));
	assert_int_equal(story->num_incidents, 1);
	assert_int_equal(story->incidents[0].since_ns, AT(12)); /* it had begun before */
	assert_true(story->incidents[0].goes_on);
	story__free(story);
	/* All of time, and more than there is. */
	story = tell_span(0, UINT64_MAX);
	assert_true(story->num_points <= STORY_POINTS);
	story__free(story);
	story = tell_span(AT(60), AT(120));
	assert_int_equal(story->num_incidents, 0);
	assert_true(is_unknown(story, "recording ends at"));
	end(story);
}

/* A recording that begins in the midst of it knows nothing better: but ports are ports. */
static void test_begins_within(void **state)
{
	struct story *story;
	uint32_t who, flow, fails;

	(void)state;
	made__init(&made);
	made__run(&made, SCENE_T, SCENE_T + 600);
	who = made__who(&made, "checkout", NULL, NULL);
	flow = made__flow(&made, TWS_TIME_WAIT, TWS_SIDE_CLIENT, api, 80, 0);
	fails = made__flow(&made, TWS_CONNECT_FAILED, TWS_SIDE_CLIENT, api, 80, EADDRNOTAVAIL);
	for (uint64_t t = SCENE_T; t < SCENE_T + 600; t += 60) {
		made__minute(&made, t, who, flow, 28000, 1000000);
		made__minute(&made, t, who, fails, 500, 0);
		made__ports(&made, t, api, 80, 28232, 28232, "checkout");
	}
	story = tell_span(AT(0), AT(10));
	assert_int_equal(story->num_incidents, 1);
	assert_int_equal(story->severity, STORY_CRITICAL);
	assert_true(story->incidents[0].began_before && story->incidents[0].goes_on);
	assert_string_equal(culprit(story, 0)->comm, "checkout");
	end(story);
}

/* Failures that are not for want of ports are no reason to talk of ports. */
static void test_other_failures(void **state)
{
	struct story *story;
	uint32_t who, fails;

	(void)state;
	made__init(&made);
	scene__quiet(&made);
	who = made__who(&made, "worker", NULL, NULL);
	fails = made__flow(&made, TWS_CONNECT_FAILED, TWS_SIDE_CLIENT, api, 80, ECONNREFUSED);
	for (uint64_t t = SCENE_T + 1200; t < SCENE_T + 1500; t += 60)
		made__minute(&made, t, who, fails, 600, 0);
	story = tell_span(AT(0), AT(60));
	assert_int_equal(story->num_incidents, 1);
	assert_string_equal(story->incidents[0].advice->id, "connects-failed");
	assert_null(story->incidents[0].advice->remedy);
	assert_int_equal(story->severity, STORY_WARNING);
	end(story);
	/* EADDRNOTAVAIL with ports free: not said to be for want of them for sure. */
	made__init(&made);
	scene__quiet(&made);
	who = made__who(&made, "worker", NULL, NULL);
	fails = made__flow(&made, TWS_CONNECT_FAILED, TWS_SIDE_CLIENT, api, 80, EADDRNOTAVAIL);
	made__minute(&made, SCENE_T + 1200, who, fails, 3, 0);
	story = tell_span(AT(0), AT(60));
	assert_string_equal(story->incidents[0].advice->id, "no-local-port");
	assert_int_equal(story->severity, STORY_WARNING);
	end(story);
}

/* A minute that has just begun is told of by what there is of it. */
static void test_partial(void **state)
{
	struct story *story;
	uint32_t who, flow;

	(void)state;
	made__init(&made);
	made__run(&made, SCENE_T - 3600, SCENE_T + 3600 + 10);
	who = made__who(&made, "nginx", NULL, NULL);
	flow = made__flow(&made, TWS_TIME_WAIT, TWS_SIDE_SERVER, api, 80, 0);
	for (uint64_t t = SCENE_T - 3600; t < SCENE_T + 3600; t += 60)
		made__minute(&made, t, who, flow, 6000, 0);
	made__minute(&made, SCENE_T + 3600, who, flow, 1000, 0);
	story = tell_span(AT(0), AT(60) + 10 * MADE_S);
	assert_int_equal(story->num_incidents, 0);
	assert_true(story->points[story->num_points - 1].per_s[0] > 99);
	assert_true(story->points[story->num_points - 1].per_s[0] < 101);
	end(story);
}

static void test_changes(void **state)
{
	struct story *story;

	(void)state;
	made__init(&made);
	scene__quiet(&made);
	made__limit(&made, SCENE_T + 60, 262144); /* the same */
	made__limit(&made, SCENE_T + 1200, 4096);
	story = tell_span(AT(0), AT(60));
	assert_int_equal(story->num_changes, 1);
	assert_int_equal(story->changes[0].from, 262144);
	assert_int_equal(story->changes[0].to, 4096);
	end(story);
}

static void test_scope(void **state)
{
	struct story *story;

	(void)state;
	made__init(&made);
	scene__quiet(&made);
	made__last_run(&made)->all = false;
	made__last_run(&made)->filter = "--comm nginx";
	made__minute(&made, SCENE_T, 0, 0, 77, 0);
	made__account(&made, SCENE_T + 30 * 60, 1, 1000, 12);
	story = tell_span(AT(0), AT(60));
	assert_true(is_unknown(story, "Only TIME_WAITs were recorded"));
	assert_true(is_unknown(story, "--comm nginx"));
	assert_true(is_unknown(story, "77 events are counted as ~other"));
	end(story);
}

static int fails(void *ctx, const struct history_span *span, history_gap_fn fn, void *fn_ctx)
{
	(void)ctx, (void)span, (void)fn, (void)fn_ctx;
	return -EIO;
}

static void test_failing_input(void **state)
{
	const struct history_span span = { AT(0), AT(60) };
	struct story *story = NULL;
	struct report_input input;

	(void)state;
	made__init(&made);
	scene__burst(&made);
	input = *made__input(&made);
	input.each_gap = fails;
	assert_int_equal(story__tell(&story, &input, &span), -EIO);
	assert_null(story);
	end(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_failing_unseen),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_minutes_only),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_clock_back),
		cmocka_unit_test(test_clock_forward),
		cmocka_unit_test(test_summer_time),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_begins_within),
		cmocka_unit_test(test_other_failures),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_failing_input),
	};

	return cmocka_run_group_tests_name("story", tests, NULL, NULL);
}
