/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of diagnose's rules share: evidence that is made up, and what is judged of it.
 * Each pattern is tested where it must speak, and where it must not. What real programs make of
 * it is played by tests/diagnose.
 */
#ifndef TWSNOOP_TESTS_RULES_SUPPORT_H
#define TWSNOOP_TESTS_RULES_SUPPORT_H

#include "tests/unit/unit.h"

#include <stdbool.h>

#include "diagnosis/rules.h"

#define S 1000000000ULL
#define MS 1000000ULL
#define SINCE (1000 * S)
#define UNTIL (1060 * S)
#define NETNS 77

/* ---- making evidence ---- */

/* Of SINCE to UNTIL and the network namespace NETNS; all of it was seen. Empty for each test. */
extern struct evidence given;

int given__setup(void **unused);
int given__teardown(void **unused);
#define TEST(name) cmocka_unit_test_setup_teardown(name, given__setup, given__teardown)

/* Once more from the beginning, within a test. */
void given__anew(void);

/* @num zeros, which are freed as a part of the evidence. */
void *given__array(size_t num, size_t size);

/* Between 10.0.0.1 and 10.0.0.2, port 80 at the server's. */
struct tws_event given__event(const char *comm, uint8_t side, uint8_t action);
void given__on_loopback(struct tws_event *ev);

/* @num records like @like, evenly from @since_ns to @until_ns, each after a life of @life_ns. */
void given__records(const struct record *like, unsigned int num, uint64_t life_ns, uint64_t since_ns,
		    uint64_t until_ns);
void given__add_in(struct tws_event ev, unsigned int num, uint64_t life_ns, uint64_t since_ns,
		   uint64_t until_ns);
/* The same over the whole span. */
void given__add(struct tws_event ev, unsigned int num, uint64_t life_ns);

void given__closes(const char *comm, uint8_t side, unsigned int num, uint64_t life_ns);
void given__fails(const char *comm, unsigned int num, uint32_t error);

/* The namespace, with so many ports for connect(); what stands in the table of them, once for each test. */
struct evidence_netns *given__netns(uint32_t usable);
/* The ports of 10.0.0.1 towards 10.0.0.2:80. */
struct evidence_ports *given__ports(uint32_t usable, uint32_t time_wait);

/* A client that takes nearly all of 1,000 ports, and fails for want of more. */
void given__out_of_ports(const char *comm);

/* ---- judging ---- */

extern struct rules_verdict judged;

/* Applies the rules to what is given, and checks what holds for every verdict. */
void judged__apply(void);

/* They apply the rules. judged__must() - and return the finding; …_say() - its sentence has these words;
 * …_not() - there is none. */
const struct finding *judged__must(const char *id, enum severity severity);
void judged__must_say(const char *id, enum severity severity, const char *words);
void judged__must_not(const char *id);

/* What was found when the rules were applied last. judged__find() - NULL if it was not; judged__also()
 * fails then. */
const struct finding *judged__find(const char *id);
const struct finding *judged__also(const char *id);

/* judged__has_fact() - NULL if it has none of that name; judged__fact() fails then. */
const struct finding_fact *judged__has_fact(const struct finding *f, const char *name);
const struct finding_fact *judged__fact(const struct finding *f, const char *name);

bool judged__says(const struct finding *f, const char *words);

#endif
