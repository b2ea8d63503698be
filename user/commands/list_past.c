// SPDX-License-Identifier: GPL-2.0
#include "commands/list_past.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/privileges.h"
#include "commands/said.h"
#include "containers/wanted.h"
#include "inventory/list_account.h"
#include "inventory/recalled.h"
#include "output/account_text.h"
#include "output/census_text.h"
#include "output/ports_text.h"
#include "store/past_account.h"

#define NS_PER_S 1000000000ULL
#define LIFE_NS (60 * NS_PER_S) /* of what is listed, at most */

struct list_past {
	const struct list_past_options *opts;
	struct past past;
	struct gathered gathered;
	struct recalled *recalled;
	struct recalled_minute *minute;
};

static void say(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "twsnoop: %s\n", line);
}

static int fail(const char *what, int err)
{
	if (err == -E2BIG)
		fprintf(stderr, "twsnoop: %s: more than %u of them: narrow it with a filter, or "
				"use --states\n", what, LISTING_MAX);
	else
		fprintf(stderr, "twsnoop: %s: %s\n", what, strerror(-err));
	return 1;
}

static bool wants(void *ctx, const struct held_who *who)
{
	const struct filter_options *filters = ctx;
	const struct wanted wanted = { filters->containers, filters->num_containers };

	return wanted__matches_recorded(&wanted, who->cgroup_path, &who->workload);
}

static struct recall_want want_of(const struct list_past *list)
{
	const struct filter_options *filters = list->opts->filters;

	return (struct recall_want){
		.history = list->past.history,
		.at_ns = list->past.at_ns,
		.filter = &filters->filter,
		.wants = filters->num_containers ? wants : NULL,
		.ctx = (void *)(uintptr_t)filters,
	};
}

/* ---- what is said ---- */

static void say_moment(const struct list_past *list)
{
	const struct history_span *all = &list->past.status.all;
	char at[WHEN_BYTES], since[WHEN_BYTES], until[WHEN_BYTES];
	const struct when_zone *zone = list->past.zone;

	if (!all->until_ns)
		fputs("twsnoop: nothing was recorded yet\n", stderr);
	else
		fprintf(stderr, "twsnoop: at %s; the recording reaches from %s to %s\n",
			when__format(at, list->past.at_ns, zone),
			when__format(since, all->since_ns, zone),
			when__format(until, all->until_ns, zone));
}

/* Of a sample, where that is not of the same second. */
static void say_taken(const struct list_past *list, const char *what, uint64_t taken_ns)
{
	char taken[WHEN_BYTES];

	fprintf(stderr, "twsnoop: %s were counted at %s\n", what,
		when__format(taken, taken_ns, list->past.zone));
}

static int no_sample(const struct list_past *list, const char *what)
{
	char at[WHEN_BYTES];

	fprintf(stderr, "twsnoop: %s were not counted in the hour before %s\n", what,
		when__format(at, list->past.at_ns, list->past.zone));
	return 1;
}

/* What may be missing of the sockets, and may be too many. */
static void say_doubts(const struct list_past *list)
{
	uint64_t at_ns = list->past.at_ns;
	uint64_t since_ns = at_ns > LIFE_NS ? at_ns - LIFE_NS : 0;
	const struct history_span minute = { since_ns, at_ns + 1 };
	struct recalled_facts facts = recalled__facts(list->recalled);
	char begin[WHEN_BYTES];

	past__say_gaps(&list->past, &minute);
	if (!facts.run_since_ns)
		fputs("twsnoop: nobody recorded at that time: what was closed shortly before is "
		      "missing\n", stderr);
	else if (list->past.status.all.since_ns > since_ns)
		fprintf(stderr, "twsnoop: what was closed before %s is not in the recording\n",
			when__format(begin, list->past.status.all.since_ns, list->past.zone));
	if (facts.run_since_ns && !facts.all)
		fputs("twsnoop: nothing but entries into TIME_WAIT was recorded: nothing is known of "
		      "FIN_WAIT2, nor of what ended before its minute was over\n", stderr);
}

static size_t missed(const struct list_past *list)
{
	uint64_t at_ns = list->past.at_ns;
	const struct history_span minute = { at_ns > LIFE_NS ? at_ns - LIFE_NS : 0, at_ns + 1 };
	struct feed_account account;

	return past_account__count(&account, list->past.history, &minute) ? 0 : account.lost;
}

static void print_account(const struct list_past *list)
{
	struct list_account account = {};

	list_account__count_rows(&account, &list->gathered.listing);
	account.missed = missed(list);
	account_text__write(&account, 0, stderr);
}

/* ---- the forms; each returns the exit status ---- */

static int print_rows(const struct list_past *list, const struct group_context *ctx)
{
	const struct list_records_sources sources = { .proc_root = "/proc" };
	uint32_t *order = malloc((ctx->listing->num ?: 1) * sizeof(*order));
	int err = order ? group__sort(ctx, list->opts->sort, list->opts->reverse, order) : -ENOMEM;
	int status = err ? fail("cannot sort the sockets", err) :
			   said__status(list_text__rows(ctx, list->opts->style, &sources, order,
							STDOUT_FILENO));

	free(order);
	return status;
}

static int print_groups(const struct list_past *list, const struct group_context *ctx)
{
	struct group *groups = NULL;
	size_t num = 0;
	int err = group__count(ctx, list->opts->by, &groups, &num), status;

	if (err)
		return fail("cannot count the sockets", err);
	status = said__status(list_text__groups(ctx, list->opts->style, list->opts->by, groups,
						num, STDOUT_FILENO));
	free(groups);
	return status;
}

/* Where single events are gone, from the sums of the last whole minute. */
static int print_sums(struct list_past *list)
{
	const struct recall_want want = want_of(list);
	struct list_account account = {};
	char since[WHEN_BYTES];
	struct recalled_sums sums;
	struct group_context ctx;
	int err = recalled__sums(&list->minute, &list->gathered, &want, &sums), status;

	if (err)
		return fail("cannot count what was closed then", err);
	ctx = (struct group_context){ .listing = &list->gathered.listing,
				      .workloads = list->gathered.workloads };
	status = print_groups(list, &ctx);
	fprintf(stderr, "twsnoop: single events of that time are gone: counted are the entries into "
			"TIME_WAIT of the minute from %s on\n",
		when__format(since, sums.since_ns, list->past.zone));
	if (sums.other)
		fprintf(stderr, "twsnoop: of %" PRIu64 " more events of that minute nothing else is "
				"known\n", sums.other);
	list_account__count_rows(&account, &list->gathered.listing);
	account.missed = missed(list);
	account_text__write(&account, 0, stderr);
	return status;
}

/* The minute before the moment: what of it has lost its rows. Where a block is damaged the sockets that
 * are known are listed all the same. */
static int find_holes(const struct list_past *list, struct coverage *coverage)
{
	uint64_t at_ns = list->past.at_ns;
	const struct history_span minute = { at_ns > LIFE_NS ? at_ns - LIFE_NS + 1 : 0, at_ns };
	int err = at_ns ? coverage__find(coverage, list->past.history, &minute, false) : 0;

	if (err)
		fail("cannot read the recording", err);
	return err;
}

static bool knows_pids(const struct list_past *list)
{
	for (size_t i = 0; i < list->opts->by->num; i++)
		if (!strcmp(list->opts->by->keys[i]->word, "pid"))
			return false;
	return true;
}

/* Returns the exit status, -1: rows are there. */
static int answer_without_rows(struct list_past *list, const struct coverage *coverage)
{
	if (!coverage->num)
		return -1;
	if (list->opts->by->num && knows_pids(list))
		return print_sums(list);
	fprintf(stderr, "twsnoop: single events of that time are gone: sums are left: 'list --by' "
			"counts them%s, 'trace --at' prints them\n",
		list->opts->by->num ? " by anything but pid" : "");
	return 1;
}

static int print_sockets(struct list_past *list)
{
	const struct recall_want want = want_of(list);
	struct coverage coverage = {};
	struct group_context ctx;
	int err = find_holes(list, &coverage), status;

	status = err ? 1 : answer_without_rows(list, &coverage);
	coverage__free(&coverage);
	if (status >= 0)
		return status;
	err = recalled__sockets(&list->recalled, &list->gathered, &want);
	if (err)
		return fail("cannot list the sockets of that time", err);
	ctx = recalled__context(list->recalled, &list->gathered);
	status = list->opts->by->num ? print_groups(list, &ctx) : print_rows(list, &ctx);
	say_doubts(list);
	print_account(list);
	return status;
}

static int print_states(struct list_past *list)
{
	const struct recall_want want = want_of(list);
	struct census census = {};
	uint64_t taken_ns = 0;
	int err = recalled__census(&census, &want, &taken_ns), status;

	if (err == -ENOENT)
		status = no_sample(list, "states");
	else if (err)
		status = fail("cannot read the states of that time", err);
	else
		status = said__status(census_text__write(&census, list->opts->style,
							 STDOUT_FILENO));
	if (!err)
		say_taken(list, "states", taken_ns);
	census__free(&census);
	return status;
}

static int print_ports(struct list_past *list)
{
	const struct recall_want want = want_of(list);
	struct listing *listing = &list->gathered.listing;
	struct ports ports = {};
	uint64_t taken_ns = 0;
	int err = recalled__ports(&ports, listing, &want, &taken_ns), status;

	if (err == -ENOENT)
		status = no_sample(list, "ports");
	else if (err)
		status = fail("cannot read the ports of that time", err);
	else
		status = said__status(ports_text__write(&ports, listing, list->opts->style,
							STDOUT_FILENO));
	if (!err) {
		say_taken(list, "ports", taken_ns);
		fputs("twsnoop: a recording has the fullest sets of ports only\n", stderr);
	}
	ports__free(&ports);
	return status;
}

/* ---- the whole ---- */

/* What samples were not counted by. */
static const char *conflict(const struct list_past_options *o)
{
	const struct tws_filter *f = &o->filters->filter;

	if (o->states && o->by->num)
		return "--states --by: no recording has the owners of sockets in all states: not "
		       "with --from";
	if (o->states && (f->num_locals || f->num_peers || f->family))
		return "--states: a recording has them by network namespace: of the filters only "
		       "--netns applies";
	for (uint32_t i = 0; o->ports && i < f->num_locals; i++)
		if (f->locals[i].port)
			return "--ports: a recording does not tell single local ports apart";
	return NULL;
}

int list_past__print(const struct list_past_options *opts, const struct command_spec *spec)
{
	struct list_past list = { .opts = opts, .past = { .say = say } };
	const char *why = conflict(opts);
	enum options_result rc;
	int status;

	if (why)
		return options__exit_status(options__complain(spec, "%s", why));
	if (past__open(&list.past, opts->past, opts->utc))
		return 1;
	rc = past__set_moment(&list.past, opts->past, spec);
	if (rc != OPTIONS_OK) {
		past__close(&list.past);
		return options__exit_status(rc);
	}
	/* What is left to do is to read an open file, of which nothing is to be trusted. */
	if (privileges__keep_only(PRIVILEGE(CAP_DAC_READ_SEARCH)))
		fputs("twsnoop: privileges could not be given up\n", stderr);
	say_moment(&list);
	status = opts->states ? print_states(&list) :
		 opts->ports  ? print_ports(&list) :
				print_sockets(&list);
	gather__free(&list.gathered);
	recalled__free(list.recalled);
	recalled_minute__free(list.minute);
	past__close(&list.past);
	return status;
}
