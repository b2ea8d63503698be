// SPDX-License-Identifier: GPL-2.0
/* The sentences of words.h, but what is not known. */
#include <string.h>

#include "report/advice.h"
#include "report/words_put.h"

#define EXAMPLE_COLUMNS 300
#define SIDE_PERMILLE 990
#define LIMIT_PERMILLE 100 /* used: what is less is not worth a line */

/* "38 to 45", or one number if they are the same as people read them. */
static void put_range(struct outbuf *to, double low, double high)
{
	size_t from = to->len, len;

	words__rate(to, low);
	len = to->len - from;
	put(to, " to ");
	words__rate(to, high);
	if (!to->failed && to->len - from == 2 * len + 4 &&
	    !memcmp(to->data + from, to->data + from + len + 4, len))
		to->len = from + len;
}

static void put_usual_rate(struct outbuf *to, const struct usual *usual)
{
	if (!usual->is_known)
		return;
	put(to, ", usually ");
	put_range(to, usual->low, usual->high);
	put(to, "/s");
}

static void put_usual_count(struct outbuf *to, const struct usual *usual)
{
	if (!usual->is_known)
		return;
	put(to, ", usually ");
	put_range(to, usual->low, usual->high);
}

/* ---- what ---- */

static const char *verdict(const struct story_incident *incident)
{
	if (incident->failed_ports)
		return "connects failed for want of local ports";
	if (incident->overflows)
		return "TIME_WAITs were not made: the limit was reached";
	if (incident->signs & STORY_LIMIT)
		return "TIME_WAITs came near to their limit";
	if (incident->signs & STORY_PORTS)
		return "local ports nearly ran out";
	if (incident->signs & STORY_FAILURES)
		return "more connects failed than usual";
	if (incident->grew)
		return "closes grew";
	if (incident->signs & STORY_RATE)
		return "more closes than usual";
	return "more TIME_WAITs than usual";
}

static uint64_t length_ns(const struct story_incident *incident)
{
	return incident->until_ns > incident->since_ns ?
	       incident->until_ns - incident->since_ns : 0;
}

/* "03:12 to 03:19", "before 03:00 to 03:19", "from 03:12 on" */
static void put_when(struct outbuf *to, const struct words *words,
		     const struct story_incident *incident)
{
	if (incident->goes_on) {
		put(to, incident->began_before ? "all the time from " : "from ");
		words__time(to, words, incident->since_ns);
		put(to, " on");
		return;
	}
	if (incident->began_before) {
		put(to, "until ");
		words__time(to, words, incident->until_ns);
		return;
	}
	words__times(to, words, incident->since_ns, incident->until_ns);
}

void words__incident(struct outbuf *to, const struct words *words,
		     const struct story_incident *incident)
{
	put_when(to, words, incident);
	put(to, ", ");
	words__duration(to, length_ns(incident));
	put(to, ": ");
	put(to, verdict(incident));
}

static void put_rates(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident)
{
	const struct usual *usual = &words->story->usual_rate;

	if (!incident->closes) {
		put(to, "No closes were seen.");
		return;
	}
	if (!(incident->signs & STORY_RATE))
		put(to, "Closes: at most ");
	else
		put(to, incident->grew ? "Closes grew to " : "Closes rose to ");
	words__rate(to, incident->peak_per_s);
	put(to, "/s (");
	words__time(to, words, incident->peak_ns);
	put(to, ")");
	put_usual_rate(to, usual);
	put(to, "; ");
	put_number(to, incident->closes, "close", "closes");
	put(to, " in all.");
}

static void put_ends(struct outbuf *to, const struct words *words,
		     const struct story_incident *incident)
{
	if (incident->drained_ns) {
		put(to, " As usual again from ");
		words__time(to, words, incident->drained_ns);
		put(to, " on.");
	}
	if (incident->began_before)
		put(to, " It had begun when the recording begins.");
	if (incident->goes_on)
		put(to, " It had not ended when the report ends.");
	if (incident->has_gap)
		put(to, " A part of it was not recorded.");
}

static void write_what(struct outbuf *to, const struct words *words,
		       const struct story_incident *incident)
{
	put_rates(to, words, incident);
	if (incident->time_wait) {
		put(to, " At most ");
		put_number(to, incident->time_wait, "TIME_WAIT", "TIME_WAITs");
		put(to, " (");
		words__time(to, words, incident->time_wait_ns);
		put(to, ")");
		put_usual_count(to, &words->story->usual_time_wait);
		put(to, ".");
	}
	put_ends(to, words, incident);
}

/* ---- who ---- */

static void put_culprit(struct outbuf *to, const struct words *words,
			const struct story_incident *incident,
			const struct story_culprit *culprit)
{
	words__who(to, words->story, culprit->who);
	put(to, ": ");
	words__percent(to, culprit->permille);
	if (incident->takes_ports) {
		put(to, " of the closes as client to ");
		words__place(to, &incident->short_of);
		put(to, ", ");
	} else {
		put(to, words->story->usual_rate.is_known ? " of what was more than usual, " : ", ");
	}
	words__rate(to, culprit->per_s);
	put(to, incident->takes_ports ? "/s in all" : "/s");
	if (culprit->usual_per_s > 0) {
		put(to, ", usually ");
		words__rate(to, culprit->usual_per_s);
		put(to, "/s");
	}
}

static void write_who(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident)
{
	for (unsigned int i = 0; i < incident->num_culprits; i++) {
		put(to, i ? "; " : "");
		put_culprit(to, words, incident, &incident->culprits[i]);
	}
	if (incident->num_culprits)
		put(to, ".");
}

static void write_example(struct outbuf *to, const struct words *words,
			  const struct story_incident *incident)
{
	uint32_t who = incident->num_culprits ? incident->culprits[0].who : 0;
	const char *line = words->story->who[who].command_line;

	if (line && line[0])
		words__name(to, line, EXAMPLE_COLUMNS);
}

/* ---- where ---- */

static void put_cause(struct outbuf *to, const struct story_culprit *culprit)
{
	static const char *const words[TWS_CAUSE_END] = {
		[TWS_CAUSE_CLOSE] = ", by close()",
		[TWS_CAUSE_SHUTDOWN] = ", by shutdown()",
		[TWS_CAUSE_EXIT] = ", by exiting",
		[TWS_CAUSE_KERNEL] = ", by the kernel",
		[TWS_CAUSE_DISCONNECT] = ", by connect(AF_UNSPEC)",
	};
	uint8_t cause = culprit->place.cause;

	if (cause < TWS_CAUSE_END && words[cause] && culprit->cause_permille >= 500)
		put(to, words[cause]);
}

static void put_lifetime(struct outbuf *to, const struct story_culprit *culprit)
{
	if (!culprit->lifetime_ns)
		return;
	put(to, ", open for ");
	if (culprit->lifetime_ns == UINT64_MAX) {
		put(to, "more than ");
		words__duration(to, culprit->lifetime_above_ns);
	} else {
		if (!culprit->lifetime_above_ns) {
			put(to, "less than ");
		} else {
			words__duration(to, culprit->lifetime_above_ns);
			put(to, " to ");
		}
		words__duration(to, culprit->lifetime_ns);
	}
	put(to, " (median)");
}

static void put_side(struct outbuf *to, const struct story_culprit *culprit)
{
	unsigned int share = culprit->client_permille;

	if (culprit->place.side == TWS_SIDE_SERVER)
		share = culprit->server_permille;
	if (culprit->place.side == TWS_SIDE_UNKNOWN) {
		put(to, ", on a side that is not known");
		return;
	}
	put(to, culprit->place.side == TWS_SIDE_CLIENT ? ", as client" : ", as server");
	if (share >= SIDE_PERMILLE)
		return;
	put(to, " (");
	words__percent(to, share);
	put(to, ")");
}

static void put_where(struct outbuf *to, const struct story_culprit *culprit)
{
	bool here = culprit->place.side == TWS_SIDE_SERVER;

	if (culprit->place_permille < SIDE_PERMILLE) {
		words__percent(to, culprit->place_permille);
		outbuf__char(to, ' ');
	}
	put(to, here ? "at " : "to ");
	words__place(to, &culprit->place);
	put_side(to, culprit);
	put_cause(to, culprit);
	put_lifetime(to, culprit);
}

static void write_where(struct outbuf *to, const struct words *words,
			const struct story_incident *incident)
{
	for (unsigned int i = 0; i < incident->num_culprits; i++) {
		const struct story_culprit *culprit = &incident->culprits[i];

		if (!culprit->who || !culprit->place.family)
			continue;
		put(to, to->len ? "; " : "");
		if (incident->num_culprits > 1) {
			words__name(to, words->story->who[culprit->who].comm, 20);
			outbuf__char(to, ' ');
		}
		put_where(to, culprit);
	}
	if (to->len)
		put(to, ".");
}

/* ---- what it did ---- */

static void put_port_set(struct outbuf *to, const struct words *words,
			 const struct story_port_set *set)
{
	const struct held_ports *p = &set->ports;

	words__port_set(to, p);
	put(to, ": ");
	if (p->has_left) {
		words__number(to, p->left);
		put(to, " of ");
		put_number(to, p->usable, "port", "ports");
		put(to, " left");
	} else {
		words__percent(to, (unsigned int)set->permille);
		put(to, " of ");
		put_number(to, p->usable, "port", "ports");
		put(to, " taken");
	}
	put(to, " (");
	words__time(to, words, p->wall_ns);
	put(to, ")");
	if (p->owners[0].count && p->owners[0].comm[0]) {
		char comm[TWS_COMM_LEN + 1] = "";

		memcpy(comm, p->owners[0].comm, TWS_COMM_LEN);
		put(to, ", most by ");
		words__name(to, comm, 20);
	}
}

/* A set that is half empty is of interest only as the fullest. */
static void write_ports(struct outbuf *to, const struct words *words,
			const struct story_incident *incident)
{
	for (unsigned int i = 0; i < incident->num_ports; i++) {
		if (i && incident->ports[i].permille < 500)
			continue;
		put(to, i ? "; " : "");
		put_port_set(to, words, &incident->ports[i]);
	}
	if (incident->num_ports)
		put(to, ".");
}

static void put_failure(struct outbuf *to, const struct words *words,
			const struct story_row *row)
{
	put_number(to, row->count, "time ", "times ");
	words__error(to, row->place.error);
	put(to, ", ");
	words__who(to, words->story, row->who);
	put(to, " to ");
	words__place(to, &row->place);
}

/* All of them are of one kind. */
static void put_same_failure(struct outbuf *to, const struct words *words,
			     const struct story_row *row)
{
	put(to, " with ");
	words__error(to, row->place.error);
	put(to, ": ");
	words__who(to, words->story, row->who);
	put(to, " to ");
	words__place(to, &row->place);
	put(to, ".");
}

static void write_connects(struct outbuf *to, const struct words *words,
			   const struct story_incident *incident)
{
	const struct usual *usual = &words->story->usual_failed;

	if (!words->story->is_all)
		return;
	if (!incident->failed) {
		put(to, "None failed.");
		return;
	}
	words__number(to, incident->failed);
	put(to, " failed");
	if (incident->failures[0].count == incident->failed) {
		put_same_failure(to, words, &incident->failures[0]);
		return;
	}
	if (usual->is_known && usual->median > 0)
		put_usual_rate(to, usual);
	for (unsigned int i = 0; i < incident->num_failures; i++) {
		put(to, i ? "; " : ": ");
		put_failure(to, words, &incident->failures[i]);
	}
	put(to, ".");
}

static void write_limit(struct outbuf *to, const struct words *words,
			const struct story_incident *incident)
{
	double used = incident->limit ? (double)incident->limited * 1000 / (double)incident->limit :
					0;

	(void)words;
	if (incident->limit && (used >= LIMIT_PERMILLE || incident->overflows)) {
		words__number(to, incident->limited);
		put(to, " of ");
		words__number(to, incident->limit);
		put(to, " at most (");
		words__percent(to, used > 9999 ? 9999 : (unsigned int)used);
		put(to, " of net.ipv4.tcp_max_tw_buckets).");
	}
	if (!incident->overflows)
		return;
	begin_sentence(to);
	put_number(to, incident->overflows, "TIME_WAIT was", "TIME_WAITs were");
	put(to, " not made.");
}

/* ---- what it means ---- */

static void write_meaning(struct outbuf *to, const struct words *words,
			  const struct story_incident *incident)
{
	const struct held_account *account = &words->story->account;

	put(to, incident->advice->means);
	if (incident->closes < STORY_LITTLE && !incident->failed_ports)
		put(to, " Too little was seen to be sure.");
	else if (words->story->has_account && account->lost)
		put(to, " Events were lost, so that numbers may be higher.");
}

static void write_remedy(struct outbuf *to, const struct words *words,
			 const struct story_incident *incident)
{
	(void)words;
	if (!incident->advice->remedy)
		return;
	put(to, incident->advice->remedy);
	while (to->len && to->data[to->len - 1] == ' ')
		to->len--;
	put(to, " See docs/time-wait.md.");
}

static void write_avoid(struct outbuf *to, const struct words *words,
			const struct story_incident *incident)
{
	(void)words;
	put(to, incident->advice->avoid ?: "");
}

const struct words_part words_parts[] = {
	{ "What", "what", write_what },
	{ "Who", "who", write_who },
	{ "Example", "example", write_example },
	{ "Where", "where", write_where },
	{ "Ports", "ports", write_ports },
	{ "Connects", "connects", write_connects },
	{ "Limit", "limit", write_limit },
	{ "Meaning", "meaning", write_meaning },
	{ "What to do", "remedy", write_remedy },
	{ "Beware", "avoid", write_avoid },
};
const size_t words_num_parts = sizeof(words_parts) / sizeof(words_parts[0]);

/* ---- the whole ---- */

static void put_calm(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;

	if (story__is_empty(story)) {
		put(to, "Nothing was recorded in this time.");
		return;
	}
	put(to, "Nothing stands out: ");
	put_number(to, story->closes, "close", "closes");
	put(to, ", at most ");
	words__rate(to, story->peak_per_s);
	put(to, "/s");
	if (story->time_wait) {
		put(to, ", and at most ");
		put_number(to, story->time_wait, "TIME_WAIT", "TIME_WAITs");
	}
	put(to, ".");
}

static void put_title(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident)
{
	put_when(to, words, incident);
	put(to, ": ");
	put(to, verdict(incident));
}

static void put_worst(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	const struct story_incident *incident = &story->incidents[story->worst];
	size_t first = to->len;

	put(to, verdict(incident));
	if (!to->failed && to->data[first] >= 'a' && to->data[first] <= 'z')
		to->data[first] -= 'a' - 'A';
	put(to, ", ");
	put_when(to, words, incident);
	/* Of ports that ran out nobody is blamed who did not take them. */
	if (incident->num_culprits && incident->culprits[0].who &&
	    (incident->takes_ports || !incident->failed_ports) &&
	    incident->culprits[0].permille >= 500) {
		put(to, ", mostly by ");
		words__who(to, story, incident->culprits[0].who);
	}
	put(to, ".");
}

void words__headline(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	unsigned int others;

	if (!story->num_incidents) {
		put_calm(to, words);
		if (story->num_findings) {
			put(to, " But ");
			put_number(to, story->num_findings, "finding was", "findings were");
			put(to, " recorded.");
		}
		return;
	}
	put_worst(to, words);
	others = story->num_incidents + story->more_incidents - 1;
	if (others == 1 && story->num_incidents == 2) {
		put(to, " Also, ");
		put_title(to, words, &story->incidents[!story->worst]);
		put(to, ".");
	} else if (others) {
		put(to, " And ");
		put_number(to, others, "other time", "other times");
		put(to, " at which something was not as usual.");
	}
}

void words__usual(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	const struct usual *rate = &story->usual_rate, *waits = &story->usual_time_wait;

	if (!rate->is_known) {
		put(to, "Too little was recorded to say what is usual.");
		return;
	}
	put_range(to, rate->low, rate->high);
	put(to, " closes/s");
	if (waits->is_known) {
		put(to, " and ");
		put_range(to, waits->low, waits->high);
		put(to, " TIME_WAITs");
	}
	put(to, ", by ");
	put_number(to, rate->count, "minute", "minutes");
	put(to, " recorded since ");
	words__time(to, words, story->past_ns - story->past_ns % SLOTS_MINUTE_NS);
	put(to, rate->grew ? "; they grew, and this is how it began." : ".");
}

void words__change(struct outbuf *to, const struct words *words,
		   const struct slots_change *change)
{
	put(to, change->name);
	put(to, " was changed from ");
	outbuf__u64(to, change->from);
	put(to, " to ");
	outbuf__u64(to, change->to);
	put(to, " before ");
	words__time(to, words, change->wall_ns);
	put(to, ".");
}
