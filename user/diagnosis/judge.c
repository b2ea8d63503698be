// SPDX-License-Identifier: GPL-2.0
#include "diagnosis/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for one more, or that of the least of its kind, if this one is graver; or NULL. */
static struct finding *place_of(struct rules_verdict *v, const char *id, enum severity severity)
{
	struct finding *last = NULL, *least = NULL;
	size_t same = 0, more;

	for (size_t i = 0; i < v->num; i++) {
		struct finding *f = &v->findings[i];

		if (strcmp(f->id, id))
			continue;
		last = f;
		least = least && least->severity < f->severity ? least : f;
		same++;
	}
	if (same < RULES_OF_A_KIND && v->num < RULES_FINDINGS) {
		memset(&v->findings[v->num], 0, sizeof(v->findings[0]));
		return &v->findings[v->num++];
	}
	if (!last)
		return NULL;
	last->more++;
	if (least->severity >= severity)
		return NULL;
	more = least->more;
	memset(least, 0, sizeof(*least));
	least->more = more;
	return least;
}

/* By how much of what it is counted by is missing. */
static enum confidence lower(const struct evidence *e, enum confidence confidence)
{
	if (e->lost * 2 > e->events)
		return CONFIDENCE_LITTLE;
	return e->lost && confidence == CONFIDENCE_SEEN ? CONFIDENCE_INFERRED : confidence;
}

/* Of each kind the gravest, of these the first, which are the largest; and how many more there
 * are. */
struct finding *judge__add(struct judge *j, const char *id, enum severity severity,
			   enum confidence confidence)
{
	struct finding *f = place_of(j->verdict, id, severity);

	if (!f)
		return NULL;
	f->id = id;
	f->severity = severity;
	f->confidence = j->basis == BASIS_COUNTS ? lower(j->e, confidence) : confidence;
	f->lost = j->basis == BASIS_TABLES ? 0 : j->e->lost;
	return f;
}

const struct finding *judge__found(const struct judge *j, const char *id,
				   const struct evidence_flow *flow)
{
	for (size_t i = 0; i < j->verdict->num; i++) {
		const struct finding *f = &j->verdict->findings[i];

		if (!strcmp(f->id, id) &&
		    (!flow || (f->netns == flow->key.netns && f->peer_port == flow->key.port &&
			       !memcmp(f->peer_addr, flow->key.peer_addr, sizeof(f->peer_addr)))))
			return f;
	}
	return NULL;
}

static uint64_t age_ns(const struct evidence *e, uint64_t last_ns)
{
	return e->until_ns > last_ns ? e->until_ns - last_ns : 0;
}

bool judge__is_recent(const struct evidence *e, uint64_t last_ns, uint64_t ns)
{
	return e->is_past || age_ns(e, last_ns) <= ns;
}

const char *judge__ago(char to[FINDING_SPAN], const struct evidence *e, uint64_t last_ns)
{
	return finding__span(to, age_ns(e, last_ns));
}

void judge__age_fact(struct finding *f, const struct evidence *e, const char *name, uint64_t last_ns)
{
	finding__fact(f, name, age_ns(e, last_ns) / NS_PER_S);
}

/* What comes before "sysctl", and what is to be said behind it of the namespace. */
static const char *enter(const struct evidence_netns *ns, char note[160])
{
	note[0] = '\0';
	if (!ns || ns->is_own)
		return "";
	if (ns->enter[0])
		return ns->enter;
	snprintf(note, 160, "; there, in network namespace %u: PID stands for a process in it",
		 ns->netns);
	return "nsenter -t PID -n ";
}

void judge__sysctl(struct finding *f, const struct evidence_netns *ns, const char *before,
		   const char *setting, const char *more, ...)
{
	char behind[256], note[160];
	const char *in = enter(ns, note);
	va_list ap;

	va_start(ap, more);
	vsnprintf(behind, sizeof(behind), more, ap);
	va_end(ap);
	/* a container is made anew some day, and its namespace with it */
	finding__step(f, "%s%s%ssysctl -w %s%s%s%s", before ?: "", before ? ": " : "", in, setting, behind,
		      note, in[0] && f->label[0] ? "; to stay: --sysctl of docker run, or "
						   "securityContext.sysctls of the pod" : "");
}

bool judge__resets_idle(const struct evidence_flow *flow)
{
	return is_client(flow) && !strcmp(flow->key.comm, "haproxy");
}
