// SPDX-License-Identifier: GPL-2.0
/* nsrun COMMAND ARGS...: runs it in a network namespace like churn's own. */
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int err;

	if (argc < 2) {
		fprintf(stderr, "usage: nsrun COMMAND ARGS...\n");
		return 2;
	}
	err = load__enter_netns(4000000);
	if (err) {
		fprintf(stderr, "nsrun: network namespace: %s (root is needed)\n", strerror(-err));
		return 1;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[1], argv + 1);
	fprintf(stderr, "nsrun: %s: %s\n", argv[1], strerror(errno));
	return 1;
}
