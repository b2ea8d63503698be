// SPDX-License-Identifier: GPL-2.0
#include "output/account_text.h"

#include <time.h>

#define NS_PER_S 1000000000ULL
#define DAY_NS (24 * 3600 * NS_PER_S)

/* HH:MM:SS, with the date if that is more than a day ago. */
static void format_moment(char *to, size_t size, const struct list_account *account,
			  uint64_t mono_ns)
{
	uint64_t ago_ns = account->taken_ns > mono_ns ? account->taken_ns - mono_ns : 0;
	time_t when = (time_t)((account->wall_ns - ago_ns) / NS_PER_S);
	struct tm tm;

	if (!localtime_r(&when, &tm) ||
	    !strftime(to, size, ago_ns < DAY_NS ? "%H:%M:%S" : "%F %H:%M:%S", &tm))
		snprintf(to, size, "?");
}

/* Why owners are not known, and what to do about it. */
static void explain(const struct list_account *account, unsigned int ledger_flags, FILE *to)
{
	char when[32];

	if (ledger_flags & LEDGER_OTHER)
		fprintf(to, "twsnoop: a ledger of another version was left out: renew it "
			    "with 'twsnoop detach' and 'twsnoop attach'\n");
	if (account->written_over) {
		format_moment(when, sizeof(when), account, account->whole_ns);
		fprintf(to, "twsnoop: the ledger is too small, and reaches back to %s only; "
			    "sockets that were closed before: %zu: 'twsnoop attach' with a larger "
			    "--size, after 'twsnoop detach' where it is attached\n", when,
			account->written_over);
	}
	if (!account->before || ledger_flags & LEDGER_DENIED)
		return;
	if (account->since_ns) {
		format_moment(when, sizeof(when), account, account->since_ns);
		fprintf(to, "twsnoop: owners are known only since %s, sockets that were "
			    "closed before: %zu\n", when, account->before);
	} else if (account->ledgers) {
		fprintf(to, "twsnoop: only a trace with a filter records owners: run "
			    "'twsnoop attach', and from then on all are known\n");
	} else {
		fprintf(to, "twsnoop: nothing has recorded who closed: run 'twsnoop attach', "
			    "and from then on owners are known\n");
	}
}

void account_text__write(const struct list_account *account, unsigned int ledger_flags,
			 FILE *to)
{
	explain(account, ledger_flags, to);
	fprintf(to, "twsnoop: listed=%zu seen=%zu inferred=%zu unknown=%zu missed=%zu",
		account->listed, account->seen, account->inferred, account->unknown,
		account->missed);
	if (account->open)
		fprintf(to, " open=%zu", account->open);
	fputc('\n', to);
}
