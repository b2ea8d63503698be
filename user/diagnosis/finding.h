/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `diagnose` says: one finding is a sentence for a person under stress, the numbers it
 * rests on, who it is about, what to do and what not to do. All texts are whole and fit to be
 * printed: names in them are escaped. Raw names stand in comm and label alone.
 */
#ifndef TWSNOOP_FINDING_H
#define TWSNOOP_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "diagnosis/evidence.h"

enum severity { SEVERITY_OK, SEVERITY_NOTICE, SEVERITY_WARNING, SEVERITY_CRITICAL };

enum confidence {
	CONFIDENCE_SEEN,     /* it was seen to happen */
	CONFIDENCE_INFERRED, /* from what was seen */
	CONFIDENCE_LITTLE,   /* too little was seen to be sure */
};

#define FINDING_TEXT 512
#define FINDING_FACTS 12
#define FINDING_STEPS 5

/* A number of the evidence, or a word. */
struct finding_fact {
	const char *name; /* a constant: "closes_per_second" */
	uint64_t number;  /* with scale: in tenths */
	bool tenths;
	char text[96];	  /* if not empty: this in the place of the number */
};

struct finding {
	const char *id; /* a constant: "ports-exhausted" */
	enum severity severity;
	enum confidence confidence;
	char sentence[FINDING_TEXT];
	/* Who: as far as it is known. */
	char comm[TWS_COMM_LEN];
	char label[EVIDENCE_LABEL];
	char command[EVIDENCE_COMMAND];
	uint32_t pid;	/* 0: several, or not known */
	bool several;	/* processes */
	uint32_t netns; /* 0: of the whole host */
	uint8_t family; /* of the addresses; 0: none */
	uint8_t local_addr[16], peer_addr[16];
	uint16_t local_port, peer_port;
	uint64_t lost;	/* of the events that it rests on: becomes the last fact */
	size_t num_facts;
	struct finding_fact facts[FINDING_FACTS];
	size_t num_steps; /* what to do, best first: commands, or settings of the program */
	char steps[FINDING_STEPS][FINDING_TEXT];
	char avoid[FINDING_TEXT]; /* what not to do, and why; "": nothing that comes to mind */
	size_t more;	  /* how many like it are not told; at the last of them */
	uint64_t weight;  /* of two of the same severity the heavier comes first */
};

/* finding__fact(), …_tenths(), …_text() - adds one; what is too much is left out. */
void finding__fact(struct finding *f, const char *name, uint64_t number);
void finding__fact_tenths(struct finding *f, const char *name, uint64_t tenths);
void finding__fact_text(struct finding *f, const char *name, const char *text);

/* finding__say() - the sentence; finding__step(): one more of what helps, finding__avoid(): what does not.
 * What is too long is cut off, a step too many left out. */
void finding__say(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding__step(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding__avoid(struct finding *f, const char *text);

/* finding__who() - the flow's process and ends. */
void finding__who(struct finding *f, const struct evidence_flow *flow);

/* As a person reads it: "nginx", "nginx in shop/web-0", "a process that is not known". Lives as
 * long as @to. */
#define FINDING_NAME 256
const char *finding__name(char to[FINDING_NAME], const char *comm, const char *label);

/* finding__command() - its command line, as a person may read it. */
struct outbuf;
void finding__command(struct outbuf *ob, const struct finding *f);

/* "10.0.0.9:80", "[2001:db8::1]:80" */
#define FINDING_END 64
const char *finding__end(char to[FINDING_END], uint8_t family, const uint8_t addr[16],
			 uint16_t port);

/* "4.46ms" */
#define FINDING_SPAN 16
const char *finding__span(char to[FINDING_SPAN], uint64_t ns);

const char *finding__severity(enum severity severity); /* "critical" */
const char *finding__confidence(enum confidence confidence); /* "seen" */

#endif
