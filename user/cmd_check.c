// SPDX-License-Identifier: GPL-2.0
#include "command.h"

int cmd_check(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
