// SPDX-License-Identifier: GPL-2.0
#include "commands/haste.h"

#include <sys/resource.h>

#define HASTE_NICE (-10) /* some nine times the share of others */

int haste__begin(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);

	if (nice > HASTE_NICE)
		setpriority(PRIO_PROCESS, 0, HASTE_NICE);
	return nice;
}

void haste__end(int nice)
{
	setpriority(PRIO_PROCESS, 0, nice);
}
