// SPDX-License-Identifier: GPL-2.0
/*
 * twsnoop list: the TIME_WAIT sockets that exist now, each with its owner.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/privileges.h"
#include "inventory/census.h"
#include "output/census_text.h"
#include "commands/command.h"
#include "containers/containers.h"
#include "inventory/gather.h"
#include "inventory/group.h"
#include "host/ifnames.h"
#include "host/kernel.h"
#include "inventory/list_account.h"
#include "output/account_text.h"
#include "output/fit.h"
#include "output/list_text.h"
#include "commands/filter_words.h"
#include "commands/group_words.h"
#include "commands/list_past.h"
#include "commands/options.h"
#include "commands/past.h"
#include "commands/pids.h"
#include "host/pid_iter.h"
#include "commands/said.h"
#include "output/ports_text.h"
#include "output/progress.h"
#include "output/sink.h"
#include "sockets/sockiter.h"

struct list_options {
	bool all, states, ports, reverse;
	struct group_keys sort, by;
	bool no_names;
	const char *runtime_socket;
	bool utc;
};

struct list {
	struct list_options opts;
	struct filter_options filters;
	struct output_options output;
	struct list_style style;
	struct sockets_source source;
	struct pid_numbers *pids; /* NULL: those of /proc are the host's */
	struct gathered gathered;
	struct past_options past;
};

static const struct option_spec list_table[] = {
	{ 0, "all", NULL, "sockets of every state, each with who holds it", option__flag,
	  offsetof(struct list_options, all) },
	{ 0, "sort", "KEY", "age (the default: the newest comes last), left, local,\n"
	  "local-port, remote, remote-port, netns, process, pid, uid,\n"
	  "container, state, side or cause", group_words__sort,
	  offsetof(struct list_options, sort) },
	{ 0, "reverse", NULL, "the other way round", option__flag,
	  offsetof(struct list_options, reverse) },
	{ 0, "by", "KEY[,...]", "count by process, pid, uid, container, local, local-port,\n"
	  "remote, remote-port, netns, state, side or cause", group_words__by,
	  offsetof(struct list_options, by) },
	{ 0, "states", NULL, "count connections in each state, beside the limits; with --by,\n"
	  "of each process, container, …",
	  option__flag, offsetof(struct list_options, states) },
	{ 0, "ports", NULL, "how many local ports are taken, by whom, and how many are left",
	  option__flag, offsetof(struct list_options, ports) },
	{ 0, "no-names", NULL, "ask no container runtime for names", option__flag,
	  offsetof(struct list_options, no_names) },
	{ 0, "runtime-socket", "PATH", "ask the container runtime at this socket for names",
	  containers__parse_socket, offsetof(struct list_options, runtime_socket) },
	{ 0, "utc", NULL, "with --from: times are in UTC, not in the local zone", option__flag,
	  offsetof(struct list_options, utc) },
	{ 0 },
};

/* ---- what is said on stderr ---- */

static int complain(const char *what, int err)
{
	progress__end();
	if (err == -EOPNOTSUPP)
		fprintf(stderr, "twsnoop: %s: this kernel cannot list TCP sockets: load the "
				"modules inet_diag and tcp_diag ('modprobe tcp_diag')\n", what);
	else if (err == -E2BIG)
		fprintf(stderr, "twsnoop: %s: more than %u of them: narrow it with a filter, "
				"or use --states\n", what, LISTING_MAX);
	else if (access("/proc/self/ns/net", F_OK))
		fprintf(stderr, "twsnoop: %s: /proc is not there, or cannot be read: mount -t proc "
				"proc /proc\n", what);
	else
		fprintf(stderr, "twsnoop: %s: %s\n", what, strerror(-err));
	return err;
}

/* One line for all that privileges are missing for. */
static void say_denied(const struct list *list)
{
	bool namespaces = list->gathered.flags & SOCKETS_DENIED;
	bool ledger = list->gathered.ledger_flags & LEDGER_DENIED;
	struct kernel kernel = {};
	bool admin, ptrace;

	if (list->gathered.flags & SOCKETS_FAILED)
		fputs("twsnoop: the sockets of some network namespace could not be read to the "
		      "end\n", stderr);
	if (!namespaces && !ledger)
		return;
	kernel__read_files(&kernel, "/sys", "/proc");
	admin = kernel__has_cap(&kernel, CAP_SYS_ADMIN);
	ptrace = kernel__has_cap(&kernel, CAP_SYS_PTRACE);
	fprintf(stderr, "twsnoop: %s%s%s cannot be read%s%s%s%s%s\n",
		namespaces ? "the network namespaces of some processes" : "",
		namespaces && ledger ? " and " : "", ledger ? "the ledger of owners" : "",
		admin && ptrace ? "" : ": missing ", admin ? "" : "CAP_SYS_ADMIN",
		admin || ptrace ? "" : ", ", ptrace ? "" : "CAP_SYS_PTRACE",
		kernel.user_ns ? ": this is a user namespace, whose capabilities do not count "
				 "outside: run it there" : "");
}

static void print_account(const struct list *list)
{
	struct list_account account;

	list_account__count(&account, &list->gathered.listing, list->gathered.ledger);
	if (list->opts.ports) /* these are not told one by one */
		account.open = 0;
	say_denied(list);
	account_text__write(&account, list->gathered.ledger_flags, stderr);
}

/* ---- gathering ---- */

static int tick(void *ctx, size_t count)
{
	(void)ctx;
	progress__count(count);
	return 0;
}

/* JSON and CSV name the listener as a server's opener. */
static struct gather_want want_of(const struct list *list)
{
	return (struct gather_want){
		.source = &list->source,
		.filter = &list->filters.filter,
		.containers = list->filters.containers,
		.num_containers = list->filters.num_containers,
		.ports = list->opts.ports,
		.all = list->opts.all || list->opts.states,
		.listeners = list->output.format != SINK_TEXT && !list->opts.by.num,
		.no_names = list->opts.no_names,
		.runtime_socket = list->opts.runtime_socket,
		.tick = tick,
	};
}

static int give_up_privileges(void)
{
	/* See sockiter__dump(). */
	uint64_t more = sockiter__is_open() || pid_iter__is_open() ? PRIVILEGE(CAP_BPF) : 0;
	int err = privileges__keep_only(PRIVILEGES_TO_LOOK | more);

	return err ? complain("cannot give up privileges", err) : 0;
}

static int gather(struct list *list, const struct gather_want *want)
{
	struct gathered *g = &list->gathered;
	int err;

	progress__step("reading sockets");
	err = gather__sockets(g, want);
	if (err)
		return complain("cannot list sockets", err);
	progress__step("reading the ledger of owners");
	err = gather__ledger(g, want);
	if (err)
		return complain("cannot read the ledger of owners", err);
	err = give_up_privileges();
	if (err)
		return err;
	progress__step("looking for owners");
	err = gather__owners(g, want);
	if (err)
		return complain("cannot look for owners", err);
	/* Names are waited for no longer than a second, and not with a timer's signals. */
	progress__end();
	err = gather__workloads(g, want);
	return err ? complain("cannot look for containers", err) : 0;
}

/* ---- the four forms ---- */

/* Each returns the exit status. */

/* Of what was to be printed, and could not be made. */
static int fail(const char *what, int err)
{
	complain(what, err);
	return 1;
}

static int wrote(int err)
{
	progress__end();
	return said__status(err);
}

static int write_rows(const struct list *list, struct ifnames *interfaces)
{
	const struct group_context ctx = { .listing = &list->gathered.listing,
					   .workloads = list->gathered.workloads,
					   .interfaces = interfaces };
	const struct list_records_sources sources = {
		list->gathered.ledger, list->gathered.listeners, "/proc",
	};
	size_t num = list->gathered.listing.num;
	uint32_t *order = malloc((num ?: 1) * sizeof(*order));
	int err = order ? group__sort(&ctx, &list->opts.sort, list->opts.reverse, order) : -ENOMEM;
	int status = err ? fail("cannot sort the sockets", err) :
			   wrote(list_text__rows(&ctx, &list->style, &sources, order,
						 STDOUT_FILENO));

	free(order);
	return status;
}

static int print_rows(const struct list *list)
{
	struct ifnames *interfaces;
	int err = ifnames__new(&interfaces, &netns_default_places), status;

	if (err)
		return fail("cannot print the sockets", err);
	status = write_rows(list, interfaces);
	ifnames__free(interfaces);
	return status;
}

static int print_groups(struct list *list)
{
	const struct group_context ctx = { .listing = &list->gathered.listing,
					   .workloads = list->gathered.workloads };
	struct group *groups = NULL;
	size_t num = 0;
	int err = group__count(&ctx, &list->opts.by, &groups, &num);
	int status;

	if (err)
		return fail("cannot count the sockets", err);
	if (list->opts.states)
		err = census_text__groups(&ctx, &list->style, &list->opts.by, groups, num,
					  STDOUT_FILENO);
	else
		err = list_text__groups(&ctx, &list->style, &list->opts.by, groups, num,
					STDOUT_FILENO);
	status = wrote(err);
	free(groups);
	return status;
}

static const char *why_no_binds(int err)
{
	switch (err) {
	case -EPERM:
		return "it takes CAP_BPF and CAP_PERFMON";
	case -EAGAIN:
		return "the table changed too fast, try again";
	case -EOPNOTSUPP:
		return "this kernel cannot run a BPF program for it";
	default:
		return strerror(-err);
	}
}

/* What the numbers cannot say. */
static void say_ports(const struct list *list, const struct ports *ports)
{
	bool reusable = false, own = false, unknown = false;

	for (size_t i = 0; i < ports->num; i++) {
		reusable |= ports->places[i].reusable > 0;
		own |= ports->places[i].scope == PORTS_OWN;
		/* of a program's own ports, and of a device's, it never is */
		unknown |= !ports->places[i].has_left && list->gathered.binds_error &&
			   ports->places[i].scope != PORTS_OWN;
	}
	if (unknown)
		fprintf(stderr, "twsnoop: LEFT is not known: which ports bind() has taken cannot "
				"be read: %s\n", why_no_binds(list->gathered.binds_error));
	if (list->output.format != SINK_TEXT)
		return;
	if (reusable)
		fputs("twsnoop: ports that are REUSABLE are left too: connect() takes them over from "
		      "TIME_WAIT (net.ipv4.tcp_tw_reuse)\n", stderr);
	if (own)
		fputs("twsnoop: LOCAL with a port or a range: the program chose it itself by bind(); "
		      "how many more it may choose is not known\n", stderr);
}

static int print_ports(struct list *list, const struct gather_want *want)
{
	struct ports ports = {};
	int err = gather__ports(&list->gathered, want, &ports), status;

	if (err)
		return fail("cannot count ports", err);
	err = ports_text__write(&ports, &list->gathered.listing, &list->style, STDOUT_FILENO);
	status = wrote(err);
	if (!err)
		say_ports(list, &ports);
	ports__free(&ports);
	return status;
}

static int print_states(struct list *list)
{
	const struct listing_want want = { .filter = &list->filters.filter, .tick = tick };
	struct census census = {};
	int err, status;

	if (give_up_privileges())
		return 1;
	progress__step("counting sockets");
	err = census__take(&census, &list->source, &want, &list->gathered.flags);
	status = err ? fail("cannot count sockets", err) :
		       wrote(census_text__write(&census, &list->style, STDOUT_FILENO));
	census__free(&census);
	if (!err)
		say_denied(list);
	return status;
}

static int print_listing(struct list *list)
{
	const struct gather_want want = want_of(list);
	int status;

	if (gather(list, &want))
		return 1;
	status = list->opts.ports ? print_ports(list, &want) :
		 list->opts.by.num ? print_groups(list) :
				     print_rows(list);
	print_account(list);
	return status;
}

/* ---- the command ---- */

/* What cannot be combined. */
static const char *conflict(const struct list *list)
{
	const struct list_options *o = &list->opts;
	const struct tws_filter *f = &list->filters.filter;
	bool counts = (o->states && !o->by.num) || o->ports;

	if (o->ports && (o->states || o->by.num || o->all))
		return "--ports goes with none of --states, --by and --all";
	if (o->states && o->all)
		return "--states counts all sockets: --all does not apply";
	if ((counts || o->by.num) && (o->sort.num || o->reverse))
		return "--sort and --reverse are for rows: counts come largest first";
	if (counts && (filter__asks_owner(f) || list->filters.num_containers))
		return "--states without --by, and --ports, count whatever its owner: -p, -c, -C "
		       "and --side do not apply";
	return NULL;
}

static const char *conflict_of_times(const struct list *list)
{
	const struct list_options *o = &list->opts;

	if (!list->past.from)
		return list->past.at ? "--at is a moment of a recording: --from says which" :
		       o->utc	     ? "--utc is for the times of a recording: --from says which" :
				       NULL;
	if (o->all)
		return "--all: sockets that nobody had closed are in no recording: not with --from";
	if (o->no_names || o->runtime_socket)
		return "--no-names and --runtime-socket are for what is there now: not with --from";
	return NULL;
}

static struct list_past_options of_past(const struct list *list)
{
	return (struct list_past_options){
		.past = &list->past,
		.utc = list->opts.utc,
		.filters = &list->filters,
		.style = &list->style,
		.states = list->opts.states,
		.ports = list->opts.ports,
		.reverse = list->opts.reverse,
		.sort = &list->opts.sort,
		.by = &list->opts.by,
	};
}

static int choose_way(struct list *list)
{
	const char *why;
	int err = pids__open(&list->pids, &list->filters.filter);

	if (err)
		return err;
	list->source.places = &netns_default_places;
	err = sockiter__choose(&list->source.dump, &why);
	if (why)
		fprintf(stderr, "twsnoop: %s%s\n", err ? "cannot list sockets: " : "", why);
	return err;
}

static void close_all(struct list *list)
{
	gather__free(&list->gathered);
	pids__close(list->pids);
	sockiter__close();
}

int cmd_list(int argc, char **argv)
{
	static struct list list;
	const struct option_part parts[] = {
		{ NULL, list_table, &list.opts },
		{ "What was recorded", past_option_table, &list.past },
		{ "Output", output_option_table, &list.output },
		{ "Filters", filter_option_table, &list.filters },
	};
	const struct command_spec spec = {
		"list", "[OPTION]...",
		"Print the sockets that are in TIME_WAIT now, and those that wait for the peer's FIN\n"
		"without a process, of every network namespace: who closed each, and how that is\n"
		"known. 'twsnoop attach' makes all of them known.",
		parts, sizeof(parts) / sizeof(parts[0]),
	};
	int err = options__parse(&spec, argc, argv, NULL);
	const char *why;

	if (err != OPTIONS_OK)
		return options__exit_status(err);
	why = conflict(&list) ?: conflict_of_times(&list);
	if (why)
		return options__exit_status(options__complain(&spec, "%s", why));
	list.style = (struct list_style){
		.format = list.output.format,
		.color = isatty(STDOUT_FILENO) && fit__wants_color(),
		.width = fit__terminal(STDOUT_FILENO),
	};
	if (list.past.from) {
		const struct list_past_options past = of_past(&list);

		return list_past__print(&past, &spec);
	}
	if (choose_way(&list))
		return 1;
	progress__begin(STDERR_FILENO);
	err = list.opts.states && !list.opts.by.num ? print_states(&list) : print_listing(&list);
	progress__end();
	close_all(&list);
	return err;
}
