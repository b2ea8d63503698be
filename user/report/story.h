/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happened, out of a recording: when the rate of closes or the number of TIME_WAITs left what
 * is usual, who did it, towards where, what it did to ports, connects and the limit, and what is
 * not known. Plain numbers and names, which writers put into words. Pure: it knows neither files
 * nor clocks.
 *
 * Times are ns since the epoch, UTC. Rates are counts a second. Names are as somebody chose them:
 * whoever writes them escapes them.
 */
#ifndef TWSNOOP_REPORT_STORY_H
#define TWSNOOP_REPORT_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/input.h"
#include "report/slots.h"
#include "report/usual.h"

#define STORY_INCIDENTS 5 /* the worst of them */
#define STORY_NAMES 3	  /* culprits, victims, sets of ports of an incident */
#define STORY_ROWS 20	  /* of a table of the whole span */
#define STORY_SERIES 6	  /* of the rate over time; the last is all that is not in the others */
#define STORY_POINTS 180  /* over time, at most */
#define STORY_GAPS 12	  /* are told one by one */
#define STORY_FINDINGS 12
#define STORY_LITTLE 100  /* closes: of fewer little can be said */

enum story_severity { STORY_OK, STORY_NOTICE, STORY_WARNING, STORY_CRITICAL };

/* Whoever closed or called, by what it says of itself. Number 0 is "~other": those that a minute
 * had no room for. */
struct story_who {
	char comm[TWS_COMM_LEN + 1]; /* "": not known */
	char *label;		     /* container, pod or unit; NULL: none */
	char *command_line;	     /* an example; NULL: not known */
	uint64_t closes;	     /* in the span */
	uint64_t as_client, as_server;
	uint64_t failed; /* connects */
};

/* Where: for a client its remote end, for a server the port that it listens at. */
struct story_place {
	uint8_t addr[16];
	uint32_t error; /* errno */
	uint16_t port;
	uint8_t family;
	uint8_t side, cause, action; /* as in struct held_flow */
};

/* What somebody did at one place. */
struct story_row {
	uint32_t who;
	struct story_place place;
	uint64_t count; /* in the span, or in the incident */
};

struct story_culprit {
	uint32_t who;
	uint64_t closes; /* in the incident */
	double per_s, usual_per_s;
	unsigned int permille; /* of what was more than usual; of all, where nothing is usual; of
				* what went to short_of, where takes_ports is set */
	struct story_place place; /* where most of them went */
	unsigned int place_permille; /* how many of them */
	unsigned int client_permille, server_permille; /* on which side they were */
	unsigned int cause_permille; /* how many have the cause of @place */
	uint64_t lifetime_above_ns, lifetime_ns; /* the median is between these; 0: not known */
};

struct story_port_set {
	struct held_ports ports; /* when it was at its fullest */
	int permille;		 /* used; -1: not known */
};

/* Why it is one. */
#define STORY_RATE 0x1	    /* more closes than usual */
#define STORY_TIME_WAIT 0x2 /* more TIME_WAITs than usual */
#define STORY_PORTS 0x4	    /* a set of ports was nearly or wholly used */
#define STORY_LIMIT 0x8	    /* tcp_max_tw_buckets was near, or reached */
#define STORY_NO_PORTS 0x10 /* connects failed with EADDRNOTAVAIL */
#define STORY_FAILURES 0x20 /* more connects failed than usual */

struct advice;

struct story_incident {
	enum story_severity severity;
	unsigned int signs;	     /* STORY_* */
	uint64_t since_ns, until_ns; /* whole slots */
	uint64_t drained_ns; /* when TIME_WAITs and ports were as usual again, if that was later */
	bool began_before;	     /* it had begun when the recording began */
	bool goes_on;		     /* it had not ended when the recording, or the span, ended */
	bool grew;		     /* slowly */
	bool has_gap;		     /* a part of it is not known */
	uint64_t closes;
	double per_s, peak_per_s;
	uint64_t peak_ns; /* the slot's begin */
	uint64_t time_wait, time_wait_ns; /* the most of them; 0: not sampled */
	uint64_t limited, limit;	  /* where it was nearest to its limit; 0: not known */
	uint64_t overflows, failed, failed_ports;
	struct story_place short_of; /* where most connects failed for want of local ports;
				      * family 0: none did */
	bool takes_ports; /* culprits are those who closed towards short_of as clients */
	unsigned int num_culprits, num_failures, num_ports;
	struct story_culprit culprits[STORY_NAMES];
	struct story_row failures[STORY_NAMES];
	struct story_port_set ports[STORY_NAMES];
	const struct advice *advice; /* never NULL: see advice.h */
};

/* One column of a chart. */
struct story_point {
	uint64_t since_ns, until_ns;
	bool is_known; /* else it was not recorded */
	bool has_gap;  /* a part was not */
	double per_s[STORY_SERIES];
	double failed_per_s, failed_ports_per_s;
	bool has_time_wait, has_ports;
	uint64_t time_wait, limited, limit;
	unsigned int ports_permille;
};

struct story_gap {
	uint64_t since_ns, until_ns, events;
	uint8_t reason; /* enum held_gap_reason */
	char *detail;	/* NULL: none */
};

struct story_finding {
	uint64_t wall_ns, count;
	uint8_t severity; /* as in struct held_finding */
	char *id, *text;
};

struct story {
	struct history_span span;  /* that is told of: whole minutes */
	struct history_span asked; /* as it was asked for */
	struct history_span all;   /* what the recording has */
	uint64_t slot_ns;
	uint64_t recorded_ns; /* of the span */
	uint64_t past_ns;     /* since when was looked at for what is usual */
	enum story_severity severity;
	char *host, *kernel, *version, *zone, *filter; /* of the last run; NULL: not known */
	bool is_all, sees_calls; /* as in struct held_run: of all runs */
	unsigned int runs;

	uint64_t closes, other, failed, failed_ports, overflows;
	double per_s, peak_per_s;
	uint64_t peak_ns, time_wait, time_wait_ns, limited, limit;
	struct usual usual_rate, usual_time_wait, usual_failed;

	unsigned int num_incidents, more_incidents;
	struct story_incident incidents[STORY_INCIDENTS]; /* in the order of time */
	unsigned int worst; /* of these; meaningful if there is one */

	uint32_t num_who;
	struct story_who *who;
	unsigned int num_closers, num_places, num_failures, num_ports;
	uint32_t closers[STORY_ROWS]; /* numbers of who, those that closed most first */
	struct story_row places[STORY_ROWS], failures[STORY_ROWS];
	struct story_port_set ports[STORY_ROWS];

	unsigned int num_series; /* with the last, that of all others */
	uint32_t series[STORY_SERIES - 1]; /* numbers of who */
	unsigned int num_points;
	struct story_point points[STORY_POINTS];

	/* What is not known. */
	unsigned int num_gaps, more_gaps;
	struct story_gap gaps[STORY_GAPS];
	uint64_t gap_ns, gap_events;
	struct feed_account account; /* of the span */
	bool has_account;
	bool minutes_only; /* raw events of the span are gone: times are known to the minute */

	unsigned int num_changes;
	struct slots_change changes[SLOTS_CHANGES];
	unsigned int num_findings, more_findings;
	struct story_finding findings[STORY_FINDINGS];
};

/*
 * story__tell() - of @asked, whose since_ns is before its until_ns. Returns 0 and *@storyp, to be
 * freed by story__free(), -ENOMEM, or what @input returned.
 */
int story__tell(struct story **storyp, const struct report_input *input,
		const struct history_span *asked);
void story__free(struct story *story); /* NULL is allowed */

/* story__is_empty() - nothing was recorded in its span. */
static inline bool story__is_empty(const struct story *story)
{
	return !story->recorded_ns && !story->closes && !story->failed && !story->time_wait;
}

#endif
