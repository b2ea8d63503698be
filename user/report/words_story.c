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
	outbuf__text(to, " to ");
	words__rate(to, high);
	if (!to->failed && to->len - from == 2 * len + 4 &&
	    !memcmp(to->data + from, to->data + from + len + 4, len))
		to->len = from + len;
}

static void put_usual_rate(struct outbuf *to, const struct usual *usual)
{
	if (!usual->is_known)
		return;
	outbuf__text(to, ", usually ");
	put_range(to, usual->low, usual->high);
	outbuf__text(to, "/s");
}

static void put_usual_count(struct outbuf *to, const struct usual *usual)
{
	if (!usual->is_known)
		return;
	outbuf__text(to, ", usually ");
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
		outbuf__text(to, incident->began_before ? "all the time from " : "from ");
		words__time(to, words, incident->since_ns);
		outbuf__text(to, " on");
		return;
	}
	if (incident->began_before) {
		outbuf__text(to, "until ");
		words__time(to, words, incident->until_ns);
		return;
	}
	words__times(to, words, incident->since_ns, incident->until_ns);
}

void words__incident(struct outbuf *to, const struct words *words,
		     const struct story_incident *incident)
{
	put_when(to, words, incident);
	outbuf__text(to, ", ");
	words__duration(to, length_ns(incident));
	outbuf__text(to, ": ");
	outbuf__text(to, verdict(incident));
}

static void put_rates(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident)
{
	const struct usual *usual = &words->story->usual_rate;

	if (!incident->closes) {
		outbuf__text(to, "No closes were seen.");
		return;
	}
	if (!(incident->signs & STORY_RATE))
		outbuf__text(to, "Closes: at most ");
	else
		outbuf__text(to, incident->grew ? "Closes grew to " : "Closes rose to ");
	words__rate(to, incident->peak_per_s);
	outbuf__text(to, "/s (");
	words__time(to, words, incident->peak_ns);
	outbuf__text(to, ")");
	put_usual_rate(to, usual);
	outbuf__text(to, "; ");
	put_number(to, incident->closes, "close", "closes");
	outbuf__text(to, " in all.");
}

static void put_ends(struct outbuf *to, const struct words *words,
		     const struct story_incident *incident)
{
	if (incident->drained_ns) {
		outbuf__text(to, " As usual again from ");
		words__time(to, words, incident->drained_ns);
		outbuf__text(to, " on.");
	}
	if (incident->began_before)
		outbuf__text(to, " It had begun when the recording begins.");
	if (incident->goes_on)
		outbuf__text(to, " It had not ended when the report ends.");
	if (incident->has_gap)
		outbuf__text(to, " A part of it was not recorded.");
}

static void write_what(struct outbuf *to, const struct words *words,
		       const struct story_incident *incident)
{
	put_rates(to, words, incident);
	if (incident->time_wait) {
		outbuf__text(to, " At most ");
		put_number(to, incident->time_wait, "TIME_WAIT", "TIME_WAITs");
		outbuf__text(to, " (");
		words__time(to, words, incident->time_wait_ns);
		outbuf__text(to, ")");
		put_usual_count(to, &words->story->usual_time_wait);
		outbuf__text(to, ".");
	}
	put_ends(to, words, incident);
}

/* ---- who ---- */

static void put_culprit(struct outbuf *to, const struct words *words,
			const struct story_incident *incident,
			const struct story_culprit *culprit)
{
	words__who(to, words->story, culprit->who);
	outbuf__text(to, ": ");
	words__percent(to, culprit->permille);
	if (incident->takes_ports) {
		outbuf__text(to, " of the closes as client to ");
		words__place(to, &incident->short_of);
		outbuf__text(to, ", ");
	} else {
		outbuf__text(to, words->story->usual_rate.is_known ? " of what was more than usual, " : ", ");
	}
	words__rate(to, culprit->per_s);
	outbuf__text(to, incident->takes_ports ? "/s in all" : "/s");
	if (culprit->usual_per_s > 0) {
		outbuf__text(to, ", usually ");
		words__rate(to, culprit->usual_per_s);
		outbuf__text(to, "/s");
	}
}

static void write_who(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident)
{
	for (unsigned int i = 0; i < incident->num_culprits; i++) {
		outbuf__text(to, i ? "; " : "");
		put_culprit(to, words, incident, &incident->culprits[i]);
	}
	if (incident->num_culprits)
		outbuf__text(to, ".");
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
		outbuf__text(to, words[cause]);
}

static void put_lifetime(struct outbuf *to, const struct story_culprit *culprit)
{
	if (!culprit->lifetime_ns)
		return;
	outbuf__text(to, ", open for ");
	if (culprit->lifetime_ns == UINT64_MAX) {
		outbuf__text(to, "more than ");
		words__duration(to, culprit->lifetime_above_ns);
	} else {
		if (!culprit->lifetime_above_ns) {
			outbuf__text(to, "less than ");
		} else {
			words__duration(to, culprit->lifetime_above_ns);
			outbuf__text(to, " to ");
		}
		words__duration(to, culprit->lifetime_ns);
	}
	outbuf__text(to, " (median)");
}

static void put_side(struct outbuf *to, const struct story_culprit *culprit)
{
	unsigned int share = culprit->client_permille;

	if (culprit->place.side == TWS_SIDE_SERVER)
		share = culprit->server_permille;
	if (culprit->place.side == TWS_SIDE_UNKNOWN) {
		outbuf__text(to, ", on a side that is not known");
		return;
	}
	outbuf__text(to, culprit->place.side == TWS_SIDE_CLIENT ? ", as client" : ", as server");
	if (share >= SIDE_PERMILLE)
		return;
	outbuf__text(to, " (");
	words__percent(to, share);
	outbuf__text(to, ")");
}

static void put_where(struct outbuf *to, const struct story_culprit *culprit)
{
	bool here = culprit->place.side == TWS_SIDE_SERVER;

	if (culprit->place_permille < SIDE_PERMILLE) {
		words__percent(to, culprit->place_permille);
		outbuf__char(to, ' ');
	}
	outbuf__text(to, here ? "at " : "to ");
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
		outbuf__text(to, to->len ? "; " : "");
		if (incident->num_culprits > 1) {
			words__name(to, words->story->who[culprit->who].comm, 20);
			outbuf__char(to, ' ');
		}
		put_where(to, culprit);
	}
	if (to->len)
		outbuf__text(to, ".");
}

/* ---- what it did ---- */

static void put_port_set(struct outbuf *to, const struct words *words,
			 const struct story_port_set *set)
{
	const struct held_ports *p = &set->ports;

	words__port_set(to, p);
	outbuf__text(to, ": ");
	if (p->has_left) {
		words__number(to, p->left);
		outbuf__text(to, " of ");
		put_number(to, p->usable, "port", "ports");
		outbuf__text(to, " left");
	} else {
		words__percent(to, (unsigned int)set->permille);
		outbuf__text(to, " of ");
		put_number(to, p->usable, "port", "ports");
		outbuf__text(to, " taken");
	}
	outbuf__text(to, " (");
	words__time(to, words, p->wall_ns);
	outbuf__text(to, ")");
	if (p->owners[0].count && p->owners[0].comm[0]) {
		char comm[TWS_COMM_LEN + 1] = "";

		memcpy(comm, p->owners[0].comm, TWS_COMM_LEN);
		outbuf__text(to, ", most by ");
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
		outbuf__text(to, i ? "; " : "");
		put_port_set(to, words, &incident->ports[i]);
	}
	if (incident->num_ports)
		outbuf__text(to, ".");
}

static void put_failure(struct outbuf *to, const struct words *words,
			const struct story_row *row)
{
	put_number(to, row->count, "time ", "times ");
	words__error(to, row->place.error);
	outbuf__text(to, ", ");
	words__who(to, words->story, row->who);
	outbuf__text(to, " to ");
	words__place(to, &row->place);
}

/* All of them are of one kind. */
static void put_same_failure(struct outbuf *to, const struct words *words,
			     const struct story_row *row)
{
	outbuf__text(to, " with ");
	words__error(to, row->place.error);
	outbuf__text(to, ": ");
	words__who(to, words->story, row->who);
	outbuf__text(to, " to ");
	words__place(to, &row->place);
	outbuf__text(to, ".");
}

static void write_connects(struct outbuf *to, const struct words *words,
			   const struct story_incident *incident)
{
	const struct usual *usual = &words->story->usual_failed;

	if (!words->story->is_all)
		return;
	if (!incident->failed) {
		outbuf__text(to, "None failed.");
		return;
	}
	words__number(to, incident->failed);
	outbuf__text(to, " failed");
	if (incident->failures[0].count == incident->failed) {
		put_same_failure(to, words, &incident->failures[0]);
		return;
	}
	if (usual->is_known && usual->median > 0)
		put_usual_rate(to, usual);
	for (unsigned int i = 0; i < incident->num_failures; i++) {
		outbuf__text(to, i ? "; " : ": ");
		put_failure(to, words, &incident->failures[i]);
	}
	outbuf__text(to, ".");
}

static void write_limit(struct outbuf *to, const struct words *words,
			const struct story_incident *incident)
{
	double used = incident->limit ? (double)incident->limited * 1000 / (double)incident->limit :
					0;

	(void)words;
	if (incident->limit && (used >= LIMIT_PERMILLE || incident->overflows)) {
		words__number(to, incident->limited);
		outbuf__text(to, " of ");
		words__number(to, incident->limit);
		outbuf__text(to, " at most (");
		words__percent(to, used > 9999 ? 9999 : (unsigned int)used);
		outbuf__text(to, " of net.ipv4.tcp_max_tw_buckets).");
	}
	if (!incident->overflows)
		return;
	begin_sentence(to);
	put_number(to, incident->overflows, "TIME_WAIT was", "TIME_WAITs were");
	outbuf__text(to, " not made.");
}

/* ---- what it means ---- */

static void write_meaning(struct outbuf *to, const struct words *words,
			  const struct story_incident *incident)
{
	const struct feed_account *account = &words->story->account;

	outbuf__text(to, incident->advice->means);
	if (incident->closes < STORY_LITTLE && !incident->failed_ports)
		outbuf__text(to, " Too little was seen to be sure.");
	else if (words->story->has_account && account->lost)
		outbuf__text(to, " Events were lost, so that numbers may be higher.");
}

static void write_remedy(struct outbuf *to, const struct words *words,
			 const struct story_incident *incident)
{
	(void)words;
	if (!incident->advice->remedy)
		return;
	outbuf__text(to, incident->advice->remedy);
	while (to->len && to->data[to->len - 1] == ' ')
		to->len--;
	outbuf__text(to, " See docs/time-wait.md.");
}

static void write_avoid(struct outbuf *to, const struct words *words,
			const struct story_incident *incident)
{
	(void)words;
	outbuf__text(to, incident->advice->avoid ?: "");
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
		outbuf__text(to, "Nothing was recorded in this time.");
		return;
	}
	outbuf__text(to, "Nothing stands out: ");
	put_number(to, story->closes, "close", "closes");
	outbuf__text(to, ", at most ");
	words__rate(to, story->peak_per_s);
	outbuf__text(to, "/s");
	if (story->time_wait) {
		outbuf__text(to, ", and at most ");
		put_number(to, story->time_wait, "TIME_WAIT", "TIME_WAITs");
	}
	outbuf__text(to, ".");
}

static void put_title(struct outbuf *to, const struct words *words,
		      const struct story_incident *incident)
{
	put_when(to, words, incident);
	outbuf__text(to, ": ");
	outbuf__text(to, verdict(incident));
}

static void put_worst(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	const struct story_incident *incident = &story->incidents[story->worst];
	size_t first = to->len;

	outbuf__text(to, verdict(incident));
	if (!to->failed && to->data[first] >= 'a' && to->data[first] <= 'z')
		to->data[first] -= 'a' - 'A';
	outbuf__text(to, ", ");
	put_when(to, words, incident);
	/* Of ports that ran out nobody is blamed who did not take them. */
	if (incident->num_culprits && incident->culprits[0].who &&
	    (incident->takes_ports || !incident->failed_ports) &&
	    incident->culprits[0].permille >= 500) {
		outbuf__text(to, ", mostly by ");
		words__who(to, story, incident->culprits[0].who);
	}
	outbuf__text(to, ".");
}

void words__headline(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	unsigned int others;

	if (!story->num_incidents) {
		put_calm(to, words);
		if (story->num_findings) {
			outbuf__text(to, " But ");
			put_number(to, story->num_findings, "finding was", "findings were");
			outbuf__text(to, " recorded.");
		}
		return;
	}
	put_worst(to, words);
	others = story->num_incidents + story->more_incidents - 1;
	if (others == 1 && story->num_incidents == 2) {
		outbuf__text(to, " Also, ");
		put_title(to, words, &story->incidents[!story->worst]);
		outbuf__text(to, ".");
	} else if (others) {
		outbuf__text(to, " And ");
		put_number(to, others, "other time", "other times");
		outbuf__text(to, " at which something was not as usual.");
	}
}

void words__usual(struct outbuf *to, const struct words *words)
{
	const struct story *story = words->story;
	const struct usual *rate = &story->usual_rate, *waits = &story->usual_time_wait;

	if (!rate->is_known) {
		outbuf__text(to, "Too little was recorded to say what is usual.");
		return;
	}
	put_range(to, rate->low, rate->high);
	outbuf__text(to, " closes/s");
	if (waits->is_known) {
		outbuf__text(to, " and ");
		put_range(to, waits->low, waits->high);
		outbuf__text(to, " TIME_WAITs");
	}
	outbuf__text(to, ", by ");
	put_number(to, rate->count, "minute", "minutes");
	outbuf__text(to, " recorded since ");
	words__time(to, words, story->past_ns - story->past_ns % SLOTS_MINUTE_NS);
	outbuf__text(to, rate->grew ? "; they grew, and this is how it began." : ".");
}

void words__change(struct outbuf *to, const struct words *words,
		   const struct slots_change *change)
{
	outbuf__text(to, change->name);
	outbuf__text(to, " was changed from ");
	outbuf__u64(to, change->from);
	outbuf__text(to, " to ");
	outbuf__u64(to, change->to);
	outbuf__text(to, " before ");
	words__time(to, words, change->wall_ns);
	outbuf__text(to, ".");
}
