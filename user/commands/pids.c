// SPDX-License-Identifier: GPL-2.0
#include "commands/pids.h"

#include <stdio.h>
#include <string.h>

#include "commands/filter_words.h"
#include "host/pid_iter.h"
#include "host/procinfo.h"

#define PROC_ROOT "/proc"

static int list_none(void *ctx, pid_numbers_put_fn put, void *to)
{
	(void)ctx, (void)put, (void)to;
	return 0;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "twsnoop: %s: %s\n", what, strerror(-err));
	return err;
}

/* Without the iterator: no number of /proc is taken for the host's. */
static int open_blind(struct pid_numbers **numbersp, const struct tws_filter *filter, int err)
{
	if (filter->num_pids) {
		fprintf(stderr, "twsnoop: cannot find the host's PIDs, by which -p goes, from inside "
				"a PID namespace: %s: run with CAP_BPF and CAP_PERFMON, or in the "
				"host's PID namespace\n", strerror(-err));
		return err;
	}
	err = pid_numbers__new(numbersp, list_none, NULL);
	if (err)
		return complain("cannot start", err);
	fprintf(stderr, "twsnoop: in a PID namespace: PIDs are the host's, and what only /proc "
			"knows of processes is left out\n");
	return 0;
}

/* 0: there is none. */
static __u32 host_pid_of(void *ctx, __u32 pid)
{
	const struct tws_process *found = pid_numbers__find(ctx, pid);

	return found ? found->host_pid : 0;
}

static int translate(struct pid_numbers *numbers, struct tws_filter *filter)
{
	__u32 unknown;
	int err = filter_words__map_pids(filter, host_pid_of, numbers, &unknown);

	if (err)
		fprintf(stderr, "twsnoop: --pid: there is no process %u in this PID namespace\n",
			unknown);
	return err;
}

int pids__open(struct pid_numbers **numbersp, struct tws_filter *filter)
{
	struct pid_numbers *numbers = NULL;
	int err;

	*numbersp = NULL;
	if (!pid_iter__is_needed(PROC_ROOT))
		return 0;
	err = pid_iter__open(PROC_ROOT) ?: pid_numbers__new(&numbers, pid_iter__list, NULL);
	if (err) {
		err = open_blind(&numbers, filter, err);
	} else {
		err = translate(numbers, filter);
		if (!err)
			fprintf(stderr, "twsnoop: in a PID namespace: -p takes PIDs of this one, "
					"those that are printed are the host's\n");
	}
	if (err) {
		pids__close(numbers);
		return err;
	}
	procinfo__use_numbers(numbers);
	*numbersp = numbers;
	return 0;
}

void pids__close(struct pid_numbers *numbers)
{
	procinfo__use_numbers(NULL);
	pid_numbers__free(numbers);
	pid_iter__close();
}
