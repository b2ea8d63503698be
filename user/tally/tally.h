/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Closes counted by what they have in common, as they come: what `twsnoop top` shows.
 * Fed by records, by looks into the kernel's table of sockets, and by the clock; it knows
 * neither where these come from nor how it is shown.
 *
 * Closes are counted in several views at once, each by keys of its own. A view has room
 * for TALLY_ROWS rows; what does not fit is counted in its row for the others, and if it is
 * full the rows with the least give way to what is new. So the sums are exact, always.
 *
 * How many TIME_WAIT sockets a row has is known by three things: each close adds one, the
 * clock takes it away after a minute, and a look into the kernel's table says which there
 * really are, so that what ended before its time is seen then. Nothing has to be asked for
 * each of them, and right after a look the numbers are those of the kernel.
 */
#ifndef TWSNOOP_TALLY_H
#define TWSNOOP_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/field.h"
#include "model/record.h"
#include "tally/port_sets.h"
#include "tally/remotes.h"
#include "tally/seconds.h"
#include "tally/whose.h"

#define TALLY_ROWS 4096 /* of a view; about 6 MB if all are used */
#define TALLY_VIEWS WHOSE_VIEWS
#define TALLY_MINUTE 60
#define TALLY_STATES 12 /* as the kernel and sock_diag number them, TCP_CLOSING the last */
#define TALLY_PIDS 4

/* What closes have in common. */
struct tally_keys {
	size_t num;
	const struct field_key *keys[FIELD_KEYS_MAX];
};

struct tally_options {
	size_t num_views; /* 1 to TALLY_VIEWS */
	struct tally_keys views[TALLY_VIEWS];
	/* CLOCK_MONOTONIC. What was closed before is counted as held, and among what was of
	 * late, but not in totals; 0: all counts. */
	uint64_t start_ns;
	uint64_t seed; /* of hashes, for a test; 0: a random one */
};

struct tally_counts {
	uint64_t closes; /* entries into TIME_WAIT */
	uint64_t client, server; /* of these, on that side */
	uint64_t failed; /* connect() that failed */
	uint64_t lifetimes, lifetime_ns; /* closes whose lifetime is known, and their sum */
	uint64_t causes[TWS_CAUSE_END];
};

/* Events that are alike, of which a recording has no more than the sum. */
struct tally_sum {
	uint32_t begin_s, span_s; /* evenly spread over so many seconds, HELD_SECONDS at most */
	uint32_t from, until;	  /* of these, from 0 on: the ones that are to be counted now */
	uint64_t count;		  /* of the whole span, as are the next two */
	uint64_t lifetimes, lifetime_ns;
	bool some_peers; /* the record's remote address stands for several */
};

struct tally_row {
	struct record sample; /* of the first record, what its keys are read from; its strings are owned */
	struct tally_counts total;
	uint64_t closes, failed; /* since the last tally__frame() */
	struct held held;
	struct recent recent, recent_failed;
	struct remotes remotes;
	uint32_t last_s; /* when something was last counted */
	uint32_t num_pids; /* TALLY_PIDS + 1: more than there is room for */
	uint32_t pids[TALLY_PIDS]; /* of closers, the first ones */
	uint64_t number;  /* in the order of their coming */
	/* For those who show them, see output/top_frame.h: what it was last sorted by, and where it
	 * stood then, from 1 on. */
	uint64_t settled;
	uint32_t rank;
	/* private */
	struct tws_event event;
	uint64_t hash;
	uint64_t closes_on, failed_on; /* in the interval that goes on */
	char *strings; /* what sample points to */
	char *command_line;
	struct tally_row *next_gone;
	uint32_t place; /* in the view's list */
	uint16_t slot;
};

struct tally;

int tally__new(struct tally **tallyp, const struct tally_options *opts); /* 0 or -ENOMEM */
void tally__free(struct tally *tally); /* NULL is allowed */

/* tally__add() - counts @rec, of any action: of those that a row does not count some are
 * counted by the host. */
void tally__add(struct tally *tally, const struct record *rec);

/*
 * tally__add_sum() - counts the part of @sum that is asked for as events like @rec, whose time does not
 * matter; not before its last second has begun. Rows by what @rec does not tell, or not exactly, as a
 * port or an address, do not get it, but the others'. Parts that follow each other add up to all.
 */
void tally__add_sum(struct tally *tally, const struct record *rec, const struct tally_sum *sum);

/* tally__add_unknown() - @num events, at @time_ns or within a minute after it, of which nobody can tell
 * what they were. */
void tally__add_unknown(struct tally *tally, uint64_t time_ns, uint64_t num);

/* tally__tick() - it is @now_ns, CLOCK_MONOTONIC. */
void tally__tick(struct tally *tally, uint64_t now_ns);

/* ---- looks into the kernel's table ---- */

/* A network namespace, and a socket in it. */
struct tally_netns {
	uint32_t inode;
	uint32_t usable_ports; /* 0: not known */
	uint64_t max_tw_buckets; /* likewise */
};

struct tally_socket {
	struct tws_key key;
	uint8_t family;
	uint8_t state;	/* as the kernel numbers it */
	bool mini;	/* TIME_WAIT, or FIN_WAIT2 without a full socket */
	bool takes_port; /* a client's, with a port that connect() could have chosen */
	uint32_t expires_ms; /* of a mini-socket */
};

/* What came of a look. */
enum tally_look {
	TALLY_SAW_ALL,
	TALLY_SAW_SOME,	   /* some namespace could not be read: the clock tells of what was not seen */
	TALLY_SAW_NOTHING, /* there is no way to look */
};

/* tally__look() - a look begins at @now_ns, and ends with tally__looked(). In between come each
 * namespace, with tally__look_into(), and each of its sockets; records may come, too. What
 * is held is not right meanwhile. */
void tally__look(struct tally *tally, uint64_t now_ns);
void tally__look_into(struct tally *tally, const struct tally_netns *netns);
void tally__socket(struct tally *tally, const struct tally_socket *socket);
void tally__looked(struct tally *tally, enum tally_look what);

/* tally__wants_look() - there is no room for more sockets until the next one. */
bool tally__wants_look(const struct tally *tally);

/* ---- what came out ---- */

/* Of the host, or of what the filters let pass where that is said. */
struct tally_host {
	bool was_looked_at; /* else the next five are not known */
	uint64_t looked_ns; /* CLOCK_MONOTONIC, when that began */
	uint64_t states[TALLY_STATES]; /* then; FIN_WAIT2: full sockets */
	uint64_t fin_wait2_minis;
	uint64_t time_wait; /* now: as then, with what came and went by the clock since */
	/* The namespace that is nearest to its limit: its mini-sockets, when looked at. */
	uint64_t limit, minis_there;
	uint64_t unplaced; /* of time_wait: their close was not counted here */
	uint64_t overflows; /* TIME_WAITs that were not made, since the start */
	uint32_t error;	    /* errno of the last connect() that failed */
	uint64_t unknown;   /* events since the start of which nobody can tell what they were */
	uint64_t summed;    /* entries into TIME_WAIT since the start that came as sums */
	const struct port_set_use *fullest; /* NULL: none */
	uint64_t fullest_rate_milli;
	uint32_t fullest_in_s; /* port_set__full_in() */
	uint32_t minute[TALLY_MINUTE]; /* filtered: closes by the second, the newest last */
	uint64_t rate_milli, failed_rate_milli; /* filtered: thousandths a second, of late */
};

struct tally_frame {
	uint64_t interval_ns; /* since the last one, or since the start */
	struct tally_host host;
	const struct tally_row *sum; /* of all rows, and others */
	const struct tally_row *others; /* what had no room */
	size_t num_rows;
	struct tally_row *const *rows; /* all of them, in no order */
	uint32_t now_s;
};

/*
 * tally__frame() - how view number @view stands at @now_ns. The rows' closes and failed are
 * those of the interval; it ends here, for all views. @frame is valid until the next call that
 * is not of tally__again() or of what is below it; the rows themselves until the next
 * tally__frame(), though they go on to count.
 */
void tally__frame(struct tally *tally, size_t view, uint64_t now_ns, struct tally_frame *frame);

/* tally__again() - the last frame anew, of another view. */
void tally__again(const struct tally *tally, size_t view, struct tally_frame *frame);

/* tally__rate_milli() - what was counted of late, in thousandths a second. */
uint64_t tally__rate_milli(const struct tally *tally, const struct recent *recent);

/* tally__permille() - PORTS%: of the port sets that @row's clients use most, how much is
 * taken of the fullest, by whomever. */
unsigned int tally__permille(const struct tally *tally, const struct tally_row *row);

/* tally__is_quiet() - nothing was counted in @row of late. */
static inline bool tally__is_quiet(const struct tally_row *row, uint32_t now_s)
{
	return now_s - row->last_s > RECENT_WINDOW;
}

/* tally__has_ended() - nothing for a minute, and no socket is left of it. */
static inline bool tally__has_ended(const struct tally_row *row, uint32_t now_s)
{
	return now_s - row->last_s > RECENT_IDLE_S && !row->held.now;
}

/* tally__add_counts() - adds those of @from. */
void tally__add_counts(struct tally_counts *to, const struct tally_counts *from);

#endif
